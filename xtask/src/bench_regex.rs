//! `cargo xtask bench regex`: how long the engine takes to have the real regexes, and the record of it.

use std::process::ExitCode;

use anyhow::Result;
use eg_benches::regex::{self, Report};
use eg_tests::programs::Programs;

use crate::bench::{self, Machine};
use crate::say;

const COMMAND: &str = "cargo xtask bench regex";

/// Builds in release, measures, and writes the record.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let report = regex::run(&Programs::in_folder(&release)?, &release.join("egpolicy"))?;
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &report);
    bench::write_record("regex", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(machine: &Machine, report: &Report) -> String {
    let mut text = format!(
        "# The real regexes, compiled and kept\n\n`{COMMAND}` on {}.\nInputs: {}. {} patterns are \
         taken, one rule each, and {} are refused by the policy's check. What is kept: {} files, {} \
         KiB.\n\n| what | seconds | resident MiB |\n|---|---|---|\n",
        machine.shown(),
        report.inputs.join(", "),
        report.taken,
        report.refused,
        report.kept_files,
        report.kept_bytes >> 10,
    );
    for load in &report.loads {
        let resident = load.resident_bytes >> 20;
        text.push_str(&format!("| {} | {:.2} | {resident} |\n", load.what, load.seconds));
    }
    text.push_str("\nThe engine's own words:\n\n");
    for load in &report.loads {
        text.push_str(&format!("- {}\n", load.said));
    }
    text
}
