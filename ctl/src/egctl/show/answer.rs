//! The answer to each verb, read as what it is.

use std::io;

use eg_proto::control::{Receipt, Verb};
use serde::de::DeserializeOwned;

use super::super::screen::Screen;
use super::{commit, matching, neighbor, policy, system, user};
use crate::forms::Detail;
use crate::receipt;

/// Whether an answer could be shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// It was.
    Whole,
    /// It is none of the kind that the verb gives, for this reason.
    Foreign(serde_json::Error),
}

/// Prints the answer to a verb.
///
/// # Errors
///
/// What the output says.
pub(crate) fn answer(
    screen: &mut Screen<'_>,
    verb: Verb,
    body: &[u8],
    all: bool,
) -> io::Result<Shown> {
    let detail = if all { Detail::All } else { Detail::Near };
    match verb {
        Verb::ShowStatus => as_a(body, |found| system::status(screen, &found)),
        Verb::ShowVersion => as_a(body, |found| system::version(screen, &found)),
        Verb::ShowClock => as_a(body, |found| system::clock(screen, &found)),
        Verb::ShowLog => as_a(body, |found| system::log(screen, &found)),
        Verb::ShowDatabaseStatus => as_a(body, |found| system::database(screen, &found)),
        Verb::ShowSystemThreads => as_a(body, |found| system::threads(screen, &found)),
        Verb::ShowSystemUriEngine => as_a(body, |found| system::uri_engine(screen, &found)),
        Verb::RequestEngineRestart => as_a(body, |found| system::restarting(screen, &found)),
        Verb::ShowNeighborSummary => as_a(body, |found| neighbor::summary(screen, &found)),
        Verb::ShowNeighborDetail => as_a(body, |found| neighbor::detail(screen, &found)),
        Verb::RequestNeighborTeardown => as_a(body, |found| neighbor::teardown(screen, &found)),
        Verb::ShowPolicySummary => as_a(body, |found| policy::summary(screen, &found)),
        Verb::ShowPolicyList => as_a(body, |found| policy::rules(screen, &found)),
        Verb::ShowPolicyRule => as_a(body, |found| policy::rule(screen, &found)),
        Verb::ShowPolicyMatch => as_a(body, |found| matching::matching(screen, &found, detail)),
        Verb::ShowPolicyBackups => as_a(body, |found| policy::backups(screen, &found)),
        Verb::ShowPolicyLog => as_a(body, |found| policy::log(screen, &found)),
        Verb::ShowPolicyBlame => as_a(body, |found| policy::blame(screen, &found)),
        Verb::ShowPolicyDiff => as_a(body, |found| policy::diff(screen, &found)),
        Verb::PolicyFiles => as_a(body, |found| policy::files(screen, &found)),
        Verb::PolicyCommit => as_a(body, |found| commit::committed(screen, &found)),
        Verb::RequestPolicyReload | Verb::ReloadReceipt => {
            as_a(body, |found: Receipt| receipt::receipt(&mut screen.out(), &found))
        }
        Verb::RequestPolicyRollback => as_a(body, |found| policy::rollback(screen, &found)),
        Verb::RequestPolicyGitInit | Verb::RequestPolicyTag => {
            as_a(body, |found| policy::git(screen, &found))
        }
        Verb::ShowUsers => as_a(body, |found| user::users(screen, &found)),
        Verb::ShowUserKeys => as_a(body, |found| user::keys(screen, &found)),
        Verb::RequestUserAdd => as_a(body, |found| user::added(screen, &found)),
        Verb::RequestUserKeyAdd => as_a(body, |found| user::key(screen, &found)),
        Verb::RequestUserTotp => as_a(body, |found| user::totp(screen, &found)),
        Verb::RequestPolicyConfirm
        | Verb::RequestUserPasswd
        | Verb::RequestUserLevel
        | Verb::RequestUserDisable
        | Verb::RequestUserEnable
        | Verb::RequestUserRemove
        | Verb::RequestUserTotpRemove
        | Verb::RequestUserKeyRemove => as_a(body, |found| user::told(screen, &found)),
        // What programs ask for on the way is shown by whoever asks.
        Verb::Login | Verb::Refresh | Verb::Logout | Verb::Who | Verb::PolicyFile => {
            as_a(body, |found: serde_json::Value| screen.text(&format!("{found:#}")))
        }
    }
}

fn as_a<T: DeserializeOwned>(
    body: &[u8],
    show: impl FnOnce(T) -> io::Result<()>,
) -> io::Result<Shown> {
    match serde_json::from_slice(body) {
        Ok(found) => show(found).map(|()| Shown::Whole),
        Err(fault) => Ok(Shown::Foreign(fault)),
    }
}
