//! 2,000 requests a second go on while the engine is restarted, politely and not; none is lost: each
//! line is answered once, with the verdict of the policy and not with a failure of ours.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::Connector;
use eg_tests::pace::{self, Pace};

use crate::stage;

const PACE: Pace = Pace { per_second: 2_000, seconds: 9 };
/// When the engine is asked to end, and when it is killed.
const ASKED_TO_END: Duration = Duration::from_secs(2);
const KILLED: Duration = Duration::from_secs(5);

#[test]
fn a_restart_of_the_engine_loses_no_request() -> Result<()> {
    let mut installation = stage::installation(&Plan::demo())?;
    installation.start_engine()?;
    let (connector, pipes) = Connector::start(&installation)?;
    let received = pace::run(connector.template(), pipes, PACE, |start| {
        restart_twice(&mut installation, start)
    });
    let log = eg_tests::process::tail(&installation.path("log/connector.log"));
    let received = received.with_context(|| log.clone())?;
    let numbers: Vec<usize> = received.iter().map(|answered| answered.number).collect();
    let all: Vec<usize> = (0..PACE.lines()).collect();
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
