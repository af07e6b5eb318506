//! `cargo xtask bench regex`: how long the engine takes to have the real regexes, and the record of it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;
use eg_benches::regex::{self, Report, Search};
use eg_tests::programs::Programs;

use crate::bench::{self, Machine};
use crate::{paths, say, setup, steps};

const COMMAND: &str = "cargo xtask bench regex";

/// Builds in release, measures, and writes the record.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let searcher = searcher(&release)?;
    let programs = Programs::in_folder(&release)?;
    let report = regex::run(&programs, &release.join("egpolicy"), &searcher)?;
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &report);
    bench::write_record("regex", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds what searches in the texts.
fn searcher(release: &Path) -> Result<PathBuf> {
    let ready = setup::run()?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--package", "eg-policy", "--features", "naive"])
        .args(["--example", "bench-regex"])
        .current_dir(paths::root()?)
        .env("CARGO_TARGET_DIR", paths::target()?);
    ready.apply(&mut cargo);
    steps::check(&mut cargo)?;
    Ok(release.join("examples/bench-regex"))
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
    text + &searches(&report.searches)
}

/// What a text costs, a line for each way.
fn searches(searches: &[Search]) -> String {
    let mut text = "\n## What a text costs\n\nThe ways of one set of patterns take turns, and the best \
                    round of each counts. `times` is against all of them scanned for.\n\n\
                    | patterns and texts | way | patterns | not scanned for | ns a text | times | compile s | KiB |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for search in searches {
        let Search { what, way, patterns, looked_up, ns_a_text, times, compile_s, bytes, .. } =
            search;
        let kib = bytes >> 10;
        text.push_str(&format!(
            "| {what} | {way} | {patterns} | {looked_up} | {ns_a_text:.0} | {times:.2} | {compile_s:.2} | {kib} |\n"
        ));
    }
    text
}
