//! 2,000 requests a second go on while the engine is restarted, politely and not, and in place; none is
//! lost: each line is answered once, with the verdict of the policy and not with a failure of ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_proto::{Opener, Route};
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{Asker, Connector, Reply, Template};

use crate::stage;

const PER_SECOND: usize = 2_000;
const SECONDS: usize = 9;
/// A restart in place comes once in each of them but the first.
const IN_PLACE_SECONDS: usize = 5;
const TICKS_PER_SECOND: usize = 100;
/// When the engine is asked to end, and when it is killed.
const ASKED_TO_END: Duration = Duration::from_secs(2);
const KILLED: Duration = Duration::from_secs(5);

/// Requests by channel, as Squid keeps them: a channel is used again once it was answered.
type Asking = Mutex<Vec<Option<usize>>>;

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
    let template = connector.template().clone();
    let asking: Asking = Mutex::new(vec![None; template.slots()]);
    let (free, to_use) = sync_channel(template.slots());
    (0..template.slots()).try_for_each(|channel| free.send(channel))?;
    let start = Instant::now();
    let received = std::thread::scope(|scope| -> Result<Vec<(usize, Reply)>> {
        let (template, asking) = (&template, &asking);
        let writing =
            scope.spawn(move || write(template, pipes.lines, asking, &to_use, (start, seconds)));
        let reading = scope.spawn(move || read(pipes.answers, asking, &free));
        restart(&mut installation, start)?;
        writing.join().expect("the writer panicked")?;
        reading.join().expect("the reader panicked")
    });
    let log = eg_tests::process::tail(&installation.path("log/connector.log"));
    let mut received = received.with_context(|| log.clone())?;
    received.sort_by_key(|(number, _)| *number);
    let numbers: Vec<usize> = received.iter().map(|(number, _)| *number).collect();
    let all: Vec<usize> = (0..PER_SECOND * seconds).collect();
    ensure!(numbers == all, "{} of {} lines were answered\n{log}", numbers.len(), all.len());
    let lost = lost(&received, &installation.opener()?);
    ensure!(lost.is_empty(), "{} lost, among them {:?}\n{log}", lost.len(), lost.first());
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    installation.stop()
}

/// Keeps the pace; waits only where Squid would queue, for a free channel.
fn write(
    template: &Template,
    mut lines: ChildStdin,
    asking: &Asking,
    to_use: &Receiver<usize>,
    (start, seconds): (Instant, usize),
) -> Result<()> {
    let per_tick = PER_SECOND / TICKS_PER_SECOND;
    for tick in 0..seconds * TICKS_PER_SECOND {
        let due = start + Duration::from_secs_f64(tick as f64 / TICKS_PER_SECOND as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut out = Vec::new();
        for number in tick * per_tick..(tick + 1) * per_tick {
            let channel = match to_use.try_recv() {
                Ok(channel) => channel,
                Err(_) => {
                    // What is there goes out first: only its answers free a channel.
                    lines.write_all(&out)?;
                    out.clear();
                    to_use.recv_timeout(Duration::from_secs(10)).context("no channel falls free")?
                }
            };
            asking.lock().expect("no panic")[channel] = Some(number);
            let host = if is_denied(number) { "listed" } else { "permitted" };
            let url = format!("http://{host}.demo.example/{number}");
            template.line(&mut out, channel, url.as_bytes(), &Asker::default());
        }
        lines.write_all(&out).context("the connector takes no more lines")?;
    }
    // The end of its input: it answers what is outstanding and ends.
    Ok(())
}

fn read(
    mut answers: BufReader<ChildStdout>,
    asking: &Asking,
    free: &SyncSender<usize>,
) -> Result<Vec<(usize, Reply)>> {
    let mut received = Vec::new();
    let mut line = String::new();
    while answers.read_line(&mut line)? > 0 {
        let (channel, reply) = Reply::parse(&line)?;
        let number = asking.lock().expect("no panic")[channel].take();
        received.push((number.with_context(|| format!("channel {channel} asked nothing"))?, reply));
        // The writer is done before the last answers come.
        let _ = free.send(channel);
        line.clear();
    }
    Ok(received)
}

const fn is_denied(number: usize) -> bool {
    number.is_multiple_of(2)
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

/// The answers that are not the policy's.
fn lost(received: &[(usize, Reply)], opener: &Opener) -> Vec<String> {
    let told = |(number, reply): &(usize, Reply)| {
        let opened = opener.open(Route::Blocked, &reply.token, 0);
        let rule = opened.as_ref().map_or("", |opened| &opened.payload.rule);
        let as_due =
            if is_denied(*number) { rule == "demo-list" } else { reply.verdict == "permit" };
        (!as_due).then(|| format!("{number}: {} {opened:?}", reply.verdict))
    };
    received.iter().filter_map(told).collect()
}
