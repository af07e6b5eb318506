//! Every path of the Control API, out of the one table of verbs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use eg_proto::control::edit::COMMIT_BODY_BYTES_MAX;
use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{BASE, BODY_BYTES_MAX, Problem, ProblemKind, Row, TABLE, Verb};

use super::answer::Refused;
use super::edit;
use super::explain;
use super::history;
use super::operator::admit;
use super::policy::{self, Desk};

/// The routes, for any door. Each has the table's answer to whether one may in front of it.
pub(super) fn routes(desk: Arc<Desk>) -> Router {
    let mut verbs = Router::new();
    for row in TABLE {
        let may = from_fn_with_state((Arc::clone(&desk), row), admit);
        verbs = verbs.route(&format!("/{}", row.path), handler(row).layer(may));
    }
    Router::new()
        .nest(BASE, verbs)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(desk)
}

/// What answers a verb.
fn handler(row: &Row) -> MethodRouter<Arc<Desk>> {
    match row.verb {
        Verb::ShowPolicySummary => at(row, policy::live),
        Verb::RequestPolicyReload => at(row, policy::reload),
        Verb::ReloadReceipt => at(row, policy::receipt),
        Verb::ShowPolicyBackups => at(row, history::backups),
        Verb::RequestPolicyRollback => at(row, history::rollback),
        Verb::RequestPolicyGitInit => at(row, history::git_init),
        Verb::RequestPolicyTag => at(row, history::tag),
        Verb::ShowPolicyLog => at(row, history::log),
        Verb::ShowPolicyBlame => at(row, history::blame),
        Verb::ShowPolicyDiff => at(row, history::diff),
        Verb::PolicyFiles => at(row, edit::files),
        Verb::PolicyFile => at(row, edit::file),
        Verb::PolicyCommit => {
            at(row, edit::commit).layer(DefaultBodyLimit::max(COMMIT_BODY_BYTES_MAX))
        }
        Verb::RequestPolicyConfirm => at(row, edit::confirm),
        Verb::ShowPolicyList => at(row, explain::rules),
        Verb::ShowPolicyRule => at(row, explain::rule),
        Verb::ShowPolicyMatch => at(row, explain::matching),
        Verb::Login
        | Verb::Refresh
        | Verb::Logout
        | Verb::Who
        | Verb::ShowStatus
        | Verb::ShowVersion
        | Verb::ShowClock
        | Verb::ShowLog
        | Verb::ShowUsers
        | Verb::ShowNeighborSummary
        | Verb::ShowNeighborDetail
        | Verb::ShowDatabaseStatus
        | Verb::ShowSystemThreads
        | Verb::ShowSystemUriEngine
        | Verb::RequestNeighborTeardown
        | Verb::RequestEngineRestart
        | Verb::RequestUserAdd
        | Verb::RequestUserPasswd
        | Verb::RequestUserLevel
        | Verb::RequestUserDisable
        | Verb::RequestUserEnable
        | Verb::RequestUserRemove
        | Verb::RequestUserTotp
        | Verb::RequestUserTotpRemove
        | Verb::ShowUserKeys
        | Verb::RequestUserKeyAdd
        | Verb::RequestUserKeyRemove => at(row, unknown),
    }
}

/// A handler at the method of its row.
fn at<H, T>(row: &Row, handler: H) -> MethodRouter<Arc<Desk>>
where
    H: Handler<T, Arc<Desk>>,
    T: 'static,
{
    let filter = match row.method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
    };
    on(filter, handler)
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
