//! The link as the rest of the connector sees it: up or down, fed and drained, never waiting.
//!
//! INVARIANT: at most one session exists; a fault ends it, and the next engine is tried.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_proto::limits::HANDSHAKE_TIMEOUT;
use eg_proto::{
    Close, CloseReason, ConnectorName, FrameFault, FrameKind, HandshakeFault, Inspect, RunId, Terms,
};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, socket,
};
use rustls::ClientConfig;

use super::resolve::{Lookup, Resolved};
use super::rotation::{Demand, Rotation};
use super::session::{Filled, Patience, Session};
use super::tls;
use crate::config::EngineConfig;

/// How long one engine may take to welcome us while another could be tried.
const ATTEMPT_MAX_WITH_OTHERS: Duration = Duration::from_secs(1);

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

/// How much there is to do for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests that Squid waits for.
    pub outstanding: usize,
    /// How many of them the present engine has been asked.
    pub asked: usize,
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
    Resolving { until: Instant },
    Connecting { stream: TcpStream, others: Vec<SocketAddr>, until: Instant },
    Proving { session: Box<Session>, until: Instant },
    Up { session: Box<Session>, since: Instant },
}

#[derive(Debug)]
struct Engine {
    config: EngineConfig,
    tls: Arc<ClientConfig>,
    lookup: Lookup,
}

/// The last fault that was logged.
#[derive(Debug, Default)]
struct Said {
    text: String,
    at: Option<Instant>,
    hidden: u64,
}

/// The way to whichever engine can be reached.
#[derive(Debug)]
pub struct Link {
    engines: Vec<Engine>,
    identity: Identity,
    rotation: Rotation,
    state: State,
    patience: Patience,
    attempt_max: Duration,
    said: Said,
}

