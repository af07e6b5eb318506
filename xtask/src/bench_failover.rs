//! `cargo xtask bench failover`: how long answers take while an engine dies every second, and the record
//! of it.

use std::process::ExitCode;

use anyhow::Result;
use eg_benches::failover::{self, Row};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::bench::{self, Machine};
use crate::say;

const COMMAND: &str = "cargo xtask bench failover";

#[derive(Serialize)]
struct Report {
    /// Processes that wanted a core, over the minute before: what else the machine did.
    load_before: String,
    rows: Vec<Row>,
}

/// Builds in release, measures, and writes the record. Fails where a line was lost or answered wrongly.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load_before = load.split(' ').next().unwrap_or_default().to_owned();
    let rows = failover::run(&Programs::in_folder(&release)?)?;
    let report = Report { load_before, rows };
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &report);
    bench::write_record("failover", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    let bad: usize = report.rows.iter().map(|row| row.lost + row.wrong).sum();
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_text(machine: &Machine, report: &Report) -> String {
    let mut text = format!(
        "# An engine that dies every second\n\n`{COMMAND}` on {}.\nTwo engines and one connector on \
         one machine with the one that asks, at a steady pace; half of the lines are for a denied \
         name. Milliseconds are from when a line was due to its answer. The machine's load before \
         it was {}.\n\n\
         | what | lines | lost | wrong | kills | p50 ms | p99 ms | p99.9 ms | most ms | connector \
         CPU s | connector resident MiB |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        machine.shown(),
        report.load_before,
    );
    for row in &report.rows {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |\n",
            row.what,
            row.lines,
            row.lost,
            row.wrong,
            row.kills,
            row.p50_ms,
            row.p99_ms,
            row.p999_ms,
            row.most_ms,
            row.connector_cpu_s,
            row.connector_resident_bytes as f64 / f64::from(1 << 20),
        ));
    }
    for row in &report.rows {
        if let Some(wrong) = &row.first_wrong {
            text.push_str(&format!("\nThe first wrong answer where {}: {wrong}\n", row.what));
        }
    }
    text.push_str("\nThe connector's own words at its end:\n\n");
    for row in &report.rows {
        text.push_str(&format!("- {}\n", row.said));
    }
    text
}
