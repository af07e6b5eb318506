//! How long the engine takes to have the real regexes: compiled anew, taken from what was kept, and with
//! one of them changed; and what a text costs with them, scanned for and looked up.
//!
//! For the former the whole program does it, so the times hold everything between the signal and the live policy. The
//! patterns that the policy refuses are left out and counted; what is left is one rule a pattern.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use eg_tests::folder::Folder;
use eg_tests::installation::{Installation, Plan};
use eg_tests::process::resident_bytes;
use eg_tests::programs::Programs;
use eg_tests::{shared, wait};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

const PATTERNS: &str = "regex/patterns.tsv";
const HOSTS: &str = "regex/pihole-host-regex-23k.txt.gz";

/// Rules of a policy file: a check says no more than so many faults of one.
const RULES_A_FILE: usize = 100;

/// A load from nothing takes minutes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// One way to have them.
#[derive(Debug, Serialize)]
pub struct Load {
    /// How.
    pub what: String,
    /// Seconds, by the engine's own clock for a reload, else from the start of the program until it is
    /// ready.
    pub seconds: f64,
    /// Resident bytes of the engine afterwards.
    pub resident_bytes: u64,
    /// The engine's own words.
    pub said: String,
}

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the patterns came from.
    pub inputs: Vec<String>,
    /// Patterns that the policy takes.
    pub taken: usize,
    /// Patterns that it refuses.
    pub refused: usize,
    /// Bytes of the kept databases.
    pub kept_bytes: u64,
    /// How many files they are.
    pub kept_files: usize,
    /// How long it takes to have them.
    pub loads: Vec<Load>,
    /// What a text costs.
    pub searches: Vec<Search>,
}

/// Real patterns in real texts, in one of several ways that take turns.
#[derive(Debug, Serialize, Deserialize)]
pub struct Search {
    /// Which patterns, and in which texts.
    pub what: String,
    /// How: all scanned for, or some looked up.
    pub way: String,
    /// How many patterns there are.
    pub patterns: usize,
    /// How many of them are not scanned for.
    pub looked_up: usize,
    /// How many texts there are.
    pub texts: usize,
    /// How many patterns were found in all of them together.
    pub found: usize,
    /// Nanoseconds of the processor a text, in the best of several rounds.
    pub ns_a_text: f64,
    /// The same as a multiple of the first way's.
    pub times: f64,
    /// Seconds to compile the patterns, on one thread.
    pub compile_s: f64,
    /// Bytes of what was compiled.
    pub bytes: u64,
}

/// Measures.
///
/// # Errors
///
/// If the large data is not there or a program fails.
pub fn run(programs: &Programs, egpolicy: &Path, searcher: &Path) -> Result<Report> {
    let searches = searches(searcher)?;
    let plan = Plan { rules: None, verdicts: "none", threads: 1, inspect: "off", ..Plan::demo() };
    let mut engine = Installation::prepare(Folder::temporary()?, programs, &plan)?;
    let rules = engine.path("rules.d");
    let all = rules_of_the_data()?;
    engine.start_engine()?;
    let refused = write_good_ones(&all, &rules, egpolicy)?;
    let mut loads = vec![reload(&mut engine, "reload, every shard compiled")?];
    engine.stop()?;
    let begin = Instant::now();
    engine.start_engine()?;
    loads.push(Load {
        what: "start, every shard from its file".to_owned(),
        seconds: begin.elapsed().as_secs_f64(),
        resident_bytes: resident(&engine),
        said: last_line(&engine, "policy loaded from the store")?,
    });
    let extra = "extra: {\n  match-uri-regex: /just-one-more[0-9]+/\n}\n";
    fs::write(rules.join("zz-extra.policy"), extra)?;
    loads.push(reload(&mut engine, "reload, one pattern more")?);
    let (kept_files, kept_bytes) = kept(&engine.path("engine/sets"))?;
    engine.stop()?;
    Ok(Report {
        inputs: vec![PATTERNS.to_owned(), HOSTS.to_owned()],
        taken: all.len() - refused,
        refused,
        kept_bytes,
        kept_files,
        loads,
        searches,
    })
}

