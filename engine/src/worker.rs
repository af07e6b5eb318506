//! A worker thread: one readiness loop that owns its sessions (ADR 0013).
//!
//! Sessions take turns, a chunk of input each, so that a busy one cannot starve the others. Nothing
//! here waits for a disk, a lock or another thread, but for a batch that is held back while the
//! audit queue is full.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use eg_policy::decide::Scratch;
use eg_policy::uri::UriBuffer;
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConnection;

use crate::answer::Desk;
use crate::link::{CHUNK_BYTES, Link};
use crate::listener::{House, Pulse, Seat};
use crate::neighbors::Torn;
use crate::session::{Bench, Session, Turn};
use crate::transport::{Peer, Stream};

/// What a waker says; sessions have the numbers of their slots.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Events taken from the system at a time.
const EVENTS: usize = 256;

/// How long a worker sleeps when no session has a deadline.
const IDLE: Duration = Duration::from_secs(60);

/// A connection that was let in, on its way to a worker.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) socket: Stream,
    pub(crate) peer: Peer,
    pub(crate) door: usize,
    pub(crate) place: Seat,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    queue: Queue,
}

/// Whether a session stands in the queue for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Waiting,
    Absent,
}

/// One worker.
pub(crate) struct Worker {
    house: Arc<House>,
    poll: Poll,
    inbox: Receiver<Arrival>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    turns: VecDeque<usize>,
    bench: Bench,
    /// When a session may have something to do by the clock; never later than that.
    check_at: Instant,
    drain: Drain,
    /// Whether operators want sessions of this worker to end.
    torn: Arc<Torn>,
}

/// Whether the sessions have been told that the engine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    Serving,
    Until(Instant),
}

impl Worker {
    pub(crate) fn new(
        house: Arc<House>,
        poll: Poll,
        inbox: Receiver<Arrival>,
        (number, torn): (usize, Arc<Torn>),
    ) -> io::Result<Self> {
        let published = house.live.load();
        let (tags, told) = house.portal.tags()?;
        let desk = Desk {
            scratch: Scratch::new(published.ruleset()),
            uri: UriBuffer::default(),
            sni: String::new(),
            recorder: house.audit.recorder(house.portal.redirect_status()),
            portal: house.portal.link()?,
            tags,
            told,
            shadow: house.shadow.post(),
        };
        let (chunk, fitted) = (vec![0; CHUNK_BYTES], published.revision());
        let bench = Bench { desk, chunk, fitted, worker: number };
        drop(published);
        Ok(Self {
            house,
            poll,
            inbox,
            slots: Vec::new(),
            free: Vec::new(),
            turns: VecDeque::new(),
            bench,
            check_at: Instant::now() + IDLE,
            drain: Drain::Serving,
            torn,
        })
    }

    /// Serves until the engine is drained.
    pub(crate) fn run(mut self, pulse: &Pulse) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            pulse.beat();
            let asleep = if self.turns.is_empty() {
                self.check_at.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            if let Err(fault) = self.poll.poll(&mut events, Some(asleep))
                && fault.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%fault, "a worker cannot wait for its sockets and ends");
                return;
            }
            let at = Instant::now();
            for event in &events {
                if event.token() != WAKER {
                    self.enqueue(event.token().0);
                }
            }
            self.take_arrivals(at);
            self.begin_drain(at);
            self.tear_down(at);
            self.take_turns(at);
            self.check_clock(at);
            if self.is_done(at) {
                return;
            }
        }
    }

    fn enqueue(&mut self, number: usize) {
        if let Some(Some(slot)) = self.slots.get_mut(number)
            && slot.queue == Queue::Absent
        {
            slot.queue = Queue::Waiting;
            self.turns.push_back(number);
        }
    }

    fn take_arrivals(&mut self, at: Instant) {
        while let Ok(arrival) = self.inbox.try_recv() {
            match self.admit(arrival, at) {
                Ok(number) => self.enqueue(number),
                Err(fault) => tracing::warn!(%fault, "a connection cannot be served"),
            }
        }
    }

    fn admit(&mut self, arrival: Arrival, at: Instant) -> io::Result<usize> {
        let Arrival { socket, peer, door, place } = arrival;
        let tls = ServerConnection::new(Arc::clone(&self.house.tls)).map_err(io::Error::other)?;
        let link = Link::new(socket, tls);
        let number = self.house.next_session();
        let mut session = Session::new(link, (peer, door), number, at, place);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(fault) =
            self.poll.registry().register(&mut session.link.socket, Token(slot), interest)
        {
            self.free.push(slot);
            return Err(fault);
        }
        self.check_at = self.check_at.min(session.deadline());
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Slot { session, queue: Queue::Absent });
        }
        Ok(slot)
    }

    /// Gives each session that waits one turn.
    fn take_turns(&mut self, at: Instant) {
        for _ in 0..self.turns.len() {
            let Some(number) = self.turns.pop_front() else { return };
            let Some(Some(slot)) = self.slots.get_mut(number) else { continue };
            slot.queue = Queue::Absent;
            let turn = slot.session.turn(&mut self.bench, &self.house, at);
            self.after(number, turn);
        }
    }

    fn after(&mut self, number: usize, turn: Turn) {
        let Some(Some(slot)) = self.slots.get(number) else { return };
        match turn {
            Turn::Idle => self.check_at = self.check_at.min(slot.session.deadline()),
            Turn::More => {
                self.check_at = self.check_at.min(slot.session.deadline());
                self.enqueue(number);
            }
            Turn::Over => self.forget(number),
        }
    }

    fn forget(&mut self, number: usize) {
        if let Some(mut slot) = self.slots.get_mut(number).and_then(Option::take) {
            // Closing the socket takes it out of the poll anyway.
            let _ = self.poll.registry().deregister(&mut slot.session.link.socket);
            self.free.push(number);
        }
    }

    fn check_clock(&mut self, at: Instant) {
        if at < self.check_at {
            return;
        }
        self.check_at = at + IDLE;
        for number in 0..self.slots.len() {
            let Some(Some(slot)) = self.slots.get_mut(number) else { continue };
            let turn = slot.session.tick(&self.house, at);
            self.after(number, turn);
        }
    }

    fn begin_drain(&mut self, at: Instant) {
        let (Drain::Serving, Some(until)) = (self.drain, self.house.drain_until()) else { return };
        self.drain = Drain::Until(until);
        self.check_at = self.check_at.min(until);
        for number in 0..self.slots.len() {
            let Some(Some(slot)) = self.slots.get_mut(number) else { continue };
            let turn = slot.session.drain(&self.house, at);
            self.after(number, turn);
        }
    }

    /// Says farewell to the sessions that operators want to end.
    fn tear_down(&mut self, at: Instant) {
        if !self.torn.take() {
            return;
        }
        for number in 0..self.slots.len() {
            let Some(Some(slot)) = self.slots.get_mut(number) else { continue };
            if slot.session.is_torn() {
                let turn = slot.session.tear_down(&self.house, at);
                self.after(number, turn);
            }
        }
    }

    fn is_done(&mut self, at: Instant) -> bool {
        match self.drain {
            Drain::Serving => false,
            Drain::Until(until) => {
                self.check_at = self.check_at.min(until);
                at >= until || self.free.len() == self.slots.len()
            }
        }
    }
}
