//! How long an engine that failed is left alone, and how long one that came back is on trial. Pure.

use std::time::{Duration, Instant};

/// The first wait after an engine has failed.
const WAIT_MIN: Duration = Duration::from_millis(20);
/// The longest wait while requests have nobody to be asked of: a restarting engine is found before
/// their deadline.
const WAIT_MAX_BUSY: Duration = Duration::from_millis(250);
/// The longest wait while nothing depends on the engine.
const WAIT_MAX_IDLE: Duration = Duration::from_secs(5);
/// How long an engine that was lost must stay before it is asked before the others again.
const TRIAL_MIN: Duration = Duration::from_secs(1);
/// The same for one that is lost again and again; each time is twice as long as the one before.
const TRIAL_MAX: Duration = Duration::from_secs(64);
/// A link that lasted so long is steady: when it is lost, the next trial is short.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// Whether requests wait for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Requests wait, and no engine can be asked.
    Busy,
    /// Nothing depends on this engine.
    Idle,
}

/// The memory of one engine's failures.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Failures since the last link that worked.
    failures: u32,
    failed_at: Option<Instant>,
    jitter: u8,
    trial: Duration,
}

impl Backoff {
    /// An attempt failed. `jitter` is any number, best a random one.
    pub(super) const fn failed(&mut self, now: Instant, jitter: u8) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        self.jitter = jitter;
    }

    /// A link that came up at `since` was lost.
    pub(super) fn lost(&mut self, since: Instant, now: Instant, jitter: u8) {
        let lasted = now.saturating_duration_since(since);
        self.trial = if lasted >= STEADY_AFTER {
            TRIAL_MIN
        } else {
            (self.trial * 2).clamp(TRIAL_MIN, TRIAL_MAX)
        };
        self.failed(now, jitter);
    }

    /// The engine has welcomed us: from when on it is asked before those further down.
    pub(super) fn linked(&mut self, now: Instant) -> Instant {
        self.failures = 0;
        now + self.trial
    }

    /// When to try again; `None` before the first failure.
    pub(super) fn try_at(&self, demand: Demand) -> Option<Instant> {
        Some(self.failed_at? + self.wait(demand))
    }

    /// Half of the wait is fixed, half is jitter, so that helpers do not come back all at once.
    fn wait(&self, demand: Demand) -> Duration {
        let most = match demand {
            Demand::Busy => WAIT_MAX_BUSY,
            Demand::Idle => WAIT_MAX_IDLE,
        };
        let doublings = self.failures.saturating_sub(1).min(16);
        let whole = WAIT_MIN.saturating_mul(1 << doublings).min(most);
        whole / 2 + whole * u32::from(self.jitter) / 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_after_each_failure() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        assert_eq!(backoff.try_at(Demand::Busy), None);
        let mut waits = Vec::new();
        for _ in 0..10 {
            backoff.failed(now, 0);
            let wait = |demand| (backoff.try_at(demand).unwrap() - now).as_millis();
            waits.push((wait(Demand::Busy), wait(Demand::Idle)));
        }
        let busy = [10, 20, 40, 80, 125, 125, 125, 125, 125, 125];
        let idle = [10, 20, 40, 80, 160, 320, 640, 1280, 2500, 2500];
        assert_eq!(waits, busy.into_iter().zip(idle).collect::<Vec<_>>());
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        for jitter in [0, 1, 128, 255] {
            let now = Instant::now();
            let mut backoff = Backoff::default();
            for _ in 0..100 {
                backoff.failed(now, jitter);
                let busy = backoff.try_at(Demand::Busy).unwrap() - now;
                let idle = backoff.try_at(Demand::Idle).unwrap() - now;
                assert!(busy >= WAIT_MIN / 2 && busy <= WAIT_MAX_BUSY, "{busy:?}");
                assert!(idle >= busy && idle <= WAIT_MAX_IDLE, "{idle:?}");
            }
            assert!(backoff.try_at(Demand::Idle).unwrap() - now >= WAIT_MAX_IDLE / 2);
            backoff.linked(now);
            backoff.failed(now, 0);
            assert_eq!(backoff.try_at(Demand::Idle).unwrap() - now, WAIT_MIN / 2);
        }
    }

    #[test]
    fn an_engine_that_comes_and_goes_is_trusted_ever_later() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        assert_eq!(backoff.linked(now), now, "a first link is as good as any");
        for seconds in [1, 2, 4, 8, 16, 32, 64, 64] {
            let since = now;
            now += Duration::from_secs(1);
            backoff.lost(since, now, 0);
            assert_eq!(backoff.linked(now), now + Duration::from_secs(seconds));
        }
        backoff.lost(now, now + STEADY_AFTER, 0);
        assert_eq!(backoff.linked(now), now + TRIAL_MIN);
    }
}
