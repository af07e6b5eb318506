//! The shadow comparison: a sample of the texts that workers scan is scanned once more beside them,
//! by the scanner and by its twin, and whatever they disagree on is said aloud.
//!
//! Scanners have missed matches for years without a word, and a match that is missed is a filter that
//! is open. What is compared was answered long before; the comparison changes no verdict.
//!
//! INVARIANT: a worker never waits here and allocates nothing: where no buffer or no room is left, the
//! sample is dropped and counted. The texts are personal data, which only debug shows.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eg_policy::client::{Known, Request};
use eg_policy::regex::{Comparer, Disagreement, Field, Said, Shard};
use eg_policy::ruleset::Ruleset;

use crate::audit::{Audit, Event};
use crate::view::{Live, now};

/// One request in so many is offered: often enough that a small site sees some comparisons in an hour.
/// What a large one offers beyond the share below is dropped.
const SAMPLE_EVERY: u32 = 256;

/// The comparison takes one part in so many of a core, since it compiles patterns for each text.
const SHARE: u32 = 50;

/// The longest pause that this asks for, whatever a comparison took.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Buffers of one worker: two requests' worth of texts.
const BUFFERS: usize = 8;

/// Bytes of a buffer. A longer text is compared in its front, as if it ended there.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// Samples that wait for the comparison, of all workers; more are dropped.
const QUEUE_MAX: usize = 64;

/// Patterns of one ruleset that are named in the log and the trail. Further ones are counted: where so
/// many are wrong, it is the scanner that is broken.
const NAMED_MAX: usize = 100;

/// A text on its way to the comparison; its memory is used again and again.
#[derive(Debug)]
struct Sample {
    field: Field,
    text: Vec<u8>,
    home: SyncSender<Self>,
}

/// How it went so far.
#[derive(Debug, Default)]
struct Counters {
    compared: AtomicU64,
    dropped: AtomicU64,
    disagreements: AtomicU64,
    /// The engine ends: no more pauses.
    ending: AtomicBool,
}

impl Counters {
    fn counts(&self) -> ShadowCounts {
        ShadowCounts {
            compared: self.compared.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            disagreements: self.disagreements.load(Ordering::Relaxed),
        }
    }
}

/// How the comparison went so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowCounts {
    /// Texts that were compared.
    pub compared: u64,
    /// Texts for which there was no room.
    pub dropped: u64,
    /// How often scanner and twin disagreed on a pattern.
    pub disagreements: u64,
}

/// The way to the comparison, for whoever starts workers.
#[derive(Debug, Clone)]
pub struct Shadow {
    outbox: SyncSender<Sample>,
    counters: Arc<Counters>,
}

/// What the comparison has counted so far, for whoever shows it. It keeps no thread alive.
#[derive(Debug, Clone, Default)]
pub struct ShadowTally(Arc<Counters>);

impl ShadowTally {
    /// How it went so far.
    #[must_use]
    pub fn counts(&self) -> ShadowCounts {
        self.0.counts()
    }
}

/// The thread of the comparison.
#[derive(Debug)]
pub struct ShadowThread {
    counters: Arc<Counters>,
    handle: JoinHandle<()>,
}

impl Shadow {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Where the system gives none.
    pub fn start(live: Arc<Live>, audit: Audit) -> io::Result<(Self, ShadowThread)> {
        let mut comparer = Comparer::default();
        let compare =
            move |rules: &Ruleset, field: Field, text: &[u8]| comparer.compare(rules, field, text);
        Self::start_with(live, audit, compare)
    }

