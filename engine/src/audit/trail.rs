//! Starting and ending the trail, and what everybody who records shares.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use eg_policy::moment::Moment;
use eg_proto::DecisionId;

use super::entry::{self, Event};
use super::recent::Recent;
use super::recorder::{BUFFERS, Recorder};
use super::redact::QueryKey;
use super::syncer::Syncer;
use super::writer::{FileSink, Message, Shared, Sink, Writer};
use crate::config::{AuditConfig, OnFailure, RedactQuery, RedirectStatus, Verdicts};

/// The trail's file in the folder `[audit] path`.
const FILE_NAME: &str = "audit.jsonl";

/// The key of query hashes, beside it.
const KEY_NAME: &str = "query.key";

/// Recorders that may exist at a time; the queue has room for all their buffers, so that sending one
/// never fails. More threads than this serve nobody.
const RECORDERS_MAX: usize = 256;

/// Events that may wait for the writer; beyond that they are counted, since refusing strangers must
/// not cost memory.
const EVENTS_MAX: usize = 256;

/// Decision numbers that a worker takes at a time, so that workers meet at the counter once in a
/// thousand requests.
const DECISION_BLOCK: u64 = 1024;

/// How long the disk has for the last entries: ten times what it has for one sync before it counts as
/// failed. A disk that hangs must not keep the engine from ending.
const END_MAX: Duration = Duration::from_secs(10);

/// Why the trail cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The folder cannot be made.
    #[error("the audit folder `{}` cannot be made; set `[audit] path`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be opened for writing.
    #[error("the audit file `{}` cannot be written; set `[audit] path` or its owner", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key of query hashes cannot be read or made.
    #[error("the audit key `{}` cannot be used; restore it, or remove it to make a new one", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system's random generator failed.
    #[error("the system gives no random numbers")]
    Random(#[source] io::Error),
    /// The writer thread cannot be started.
    #[error("the audit thread cannot be started")]
    Thread(#[source] io::Error),
}

/// What all recorders share and nobody changes, but for the tables of atomics.
pub(super) struct Parts {
    pub(super) verdicts: Verdicts,
    pub(super) on_failure: OnFailure,
    pub(super) redact: RedactQuery,
    pub(super) key: QueryKey,
    pub(super) recent: Recent,
    pub(super) decisions: Decisions,
}

/// The trail, for whoever records. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    pub(super) parts: Arc<Parts>,
    pub(super) shared: Arc<Shared>,
    pub(super) outbox: SyncSender<Message>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// The writer thread, for whoever ends it.
#[derive(Debug)]
pub struct AuditThread {
    shared: Arc<Shared>,
    outbox: SyncSender<Message>,
    /// Nothing ever comes; it closes with the thread.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// How the trail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailEnd {
    /// All that was queued is in the file, or the log says what is not.
    Whole,
    /// The disk has not taken it in time; its threads are left behind.
    Stuck,
}

impl Audit {
    /// Opens the trail below `[audit] path` and starts its writer.
    ///
    /// # Errors
    /// Where the folder, the file, the key, or the thread cannot be had.
    pub fn start(config: &AuditConfig) -> Result<(Self, AuditThread), AuditFault> {
        let path = config.path.clone();
        std::fs::create_dir_all(&path)
            .map_err(|source| AuditFault::Folder { path: path.clone(), source })?;
        let path = config.path.join(FILE_NAME);
        let sink =
            FileSink::open(path.clone()).map_err(|source| AuditFault::File { path, source })?;
        Self::start_with(config, sink, &config.path)
    }

    pub(super) fn start_with(
        config: &AuditConfig,
        sink: impl Sink + 'static,
        folder: &Path,
    ) -> Result<(Self, AuditThread), AuditFault> {
        let path = folder.join(KEY_NAME);
        let key = QueryKey::open(&path).map_err(|source| AuditFault::Key { path, source })?;
        let parts = Parts {
            verdicts: config.verdicts,
            on_failure: config.on_failure,
            redact: config.redact_query,
            key,
            recent: Recent::new(),
            decisions: Decisions::new()?,
        };
        let (outbox, inbox) = sync_channel(RECORDERS_MAX * BUFFERS + EVENTS_MAX + 1);
        let shared = Arc::new(Shared::default());
        let syncer = Syncer::start(config.sync, &shared).map_err(AuditFault::Thread)?;
        let writer = Writer { sink, inbox, shared: Arc::clone(&shared), syncer, is_new: true };
        let (alive, ended) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || {
                let _alive = alive;
                writer.run();
            })
            .map_err(AuditFault::Thread)?;
        let audit =
            Self { parts: Arc::new(parts), shared: Arc::clone(&shared), outbox: outbox.clone() };
        Ok((audit, AuditThread { shared, outbox, ended, thread }))
    }

    /// A worker's way into the trail. At most 256 of them have room at a time.
    #[must_use]
    pub fn recorder(&self, redirect_status: RedirectStatus) -> Recorder {
        Recorder::new(self.clone(), redirect_status)
    }

    /// Makes the entry of an event. Never waits: where the queue has no room it is counted as missed.
    pub fn event(&self, event: &Event<'_>, now: Moment) {
        let mut line = Vec::new();
        let queued = self.shared.events.fetch_add(1, Ordering::AcqRel);
        let sent = queued < EVENTS_MAX
            && entry::event_line(&mut line, event, now).is_ok()
            && self.outbox.try_send(Message::Event(line)).is_ok();
        if !sent {
            self.shared.events.fetch_sub(1, Ordering::AcqRel);
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has the file opened again by its name, after a rotation.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // A full queue means that the writer is awake.
        let _ = self.outbox.try_send(Message::Wake);
    }

    /// Whether entries can be written at present.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        !self.shared.failing.load(Ordering::Acquire)
    }
}

