//! From the command line to an exit code: reads the configuration, starts logging, takes a role.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use eg_settings::log::{self, Speaker, chain};
use eg_settings::{Overrides, version};

use crate::args::Args;
use crate::config::{Answer, Config, FailAction, Loaded};
use crate::rewrite::is_redirect_target;
use crate::role::Role;
use crate::{run, squid_conf};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As asked.
    Well,
    /// With an error, which was said on stderr.
    Badly,
    /// After help or version, or a command line that cannot be read.
    Usage,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Well => Self::SUCCESS,
            Ended::Badly => Self::from(1),
            Ended::Usage => Self::from(2),
        }
    }
}

/// Runs the connector with these arguments.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> Ended {
    // One provider for the whole process; a second call could only come from ourselves.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(fault) => {
            return match (fault.kind(), fault.print()) {
                (ErrorKind::DisplayHelp, Ok(())) => Ended::Usage,
                (_, Ok(()) | Err(_)) => Ended::Usage,
            };
        }
    };
    if args.version {
        say(&mut io::stdout(), &format!("enforcegate-squid-connector {}\n", version()));
        return Ended::Usage;
    }
    match with_args(&args) {
        Ok(()) => Ended::Well,
        Err(why) => {
            say(&mut io::stderr(), &format!("enforcegate-squid-connector: {why}\n"));
            Ended::Badly
        }
    }
}

fn with_args(args: &Args) -> Result<(), String> {
    if args.doctor {
        return Err("`--doctor` is not in this version yet".to_owned());
    }
    let overrides = Overrides {
        log_level: args.loglevel.clone(),
        log_type: args.logtype.clone(),
        ..Overrides::default()
    };
    let loaded = Config::read(&args.config, &overrides).map_err(|faults| faults.to_string())?;
    let logging = &loaded.config.logging;
    // Kept to the end, when it waits for the last lines.
    let _log =
        log::start(logging, Speaker::Process("squid-connector")).map_err(|fault| chain(&fault))?;
    if args.squid_conf { print_squid_conf(args, loaded.config) } else { serve(args, loaded) }
}

fn serve(args: &Args, loaded: Loaded) -> Result<(), String> {
    let Loaded { config, warnings, .. } = loaded;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for weakening in config.weakenings() {
        tracing::warn!("{}", weakening.sentence());
    }
    if !config.not_yet.is_empty() {
        let keys = config.not_yet.join(", ");
        tracing::info!(keys, "these settings have no effect in this version");
    }
    if let (Answer::Redirect { fail_url: None }, FailAction::Permit) =
        (&config.connector.answer, config.connector.fail_action)
    {
        tracing::warn!(
            "no `fail_url`: what cannot be read is sent nowhere until an engine answers"
        );
    }
    let role = if args.acl {
        Role::acl(&config)
    } else {
        Role::rewrite(config.connector.answer.clone(), config.connector.fail_action)
    };
    let ended = run::serve(config, role);
    if let Err(fault) = &ended {
        eg_settings::critical!(%fault, "the connector ends");
    }
    ended.map_err(|fault| fault.to_string())
}

fn print_squid_conf(args: &Args, config: Config) -> Result<(), String> {
    let program = std::env::current_exe()
        .map_err(|fault| format!("cannot tell this program's own path: {fault}"))?;
    let settings = squid_conf::Settings::of(&config, &program, &args.config)?;
    let pages = match &args.base_url {
        Some(url) if !is_redirect_target(url) => {
            return Err(format!("`--base-url {url}` is no http or https address"));
        }
        Some(url) => squid_conf::Pages::below(url, args.redirect_status)?,
        None => {
            let terms = run::ask_terms(config).map_err(|fault| fault.to_string())?;
            squid_conf::Pages::of(&terms)?
        }
    };
    let text = squid_conf::print(&settings, &pages);
    io::stdout().lock().write_all(text.as_bytes()).map_err(|fault| format!("cannot print: {fault}"))
}

/// Where a last word cannot be said, the exit code still says it.
fn say(out: &mut dyn io::Write, text: &str) {
    drop(out.write_all(text.as_bytes()));
}
