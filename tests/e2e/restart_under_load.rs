//! 2,000 requests a second go on while the engine is restarted, politely and not, and in place; none is
//! lost: each line is answered once, with the verdict of the policy and not with a failure of ours.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::Connector;
use eg_tests::pace::{self, Pace};

use crate::stage;

const PER_SECOND: usize = 2_000;
const SECONDS: usize = 9;
/// A restart in place comes once in each of them but the first.
const IN_PLACE_SECONDS: usize = 5;
/// When the engine is asked to end, and when it is killed.
const ASKED_TO_END: Duration = Duration::from_secs(2);
const KILLED: Duration = Duration::from_secs(5);

#[test]
fn a_restart_of_the_engine_loses_no_request() -> Result<()> {
    nothing_is_lost(SECONDS, restart_twice)
}

#[test]
fn a_restart_in_place_loses_no_request() -> Result<()> {
    nothing_is_lost(IN_PLACE_SECONDS, |installation, start| {
        let pid = installation.engine_pid();
        for second in 1..IN_PLACE_SECONDS as u64 {
            let due = start + Duration::from_secs(second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            installation.restart_engine_in_place()?;
        }
        ensure!(installation.engine_pid() == pid, "it is another process");
        Ok(())
    })
}

/// Asks for so many seconds while `restart` does what it does.
fn nothing_is_lost(
    seconds: usize,
    restart: impl FnOnce(&mut Installation, Instant) -> Result<()>,
) -> Result<()> {
    let mut installation = stage::installation(&Plan::demo())?;
    installation.start_engine()?;
    let (connector, pipes) = Connector::start(&installation)?;
    let pace = Pace { per_second: PER_SECOND, seconds };
    let received =
        pace::run(connector.template(), pipes, pace, |start| restart(&mut installation, start));
    let log = eg_tests::process::tail(&installation.path("log/connector.log"));
    let received = received.with_context(|| log.clone())?;
    let numbers: Vec<usize> = received.iter().map(|answered| answered.number).collect();
    let all: Vec<usize> = (0..pace.lines()).collect();
    ensure!(numbers == all, "{} of {} lines were answered\n{log}", numbers.len(), all.len());
    let lost = pace::wrong(&received, &[installation.opener()?]);
    ensure!(lost.is_empty(), "{} lost, among them {:?}\n{log}", lost.len(), lost.first());
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    installation.stop()
}

fn restart_twice(installation: &mut Installation, start: Instant) -> Result<()> {
    let until = |due: Duration| (start + due).saturating_duration_since(Instant::now());
    std::thread::sleep(until(ASKED_TO_END));
    installation.engine()?.stop()?;
    installation.start_engine()?;
    std::thread::sleep(until(KILLED));
    installation.engine()?.kill()?;
    installation.start_engine()
}
