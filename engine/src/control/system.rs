//! The engine itself: its state, its clock, its threads, its store, and its restart.
//!
//! Whoever shows the state never waits for a reload: what the policy thread alone knows is asked for with
//! a deadline, and said to be busy past it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::Response;
use eg_policy::regex::{Backend, Placed, library};
use eg_proto::DEFENDR_VERSIONS;
use eg_proto::control::system::{
    Clock, Database, LogTail, Restarting, SetFiles, Status, TableRow, Threads, UriEngine, Version,
};
use eg_proto::control::{Problem, ProblemKind};
use eg_settings::log::LogType;
use serde::Deserialize;

use super::answer::{Refused, json};
use super::doors::ApiPlaces;
use super::operator::Operator;
use super::policy::Desk;
use super::shape::when;
use super::{log_tail, machine};
use crate::asks::{StoreLook, ending};
use crate::audit::{AskedBy, Event};
use crate::config::{Config, Loaded, TimeZoneChoice, version as engine_version, weakenings};
use crate::listener::SESSIONS_MAX;
use crate::neighbors::{Known, Neighbors};
use crate::process::{RestartDesk, clock_is_synchronised};
use crate::shadow::ShadowTally;
use crate::view::now;

/// How long `show status` waits for the store's word.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);

/// How long `show database status` does.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// How long it is waited for the word whether a restart begins: the configuration is read before.
const RESTART_PATIENCE: Duration = Duration::from_secs(10);

/// The kind of a restart in the trail.
const RESTART: &str = "restart";

/// What is to be known of the engine beside its policy.
#[derive(Debug)]
pub(crate) struct System {
    /// The configuration.
    pub(crate) loaded: Arc<Loaded>,
    /// When this run began.
    pub(crate) started: Instant,
    /// The sessions of connectors.
    pub(crate) neighbors: Arc<Neighbors>,
    /// The comparison of regexes.
    pub(crate) shadow: ShadowTally,
    /// Where a restart is asked for.
    pub(crate) restart: RestartDesk,
    /// The doors of the Control API.
    pub(crate) places: ApiPlaces,
    /// What scans regexes.
    pub(crate) backend: Backend,
}

impl System {
    fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// The connectors of the configuration.
    pub(super) fn known(&self) -> impl Iterator<Item = Known> {
        self.config().connectors.iter().map(Known::from)
    }

    #[cfg(test)]
    pub(super) fn for_a_test() -> Self {
        let text = "[connectors.a]\nkey = \"0123456789abcdef\"\n\
             [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";
        let none = eg_settings::Overrides::default();
        let loaded = crate::config::load_text("/srv/engine.conf".into(), text, &none).unwrap();
        Self {
            loaded: Arc::new(loaded),
            started: Instant::now(),
            neighbors: Arc::default(),
            shadow: ShadowTally::default(),
            restart: RestartDesk::default(),
            places: ApiPlaces::new(),
            backend: Backend::Regex,
        }
    }
}

/// What came of a look at the store.
enum Looked {
    At(StoreLook),
    /// The thread that owns it is at something else.
    Busy,
}

impl Desk {
    async fn look_at_store(&self, patience: Duration) -> Looked {
        let Ok(comes) = self.door.look() else { return Looked::Busy };
        match tokio::time::timeout(patience, comes).await {
            Ok(Ok(look)) => Looked::At(look),
            Ok(Err(_)) => Looked::At(Err(ending().detail)),
            Err(_) => Looked::Busy,
        }
    }
}