    fn start_with(
        live: Arc<Live>,
        audit: Audit,
        compare: impl FnMut(&Ruleset, Field, &[u8]) -> Vec<Disagreement> + Send + 'static,
    ) -> io::Result<(Self, ShadowThread)> {
        let (outbox, inbox) = sync_channel(QUEUE_MAX);
        let counters = Arc::new(Counters::default());
        let thread = Thread {
            inbox,
            live,
            audit,
            counters: Arc::clone(&counters),
            compare,
            named: Named::default(),
        };
        let handle =
            std::thread::Builder::new().name("shadow".into()).spawn(move || thread.run())?;
        let shadow = Self { outbox, counters: Arc::clone(&counters) };
        Ok((shadow, ShadowThread { counters, handle }))
    }

    /// What it counts.
    #[must_use]
    pub fn tally(&self) -> ShadowTally {
        ShadowTally(Arc::clone(&self.counters))
    }

    /// A worker's way to the comparison.
    pub(crate) fn post(&self) -> ShadowPost {
        let (home, empty) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            let text = Vec::with_capacity(TEXT_BYTES_MAX);
            // There is room for as many.
            drop(home.try_send(Sample { field: Field::Uri, text, home: home.clone() }));
        }
        let (outbox, counters) = (self.outbox.clone(), Arc::clone(&self.counters));
        ShadowPost { outbox, empty, counters, until_next: SAMPLE_EVERY }
    }
}

impl ShadowThread {
    /// How it went so far.
    #[must_use]
    pub fn counts(&self) -> ShadowCounts {
        self.counters.counts()
    }

    /// Ends the thread, for which everybody with a [`Shadow`] must be gone, and says how it went.
    pub fn finish(self) {
        let counters = Arc::clone(&self.counters);
        counters.ending.store(true, Ordering::Release);
        self.handle.thread().unpark();
        if self.handle.join().is_err() {
            tracing::error!("the thread that compares regexes ended by itself");
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            compared = read(&counters.compared),
            dropped = read(&counters.dropped),
            disagreements = read(&counters.disagreements),
            "regexes compared in the shadow"
        );
    }
}

/// A worker's way to the comparison.
#[derive(Debug)]
pub(crate) struct ShadowPost {
    outbox: SyncSender<Sample>,
    empty: Receiver<Sample>,
    counters: Arc<Counters>,
    until_next: u32,
}

impl ShadowPost {
    /// Offers the texts of a request where its turn has come.
    // PERF: of all requests but a few this is a subtraction.
    pub(crate) fn pass(&mut self, rules: &Ruleset, request: &Request<'_>) {
        self.until_next = self.until_next.saturating_sub(1);
        if self.until_next > 0 {
            return;
        }
        self.until_next = SAMPLE_EVERY;
        if rules.shards().next().is_none() {
            return;
        }
        for view in request.uri.views() {
            self.offer(Field::Uri, view.text());
        }
        if let Known::Is(name) = request.sni() {
            self.offer(Field::Sni, name.as_str().as_bytes());
        }
        if let Known::Is(text) = request.user_agent() {
            self.offer(Field::UserAgent, text);
        }
        if let Known::Is(text) = request.referer() {
            self.offer(Field::Referer, text);
        }
    }

    fn offer(&self, field: Field, text: &[u8]) {
        let sent = match self.empty.try_recv() {
            Err(_) => Err(None),
            Ok(mut sample) => {
                sample.field = field;
                sample.text.clear();
                sample.text.extend_from_slice(text.get(..TEXT_BYTES_MAX).unwrap_or(text));
                self.outbox.try_send(sample).map_err(|refused| match refused {
                    TrySendError::Full(sample) | TrySendError::Disconnected(sample) => Some(sample),
                })
            }
        };
        if let Err(unsent) = sent {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            if let Some(sample) = unsent {
                give_back(sample);
            }
        }
    }
}

/// Sends a buffer home. A worker that is gone needs it no more.
fn give_back(sample: Sample) {
    let home = sample.home.clone();
    drop(home.try_send(sample));
}

