//! The thread that owns store and policy: opens them at the start, reloads them on request, and never
//! holds up whoever waits for signals.
//!
//! What is asked for is done one after the other, each with its own answer (`asks`). Signals that come
//! during a reload become one more; one that was asked for and not done is known, so that the next run
//! of a restart in place does it. The end of the engine is heeded between the steps of a reload; one that
//! takes longer is left behind with the process, which harms nothing: what is on the disk changes in
//! whole steps only.

use std::io;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_policy::regex::Backend;
use eg_policy::ruleset::Ruleset;
use eg_proto::control::ProblemKind;
use eg_proto::control::edit::Unconfirmed;
use eg_settings::log::chain;

use crate::asks::{Ask, Door, door, ending};
use crate::audit::Audit;
use crate::backup::Deadline;
use crate::config::{Config, Loaded};
use crate::control::shape;
use crate::git::{self, GitState};
use crate::policy_desk::{Desk, Outcome, Trace};
use crate::policy_history::no_repository;
use crate::policy_log::report;
use crate::process::Supervisor;
use crate::reload::{Ending, ReloadFault, Reloader, Start};
use crate::store::{self, Store, StoreFault};
use crate::view::{Live, Stored, now};
use crate::watch_files::Named;

/// The stack of a main thread: DuckDB and the parsers count on one.
const STACK_BYTES: usize = 8 << 20;

/// How long a start that fails waits for the store to be closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Between two looks at the clock while a commit waits to be confirmed: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why there is no first policy.
#[derive(Debug)]
pub(crate) enum OpenFault {
    /// The policy or its store.
    Policy(ReloadFault),
    /// The thread ended without a word.
    Gone,
}

/// What a reload changes and whom it tells.
#[derive(Debug)]
pub(crate) struct Public {
    /// What is live.
    pub(crate) live: Arc<Live>,
    /// The trail.
    pub(crate) audit: Audit,
    /// The service manager.
    pub(crate) supervisor: Arc<Supervisor>,
    /// What else is to be known of it.
    pub(crate) facts: LiveFacts,
}

/// What is to be known of the live policy beside its ruleset. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveFacts {
    /// What the store says of the one that was live first; later ones have it with them.
    first: Arc<OnceLock<Stored>>,
    /// The commit that waits to be confirmed.
    waits: Arc<Mutex<Option<Deadline>>>,
    /// The list files that the policy files name, for whoever watches them.
    pub(crate) named: Named,
    /// What the store is made with, once it is open.
    engine: Arc<OnceLock<String>>,
    /// Whether the thread that owns store and policy ended by itself.
    lost: Arc<AtomicBool>,
}

impl LiveFacts {
    /// What the store says of the policy of the start.
    pub(crate) fn stored(&self) -> Stored {
        self.first.get().copied().unwrap_or_default()
    }

    /// The commit that waits to be confirmed, as whoever asks at `now` sees it.
    pub(crate) fn unconfirmed(&self, now: Moment) -> Option<Unconfirmed> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.as_ref().map(|deadline| shape::unconfirmed(deadline, now))
    }

    /// Says which commit waits to be confirmed.
    pub(crate) fn say_waits(&self, deadline: Option<Deadline>) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// The database that the store is in, and its version.
    pub(crate) fn engine(&self) -> &str {
        self.engine.get().map_or("DuckDB", String::as_str)
    }

    /// Whether the thread that owns store and policy ended by itself.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Says what a reload, or the start, has left.
    pub(crate) fn say(&self, reloader: &Reloader) {
        let _ = self.first.set(reloader.stored());
        self.named.put(reloader.named_lists());
        self.engine.get_or_init(|| reloader.store().engine());
    }
}

/// Whether a thread has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halted {
    /// It has.
    Whole,
    /// It is in the middle of a step that takes long, or that never ends.
    InAStep,
}

/// The thread, for the one who asks it.
#[derive(Debug)]
pub(crate) struct PolicyThread {
    /// `None` once it was told to end.
    asks: Option<Door>,
    opened: Receiver<Result<Ruleset, ReloadFault>>,
    /// Can be read once `opened` has something.
    bell: UnixStream,
    /// Nothing ever comes; it closes with the thread.
    ended: Receiver<()>,
    ending: Ending,
    wanted: Wanted,
    facts: LiveFacts,
}

/// Says at once, and not at the next ask, that the thread ended by a panic: its own words go to standard
/// error, which a daemon does not have.
struct Alarm(LiveFacts);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lost.store(true, Ordering::Release);
            lost();
        }
    }
}

fn lost() {
    eg_settings::critical!(
        "the thread of the policy ended by itself, so that the policy cannot be reloaded; the one that is \
         live stays; restart the engine, and report it"
    );
}

