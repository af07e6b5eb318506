//! Every path of the Control API in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use eg_proto::control::{BASE, BODY_BYTES_MAX, Problem, ProblemKind};

use super::answer::Refused;
use super::history;
use super::policy::{self, Desk};

/// The routes, for any door.
pub(super) fn routes(desk: Arc<Desk>) -> Router {
    let policy = Router::new()
        .route("/policy", get(policy::live))
        .route("/policy/reload", post(policy::reload))
        .route("/policy/reload/{number}", get(policy::receipt))
        .route("/policy/backups", get(history::backups))
        .route("/policy/rollback", post(history::rollback))
        .route("/policy/git-init", post(history::git_init))
        .route("/policy/tag", post(history::tag))
        .route("/policy/log", get(history::log))
        .route("/policy/blame/{rule}", get(history::blame))
        .route("/policy/diff/{from}", get(history::diff));
    Router::new()
        .nest(BASE, policy)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(desk)
}

/// The routes of somebody who may not ask: none.
pub(super) fn nobodys() -> Router {
    Router::new().fallback(forbidden)
}

async fn unknown(uri: Uri) -> Refused {
    let detail = format!("there is nothing at `{}`", uri.path().escape_debug());
    Problem::new(ProblemKind::NotFound, detail).into()
}

async fn wrong_method(method: Method, uri: Uri) -> Refused {
    let detail = format!("`{}` does not take {method}", uri.path().escape_debug());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into()
}

async fn forbidden() -> Refused {
    let detail = "this socket is for the engine's own user and for root";
    Problem::new(ProblemKind::Forbidden, detail).into()
}
