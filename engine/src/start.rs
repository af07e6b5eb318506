//! What `main` does between its arguments and its exit status: configuration, log, then serve or
//! check. Faults go to standard error, and to the log where that is a file.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use eg_policy::diagnostic::Place;
use eg_settings::Overrides;
use eg_settings::log::{self, LogFault, LogType, Sink, Speaker, chain};

use crate::audit::TrailEnd;
use crate::bind;
use crate::config::{Args, Ground, Loaded, Mode, Shown, diagnostic_file, load};
use crate::daemon::{self, DaemonFault, Ended, Next};
use crate::listener::ListenFault;
use crate::policy_log;
use crate::policy_thread::Halted;
use crate::process::{
    self, Caller, DetachFault, Detached, Handed, HandedFault, Heirloom, LastError, PidFault,
    PidFile, Reason, Restart, Signals, Supervisor, detach,
};
use crate::reload::{self, ReloadFault};
use crate::store::StoreFault;

/// The status after help, version and a wrong command line.
const USAGE: u8 = 2;

/// Runs the program with its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::read(arguments) {
        Ok(args) => args,
        Err(Shown::Asked(text)) => {
            say(io::stdout().lock(), &text);
            return ExitCode::from(USAGE);
        }
        Err(Shown::Fault(text)) => {
            say(io::stderr().lock(), &text);
            return ExitCode::from(USAGE);
        }
    };
    let overrides = Overrides {
        log_level: args.log_level.clone(),
        log_type: args.log_type.clone(),
        ..Overrides::from_environment()
    };
    let loaded = match load(&args.conf, &overrides) {
        Ok(loaded) => loaded,
        Err(faults) => {
            let told = faults.to_string();
            return match args.mode {
                Mode::Check => fail(&told),
                Mode::Run => {
                    let path = diagnostic_file(&args.conf, &overrides);
                    let details: Vec<String> = told.lines().map(str::to_owned).collect();
                    let reason = Reason::Configuration;
                    Failures { path }.fail(reason, &told, &details)
                }
            };
        }
    };
    match args.mode {
        Mode::Check => check(&loaded),
        Mode::Run => serve(&args, loaded, &overrides),
    }
}

/// Prints every fault of the policy; 0 where there is none.
fn check(loaded: &Loaded) -> ExitCode {
    for warning in &loaded.warnings {
        say(io::stderr().lock(), &format!("warning: {warning}\n"));
    }
    let checked = match reload::check_only(&loaded.config.policy) {
        Ok(checked) => checked,
        Err(fault) => {
            let fault = loaded.places.fault("[policy]", "path", chain(&fault));
            return fail(&fault.to_string());
        }
    };
    for diagnostic in &checked.diagnostics {
        say(io::stderr().lock(), &format!("{}\n", diagnostic.render()));
    }
    for note in &checked.notes {
        say(io::stderr().lock(), &format!("warning: {note}\n"));
    }
    if checked.is_refused() {
        return ExitCode::FAILURE;
    }
    let summary = format!(
        "no fault: {} rule(s), {} list(s), {} regex(es), {} of them with the slower scanner\n",
        checked.rules, checked.lists, checked.regexes.patterns, checked.regexes.fallback
    );
    say(io::stdout().lock(), &summary);
    ExitCode::SUCCESS
}

/// Serves in the foreground or as a daemon; every failure goes where people and programs look for it.
fn serve(args: &Args, loaded: Loaded, overrides: &Overrides) -> ExitCode {
    let failures = Failures { path: loaded.config.diagnostic_file.clone() };
    match Start::prepare(args, loaded, overrides) {
        Ok(Prepared::Start(start)) => start.run(&failures),
        Ok(Prepared::Caller(status)) => status,
        Err(fault) => failures.fail(fault.reason(), &chain(&fault), &[]),
    }
}