/// What was wrong with the scanner, where something was. That a pattern alone is too large to be
/// compiled beside the others says nothing against it.
const fn outcome(found: &Disagreement) -> Option<&'static str> {
    match (found.shard, found.alone) {
        (_, Said::Failed) | (Said::Fits, Said::Fits) | (Said::FitsNot, Said::FitsNot) => None,
        (Said::FitsNot, Said::Fits) => Some("missed"),
        (Said::Fits, Said::FitsNot) => Some("invented"),
        (Said::Failed, Said::Fits | Said::FitsNot) => Some("failed"),
    }
}

/// What of one ruleset was told.
#[derive(Debug, Default)]
struct Named {
    revision: u64,
    patterns: HashSet<(Field, String)>,
    /// Failures of its scanners that are known.
    faults: u64,
}

impl Named {
    /// Forgets what was told of another ruleset, whose shards may live on in this one.
    fn begin(&mut self, revision: u64, rules: &Ruleset) {
        if self.revision != revision {
            let faults = rules.shards().map(Shard::faults).sum();
            *self = Self { revision, patterns: HashSet::new(), faults };
        }
    }

    /// Whether a pattern is to be named: once, and not too many.
    fn is_new(&mut self, found: &Disagreement) -> bool {
        self.patterns.len() < NAMED_MAX
            && self.patterns.insert((found.field, found.pattern.as_str().to_owned()))
    }
}

/// How long the thread rests after a comparison that took so long.
fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(SHARE.saturating_sub(1)).min(PAUSE_MAX)
}

struct Thread<C> {
    inbox: Receiver<Sample>,
    live: Arc<Live>,
    audit: Audit,
    counters: Arc<Counters>,
    compare: C,
    named: Named,
}

impl<C: FnMut(&Ruleset, Field, &[u8]) -> Vec<Disagreement>> Thread<C> {
    fn run(mut self) {
        while let Ok(sample) = self.inbox.recv() {
            let began = Instant::now();
            let published = self.live.load();
            let rules = published.ruleset();
            self.named.begin(published.revision(), rules);
            for found in (self.compare)(rules, sample.field, &sample.text) {
                let Some(outcome) = outcome(&found) else { continue };
                self.counters.disagreements.fetch_add(1, Ordering::Relaxed);
                if self.named.is_new(&found) {
                    self.tell(published.digest(), &found, outcome);
                }
                tracing::debug!(
                    attribute = found.field.attribute(),
                    pattern = found.pattern.as_str(),
                    text = %sample.text.escape_ascii(),
                    "a text on which the scanners of regexes disagree"
                );
            }
            self.counters.compared.fetch_add(1, Ordering::Relaxed);
            self.tell_faults(rules);
            drop(published);
            give_back(sample);
            if !self.counters.ending.load(Ordering::Acquire) {
                std::thread::park_timeout(pause_after(began.elapsed()));
            }
        }
    }

    fn tell(&self, ruleset: &str, found: &Disagreement, outcome: &'static str) {
        let (field, pattern) = (found.field.attribute(), found.pattern.as_str());
        eg_settings::critical!(
            attribute = field,
            pattern,
            outcome,
            ruleset,
            "the scanners of regexes disagree; set `[policy] regex_backend = \"regex\"` and report \
             the pattern"
        );
        self.audit.event(&Event::RegexDisagreement { ruleset, field, pattern, outcome }, now());
    }