/// `GET status`
pub(super) async fn status(State(desk): State<Arc<Desk>>, _: Operator) -> Response {
    let store = if desk.facts.is_lost() {
        "closed: the thread of the policy ended by itself; restart the engine, and report it"
            .to_owned()
    } else {
        match desk.look_at_store(STATUS_PATIENCE).await {
            Looked::At(Ok(_)) => "open".to_owned(),
            Looked::At(Err(fault)) => fault,
            Looked::Busy => "open, and at work on a reload".to_owned(),
        }
    };
    let config = desk.system.config();
    let socket = config.control.socket.as_deref().map(|path| format!("unix:{}", path.display()));
    let https = format!("https://{}", config.control.address);
    let (api_connections, api_connections_max) = desk.system.places.counts();
    let published = desk.live.load();
    let ruleset = published.ruleset();
    let status = Status {
        engine: if desk.door.ends() { "ending" } else { "running" }.to_owned(),
        uptime_s: desk.system.started.elapsed().as_secs(),
        pid: std::process::id(),
        resident: machine::resident().unwrap_or(0),
        store,
        api: [https].into_iter().chain(socket).collect(),
        api_connections: api_connections as u64,
        api_connections_max: api_connections_max as u64,
        sessions: desk.system.neighbors.count() as u64,
        sessions_max: SESSIONS_MAX as u64,
        revision: published.stored().revision,
        digest: ruleset.digest().to_string(),
        rules: ruleset.rules().len() as u64,
        names: ruleset.entries(),
        since: when(published.since()),
        unconfirmed: desk.facts.unconfirmed(now()),
        audit: if desk.audit.is_writing() {
            "recording".to_owned()
        } else {
            "failing: entries cannot be written at present; the log says why".to_owned()
        },
        weakenings: weakenings(config).iter().map(ToString::to_string).collect(),
    };
    json(StatusCode::OK, &status)
}

/// `GET version`
pub(super) async fn version(State(desk): State<Arc<Desk>>, _: Operator) -> Response {
    let version = Version {
        engine: engine_version().to_owned(),
        defendr: DEFENDR_VERSIONS.to_vec(),
        store: desk.facts.engine().to_owned(),
        scanner: scanner(desk.system.backend),
    };
    json(StatusCode::OK, &version)
}

fn scanner(backend: Backend) -> String {
    format!("{} {}", backend.word(), scanner_version(backend)).trim_end().to_owned()
}

/// The version of what scans; the one of Rust is of the engine's own.
fn scanner_version(backend: Backend) -> String {
    match backend {
        Backend::Hyperscan => library().to_string(),
        Backend::Regex => String::new(),
    }
}

/// `GET clock`
pub(super) async fn clock(State(desk): State<Arc<Desk>>, _: Operator) -> Response {
    let local = jiff::Zoned::now();
    let zone = local
        .time_zone()
        .iana_name()
        .map_or_else(|| format!("an offset of {}", local.offset()), str::to_owned);
    let taken = desk.live.load().ruleset().zone().name().to_owned();
    let configured = match &desk.system.config().policy.time_window_tz {
        TimeZoneChoice::Local => "local",
        TimeZoneChoice::Utc => "utc",
        TimeZoneChoice::Named(name) => name,
    };
    let clock = Clock {
        local: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        utc: local.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        zone,
        time_window_tz: match configured == taken {
            true => taken,
            false => format!("{configured} ({taken})"),
        },
        synchronised: clock_is_synchronised(),
    };
    json(StatusCode::OK, &clock)
}

/// What `GET log` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    lines: Option<usize>,
}

/// `GET log`
pub(super) async fn log(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let bad = |detail: String| Refused(Problem::new(ProblemKind::BadRequest, detail));
    let Query(LogQuery { lines }) = query.map_err(|fault| bad(fault.body_text()))?;
    let lines = lines.unwrap_or(log_tail::LINES);
    if !(1..=log_tail::LINES_MAX).contains(&lines) {
        return Err(bad(format!("`lines` is a number from 1 to {}", log_tail::LINES_MAX)));
    }
    let path = match &desk.system.config().logging.kind {
        LogType::File(path) => path.clone(),
        LogType::Console | LogType::Syslog(_) => {
            let detail = "`[logging] type` is not `file`: the log is where that leads";
            return Err(Problem::new(ProblemKind::Conflict, detail).into());
        }
    };
    let file = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || log_tail::tail(&path, lines)).await;
    let failed = |why: String| Problem::new(ProblemKind::Failed, format!("`{file}`: {why}"));
    let read = read.map_err(|_| failed("the look at it was broken off".to_owned()))?;
    let lines = read.map_err(|fault| failed(fault.to_string()))?;
    Ok(json(StatusCode::OK, &LogTail { file, lines }))
}