/// Whether a reload was asked for and not done.
#[derive(Debug, Clone, Default)]
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl PolicyThread {
    /// Starts it; it opens the store and takes the first policy at once.
    pub(crate) fn start(loaded: &Arc<Loaded>, backend: Backend) -> io::Result<Self> {
        let ending = Ending::default();
        let (asks, inbox) = door(&ending);
        let (opening, opened) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let (bell, mut rope) = UnixStream::pair()?;
        let wanted = Wanted::default();
        let facts = LiveFacts::default();
        let (loaded, heeded, asked) = (Arc::clone(loaded), ending.clone(), wanted.clone());
        let said = facts.clone();
        let run = move || {
            let _alive = alive;
            let _alarm = Alarm(said.clone());
            let reloader = match open(&loaded.config, backend, &heeded) {
                Ok((reloader, ruleset)) => {
                    said.say(&reloader);
                    drop(opening.send(Ok(ruleset)));
                    Some(reloader)
                }
                Err(fault) => {
                    drop(opening.send(Err(fault)));
                    None
                }
            };
            drop(rope.write_all(&[1]));
            if let Some(reloader) = reloader {
                serve(reloader, &inbox, (&heeded, &asked));
            }
        };
        let builder = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK_BYTES);
        drop(builder.spawn(run)?);
        Ok(Self { asks: Some(asks), opened, bell, ended, ending, wanted, facts })
    }

    /// What can be read once the first ruleset, or the reason why there is none, is there.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// The first ruleset, once it is there, or why there is none.
    pub(crate) fn opened(&self) -> Option<Result<Ruleset, OpenFault>> {
        match self.opened.try_recv() {
            Ok(opened) => Some(opened.map_err(OpenFault::Policy)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(OpenFault::Gone)),
        }
    }

    /// Lets asks come.
    pub(crate) fn serve(&self, public: Public) {
        // There is room: nothing else is asked before.
        self.tell(Ask::Serve(public));
    }

    /// What is to be known of the live policy beside its ruleset.
    pub(crate) const fn facts(&self) -> &LiveFacts {
        &self.facts
    }

    /// The way for others to ask; `None` once it was told to end.
    pub(crate) const fn door(&self) -> Option<&Door> {
        self.asks.as_ref()
    }

    /// Asks for a reload, after the one that may be running.
    pub(crate) fn reload(&self) {
        self.wanted.ask();
        self.tell(Ask::Look);
    }

    /// No room means that others wait already, behind whom it is looked what is wanted.
    fn tell(&self, ask: Ask) {
        let told = self.asks.as_ref().map(|asks| asks.tell(ask));
        if let Some(Err(refused)) = told
            && refused.kind == ProblemKind::Ending
            && !self.ending.has_begun()
        {
            lost();
        }
    }

    /// Says that the engine ends.
    pub(crate) fn begin_end(&self) {
        self.ending.begin();
        // Others may hold a way to it, so it would not notice by itself.
        self.tell(Ask::Look);
    }

    /// Whether a reload was asked for and not done; to be asked after the end.
    pub(crate) fn owes_a_reload(&self) -> bool {
        self.wanted.take()
    }

    /// Waits until the thread has ended.
    pub(crate) fn end(&mut self, patience: Duration) -> Halted {
        self.begin_end();
        drop(self.asks.take());
        match self.ended.recv_timeout(patience) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Halted::Whole,
            Err(RecvTimeoutError::Timeout) => {
                self.wanted.ask();
                Halted::InAStep
            }
        }
    }
}

impl Drop for PolicyThread {
    fn drop(&mut self) {
        // Only where a start fails halfway: the store should be closed when the process ends.
        if self.asks.is_some() {
            self.end(CLOSE_MAX);
        }
    }
}

/// Does what is asked for until nobody asks any more, or the engine ends; then tells those who wait.
fn serve(mut reloader: Reloader, inbox: &Receiver<Ask>, (ending, wanted): (&Ending, &Wanted)) {
    let Ok(Ask::Serve(public)) = inbox.recv() else { return };
    match git::open(reloader.config()) {
        Ok(GitState::Missing) => no_repository(),
        Ok(GitState::Off | GitState::On(_)) => {}
        Err(fault) => tracing::error!(cause = chain(&fault), "changes have no history"),
    }
    let mut trace = Trace::default();
    let mut desk = Desk { reloader: &mut reloader, public: &public, ending, trace: &mut trace };
    desk.take_up((now(), Instant::now()));
    while let Some(heard) = listen(inbox, &desk) {
        // Also where asks come one after the other, and before one that would confirm too late.
        if !ending.has_begun() {
            desk.look_at_deadline((now(), Instant::now()));
        }
        let ask = match heard {
            Heard::Ask(ask) => ask,
            Heard::Nothing => continue,
        };
        if ending.has_begun() {
            refuse(ask);
            break;
        }
        match ask {
            Ask::Serve(_) | Ask::Look => {}
            Ask::Changed => desk.changed(),
            Ask::Do(job) => desk.serve(*job),
            Ask::Store(lookers) => lookers.tell(|| desk.look()),
        }
        // Also behind others: where the queue was full, nobody could say so.
        if !ending.has_begun() && wanted.take() {
            match desk.signalled() {
                Outcome::Done => {}
                Outcome::GivenUp => wanted.ask(),
            }
        }
    }
    while let Ok(ask) = inbox.try_recv() {
        refuse(ask);
    }
}

