//! `enforcegate-portal`: reads its configuration, serves, ends on SIGTERM.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use eg_portal::config::Config;
use eg_portal::{app, serve};

/// The captive portal: the pages that people meet whose request was stopped.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration
    #[arg(short, long = "conf", default_value = "/etc/enforcegate/portal.conf")]
    conf: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::read(&arguments.conf);
    let level = config.as_ref().map_or(tracing::Level::ERROR, |config| config.level);
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    let config = config?;
    for key in &config.not_yet {
        tracing::warn!(key, "this setting has no effect in this version");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    runtime.block_on(serve::serve(config.listen, app::routes(config.opener)))?;
    Ok(())
}