/// Why there is not even a log.
#[derive(Debug, thiserror::Error)]
enum EarlyFault {
    #[error(
        "a daemon has no standard error: `[logging] type` must be `file` or `syslog` with `-D`"
    )]
    Console,
    #[error(transparent)]
    Handed(#[from] HandedFault),
    #[error("the path of this program cannot be told, which a restart needs")]
    Program(#[source] io::Error),
    #[error(transparent)]
    Detach(#[from] DetachFault),
    #[error(transparent)]
    Pid(#[from] PidFault),
    #[error("cannot block signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl EarlyFault {
    const fn reason(&self) -> Reason {
        match self {
            Self::Console => Reason::Configuration,
            Self::Handed(_) => Reason::HandedSockets,
            Self::Program(_) => Reason::Restart,
            Self::Detach(_) => Reason::Detach,
            Self::Pid(PidFault::Taken { .. }) => Reason::AlreadyRunning,
            Self::Pid(PidFault::File { .. }) => Reason::PidFile,
            Self::Signals(_) => Reason::Signals,
            Self::Log(_) => Reason::Log,
        }
    }
}

/// What a start has before the engine is built.
struct Start {
    loaded: Arc<Loaded>,
    overrides: Overrides,
    restart: Restart,
    caller: Option<Caller>,
    handed: Handed,
    pid_file: Option<PidFile>,
    signals: Signals,
    sink: Sink,
}

/// Which process goes on.
enum Prepared {
    /// The one that serves.
    Start(Box<Start>),
    /// The one that was started with `-D`, with its status.
    Caller(ExitCode),
}

impl Start {
    /// In this order: descriptors first, since their numbers must not be taken by anything else; the
    /// fork before the first thread; the lock after it, by the process that keeps it; signals before
    /// the first thread, so that all inherit the mask.
    fn prepare(args: &Args, loaded: Loaded, overrides: &Overrides) -> Result<Prepared, EarlyFault> {
        if args.ground == Ground::Background && loaded.config.logging.kind == LogType::Console {
            return Err(EarlyFault::Console);
        }
        let mut handed = Handed::take(variable)?;
        let restart = Restart::with(args.again()).map_err(EarlyFault::Program)?;
        let caller = match args.ground {
            // It has been one since before.
            Ground::Background if handed.is_next_run() => None,
            Ground::Foreground => None,
            Ground::Background => match detach()? {
                Detached::Caller(status) => return Ok(Prepared::Caller(status)),
                Detached::Daemon(caller) => Some(caller),
            },
        };
        let pid_file = match (&args.pid_file, handed.pid_file()) {
            (None, _) => None,
            (Some(path), None) => Some(PidFile::take(path)?),
            (Some(path), Some(held)) => Some(PidFile::inherit(path, held)?),
        };
        let signals = Signals::block().map_err(EarlyFault::Signals)?;
        let sink = log::start(&loaded.config.logging, Speaker::Part("eg_engine"))?;
        Ok(Prepared::Start(Box::new(Self {
            loaded: Arc::new(loaded),
            overrides: overrides.clone(),
            restart,
            caller,
            handed,
            pid_file,
            signals,
            sink,
        })))
    }

    fn run(self, failures: &Failures) -> ExitCode {
        let Self { loaded, overrides, restart, caller, handed, pid_file, signals, sink } = self;
        let supervisor = Arc::new(Supervisor::of(variable));
        let mut desk = Desk { failures, caller, restart, conf: &loaded.config.file, overrides };
        let given = daemon::Given {
            loaded: &loaded,
            sink: &sink,
            signals: &signals,
            supervisor: &supervisor,
            handed,
        };
        match daemon::run(given, &mut desk) {
            Ok(Ended { next: Next::End, halted: Halted::Whole, trail: TrailEnd::Whole }) => {
                ExitCode::SUCCESS
            }
            Ok(Ended { next: Next::End, halted: _, trail }) => {
                // Destructors under the feet of a thread that still runs, as DuckDB's, would be a crash.
                drop(pid_file);
                drop(sink);
                process::leave(match trail {
                    TrailEnd::Whole => 0,
                    TrailEnd::Stuck => 1,
                })
            }
            Ok(Ended { next: Next::Restart(listeners), halted: _, trail: _ }) => {
                sink.catch_up();
                let listeners = listeners.iter().map(|kept| Heirloom::Listener(kept.as_fd()));
                let pid_file = pid_file.iter().map(|held| Heirloom::PidFile(held.as_fd()));
                let heirlooms: Vec<Heirloom<'_>> = listeners.chain(pid_file).collect();
                let told = chain(&desk.restart.go(&heirlooms));
                eg_settings::critical!(cause = told, "the engine cannot be executed anew");
                failures.fail(Reason::Restart, &told, &[])
            }
            Err(fault) => failures.fail_of(&fault, &loaded, &sink),
        }
    }
}

/// What the running engine asks of those who started it.
struct Desk<'d> {
    failures: &'d Failures,
    caller: Option<Caller>,
    restart: Restart,
    conf: &'d Path,
    overrides: Overrides,
}

impl daemon::Caller for Desk<'_> {
    fn ready(&mut self) {
        if let Err(fault) = LastError::clear(&self.failures.path) {
            tracing::warn!(cause = chain(&fault), "the cause of an earlier failure stays");
        }
        if let Some(caller) = self.caller.take()
            && let Err(fault) = caller.ready()
        {
            tracing::error!(%fault, "the engine cannot let go of the caller's terminal");
        }
    }

    fn may_restart(&self) -> Result<(), String> {
        load(self.conf, &self.overrides).map_err(|faults| faults.to_string())?;
        self.restart.is_possible().map_err(|fault| chain(&fault))
    }
}

/// Where the causes of failures go.
struct Failures {
    path: PathBuf,
}

impl Failures {
    /// Says why the program ends, on standard error and in the diagnostic file.
    fn fail(&self, reason: Reason, told: &str, details: &[String]) -> ExitCode {
        self.write(reason, told, details);
        fail(told)
    }

    fn write(&self, reason: Reason, told: &str, details: &[String]) {
        // A folder that is not there means that nothing was installed to look for the file.
        if self.path.parent().is_some_and(Path::is_dir)
            && let Err(fault) = LastError::of(reason, told, details).write(&self.path)
        {
            say_fault(&chain(&fault));
        }
    }

    /// The same for an engine that has a log, which is told too.
    fn fail_of(&self, fault: &DaemonFault, loaded: &Loaded, sink: &Sink) -> ExitCode {
        let mut details = Vec::new();
        if let DaemonFault::Policy(fault) = fault {
            policy_log::report_fault(fault);
            if let ReloadFault::Policy { diagnostics } = fault {
                details.extend(diagnostics.iter().map(|one| {
                    let Place { file, line, column, .. } = &one.place;
                    format!("{file}:{line}:{column}: {} {}", one.code.id(), one.message)
                }));
                for diagnostic in diagnostics.iter().filter(|_| !sink.is_console()) {
                    say(io::stderr().lock(), &format!("{}\n", diagnostic.render()));
                }
            }
        }
        let told = told(fault, loaded);
        eg_settings::critical!(cause = told, "the engine cannot run");
        self.write(reason(fault), &told, &details);
        if sink.is_console() { ExitCode::FAILURE } else { fail(&told) }
    }
}

/// A variable of the environment. One that is not UTF-8 is none of ours.
fn variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok()
}

