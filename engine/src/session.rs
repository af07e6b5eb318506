//! One connector session: the proof, then batches in and batches out, keepalive, the end.
//!
//! INVARIANT: an answer goes into the output only after its batch's entries went to the trail, and a
//! session reads nothing while its peer leaves answers lying.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use eg_proto::limits::{HANDSHAKE_TIMEOUT, KEEPALIVE_DEAD, KEEPALIVE_IDLE};
use eg_proto::session::{read_number, write_ping, write_pong};
use eg_proto::{
    Answer, AnswerWriter, BadQuery, Close, CloseReason, Frame, FrameFault, FrameKind,
    HandshakeFault, Pushed, RefusedReason, Report, queries,
};

use crate::answer::{Desk, answer, answer_unreadable};
use crate::handshake::{AuthenticPeer, Door, Proving};
use crate::link::{Flushed, Link, LinkFault, OUT_BYTES_MAX, Received};
use crate::listener::{House, Seat};
use crate::neighbors::{BatchTally, Entry};
use crate::refusals::Refusal;
use crate::transport::Peer;
use crate::view::{View, now};

/// How long a connection that we ended may take to read our last words.
const LINGER: Duration = Duration::from_secs(1);

/// A drained session that asks nothing for so long has nothing in flight: a connector that heard the
/// farewell stops asking, and what it had sent before is here within a few round trips.
const DRAIN_QUIET: Duration = Duration::from_millis(250);

/// How long a session stays open after its farewell at most, for a peer that does not heed it: as long as
/// the engine's own end takes.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// What a worker lends to the session whose turn it is.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) desk: Desk,
    pub(crate) chunk: Vec<u8>,
    /// The revision that the scratch fits.
    pub(crate) fitted: u64,
    /// The number of the worker.
    pub(crate) worker: usize,
}

/// Whose turn is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing to do until the socket says something.
    Idle,
    /// There may be more to read; others first.
    More,
    /// The connection is over; forget it.
    Over,
}

#[derive(Debug)]
enum Stage {
    /// TLS is being made.
    Connecting,
    /// The mutual proof.
    Proving(Box<Proving>),
    /// Queries and answers.
    Open(Box<Seated>),
    /// Last words are on their way.
    Ending { since: Instant },
}

/// A peer and its place among the sessions.
#[derive(Debug)]
struct Seated {
    peer: AuthenticPeer,
    /// As operators see it.
    entry: Entry,
    _seat: Seat,
}

/// How a session ends.
#[derive(Debug)]
enum End {
    /// The peer is gone.
    Gone,
    /// The peer said farewell, or we have nothing more to do.
    Done,
    /// The peer is at fault. The farewell, where there is one, is yet to be written.
    Fault { refusal: Refusal, detail: String, farewell: Option<CloseReason> },
}

impl From<LinkFault> for End {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::Socket(_) => Self::Gone,
            LinkFault::Tls(_) => {
                Self::Fault { refusal: Refusal::Tls, detail: fault.to_string(), farewell: None }
            }
            LinkFault::Frame(fault) => fault.into(),
        }
    }
}

impl From<FrameFault> for End {
    fn from(fault: FrameFault) -> Self {
        Self::Fault {
            refusal: Refusal::Broken,
            detail: fault.to_string(),
            farewell: Some(CloseReason::Broken),
        }
    }
}

impl From<HandshakeFault> for End {
    fn from(fault: HandshakeFault) -> Self {
        let detail = fault.to_string();
        let reason = match fault {
            HandshakeFault::Refused { reason, .. } => reason,
            HandshakeFault::EngineUnproven
            | HandshakeFault::Version(_)
            | HandshakeFault::Malformed
            | HandshakeFault::Terms(_)
            | HandshakeFault::Frame(_) => RefusedReason::Malformed,
        };
        // The refusal itself is in the output already.
        Self::Fault { refusal: Refusal::Handshake(reason), detail, farewell: None }
    }
}

/// One connection and what it has become.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: Link,
    stage: Stage,
    peer: Peer,
    door: usize,
    number: u64,
    began: Instant,
    heard: Instant,
    pinged: Option<Instant>,
    drained: Option<Instant>,
    _place: Seat,
}

impl Session {
    /// A connection that was let in by `door`; `place` is its place among the connections.
    pub(crate) fn new(
        link: Link,
        (peer, door): (Peer, usize),
        number: u64,
        at: Instant,
        place: Seat,
    ) -> Self {
        Self {
            link,
            stage: Stage::Connecting,
            peer,
            door,
            number,
            began: at,
            heard: at,
            pinged: None,
            drained: None,
            _place: place,
        }
    }

