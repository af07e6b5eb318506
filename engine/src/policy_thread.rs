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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::regex::Backend;
use eg_policy::ruleset::Ruleset;
use eg_proto::control::ProblemKind;
use eg_settings::log::chain;

use crate::asks::{Answer, Ask, Done, Door, Job, Work, door};
use crate::audit::{AskedBy, Audit, Event};
use crate::config::{Config, Loaded};
use crate::control::shape;
use crate::process::{Supervisor, Told};
use crate::reload::{Ending, Guards, Order, Origin, Receipt, ReloadFault, Reloader, Run, Start};
use crate::store::{self, Store, StoreFault};
use crate::view::{DIGEST_DIGITS, Live, now};
use crate::watch_files::Named;

/// The stack of a main thread: DuckDB and the parsers count on one.
const STACK_BYTES: usize = 8 << 20;

/// How long a start that fails waits for the store to be closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

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
    /// The list files that the policy names, for whoever watches them.
    pub(crate) named: Named,
    /// The store's number of the live policy.
    pub(crate) revision: Arc<AtomicU64>,
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
        let (asks, inbox) = door();
        let (opening, opened) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let (bell, mut rope) = UnixStream::pair()?;
        let ending = Ending::default();
        let wanted = Wanted::default();
        let (loaded, heeded, asked) = (Arc::clone(loaded), ending.clone(), wanted.clone());
        let run = move || {
            let _alive = alive;
            let reloader = match open(&loaded.config, backend, &heeded) {
                Ok((reloader, ruleset)) => {
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
        Ok(Self { asks: Some(asks), opened, bell, ended, ending, wanted })
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
            eg_settings::critical!(
                "the thread of the policy ended by itself, so that the policy cannot be \
                 reloaded; restart the engine, and report it"
            );
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
    let stored = reloader.live().map_or(0, |live| live.revision);
    public.revision.store(stored, Ordering::Release);
    public.named.put(reloader.named_lists());
    let mut desk = Desk { reloader: &mut reloader, public: &public, ending };
    while let Ok(ask) = inbox.recv() {
        if ending.has_begun() {
            refuse(ask);
            break;
        }
        match ask {
            Ask::Serve(_) | Ask::Look => {}
            Ask::Changed => desk.changed(),
            Ask::Do(job) => desk.serve(*job),
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

/// Tells whoever waits for an answer that there will be none.
fn refuse(ask: Ask) {
    match ask {
        Ask::Do(job) => job.refuse(),
        Ask::Serve(_) | Ask::Look | Ask::Changed => {}
    }
}

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The files were read, and their policy is live or was refused.
    Done,
    /// The engine ends.
    GivenUp,
}

/// The thread at work.
struct Desk<'d> {
    reloader: &'d mut Reloader,
    public: &'d Public,
    ending: &'d Ending,
}

impl Desk<'_> {
    fn serve(&mut self, job: Job) {
        let answer: Answer = match &job.work {
            Work::Reload(order) => match self.reload(order, job.asked) {
                Ok(receipt) => Ok(Done::Reload(shape::receipt(job.number, &receipt))),
                Err(fault) => Err(shape::problem(job.number, &fault)),
            },
        };
        job.answer(answer);
    }

    fn signalled(&mut self) -> Outcome {
        match self.reload(&Order::of(Origin::Signal), Instant::now()) {
            Err(ReloadFault::Ending) => Outcome::GivenUp,
            Ok(_) | Err(_) => Outcome::Done,
        }
    }

    /// What fails is logged and tried again when files change once more.
    fn changed(&mut self) {
        drop(self.reload(&Order::of(Origin::Watch), Instant::now()));
    }

    /// One reload with everything around it: the service manager, the trail, the log.
    fn reload(&mut self, order: &Order, asked: Instant) -> Result<Receipt, ReloadFault> {
        match order.run {
            Run::Dry => self.carry_out(order, asked),
            Run::Real => {
                self.public.supervisor.tell(Told::Reloading);
                let done = self.carry_out(order, asked);
                if !self.ending.has_begun() {
                    self.public.supervisor.tell(Told::Ready);
                }
                done
            }
        }
    }

    fn carry_out(&mut self, order: &Order, asked: Instant) -> Result<Receipt, ReloadFault> {
        let Public { live, audit, .. } = self.public;
        let prepared = self.reloader.carry_out(order, asked);
        self.public.named.put(self.reloader.named_lists());
        let by = order.by.to_string();
        let force = order.guards == Guards::Overridden;
        let asked_by = AskedBy { by: &by, comment: order.reason.as_deref(), force };
        match (prepared, order.run) {
            (Ok(prepared), Run::Real) => {
                drop(live.swap(prepared.ruleset));
                self.public.revision.store(prepared.receipt.revision, Ordering::Release);
                self.reloader.clean_up();
                let Receipt { revision, rules, .. } = prepared.receipt;
                let published = live.load();
                let ruleset = published.digest();
                audit.event(&Event::Reload { ruleset, revision, rules, asked_by }, now());
                report(&prepared.receipt, "policy reloaded");
                Ok(prepared.receipt)
            }
            (Ok(prepared), Run::Dry) => {
                let mut ruleset = prepared.receipt.digest.to_string();
                ruleset.truncate(DIGEST_DIGITS);
                let rules = prepared.receipt.rules;
                let entry = Event::DryRun { ruleset: &ruleset, rules, asked_by };
                audit.event(&entry, now());
                tracing::info!(by, rules, "dry run: the policy of the files would be taken");
                Ok(prepared.receipt)
            }
            (Err(ReloadFault::Ending), _) => {
                tracing::info!(by, "the reload is given up, since the engine ends");
                Err(ReloadFault::Ending)
            }
            (Err(fault), run) => {
                let cause = chain(&fault);
                let published = live.load();
                let ruleset = published.digest();
                let reason = &cause;
                audit.event(&Event::ReloadRefused { ruleset, reason, asked_by }, now());
                match run {
                    Run::Dry => tracing::info!(by, cause, "dry run: the policy would be refused"),
                    Run::Real => {
                        report_fault(&fault);
                        tracing::error!(
                            by,
                            cause,
                            "the policy was not reloaded; the running one stays"
                        );
                    }
                }
                Err(fault)
            }
        }
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
                as_names = regexes.names,
                fallback = regexes.fallback,
                shards_compiled = regexes.compiled,
                digest = %ruleset.digest(),
                "policy loaded from the store"
            );
            Ok(ruleset)
        }
        Start::FromFiles(prepared) => {
            report(&prepared.receipt, "policy compiled from the files");
            reloader.clean_up();
            Ok(prepared.ruleset)
        }
    }
}

