//! What is said of peers that are not let in or are cut off: counted, logged at a bounded rate, and
//! kept in the trail.
//!
//! A stranger may knock thousands of times a second; the log and the trail then show the first few
//! of each kind in a minute and how many more there were.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eg_proto::RefusedReason;

use crate::audit::{Audit, Event};
use crate::transport::Peer;
use crate::view::now;

/// How long a window is in which lines of one kind are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Lines of one kind in one window: enough to see who it is.
const LINES_MAX: u64 = 10;

/// Why a peer was not let in, or was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its address is among no connector's `peers` on this listener.
    Source,
    /// As many connections as are allowed are open.
    Busy,
    /// TLS failed.
    Tls,
    /// The handshake took too long.
    Slow,
    /// It was refused in the handshake.
    Handshake(RefusedReason),
    /// It broke a bound of the wire, or sent what nobody can read.
    Broken,
    /// It was silent for too long, or did not read its answers.
    Silent,
}

/// How many kinds there are; [`Refusal::number`] stays below it.
const KINDS: usize = 13;

impl Refusal {
    /// All of them.
    fn all() -> impl Iterator<Item = Self> {
        let own = [Self::Source, Self::Busy, Self::Tls, Self::Slow, Self::Broken, Self::Silent];
        own.into_iter().chain(RefusedReason::ALL.iter().copied().map(Self::Handshake))
    }

    const fn number(self) -> usize {
        match self {
            Self::Source => 0,
            Self::Busy => 1,
            Self::Tls => 2,
            Self::Slow => 3,
            Self::Broken => 4,
            Self::Silent => 5,
            Self::Handshake(reason) => match reason {
                RefusedReason::UnknownConnector => 6,
                RefusedReason::AddressNotAllowed => 7,
                RefusedReason::WrongKey => 8,
                RefusedReason::Version => 9,
                RefusedReason::Malformed => 10,
                RefusedReason::SessionLimit => 11,
                RefusedReason::Draining => 12,
            },
        }
    }

    /// The word for the log, the trail and counters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source-not-allowed",
            Self::Busy => "busy",
            Self::Tls => "tls",
            Self::Slow => "slow-handshake",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Handshake(reason) => reason.word(),
        }
    }

    /// Whether it is a refused attempt, which the trail keeps, or the end of a session.
    const fn is_attempt(self) -> bool {
        match self {
            Self::Source | Self::Busy | Self::Tls | Self::Slow | Self::Handshake(_) => true,
            Self::Broken | Self::Silent => false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    opened: Option<Instant>,
    lines: u64,
    unsaid: u64,
    total: u64,
}

/// The counts of all kinds, for whoever shows them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RefusalCounts(Arc<Mutex<[Window; KINDS]>>);

impl RefusalCounts {
    /// How often each happened since the engine's start; what never did is left out.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let windows = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |refusal: &Refusal| windows.get(refusal.number()).map_or(0, |one| one.total);
        let rows = Refusal::all().map(|refusal| (refusal.word(), total(&refusal)));
        rows.filter(|(_, total)| *total > 0).collect()
    }
}

/// What counts refusals and speaks of them.
#[derive(Debug)]
pub struct Refusals {
    audit: Audit,
    counts: RefusalCounts,
}

impl Refusals {
    pub(crate) fn new(audit: Audit) -> Self {
        Self { audit, counts: RefusalCounts::default() }
    }

    /// The trail that refused attempts go to.
    pub(crate) const fn audit(&self) -> &Audit {
        &self.audit
    }

    /// What it has counted, and will.
    pub(crate) fn counts(&self) -> RefusalCounts {
        self.counts.clone()
    }

    /// How often this happened since the engine's start.
    #[must_use]
    pub fn count(&self, refusal: Refusal) -> u64 {
        let windows = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(refusal.number()).map_or(0, |window| window.total)
    }

    /// Counts, and says so where there is room in the window. Never on the way of a request.
    pub(crate) fn note(&self, refusal: Refusal, peer: Peer, connector: Option<&str>, detail: &str) {
        let Some(others) = self.admit(refusal, Instant::now()) else { return };
        let reason = refusal.word();
        let connector_shown = connector.unwrap_or("-");
        tracing::warn!(
            %peer,
            connector = connector_shown,
            reason,
            detail,
            others,
            "a connection was refused or cut off"
        );
        if refusal.is_attempt() {
            self.audit.event(&Event::Refused { peer, connector, reason, others }, now());
        }
    }

    /// Whether this one is said, and how many before it were not.
    fn admit(&self, refusal: Refusal, at: Instant) -> Option<u64> {
        let mut windows = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get_mut(refusal.number())?;
        window.total += 1;
        if window.opened.is_none_or(|opened| at.saturating_duration_since(opened) >= WINDOW) {
            window.opened = Some(at);
            window.lines = 0;
        }
        if window.lines >= LINES_MAX {
            window.unsaid += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests::audit_to_memory;

    #[test]
    fn a_flood_is_counted_and_the_log_stays_short() {
        let (audit, thread, _lines) = audit_to_memory();
        let refusals = Refusals::new(audit);
        let start = Instant::now();
        let said = (0..1000).filter(|_| refusals.admit(Refusal::Source, start).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(refusals.admit(Refusal::Tls, start), Some(0));
        assert_eq!(refusals.admit(Refusal::Source, start + WINDOW), Some(990));
        assert_eq!(refusals.count(Refusal::Source), 1001);
        assert_eq!(refusals.counts().snapshot(), [("source-not-allowed", 1001), ("tls", 1)]);
        thread.finish();
    }

    #[test]
    fn every_kind_has_its_own_number() {
        let mut numbers: Vec<usize> = Refusal::all().map(Refusal::number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..KINDS).collect::<Vec<_>>());
    }
}
