//! Reloads under load: the real connector and engine answer recorded requests at a steady pace while the
//! lists of two weeks are swapped back and forth, each time with a reload; before and after it nothing is
//! reloaded. Every verdict is held against a plain walk through the lists of each week.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use eg_tests::folder::Folder;
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector};
use eg_tests::pace::{self, Answered};
use eg_tests::process::{cpu_seconds, resident_bytes};
use eg_tests::programs::Programs;
use eg_tests::shared;
use eg_tests::weeks::{DueInBoth, Lists, Week, Weeks, found};
use serde::Serialize;

use crate::failover::quantile;

/// How often the lists are swapped and reloaded: an even number, so that the first week is live again.
const RELOADS: usize = 50;

/// What SPEC 19 asks a reload under.
const PER_SECOND: usize = 10_000;

/// How long nothing is reloaded, before and after.
const IDLE: Duration = Duration::from_secs(20);

/// Not measured: connection, first touches of memory.
const WARM_UP: Duration = Duration::from_secs(2);

const ARCHIVES: [&str; 2] =
    ["domains/ut1/blacklists-2025-07-06.tar.gz", "domains/ut1/blacklists-2025-07-13.tar.gz"];
const REQUESTS: &str = "urls/requests.tsv.gz";

/// What was answered in one stretch of time.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which.
    pub what: String,
    /// Lines asked.
    pub lines: usize,
    /// Lines without an answer.
    pub lost: usize,
    /// Answers that are right in no week that may be live then, failures of ours among them.
    pub wrong: usize,
    /// Answers to requests on which the weeks differ that are right for the first, and the second.
    pub told_apart: [usize; 2],
    /// Milliseconds from when a line was due to its answer.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub p999_ms: f64,
    /// The same.
    pub most_ms: f64,
}

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where lists and requests came from.
    pub inputs: Vec<String>,
    /// Lists, which are rules.
    pub lists: usize,
    /// Requests that are asked over and over.
    pub requests: usize,
    /// Those among them on which the walk has no say: their answers are not judged.
    pub not_judged: usize,
    /// Lines a second.
    pub per_second: usize,
    /// Reloads.
    pub reloads: usize,
    /// Milliseconds from the signal to the word that the policy is live.
    pub reload_p50_ms: f64,
    /// The longest of them.
    pub reload_most_ms: f64,
    /// Idle, during reloads.
    pub rows: Vec<Row>,
    /// The 99th percentile during reloads over the idle one.
    pub p99_ratio: f64,
    /// CPU seconds of the engine during the reloads.
    pub engine_cpu_s: f64,
    /// Resident bytes of the engine at the end.
    pub engine_resident_bytes: u64,
    /// What was wrong, the first few.
    pub faults: Vec<String>,
}

/// The reloads as they went.
#[derive(Debug, Default)]
struct Stretch {
    from: Duration,
    to: Duration,
    took: Vec<Duration>,
    engine_cpu_s: f64,
}

/// Measures.
///
/// # Errors
///
/// If the large data is not there, or a program fails.
pub fn run(programs: &Programs) -> Result<Report> {
    let find = |path: &str| shared::data(path).with_context(|| format!("`../shared/data/{path}`"));
    let folder = Folder::temporary()?;
    let mut weeks: Vec<Lists> = Vec::new();
    for (archive, name) in ARCHIVES.iter().zip(["first", "second"]) {
        let below = folder.path().join(name);
        eg_tests::folder::make(&below)?;
        shared::unpack(&find(archive)?, &below)?;
        weeks.push(lines::categories(&below.join("blacklists"))?);
    }
    let [first, second] = weeks.as_slice() else { anyhow::bail!("two weeks") };
    let urls = shared::request_urls(&find(REQUESTS)?)?;
    let plan = Plan { rules: None, verdicts: "blocked", inspect: "off", ..Plan::demo() };
    let mut installation = Installation::prepare(Folder::temporary()?, programs, &plan)?;
    let mut weeks = Weeks::lay(&installation, [first, second])?;
    installation.start_engine()?;
    let due: Vec<DueInBoth> = urls.iter().map(|url| weeks.due(url)).collect();
    let (connector, pipes) = Connector::start(&installation)?;
    let mut stretch = Stretch::default();
    let received = pace::run_until_done(connector.template(), pipes, PER_SECOND, &urls, |start| {
        std::thread::sleep(WARM_UP + IDLE);
        reload_often(&mut installation, &mut weeks, start, &mut stretch)?;
        std::thread::sleep(IDLE);
        Ok(())
    })?;
    connector.finish()?;
    let engine = installation.engine_pid().context("the engine does not run")?;
    let engine_resident_bytes = resident_bytes(engine).context("the engine has ended")?;
    let judge = Judge { due: &due, installation: &installation, now: weeks.now() };
    let (rows, faults) = judge.rows(&received, &stretch)?;
    let lists = first.len().min(second.len());
    let report = report(rows, faults, &stretch, (lists, &due, engine_resident_bytes));
    installation.stop()?;
    Ok(report)
}

