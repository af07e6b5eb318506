//! The open sessions of connectors as operators see them, and the way to end one.
//!
//! Each session has a record of atomics that only the worker which owns the session writes, once a batch;
//! whoever shows them reads beside it. The list of records is touched where a session begins or ends.
//!
//! INVARIANT: a request takes no lock here and allocates nothing, and nothing here holds on to the data
//! plane: no thread waits for whoever shows sessions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use eg_policy::verdict::Action;
use eg_proto::{ConnectorName, Inspect};
use mio::Waker;

use crate::config::ConnectorConfig;
use crate::refusals::RefusalCounts;
use crate::transport::Peer;

/// Buckets of a power of two: the edge of a bucket is a quarter above its beginning at most.
const QUARTERS: u32 = 4;

/// The longest time that is told apart, as a power of two of microseconds: a minute, which no batch takes.
const POWERS: u32 = 26;

/// Buckets of a histogram.
const BUCKETS: usize = (POWERS * QUARTERS) as usize;

/// What a batch was, as its worker counts it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BatchTally {
    requests: u64,
    permit: u64,
    deny: u64,
    warn: u64,
    aup: u64,
}

impl BatchTally {
    /// One more answer.
    pub(crate) const fn count(&mut self, action: Action) {
        self.requests += 1;
        match action {
            Action::Permit => self.permit += 1,
            Action::Deny => self.deny += 1,
            Action::Warn => self.warn += 1,
            Action::Aup => self.aup += 1,
        }
    }
}

/// What a session has done; written by its worker alone.
#[derive(Debug)]
struct Counters {
    requests: AtomicU64,
    batches: AtomicU64,
    permit: AtomicU64,
    deny: AtomicU64,
    warn: AtomicU64,
    aup: AtomicU64,
    longest_us: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            requests: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            permit: AtomicU64::new(0),
            deny: AtomicU64::new(0),
            warn: AtomicU64::new(0),
            aup: AtomicU64::new(0),
            longest_us: AtomicU64::new(0),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

/// Adds where only one thread ever writes.
// PERF: a load and a store, no locked instruction.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// What one session, or several, have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkDone {
    pub(crate) requests: u64,
    pub(crate) batches: u64,
    pub(crate) permit: u64,
    pub(crate) deny: u64,
    pub(crate) warn: u64,
    pub(crate) aup: u64,
    pub(crate) longest_us: u64,
    buckets: Box<[u64; BUCKETS]>,
}

impl Default for WorkDone {
    fn default() -> Self {
        Self {
            requests: 0,
            batches: 0,
            permit: 0,
            deny: 0,
            warn: 0,
            aup: 0,
            longest_us: 0,
            buckets: Box::new([0; BUCKETS]),
        }
    }
}

impl WorkDone {
    /// Takes another's beside this one's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.batches += other.batches;
        self.permit += other.permit;
        self.deny += other.deny;
        self.warn += other.warn;
        self.aup += other.aup;
        self.longest_us = self.longest_us.max(other.longest_us);
        for (all, more) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *all += more;
        }
    }

    /// The time that so many of a hundred batches did not go beyond, in microseconds.
    pub(crate) fn quantile_us(&self, percent: u64) -> u64 {
        let all: u64 = self.buckets.iter().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return edge_us(bucket).min(self.longest_us);
            }
        }
        0
    }
}

/// The bucket of a time: its power of two, and the two digits behind the first one.
fn bucket_of(us: u64) -> usize {
    // Below four a power has no quarters; those times are one bucket each.
    let power = us.max(1).ilog2();
    let bucket = match power {
        0 | 1 => u32::try_from(us).unwrap_or(0),
        _ => power * QUARTERS + u32::try_from((us >> (power - 2)) & 3).unwrap_or(0),
    };
    (bucket as usize).min(BUCKETS - 1)
}

/// The last time that is in a bucket.
fn edge_us(bucket: usize) -> u64 {
    let bucket = u32::try_from(bucket).unwrap_or(u32::MAX);
    let (power, quarter) = (bucket / QUARTERS, u64::from(bucket % QUARTERS));
    match power {
        0 | 1 => u64::from(bucket),
        _ => ((u64::from(QUARTERS) + quarter + 1) << (power.min(63) - 2)) - 1,
    }
}

