//! The data plane's front: listeners, the check of source addresses, the session limit, and the
//! worker threads behind them.
//!
//! One thread accepts and hands connections round to the workers. A source that no connector of the
//! listener may come from is closed before TLS: it learns nothing and costs nothing.
//! Left out on purpose: how a listener is had, which is `bind`'s.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eg_proto::FailureToken;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::audit::Audit;
use crate::bind::{BindFault, BoundListener, Listener, Place};
use crate::handshake::{Guest, Vacancy};
use crate::neighbors::{Neighbors, Torn};
use crate::portal_link::PortalLinks;
use crate::refusals::{Refusal, Refusals};
use crate::shadow::Shadow;
use crate::transport::{Door, Peer, Stream};
use crate::view::{Live, now};
use crate::worker::{Arrival, WAKER, Worker};

/// Open sessions of all connectors. Squid starts five to thirty helpers a worker process, so this is
/// a large site; each session costs some ten kilobytes.
pub const SESSIONS_MAX: usize = 1024;

/// Connections that have not proved their key yet, beside the sessions: enough for all helpers of
/// several proxies to reconnect at once, and a bound on what strangers from allowed addresses cost.
pub const STRANGERS_MAX: usize = 256;

/// Connections on their way to one worker; more wait in the system's own queue.
const ARRIVALS_MAX: usize = 64;

/// Worker threads; each has its share of the audit queue.
const THREADS_MAX: usize = 256;

/// How long the listener waits after the system refused it a connection, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much longer than the drain a thread may take; all end by themselves, and one that has not by
/// then is stuck.
const STUCK_AFTER: Duration = Duration::from_millis(500);

/// A place among a bounded number, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let more = |count: usize| (count < max).then_some(count + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why the listeners cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenFault {
    /// A place is taken, or not ours.
    #[error(transparent)]
    Bind(#[from] BindFault),
    /// The threads or what they need cannot be had.
    #[error("the threads of the Defendr listener cannot be started")]
    Threads(#[source] io::Error),
}

/// What the data plane is made of.
#[derive(Debug)]
pub struct DataPlaneParts {
    /// The listeners, from [`bind`](crate::bind::bind).
    pub listeners: Vec<BoundListener>,
    /// The TLS pair; Defendr speaks TLS 1.3 only, whatever else this allows.
    pub tls: Arc<rustls::ServerConfig>,
    /// The ruleset.
    pub live: Arc<Live>,
    /// The trail.
    pub audit: Audit,
    /// Where samples of what is scanned are compared.
    pub shadow: Shadow,
    /// The portal.
    pub portal: PortalLinks,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// The engine's version, which connectors log.
    pub version: String,
}

/// What all threads of the data plane share.
#[derive(Debug)]
pub(crate) struct House {
    doors: Vec<Vec<Guest>>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) live: Arc<Live>,
    pub(crate) audit: Audit,
    pub(crate) shadow: Shadow,
    pub(crate) portal: PortalLinks,
    pub(crate) tokens: Vec<FailureToken>,
    pub(crate) version: String,
    pub(crate) refusals: Refusals,
    pub(crate) neighbors: Arc<Neighbors>,
    connections: Arc<AtomicUsize>,
    sessions: Arc<AtomicUsize>,
    session_numbers: AtomicU64,
    drain_until: OnceLock<Instant>,
}

