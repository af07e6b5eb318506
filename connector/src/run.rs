//! The loop: one thread, one `poll` over Squid, the engine, the signals and the next deadline.
//!
//! Everything that waits, waits here. What to do with the bytes is `pipeline`'s and `link`'s.
//!
//! INVARIANT: nothing in a round blocks but `poll`, and stdout, which only Squid can hold up.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use eg_proto::{FailureCause, RunId, Terms};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::config::Config;
use crate::link::{
    ENGINES_MAX, Identity, LinkEvent, LinkFault, LinkNumber, LinkSet, Links, Load, Route,
};
use crate::pipeline::{Counters, Pipeline};
use crate::role::Role;

/// What is polled beside the links: the signals and Squid's lines.
const POLLED_FIRST: usize = 2;

/// How often a link is read in one round: more than the answers to a busy round need. An engine that
/// never stops talking must not keep the others, Squid and the deadlines waiting.
const FILLS_MAX: usize = 64;

/// How long `--squid-conf` tries to reach an engine.
const ASK_TERMS_MAX: Duration = Duration::from_secs(10);

/// Why the connector cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// The system refused something at the start.
    #[error("cannot {what}: {cause}")]
    Start {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] LinkFault),
    /// `poll` failed.
    #[error("cannot wait for events: {0}")]
    Poll(#[source] io::Error),
    /// Squid's lines cannot be read.
    #[error("cannot read Squid's lines: {0}")]
    Input(#[source] io::Error),
    /// Answers cannot be written.
    #[error("cannot write answers to Squid: {0}")]
    Output(#[source] io::Error),
    /// No engine could be asked for `--squid-conf`.
    #[error("no engine answered within {0:?}; start it, or give `--base-url`")]
    NoTerms(Duration),
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Squid may send more.
    Serving,
    /// A signal came: what Squid still sends is answered until this moment.
    Draining { until: Instant },
    /// No more lines will be read; what is outstanding is answered.
    Ending,
}

/// Whether stdout still has a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    Gone,
}

/// Whether a link was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Dry,
    /// There may be more, of which `poll` need not know: TLS may hold it already.
    More,
}

/// Whether an engine was asked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Some,
    Nothing,
}

struct Loop {
    links: Links,
    pipeline: Pipeline,
    phase: Phase,
    /// Links that took no more queries while some were due.
    crowded: LinkSet,
    /// Links that were not read to their end.
    unread: LinkSet,
    drain: Duration,
}

/// Serves Squid on stdin and stdout until the end of input or a signal.
///
/// # Errors
/// When the system refuses what the connector cannot do without.
pub fn serve(config: Config, role: Role) -> Result<(), RunFault> {
    let signals = signals()?;
    let dup = |fd: io::Result<std::os::fd::OwnedFd>, what| {
        fd.map(File::from).map_err(|cause| RunFault::Start { what, cause })
    };
    let input = dup(io::stdin().as_fd().try_clone_to_owned(), "use stdin")?;
    let output = dup(io::stdout().as_fd().try_clone_to_owned(), "use stdout")?;
    let drain = config.connector.answer_timeout;
    let pipeline = Pipeline::new(role, config.connector.answer_timeout);
    let links = links(config)?;
    let (crowded, unread) = (LinkSet::default(), LinkSet::default());
    let mut state = Loop { links, pipeline, phase: Phase::Serving, crowded, unread, drain };
    tracing::info!("ready");
    let ended = state.run(&signals, &input, &output);
    state.links.leave("the connector ends");
    log_end(&state.pipeline.counters());
    ended
}

/// The last line of the log. The fields of the causes are their words.
fn log_end(counters: &Counters) {
    let Counters {
        lines,
        bad_lines,
        unanswerable,
        repeated,
        answers,
        late,
        broken,
        asked_again,
        hedged,
        second,
        fallbacks,
    } = *counters;
    tracing::info!(
        lines,
        bad_lines,
        unanswerable,
        repeated,
        answers,
        late,
        broken,
        asked_again,
        hedged,
        second,
        "no-engine" = fallbacks.of(FailureCause::NoEngine),
        "timeout" = fallbacks.of(FailureCause::Timeout),
        "broken-answer" = fallbacks.of(FailureCause::BrokenAnswer),
        "unreadable-line" = fallbacks.of(FailureCause::UnreadableLine),
        "overload" = fallbacks.of(FailureCause::Overload),
        "ended"
    );
}