/// A session that is open.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) session: u64,
    pub(crate) connector: ConnectorName,
    pub(crate) peer: Peer,
    pub(crate) inspect: Inspect,
    worker: usize,
    opened: Instant,
    /// When something last came, in milliseconds since `opened`.
    heard_ms: AtomicU64,
    torn: AtomicBool,
    work: Counters,
}

impl Record {
    /// Something came.
    pub(crate) fn hear(&self, at: Instant) {
        let since = at.saturating_duration_since(self.opened).as_millis();
        self.heard_ms.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A batch was answered.
    pub(crate) fn batch(&self, tally: &BatchTally, took: Duration) {
        let Counters { requests, batches, permit, deny, warn, aup, longest_us, buckets } =
            &self.work;
        add(batches, 1);
        add(requests, tally.requests);
        for (counter, more) in
            [(permit, tally.permit), (deny, tally.deny), (warn, tally.warn), (aup, tally.aup)]
        {
            if more > 0 {
                add(counter, more);
            }
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if us > longest_us.load(Ordering::Relaxed) {
            longest_us.store(us, Ordering::Relaxed);
        }
        if let Some(bucket) = buckets.get(bucket_of(us)) {
            add(bucket, 1);
        }
    }

    /// Whether an operator wants it to end.
    pub(crate) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Acquire)
    }

    /// How long it is open.
    pub(crate) fn uptime(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Since when nothing came.
    pub(crate) fn idle(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(heard)
    }

    /// What it has done.
    pub(crate) fn work(&self) -> WorkDone {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { requests, batches, permit, deny, warn, aup, longest_us, buckets } =
            &self.work;
        let mut counts = Box::new([0; BUCKETS]);
        for (count, bucket) in counts.iter_mut().zip(buckets) {
            *count = read(bucket);
        }
        WorkDone {
            requests: read(requests),
            batches: read(batches),
            permit: read(permit),
            deny: read(deny),
            warn: read(warn),
            aup: read(aup),
            longest_us: read(longest_us),
            buckets: counts,
        }
    }
}

/// A record while its session lives.
#[derive(Debug)]
pub(crate) struct Entry {
    record: Arc<Record>,
    neighbors: Arc<Neighbors>,
}

impl std::ops::Deref for Entry {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.neighbors.sessions().remove(&self.record.session);
    }
}

/// What a worker has to look at when it wakes.
#[derive(Debug)]
struct Desk {
    waker: Arc<Waker>,
    torn: Arc<Torn>,
}

/// Whether sessions of a worker are to end.
#[derive(Debug, Default)]
pub(crate) struct Torn(AtomicBool);

impl Torn {
    /// Whether some are, since the last look.
    // PERF: where nobody asks this is one load a turn of the loop.
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

/// The sessions of all workers.
#[derive(Debug, Default)]
pub(crate) struct Neighbors {
    sessions: Mutex<BTreeMap<u64, Arc<Record>>>,
    desks: OnceLock<Vec<Desk>>,
    refused: RefusalCounts,
}

impl Neighbors {
    pub(crate) fn new(refused: RefusalCounts) -> Self {
        Self { sessions: Mutex::default(), desks: OnceLock::new(), refused }
    }

