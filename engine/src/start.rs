//! What `main` does between its arguments and its exit status: configuration, log, then serve or
//! check. Faults go to standard error, and to the log where that is a file.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use eg_settings::Overrides;
use eg_settings::log::{self, Speaker, chain};

use crate::bind::Place;
use crate::config::{Args, Loaded, Mode, Shown, load};
use crate::daemon::{self, DaemonFault};
use crate::listener::ListenFault;
use crate::process::Signals;
use crate::reload::{self, ReloadFault};

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
        log_level: args.log_level,
        log_type: args.log_type,
        ..Overrides::from_environment()
    };
    let loaded = match load(&args.conf, &overrides) {
        Ok(loaded) => loaded,
        Err(faults) => return fail(&faults.to_string()),
    };
    match args.mode {
        Mode::Check => check(&loaded),
        Mode::Run => serve(&loaded),
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
    let summary = format!("no fault: {} rule(s), {} list(s)\n", checked.rules, checked.lists);
    say(io::stdout().lock(), &summary);
    ExitCode::SUCCESS
}

fn serve(loaded: &Loaded) -> ExitCode {
    // Before the first thread, so that all inherit the mask.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot block signals: {error}")),
    };
    let sink = match log::start(&loaded.config.logging, Speaker::Part("eg_engine")) {
        Ok(sink) => sink,
        Err(fault) => return fail(&chain(&fault)),
    };
    let Err(fault) = daemon::run(loaded, &sink, &signals) else { return ExitCode::SUCCESS };
    if let DaemonFault::Policy(fault) = &fault {
        daemon::report_fault(fault);
    }
    let told = told(&fault, loaded);
    eg_settings::critical!(cause = told, "the engine cannot run");
    if sink.is_console() {
        return ExitCode::FAILURE;
    }
    if let DaemonFault::Policy(ReloadFault::Policy { diagnostics }) = &fault {
        for diagnostic in diagnostics {
            say(io::stderr().lock(), &format!("{}\n", diagnostic.render()));
        }
    }
    fail(&told)
}

/// The fault with the place of the setting that asked for what cannot be had.
fn told(fault: &DaemonFault, loaded: &Loaded) -> String {
    let setting = match fault {
        DaemonFault::Tls(_) => Some(("[control]".to_owned(), "key")),
        DaemonFault::Store(_) | DaemonFault::Policy(ReloadFault::Store(_)) => {
            Some(("[database]".to_owned(), "database_file"))
        }
        DaemonFault::Policy(ReloadFault::Sources(_)) => Some(("[policy]".to_owned(), "path")),
        DaemonFault::Audit(_) => Some(("[audit]".to_owned(), "path")),
        DaemonFault::Listen(ListenFault::Bind(fault)) => {
            let key = match fault.place {
                Place::Tcp(_) => "port",
                Place::Socket(_) => "path",
            };
            Some((format!("[connectors.{}]", fault.connector), key))
        }
        DaemonFault::Policy(_)
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
    for line in text.lines() {
        say(io::stderr().lock(), &format!("enforcegate-engine: {line}\n"));
    }
    ExitCode::FAILURE
}

/// Writes to a stream; one that is gone has nobody who reads it.
fn say(mut stream: impl Write, text: &str) {
    drop(stream.write_all(text.as_bytes()));
}