impl House {
    /// Who may speak on a listener.
    pub(crate) fn guests(&self, door: usize) -> &[Guest] {
        self.doors.get(door).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn vacancy(&self) -> Vacancy {
        if self.drain_until().is_some() {
            Vacancy::Draining
        } else if self.sessions.load(Ordering::Acquire) >= SESSIONS_MAX {
            Vacancy::Full
        } else {
            Vacancy::Free
        }
    }

    pub(crate) fn take_seat(&self) -> Option<Seat> {
        Seat::take(&self.sessions, SESSIONS_MAX)
    }

    pub(crate) fn next_session(&self) -> u64 {
        self.session_numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// When the engine's drain ends, once it has begun.
    pub(crate) fn drain_until(&self) -> Option<Instant> {
        self.drain_until.get().copied()
    }

    fn may_enter(&self, door: usize, peer: &Peer) -> bool {
        self.guests(door).iter().any(|guest| guest.may_come_from(peer))
    }
}

/// The running data plane.
#[derive(Debug)]
pub struct DataPlane {
    house: Arc<House>,
    places: Vec<Place>,
    front: Thread,
    workers: Vec<Thread>,
}

/// What came of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every thread has ended.
    Whole,
    /// So many threads are stuck, and are left behind with the process.
    Stuck(usize),
}

#[derive(Debug)]
struct Thread {
    waker: Arc<Waker>,
    pulse: Pulse,
    /// Nothing ever comes; it closes with the thread.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

impl Thread {
    fn start(
        name: String,
        waker: Arc<Waker>,
        run: impl FnOnce(&Pulse) + Send + 'static,
    ) -> io::Result<Self> {
        let pulse = Pulse::default();
        let beating = pulse.clone();
        let (alive, ended) = sync_channel(1);
        let run = move || {
            let _alive = alive;
            run(&beating);
        };
        let handle = std::thread::Builder::new().name(name).spawn(run)?;
        Ok(Self { waker, pulse, ended, handle })
    }

    /// Waits for its end, until a moment; whether it has come.
    fn has_ended_by(self, until: Instant) -> bool {
        match self.ended.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return false,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
        }
        if self.handle.join().is_err() {
            tracing::error!("a thread of the Defendr listener ended by itself");
        }
        true
    }
}

/// How often a thread has gone round its loop, for whoever watches over it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Goes round once more.
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The way to a worker.
struct Hand {
    waker: Arc<Waker>,
    arrivals: SyncSender<Arrival>,
}

impl DataPlane {
    /// Starts the threads; connections are served from here on.
    ///
    /// # Errors
    /// Where a thread or what it needs cannot be had.
    pub fn start(parts: DataPlaneParts) -> Result<Self, ListenFault> {
        Self::try_start(parts).map_err(ListenFault::Threads)
    }

    fn try_start(parts: DataPlaneParts) -> io::Result<Self> {
        let tokens = parts.portal.link()?.failure_tokens(now());
        let (listeners, doors): (Vec<_>, Vec<_>) =
            parts.listeners.into_iter().map(|bound| (bound.listener, bound.guests)).unzip();
        let refusals = Refusals::new(parts.audit.clone());
        let house = Arc::new(House {
            doors,
            tls: parts.tls,
            live: parts.live,
            neighbors: Arc::new(Neighbors::new(refusals.counts())),
            refusals,
            audit: parts.audit,
            shadow: parts.shadow,
            portal: parts.portal,
            tokens,
            version: parts.version,
            connections: Arc::default(),
            sessions: Arc::default(),
            session_numbers: AtomicU64::new(1),
            drain_until: OnceLock::new(),
        });
        let mut hands = Vec::new();
        let mut workers = Vec::new();
        let mut desks = Vec::new();
        for number in 0..parts.threads.get().min(THREADS_MAX) {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let (arrivals, inbox) = sync_channel(ARRIVALS_MAX);
            let torn = Arc::new(Torn::default());
            desks.push((Arc::clone(&waker), Arc::clone(&torn)));
            let worker = Worker::new(Arc::clone(&house), poll, inbox, (number, torn))?;
            hands.push(Hand { waker: Arc::clone(&waker), arrivals });
            let name = format!("defendr-{number}");
            workers.push(Thread::start(name, waker, move |pulse| worker.run(pulse))?);
        }
        house.neighbors.serve(desks.into_iter());
        let places = listeners.iter().map(Listener::place).collect::<Result<_, _>>()?;
        let front = Front::new(Arc::clone(&house), listeners, hands)?;
        let waker = Arc::new(Waker::new(front.poll.registry(), WAKER)?);
        let front = Thread::start("defendr-front".into(), waker, move |pulse| front.run(pulse))?;
        Ok(Self { house, places, front, workers })
    }

    /// Where it listens.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Sessions that are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.house.sessions.load(Ordering::Acquire)
    }

