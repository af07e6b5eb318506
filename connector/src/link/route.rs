//! The way to one engine: up or down, fed and drained, never waiting.
//!
//! INVARIANT: at most one session exists; a fault ends it, and the engine is left alone for a while.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_proto::{
    Close, CloseReason, ConnectorName, FrameFault, FrameKind, HandshakeFault, Inspect, RunId, Terms,
};
use nix::poll::PollFlags;
use rustls::ClientConfig;

use super::backoff::{Backoff, Demand};
use super::choice::Standing;
use super::resolve::{Lookup, Resolved};
use super::session::{Filled, Patience, Session};
use super::stream::Stream;
use super::tls;
use crate::config::{EngineAddress, EngineConfig};

/// The same fault is not logged again within this time.
const SAME_FAULT_QUIET: Duration = Duration::from_secs(60);

/// Who this connector is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name, which chooses the key.
    pub connector: ConnectorName,
    /// The random number of this run.
    pub run: RunId,
    /// What its Squid does with TLS.
    pub inspect: Inspect,
}

/// What an engine said.
#[derive(Debug)]
pub enum LinkEvent<'a> {
    /// Nothing more for now.
    Nothing,
    /// Something that needs nobody's attention; there may be more.
    Handled,
    /// Both sides are proven.
    Up(Box<Terms>),
    /// The body of a frame of answers.
    Answers(&'a [u8]),
}

/// Why a link could not be made or had to end.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// The name has no address.
    #[error("the host's address cannot be found: {0}")]
    Resolve(#[source] io::Error),
    /// Nobody listens, or the network is in the way.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The welcome did not come in time.
    #[error("no welcome within {0:?}")]
    Slow(Duration),
    /// Another public key than the pinned one.
    #[error("the engine's certificate does not hold the pinned public key; compare `cert`")]
    WrongPin,
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The proof failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeFault),
    /// A frame cannot be read.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// A frame that an engine does not send at this point.
    #[error("the engine sent an unexpected frame, {0:?}")]
    Unexpected(FrameKind),
    /// The engine said goodbye.
    #[error("the engine closed the session ({}): {}", .0.reason.word(), .0.text)]
    Closed(Close),
    /// The connection ended without a goodbye.
    #[error("the engine closed the connection")]
    Ended,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Lost(#[source] io::Error),
    /// Nothing was heard for too long.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
}

#[derive(Debug)]
enum State {
    Resting,
    Resolving(Attempt),
    Connecting { stream: Stream, others: Vec<SocketAddr>, attempt: Attempt },
    Proving { session: Box<Session>, attempt: Attempt },
    Up { session: Box<Session>, since: Instant, settled: Instant },
}

/// When an attempt began; all of it, from the name to the welcome, has one bound.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    since: Instant,
}

/// How the engine is found.
#[derive(Debug)]
enum Target {
    Tcp(Lookup),
    Socket(PathBuf),
}

/// The last fault that was logged.
#[derive(Debug, Default)]
struct Said {
    text: String,
    at: Option<Instant>,
    hidden: u64,
}

/// The way to one engine.
#[derive(Debug)]
pub struct Route {
    config: EngineConfig,
    identity: Identity,
    tls: Arc<ClientConfig>,
    target: Target,
    backoff: Backoff,
    state: State,
    patience: Patience,
    said: Said,
}

impl Route {
    pub(super) fn new(
        config: EngineConfig,
        identity: Identity,
        patience: Patience,
    ) -> Result<Self, LinkFault> {
        let tls = tls::client_config(config.pin.clone())?;
        let target = match &config.address {
            EngineAddress::Tcp { host, port } => Target::Tcp(Lookup::new(host.clone(), port.get())),
            EngineAddress::Socket(path) => Target::Socket(path.clone()),
        };
        Ok(Self {
            config,
            identity,
            tls,
            target,
            backoff: Backoff::default(),
            state: State::Resting,
            patience,
            said: Said::default(),
        })
    }

