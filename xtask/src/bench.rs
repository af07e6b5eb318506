//! `cargo xtask bench`: builds in release, measures, and writes the outcome below `benches/record` with
//! the machine it was measured on.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::Result;
use eg_benches::chain::{self, Report};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::{aptitude, paths, say, setup, steps};

/// Where and with what a measurement was made.
#[derive(Debug, Serialize)]
struct Machine {
    date: String,
    commit: String,
    processor: String,
    cores: usize,
    kernel: String,
    compiler: String,
    squidguard: String,
}

#[derive(Serialize)]
struct Record<'r> {
    command: &'static str,
    machine: Machine,
    #[serde(flatten)]
    report: &'r Report,
}

/// `cargo xtask bench chain`
pub(crate) fn chain() -> Result<ExitCode> {
    let ready = setup::run()?;
    if !aptitude::is_installed("squidguard") {
        aptitude::install(&["squidguard"])?;
    }
    let target = paths::target()?;
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--package", "eg-engine", "--package", "eg-connector"])
        .args(["--package", "eg-portal"])
        .current_dir(paths::root()?)
        .env("CARGO_TARGET_DIR", &target);
    ready.duckdb.apply(&mut cargo);
    steps::check(&mut cargo)?;
    let report = chain::run(&Programs::in_folder(&target.join("release"))?)?;
    let record =
        Record { command: "cargo xtask bench chain", machine: machine()?, report: &report };
    let folder = paths::root()?.join("benches/record");
    fs::create_dir_all(&folder)?;
    let name = format!("{}-chain", record.machine.date);
    fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&record)? + "\n")?;
    let text = as_text(&record);
    fs::write(folder.join(format!("{name}.md")), &text)?;
    say::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn machine() -> Result<Machine> {
    let said = |program: &str, arguments: &[&str]| -> Result<String> {
        let output = steps::output(Command::new(program).args(arguments))?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    Ok(Machine {
        date: said("date", &["--utc", "+%F"])?,
        commit: said("git", &["rev-parse", "--short", "HEAD"])?,
        processor: model.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        kernel: said("uname", &["-sr"])?,
        compiler: said("rustc", &["--version"])?,
        squidguard: said("dpkg-query", &["--show", "squidguard"])?.replace('\t', " "),
    })
}

fn as_text(record: &Record<'_>) -> String {
    let Record { command, machine, report } = record;
    let mut text = format!(
        "# The whole chain, lines in and answers out\n\n`{command}` on {}, commit {}: {}, {} cores, \
         {}, {}, {}.\nInputs: {}; {} lists, one rule each.\n\n\
         | what | lines | stopped | wall s | lines/s | CPU s | lines/CPU s | resident MiB |\n\
         |---|---|---|---|---|---|---|---|\n",
        machine.date,
        machine.commit,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.compiler,
        machine.squidguard,
        report.inputs.join(", "),
        report.categories,
    );
    for row in &report.rows {
        let cpu = row.cpu_s.iter().map(|(name, seconds)| format!("{name} {seconds:.2}"));
        let cpu = cpu.collect::<Vec<_>>().join(", ");
        let resident = row.resident_bytes.iter();
        let resident = resident.map(|(name, bytes)| format!("{name} {}", bytes >> 20));
        let resident = resident.collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "| {} | {} | {} | {:.2} | {:.0} | {cpu} | {:.0} | {resident} |\n",
            row.what, row.lines, row.stopped, row.wall_s, row.lines_per_s, row.lines_per_cpu_s,
        ));
    }
    text.push_str("\nBeside squidGuard on the same lines: times its lines a second");
    text.push_str(" (times its lines a CPU second).\n\n");
    for (what, ratio) in &report.ratios {
        let cpu = report.cpu_ratios.get(what).copied().unwrap_or(f64::NAN);
        text.push_str(&format!("- {what}: {ratio:.1} ({cpu:.1})\n"));
    }
    text
}
