//! `cargo xtask fuzz`: builds the program of `fuzz/program` with the coverage passes of our own compiler
//! and lets libFuzzer look, target by target. What it finds goes to `fuzz/regressions/<target>`, where an
//! ordinary test replays it; what it learned on the way is kept beside the built things (ADR 0020).

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use comfy_table::{Cell, Table};
use eg_tests::interrupt;

use crate::{paths, say, steps};

/// What cargo-fuzz passes as well: counters at every edge of the code, and what comparisons compare.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1 --cfg fuzzing";
/// The longest input; each target cuts it to its own bound.
const INPUT_BYTES_MAX: usize = 4_096;
/// An input that takes longer is a fault: the longest ordinary ones take some milliseconds.
const INPUT_SECONDS_MAX: u64 = 10;
/// Memory beyond which a target has a fault, in MiB.
const MEMORY_MIB_MAX: u64 = 1_024;
/// A target runs at least this long: shorter ones end before the kept inputs are read.
const SECONDS_MIN: u64 = 5;
/// The front of the line in which libFuzzer says how much it did.
const EXECUTED: &str = "stat::number_of_executed_units:";

/// What a person asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// How long the whole run takes, without the build.
    pub(crate) minutes: u32,
    /// This target alone.
    pub(crate) target: Option<String>,
}

/// Folders that every target has one of its own in.
struct Folders {
    /// `fuzz`
    fuzz: PathBuf,
    /// What libFuzzer keeps between runs, its logs, and what it finds.
    kept: PathBuf,
}

/// How the run of one target went.
struct Outcome {
    target: String,
    time: Duration,
    executed: Option<u64>,
    /// Inputs that broke something, by their new places.
    found: Vec<PathBuf>,
    /// Why it ended otherwise.
    fault: Option<String>,
}

