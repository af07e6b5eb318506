//! kill -9 at random moments of a reload: the engine starts again each time, from its store, with the whole
//! old policy or the whole new one, and the next reload succeeds.
//!
//! The moments are spread over the length that a reload has just had, one in each part of it. The seed is
//! printed; `EG_KILL_SEED` gives one, `EG_KILL_MOMENTS` how many, and `cargo xtask faults` does both.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_tests::weeks::Week;
use nix::sys::signal::Signal;

use crate::swapped::Swapped;

/// How many moments, where nobody says.
const MOMENTS: u32 = 8;

/// Enough that a reload takes long beside the time that a signal takes.
const LISTS: usize = 6;
const NAMES: usize = 25_000;

/// The last moments come this much after the end of a reload like the one before: some must hit what
/// follows the new policy's first breath.
const BEYOND: f64 = 1.15;

/// What is seen of a reload that was killed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Trace {
    /// Set files that were not there before it.
    new_files: usize,
    /// Set files that were being written.
    unfinished: usize,
    /// Which policy the next start has.
    came_back: &'static str,
}

/// An xorshift generator: its numbers follow from the seed.
struct Dice(u64);

impl Dice {
    fn from_environment() -> Result<Self> {
        let seed = match std::env::var("EG_KILL_SEED") {
            Ok(seed) => seed.parse().context("`EG_KILL_SEED`")?,
            Err(_) => getrandom::u64().context("the system's generator")?,
        };
        say(&format!("EG_KILL_SEED={seed}\n"));
        // The generator stays at 0 once it is there.
        Ok(Self(seed.max(1)))
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn say(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// What stands after `key=` in a line of the log.
fn logged<'l>(line: &'l str, key: &str) -> Result<&'l str> {
    let found = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    found.with_context(|| format!("no `{key}` in `{line}`"))
}

/// Names of set files.
fn set_files(stage: &Swapped) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(stage.installation.path("engine/sets"))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Kills the engine at the moment of a reload, and looks at what is left and what comes back.
fn kill_at(stage: &mut Swapped, moment: Duration) -> Result<Trace> {
    let (before, old) = (set_files(stage)?, stage.weeks.now());
    stage.weeks.swap()?;
    let engine = stage.installation.engine()?;
    engine.signal(Signal::SIGHUP)?;
    let asked = Instant::now();
    std::thread::sleep(moment.saturating_sub(asked.elapsed()));
    engine.kill()?;
    let left = set_files(stage)?;
    let log = stage.installation.path("log/engine.log");
    let said_before = fs::read_to_string(&log)?.len();
    stage.installation.start_engine()?;
    let text = fs::read_to_string(&log)?;
    let said = text.get(said_before..).unwrap_or_default();
    ensure!(said.contains("policy loaded from the store"), "not from the store: {said}");
    ensure!(!said.contains("broken"), "the store is broken: {said}");
    Ok(Trace {
        new_files: left.difference(&before).filter(|name| !name.ends_with(".new")).count(),
        unfinished: left.iter().filter(|name| name.ends_with(".new")).count(),
        came_back: if stage.live()? == old { "the old policy" } else { "the new policy" },
    })
}

#[test]
fn each_kill_leaves_the_old_policy_or_the_new_one() -> Result<()> {
    let moments = match std::env::var("EG_KILL_MOMENTS") {
        Ok(moments) => moments.parse().context("`EG_KILL_MOMENTS`")?,
        Err(_) => MOMENTS,
    };
    let mut dice = Dice::from_environment()?;
    let mut stage = Swapped::prepare(LISTS, NAMES)?;
    stage.installation.start_engine()?;
    ensure!(stage.live()? == Week::First, "the first week is live");
    let reload = |stage: &mut Swapped| -> Result<(Duration, u64)> {
        let asked = Instant::now();
        let said = stage.installation.reload_engine()?;
        Ok((asked.elapsed(), logged(&said, "revision")?.parse()?))
    };
    stage.weeks.swap()?;
    let (mut length, mut revision) = reload(&mut stage)?;
    let mut traces = BTreeSet::new();
    for number in 0..moments {
        let share = (f64::from(number) + dice.share()) / f64::from(moments);
        let moment = length.mul_f64(share * BEYOND);
        let trace =
            kill_at(&mut stage, moment).with_context(|| format!("moment {number}, {moment:?}"))?;
        say(&format!("moment {number}: {:.3} of {length:?}: {trace:?}\n", share * BEYOND));
        // It owes the store nothing: what lies in the files goes live as the next revision.
        let kept = trace.came_back == "the new policy";
        let (took, next) = reload(&mut stage)?;
        let counted = if kept { revision + 1..=revision + 2 } else { revision + 1..=revision + 1 };
        ensure!(counted.contains(&next), "revision {next} after {revision}: {trace:?}");
        ensure!(stage.live()? == stage.weeks.now(), "the reload after it is live");
        let unfinished = set_files(&stage)?.iter().any(|name| name.ends_with(".new"));
        ensure!(!unfinished, "a file that was never finished stays");
        // One that found its set files written is shorter.
        length = if kept || trace.new_files > 0 { length } else { took };
        revision = next;
        traces.insert(trace);
    }
    let came_back: BTreeSet<_> = traces.iter().map(|trace| trace.came_back).collect();
    ensure!(came_back.len() == 2, "only {came_back:?} came back");
    ensure!(traces.len() >= 3, "the moments hit few steps: {traces:?}");
    stage.installation.stop()
}
