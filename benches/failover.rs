//! Two engines and one connector at a steady pace: how long answers take while both engines live, and
//! while one of them is killed and started again every second.

use std::time::Duration;

use anyhow::{Context as _, Result};
use eg_tests::installation::Plan;
use eg_tests::lines::Connector;
use eg_tests::pace::{self, Answered, Pace};
use eg_tests::pair::{Pair, Victim};
use eg_tests::process::{cpu_seconds, resident_bytes, tail};
use eg_tests::programs::Programs;
use serde::Serialize;

/// What a busy site asks.
const PACE: Pace = Pace { per_second: 5_000, seconds: 60 };

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Lines asked.
    pub lines: usize,
    /// Lines without an answer.
    pub lost: usize,
    /// Answers that are not the policy's.
    pub wrong: usize,
    /// The first of them, in words.
    pub first_wrong: Option<String>,
    /// How often an engine was killed.
    pub kills: usize,
    /// Milliseconds from when a line was due to its answer.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub p999_ms: f64,
    /// The same.
    pub most_ms: f64,
    /// CPU seconds of the connector.
    pub connector_cpu_s: f64,
    /// Resident bytes of the connector near the end.
    pub connector_resident_bytes: u64,
    /// The last line of the connector's log.
    pub said: String,
}

/// Whether an engine is killed every second.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Calm,
    Deadly(Victim),
}

/// Measures.
///
/// # Errors
///
/// If a program fails.
pub fn run(programs: &Programs) -> Result<Vec<Row>> {
    [Weather::Calm, Weather::Deadly(Victim::First), Weather::Deadly(Victim::InTurn)]
        .into_iter()
        .map(|weather| measure(programs, weather))
        .collect()
}

fn measure(programs: &Programs, weather: Weather) -> Result<Row> {
    let plan = Plan { verdicts: "blocked", ..Plan::demo() };
    let mut pair = Pair::start(programs, &plan)?;
    let (connector, pipes) = Connector::start(&pair.first)?;
    let pid = connector.pid();
    let until = Duration::from_secs(PACE.seconds.try_into()?);
    let (mut kills, mut cpu, mut resident) = (0, None, None);
    let received = pace::run(connector.template(), pipes, PACE, |start| {
        match weather {
            Weather::Calm => {}
            Weather::Deadly(victim) => kills = pair.kill_every_second(victim, start, until)?,
        }
        let nearly = until.saturating_sub(Duration::from_millis(100));
        std::thread::sleep(nearly.saturating_sub(start.elapsed()));
        cpu = cpu_seconds(pid);
        resident = resident_bytes(pid);
        Ok(())
    })?;
    let wrong = pace::wrong(&received, &pair.openers()?);
    let mut took: Vec<Duration> = received.iter().map(|answered| answered.took).collect();
    took.sort_unstable();
    let row = Row {
        what: match weather {
            Weather::Calm => "both engines live",
            Weather::Deadly(Victim::First) => "the first engine is killed every second",
            Weather::Deadly(Victim::InTurn) => "each engine in turn is killed every second",
        }
        .to_owned(),
        lines: PACE.lines(),
        lost: lost(&received),
        wrong: wrong.len(),
        first_wrong: wrong.into_iter().next(),
        kills,
        p50_ms: quantile(&took, 500),
        p99_ms: quantile(&took, 990),
        p999_ms: quantile(&took, 999),
        most_ms: quantile(&took, 1000),
        connector_cpu_s: cpu.context("the connector has ended early")?,
        connector_resident_bytes: resident.context("the connector has ended early")?,
        said: {
            connector.finish()?;
            let log = tail(&pair.first.path("log/connector.log"));
            log.lines().last().unwrap_or_default().to_owned()
        },
    };
    pair.stop()?;
    Ok(row)
}

fn lost(received: &[Answered]) -> usize {
    let mut numbers: Vec<usize> = received.iter().map(|answered| answered.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    PACE.lines() - numbers.len()
}

/// Milliseconds below which so many of a thousand are.
pub(crate) fn quantile(sorted: &[Duration], of_1000: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (sorted.len() * of_1000 / 1000).min(last);
    sorted.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted() {
        let took: Vec<Duration> = (0..1000).map(Duration::from_millis).collect();
        for (of, expected) in [(500, 500.0), (990, 990.0), (999, 999.0), (1000, 999.0)] {
            assert!((quantile(&took, of) - expected).abs() < 1e-9);
        }
        assert!(quantile(&[], 500).is_nan());
    }
}
