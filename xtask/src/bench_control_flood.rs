//! `cargo xtask bench control-flood`: what attacks on the Control API do to the data path, and the record
//! of it.

use std::process::ExitCode;

use anyhow::Result;
use eg_benches::control_flood::{self, Row};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::bench::{self, Machine};
use crate::say;

const COMMAND: &str = "cargo xtask bench control-flood";

/// By how much the data path's p99 may move (issue 5).
const AIM: f64 = 1.2;

#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
}

/// Builds in release, measures, and writes the record. Fails where a line was lost or answered wrongly, or
/// somebody was let in by a wrong password.
pub(crate) fn run() -> Result<ExitCode> {
    let release = bench::built()?;
    let rows = control_flood::run(&Programs::in_folder(&release)?)?;
    let report = Report { rows };
    let machine = bench::machine(bench::Rival::None)?;
    let text = as_text(&machine, &report);
    bench::write_record("control-flood", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    let bad: usize = report.rows.iter().map(|row| row.lost + row.wrong).sum();
    let let_in = report.rows.iter().any(|row| row.answers.contains_key("200"));
    Ok(if bad == 0 && !let_in { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_text(machine: &Machine, report: &Report) -> String {
    let mut text = format!(
        "# The Control API under attack\n\n`{COMMAND}` on {}.\nOne engine and one connector on one \
         machine with whoever asks and whoever attacks; half of the lines are for a denied name. \
         Milliseconds are from when a line was due to its answer. The aim is a p99 of at most {AIM} \
         times that without an attack. The login is one of the right password from another address, in \
         the middle of it.\n\n\
         | what | tries | answers | lines | lost | wrong | p50 ms | p99 ms | times | most ms | engine \
         CPU s | engine resident MiB | login ms |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        machine.shown(),
    );
    let calm = report.rows.first().map_or(f64::NAN, |row| row.p99_ms);
    for row in &report.rows {
        let answers = row.answers.iter().map(|(answer, count)| format!("{answer}: {count}"));
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {} |\n",
            row.what,
            row.tries,
            answers.collect::<Vec<_>>().join(", "),
            row.lines,
            row.lost,
            row.wrong,
            row.p50_ms,
            row.p99_ms,
            row.p99_ms / calm,
            row.most_ms,
            row.engine_cpu_s,
            row.engine_resident_bytes as f64 / f64::from(1 << 20),
            row.login_ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms:.0}")),
        ));
    }
    text
}