    /// Says that a scanner failed on texts of requests, which the other one then answered.
    fn tell_faults(&mut self, rules: &Ruleset) {
        let faults = rules.shards().map(Shard::faults).sum();
        if faults > self.named.faults {
            self.named.faults = faults;
            eg_settings::critical!(
                faults,
                "Hyperscan failed on requests, and the slower scanner answered them; set `[policy] \
                 regex_backend = \"regex\"` and report it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use eg_policy::build::{Loaded, build};
    use eg_policy::check::{Trust, check};
    use eg_policy::client::{Client, Phase, Tunnel};
    use eg_policy::compile::compile;
    use eg_policy::matcher::{DomainIndex, write_index};
    use eg_policy::regex::{Backend, compile_all};
    use eg_policy::sources::SourceFile;
    use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
    use eg_policy::verdict::Action;

    use super::*;
    use crate::audit::tests::audit_to_memory;
    use crate::view::Stored;

    const RULES: &str = "a: {\n  match-uri-regex: /ads[0-9]+\n}\n\
        b: {\n  match-user-agent-regex: ^curl/[0-9]+x\n}\nc: {\n  match-sni-regex: track\n}\n\
        d: {\n  match-referer-regex: portal\n}\n";

    fn ruleset(text: &str) -> Ruleset {
        let files = [(SourceFile::new("a.policy", text), Trust::Operator)];
        let (checked, faults) = check(&files);
        assert!(faults.is_empty(), "{faults:?}");
        let policy = compile(checked, Action::Permit, Vec::new());
        let index = Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap());
        let regexes = compile_all(&policy, Backend::Hyperscan).unwrap();
        build(
            &policy,
            Loaded {
                index,
                addresses: Vec::new(),
                regexes,
                users: Vec::new(),
                zone: eg_policy::zone::Zone::utc(),
            },
        )
        .unwrap()
    }

    /// Passes so many requests with every text that is scanned.
    fn pass(post: &mut ShadowPost, rules: &Ruleset, times: u32) {
        let mut buffer = UriBuffer::default();
        let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, b"http://a.example/ads7");
        let request = Request {
            phase: Phase::Request,
            tunnel: Tunnel::Opaque,
            method: b"GET",
            uri: &uri.unwrap(),
            client: Client {
                address: Ipv4Addr::LOCALHOST.into(),
                user: None,
                sni: Known::Absent,
                user_agent: Known::Is(b"curl/7"),
                referer: Known::Is(b"http://b.example/"),
            },
            earlier: None,
        };
        for _ in 0..times {
            post.pass(rules, &request);
        }
    }

    #[test]
    fn one_request_in_so_many_is_compared_and_nothing_is_wrong() {
        let live = Arc::new(Live::new(ruleset(RULES), Stored::default()));
        let (audit, audit_thread, trail) = audit_to_memory();
        let (shadow, thread) = Shadow::start(Arc::clone(&live), audit.clone()).unwrap();
        let mut post = shadow.post();
        let published = live.load();
        pass(&mut post, published.ruleset(), SAMPLE_EVERY - 1);
        assert_eq!(thread.counts().dropped + thread.counts().compared, 0);
        pass(&mut post, published.ruleset(), 1);
        // A ruleset without regexes gives nothing to compare.
        pass(&mut post, &ruleset("a: {\n  match-domain: a.example\n}\n"), SAMPLE_EVERY);
        drop((published, post, shadow, audit));
        let counters = Arc::clone(&thread.counters);
        thread.finish();
        // One view, the user agent and the referer.
        assert_eq!(counters.compared.load(Ordering::Relaxed), 3);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 0);
        assert_eq!(counters.disagreements.load(Ordering::Relaxed), 0);
        audit_thread.finish();
        assert!(trail.lines().is_empty());
    }

