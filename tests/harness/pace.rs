//! Lines at a steady pace, as a busy Squid writes them, and what became of each.
//!
//! The clock of a line starts when it is due, not when it could be written: what waits for a free
//! channel has waited.

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// When no more lines are asked.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// After so many ticks.
    Tick(usize),
    /// Once what runs meanwhile is done.
    Done,
}

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
    let url = |number: usize| {
        let host = if is_denied(number) { "listed" } else { "permitted" };
        Cow::Owned(format!("http://{host}.demo.example/{number}"))
    };
    let until = Until::Tick(pace.seconds * TICKS_PER_SECOND);
    ask(template, pipes, (pace.per_second, until), &url, meanwhile)
}

/// As [`run`], asking for each of `urls` over and over until `meanwhile` is done.
///
/// # Errors
///
/// As [`run`].
pub fn run_until_done(
    template: &Template,
    pipes: Pipes,
    per_second: usize,
    urls: &[String],
    meanwhile: impl FnOnce(Instant) -> Result<()>,
) -> Result<Vec<Answered>> {
    let url = |number: usize| {
        let place = number.checked_rem(urls.len()).unwrap_or_default();
        Cow::Borrowed(urls.get(place).map_or("", String::as_str))
    };
    ask(template, pipes, (per_second, Until::Done), &url, meanwhile)
}

/// When a line is due, after the begin.
#[must_use]
pub fn due_after(number: usize, per_second: usize) -> Duration {
    let tick = number.checked_div(per_second / TICKS_PER_SECOND).unwrap_or_default();
    TICK * u32::try_from(tick).unwrap_or(u32::MAX)
}

/// What is asked in each line.
type Ask<'u> = dyn Fn(usize) -> Cow<'u, str> + Sync + 'u;

fn ask(
    template: &Template,
    pipes: Pipes,
    (per_second, until): (usize, Until),
    url: &Ask<'_>,
    meanwhile: impl FnOnce(Instant) -> Result<()>,
) -> Result<Vec<Answered>> {
    let asking: Asking = Mutex::new(vec![None; template.slots()]);
    let (free, to_use) = sync_channel(template.slots());
    (0..template.slots()).try_for_each(|channel| free.send(channel))?;
    let (start, over) = (Instant::now(), AtomicBool::new(false));
    let Pipes { lines, answers } = pipes;
    let mut received = std::thread::scope(|scope| -> Result<Vec<Answered>> {
        let (asking, over) = (&asking, &over);
        let more = move |tick: usize| match until {
            Until::Tick(last) => tick < last,
            Until::Done => !over.load(Ordering::Acquire),
        };
        let writer = Writer { template, asking, to_use, per_second, start };
        let writing = scope.spawn(move || writer.write(lines, more, url));
        let reading = scope.spawn(move || read(answers, asking, &free));
        let done = meanwhile(start);
        over.store(true, Ordering::Release);
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

/// Who writes the lines.
struct Writer<'a> {
    template: &'a Template,
    asking: &'a Asking,
    to_use: Receiver<usize>,
    per_second: usize,
    start: Instant,
}

impl Writer<'_> {
    /// Keeps the pace; waits only where Squid would queue, for a free channel.
    fn write(
        self,
        mut lines: ChildStdin,
        more: impl Fn(usize) -> bool,
        url: &Ask<'_>,
    ) -> Result<()> {
        let Self { template, asking, to_use, per_second, start } = self;
        let per_tick = per_second / TICKS_PER_SECOND;
        for tick in (0..).take_while(|tick| more(*tick)) {
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
                template.line(&mut out, channel, url(number).as_bytes(), &Asker::default());
            }
            lines.write_all(&out).context("the connector takes no more lines")?;
        }
        // The end of its input: it answers what is outstanding and ends.
        Ok(())
    }
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
