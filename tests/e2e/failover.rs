//! 2,000 requests a second go on while one of two engines is killed and started again every second: none
//! is lost, none gets another verdict than the policy's.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eg_tests::installation::Plan;
use eg_tests::lines::Connector;
use eg_tests::pace::{self, Pace};
use eg_tests::pair::{Pair, Victim};
use eg_tests::process::resident_bytes;
use eg_tests::programs::Programs;

use crate::stage;

const PACE: Pace = Pace { per_second: 2_000, seconds: 8 };

/// What a connector may hold, with two links and all its slots in use at times.
const RESIDENT_BYTES_MAX: u64 = 10 << 20;

#[test]
fn the_death_of_an_engine_every_second_loses_no_request() -> Result<()> {
    let mut pair = Pair::start(&Programs::beside_this_one()?, &Plan::demo())?;
    let (connector, pipes) = Connector::start(&pair.first)?;
    let pid = connector.pid();
    let mut kills = 0;
    let mut resident = None;
    let received = pace::run(connector.template(), pipes, PACE, |start| {
        let until = Duration::from_secs(PACE.seconds.try_into()?);
        kills = pair.kill_every_second(Victim::InTurn, start, until)?;
        resident = resident_bytes(pid);
        Ok(())
    });
    let log = eg_tests::process::tail(&pair.first.path("log/connector.log"));
    let received = received.with_context(|| log.clone())?;
    let numbers: Vec<usize> = received.iter().map(|answered| answered.number).collect();
    let all: Vec<usize> = (0..PACE.lines()).collect();
    ensure!(numbers == all, "{} of {} lines were answered\n{log}", numbers.len(), all.len());
    let wrong = pace::wrong(&received, &pair.openers()?);
    ensure!(wrong.is_empty(), "{} wrong, among them {:?}\n{log}", wrong.len(), wrong.first());
    ensure!(kills >= 3, "the engine was killed {kills} times only");
    let resident = resident.context("the connector has ended early")?;
    ensure!(resident < RESIDENT_BYTES_MAX, "the connector holds {resident} bytes");
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    pair.stop()
}

#[test]
fn engine_and_connector_of_one_machine_speak_by_a_unix_socket() -> Result<()> {
    let mut installation = stage::installation(&Plan::demo())?;
    let socket = installation.path("engine/squid.sock");
    let rewrite = |file: &str, from: [String; 2], to: String| -> Result<()> {
        let path = installation.path(file);
        let text = std::fs::read_to_string(&path)?;
        let [first, second] = from;
        ensure!(text.contains(&(first.clone() + &second)), "`{file}` is another:\n{text}");
        Ok(std::fs::write(&path, text.replacen(&(first + &second), &to, 1))?)
    };
    let (ip, port) = (installation.defendr().ip(), installation.defendr().port());
    let by_socket = format!("net = \"socket\"\npath = \"{}\"\n", socket.display());
    let lines = |name: &str| [format!("{name} = \"{ip}\"\n"), format!("port = {port}\n")];
    rewrite("engine/engine.conf", lines("ip"), by_socket.clone())?;
    rewrite("connector/squid-connector.conf", lines("host"), by_socket)?;
    installation.start_engine()?;
    let (connector, pipes) = Connector::start(&installation)?;
    let pace = Pace { per_second: 500, seconds: 1 };
    let received = pace::run(connector.template(), pipes, pace, |_| Ok(()))?;
    let wrong = pace::wrong(&received, &[installation.opener()?]);
    ensure!(wrong.is_empty(), "{} wrong, among them {:?}", wrong.len(), wrong.first());
    ensure!(received.len() == pace.lines(), "{} answers", received.len());
    ensure!(connector.finish()?.success(), "the connector failed");
    // Killed, it leaves the file behind; the next one takes its place.
    installation.engine()?.kill()?;
    ensure!(socket.exists(), "the socket's file");
    installation.start_engine()?;
    installation.stop()
}
