//! `cargo xtask faults`: the tests that break things at random, more often than CI does.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Subcommand;

use crate::{paths, setup, steps};

/// What is broken.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Fault {
    /// kill -9 at random moments of a reload
    KillReload {
        /// How many
        #[arg(long, default_value_t = 30)]
        moments: u32,
        /// The seed that an earlier run printed
        #[arg(long)]
        seed: Option<u64>,
    },
}

/// Builds the programs and the test, and runs it.
pub(crate) fn run(fault: Fault) -> Result<ExitCode> {
    let Fault::KillReload { moments, seed } = fault;
    let ready = setup::run()?;
    let cargo = |arguments: &[&str]| -> Result<Command> {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(paths::root()?);
        command.env("CARGO_TARGET_DIR", paths::target()?);
        ready.apply(&mut command);
        Ok(command)
    };
    steps::check(&mut cargo(&["build"])?)?;
    let test = ["test", "--package", "eg-tests", "--test", "e2e", "killed_reload", "--"];
    let mut command = cargo(&test)?;
    command.arg("--nocapture").env("EG_KILL_MOMENTS", moments.to_string());
    if let Some(seed) = seed {
        command.env("EG_KILL_SEED", seed.to_string());
    }
    steps::check(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
