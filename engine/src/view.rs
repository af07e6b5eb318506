//! The current ruleset behind one swap; hands each batch its [`View`].
//!
//! INVARIANT: a batch sees exactly one ruleset and one moment, whatever is swapped meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, Guard};
use eg_policy::moment::Moment;
use eg_policy::ruleset::Ruleset;

/// How long a swap waits for batches that still use the old ruleset, so that its memory is given
/// back by whoever reloads and not in the middle of a request. A batch takes milliseconds.
const RETIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two looks at whether the old ruleset is still used.
const RETIRE_STEP: Duration = Duration::from_millis(1);

/// Digits of the ruleset's digest that the trail shows: 64 bits, enough to tell rulesets apart.
pub(crate) const DIGEST_DIGITS: usize = 16;

/// What the store says of a ruleset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// The store's number of its policy.
    pub revision: u64,
    /// When its files began to be read, in microseconds of Unix time.
    pub compiled_us: i64,
}

/// A ruleset that is or was live.
#[derive(Debug)]
pub struct Published {
    ruleset: Ruleset,
    stored: Stored,
    revision: u64,
    digest: String,
    since: Moment,
}

impl Published {
    fn new(ruleset: Ruleset, stored: Stored, revision: u64) -> Self {
        let mut digest = ruleset.digest().to_string();
        digest.truncate(DIGEST_DIGITS);
        Self { ruleset, stored, revision, digest, since: now() }
    }

    /// The ruleset.
    #[must_use]
    pub const fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// What the store says of it.
    #[must_use]
    pub const fn stored(&self) -> Stored {
        self.stored
    }

    /// Its number since the engine's start, from 1.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The beginning of its digest, as the trail and the log show it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// When it became live.
    #[must_use]
    pub const fn since(&self) -> Moment {
        self.since
    }

    /// The view of a batch that arrives at `now`.
    #[must_use]
    pub fn view(&self, now: Moment) -> View<'_> {
        View { rules: &self.ruleset, digest: &self.digest, now }
    }
}

/// What is fixed for a batch.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The ruleset.
    pub rules: &'a Ruleset,
    /// The beginning of its digest.
    pub digest: &'a str,
    /// The moment of decision.
    pub now: Moment,
}

/// What is live.
#[derive(Debug)]
pub struct Live {
    current: ArcSwap<Published>,
}

impl Live {
    /// Makes `ruleset` live.
    #[must_use]
    pub fn new(ruleset: Ruleset, stored: Stored) -> Self {
        Self { current: ArcSwap::from_pointee(Published::new(ruleset, stored, 1)) }
    }

    /// What is live now. Takes no lock; to be held for one batch.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Published>> {
        self.current.load()
    }

    /// Makes another ruleset live and gives the old one back, once the batches that use it are done.
    /// For one reloader at a time; requests never wait for it.
    pub fn swap(&self, ruleset: Ruleset, stored: Stored) -> Arc<Published> {
        let revision = self.current.load().revision.saturating_add(1);
        let old = self.current.swap(Arc::new(Published::new(ruleset, stored, revision)));
        let deadline = Instant::now() + RETIRE_TIMEOUT;
        while Arc::strong_count(&old) > 1 && Instant::now() < deadline {
            thread::sleep(RETIRE_STEP);
        }
        old
    }
}

/// The system's clock as a moment.
#[must_use]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