fn reload_often(
    installation: &mut Installation,
    weeks: &mut Weeks,
    start: Instant,
    stretch: &mut Stretch,
) -> Result<()> {
    let engine = installation.engine_pid().context("the engine does not run")?;
    let cpu = || cpu_seconds(engine).context("the engine has ended");
    let before = cpu()?;
    stretch.from = start.elapsed();
    for _ in 0..RELOADS {
        weeks.swap()?;
        let asked = Instant::now();
        installation.reload_engine()?;
        stretch.took.push(asked.elapsed());
    }
    stretch.to = start.elapsed();
    stretch.engine_cpu_s = cpu()? - before;
    Ok(())
}

/// Who says what each answer was worth.
struct Judge<'a> {
    due: &'a [DueInBoth],
    installation: &'a Installation,
    now: Week,
}

impl Judge<'_> {
    /// A row for the time without reloads and one for the time of the reloads.
    fn rows(&self, received: &[Answered], stretch: &Stretch) -> Result<(Vec<Row>, Vec<String>)> {
        let opener = self.installation.opener()?;
        let asked = received.last().map_or(0, |answered| answered.number + 1);
        let mut faults = Vec::new();
        let mut rows = Vec::new();
        // The first week lies there before and, after an even number of reloads, again afterwards.
        anyhow::ensure!(self.now == Week::First, "an odd number of reloads");
        for reloading in [false, true] {
            let within = |number: usize| {
                let due = pace::due_after(number, PER_SECOND);
                due >= WARM_UP && (due >= stretch.from && due < stretch.to) == reloading
            };
            let mut took = Vec::new();
            let (mut wrong, mut told_apart) = (0, [0, 0]);
            for answered in received.iter().filter(|answered| within(answered.number)) {
                took.push(answered.took);
                let place = answered.number.checked_rem(self.due.len()).unwrap_or_default();
                let Some(due) = self.due.get(place).filter(|due| due.is_told()) else { continue };
                let found = match found(&answered.reply, &opener) {
                    Ok(found) => found,
                    Err(fault) => {
                        wrong += 1;
                        faults.push(format!("line {}: {fault:#}", answered.number));
                        continue;
                    }
                };
                let holds = [Week::First, Week::Second].map(|week| due.holds_in(week, &found));
                if due.differs() {
                    for (count, holds) in told_apart.iter_mut().zip(holds) {
                        *count += usize::from(holds);
                    }
                }
                let [in_first, in_second] = holds;
                if !(in_first || (reloading && in_second)) {
                    wrong += 1;
                    faults.push(format!("line {}: {due:?} is due, not {found:?}", answered.number));
                }
            }
            took.sort_unstable();
            let lines = (0..asked).filter(|number| within(*number)).count();
            rows.push(Row {
                what: if reloading { "during reloads" } else { "without reloads" }.to_owned(),
                lines,
                lost: lines - took.len(),
                wrong,
                told_apart,
                p50_ms: quantile(&took, 500),
                p99_ms: quantile(&took, 990),
                p999_ms: quantile(&took, 999),
                most_ms: quantile(&took, 1000),
            });
        }
        faults.truncate(20);
        Ok((rows, faults))
    }
}

fn report(
    rows: Vec<Row>,
    faults: Vec<String>,
    stretch: &Stretch,
    (lists, due, engine_resident_bytes): (usize, &[DueInBoth], u64),
) -> Report {
    let mut took = stretch.took.clone();
    took.sort_unstable();
    let p99 = |place: usize| rows.get(place).map_or(f64::NAN, |row: &Row| row.p99_ms);
    Report {
        inputs: ARCHIVES.iter().chain([&REQUESTS]).map(|input| (*input).to_owned()).collect(),
        lists,
        requests: due.len(),
        not_judged: due.iter().filter(|due| !due.is_told()).count(),
        per_second: PER_SECOND,
        reloads: took.len(),
        reload_p50_ms: quantile(&took, 500),
        reload_most_ms: quantile(&took, 1000),
        p99_ratio: p99(1) / p99(0),
        rows,
        engine_cpu_s: stretch.engine_cpu_s,
        engine_resident_bytes,
        faults,
    }
}