impl AuditThread {
    /// Writes what is queued and ends the thread, or leaves it behind where the disk hangs. Everybody who
    /// records must be done before.
    pub fn finish(self) -> TrailEnd {
        self.finish_within(END_MAX)
    }

    pub(super) fn finish_within(self, patience: Duration) -> TrailEnd {
        let Self { shared, outbox, ended, thread } = self;
        shared.finish.store(true, Ordering::Release);
        let _ = outbox.try_send(Message::Wake);
        drop(outbox);
        if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            eg_settings::critical!(
                seconds = patience.as_secs(),
                "the disk does not take the last entries of the audit trail; the engine ends without \
                 them, and they may be lost; look at the disk of `[audit] path`"
            );
            return TrailEnd::Stuck;
        }
        if thread.join().is_err() {
            tracing::error!("the audit thread ended by itself; its last entries may be missing");
        }
        TrailEnd::Whole
    }
}

/// Numbers for decisions: 40 random bits for the engine's run, and a counter.
#[derive(Debug)]
pub(super) struct Decisions {
    run: u64,
    next: AtomicU64,
}

impl Decisions {
    fn new() -> Result<Self, AuditFault> {
        let random =
            getrandom::u64().map_err(|fault| AuditFault::Random(io::Error::other(fault)))?;
        Ok(Self { run: random >> 24, next: AtomicU64::new(1) })
    }
}

/// A worker's numbers, taken a block at a time.
#[derive(Debug, Default)]
pub(super) struct DecisionBlock {
    next: u64,
    end: u64,
}

impl DecisionBlock {
    pub(super) fn next(&mut self, decisions: &Decisions) -> DecisionId {
        if self.next == self.end {
            self.next = decisions.next.fetch_add(DECISION_BLOCK, Ordering::Relaxed);
            self.end = self.next + DECISION_BLOCK;
        }
        let count = self.next;
        self.next += 1;
        DecisionId::new(decisions.run, count)
    }
}
