//! `enforcegate-portal`: reads its configuration, serves, ends on SIGTERM.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use eg_portal::config::{Config, Loaded};
use eg_portal::{app, serve};
use eg_settings::log::{self, Sink, Speaker};
use eg_settings::version;

/// The captive portal: the pages that people meet whose request was stopped.
#[derive(Debug, Parser)]
#[command(name = "enforcegate-portal", version = version(), disable_version_flag = true)]
struct Arguments {
    /// Print the version
    #[arg(short = 'v', long = "version", action = ArgAction::Version)]
    version: Option<bool>,

    /// The configuration
    #[arg(short, long = "conf", default_value = "/etc/enforcegate/portal.conf")]
    conf: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = start(&arguments).map_err(|fault| say(&fault)).map(|(config, sink)| {
        serve_all(config).map_err(|fault| {
            eg_settings::critical!(cause = format!("{fault:#}"), "the portal cannot run");
            if !sink.is_console() {
                say(&fault);
            }
        })
    });
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(())) | Err(()) => ExitCode::FAILURE,
    }
}

/// Reads the configuration, starts the log, and says there what an operator should know.
fn start(arguments: &Arguments) -> anyhow::Result<(Config, Sink)> {
    let Loaded { config, warnings, .. } = Config::read(&arguments.conf)?;
    let sink = log::start(&config.logging, Speaker::Part("eg_portal"))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if !config.not_yet.is_empty() {
        let keys = config.not_yet.join(", ");
        tracing::info!(keys, "these settings have no effect in this version");
    }
    Ok((config, sink))
}

fn serve_all(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    runtime.block_on(serve::serve(config.listen, app::routes(config.opener)))?;
    Ok(())
}

/// Says on standard error why the program ends; where nobody hears it, the exit code still says it.
fn say(fault: &anyhow::Error) {
    for line in format!("{fault:#}").lines() {
        drop(writeln!(std::io::stderr().lock(), "enforcegate-portal: {line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_version_end_well() {
        for flag in ["-v", "--version"] {
            let shown = Arguments::try_parse_from(["anything", flag]).unwrap_err();
            assert_eq!(shown.to_string(), format!("enforcegate-portal {}\n", version()));
            assert_eq!(shown.exit_code(), 0);
        }
        for flag in ["-h", "--help"] {
            assert_eq!(Arguments::try_parse_from(["anything", flag]).unwrap_err().exit_code(), 0);
        }
        assert_eq!(Arguments::try_parse_from(["anything", "-V"]).unwrap_err().exit_code(), 2);
    }
}