    #[test]
    fn a_disagreement_is_recorded_once_for_each_pattern_and_ruleset() {
        let live = Arc::new(Live::new(ruleset(RULES), Stored::default()));
        let (audit, audit_thread, trail) = audit_to_memory();
        let found = |rules: &Ruleset, field: Field, shard: Said, alone: Said| {
            let shards = rules.shards().filter(|shard| shard.field() == field);
            let patterns = shards.flat_map(|shard| shard.plan().patterns());
            let said = patterns.cloned();
            said.map(|pattern| Disagreement { field, pattern, shard, alone }).collect::<Vec<_>>()
        };
        let compare = move |rules: &Ruleset, field: Field, text: &[u8]| {
            let (shard, alone) = match text {
                b"missed" => (Said::FitsNot, Said::Fits),
                b"invented" => (Said::Fits, Said::FitsNot),
                b"failed" => (Said::Failed, Said::FitsNot),
                // The pattern is too large to be compiled beside the others.
                _ => (Said::Fits, Said::Failed),
            };
            found(rules, field, shard, alone)
        };
        let (shadow, thread) =
            Shadow::start_with(Arc::clone(&live), audit.clone(), compare).unwrap();
        let post = shadow.post();
        for (field, text) in [
            (Field::Uri, "missed"),
            (Field::Uri, "missed"),
            (Field::UserAgent, "invented"),
            (Field::Sni, "failed"),
            (Field::Referer, "too large"),
        ] {
            post.offer(field, text.as_bytes());
        }
        let counters = Arc::clone(&thread.counters);
        wait_for(&counters.compared, 5);
        drop(live.swap(ruleset(RULES), Stored::default()));
        post.offer(Field::Uri, b"missed");
        drop((post, shadow, audit));
        thread.finish();
        audit_thread.finish();
        assert_eq!(counters.disagreements.load(Ordering::Relaxed), 5);
        let lines = trail.lines();
        let told: Vec<String> = lines
            .iter()
            .map(|line| format!("{} {} {}", line["kind"], line["field"], line["outcome"]))
            .map(|line| line.replace('"', ""))
            .collect();
        assert_eq!(
            told,
            [
                "regex-disagreement match-uri-regex missed",
                "regex-disagreement match-user-agent-regex invented",
                "regex-disagreement match-sni-regex failed",
                "regex-disagreement match-uri-regex missed",
            ]
        );
        // The text is of a person, and stays out.
        assert!(lines.iter().all(|line| line.get("text").is_none()));
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let live = Arc::new(Live::new(ruleset(RULES), Stored::default()));
        let (audit, audit_thread, _) = audit_to_memory();
        let (go, held) = sync_channel::<()>(0);
        let (began, has_begun) = sync_channel(BUFFERS + 1);
        let lengths = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&lengths);
        let compare = move |_: &Ruleset, _: Field, text: &[u8]| {
            began.send(()).unwrap();
            // Until the test lets go of it.
            let _ = held.recv();
            seen.lock().unwrap().push(text.len());
            Vec::new()
        };
        let (shadow, thread) = Shadow::start_with(live, audit.clone(), compare).unwrap();
        let post = shadow.post();
        let long = vec![b'a'; TEXT_BYTES_MAX + 1];
        post.offer(Field::Uri, &long);
        has_begun.recv().unwrap();
        for _ in 0..BUFFERS + 4 {
            post.offer(Field::Uri, b"short");
        }
        // One buffer is with the thread, all others wait in the queue.
        assert_eq!(thread.counts(), ShadowCounts { compared: 0, dropped: 5, disagreements: 0 });
        drop(go);
        let counters = Arc::clone(&thread.counters);
        wait_for(&counters.compared, BUFFERS as u64);
        // Buffers that came home are used again.
        post.offer(Field::Uri, b"short");
        drop((post, shadow, audit));
        thread.finish();
        audit_thread.finish();
        let lengths = lengths.lock().unwrap();
        assert_eq!(lengths.len(), BUFFERS + 1);
        assert_eq!((lengths[0], lengths[1]), (TEXT_BYTES_MAX, 5));
    }

    #[test]
    fn the_comparison_rests_for_its_share() {
        for (took, expected) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_micros(100), Duration::from_micros(4_900)),
            (Duration::from_millis(10), Duration::from_millis(490)),
            (Duration::from_secs(10), PAUSE_MAX),
            (Duration::MAX, PAUSE_MAX),
        ] {
            assert_eq!(pause_after(took), expected, "{took:?}");
        }
    }

    /// Waits until a counter has come so far.
    fn wait_for(counter: &AtomicU64, value: u64) {
        let begin = Instant::now();
        while counter.load(Ordering::Relaxed) < value {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }
}