    /// Says how workers are woken, in their order.
    pub(crate) fn serve(&self, workers: impl Iterator<Item = (Arc<Waker>, Arc<Torn>)>) {
        let desks = workers.map(|(waker, torn)| Desk { waker, torn }).collect();
        // Once, by whoever starts them.
        let _ = self.desks.set(desks);
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Record>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session begins, at this worker.
    pub(crate) fn enter(
        self: &Arc<Self>,
        session: u64,
        (connector, peer, inspect): (ConnectorName, Peer, Inspect),
        worker: usize,
    ) -> Entry {
        let record = Arc::new(Record {
            session,
            connector,
            peer,
            inspect,
            worker,
            opened: Instant::now(),
            heard_ms: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            work: Counters::default(),
        });
        self.sessions().insert(session, Arc::clone(&record));
        Entry { record, neighbors: Arc::clone(self) }
    }

    /// Those that are open, oldest first.
    pub(crate) fn open(&self) -> Vec<Arc<Record>> {
        self.sessions().values().cloned().collect()
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.sessions().len()
    }

    /// Refused attempts by reason.
    pub(crate) fn refused(&self) -> Vec<(&'static str, u64)> {
        self.refused.snapshot()
    }

    /// Has sessions end once what they have in flight is answered; how many are told so.
    pub(crate) fn tear_down(&self, which: impl Fn(&Record) -> bool) -> usize {
        let chosen: Vec<_> =
            self.open().into_iter().filter(|record| which(record) && !record.is_torn()).collect();
        for record in &chosen {
            record.torn.store(true, Ordering::Release);
            let desk = self.desks.get().and_then(|desks| desks.get(record.worker));
            if let Some(Desk { waker, torn }) = desk {
                torn.0.store(true, Ordering::Release);
                // One that cannot be woken looks at its next turn.
                let _ = waker.wake();
            }
        }
        chosen.len()
    }
}

/// A connector of the configuration, without its key.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) peers: Vec<String>,
    pub(crate) listener: String,
}

impl From<&ConnectorConfig> for Known {
    fn from(config: &ConnectorConfig) -> Self {
        use crate::bind::Place;
        let listener = match Place::of(config) {
            Place::Tcp(address) => format!("tcp:{address}"),
            Place::Socket(path) => format!("unix:{}", path.display()),
        };
        let peers = config.peers.iter().map(ToString::to_string).collect();
        Self { name: config.name.as_str().to_owned(), peers, listener }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(neighbors: &Arc<Neighbors>, session: u64) -> Entry {
        let name = ConnectorName::parse("squid").unwrap();
        let peer = Peer::Socket { user: 0, process: 1 };
        neighbors.enter(session, (name, peer, Inspect::Peek), 0)
    }

    #[test]
    fn buckets_are_right_to_a_quarter_and_in_order() {
        let mut before = 0;
        for us in (0..5000).chain((13..26).map(|power| (1 << power) + 7)) {
            let bucket = bucket_of(us);
            assert!(bucket >= before, "{us}");
            before = bucket;
            let edge = edge_us(bucket);
            assert!(us <= edge && edge <= us + us / 4, "{us}: {edge}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(1 << 30), BUCKETS - 1);
    }

    #[test]
    fn a_session_counts_its_batches() {
        let neighbors = Arc::new(Neighbors::default());
        let entry = enter(&neighbors, 7);
        let mut tally = BatchTally::default();
        for action in [Action::Permit, Action::Deny, Action::Deny, Action::Warn, Action::Aup] {
            tally.count(action);
        }
        for _ in 0..99 {
            entry.batch(&tally, Duration::from_micros(100));
        }
        entry.batch(&tally, Duration::from_millis(900));
        let work = neighbors.open().first().unwrap().work();
        assert_eq!((work.batches, work.requests), (100, 500));
        assert_eq!((work.permit, work.deny, work.warn, work.aup), (100, 200, 100, 100));
        assert_eq!(work.longest_us, 900_000);
        for percent in [50, 95, 99] {
            let us = work.quantile_us(percent);
            assert!((100..=125).contains(&us), "{percent}: {us}");
        }
        assert_eq!(work.quantile_us(100), 900_000);
        let mut both = work.clone();
        both.add(&work);
        assert_eq!((both.batches, both.deny), (200, 400));
        assert_eq!(WorkDone::default().quantile_us(99), 0);
        drop(entry);
        assert_eq!(neighbors.count(), 0);
    }

    #[test]
    fn only_the_chosen_sessions_are_told_to_end_and_once() {
        let neighbors = Arc::new(Neighbors::default());
        let entries: Vec<Entry> = (1..=3).map(|session| enter(&neighbors, session)).collect();
        assert_eq!(neighbors.tear_down(|record| record.session == 2), 1);
        let torn: Vec<bool> = entries.iter().map(|entry| entry.is_torn()).collect();
        assert_eq!(torn, [false, true, false]);
        assert_eq!(neighbors.tear_down(|record| record.session == 9), 0);
        assert_eq!(neighbors.tear_down(|_| true), 2);
        assert_eq!(neighbors.tear_down(|_| true), 0);
    }
}
