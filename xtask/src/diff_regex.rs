//! `cargo xtask diff-regex`: the differential test of the scanners of regexes, built in release and run
//! for as long as it is told. A short run with a fixed seed is part of `cargo xtask test`.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::{paths, say, setup};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// For how long
    #[arg(long, value_name = "N", required_unless_present = "set", conflicts_with = "set")]
    minutes: Option<u64>,
    /// What the sets are made from; the clock's word else, which is printed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Only this set of the seed, as a failure names it
    #[arg(long, value_name = "K", requires = "seed")]
    set: Option<u64>,
}

impl Wish {
    fn arguments(&self) -> Vec<String> {
        let pairs = [("--minutes", self.minutes), ("--seed", self.seed), ("--set", self.set)];
        let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.flat_map(|(name, value)| [name.to_owned(), value.to_string()]).collect()
    }
}

/// Runs it; 1 where a scanner gave a wrong answer.
pub(crate) fn run(wish: &Wish) -> Result<ExitCode> {
    let ready = setup::run()?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--release", "--package", "eg-policy", "--example", "diff-regex", "--"])
        .args(wish.arguments())
        .current_dir(paths::root()?)
        .env("CARGO_TARGET_DIR", paths::target()?);
    ready.apply(&mut cargo);
    let status = cargo.status().context("cannot start cargo")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    say::line("diff-regex: it failed; the set above is printed with how to repeat it");
    Ok(ExitCode::FAILURE)
}
