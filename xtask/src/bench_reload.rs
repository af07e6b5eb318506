//! `cargo xtask bench reload-under-load`: how long answers take while the policy is reloaded again and
//! again, and the record of it.

use std::process::ExitCode;

use anyhow::Result;
use eg_benches::reload::{self, Report};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::bench::{self, Machine};
use crate::say;

const COMMAND: &str = "cargo xtask bench reload-under-load";

/// How many times the idle 99th percentile it may be during reloads (SPEC 19).
const P99_RATIO_MAX: f64 = 2.0;

#[derive(Serialize)]
struct Measured {
    /// Processes that wanted a core, over the minute before: what else the machine did.
    load_before: String,
    #[serde(flatten)]
    report: Report,
}

/// Builds in release, measures, and writes the record. Fails where a line was lost or answered wrongly.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load_before = load.split(' ').next().unwrap_or_default().to_owned();
    let report = reload::run(&Programs::in_folder(&release)?)?;
    let measured = Measured { load_before, report };
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &measured);
    bench::write_record("reload-under-load", COMMAND, &machine, &measured, &text)?;
    say::result(&text)?;
    let bad: usize = measured.report.rows.iter().map(|row| row.lost + row.wrong).sum();
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_text(machine: &Machine, Measured { load_before, report }: &Measured) -> String {
    let mut text = format!(
        "# Reloads under load\n\n`{COMMAND}` on {}.\nInputs: {}; {} lists, one rule each; {} requests \
         over and over at {} lines a second, of which {} are not judged (the walk has no say). The lists of \
         two weeks are swapped and reloaded {} times without a pause. One connector and one engine on one \
         machine with the one that asks. Milliseconds are from when a line was due to its answer. The \
         machine's load before it was {load_before}.\n\n\
         | what | lines | lost | wrong | right for the first week only | for the second only | p50 ms | \
         p99 ms | p99.9 ms | most ms |\n|---|---|---|---|---|---|---|---|---|---|\n",
        machine.shown(),
        report.inputs.join(", "),
        report.lists,
        report.requests,
        report.per_second,
        report.not_judged,
        report.reloads,
    );
    for row in &report.rows {
        let [first, second] = row.told_apart;
        text.push_str(&format!(
            "| {} | {} | {} | {} | {first} | {second} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
            row.what,
            row.lines,
            row.lost,
            row.wrong,
            row.p50_ms,
            row.p99_ms,
            row.p999_ms,
            row.most_ms,
        ));
    }
    let verdict = if report.p99_ratio <= P99_RATIO_MAX { "reached" } else { "missed" };
    text.push_str(&format!(
        "\nThe aim is a p99 during reloads of at most {P99_RATIO_MAX} times the idle one: {verdict}, {:.2} \
         times.\nA reload took {:.0} ms (median; {:.0} ms at most) from the signal to the word that it is \
         live. The engine used {:.1} CPU s in that time and has {} MiB resident at the end.\n",
        report.p99_ratio,
        report.reload_p50_ms,
        report.reload_most_ms,
        report.engine_cpu_s,
        report.engine_resident_bytes >> 20,
    ));
    for fault in &report.faults {
        text.push_str(&format!("- {fault}\n"));
    }
    text
}