    /// Does one share of work: sends what waits, reads a chunk, answers what is in it.
    pub(crate) fn turn(&mut self, bench: &mut Bench, house: &House, at: Instant) -> Turn {
        if matches!(self.stage, Stage::Ending { .. }) {
            return self.linger(&mut bench.chunk);
        }
        match self.work(bench, house, at) {
            Ok(turn) => turn,
            Err(end) => self.end(end, house, at),
        }
    }

    fn work(&mut self, bench: &mut Bench, house: &House, at: Instant) -> Result<Turn, End> {
        self.flush(at)?;
        if self.link.backlog() > OUT_BYTES_MAX {
            return Ok(Turn::Idle);
        }
        let mut chunk = std::mem::take(&mut bench.chunk);
        let stage = &mut self.stage;
        let ticket = Ticket { peer: self.peer, door: self.door, number: self.number };
        let received =
            self.link.receive(&mut chunk, |link| take_frames(link, stage, &ticket, bench, house));
        bench.chunk = chunk;
        match received? {
            Received::Nothing => Ok(Turn::Idle),
            Received::Ended => {
                // What came just before the end is answered, for a peer that closed one side only.
                self.flush(at)?;
                Err(End::Gone)
            }
            Received::Bytes => {
                self.heard = at;
                self.pinged = None;
                if let Stage::Open(seated) = &self.stage {
                    seated.entry.hear(at);
                }
                self.flush(at)?;
                Ok(Turn::More)
            }
        }
    }

    fn flush(&mut self, at: Instant) -> Result<(), End> {
        let waiting = self.link.backlog() > OUT_BYTES_MAX;
        let flushed = self.link.flush()?;
        // A peer that reads its answers slowly is alive, though nothing is read from it meanwhile.
        if waiting && flushed != Flushed::Stuck {
            self.heard = at;
        }
        Ok(())
    }