/// Logs what a reload did.
fn report(receipt: &Receipt, what: &str) {
    report_diagnostics(&receipt.warnings);
    for note in &receipt.notes {
        tracing::warn!("{note}");
    }
    tracing::info!(
        by = %receipt.order.by,
        force = receipt.order.guards == Guards::Overridden,
        revision = receipt.revision,
        rules = receipt.rules,
        lists = receipt.lists,
        parsed = receipt.parsed,
        names = receipt.entries,
        regexes = receipt.regexes.patterns,
        as_names = receipt.regexes.names,
        fallback = receipt.regexes.fallback,
        shards_compiled = receipt.regexes.compiled,
        added = receipt.changes.added.count,
        removed = receipt.changes.removed.count,
        changed = receipt.changes.changed.count,
        ms = u64::try_from(receipt.took.as_millis()).unwrap_or(u64::MAX),
        digest = %receipt.digest,
        "{what}"
    );
}

/// Logs why a policy was refused, each fault on a line.
pub(crate) fn report_fault(fault: &ReloadFault) {
    if let ReloadFault::Policy { diagnostics } = fault {
        report_diagnostics(diagnostics);
    }
}

/// Logs faults of policy files by their severity, each with what to do about it.
fn report_diagnostics(diagnostics: &[Diagnostic]) {
    macro_rules! log {
        ($level:ident, $diagnostic:expr) => {{
            let Diagnostic { code, place, message, help, .. } = $diagnostic;
            let help = help.as_deref().unwrap_or_else(|| code.advice());
            let (file, line, column) = (&place.file, place.line, place.column);
            tracing::$level!(file, line, column, code = code.id(), help, "{message}");
        }};
    }
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => log!(error, diagnostic),
            Severity::Warning => log!(warn, diagnostic),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn a_thread_that_ended_without_a_word_is_no_wait_without_end() {
        let (asks, inbox) = door();
        let (opening, opened) = sync_channel(1);
        let (alive, ended) = sync_channel(1);
        let (bell, rope) = UnixStream::pair().unwrap();
        let (ending, wanted) = (Ending::default(), Wanted::default());
        let mut thread = PolicyThread { asks: Some(asks), opened, bell, ended, ending, wanted };
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
