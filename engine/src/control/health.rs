//! Whether the engine lives and whether it is ready, for whoever watches over it; without a login, and so
//! without anything that is not for everybody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use eg_proto::control::system::Health;

use super::answer::json;
use super::policy::Desk;

/// The path of the first question.
pub(super) const HEALTHZ: &str = "/healthz";

/// The path of the second one.
pub(super) const READYZ: &str = "/readyz";

fn health(status: StatusCode, said: &str) -> Response {
    json(status, &Health { status: said.to_owned() })
}

/// `GET healthz`: the process answers.
pub(super) async fn lives() -> Response {
    health(StatusCode::OK, "ok")
}

/// `GET readyz`: a policy is live, its store and the trail are in order, and the engine does not end.
pub(super) async fn is_ready(State(desk): State<Arc<Desk>>) -> Response {
    let missing = if *desk.stopping.borrow() || desk.door.ends() {
        Some("the engine ends")
    } else if desk.facts.is_lost() {
        Some("the store is closed")
    } else if !desk.audit.is_writing() {
        Some("the audit trail takes no entries")
    } else {
        None
    };
    match missing {
        None => health(StatusCode::OK, "ok"),
        Some(missing) => health(StatusCode::SERVICE_UNAVAILABLE, missing),
    }
}

/// `GET readyz` before the first policy is live.
pub(super) async fn starts() -> Response {
    health(StatusCode::SERVICE_UNAVAILABLE, "the first policy is not live yet")
}
