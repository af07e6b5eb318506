//! What is said of logins and refusals: in the trail with names and addresses, in the log without, and of
//! what strangers can cause only so many a minute.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_proto::control::Problem;

use super::accounts::{Accounts, At};
use crate::audit::Event;

/// The time over which lines of one kind are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Kinds of lines that strangers can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    /// Logins that failed. Each cost a hash, so there are some thousand a minute at most.
    Failed,
    /// Logins that were not even looked at.
    Locked,
    /// Tokens and keys that are not good.
    Token,
    /// What somebody may not.
    Barred,
}

const KINDS: usize = 4;

impl Flood {
    const fn number(self) -> usize {
        match self {
            Self::Failed => 0,
            Self::Locked => 1,
            Self::Token => 2,
            Self::Barred => 3,
        }
    }

    /// Entries of a kind in a minute: each failure of people, and the first of what programs do.
    const fn most(self) -> u64 {
        match self {
            Self::Failed => 200,
            Self::Locked | Self::Token | Self::Barred => 20,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    opened: Option<Instant>,
    lines: u64,
    unsaid: u64,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<[Window; KINDS]>);

impl Said {
    /// Whether this one is said, and how many before it were not.
    pub(super) fn admit(&self, kind: Flood, at: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get_mut(kind.number())?;
        if window.opened.is_none_or(|opened| at.saturating_duration_since(opened) >= WINDOW) {
            window.opened = Some(at);
            window.lines = 0;
        }
        if window.lines >= kind.most() {
            window.unsaid += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.unsaid))
    }
}

/// What came of a try to log in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    /// The account, where there is one: what stands in the place of a name may be a password.
    pub(super) account: Option<&'a str>,
    /// From where.
    pub(super) address: Option<IpAddr>,
    /// How: `password`, `totp`, `recovery-code`, `refresh`, `token`, `api-key`.
    pub(super) how: &'a str,
    /// `ok`, or why not.
    pub(super) outcome: &'a str,
}

impl Accounts {
    /// A login that was right.
    pub(super) fn say_login(&self, tried: Tried<'_>, now: Moment) {
        let Tried { account, address, how, outcome } = tried;
        tracing::debug!(account, address = ?address, how, outcome, "a login");
        self.audit.event(&Event::Login { account, address, how, outcome, others: 0 }, now);
    }

    /// One that was not.
    pub(super) fn say_flood(&self, kind: Flood, tried: Tried<'_>, at: At) {
        let Tried { account, address, how, outcome } = tried;
        tracing::debug!(account, address = ?address, how, outcome, "a login was refused");
        let Some(others) = self.said.admit(kind, at.instant) else { return };
        self.audit.event(&Event::Login { account, address, how, outcome, others }, at.moment);
    }

    /// Somebody asked for what he may not.
    pub(in crate::control) fn say_barred(
        &self,
        who: Option<&str>,
        verb: &str,
        problem: &Problem,
        address: Option<IpAddr>,
        at: At,
    ) {
        tracing::debug!(who, verb, reason = problem.detail, "it was refused");
        let Some(others) = self.said.admit(Flood::Barred, at.instant) else { return };
        let reason = problem.detail.as_str();
        self.audit.event(&Event::Barred { who, address, verb, reason, others }, at.moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_short_and_counted() {
        let said = Said::default();
        let start = Instant::now();
        let lines = (0..1000).filter(|_| said.admit(Flood::Barred, start).is_some()).count();
        assert_eq!(lines, 20);
        assert_eq!(said.admit(Flood::Failed, start), Some(0));
        assert_eq!(said.admit(Flood::Barred, start + WINDOW), Some(980));
        let all = [Flood::Failed, Flood::Locked, Flood::Token, Flood::Barred];
        let numbers: Vec<usize> = all.map(Flood::number).to_vec();
        assert_eq!(numbers, (0..KINDS).collect::<Vec<_>>());
    }
}
