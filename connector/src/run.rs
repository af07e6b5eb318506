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
use crate::link::{Identity, Link, LinkEvent, LinkFault, Load};
use crate::pipeline::{Counters, Pipeline};
use crate::role::Role;

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

struct Loop {
    link: Link,
    pipeline: Pipeline,
    phase: Phase,
    linked: bool,
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
    let link = link(config)?;
    let mut state = Loop { link, pipeline, phase: Phase::Serving, linked: false, drain };
    tracing::info!("ready");
    let ended = state.run(&signals, &input, &output);
    state.link.leave("the connector ends");
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
    let mut link = link(config)?;
    let until = Instant::now() + ASK_TERMS_MAX;
    // Somebody waits: engines are tried at the pace of waiting requests.
    let load = Load { outstanding: 1, asked: 0 };
    loop {
        let now = Instant::now();
        if now >= until {
            return Err(RunFault::NoTerms(ASK_TERMS_MAX));
        }
        link.tick(now, load);
        link.flush(now);
        let wake = link.wake_at(now, load).map_or(until, |wake| wake.min(until));
        if let Some((fd, flags)) = link.interest() {
            wait(&mut [PollFd::new(fd, flags)], Some(wake), now)?;
        } else {
            wait(&mut [], Some(wake), now)?;
        }
        link.advance(Instant::now());
        let mut found = None;
        read_link(&mut link, Instant::now(), |event| {
            if let LinkEvent::Up(terms) = event {
                found = Some(*terms);
            }
            Ok(())
        });
        if let Some(terms) = found {
            link.leave("only asked for its terms");
            return Ok(terms);
        }
    }
}

fn link(config: Config) -> Result<Link, RunFault> {
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
    Link::new(config.engines, identity, config.connector.answer_timeout).map_err(RunFault::Tls)
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
            self.link.tick(now, self.load());
            self.sync_link();
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
        let third = match self.link.interest() {
            Some((fd, flags)) => PollFd::new(fd, flags),
            None => PollFd::new(signals.as_fd(), quiet),
        };
        let mut polled = [first, second, third];
        wait(&mut polled, wake, now)?;
        let [first, second, third] = polled.map(|fd| fd.any().unwrap_or_default());
        let now = Instant::now();
        if first {
            self.take_signals(signals, now);
        }
        if reads && second {
            self.read_input(input, now)?;
        }
        if third {
            self.link.advance(now);
            self.read_link(now);
        }
        Ok(())
    }

    const fn load(&self) -> Load {
        Load { outstanding: self.pipeline.outstanding(), asked: self.pipeline.asked() }
    }

    fn reads_input(&self) -> bool {
        match self.phase {
            Phase::Serving | Phase::Draining { .. } => self.pipeline.wants_input(),
            Phase::Ending => false,
        }
    }

    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let drained = match self.phase {
            Phase::Draining { until } => Some(until),
            Phase::Serving | Phase::Ending => None,
        };
        let link = self.link.wake_at(now, self.load());
        [self.pipeline.next_deadline(), link, drained].into_iter().flatten().min()
    }

    /// Tells the pipeline when the link has gone.
    fn sync_link(&mut self) {
        if self.linked && !self.link.is_up() {
            self.linked = false;
            self.pipeline.link_down();
        }
    }

    fn send(&mut self, now: Instant) {
        let may_ask = self.link.may_ask();
        if may_ask > 0
            && let Some(out) = self.link.out()
            && let Err(fault) = self.pipeline.write_queries(out, may_ask)
        {
            self.link.fail(now, &fault.into());
        }
        self.link.asked(now, self.load());
        self.link.flush(now);
        self.sync_link();
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

    fn read_link(&mut self, now: Instant) {
        let Self { link, pipeline, linked, .. } = self;
        let mut report = None;
        read_link(link, now, |event| match event {
            LinkEvent::Nothing | LinkEvent::Handled => Ok(()),
            LinkEvent::Up(terms) => {
                report = Some(pipeline.link_up(&terms));
                *linked = true;
                Ok(())
            }
            LinkEvent::Answers(body) => Ok(pipeline.take_answers(body)?),
        });
        if let Some(report) = report
            && let Some(out) = link.out()
            && let Err(fault) = report.write(out)
        {
            link.fail(now, &fault.into());
        }
        self.sync_link();
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

/// Hands every event that is there to `take`. A fault ends the session.
fn read_link(
    link: &mut Link,
    now: Instant,
    mut take: impl FnMut(LinkEvent<'_>) -> Result<(), LinkFault>,
) {
    loop {
        loop {
            let (more, welcome) = match link.next() {
                Ok(LinkEvent::Nothing) => (Ok(false), None),
                Ok(LinkEvent::Up(terms)) => (Ok(true), Some(terms)),
                Ok(event @ (LinkEvent::Handled | LinkEvent::Answers(_))) => {
                    (take(event).map(|()| true), None)
                }
                Err(fault) => (Err(fault), None),
            };
            if let Some(terms) = welcome {
                link.welcomed(now, &terms);
                if let Err(fault) = take(LinkEvent::Up(terms)) {
                    return link.fail(now, &fault);
                }
            }
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => return link.fail(now, &fault),
            }
        }
        match link.fill(now) {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => return link.fail(now, &fault),
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