/// Connects once and asks an engine for its terms.
///
/// # Errors
/// When none answers in time.
pub fn ask_terms(config: Config) -> Result<Terms, RunFault> {
    let mut links = links(config)?;
    let until = Instant::now() + ASK_TERMS_MAX;
    // Somebody waits: engines are tried at the pace of waiting requests.
    let load = Load { outstanding: 1, ..Load::default() };
    let mut unread = LinkSet::default();
    loop {
        let now = Instant::now();
        if now >= until {
            return Err(RunFault::NoTerms(ASK_TERMS_MAX));
        }
        links.tick(now, &load);
        let wake = links.wake_at(now, &load).map_or(until, |wake| wake.min(until));
        let (numbers, mut polled): (Vec<LinkNumber>, Vec<PollFd<'_>>) = links
            .iter()
            .filter_map(|(number, route)| Some((number, route.interest()?)))
            .map(|(number, (fd, flags))| (number, PollFd::new(fd, flags)))
            .unzip();
        wait(&mut polled, Some(if unread.is_empty() { wake } else { now }), now)?;
        let ready: Vec<bool> = polled.iter().map(|fd| fd.any().unwrap_or_default()).collect();
        drop(polled);
        let now = Instant::now();
        let mut found = None;
        let left = std::mem::take(&mut unread);
        let due = |(number, ready): &(LinkNumber, bool)| *ready || left.contains(*number);
        for (number, _) in numbers.into_iter().zip(ready).filter(due) {
            let Some(route) = links.route(number) else { continue };
            route.advance(now);
            let reading = read_link(route, now, |event| {
                if let LinkEvent::Up(terms) = event {
                    found = Some(*terms);
                }
                Ok(())
            });
            match reading {
                Reading::Dry => {}
                Reading::More => unread.insert(number),
            }
            route.flush(now);
        }
        if let Some(terms) = found {
            links.leave("only asked for its terms");
            return Ok(terms);
        }
    }
}

fn links(config: Config) -> Result<Links, RunFault> {
    let mut run = [0_u8; 16];
    getrandom::fill(&mut run).map_err(|cause| RunFault::Start {
        what: "get random bytes",
        cause: io::Error::other(cause.to_string()),
    })?;
    let identity = Identity {
        connector: config.connector.name,
        run: RunId(u128::from_be_bytes(run)),
        inspect: config.connector.inspect,
    };
    Links::new(config.engines, &identity, config.connector.answer_timeout).map_err(RunFault::Tls)
}

/// SIGTERM and SIGINT become readable bytes instead of a sudden end.
fn signals() -> Result<SignalFd, RunFault> {
    let start = |cause: Errno| RunFault::Start { what: "catch signals", cause: cause.into() };
    let mut caught = SigSet::empty();
    caught.add(Signal::SIGTERM);
    caught.add(Signal::SIGINT);
    caught.thread_block().map_err(start)?;
    SignalFd::with_flags(&caught, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(start)
}

impl Loop {
    fn run(&mut self, signals: &SignalFd, input: &File, output: &File) -> Result<(), RunFault> {
        loop {
            let now = Instant::now();
            self.pipeline.expire(now);
            self.pipeline.take_lines(now);
            self.links.tick(now, &self.pipeline.load());
            let over = self.is_over(input, now)?;
            self.send(now);
            if write_answers(output, &mut self.pipeline)? == Output::Gone || over {
                return Ok(());
            }
            self.wait_and_read(signals, input, now)?;
        }
    }

    /// Waits for the next event and takes in whatever is there.
    fn wait_and_read(
        &mut self,
        signals: &SignalFd,
        input: &File,
        now: Instant,
    ) -> Result<(), RunFault> {
        let reads = self.reads_input();
        let wake = self.wake_at(now);
        let quiet = PollFlags::empty();
        // A place that is not wanted polls the signals a second time, for nothing.
        let first = PollFd::new(signals.as_fd(), PollFlags::POLLIN);
        let second = if reads {
            PollFd::new(input.as_fd(), PollFlags::POLLIN)
        } else {
            PollFd::new(signals.as_fd(), quiet)
        };
        let mut polled: [PollFd<'_>; POLLED_FIRST + ENGINES_MAX] =
            std::array::from_fn(|_| PollFd::new(signals.as_fd(), quiet));
        for (place, fd) in polled.iter_mut().zip([first, second]) {
            *place = fd;
        }
        for (place, (_, route)) in polled.iter_mut().skip(POLLED_FIRST).zip(self.links.iter()) {
            if let Some((fd, flags)) = route.interest() {
                *place = PollFd::new(fd, flags);
            }
        }
        let used = POLLED_FIRST + self.links.count();
        wait(polled.get_mut(..used).unwrap_or_default(), wake, now)?;
        let ready = polled.map(|fd| fd.any().unwrap_or_default());
        let [first, second, ready @ ..] = ready;
        let now = Instant::now();
        if first {
            self.take_signals(signals, now);
        }
        if reads && second {
            self.read_input(input, now)?;
        }
        for (number, ready) in LinkNumber::first(ENGINES_MAX).zip(ready) {
            if ready || self.unread.contains(number) {
                self.read_link(number, now);
            }
        }
        Ok(())
    }

    fn reads_input(&self) -> bool {
        match self.phase {
            Phase::Serving | Phase::Draining { .. } => self.pipeline.wants_input(),
            Phase::Ending => false,
        }
    }

    fn wake_at(&self, now: Instant) -> Option<Instant> {
        if !self.unread.is_empty() {
            return Some(now);
        }
        let drained = match self.phase {
            Phase::Draining { until } => Some(until),
            Phase::Serving | Phase::Ending => None,
        };
        let links = self.links.wake_at(now, &self.pipeline.load());
        // A lone engine has nobody beside it to ask.
        let again = self.pipeline.next_again().filter(|_| self.links.count() > 1);
        [self.pipeline.next_deadline(), links, again, drained].into_iter().flatten().min()
    }

    /// Tells the pipeline which links have gone.
    fn sync_links(&mut self) {
        for number in self.pipeline.linked().without(self.links.up()).iter() {
            self.pipeline.link_down(number);
        }
    }

    /// Offers what is to be asked until no link is lost by it: what was on a lost one is asked of the
    /// others at once, since no later event would tell.
    fn send(&mut self, now: Instant) {
        // Each turn but the last has lost a link.
        for _ in 0..=ENGINES_MAX {
            self.sync_links();
            self.offer(now);
            if self.pipeline.linked().without(self.links.up()).is_empty() {
                return;
            }
        }
    }

    /// Asks the best link what is new, and each what the others leave without an answer. What the
    /// best has no room for, the next one is asked.
    fn offer(&mut self, now: Instant) {
        // What a socket takes now makes room, of which no later event would tell.
        for number in LinkNumber::first(self.links.count()) {
            self.flush(number, now);
        }
        let ranked = self.links.ranked(now);
        if self.crowded.iter().any(|number| self.room(number) > 0) {
            self.pipeline.recall();
        }
        for number in ranked.iter() {
            while self.ask(number, now) == Asked::Some {}
        }
        self.pipeline.park(now);
        let mut crowded = LinkSet::default();
        for number in ranked.iter().filter(|number| self.room(*number) == 0) {
            crowded.insert(number);
        }
        self.crowded = crowded;
    }

    /// Asks one engine what one frame holds, if there is something and it has room.
    fn ask(&mut self, number: LinkNumber, now: Instant) -> Asked {
        let may_ask = self.links.may_ask(number);
        let Some(route) = self.links.route(number) else { return Asked::Nothing };
        let Some(out) = route.out().filter(|_| may_ask > 0) else { return Asked::Nothing };
        let before = out.len();
        let written = self
            .pipeline
            .write_queries(number, out, may_ask, now)
            .and_then(|()| self.pipeline.write_again(number, out, may_ask, now));
        let asked = if out.len() > before { Asked::Some } else { Asked::Nothing };
        if let Err(fault) = written {
            route.fail(now, &fault.into());
            return Asked::Nothing;
        }
        self.flush(number, now);
        asked
    }

    /// Hands a link's socket what it takes.
    fn flush(&mut self, number: LinkNumber, now: Instant) {
        let owed = self.pipeline.load().owed(number);
        let Some(route) = self.links.route(number) else { return };
        route.asked(now, owed);
        route.flush(now);
    }

    /// How many queries a link takes at this moment.
    fn room(&self, number: LinkNumber) -> usize {
        let may_ask = self.links.may_ask(number);
        self.pipeline.room(number, may_ask)
    }

    fn take_signals(&mut self, signals: &SignalFd, now: Instant) {
        while let Ok(Some(signal)) = signals.read_signal() {
            match self.phase {
                Phase::Serving => {
                    tracing::info!(signal = signal.ssi_signo, "answering what is outstanding");
                    self.phase = Phase::Draining { until: now + self.drain };
                }
                Phase::Draining { .. } | Phase::Ending => {}
            }
        }
    }

    fn read_input(&mut self, mut input: &File, now: Instant) -> Result<(), RunFault> {
        match input.read(self.pipeline.input()) {
            Ok(0) => {
                self.phase = Phase::Ending;
                Ok(())
            }
            Ok(count) => {
                self.pipeline.take_input(count, now);
                Ok(())
            }
            Err(fault) => match fault.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(()),
                // Squid has gone without reading its last answers.
                io::ErrorKind::ConnectionReset => {
                    self.phase = Phase::Ending;
                    Ok(())
                }
                _ => Err(RunFault::Input(fault)),
            },
        }
    }

    fn read_link(&mut self, number: LinkNumber, now: Instant) {
        let Self { links, pipeline, unread, .. } = self;
        unread.remove(number);
        let Some(route) = links.route(number) else { return };
        route.advance(now);
        let mut report = None;
        let reading = read_link(route, now, |event| match event {
            LinkEvent::Nothing | LinkEvent::Handled => Ok(()),
            LinkEvent::Up(terms) => {
                report = Some(pipeline.link_up(number, &terms));
                Ok(())
            }
            LinkEvent::Answers(body) => Ok(pipeline.take_answers(number, body)?),
        });
        match reading {
            Reading::Dry => {}
            Reading::More => unread.insert(number),
        }
        if let Some(report) = report
            && let Some(out) = route.out()
            && let Err(fault) = report.write(out)
        {
            route.fail(now, &fault.into());
        }
        self.sync_links();
    }

    /// Whether everything has been answered and nothing more will come.
    fn is_over(&mut self, input: &File, now: Instant) -> Result<bool, RunFault> {
        match self.phase {
            Phase::Serving => return Ok(false),
            Phase::Draining { until } if now >= until => self.phase = Phase::Ending,
            Phase::Draining { .. } => {
                // Squid may not know yet that we end: a line that is there is still answered.
                if self.pipeline.outstanding() == 0 && !is_readable(input)? {
                    self.phase = Phase::Ending;
                }
            }
            Phase::Ending => {}
        }
        match self.phase {
            Phase::Serving | Phase::Draining { .. } => Ok(false),
            Phase::Ending => {
                self.pipeline.take_lines(now);
                // Only where no line is left that waits for room.
                if self.pipeline.wants_input() {
                    self.pipeline.end_input(now);
                }
                Ok(self.pipeline.outstanding() == 0)
            }
        }
    }
}

/// Hands the events that are there to `take`, within a bound. A fault ends the session.
fn read_link(
    link: &mut Route,
    now: Instant,
    mut take: impl FnMut(LinkEvent<'_>) -> Result<(), LinkFault>,
) -> Reading {
    for _ in 0..FILLS_MAX {
        let filled = take_events(link, now, &mut take).and_then(|()| link.fill(now));
        match filled {
            Ok(true) => {}
            Ok(false) => return Reading::Dry,
            Err(fault) => {
                link.fail(now, &fault);
                return Reading::Dry;
            }
        }
    }
    Reading::More
}

/// Hands every event that was read to `take`.
fn take_events(
    link: &mut Route,
    now: Instant,
    take: &mut impl FnMut(LinkEvent<'_>) -> Result<(), LinkFault>,
) -> Result<(), LinkFault> {
    loop {
        let welcome = match link.next()? {
            LinkEvent::Nothing => return Ok(()),
            LinkEvent::Up(terms) => Some(terms),
            event @ (LinkEvent::Handled | LinkEvent::Answers(_)) => {
                take(event)?;
                None
            }
        };
        if let Some(terms) = welcome {
            link.welcomed(now, &terms);
            take(LinkEvent::Up(terms))?;
        }
    }
}

/// Waits for an event or for `wake`, whichever comes first.
fn wait(fds: &mut [PollFd<'_>], wake: Option<Instant>, now: Instant) -> Result<(), RunFault> {
    let timeout = wake.map_or(PollTimeout::NONE, |wake| {
        // Rounded up: waking a little late beats spinning until the moment has come.
        let wait = wake.saturating_duration_since(now);
        let millis = wait.as_millis() + u128::from(!wait.is_zero());
        i32::try_from(millis)
            .ok()
            .and_then(|ms| PollTimeout::try_from(ms).ok())
            .unwrap_or(PollTimeout::MAX)
    });
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(fault) => Err(RunFault::Poll(fault.into())),
    }
}

fn is_readable(input: &File) -> Result<bool, RunFault> {
    let mut polled = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    match poll(&mut polled, PollTimeout::ZERO) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(fault) => return Err(RunFault::Poll(fault.into())),
    }
    let [polled] = polled;
    Ok(polled.revents().unwrap_or(PollFlags::empty()).contains(PollFlags::POLLIN))
}

/// Writes all answers there are, whole.
fn write_answers(mut output: &File, pipeline: &mut Pipeline) -> Result<Output, RunFault> {
    let mut rest = pipeline.output();
    if rest.is_empty() {
        return Ok(Output::Open);
    }
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(fault) => match fault.kind() {
                io::ErrorKind::Interrupted => {}
                // Whoever started us shares the descriptor and made it non-blocking.
                io::ErrorKind::WouldBlock => {
                    let mut polled = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
                    wait(&mut polled, None, Instant::now())?;
                }
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    return Ok(Output::Gone);
                }
                _ => return Err(RunFault::Output(fault)),
            },
        }
    }
    pipeline.written();
    Ok(Output::Open)
}
