//! Connectors and their sessions, and the way to end one.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_proto::control::neighbor::{
    Latency, Neighbor, NeighborDetail, Neighbors, RefusedRow, SessionRow, Teardown,
    TeardownRequest, Work,
};
use eg_proto::control::{Problem, ProblemKind};
use eg_proto::{DEFENDR_VERSION, Inspect};

use super::answer::{Refused, json, value_of};
use super::operator::Operator;
use super::policy::Desk;
use crate::audit::{AskedBy, Event};
use crate::listener::SESSIONS_MAX;
use crate::neighbors::{Known, Record, WorkDone};
use crate::view::now;

/// The kind of a teardown in the trail.
const TEARDOWN: &str = "teardown";

/// `GET neighbors`
pub(super) async fn summary(State(desk): State<Arc<Desk>>, _: Operator) -> Response {
    let sessions = &desk.system.neighbors;
    let open = sessions.open();
    let mut neighbors: Vec<Neighbor> =
        desk.system.known().map(|known| neighbor(&known, &open)).collect();
    neighbors.sort_by(|one, other| one.name.cmp(&other.name));
    let row = |(reason, count): (&str, u64)| RefusedRow { reason: reason.to_owned(), count };
    let answer = Neighbors {
        neighbors,
        refused: sessions.refused().into_iter().map(row).collect(),
        sessions: open.len() as u64,
        sessions_max: SESSIONS_MAX as u64,
    };
    json(StatusCode::OK, &answer)
}

fn neighbor(known: &Known, open: &[Arc<Record>]) -> Neighbor {
    let mut work = WorkDone::default();
    let (mut sessions, mut uptime) = (0, None);
    for record in open.iter().filter(|record| record.connector.as_str() == known.name) {
        sessions += 1;
        uptime = uptime.max(Some(record.uptime().as_secs()));
        work.add(&record.work());
    }
    Neighbor { name: known.name.clone(), sessions, uptime_s: uptime, work: told(&work) }
}

/// `GET neighbors/NAME`
pub(super) async fn detail(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    Path(name): Path<String>,
) -> Result<Response, Refused> {
    let Known { name, peers, listener } = known(&desk, &name)?;
    let open = desk.system.neighbors.open();
    let sessions = open.iter().filter(|record| record.connector.as_str() == name);
    let sessions = sessions.map(|record| session(record)).collect();
    Ok(json(StatusCode::OK, &NeighborDetail { name, peers, listener, sessions }))
}

fn session(record: &Record) -> SessionRow {
    SessionRow {
        session: record.session,
        peer: record.peer.to_string(),
        inspect: word_of_inspect(record.inspect).to_owned(),
        // There is one version so far; a session of another is refused.
        defendr: DEFENDR_VERSION,
        uptime_s: record.uptime().as_secs(),
        idle_s: record.idle().as_secs(),
        work: told(&record.work()),
    }
}

const fn word_of_inspect(inspect: Inspect) -> &'static str {
    match inspect {
        Inspect::Off => "off",
        Inspect::Peek => "peek",
        Inspect::Bump => "bump",
    }
}

fn told(work: &WorkDone) -> Work {
    Work {
        requests: work.requests,
        batches: work.batches,
        permit: work.permit,
        deny: work.deny,
        warn: work.warn,
        aup: work.aup,
        latency: Latency {
            p50_us: work.quantile_us(50),
            p95_us: work.quantile_us(95),
            p99_us: work.quantile_us(99),
            max_us: work.longest_us,
        },
    }
}

/// `POST neighbors/NAME/teardown`
pub(super) async fn teardown(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let TeardownRequest { session } = value_of(request).await?;
    let known = known(&desk, &name)?;
    let ended = desk.system.neighbors.tear_down(|record| {
        record.connector.as_str() == known.name && session.is_none_or(|one| one == record.session)
    });
    let which = match session {
        Some(session) => format!("session {session} of `{}`", known.name),
        None => format!("{ended} sessions of `{}`", known.name),
    };
    let asked_by = AskedBy { by: operator.name(), comment: None, force: false };
    let said = |outcome: &str, detail: &str| {
        desk.audit.event(&Event::Engine { what: TEARDOWN, outcome, detail, asked_by }, now());
    };
    if let (Some(_), 0) = (session, ended) {
        let detail = format!("{which} is not open; `show neighbor detail` names those that are");
        said("refused", &detail);
        return Err(Problem::new(ProblemKind::NotFound, detail).into());
    }
    said("done", &which);
    tracing::info!(by = operator.name(), connector = known.name, sessions = ended, "torn down");
    Ok(json(StatusCode::OK, &Teardown { ended: ended as u64 }))
}

/// The connector of the configuration by this name.
fn known(desk: &Desk, name: &str) -> Result<Known, Refused> {
    let found = desk.system.known().find(|known| known.name == name);
    found.ok_or_else(|| {
        let detail = format!("there is no `[connectors.{}]`", name.escape_debug());
        Refused(Problem::new(ProblemKind::NotFound, detail))
    })
}
