//! Every path of the Control API, out of the one table of verbs.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use axum::{Extension, Router};
use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{BASE, Problem, ProblemKind, Row, TABLE, Verb};

use super::answer::{BodyBound, Refused};
use super::guard::guard;
use super::health::{HEALTHZ, READYZ, is_ready, lives, starts};
use super::operator::admit;
use super::policy::{self, Desk};
use super::{accounts, edit, explain, history, neighbor, openapi, system};

/// The routes, for any door. Each has the table's answer to whether one may in front of it.
pub(super) fn routes(desk: Arc<Desk>) -> Router {
    let mut verbs = Router::new();
    for row in TABLE {
        let may = from_fn_with_state((Arc::clone(&desk), row), admit);
        let bound = BodyBound::of(row.verb);
        // The outermost first.
        let around = (DefaultBodyLimit::max(bound.bytes), Extension(bound), may);
        verbs = verbs.route(&format!("/{}", row.path), handler(row).layer(around));
    }
    Router::new()
        .nest(BASE, verbs.route(openapi::PATH, get(openapi::document)))
        .route(HEALTHZ, get(lives))
        .route(READYZ, get(is_ready))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(desk)
}

/// What is served before the first policy is live.
pub(super) fn starting() -> Router {
    Router::new().route(HEALTHZ, get(lives)).route(READYZ, get(starts)).fallback(too_early)
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
        Verb::ShowStatus => at(row, system::status),
        Verb::ShowVersion => at(row, system::version),
        Verb::ShowClock => at(row, system::clock),
        Verb::ShowLog => at(row, system::log),
        Verb::ShowDatabaseStatus => at(row, system::database),
        Verb::ShowSystemThreads => at(row, system::threads),
        Verb::ShowSystemUriEngine => at(row, system::uri_engine),
        Verb::RequestEngineRestart => at(row, system::restart),
        Verb::ShowNeighborSummary => at(row, neighbor::summary),
        Verb::ShowNeighborDetail => at(row, neighbor::detail),
        Verb::RequestNeighborTeardown => at(row, neighbor::teardown),
        Verb::Login => at(row, accounts::login),
        Verb::Refresh => at(row, accounts::refresh),
        Verb::Logout => at(row, accounts::logout),
        Verb::Who => at(row, accounts::who),
        Verb::ShowUsers => at(row, accounts::users),
        Verb::RequestUserAdd => at(row, accounts::add),
        Verb::RequestUserPasswd => at(row, accounts::passwd),
        Verb::RequestUserLevel => at(row, accounts::level),
        Verb::RequestUserDisable => at(row, accounts::disable),
        Verb::RequestUserEnable => at(row, accounts::enable),
        Verb::RequestUserRemove => at(row, accounts::remove),
        Verb::RequestUserTotp => at(row, accounts::totp),
        Verb::RequestUserTotpRemove => at(row, accounts::totp_remove),
        Verb::ShowUserKeys => at(row, accounts::keys),
        Verb::RequestUserKeyAdd => at(row, accounts::key_add),
        Verb::RequestUserKeyRemove => at(row, accounts::key_remove),
        Verb::PolicyFiles => at(row, edit::files),
        Verb::PolicyFile => at(row, edit::file),
        Verb::PolicyCommit => at(row, edit::commit),
        Verb::RequestPolicyConfirm => at(row, edit::confirm),
        Verb::ShowPolicyList => at(row, explain::rules),
        Verb::ShowPolicyRule => at(row, explain::rule),
        Verb::ShowPolicyMatch => at(row, explain::matching),
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
    Router::new().fallback(forbidden).layer(from_fn(guard))
}

async fn unknown(uri: Uri) -> Refused {
    let detail = format!("there is nothing at `{}`", uri.path().escape_debug());
    Problem::new(ProblemKind::NotFound, detail).into()
}

async fn wrong_method(method: Method, uri: Uri) -> Refused {
    let detail = format!("`{}` does not take {method}", uri.path().escape_debug());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into()
}

async fn too_early() -> Refused {
    let detail = "the engine starts and has no policy yet; ask again in a moment";
    Problem::new(ProblemKind::Busy, detail).into()
}

async fn forbidden() -> Refused {
    let detail = "this socket is for the engine's own user and for root";
    Problem::new(ProblemKind::Forbidden, detail).into()
}
