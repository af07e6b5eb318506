//! The first account (SPEC 9): `admin`, level 11, with a random password in a file that goes with its
//! first login, or after a time.
//!
//! INVARIANT: an account is made here only where `passwd` is absent or has neither account nor fault.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use eg_proto::control::{Level, Problem, Secret};
use eg_settings::Switch;
use serde::Serialize;
use zeroize::Zeroizing;

use super::accounts::{Accounts, At, Persist, Scope, failed, no_random};
use super::change::when;
use super::file;
use super::login::hash_problem;
use super::passwd::{Account, AccountName, Cost};
use super::password::make_now;
use super::state::Bootstrap;
use crate::audit::Event;
use crate::config::Aaa;

/// The first account's name [S].
const NAME: &str = "admin";

/// A password, in random bytes: 144 bits, 24 characters.
const PASSWORD_BYTES: usize = 18;

/// What an account that nobody asked for is said to be.
const COMMENT: &str = "made at the first start";

/// The credential's file.
#[derive(Serialize)]
struct Credential<'a> {
    user: &'a str,
    password: &'a str,
    created: String,
    expires: String,
}

/// Looks at the accounts when the engine starts: makes the first one, or says that there is none.
pub(super) fn at_start(accounts: &Accounts, aaa: &Aaa, cost: Cost, at: At) {
    expire(accounts, at);
    let is_empty = {
        let inner = accounts.inner();
        inner.passwd.is_empty() && inner.state.is_ok()
    };
    if !is_empty {
        return;
    }
    match aaa.auto_bootstrap {
        Switch::Off => tracing::error!(
            "there are no accounts, so that nobody can log in: `enforcegate-engine --add-admin NAME` \
             makes the first, or `[aaa] auto_bootstrap = true`"
        ),
        Switch::On => {
            let seconds = i64::try_from(aaa.bootstrap_credential_ttl.as_secs());
            let expires = at.seconds().saturating_add(seconds.unwrap_or(i64::MAX));
            if let Err(problem) = make(accounts, cost, expires, at) {
                tracing::error!(cause = problem.detail, "the first account could not be made");
            }
        }
    }
}

fn make(accounts: &Accounts, cost: Cost, expires: i64, at: At) -> Result<(), Problem> {
    let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(no_random)?;
    let password = Secret::new(BASE64.encode(bytes.as_slice()));
    let hashed = make_now(&password, cost).map_err(hash_problem)?;
    let Some(name) = AccountName::parse(NAME) else { return Ok(()) };
    let credential = Credential {
        user: NAME,
        password: password.expose(),
        created: when(at.seconds()),
        expires: when(expires),
    };
    let text = serde_json::to_string_pretty(&credential).map(|text| Zeroizing::new(text + "\n"));
    let text = text.unwrap_or_default();
    // First of all: an account whose password nobody knows would be in the way for ever.
    file::write(&accounts.paths.credential, &text).map_err(|fault| failed(&fault))?;
    let account = Account {
        name,
        level: Level::SuperAdministrator,
        was: None,
        password: Some(hashed),
        created: at.seconds(),
        comment: COMMENT.to_owned(),
    };
    let made = accounts.change(Scope::Passwd, at, |draft| {
        if !draft.passwd.is_empty() {
            return Ok(false);
        }
        draft.state.forget(NAME);
        draft.state.bootstrap = Some(Bootstrap { account: NAME.to_owned(), expires });
        draft.passwd.add(account);
        Ok(true)
    });
    match made {
        Ok(true) => {}
        Ok(false) => {
            remove(&accounts.paths.credential);
            return Ok(());
        }
        Err(problem) => {
            remove(&accounts.paths.credential);
            return Err(problem);
        }
    }
    let (file, password) = (accounts.paths.credential.display(), password.expose());
    eg_settings::critical!(
        account = NAME,
        password,
        %file,
        "the first account was made: log in and change its password; this is said once"
    );
    let (by, on) = ("engine", Some(NAME));
    let event = Event::Account { what: "bootstrap", on, outcome: "done", reason: None, by };
    accounts.audit.event(&event, at.moment);
    Ok(())
}

/// Removes the credential once its account has logged in.
pub(super) fn used(accounts: &Accounts, name: &AccountName, at: At) {
    let is_first = |kept: &Bootstrap| kept.account == name.as_str();
    end(accounts, is_first, "the credential of the first account is removed: it has logged in", at);
}

/// Removes the credential once its time is over.
pub(super) fn expire(accounts: &Accounts, at: At) {
    let is_over = |kept: &Bootstrap| kept.expires <= at.seconds();
    end(accounts, is_over, "the credential of the first account is removed: its time is over", at);
}

fn end(accounts: &Accounts, is_due: impl Fn(&Bootstrap) -> bool, why: &str, at: At) {
    let is_due = {
        let inner = accounts.inner();
        let state = inner.state.as_ref().ok();
        state.and_then(|state| state.bootstrap.as_ref()).is_some_and(is_due)
    };
    if !is_due || !remove(&accounts.paths.credential) {
        return;
    }
    eg_settings::info!("{why}");
    // A fault is said where it happens; the keeper comes again.
    drop(accounts.change(Scope::State, at, |draft| {
        draft.persist = Persist::Later;
        draft.state.bootstrap = None;
        Ok(())
    }));
}

/// Whether the file is gone.
fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            let path = path.display();
            tracing::error!(%path, %fault, "the credential of the first account is still there: remove it");
            false
        }
        Ok(()) | Err(_) => true,
    }
}