    /// How far it has come.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match &self.state {
            State::Resting => Standing::Down,
            State::Resolving(attempt)
            | State::Connecting { attempt, .. }
            | State::Proving { attempt, .. } => Standing::Trying { since: attempt.since },
            State::Up { session, settled, .. } => {
                Standing::Up { settled: *settled, health: session.health(now) }
            }
        }
    }

    /// Whether queries can be sent.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        match self.state {
            State::Up { .. } => true,
            State::Resting
            | State::Resolving(_)
            | State::Connecting { .. }
            | State::Proving { .. } => false,
        }
    }

    /// How many queries may be with the engine at this moment.
    #[must_use]
    pub fn may_ask(&self) -> usize {
        match &self.state {
            State::Up { session, .. } => session.may_ask(),
            State::Resting
            | State::Resolving(_)
            | State::Connecting { .. }
            | State::Proving { .. } => 0,
        }
    }

    /// Where frames are appended before `flush`; `None` while the link is not up.
    pub fn out(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.state {
            State::Up { session, .. } => Some(session.out()),
            State::Resting
            | State::Resolving(_)
            | State::Connecting { .. }
            | State::Proving { .. } => None,
        }
    }

    /// What to poll for.
    #[must_use]
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Resting => None,
            State::Resolving(_) => match &self.target {
                Target::Tcp(lookup) => Some((lookup.as_fd()?, PollFlags::POLLIN)),
                Target::Socket(_) => None,
            },
            State::Connecting { stream, .. } => Some((stream.as_fd(), PollFlags::POLLOUT)),
            State::Proving { session, .. } | State::Up { session, .. } => {
                let mut flags = PollFlags::POLLIN;
                flags.set(PollFlags::POLLOUT, session.wants_write());
                Some((session.as_fd(), flags))
            }
        }
    }

    /// When a new attempt may begin, where none is under way.
    pub(super) fn try_at(&self, demand: Demand, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Resting => Some(self.backoff.try_at(demand).unwrap_or(now)),
            State::Resolving(_)
            | State::Connecting { .. }
            | State::Proving { .. }
            | State::Up { .. } => None,
        }
    }

    /// When `tick` has something to do; `None` while only the network has.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Resting => None,
            State::Resolving(attempt)
            | State::Connecting { attempt, .. }
            | State::Proving { attempt, .. } => Some(attempt.since + self.patience.attempt),
            State::Up { session, .. } => session.wake_at(now),
        }
    }

    /// Does what the time asks for: keeps the link alive, or gives it or an attempt up. `owed` says
    /// how many answers are with the engine.
    pub(super) fn tick(&mut self, now: Instant, owed: usize) {
        let ticked = match &mut self.state {
            State::Resting => Ok(()),
            State::Resolving(attempt)
            | State::Connecting { attempt, .. }
            | State::Proving { attempt, .. } => {
                if attempt.since + self.patience.attempt <= now {
                    Err(LinkFault::Slow(self.patience.attempt))
                } else {
                    Ok(())
                }
            }
            State::Up { session, .. } => {
                session.owe(now, owed);
                session.tick(now)
            }
        };
        if let Err(fault) = ticked {
            self.fail(now, &fault);
        }
    }

    /// Notes that the engine was asked. Without it only `tick` of the next round would know, and
    /// after a lone request there is none before that request expires.
    pub fn asked(&mut self, now: Instant, owed: usize) {
        match &mut self.state {
            State::Up { session, .. } => session.owe(now, owed),
            State::Resting
            | State::Resolving(_)
            | State::Connecting { .. }
            | State::Proving { .. } => {}
        }
    }

    /// The polled descriptor is ready: takes the next step towards a session. A session itself is
    /// read with `fill` and `next`.
    pub fn advance(&mut self, now: Instant) {
        let step = match std::mem::replace(&mut self.state, State::Resting) {
            State::Resolving(attempt) => {
                let found = match &mut self.target {
                    Target::Tcp(lookup) => lookup.poll(),
                    Target::Socket(_) => None,
                };
                match found {
                    None => {
                        self.state = State::Resolving(attempt);
                        Ok(())
                    }
                    Some(Ok(found)) => self.connect(found, attempt),
                    Some(Err(fault)) => Err(LinkFault::Resolve(fault)),
                }
            }
            State::Connecting { stream, others, attempt } => match stream.take_error() {
                Ok(None) => self.begin_session(stream, attempt, now),
                Ok(Some(fault)) | Err(fault) if others.is_empty() => Err(LinkFault::Connect(fault)),
                Ok(Some(_)) | Err(_) => self.connect(others, attempt),
            },
            kept @ (State::Resting | State::Proving { .. } | State::Up { .. }) => {
                self.state = kept;
                Ok(())
            }
        };
        if let Err(fault) = step {
            self.fail(now, &fault);
        }
    }

    /// Reads once from the engine. `true` while more may follow.
    ///
    /// # Errors
    /// When the session is over; hand the fault to `fail`.
    pub fn fill(&mut self, now: Instant) -> Result<bool, LinkFault> {
        match &mut self.state {
            State::Resting | State::Resolving(_) | State::Connecting { .. } => Ok(false),
            State::Proving { session, .. } | State::Up { session, .. } => {
                Ok(matches!(session.fill(now)?, Filled::More))
            }
        }
    }

    /// The next thing that the engine said.
    ///
    /// # Errors
    /// When the session is over; hand the fault to `fail`.
    #[expect(clippy::should_implement_trait, reason = "it lends, which `Iterator` cannot")]
    pub fn next(&mut self) -> Result<LinkEvent<'_>, LinkFault> {
        match &mut self.state {
            State::Resting | State::Resolving(_) | State::Connecting { .. } => {
                Ok(LinkEvent::Nothing)
            }
            State::Proving { session, .. } | State::Up { session, .. } => {
                session.next(&self.config, &self.identity)
            }
        }
    }

    /// `next` gave terms: the link is up.
    pub fn welcomed(&mut self, now: Instant, terms: &Terms) {
        let settled = self.backoff.linked(now);
        self.state = match std::mem::replace(&mut self.state, State::Resting) {
            State::Proving { session, .. } => State::Up { session, since: now, settled },
            kept @ (State::Resting
            | State::Resolving(_)
            | State::Connecting { .. }
            | State::Up { .. }) => kept,
        };
        self.said = Said::default();
        let engine = &self.config.name;
        tracing::info!(engine, version = terms.engine, "connected to the engine");
    }

    /// Sends what is in `out`.
    pub fn flush(&mut self, now: Instant) {
        let flushed = match &mut self.state {
            State::Resting | State::Resolving(_) | State::Connecting { .. } => Ok(()),
            State::Proving { session, .. } | State::Up { session, .. } => session.flush(),
        };
        if let Err(fault) = flushed {
            self.fail(now, &fault);
        }
    }

    /// Ends the session, or the attempt at one.
    pub fn fail(&mut self, now: Instant, fault: &LinkFault) {
        self.report(now, fault);
        let reason = match fault {
            LinkFault::Silent(_) => CloseReason::Silent,
            LinkFault::Unexpected(_) => CloseReason::Unexpected,
            LinkFault::Resolve(_)
            | LinkFault::Connect(_)
            | LinkFault::Slow(_)
            | LinkFault::WrongPin
            | LinkFault::Tls(_)
            | LinkFault::Handshake(_)
            | LinkFault::Frame(_)
            | LinkFault::Closed(_)
            | LinkFault::Ended
            | LinkFault::Lost(_) => CloseReason::Broken,
        };
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Resting | State::Resolving(_) | State::Connecting { .. } => {
                self.backoff.failed(now, jitter());
            }
            State::Proving { session, .. } => {
                session.close(reason, &fault.to_string());
                self.backoff.failed(now, jitter());
            }
            State::Up { session, since, .. } => {
                session.close(reason, &fault.to_string());
                self.backoff.lost(since, now, jitter());
            }
        }
    }

    /// Says goodbye.
    pub fn leave(&mut self, text: &str) {
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Resting | State::Resolving(_) | State::Connecting { .. } => {}
            State::Proving { session, .. } | State::Up { session, .. } => {
                session.close(CloseReason::Draining, text);
            }
        }
    }

    /// The engine's name in the configuration.
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Begins an attempt.
    pub(super) fn start(&mut self, now: Instant) {
        let attempt = Attempt { since: now };
        let started = match &mut self.target {
            Target::Socket(path) => {
                Stream::begin_socket(path).map_err(LinkFault::Connect).map(|stream| {
                    self.state = State::Connecting { stream, others: Vec::new(), attempt };
                })
            }
            Target::Tcp(lookup) => match lookup.ask() {
                Ok(Resolved::Now(address)) => self.connect(vec![address], attempt),
                Ok(Resolved::Later) => {
                    self.state = State::Resolving(attempt);
                    Ok(())
                }
                Err(fault) => Err(LinkFault::Resolve(fault)),
            },
        };
        if let Err(fault) = started {
            self.fail(now, &fault);
        }
    }

    fn connect(&mut self, mut found: Vec<SocketAddr>, attempt: Attempt) -> Result<(), LinkFault> {
        // The resolver's best comes first.
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        while !found.is_empty() {
            let address = found.remove(0);
            match Stream::begin_tcp(address) {
                Ok(stream) => {
                    self.state = State::Connecting { stream, others: found, attempt };
                    return Ok(());
                }
                Err(fault) => last = fault,
            }
        }
        Err(LinkFault::Connect(last))
    }

    fn begin_session(
        &mut self,
        stream: Stream,
        attempt: Attempt,
        now: Instant,
    ) -> Result<(), LinkFault> {
        let session = Session::new(stream, Arc::clone(&self.tls), self.patience, now)?;
        self.state = State::Proving { session: Box::new(session), attempt };
        self.flush(now);
        Ok(())
    }

    fn report(&mut self, now: Instant, fault: &LinkFault) {
        let engine = &self.config.name;
        let text = fault.to_string();
        let same = self.said.text == text;
        let recent = self.said.at.is_some_and(|at| now < at + SAME_FAULT_QUIET);
        if same && recent {
            self.said.hidden = self.said.hidden.saturating_add(1);
            eg_settings::info!(engine, %fault, "the engine cannot be used");
            return;
        }
        let repeated = if same { self.said.hidden } else { 0 };
        tracing::warn!(engine, %fault, repeated, "the engine cannot be used");
        self.said = Said { text, at: Some(now), hidden: 0 };
    }
}

/// Without randomness there is only no jitter.
fn jitter() -> u8 {
    let mut byte = [0_u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => byte.first().copied().unwrap_or_default(),
        Err(_) => u8::MAX,
    }
}