/// What the example `bench-regex` of the policy crate measures: it knows the patterns' insides.
fn searches(searcher: &Path) -> Result<Vec<Search>> {
    let folder = shared::data(".").context("`../shared/data`")?;
    let output = Command::new(searcher).arg(folder).output();
    let output = output.with_context(|| format!("cannot start `{}`", searcher.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`{}` failed: {said}", searcher.display());
    serde_json::from_slice(&output.stdout).context("what bench-regex says")
}

/// A rule for each pattern of the data, on a line of its own.
fn rules_of_the_data() -> Result<Vec<String>> {
    let find = |path| shared::data(path).with_context(|| format!("`../shared/data/{path}`"));
    let table = fs::read_to_string(find(PATTERNS)?)?;
    let rows = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let target = fields.by_ref().nth(2)?;
        let pattern = fields.by_ref().nth(1)?;
        let attribute = match target {
            "url" => "match-uri-regex",
            "host" => "match-sni-regex",
            "ua" => "match-user-agent-regex",
            // Of headers that no attribute is about.
            _ => return None,
        };
        Some((attribute, pattern.to_owned()))
    });
    let hosts = shared::read_gz(&find(HOSTS)?)?;
    let hosts = hosts.lines().map(|line| ("match-sni-regex", line.to_owned()));
    let rules = rows.chain(hosts).zip(1..).map(|((attribute, pattern), number)| {
        let quoted = serde_json::to_string(&pattern)?;
        Ok(format!("r{number}: {{ {attribute}: {quoted} }}"))
    });
    rules.collect()
}

#[derive(Deserialize)]
struct Found {
    diagnostics: Vec<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    severity: String,
    #[serde(flatten)]
    rest: serde_json::Value,
}

/// Writes the rules that have no fault below `folder`. Gives how many have one.
fn write_good_ones(all: &[String], folder: &Path, egpolicy: &Path) -> Result<usize> {
    let mut good: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for (chunk, number) in all.chunks(RULES_A_FILE).zip(1..) {
        good.push((folder.join(format!("{number:04}.policy")), chunk.to_vec()));
    }
    let mut refused = 0;
    loop {
        for (path, rules) in &good {
            fs::write(path, rules.join("\n") + "\n")?;
        }
        let mut command = Command::new(egpolicy);
        let output = command.args(["check", "--format", "json"]).arg(folder).output();
        let found = output.context("cannot start egpolicy")?.stdout;
        let found: Found = serde_json::from_slice(&found).context("what egpolicy says")?;
        let errors: Vec<(PathBuf, usize)> = found
            .diagnostics
            .iter()
            .filter(|found| found.severity == "error")
            .filter_map(|found| {
                let place = found.rest.get("place")?;
                let line = usize::try_from(place.get("line")?.as_u64()?).ok()?;
                Some((PathBuf::from(place.get("file")?.as_str()?), line))
            })
            .collect();
        if errors.is_empty() {
            return Ok(refused);
        }
        let before = refused;
        for (path, rules) in &mut good {
            let mut number = 0;
            let kept = rules.len();
            rules.retain(|_| {
                number += 1;
                !errors.contains(&(path.clone(), number))
            });
            refused += kept - rules.len();
        }
        anyhow::ensure!(refused > before, "egpolicy names faults that are in no rule: {errors:?}");
    }
}

fn reload(engine: &mut Installation, what: &str) -> Result<Load> {
    let log = engine.path("log/engine.log");
    let said = |log: &Path| fs::read_to_string(log).unwrap_or_default();
    let count = |text: &str| text.matches(" reloaded").count();
    let before = count(&said(&log));
    engine.engine()?.signal(Signal::SIGHUP)?;
    wait::until("the engine's word that it has reloaded", PATIENCE, || {
        Ok((count(&said(&log)) > before).then_some(()))
    })?;
    let line = last_line(engine, "policy reloaded")?;
    let ms = line.split_whitespace().find_map(|word| word.strip_prefix("ms=")?.parse().ok());
    let ms: u32 = ms.with_context(|| format!("no time in `{line}`"))?;
    Ok(Load {
        what: what.to_owned(),
        seconds: f64::from(ms) / 1_000.0,
        resident_bytes: resident(engine),
        said: line,
    })
}

fn last_line(engine: &Installation, part: &str) -> Result<String> {
    let text = fs::read_to_string(engine.path("log/engine.log"))?;
    let line = text.lines().rev().find(|line| line.contains(part));
    let line =
        line.with_context(|| format!("the engine did not say `{part}`; it said:\n{text}"))?;
    let from = line.find(part).unwrap_or(0);
    Ok(line.get(from..).unwrap_or_default().to_owned())
}

fn resident(engine: &Installation) -> u64 {
    engine.engine_pid().and_then(resident_bytes).unwrap_or(0)
}

/// How many shards are kept, and their bytes.
fn kept(folder: &Path) -> Result<(usize, u64)> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "rex") {
            sum = (sum.0 + 1, sum.1 + entry.metadata()?.len());
        }
    }
    Ok(sum)
}