/// What the thread wakes up for.
enum Heard {
    /// An ask.
    Ask(Ask),
    /// A commit that waits to be confirmed may have waited long enough.
    Nothing,
}

/// Waits for an ask, or until a commit should be rolled back; `None` once nobody can ask any more.
fn listen(inbox: &Receiver<Ask>, desk: &Desk<'_>) -> Option<Heard> {
    let Some(patience) = desk.patience((now(), Instant::now())) else {
        return inbox.recv().ok().map(Heard::Ask);
    };
    match inbox.recv_timeout(patience.min(LOOK_EVERY)) {
        Ok(ask) => Some(Heard::Ask(ask)),
        Err(RecvTimeoutError::Timeout) => Some(Heard::Nothing),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// Tells whoever waits for an answer that there will be none.
fn refuse(ask: Ask) {
    match ask {
        Ask::Do(job) => job.refuse(),
        Ask::Store(lookers) => lookers.tell(|| Err(ending().detail)),
        Ask::Serve(_) | Ask::Look | Ask::Changed => {}
    }
}

/// Opens the store and takes the first policy; a store that DuckDB cannot read any more is made
/// again from the files, and moved aside once that has succeeded.
fn open(
    config: &Config,
    backend: Backend,
    ending: &Ending,
) -> Result<(Reloader, Ruleset), ReloadFault> {
    let path = &config.database.database_file;
    let attempt = |path: &Path| -> Result<(Reloader, Ruleset), ReloadFault> {
        let mut reloader = Reloader::new(config, Store::open(path)?, backend).heeding(ending);
        let ruleset = first_ruleset(&mut reloader)?;
        Ok((reloader, ruleset))
    };
    let fault = match attempt(path) {
        Err(ReloadFault::Store(fault @ StoreFault::Broken { .. })) => fault,
        opened => return opened,
    };
    eg_settings::critical!(
        cause = chain(&fault),
        "the store is broken; it is made again from the policy files"
    );
    let fresh = store::fresh_path(path)?;
    match attempt(&fresh) {
        Ok(closed) => drop(closed),
        Err(fault) => {
            store::fresh_path(path)?;
            return Err(fault);
        }
    }
    let aside = store::replace(path, &fresh, jiff::Timestamp::now())?;
    eg_settings::critical!(aside = %aside.display(), "the broken store is moved aside");
    attempt(path)
}

fn first_ruleset(reloader: &mut Reloader) -> Result<Ruleset, ReloadFault> {
    match reloader.start()? {
        Start::FromStore { ruleset, regexes, notes } => {
            for note in notes {
                tracing::warn!("{note}");
            }
            tracing::info!(
                rules = ruleset.rules().len(),
                names = ruleset.entries(),
                regexes = regexes.patterns,
                domains = regexes.lowered.domains,
                exact_hosts = regexes.lowered.exact_hosts,
                uri_hosts = regexes.lowered.uri_hosts,
                literals = regexes.lowered.literals,
                scanned = regexes.scanned(),
                scanned_literals = regexes.literals,
                fallback = regexes.fallback,
                shards_compiled = regexes.compiled,
                digest = %ruleset.digest(),
                "policy loaded from the store"
            );
            Ok(*ruleset)
        }
        Start::FromFiles(prepared) => {
            report(&prepared.receipt, "policy compiled from the files");
            reloader.clean_up();
            Ok(prepared.ruleset)
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn a_thread_that_ended_without_a_word_is_no_wait_without_end() {
        let (ending, wanted) = (Ending::default(), Wanted::default());
        let (asks, inbox) = door(&ending);
        let (opening, opened) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let (bell, rope) = UnixStream::pair().unwrap();
        let facts = LiveFacts::default();
        let asks = Some(asks);
        let mut thread = PolicyThread { asks, opened, bell, ended, ending, wanted, facts };
        assert!(thread.opened().is_none(), "it is at work");
        // As where it panics.
        drop((inbox, opening, alive, rope));
        let mut bell = [PollFd::new(thread.bell(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut bell, PollTimeout::ZERO), Ok(1));
        assert!(matches!(thread.opened(), Some(Err(OpenFault::Gone))));
        thread.reload();
        assert_eq!(thread.end(Duration::from_secs(60)), Halted::Whole);
        assert!(thread.owes_a_reload());
    }
}