    /// Who was not let in, and how often.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.house.refusals
    }

    /// How often each thread has gone round its loop, and the call to go round once more: one that
    /// has not by the next time it is asked is stuck.
    #[must_use]
    pub fn pulses(&self) -> Vec<u64> {
        let threads = std::iter::once(&self.front).chain(&self.workers);
        threads
            .map(|thread| {
                let beats = thread.pulse.0.load(Ordering::Relaxed);
                // A thread that cannot be woken is stuck, and its pulse says so.
                let _ = thread.waker.wake();
                beats
            })
            .collect()
    }

    /// The open sessions, for whoever shows them.
    pub(crate) fn neighbors(&self) -> Arc<Neighbors> {
        Arc::clone(&self.house.neighbors)
    }

    /// Takes no more sessions, answers what is in flight for at most `patience`, and ends. A thread that
    /// is stuck is not waited for.
    #[must_use]
    pub fn drain(self, patience: Duration) -> Drained {
        let until = Instant::now() + patience;
        let _ = self.house.drain_until.set(until);
        let threads = || std::iter::once(&self.front).chain(&self.workers);
        for thread in threads() {
            // A thread that cannot be woken sees the drain at its next deadline.
            let _ = thread.waker.wake();
        }
        let until = until + STUCK_AFTER;
        let threads = std::iter::once(self.front).chain(self.workers);
        match threads.filter_map(|thread| (!thread.has_ended_by(until)).then_some(())).count() {
            0 => Drained::Whole,
            stuck => Drained::Stuck(stuck),
        }
    }
}

/// The thread that accepts.
struct Front {
    house: Arc<House>,
    poll: Poll,
    doors: Vec<Door>,
    hands: Vec<Hand>,
    next: usize,
}

/// Whether a listener has more to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Empty,
    /// The system refused; try again after a pause, since it will not say when it can.
    Stuck,
}

impl Front {
    fn new(house: Arc<House>, listeners: Vec<Listener>, hands: Vec<Hand>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut doors = Vec::new();
        for (number, listener) in listeners.into_iter().enumerate() {
            let mut door = Door::open(listener)?;
            poll.registry().register(&mut door, Token(number), Interest::READABLE)?;
            doors.push(door);
        }
        Ok(Self { house, poll, doors, hands, next: 0 })
    }

    fn run(mut self, pulse: &Pulse) {
        let mut events = Events::with_capacity(16);
        let mut pause = None;
        while self.house.drain_until().is_none() {
            pulse.beat();
            if let Err(fault) = self.poll.poll(&mut events, pause)
                && fault.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%fault, "the listener cannot wait for connections and ends");
                return;
            }
            let mut stuck = false;
            for door in 0..self.doors.len() {
                stuck |= self.accept_all(door) == Queue::Stuck;
            }
            pause = stuck.then_some(ACCEPT_PAUSE);
        }
    }

    fn accept_all(&mut self, door: usize) -> Queue {
        loop {
            let Some(open) = self.doors.get(door) else { return Queue::Empty };
            match open.accept() {
                Ok((socket, peer)) => self.take(socket, peer, door),
                Err(fault) => match fault.kind() {
                    io::ErrorKind::WouldBlock => return Queue::Empty,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        tracing::debug!(%fault, door, "the system refuses a connection");
                        return Queue::Stuck;
                    }
                },
            }
        }
    }

    fn take(&mut self, socket: Stream, peer: Peer, door: usize) {
        let refusals = &self.house.refusals;
        if !self.house.may_enter(door, &peer) {
            refusals.note(Refusal::Source, peer, None, "see `peers` in engine.conf");
            return;
        }
        let max = self.house.sessions.load(Ordering::Acquire).saturating_add(STRANGERS_MAX);
        let Some(place) = Seat::take(&self.house.connections, max) else {
            refusals.note(Refusal::Busy, peer, None, "too many connections are open");
            return;
        };
        let mut arrival = Arrival { socket, peer, door, place };
        for _ in 0..self.hands.len() {
            self.next = (self.next + 1) % self.hands.len();
            let Some(hand) = self.hands.get(self.next) else { break };
            match hand.arrivals.try_send(arrival) {
                Ok(()) => {
                    let _ = hand.waker.wake();
                    return;
                }
                Err(back) => {
                    arrival = match back {
                        std::sync::mpsc::TrySendError::Full(arrival)
                        | std::sync::mpsc::TrySendError::Disconnected(arrival) => arrival,
                    };
                }
            }
        }
        refusals.note(Refusal::Busy, peer, None, "all workers have more than they can take");
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
