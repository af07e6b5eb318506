//! Lines at a steady pace, as a busy Squid writes them, and what became of each.
//!
//! The clock of a line starts when it is due, not when it could be written: what waits for a free
//! channel has waited.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use eg_proto::{Opener, Route};

use crate::lines::{Asker, Pipes, Reply, Template};

/// How often a second lines are written, and the time between.
const TICKS_PER_SECOND: usize = 100;
const TICK: Duration = Duration::from_millis(10);

/// A channel falls free within the connector's deadline and a margin for a loaded machine.
const CHANNEL_WAIT: Duration = Duration::from_secs(10);

/// How many lines, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Lines a second; a multiple of 100.
    pub per_second: usize,
    /// For how many seconds.
    pub seconds: usize,
}

impl Pace {
    /// How many lines that makes.
    #[must_use]
    pub const fn lines(self) -> usize {
        self.per_second / TICKS_PER_SECOND * TICKS_PER_SECOND * self.seconds
    }
}

/// The answer to a line.
#[derive(Debug)]
pub struct Answered {
    /// Which line.
    pub number: usize,
    /// What was said.
    pub reply: Reply,
    /// From when the line was due to its answer.
    pub took: Duration,
}

/// What asks on a channel: the line's number and when it was due. A channel is used again once it was
/// answered, as Squid does.
type Asking = Mutex<Vec<Option<(usize, Instant)>>>;

/// Asks at the pace while `meanwhile` runs, which is told when it began; then ends the connector's
/// input. Gives the answers in the order of the lines.
///
/// Every second line is for a name that the demo's lists deny.
///
/// # Errors
///
/// If the connector takes no lines or gives answers that nobody asked for, or `meanwhile` fails.
pub fn run(
    template: &Template,
    pipes: Pipes,
    pace: Pace,
    meanwhile: impl FnOnce(Instant) -> Result<()>,
) -> Result<Vec<Answered>> {
    let asking: Asking = Mutex::new(vec![None; template.slots()]);
    let (free, to_use) = sync_channel(template.slots());
    (0..template.slots()).try_for_each(|channel| free.send(channel))?;
    let start = Instant::now();
    let Pipes { lines, answers } = pipes;
    let mut received = std::thread::scope(|scope| -> Result<Vec<Answered>> {
        let asking = &asking;
        let writing = scope.spawn(move || write(template, lines, asking, &to_use, (pace, start)));
        let reading = scope.spawn(move || read(answers, asking, &free));
        let done = meanwhile(start);
        writing.join().map_err(|_| anyhow!("the writer panicked"))??;
        let received = reading.join().map_err(|_| anyhow!("the reader panicked"))?;
        done.and(received)
    })?;
    received.sort_by_key(|answered| answered.number);
    Ok(received)
}

/// Whether a line asks for a name that the demo's lists deny.
#[must_use]
pub const fn is_denied(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// The answers that are not the policy's, each as a line for people. `openers` are the engines'.
#[must_use]
pub fn wrong(received: &[Answered], openers: &[Opener]) -> Vec<String> {
    let told = |answered: &Answered| {
        let Answered { number, reply, .. } = answered;
        let opened =
            openers.iter().find_map(|with| with.open(Route::Blocked, &reply.token, 0).ok());
        let rule = opened.as_ref().map_or("", |opened| &opened.payload.rule);
        let as_due =
            if is_denied(*number) { rule == "demo-list" } else { reply.verdict == "permit" };
        (!as_due).then(|| format!("{number}: {} {opened:?}", reply.verdict))
    };
    received.iter().filter_map(told).collect()
}

/// Keeps the pace; waits only where Squid would queue, for a free channel.
fn write(
    template: &Template,
    mut lines: ChildStdin,
    asking: &Asking,
    to_use: &Receiver<usize>,
    (pace, start): (Pace, Instant),
) -> Result<()> {
    let per_tick = pace.per_second / TICKS_PER_SECOND;
    for tick in 0..pace.seconds * TICKS_PER_SECOND {
        let due = start + TICK * u32::try_from(tick)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut out = Vec::new();
        for number in tick * per_tick..(tick + 1) * per_tick {
            let channel = match to_use.try_recv() {
                Ok(channel) => channel,
                Err(_) => {
                    // What is there goes out first: only its answers free a channel.
                    lines.write_all(&out)?;
                    out.clear();
                    to_use.recv_timeout(CHANNEL_WAIT).context("no channel falls free")?
                }
            };
            if let Some(place) = asking.lock().map_err(|_| anyhow!("panic"))?.get_mut(channel) {
                *place = Some((number, due));
            }
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
) -> Result<Vec<Answered>> {
    let mut received = Vec::new();
    let mut line = String::new();
    while answers.read_line(&mut line)? > 0 {
        let (channel, reply) = Reply::parse(&line)?;
        let mut asking = asking.lock().map_err(|_| anyhow!("panic"))?;
        let asked = asking.get_mut(channel).and_then(Option::take);
        drop(asking);
        let (number, due) = asked.with_context(|| format!("channel {channel} asked nothing"))?;
        received.push(Answered { number, reply, took: due.elapsed() });
        // The writer is done before the last answers come.
        let _ = free.send(channel);
        line.clear();
    }
    Ok(received)
}