    /// When [`Self::tick`] has something to do at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        match (&self.stage, self.drained, self.pinged) {
            (Stage::Ending { since }, _, _) => *since + LINGER,
            (Stage::Connecting | Stage::Proving(_), _, _) => self.began + HANDSHAKE_TIMEOUT,
            (Stage::Open(_), Some(drained), _) => {
                (self.heard.max(drained) + DRAIN_QUIET).min(drained + FAREWELL_MAX)
            }
            (Stage::Open(_), None, Some(_)) => self.heard + KEEPALIVE_DEAD,
            (Stage::Open(_), None, None) => self.heard + KEEPALIVE_IDLE,
        }
    }

    /// Looks at the clock.
    pub(crate) fn tick(&mut self, house: &House, at: Instant) -> Turn {
        if at < self.deadline() {
            return Turn::Idle;
        }
        let end = match &self.stage {
            Stage::Ending { .. } => return Turn::Over,
            Stage::Connecting | Stage::Proving(_) => {
                fault(Refusal::Slow, "the handshake took longer than it may", CloseReason::Silent)
            }
            Stage::Open(_) if self.drained.is_some() => {
                let patient = self.drained.is_some_and(|drained| at < drained + FAREWELL_MAX);
                if patient && !self.link.is_flushed() {
                    // The end of the patience cuts a peer that does not read.
                    self.heard = at;
                    return Turn::Idle;
                }
                End::Done
            }
            Stage::Open(_) if self.pinged.is_some() => fault(
                Refusal::Silent,
                "nothing was heard for too long, or answers were not read",
                CloseReason::Silent,
            ),
            Stage::Open(_) => match self.ping(at) {
                Ok(()) => return Turn::Idle,
                Err(end) => end,
            },
        };
        self.end(end, house, at)
    }

    fn ping(&mut self, at: Instant) -> Result<(), End> {
        self.pinged = Some(at);
        write_ping(self.link.out(), self.number)?;
        self.flush(at)
    }

    /// Tells the peer to go elsewhere; what it has in flight is still answered.
    pub(crate) fn drain(&mut self, house: &House, at: Instant) -> Turn {
        self.see_off(house, at, (CloseReason::Draining, "the engine is ending"))
    }

    /// Whether an operator wants it to end.
    pub(crate) fn is_torn(&self) -> bool {
        match &self.stage {
            Stage::Open(seated) => seated.entry.is_torn() && self.drained.is_none(),
            Stage::Connecting | Stage::Proving(_) | Stage::Ending { .. } => false,
        }
    }

    /// Tells the peer that this session ends; what it has in flight is still answered.
    pub(crate) fn tear_down(&mut self, house: &House, at: Instant) -> Turn {
        self.see_off(house, at, (CloseReason::Teardown, "an operator ends this session"))
    }

    fn see_off(&mut self, house: &House, at: Instant, (reason, text): (CloseReason, &str)) -> Turn {
        let said = match self.stage {
            Stage::Ending { .. } => return Turn::Idle,
            Stage::Connecting | Stage::Proving(_) => Err(End::Done),
            Stage::Open(_) => {
                self.drained = Some(at);
                say(self.link.out(), reason, text).map_err(End::from).and_then(|()| self.flush(at))
            }
        };
        match said {
            Ok(()) => Turn::More,
            Err(end) => self.end(end, house, at),
        }
    }

    /// Speaks the last words; they go out in the turns to come.
    fn end(&mut self, end: End, house: &House, at: Instant) -> Turn {
        self.log_end(&end, house);
        match end {
            End::Gone => return Turn::Over,
            End::Done => {}
            End::Fault { detail, farewell, .. } => {
                if let (Some(reason), Some(_)) = (farewell, self.link.tls_up()) {
                    // A farewell that cannot be written changes nothing: the connection ends.
                    let _ = say(self.link.out(), reason, &detail);
                }
            }
        }
        self.link.end_tls();
        self.stage = Stage::Ending { since: at };
        Turn::More
    }

    fn log_end(&self, end: &End, house: &House) {
        let connector = match &self.stage {
            Stage::Open(seated) => Some(seated.peer.connector()),
            Stage::Proving(proving) => proving.claimed(),
            Stage::Connecting | Stage::Ending { .. } => None,
        };
        let connector = connector.map(eg_proto::ConnectorName::as_str);
        if let End::Fault { refusal, detail, .. } = end {
            house.refusals.note(*refusal, self.peer, connector, detail);
        }
        if let (Stage::Open(seated), Some(connector)) = (&self.stage, connector) {
            let (peer, session) = (seated.peer.peer(), seated.peer.session());
            tracing::info!(connector, %peer, session, "connector disconnected");
        }
    }

    /// Sends the last words, then waits for the peer to close, so that it can read them.
    fn linger(&mut self, chunk: &mut [u8]) -> Turn {
        if self.link.flush().is_err() {
            return Turn::Over;
        }
        if self.link.is_flushed() {
            // Repeating it does no harm, and a failure means that the peer is gone.
            if self.link.socket.shutdown(Shutdown::Write).is_err() {
                return Turn::Over;
            }
        }
        match self.link.discard(chunk) {
            Received::Ended => Turn::Over,
            Received::Bytes => Turn::More,
            Received::Nothing => Turn::Idle,
        }
    }
}

/// What identifies a connection to the frames that come over it.
struct Ticket {
    peer: Peer,
    door: usize,
    number: u64,
}

fn fault(refusal: Refusal, detail: &str, farewell: CloseReason) -> End {
    End::Fault { refusal, detail: detail.to_owned(), farewell: Some(farewell) }
}

fn say(out: &mut Vec<u8>, reason: CloseReason, text: &str) -> Result<(), FrameFault> {
    Close { reason, text: text.to_owned() }.write(out)
}

/// Takes every whole frame that the link holds.
fn take_frames(
    link: &mut Link,
    stage: &mut Stage,
    ticket: &Ticket,
    bench: &mut Bench,
    house: &House,
) -> Result<(), End> {
    if matches!(stage, Stage::Connecting) {
        let Some(tls) = link.tls_up() else { return Ok(()) };
        let proving = Proving::begin(tls).map_err(|reason| End::Fault {
            refusal: Refusal::Tls,
            detail: reason.to_string(),
            farewell: None,
        })?;
        *stage = Stage::Proving(Box::new(proving));
    }
    while let Some((frame, out)) = link.next_frame()? {
        match stage {
            Stage::Connecting | Stage::Ending { .. } => return Ok(()),
            Stage::Open(seated) => take_frame(frame, out, seated, bench, house)?,
            Stage::Proving(proving) => {
                let door = Door {
                    guests: house.guests(ticket.door),
                    peer: ticket.peer,
                    vacancy: house.vacancy(),
                    portal: &house.portal,
                    tokens: &house.tokens,
                    version: &house.version,
                };
                if let Some(peer) = proving.feed(frame, &door, ticket.number, out)? {
                    *stage = Stage::Open(Box::new(seat(peer, house, bench.worker)?));
                    link.widen();
                }
            }
        }
    }
    Ok(())
}