/// `GET database`
pub(super) async fn database(
    State(desk): State<Arc<Desk>>,
    _: Operator,
) -> Result<Response, Refused> {
    let version = desk.facts.engine().to_owned();
    let facts = match desk.look_at_store(STORE_PATIENCE).await {
        Looked::Busy => {
            let detail = "the store is at work on a reload; ask again when it is done";
            return Err(Problem::new(ProblemKind::Busy, detail).into());
        }
        Looked::At(Err(fault)) => {
            let file = desk.system.config().database.database_file.display().to_string();
            let (tables, sets) = (Vec::new(), SetFiles::default());
            let (schema, bytes, wal_bytes) = (0, 0, 0);
            let broken =
                Database { file, state: fault, version, schema, bytes, wal_bytes, tables, sets };
            return Ok(json(StatusCode::OK, &broken));
        }
        Looked::At(Ok(facts)) => facts,
    };
    let table = |(name, rows)| TableRow { name, rows };
    let database = Database {
        file: facts.path.display().to_string(),
        state: "open".to_owned(),
        version,
        schema: facts.schema,
        bytes: facts.bytes,
        wal_bytes: facts.wal_bytes,
        tables: facts.tables.into_iter().map(table).collect(),
        sets: SetFiles { files: facts.set_files, bytes: facts.set_bytes },
    };
    Ok(json(StatusCode::OK, &database))
}

/// `GET system/threads`
pub(super) async fn threads(_: Operator) -> Result<Response, Refused> {
    let failed = |fault: std::io::Error| {
        Problem::new(ProblemKind::Failed, format!("the system does not say: {fault}"))
    };
    Ok(json(StatusCode::OK, &Threads { threads: machine::threads().map_err(failed)? }))
}

/// `GET system/uri-engine`
pub(super) async fn uri_engine(State(desk): State<Arc<Desk>>, _: Operator) -> Response {
    let published = desk.live.load();
    let ruleset = published.ruleset();
    let (mut scanned, mut fallback, mut shards) = (0_u64, 0_u64, 0_u64);
    for shard in ruleset.shards() {
        shards += 1;
        for (_, placed) in shard.placed() {
            match placed {
                Placed::Hyperscan => scanned += 1,
                Placed::Fallback => fallback += 1,
            }
        }
    }
    let lowered = ruleset.lowered() as u64;
    let shadow = desk.system.shadow.counts();
    let engine = UriEngine {
        // The only structure there is yet, whatever `domain_backend` says (ADR 0006).
        domain_backend: "hashset".to_owned(),
        names: ruleset.entries(),
        name_bytes: ruleset.bytes(),
        regex_backend: desk.system.backend.word().to_owned(),
        regex_version: scanner_version(desk.system.backend),
        patterns: lowered + scanned + fallback,
        lowered,
        fallback,
        shards,
        compared: shadow.compared,
        differed: shadow.disagreements,
    };
    json(StatusCode::OK, &engine)
}

/// `POST engine/restart`
pub(super) async fn restart(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<Response, Refused> {
    let asked_by = AskedBy { by: operator.name(), comment: None, force: false };
    let said = |outcome: &str, detail: &str| {
        desk.audit.event(&Event::Engine { what: RESTART, outcome, detail, asked_by }, now());
    };
    let asked = desk.system.restart.ask().map_err(|fault| {
        let detail = format!("the engine cannot be told: {fault}");
        Problem::new(ProblemKind::Failed, detail)
    })?;
    match tokio::time::timeout(RESTART_PATIENCE, asked).await {
        Ok(Ok(Ok(()))) => {
            let detail = "it drains and starts anew; its listeners stay open".to_owned();
            said("done", &detail);
            eg_settings::info!(by = operator.name(), "an operator restarts the engine");
            Ok(json(StatusCode::ACCEPTED, &Restarting { detail }))
        }
        Ok(Ok(Err(cause))) => {
            said("refused", &cause);
            let detail = format!("the engine goes on as it is: {cause}");
            Err(Problem::new(ProblemKind::Conflict, detail).into())
        }
        Ok(Err(_)) => Err(ending().into()),
        Err(_) => {
            let detail = "the engine does not say whether it restarts; look at its log";
            said("refused", detail);
            Err(Problem::new(ProblemKind::Busy, detail).into())
        }
    }
}