impl Link {
    /// No engine has been tried yet. `answer_timeout` says what silence means.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        engines: Vec<EngineConfig>,
        identity: Identity,
        answer_timeout: Duration,
    ) -> Result<Self, LinkFault> {
        let with_tls = |config: EngineConfig| {
            let tls = tls::client_config(config.pin.clone())?;
            let lookup = Lookup::new(config.host.clone(), config.port.get());
            Ok::<Engine, LinkFault>(Engine { config, tls, lookup })
        };
        let engines = engines.into_iter().map(with_tls).collect::<Result<Vec<_>, _>>()?;
        let alone = engines.len() < 2;
        Ok(Self {
            rotation: Rotation::new(engines.len()),
            engines,
            identity,
            state: State::Resting,
            // With another engine at hand there is still time to ask it before the deadline.
            patience: Patience {
                stalled: if alone { answer_timeout } else { answer_timeout / 2 },
                mute: answer_timeout * 2,
            },
            attempt_max: if alone { HANDSHAKE_TIMEOUT } else { ATTEMPT_MAX_WITH_OTHERS },
            said: Said::default(),
        })
    }

    /// Whether queries can be sent.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        match self.state {
            State::Up { .. } => true,
            State::Resting
            | State::Resolving { .. }
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
            | State::Resolving { .. }
            | State::Connecting { .. }
            | State::Proving { .. } => 0,
        }
    }

    /// Where frames are appended before `flush`; `None` while the link is not up.
    pub fn out(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.state {
            State::Up { session, .. } => Some(session.out()),
            State::Resting
            | State::Resolving { .. }
            | State::Connecting { .. }
            | State::Proving { .. } => None,
        }
    }

    /// What to poll for.
    #[must_use]
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Resting => None,
            State::Resolving { .. } => {
                let engine = self.engines.get(self.rotation.at())?;
                Some((engine.lookup.as_fd()?, PollFlags::POLLIN))
            }
            State::Connecting { stream, .. } => Some((stream.as_fd(), PollFlags::POLLOUT)),
            State::Proving { session, .. } | State::Up { session, .. } => {
                let mut flags = PollFlags::POLLIN;
                flags.set(PollFlags::POLLOUT, session.wants_write());
                Some((session.as_fd(), flags))
            }
        }
    }

    /// When `tick` has something to do; `None` while only the network has.
    #[must_use]
    pub fn wake_at(&self, now: Instant, load: Load) -> Option<Instant> {
        match &self.state {
            State::Resting => Some(self.rotation.try_at(demand(load)).unwrap_or(now)),
            State::Resolving { until, .. }
            | State::Connecting { until, .. }
            | State::Proving { until, .. } => Some(*until),
            State::Up { session, since } => {
                let back = self.rotation.return_at(*since).filter(|_| load.outstanding == 0);
                [session.wake_at(), back].into_iter().flatten().min()
            }
        }
    }

    /// Does what the time asks for: tries an engine, keeps the link alive, or gives it up.
    pub fn tick(&mut self, now: Instant, load: Load) {
        let ticked = match &mut self.state {
            State::Resting => match self.rotation.try_at(demand(load)) {
                Some(at) if at > now => Ok(()),
                Some(_) | None => self.start(now),
            },
            State::Resolving { until, .. }
            | State::Connecting { until, .. }
            | State::Proving { until, .. } => {
                if *until <= now {
                    Err(LinkFault::Slow(self.attempt_max))
                } else {
                    Ok(())
                }
            }
            State::Up { session, since } => {
                let back = self.rotation.return_at(*since);
                if load.outstanding == 0 && back.is_some_and(|back| back <= now) {
                    self.leave("going back to the first engine");
                    self.rotation.go_back();
                    self.start(now)
                } else {
                    session.owe(now, load.asked);
                    session.tick(now)
                }
            }
        };
        if let Err(fault) = ticked {
            self.fail(now, &fault);
        }
    }

    /// Notes that the engine was asked. Without it only `tick` of the next round would know, and
    /// after a lone request there is none before that request expires.
    pub fn asked(&mut self, now: Instant, load: Load) {
        match &mut self.state {
            State::Up { session, .. } => session.owe(now, load.asked),
            State::Resting
            | State::Resolving { .. }
            | State::Connecting { .. }
            | State::Proving { .. } => {}
        }
    }

    /// The polled descriptor is ready: takes the next step towards a session. A session itself is
    /// read with `fill` and `next`.
    pub fn advance(&mut self, now: Instant) {
        let step = match std::mem::replace(&mut self.state, State::Resting) {
            State::Resolving { until } => {
                let engine = self.engines.get_mut(self.rotation.at());
                match engine.and_then(|engine| engine.lookup.poll()) {
                    None => {
                        self.state = State::Resolving { until };
                        Ok(())
                    }
                    Some(Ok(found)) => self.connect(found, until),
                    Some(Err(fault)) => Err(LinkFault::Resolve(fault)),
                }
            }
            State::Connecting { stream, others, until } => match stream.take_error() {
                Ok(None) => self.begin_session(stream, until, now),
                Ok(Some(fault)) | Err(fault) if others.is_empty() => Err(LinkFault::Connect(fault)),
                Ok(Some(_)) | Err(_) => self.connect(others, until),
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
            State::Resting | State::Resolving { .. } | State::Connecting { .. } => Ok(false),
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
        let Some(engine) = self.engines.get(self.rotation.at()) else {
            return Ok(LinkEvent::Nothing);
        };
        match &mut self.state {
            State::Resting | State::Resolving { .. } | State::Connecting { .. } => {
                Ok(LinkEvent::Nothing)
            }
            State::Proving { session, .. } | State::Up { session, .. } => {
                session.next(&engine.config, &self.identity)
            }
        }
    }

    /// `next` gave terms: the link is up.
    pub fn welcomed(&mut self, now: Instant, terms: &Terms) {
        let engine = self.name();
        self.state = match std::mem::replace(&mut self.state, State::Resting) {
            State::Proving { session, .. } => State::Up { session, since: now },
            kept @ (State::Resting
            | State::Resolving { .. }
            | State::Connecting { .. }
            | State::Up { .. }) => kept,
        };
        self.rotation.linked();
        self.said = Said::default();
        tracing::info!(engine, version = terms.engine, "connected to the engine");
    }

    /// Sends what is in `out`.
    pub fn flush(&mut self, now: Instant) {
        let flushed = match &mut self.state {
            State::Resting | State::Resolving { .. } | State::Connecting { .. } => Ok(()),
            State::Proving { session, .. } | State::Up { session, .. } => session.flush(),
        };
        if let Err(fault) = flushed {
            self.fail(now, &fault);
        }
    }

    /// Ends the session and turns to the next engine.
    pub fn fail(&mut self, now: Instant, fault: &LinkFault) {
        self.report(now, fault);
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Resting | State::Resolving { .. } | State::Connecting { .. } => {}
            State::Proving { session, .. } | State::Up { session, .. } => {
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
                session.close(reason, &fault.to_string());
            }
        }
        self.rotation.failed(now, jitter());
    }

    /// Says goodbye.
    pub fn leave(&mut self, text: &str) {
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Resting | State::Resolving { .. } | State::Connecting { .. } => {}
            State::Proving { session, .. } | State::Up { session, .. } => {
                session.close(CloseReason::Draining, text);
            }
        }
    }

    fn name(&self) -> String {
        let engine = self.engines.get(self.rotation.at());
        engine.map(|engine| engine.config.name.clone()).unwrap_or_default()
    }

    fn start(&mut self, now: Instant) -> Result<(), LinkFault> {
        let Some(engine) = self.engines.get_mut(self.rotation.at()) else { return Ok(()) };
        let until = now + self.attempt_max;
        match engine.lookup.ask().map_err(LinkFault::Resolve)? {
            Resolved::Now(address) => self.connect(vec![address], until),
            Resolved::Later => {
                self.state = State::Resolving { until };
                Ok(())
            }
        }
    }

    fn connect(&mut self, mut found: Vec<SocketAddr>, until: Instant) -> Result<(), LinkFault> {
        // The resolver's best comes first.
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        while !found.is_empty() {
            let address = found.remove(0);
            match begin_connect(address) {
                Ok(stream) => {
                    self.state = State::Connecting { stream, others: found, until };
                    return Ok(());
                }
                Err(fault) => last = fault,
            }
        }
        Err(LinkFault::Connect(last))
    }

    fn begin_session(
        &mut self,
        stream: TcpStream,
        until: Instant,
        now: Instant,
    ) -> Result<(), LinkFault> {
        let Some(engine) = self.engines.get(self.rotation.at()) else { return Ok(()) };
        let session = Session::new(stream, Arc::clone(&engine.tls), self.patience, now)?;
        self.state = State::Proving { session: Box::new(session), until };
        self.flush(now);
        Ok(())
    }

    fn report(&mut self, now: Instant, fault: &LinkFault) {
        let engine = self.name();
        let text = format!("{engine}: {fault}");
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

const fn demand(load: Load) -> Demand {
    if load.outstanding > 0 { Demand::Busy } else { Demand::Idle }
}

/// Without randomness there is only no jitter.
fn jitter() -> u8 {
    let mut byte = [0_u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => byte.first().copied().unwrap_or_default(),
        Err(_) => u8::MAX,
    }
}

/// Starts to connect without waiting for it.
fn begin_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    let connected = match address {
        SocketAddr::V4(address) => connect(socket.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => connect(socket.as_raw_fd(), &SockaddrIn6::from(address)),
    };
    match connected {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(socket)),
        Err(fault) => Err(fault.into()),
    }
}
