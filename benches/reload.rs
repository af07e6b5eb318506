//! How long a change of the policy takes on top of all the real names: from the ask to the swap by the
//! engine's own clock, step by step, and beside it the whole of `egpolicy load` as an operator sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use eg_tests::folder::{self, Folder};
use eg_tests::installation::{Installation, Plan};
use eg_tests::process::resident_bytes;
use eg_tests::programs::Programs;
use eg_tests::shared;
use serde::{Deserialize, Serialize};

const TIER: &str = "domains/tiers/all";

/// Loads of one kind, of which the middle and the longest are stated.
const ROUNDS: usize = 20;

/// Rules of the policy that has many.
const MANY: usize = 10_000;

/// Rules of one policy file of that policy.
const RULES_A_FILE: usize = 500;

/// How old files must be for the engine to believe what the system says of them.
const SETTLE: Duration = Duration::from_secs(3);

/// Loads of one kind.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was changed before each of them.
    pub what: String,
    /// How many there were.
    pub loads: usize,
    /// From the ask to the swap in the middle one, by the engine's clock.
    pub middle_ms: f64,
    /// In the longest one.
    pub longest_ms: f64,
    /// From the start of `egpolicy load` to its end in the middle one.
    pub tool_ms: f64,
    /// The steps of the middle one.
    pub steps: Vec<Step>,
    /// Resident bytes of the engine afterwards.
    pub resident_bytes: u64,
}

/// A step of a reload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// Which one.
    pub name: String,
    /// Microseconds.
    pub us: u64,
}

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the names came from.
    pub input: String,
    /// List files.
    pub lists: u64,
    /// Entries of all lists.
    pub entries: u64,
    /// The measurements.
    pub rows: Vec<Row>,
}

/// What of a receipt is looked at.
#[derive(Debug, Deserialize)]
struct Receipt {
    entries: u64,
    lists: Vec<serde_json::Value>,
    steps: Vec<Step>,
    took_us: u64,
}

/// Measures.
///
/// # Errors
///
/// If the large data is not there or a program fails.
pub fn run(programs: &Programs, egpolicy: &Path) -> Result<Report> {
    let tier = shared::data(TIER).with_context(|| format!("`../shared/data/{TIER}`"))?;
    let plan = Plan { rules: None, verdicts: "none", threads: 1, inspect: "off", ..Plan::demo() };
    let engine = Installation::prepare(Folder::temporary()?, programs, &plan)?;
    let conf = engine.path("egpolicy.conf");
    let socket = engine.path("engine/control.sock");
    folder::write(&conf, &format!("[global]\nsocket = {socket:?}\n"), 0o640)?;
    let mut bench = Bench { engine, egpolicy: egpolicy.to_path_buf(), conf };
    bench.engine.start_engine()?;
    let categories = bench.write_lists(&tier)?;
    bench.change(0)?;
    std::thread::sleep(SETTLE);
    let mut rows = Vec::new();
    let (first, row) = bench.row("all lists are new", 1, |_, _| Ok(()))?;
    rows.push(row);
    rows.push(bench.row("nothing was changed", ROUNDS, |_, _| Ok(()))?.1);
    rows.push(bench.row("one rule was changed", ROUNDS, |bench, at| bench.change(at + 1))?.1);
    let first_list = categories.first().context("no category")?;
    let list = bench.engine.path("rules.d/lists").join(first_list);
    let text = fs::read_to_string(&list)?;
    rows.push(
        bench
            .row("one name of one list was changed", 3, |_, at| {
                Ok(fs::write(&list, format!("{text}new{at}.bench.example\n"))?)
            })?
            .1,
    );
    bench.write_many()?;
    rows.push(bench.row("10,000 rules more", 1, |_, _| Ok(()))?.1);
    let changed = "one rule of 10,000 and more was changed";
    rows.push(bench.row(changed, ROUNDS, |bench, at| bench.change(at + 100))?.1);
    bench.engine.stop()?;
    bench.engine.start_engine()?;
    rows.push(bench.row("the first after a start from the store", 1, |_, _| Ok(()))?.1);
    bench.engine.stop()?;
    Ok(Report {
        input: TIER.to_owned(),
        lists: first.lists.len() as u64,
        entries: first.entries,
        rows,
    })
}

struct Bench {
    engine: Installation,
    egpolicy: PathBuf,
    conf: PathBuf,
}

impl Bench {
    /// A list and a rule for each category of the data; their names.
    fn write_lists(&self, tier: &Path) -> Result<Vec<String>> {
        let lists = self.engine.path("rules.d/lists");
        folder::make(&lists)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(tier)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = shared::read_gz(&entry.path().join("domains.gz"))?;
            fs::write(lists.join(&name), text)?;
            let rule =
                format!("{name}: {{\n  match-domain-list: lists/{name}\n  action: deny\n}}\n");
            fs::write(self.engine.path("rules.d").join(format!("50-{name}.policy")), rule)?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    /// Many rules of one host each.
    fn write_many(&self) -> Result<()> {
        let rules: Vec<String> = (0..MANY)
            .map(|at| {
                format!("many-{at}: {{\n  match-domain: h{at}.bench.example\n  action: deny\n}}\n")
            })
            .collect();
        for (chunk, number) in rules.chunks(RULES_A_FILE).zip(10..) {
            fs::write(
                self.engine.path("rules.d").join(format!("60-{number}.policy")),
                chunk.concat(),
            )?;
        }
        Ok(())
    }

    /// Changes the one rule.
    fn change(&self, at: usize) -> Result<()> {
        let rule = format!("own: {{\n  match-domain: own{at}.bench.example\n  action: deny\n}}\n");
        Ok(fs::write(self.engine.path("rules.d/00-own.policy"), rule)?)
    }

    /// Loads again and again, each time after `change`. The last receipt and the row.
    fn row(
        &self,
        what: &str,
        loads: usize,
        change: impl Fn(&Self, usize) -> Result<()>,
    ) -> Result<(Receipt, Row)> {
        let mut found = Vec::new();
        for at in 0..loads {
            change(self, at)?;
            let began = Instant::now();
            let receipt = self.load()?;
            found.push((receipt, began.elapsed().as_secs_f64() * 1_000.0));
        }
        found.sort_by_key(|(receipt, _)| receipt.took_us);
        let longest_us = found.last().map_or(0, |(receipt, _)| receipt.took_us);
        let middle = found.len() / 2;
        let (receipt, tool_ms) = found.swap_remove(middle);
        let row = Row {
            what: what.to_owned(),
            loads,
            middle_ms: receipt.took_us as f64 / 1_000.0,
            longest_ms: longest_us as f64 / 1_000.0,
            tool_ms,
            steps: receipt.steps.clone(),
            resident_bytes: self.engine.engine_pid().and_then(resident_bytes).unwrap_or(0),
        };
        Ok((receipt, row))
    }

    fn load(&self) -> Result<Receipt> {
        let mut command = Command::new(&self.egpolicy);
        command.args(["load", "--format", "json", "--conf"]).arg(&self.conf);
        let output = command.output().context("cannot start egpolicy")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "egpolicy load: {said}{told}");
        serde_json::from_str(&said).with_context(|| format!("a receipt: {said}"))
    }
}
