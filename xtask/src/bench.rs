//! `cargo xtask bench`: builds in release, measures, and writes the outcome below `benches/record` with
//! the machine it was measured on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use eg_benches::chain::{self, Report};
use eg_tests::programs::Programs;
use serde::Serialize;

use crate::{paths, say, setup, steps};

const COMMAND: &str = "cargo xtask bench chain";

/// Whose programs take part in a measurement.
const MEASURED: [&str; 4] = ["eg-engine", "eg-connector", "eg-portal", "eg-ctl"];

/// How many times squidGuard's lines a second the real mix is to reach.
const AIM: f64 = 25.0;

/// Why squidGuard stops lines of `permits only`: a walk over the same lists beside its answers finds
/// all of them, and each is covered by entries that are ICANN public suffixes and by nothing else.
const WHY_THEY_DIFFER: &str = "\nThe lines that squidGuard stops and EnforceGate permits are those \
    whose host only a public suffix on a list covers (`ac.uk`, `gov.uk`, `ac.il`): the engine leaves \
    such entries of lists out.\n";

/// Where and with what a measurement was made.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    commit: String,
    processor: String,
    cores: usize,
    kernel: String,
    compiler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    squidguard: Option<String>,
}

impl Machine {
    /// All of it in a line.
    pub(crate) fn shown(&self) -> String {
        let Self { date, commit, processor, cores, kernel, compiler, squidguard } = self;
        let rival = squidguard.as_ref().map(|rival| format!(", {rival}")).unwrap_or_default();
        format!("{date}, commit {commit}: {processor}, {cores} cores, {kernel}, {compiler}{rival}")
    }
}

/// Whom a measurement is made beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    SquidGuard,
    None,
}

#[derive(Serialize)]
struct Record<'r, R> {
    command: &'static str,
    machine: &'r Machine,
    #[serde(flatten)]
    report: &'r R,
}

/// `cargo xtask bench chain`
pub(crate) fn chain() -> Result<ExitCode> {
    let release = built()?;
    let report = chain::run(&Programs::in_folder(&release)?)?;
    let machine = machine(Rival::SquidGuard)?;
    let text = as_text(&machine, &report);
    write_record("chain", COMMAND, &machine, &report, &text)?;
    say::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds what is measured, in release; the folder of the programs.
pub(crate) fn built() -> Result<PathBuf> {
    let ready = setup::run()?;
    let target = paths::target()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release"]);
    for package in MEASURED {
        cargo.args(["--package", package]);
    }
    cargo.current_dir(paths::root()?).env("CARGO_TARGET_DIR", &target);
    ready.apply(&mut cargo);
    steps::check(&mut cargo)?;
    Ok(target.join("release"))
}

/// Writes a record below `benches/record`, for programs and for people.
pub(crate) fn write_record(
    name: &str,
    command: &'static str,
    machine: &Machine,
    report: &impl Serialize,
    text: &str,
) -> Result<()> {
    let folder = paths::root()?.join("benches/record");
    fs::create_dir_all(&folder)?;
    let name = format!("{}-{name}", machine.date);
    let record = Record { command, machine, report };
    fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(&record)? + "\n")?;
    Ok(fs::write(folder.join(format!("{name}.md")), text)?)
}

/// This machine, and what it is measured with.
pub(crate) fn machine(rival: Rival) -> Result<Machine> {
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
        squidguard: match rival {
            Rival::None => None,
            Rival::SquidGuard => {
                Some(said("dpkg-query", &["--show", "squidguard"])?.replace('\t', " "))
            }
        },
    })
}

fn as_text(machine: &Machine, report: &Report) -> String {
    let mut text = format!(
        "# The whole chain, lines in and answers out\n\n`{COMMAND}` on {}.\nInputs: {}; {} lists, one rule each.\n\n\
         | what | lines | stopped | wall s | lines/s | CPU s | lines/CPU s | resident MiB |\n\
         |---|---|---|---|---|---|---|---|\n",
        machine.shown(),
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
    text.push_str(WHY_THEY_DIFFER);
    text.push_str("\nBeside squidGuard on the same lines: times its lines a second");
    text.push_str(" (times its lines a CPU second).\n\n");
    for (what, ratio) in &report.ratios {
        let cpu = report.cpu_ratios.get(what).copied().unwrap_or(f64::NAN);
        text.push_str(&format!("- {what}: {ratio:.1} ({cpu:.1})\n"));
    }
    text.push_str(&aim(&report.ratios));
    text
}

/// The real mix against the aim, a line for each such measurement.
fn aim(ratios: &BTreeMap<String, f64>) -> String {
    let mut text = format!("\nThe aim is {AIM:.0} times squidGuard's lines a second:\n\n");
    for (what, ratio) in ratios.iter().filter(|(what, _)| what.contains("real mix")) {
        let share = ratio / AIM * 100.0;
        let verdict = if *ratio >= AIM { "reached" } else { "missed" };
        text.push_str(&format!("- {what}: {verdict}, {ratio:.1} times, {share:.0} % of it\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_real_mix_is_held_against_the_aim() {
        let ratios = [("permits only", 65.1), ("real mix, all", 15.1), ("real mix, none", 25.0)];
        let text = aim(&ratios.map(|(what, ratio)| (what.to_owned(), ratio)).into());
        assert!(text.contains("- real mix, all: missed, 15.1 times, 60 % of it\n"), "{text}");
        assert!(text.contains("- real mix, none: reached, 25.0 times, 100 % of it\n"), "{text}");
        assert!(!text.contains("permits only"), "{text}");
    }
}
