//! The thread that owns store and policy: opens them at the start, reloads them on request, and never
//! holds up whoever waits for signals.
//!
//! Reloads come one after the other, and requests that come during one become one more. One that was
//! asked for and not done is known, so that the next run of a restart in place does it. The end of the
//! engine is heeded between the steps of a reload; one that takes longer is left behind with the
//! process, which harms nothing: what is on the disk changes in whole steps only.

use std::io;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::time::Duration;

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::regex::Backend;
use eg_policy::ruleset::Ruleset;
use eg_settings::log::chain;

use crate::audit::{Audit, Event};
use crate::config::{Config, Loaded};
use crate::process::{Supervisor, Told};
use crate::reload::{Ending, Receipt, ReloadFault, Reloader, Start};
use crate::store::{self, Store, StoreFault};
use crate::view::{Live, now};

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
}

/// What the thread is asked for.
#[derive(Debug)]
enum Ask {
    /// The first ruleset is live; reloads may come.
    Serve(Public),
    /// Look whether a reload is wanted.
    Look,
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
    asks: Option<SyncSender<Ask>>,
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
        // One that waits stands for all that come meanwhile; one place more for `Serve`.
        let (asks, inbox) = sync_channel(2);
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

    /// Lets reloads come.
    pub(crate) fn serve(&self, public: Public) {
        // There is room: nothing else is asked before.
        self.ask(Ask::Serve(public));
    }

    /// Asks for a reload, after the one that may be running.
    pub(crate) fn reload(&self) {
        self.wanted.ask();
        self.ask(Ask::Look);
    }

    fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            match asks.try_send(ask) {
                // No room: one waits already, and will see what is wanted then.
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => eg_settings::critical!(
                    "the thread of the policy ended by itself, so that the policy cannot be \
                     reloaded; restart the engine, and report it"
                ),
            }
        }
    }

    /// Says that the engine ends.
    pub(crate) fn begin_end(&self) {
        self.ending.begin();
    }

    /// Whether a reload was asked for and not done; to be asked after the end.
    pub(crate) fn owes_a_reload(&self) -> bool {
        self.wanted.take()
    }

    /// Waits until the thread has ended.
    pub(crate) fn end(&mut self, patience: Duration) -> Halted {
        self.ending.begin();
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

/// Reloads on request until nobody asks any more, or the engine ends.
fn serve(mut reloader: Reloader, inbox: &Receiver<Ask>, (ending, wanted): (&Ending, &Wanted)) {
    let Ok(Ask::Serve(public)) = inbox.recv() else { return };
    while let Ok(Ask::Look) = inbox.recv() {
        if ending.has_begun() {
            return;
        }
        if !wanted.take() {
            continue;
        }
        public.supervisor.tell(Told::Reloading);
        match reload(&mut reloader, &public) {
            Outcome::Done => {}
            Outcome::GivenUp => wanted.ask(),
        }
        if !ending.has_begun() {
            public.supervisor.tell(Told::Ready);
        }
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

fn reload(reloader: &mut Reloader, public: &Public) -> Outcome {
    let Public { live, audit, supervisor: _ } = public;
    match reloader.reload() {
        Ok(prepared) => {
            drop(live.swap(prepared.ruleset));
            reloader.clean_up();
            let Receipt { revision, rules, .. } = prepared.receipt;
            let published = live.load();
            let entry = Event::Reload { ruleset: published.digest(), revision, rules };
            audit.event(&entry, now());
            report(&prepared.receipt, "policy reloaded");
        }
        Err(ReloadFault::Ending) => {
            tracing::info!("the reload is given up, since the engine ends");
            return Outcome::GivenUp;
        }
        Err(fault) => {
            report_fault(&fault);
            let cause = chain(&fault);
            let published = live.load();
            let entry = Event::ReloadRefused { ruleset: published.digest(), reason: &cause };
            audit.event(&entry, now());
            tracing::error!(cause, "the policy was not reloaded; the running one stays");
        }
    }
    Outcome::Done
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
        revision = receipt.revision,
        rules = receipt.rules,
        lists = receipt.lists,
        parsed = receipt.parsed,
        names = receipt.entries,
        regexes = receipt.regexes.patterns,
        domains = receipt.regexes.lowered.domains,
        exact_hosts = receipt.regexes.lowered.exact_hosts,
        uri_hosts = receipt.regexes.lowered.uri_hosts,
        literals = receipt.regexes.lowered.literals,
        scanned = receipt.regexes.scanned(),
        scanned_literals = receipt.regexes.literals,
        fallback = receipt.regexes.fallback,
        shards_compiled = receipt.regexes.compiled,
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
        let (asks, inbox) = sync_channel(2);
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