/// Gives a proven peer its place.
fn seat(peer: AuthenticPeer, house: &House, worker: usize) -> Result<Seated, End> {
    let full = Refusal::Handshake(RefusedReason::SessionLimit);
    let seat = house.take_seat().ok_or_else(|| {
        fault(full, RefusedReason::SessionLimit.sentence(), CloseReason::Teardown)
    })?;
    let (connector, from) = (peer.connector().as_str(), peer.peer());
    tracing::info!(connector, peer = %from, session = peer.session(), "connector connected");
    let who = (peer.connector().clone(), from, peer.inspect());
    let entry = house.neighbors.enter(peer.session(), who, worker);
    Ok(Seated { peer, entry, _seat: seat })
}

/// Takes one frame of a peer that has proved itself.
fn take_frame(
    frame: Frame<'_>,
    out: &mut Vec<u8>,
    seated: &Seated,
    bench: &mut Bench,
    house: &House,
) -> Result<(), End> {
    match frame.kind {
        FrameKind::Queries => answer_batch(frame.body, out, seated, bench, house),
        FrameKind::Ping => Ok(write_pong(out, read_number(frame.body)?)?),
        FrameKind::Pong => Ok(()),
        FrameKind::Report => {
            let report = Report::read(frame.body)?;
            let fallbacks: u64 = report.fallbacks_used.iter().map(|(_, count)| count).sum();
            let Report { asked_again, late, .. } = report;
            let connector = seated.peer.connector().as_str();
            tracing::info!(connector, fallbacks, asked_again, late, "what a connector did alone");
            Ok(())
        }
        FrameKind::Close => Err(End::Done),
        FrameKind::Hello
        | FrameKind::Challenge
        | FrameKind::Proof
        | FrameKind::Welcome
        | FrameKind::Refused
        | FrameKind::Answers => Err(fault(
            Refusal::Broken,
            "a frame came that does not belong into an open session",
            CloseReason::Unexpected,
        )),
    }
}

/// Answers a batch: one view, each query, the trail, then the answers.
fn answer_batch(
    body: &[u8],
    out: &mut Vec<u8>,
    seated: &Seated,
    bench: &mut Bench,
    house: &House,
) -> Result<(), End> {
    let received = Instant::now();
    let published = house.live.load();
    if bench.fitted != published.revision() {
        bench.desk.scratch.fit(published.ruleset());
        bench.fitted = published.revision();
    }
    let view = published.view(now());
    let mut tally = BatchTally::default();
    let desk = &mut bench.desk;
    let written = write_answers(body, out, (&seated.peer, &mut tally), desk, (&view, received));
    desk.recorder.commit();
    seated.entry.batch(&tally, received.elapsed());
    written
}

fn write_answers(
    body: &[u8],
    out: &mut Vec<u8>,
    (peer, tally): (&AuthenticPeer, &mut BatchTally),
    desk: &mut Desk,
    (view, received): (&View<'_>, Instant),
) -> Result<(), End> {
    let mut unreadable = Ok(());
    let mut writer = AnswerWriter::begin(&mut *out);
    for item in queries(body)? {
        let (answer, recorded) = match item {
            Ok(query) => answer(view, desk, peer, &query, received),
            Err(BadQuery { id: Some(id), .. }) => answer_unreadable(view, desk, peer, id, received),
            Err(bad) => {
                unreadable = Err(fault(Refusal::Broken, &bad.to_string(), CloseReason::Broken));
                continue;
            }
        };
        tally.count(recorded.verdict().action);
        if push(&mut writer, &answer)? == Pushed::Full {
            writer.finish()?;
            writer = AnswerWriter::begin(&mut *out);
            push(&mut writer, &answer)?;
        }
    }
    writer.finish()?;
    unreadable
}

/// Appends an answer. Tokens are made within the wire's bounds, so a field that is too long cannot
/// be; if it is, the session ends rather than leave a query without its answer.
fn push(writer: &mut AnswerWriter<'_>, answer: &Answer<'_>) -> Result<Pushed, End> {
    writer
        .push(answer)
        .map_err(|too_long| fault(Refusal::Broken, &too_long.to_string(), CloseReason::Broken))
}
