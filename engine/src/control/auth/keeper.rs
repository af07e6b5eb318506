//! The thread that does what time asks for: it writes what waits to be written, once a minute, and
//! removes the first account's credential when its time is over.

use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::accounts::{Accounts, At, Persist, Scope};
use super::bootstrap;

/// How often: a key's last use is told to the minute.
const EVERY: Duration = Duration::from_secs(60);

/// Starts it; it ends with what is given back.
pub(super) fn start(accounts: Weak<Accounts>) -> Option<SyncSender<()>> {
    let (end, ended) = sync_channel::<()>(0);
    let run = move || {
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
            let Some(accounts) = accounts.upgrade() else { return };
            keep(&accounts, At::now());
        }
    };
    match thread::Builder::new().name("accounts".to_owned()).spawn(run) {
        Ok(_) => Some(end),
        Err(fault) => {
            tracing::error!(%fault, "the last use of API keys is not kept: no thread");
            None
        }
    }
}

/// Does what is due.
pub(super) fn keep(accounts: &Accounts, at: At) {
    bootstrap::expire(accounts, at);
    if accounts.has_unwritten() {
        // A fault is said where it happens, and tried again in a minute.
        drop(accounts.change(Scope::State, at, |draft| {
            draft.persist = Persist::Later;
            Ok(())
        }));
    }
}
