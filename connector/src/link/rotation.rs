//! Which engine is next, and how long to wait before it is tried. Pure.

use std::time::{Duration, Instant};

/// The first wait after a whole round of engines has failed.
const WAIT_MIN: Duration = Duration::from_millis(20);
/// The longest wait while requests wait: a restarting engine is found before their deadline.
const WAIT_MAX_BUSY: Duration = Duration::from_millis(250);
/// The longest wait while nobody waits.
const WAIT_MAX_IDLE: Duration = Duration::from_secs(5);
/// After so long on another engine the first is tried again, in a quiet moment.
const RETURN_AFTER_MIN: Duration = Duration::from_secs(30);
/// The longest time between two such attempts.
const RETURN_AFTER_MAX: Duration = Duration::from_secs(600);

/// Whether requests wait for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    Busy,
    Idle,
}

/// The order in which engines are tried.
#[derive(Debug)]
pub(super) struct Rotation {
    engines: usize,
    at: usize,
    /// Failures since the last link that worked.
    failures: u32,
    failed_at: Option<Instant>,
    jitter: u8,
    return_after: Duration,
}

impl Rotation {
    pub(super) const fn new(engines: usize) -> Self {
        Self {
            engines,
            at: 0,
            failures: 0,
            failed_at: None,
            jitter: 0,
            return_after: RETURN_AFTER_MIN,
        }
    }

    /// The engine to try, by its place in the file.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The engine failed, or its link ended. `jitter` is any number, best a random one.
    pub(super) fn failed(&mut self, now: Instant, jitter: u8) {
        self.at = (self.at + 1).checked_rem(self.engines).unwrap_or_default();
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        self.jitter = jitter;
    }

    /// The engine has welcomed us.
    pub(super) fn linked(&mut self) {
        self.failures = 0;
        if self.at == 0 {
            self.return_after = RETURN_AFTER_MIN;
        }
    }

    /// When to try `at`.
    pub(super) fn try_at(&self, demand: Demand) -> Option<Instant> {
        Some(self.failed_at? + self.wait(demand))
    }

    /// Half of the wait is fixed, half is jitter, so that helpers do not come back all at once.
    fn wait(&self, demand: Demand) -> Duration {
        let engines = u32::try_from(self.engines).unwrap_or(u32::MAX).max(1);
        // The next engine is tried at once; only a whole round that failed waits.
        if self.failures == 0 || !self.failures.is_multiple_of(engines) {
            return Duration::ZERO;
        }
        let most = match demand {
            Demand::Busy => WAIT_MAX_BUSY,
            Demand::Idle => WAIT_MAX_IDLE,
        };
        let doublings = (self.failures / engines).saturating_sub(1).min(16);
        let whole = WAIT_MIN.saturating_mul(1 << doublings).min(most);
        whole / 2 + whole * u32::from(self.jitter) / 512
    }

    /// When a link to another engine than the first has lasted long enough.
    pub(super) fn return_at(&self, linked_at: Instant) -> Option<Instant> {
        (self.at != 0).then(|| linked_at + self.return_after)
    }

    /// Goes back to the first engine now; if that fails, the next attempt waits longer.
    pub(super) fn go_back(&mut self) {
        self.at = 0;
        self.failures = 0;
        self.failed_at = None;
        self.return_after = (self.return_after * 2).min(RETURN_AFTER_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_at_once_and_waits_after_a_round() {
        let now = Instant::now();
        let mut rotation = Rotation::new(3);
        assert_eq!(rotation.try_at(Demand::Busy), None);
        let mut order = Vec::new();
        for _ in 0..6 {
            rotation.failed(now, 255);
            let wait = rotation.try_at(Demand::Busy).unwrap() - now;
            order.push((rotation.at(), wait.as_millis()));
        }
        assert_eq!(order, [(1, 0), (2, 0), (0, 19), (1, 0), (2, 0), (0, 39)]);
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        for jitter in [0, 1, 128, 255] {
            let now = Instant::now();
            let mut rotation = Rotation::new(1);
            for _ in 0..100 {
                rotation.failed(now, jitter);
                let busy = rotation.try_at(Demand::Busy).unwrap() - now;
                let idle = rotation.try_at(Demand::Idle).unwrap() - now;
                assert!(busy >= WAIT_MIN / 2 && busy <= WAIT_MAX_BUSY, "{busy:?}");
                assert!(idle >= busy && idle <= WAIT_MAX_IDLE, "{idle:?}");
            }
            assert!(rotation.try_at(Demand::Idle).unwrap() - now >= WAIT_MAX_IDLE / 2);
            rotation.linked();
            rotation.failed(now, 0);
            assert_eq!(rotation.try_at(Demand::Idle).unwrap() - now, WAIT_MIN / 2);
        }
    }

    #[test]
    fn comes_back_to_the_first_ever_more_patiently() {
        let now = Instant::now();
        let mut rotation = Rotation::new(2);
        rotation.linked();
        assert_eq!(rotation.return_at(now), None);
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            rotation.failed(now, 0);
            rotation.linked();
            assert_eq!(rotation.return_at(now), Some(now + Duration::from_secs(seconds)));
            rotation.go_back();
            assert_eq!((rotation.at(), rotation.try_at(Demand::Idle)), (0, None));
        }
    }
}