/// What kind of cause it is.
const fn reason(fault: &DaemonFault) -> Reason {
    match fault {
        DaemonFault::Tls(_) => Reason::TlsPair,
        DaemonFault::Policy(ReloadFault::Store(fault)) => match fault {
            StoreFault::NotDuckDb { .. } => Reason::StoreForeign,
            StoreFault::Locked { .. } => Reason::StoreInUse,
            StoreFault::Broken { .. } | StoreFault::Policy { .. } => Reason::StoreDamaged,
            StoreFault::Newer { .. } => Reason::StoreNewer,
            StoreFault::Database { .. } | StoreFault::Open { .. } | StoreFault::File { .. } => {
                Reason::Store
            }
        },
        DaemonFault::Policy(fault) => match fault {
            ReloadFault::Sources(_) => Reason::PolicyFiles,
            ReloadFault::Policy { .. } => Reason::PolicyFaults,
            ReloadFault::TooFewRules { .. }
            | ReloadFault::Memory { .. }
            | ReloadFault::Snapshot(_)
            | ReloadFault::HalfRolledBack(_)
            | ReloadFault::NoList { .. }
            | ReloadFault::LostSet { .. }
            | ReloadFault::Set { .. }
            | ReloadFault::Index { .. }
            | ReloadFault::Random(_)
            | ReloadFault::Zone(_)
            | ReloadFault::Ending
            | ReloadFault::Store(_)
            | ReloadFault::Build(_) => Reason::Policy,
            ReloadFault::Regex { .. } | ReloadFault::Regexes(_) => Reason::Regexes,
        },
        DaemonFault::Backend(_) => Reason::Regexes,
        DaemonFault::Audit(_) => Reason::Audit,
        DaemonFault::Listen(ListenFault::Bind(_)) => Reason::Listen,
        DaemonFault::PolicyThread
        | DaemonFault::Shadow(_)
        | DaemonFault::Listen(ListenFault::Threads(_)) => Reason::Threads,
        DaemonFault::Signals(_) => Reason::Signals,
    }
}

/// The fault with the place of the setting that asked for what cannot be had.
fn told(fault: &DaemonFault, loaded: &Loaded) -> String {
    let setting = match fault {
        DaemonFault::Tls(_) => Some(("[control]".to_owned(), "key")),
        DaemonFault::Policy(ReloadFault::Store(_)) => {
            Some(("[database]".to_owned(), "database_file"))
        }
        DaemonFault::Policy(ReloadFault::Sources(_)) => Some(("[policy]".to_owned(), "path")),
        DaemonFault::Policy(ReloadFault::Zone(_)) => {
            Some(("[policy]".to_owned(), "time_window_tz"))
        }
        DaemonFault::Backend(_) => Some(("[policy]".to_owned(), "regex_backend")),
        DaemonFault::Audit(_) => Some(("[audit]".to_owned(), "path")),
        DaemonFault::Listen(ListenFault::Bind(fault)) => {
            let key = match fault.place {
                bind::Place::Tcp(_) => "port",
                bind::Place::Socket(_) => "path",
            };
            Some((format!("[connectors.{}]", fault.connector), key))
        }
        DaemonFault::Policy(_)
        | DaemonFault::PolicyThread
        | DaemonFault::Shadow(_)
        | DaemonFault::Listen(ListenFault::Threads(_))
        | DaemonFault::Signals(_) => None,
    };
    match setting {
        Some((label, key)) => loaded.places.fault(&label, key, chain(fault)).to_string(),
        None => chain(fault),
    }
}

/// Says why the program ends.
fn fail(text: &str) -> ExitCode {
    say_fault(text);
    ExitCode::FAILURE
}

fn say_fault(text: &str) {
    for line in text.lines() {
        say(io::stderr().lock(), &format!("enforcegate-engine: {line}\n"));
    }
}

/// Writes to a stream; one that is gone has nobody who reads it.
fn say(mut stream: impl Write, text: &str) {
    drop(stream.write_all(text.as_bytes()));
}
