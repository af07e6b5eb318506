//! The thread that brings appended lines to the disk, beside the one that appends.
//!
//! A sync may take longer than a batch may wait: a busy disk needs half a second for one. Appending goes
//! on meanwhile, so that no verdict is turned to deny for it. A sync that takes longer than
//! [`SYNC_MAX`] is a disk that fails.
//!
//! INVARIANT: what was appended before a sync begins is on the disk once it succeeds, or stays due.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::writer::Shared;

/// How long the disk has for one sync before nothing more is accepted: with `sync_ms` it is the loss
/// window, and far above what a disk needs that is only busy.
const SYNC_MAX: Duration = Duration::from_secs(1);

/// How long a sync or a write that failed waits before it is tried again: soon enough that an operator
/// who frees a disk sees the gate recover at once, rare enough to cost nothing.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// Brings a file to the disk, as often as it is called.
pub(super) type Handle = Box<dyn FnMut() -> io::Result<()> + Send>;

/// The thread, for the writer.
pub(super) struct Syncer {
    common: Arc<Common>,
    thread: JoinHandle<()>,
}

struct Common {
    /// How long appended lines may stay in the system's cache.
    window: Duration,
    shared: Arc<Shared>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What both threads know. Neither holds the lock while it waits for the disk.
struct State {
    /// The files that hold lines which are not on the disk; the open one is the last.
    due: Vec<Handle>,
    /// When the oldest such line was appended.
    since: Option<Instant>,
    /// When the sync began that runs.
    running: Option<Instant>,
    /// Whether lines can be appended.
    appending: Appending,
    /// Whether the disk takes what was appended.
    disk: Disk,
    /// Sync what is there, then end.
    finish: bool,
}

/// Whether lines can be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Appending {
    Fine,
    /// They cannot; nothing more is accepted until they can.
    Refused,
}

/// Whether the disk takes what was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Fine,
    /// It refused at this moment; nothing more is accepted until it does not.
    Refused(Instant),
}

impl Syncer {
    /// Starts it.
    pub(super) fn start(window: Duration, shared: &Arc<Shared>) -> io::Result<Self> {
        let common = Arc::new(Common {
            window,
            shared: Arc::clone(shared),
            state: Mutex::new(State {
                due: Vec::new(),
                since: None,
                running: None,
                appending: Appending::Fine,
                disk: Disk::Fine,
                finish: false,
            }),
            changed: Condvar::new(),
        });
        let its = Arc::clone(&common);
        let builder = std::thread::Builder::new().name("audit-sync".into());
        let thread = builder.spawn(move || its.run())?;
        Ok(Self { common, thread })
    }

    /// Lines were appended; `file` gives the open file where it is not due already. `first` says that it
    /// is another file than the last time.
    pub(super) fn appended(&self, first: bool, file: impl FnOnce() -> Handle) {
        let mut state = self.common.lock();
        state.appending = Appending::Fine;
        if first || state.due.is_empty() {
            state.due.push(file());
        }
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.common.changed.notify_one();
        }
        self.common.settle(&state);
    }

    /// Lines cannot be appended.
    pub(super) fn cannot_append(&self) {
        let mut state = self.common.lock();
        state.appending = Appending::Refused;
        self.common.settle(&state);
    }

    /// When to look whether a sync takes too long; `None` where there is nothing to sync.
    pub(super) fn patience(&self) -> Option<Duration> {
        let state = self.common.lock();
        let begins = match (state.running, state.since) {
            (Some(began), _) => began,
            (None, Some(since)) => since + self.common.window,
            (None, None) => return None,
        };
        let late = begins + SYNC_MAX;
        Some(late.saturating_duration_since(Instant::now()).max(RETRY))
    }

    /// Looks whether a sync takes too long. Nobody else does while no line comes.
    pub(super) fn look(&self) {
        self.common.settle(&self.common.lock());
    }

    /// Brings what is there to the disk and ends.
    pub(super) fn finish(self) {
        self.common.lock().finish = true;
        self.common.changed.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the thread that syncs the audit trail ended by itself");
        }
    }
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            state = match (state.wait(self.window), state.finish) {
                (None, true) => return,
                (None, false) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                (Some(left), false) if !left.is_zero() => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                (Some(_), finish) => {
                    let state = self.sync(state);
                    // What the disk refuses at the end stays refused.
                    if finish {
                        return;
                    }
                    state
                }
            };
        }
    }

    /// One sync of all that is due.
    fn sync<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let mut due = std::mem::take(&mut state.due);
        let since = state.since.take();
        state.running = Some(Instant::now());
        drop(state);
        let done = due.iter_mut().try_for_each(|file| file());
        let mut state = self.lock();
        state.running = None;
        match done {
            Ok(()) => state.disk = Disk::Fine,
            Err(fault) => {
                due.append(&mut state.due);
                state.due = due;
                state.since = since;
                self.refuse(&mut state, &fault);
            }
        }
        self.settle(&state);
        state
    }

    fn refuse(&self, state: &mut State, fault: &io::Error) {
        if state.disk == Disk::Fine {
            tracing::error!(
                %fault,
                "the audit file cannot be brought to the disk, and its last lines may be lost; \
                 verdicts follow `[audit] on_failure` until it can"
            );
        }
        state.disk = Disk::Refused(Instant::now());
    }

    /// Tells the workers whether entries are accepted.
    fn settle(&self, state: &State) {
        let late = state.running.is_some_and(|since| since.elapsed() > SYNC_MAX);
        let is_fine = (state.appending, state.disk) == (Appending::Fine, Disk::Fine) && !late;
        let was_failing = self.shared.failing.swap(!is_fine, Ordering::AcqRel);
        match (was_failing, is_fine) {
            (true, true) => {
                let missed = self.shared.missed.swap(0, Ordering::AcqRel);
                tracing::warn!(missed, "the audit trail can be written again");
            }
            (false, false) if late => tracing::error!(
                seconds = SYNC_MAX.as_secs(),
                "the disk does not take the audit file in time; verdicts follow `[audit] on_failure` \
                 until it does"
            ),
            (true | false, false) | (false, true) => {}
        }
    }
}

impl State {
    /// How long until the next sync; `None` where nothing is due.
    fn wait(&self, window: Duration) -> Option<Duration> {
        let since = self.since?;
        Some(match self.disk {
            Disk::Fine => window.saturating_sub(since.elapsed()),
            Disk::Refused(at) => RETRY.saturating_sub(at.elapsed()),
        })
    }
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncer").finish_non_exhaustive()
    }
}
