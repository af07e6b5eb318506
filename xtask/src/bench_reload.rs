//! `cargo xtask bench reload`: how long a change of the policy takes on top of all the real names, and the
//! record of it.

use std::process::ExitCode;

use anyhow::Result;
use eg_benches::reload::{self, Row};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::bench::{self, Machine};
use crate::say;

const COMMAND: &str = "cargo xtask bench reload";

/// What one changed rule may take (SPEC 19).
const AIM_MS: f64 = 100.0;

#[derive(Serialize)]
struct Report {
    /// Processes that wanted a core, over the minute before: what else the machine did.
    load_before: String,
    #[serde(flatten)]
    measured: reload::Report,
}

/// Builds in release, measures, and writes the record.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load_before = load.split(' ').next().unwrap_or_default().to_owned();
    let measured = reload::run(&Programs::in_folder(&release)?, &release.join("egpolicy"))?;
    let report = Report { load_before, measured };
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &report);
    bench::write_record("reload", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(machine: &Machine, report: &Report) -> String {
    let Report { load_before, measured } = report;
    let mut text = format!(
        "# A change of the policy\n\n`{COMMAND}` on {}.\nInput: {}, {} lists with {} entries, one rule \
         each. Milliseconds of the engine are from the ask to the swap by its own clock; those of the \
         tool are the whole of `egpolicy load`. The machine's load before it was {load_before}.\n\n\
         | what | loads | middle ms | longest ms | tool ms | resident MiB |\n|---|---|---|---|---|---|\n",
        machine.shown(),
        measured.input,
        measured.lists,
        measured.entries,
    );
    for row in &measured.rows {
        let Row { what, loads, middle_ms, longest_ms, tool_ms, resident_bytes, .. } = row;
        text.push_str(&format!(
            "| {what} | {loads} | {middle_ms:.1} | {longest_ms:.1} | {tool_ms:.1} | {} |\n",
            resident_bytes >> 20
        ));
    }
    text.push_str("\nThe steps of the middle one, in milliseconds:\n\n");
    for row in &measured.rows {
        let steps = row.steps.iter();
        let steps: Vec<String> =
            steps.map(|step| format!("{} {:.1}", step.name, step.us as f64 / 1_000.0)).collect();
        text.push_str(&format!("- {}: {}\n", row.what, steps.join(", ")));
    }
    text.push_str(&format!("\nThe aim for one changed rule is {AIM_MS:.0} ms:\n\n"));
    for row in measured.rows.iter().filter(|row| row.what.starts_with("one rule")) {
        let verdict = if row.longest_ms < AIM_MS { "reached" } else { "missed" };
        text.push_str(&format!("- {}: {verdict}, {:.1} ms at most\n", row.what, row.longest_ms));
    }
    text
}