/// Builds, runs, prints the table; fails where a target found something.
pub(crate) fn run(wish: &Wish) -> Result<ExitCode> {
    interrupt::catch()?;
    let folders =
        Folders { fuzz: paths::root()?.join("fuzz"), kept: paths::target()?.join("fuzz-kept") };
    let targets = targets(&folders.fuzz, wish.target.as_deref())?;
    let program = build(&folders.fuzz)?;
    let workers = std::thread::available_parallelism()?.get().min(targets.len());
    let seconds = share(wish.minutes, workers, targets.len());
    say::line(&format!("fuzz: {} targets, {seconds} s each, {workers} at a time", targets.len()));
    let (waiting, done) = (Mutex::new(VecDeque::from(targets)), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = next(&waiting) {
                    let outcome = run_target(&program, &folders, target, seconds);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    let mut outcomes = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by(|a, b| a.target.cmp(&b.target));
    say::result(&table(&outcomes).to_string())?;
    interrupt::check()?;
    let sound = outcomes.iter().all(|outcome| outcome.found.is_empty() && outcome.fault.is_none());
    for path in outcomes.iter().flat_map(|outcome| &outcome.found) {
        say::line(&format!("fuzz: found `{}`; `cargo test -p eg-fuzz` replays it", path.display()));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many seconds each of `targets` runs.
fn share(minutes: u32, workers: usize, targets: usize) -> u64 {
    let whole = u64::from(minutes) * 60 * u64::try_from(workers).unwrap_or(1);
    (whole / u64::try_from(targets).unwrap_or(1).max(1)).max(SECONDS_MIN)
}

fn next(waiting: &Mutex<VecDeque<String>>) -> Option<String> {
    interrupt::check().ok()?;
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// The targets, which are the folders of seeds, or the one that is asked for.
fn targets(fuzz: &Path, asked: Option<&str>) -> Result<Vec<String>> {
    let seeds = fuzz.join("seeds");
    let mut all = Vec::new();
    for entry in fs::read_dir(&seeds).with_context(|| format!("`{}`", seeds.display()))? {
        all.push(entry?.file_name().to_string_lossy().into_owned());
    }
    all.sort();
    match asked {
        None => Ok(all),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!("there is no target `{name}`; the targets are {}", all.join(", ")),
    }
}

/// Builds the program and says where it is.
fn build(fuzz: &Path) -> Result<PathBuf> {
    if paths::find_program("c++").is_none() {
        bail!("libFuzzer needs a C++ compiler: install the package `g++`");
    }
    let target = paths::target()?.join("fuzz");
    let version = steps::output(Command::new("rustc").arg("-vV").current_dir(fuzz))?;
    let version = String::from_utf8_lossy(&version);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not name its host")?;
    say::line("fuzz: building (the first time takes minutes)");
    let mut cargo = Command::new("cargo");
    // With a target named, build scripts and macros are built without the passes.
    cargo
        .args(["build", "--release", "--locked", "--target", host])
        .current_dir(fuzz.join("program"))
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    steps::check(&mut cargo)?;
    Ok(target.join(host).join("release/eg-fuzz"))
}

fn run_target(program: &Path, folders: &Folders, target: String, seconds: u64) -> Outcome {
    let start = Instant::now();
    let done = look(program, folders, &target, seconds);
    let time = start.elapsed();
    match done {
        Ok((executed, found, fault)) => Outcome { target, time, executed, found, fault },
        Err(fault) => {
            let fault = Some(format!("{fault:#}"));
            Outcome { target, time, executed: None, found: Vec::new(), fault }
        }
    }
}

/// What libFuzzer said and left: executions, inputs that break something, any other fault.
type Looked = (Option<u64>, Vec<PathBuf>, Option<String>);

fn look(program: &Path, folders: &Folders, target: &str, seconds: u64) -> Result<Looked> {
    let (learned, found) = (folders.kept.join(target), folders.kept.join("found").join(target));
    // What an earlier run left there has been copied.
    drop(fs::remove_dir_all(&found));
    for folder in [&learned, &found] {
        fs::create_dir_all(folder).with_context(|| format!("`{}`", folder.display()))?;
    }
    let log = folders.kept.join(format!("{target}.log"));
    let file = fs::File::create(&log).with_context(|| format!("`{}`", log.display()))?;
    let mut command = Command::new(program);
    command
        .env("EG_FUZZ_TARGET", target)
        .arg(&learned)
        .arg(folders.fuzz.join("seeds").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let status = command.status().with_context(|| format!("`{}`", program.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let found = keep(&found, &folders.fuzz.join("regressions").join(target))?;
    let fault = (!status.success() && found.is_empty())
        .then(|| format!("it ended with {status}; see `{}`", log.display()));
    Ok((executed(&text), found, fault))
}

/// Copies what was found to where a test replays it; gives the new places.
fn keep(found: &Path, regressions: &Path) -> Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(found)? {
        let entry = entry?;
        // An input that was only slow, and came to an end, is no fault.
        if entry.file_name().to_string_lossy().starts_with("slow-unit") {
            continue;
        }
        fs::create_dir_all(regressions)?;
        let to = regressions.join(entry.file_name());
        fs::copy(entry.path(), &to).with_context(|| format!("`{}`", to.display()))?;
        kept.push(to);
    }
    kept.sort();
    Ok(kept)
}

fn executed(log: &str) -> Option<u64> {
    log.lines().find_map(|line| line.strip_prefix(EXECUTED)?.trim().parse().ok())
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["target", "minutes", "executions", "found"]);
    for Outcome { target, time, executed, found, fault } in outcomes {
        let found = match fault {
            Some(fault) => fault.clone(),
            None => found.len().to_string(),
        };
        table.add_row([
            Cell::new(target),
            Cell::new(format!("{:.1}", time.as_secs_f64() / 60.0)),
            Cell::new(executed.map_or_else(|| "?".to_owned(), |count| count.to_string())),
            Cell::new(found),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_share() {
        for (minutes, workers, targets, expected) in
            [(9, 1, 9, 60), (9, 2, 9, 120), (10, 1, 1, 600), (1, 1, 60, 5), (0, 4, 9, 5)]
        {
            assert_eq!(share(minutes, workers, targets), expected, "{minutes} {workers} {targets}");
        }
    }

    #[test]
    fn what_the_log_says() {
        let log = "#2 INITED\nstat::number_of_executed_units: 4711\nstat::average_exec: 3\n";
        assert_eq!(executed(log), Some(4_711));
        assert_eq!(executed("#2 INITED\n"), None);
    }

    #[test]
    fn only_known_targets_are_run() -> Result<()> {
        let fuzz = paths::root()?.join("fuzz");
        assert_eq!(targets(&fuzz, Some("uri"))?, ["uri"]);
        assert!(targets(&fuzz, None)?.len() >= 9);
        let fault = targets(&fuzz, Some("../uri")).expect_err("no such target").to_string();
        assert!(fault.contains("uri, wire"), "{fault}");
        Ok(())
    }
}
