//! One connection to one engine: TLS by hand, the proof, then frames both ways.
//!
//! Nothing here waits: reads and writes stop where the socket would block, and the caller polls.
//!
//! INVARIANT: no query is written before both sides have proved the key on this very connection.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_proto::handshake::EXPORTER_LABEL;
use eg_proto::limits::{IN_FLIGHT_MAX, KEEPALIVE_DEAD, KEEPALIVE_IDLE};
use eg_proto::session::{read_number, write_ping, write_pong};
use eg_proto::{
    Close, CloseReason, ConnectorHandshake, ConnectorProgress, FrameBuffer, FrameKind, Terms,
};
use rustls::{ClientConfig, ClientConnection};

use super::choice::Health;
use super::route::{Identity, LinkEvent, LinkFault};
use super::stream::Stream;
use super::tls;
use crate::config::EngineConfig;

/// Frames in the making keep this much memory between batches.
const OUT_BYTES_KEPT: usize = 64 * 1024;

/// Whether more may follow at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    More,
    Dry,
}

#[derive(Debug)]
enum Stage {
    Tls,
    Proof(ConnectorHandshake),
    Open,
}

/// What the silence of an engine may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without a byte, while it owes answers.
    pub(super) stalled: Duration,
    /// Without an answer, while it owes answers.
    pub(super) mute: Duration,
    /// Without an answer, before other engines are preferred and a ping asks after it.
    pub(super) late: Duration,
    /// From the first step to the welcome.
    pub(super) attempt: Duration,
}

/// A connection that is there.
#[derive(Debug)]
pub(super) struct Session {
    stream: Stream,
    tls: ClientConnection,
    frames: FrameBuffer,
    out: Vec<u8>,
    stage: Stage,
    keepalive: Duration,
    in_flight_max: usize,
    patience: Patience,
    heard_at: Instant,
    pinged_at: Option<Instant>,
    /// Since when bytes are owed; `None` while nothing is.
    owed_bytes: Option<Instant>,
    /// Since when answers are owed.
    owed_answers: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        stream: Stream,
        config: Arc<ClientConfig>,
        patience: Patience,
        now: Instant,
    ) -> Result<Self, LinkFault> {
        let mut tls = ClientConnection::new(config, tls::server_name())?;
        // Whoever writes queries stops where the socket takes no more, so one batch waits here at most.
        tls.set_buffer_limit(None);
        Ok(Self {
            stream,
            tls,
            frames: FrameBuffer::for_handshake(),
            out: Vec::new(),
            stage: Stage::Tls,
            keepalive: KEEPALIVE_IDLE,
            in_flight_max: 0,
            patience,
            heard_at: now,
            pinged_at: None,
            owed_bytes: None,
            owed_answers: None,
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// How many queries may be with the engine, 0 before the proof or while the socket is full.
    pub(super) fn may_ask(&self) -> usize {
        match self.stage {
            Stage::Tls | Stage::Proof(_) => 0,
            Stage::Open if self.tls.wants_write() => 0,
            Stage::Open => self.in_flight_max,
        }
    }

    /// Where frames are appended before `flush`.
    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Sends what is in `out` as far as the socket takes it.
    pub(super) fn flush(&mut self) -> Result<(), LinkFault> {
        if !self.out.is_empty() {
            self.tls.writer().write_all(&self.out).map_err(LinkFault::Lost)?;
            self.out.clear();
            self.out.shrink_to(OUT_BYTES_KEPT);
        }
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => break,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(LinkFault::Lost(fault)),
            }
        }
        Ok(())
    }

    /// Reads once. Call `next` until there is nothing, then `fill` again until it is dry.
    pub(super) fn fill(&mut self, now: Instant) -> Result<Filled, LinkFault> {
        match self.tls.reader().read(self.frames.spare()) {
            Ok(0) => return Err(LinkFault::Ended),
            Ok(count) => {
                self.frames.filled(count);
                return Ok(Filled::More);
            }
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
            Err(fault) => return Err(LinkFault::Lost(fault)),
        }
        match self.tls.read_tls(&mut self.stream) {
            Ok(0) => return Err(LinkFault::Ended),
            Ok(_) => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(Filled::Dry),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => return Ok(Filled::More),
            Err(fault) => return Err(LinkFault::Lost(fault)),
        }
        self.heard_at = now;
        self.pinged_at = None;
        self.owed_bytes = self.owed_bytes.map(|_| now);
        if let Err(fault) = self.tls.process_new_packets() {
            // The alert tells the engine why; whether it arrives no longer matters.
            drop(self.tls.write_tls(&mut self.stream));
            return Err(if tls::is_wrong_pin(&fault) {
                LinkFault::WrongPin
            } else {
                LinkFault::Tls(fault)
            });
        }
        Ok(Filled::More)
    }

    /// The next thing that the engine said.
    pub(super) fn next(
        &mut self,
        engine: &EngineConfig,
        identity: &Identity,
    ) -> Result<LinkEvent<'_>, LinkFault> {
        if matches!(self.stage, Stage::Tls) {
            if self.tls.is_handshaking() {
                return Ok(LinkEvent::Nothing);
            }
            self.stage = Stage::Proof(begin_proof(&self.tls, engine, identity, &mut self.out)?);
        }
        let Self { frames, out, stage, owed_answers, keepalive, in_flight_max, .. } = self;
        // The bound of frames grows with the proof, so it is set before the next head is read.
        if matches!(stage, Stage::Open) {
            frames.widen();
        }
        let Some(frame) = frames.next()? else { return Ok(LinkEvent::Nothing) };
        match stage {
            Stage::Tls => Ok(LinkEvent::Nothing),
            Stage::Proof(proof) => match proof.feed(frame, out)? {
                ConnectorProgress::Continue => Ok(LinkEvent::Handled),
                ConnectorProgress::Done(terms) => {
                    *keepalive = keepalive_of(&terms);
                    let agreed = terms.in_flight_max.min(IN_FLIGHT_MAX);
                    *in_flight_max = usize::try_from(agreed).unwrap_or_default();
                    *stage = Stage::Open;
                    Ok(LinkEvent::Up(terms))
                }
            },
            Stage::Open => match frame.kind {
                FrameKind::Answers => {
                    *owed_answers = None;
                    Ok(LinkEvent::Answers(frame.body))
                }
                FrameKind::Ping => {
                    write_pong(out, read_number(frame.body)?)?;
                    Ok(LinkEvent::Handled)
                }
                FrameKind::Pong => Ok(LinkEvent::Handled),
                FrameKind::Close => Err(LinkFault::Closed(Close::read(frame.body)?)),
                FrameKind::Hello
                | FrameKind::Challenge
                | FrameKind::Proof
                | FrameKind::Welcome
                | FrameKind::Refused
                | FrameKind::Report
                | FrameKind::Queries => Err(LinkFault::Unexpected(frame.kind)),
            },
        }
    }

    /// Notes what the engine owes, best at once after it was asked. `owed` says how many answers;
    /// those count too that nobody waits for any more.
    pub(super) fn owe(&mut self, now: Instant, owed: usize) {
        if owed > 0 {
            self.owed_bytes.get_or_insert(now);
            self.owed_answers.get_or_insert(now);
        } else {
            self.owed_bytes = None;
            self.owed_answers = None;
        }
    }

    /// Whether the engine answers what it is asked.
    pub(super) fn health(&self, now: Instant) -> Health {
        match self.late_at() {
            Some(late) if late <= now => Health::Late,
            Some(_) | None => Health::Well,
        }
    }

    fn late_at(&self) -> Option<Instant> {
        self.owed_answers.map(|since| since + self.patience.late)
    }

    /// Keeps the link alive and notices when it is dead.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), LinkFault> {
        if matches!(self.stage, Stage::Tls | Stage::Proof(_)) {
            return Ok(());
        }
        let silent = now.saturating_duration_since(self.heard_at);
        if silent >= self.dead_after() {
            return Err(LinkFault::Silent(silent));
        }
        for (since, patience) in
            [(self.owed_bytes, self.patience.stalled), (self.owed_answers, self.patience.mute)]
        {
            if let Some(since) = since
                && now.saturating_duration_since(since) >= patience
            {
                return Err(LinkFault::Silent(now.saturating_duration_since(since)));
            }
        }
        if self.ping_at().is_some_and(|at| at <= now) {
            self.pinged_at = Some(now);
            write_ping(&mut self.out, 0)?;
        }
        Ok(())
    }

    /// When `tick` has something to do.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        if matches!(self.stage, Stage::Tls | Stage::Proof(_)) {
            return None;
        }
        let dead = Some(self.heard_at + self.dead_after());
        let stalled = self.owed_bytes.map(|since| since + self.patience.stalled);
        let mute = self.owed_answers.map(|since| since + self.patience.mute);
        // Once it is late there is nothing more to do about it but to wait for an answer.
        let late = self.late_at().filter(|late| *late > now);
        [dead, stalled, mute, late, self.ping_at()].into_iter().flatten().min()
    }

    fn ping_at(&self) -> Option<Instant> {
        if self.pinged_at.is_some() {
            return None;
        }
        let idle = self.heard_at + self.keepalive;
        let nudge = self.owed_bytes.map(|since| since + self.patience.late);
        Some(nudge.map_or(idle, |nudge| nudge.min(idle)))
    }

    const fn dead_after(&self) -> Duration {
        self.keepalive.saturating_mul(3)
    }

    /// Says why and that it ends, as far as the socket takes it.
    pub(super) fn close(mut self, reason: CloseReason, text: &str) {
        self.out.clear();
        let close = Close { reason, text: text.to_owned() };
        if matches!(self.stage, Stage::Open) && close.write(&mut self.out).is_ok() {
            // A farewell is a courtesy: the link is over whether it arrives or not.
            drop(self.flush());
        }
        self.tls.send_close_notify();
        drop(self.flush());
    }
}

fn keepalive_of(terms: &Terms) -> Duration {
    let wanted = Duration::from_millis(u64::from(terms.keepalive_ms));
    wanted.clamp(Duration::from_millis(100), KEEPALIVE_DEAD)
}

fn begin_proof(
    tls: &ClientConnection,
    engine: &EngineConfig,
    identity: &Identity,
    out: &mut Vec<u8>,
) -> Result<ConnectorHandshake, LinkFault> {
    let exporter = tls.export_keying_material([0_u8; 32], EXPORTER_LABEL, None)?;
    let mut nonce = [0_u8; 32];
    getrandom::fill(&mut nonce)
        .map_err(|fault| LinkFault::Connect(io::Error::other(fault.to_string())))?;
    let Identity { connector, run, inspect } = identity;
    Ok(ConnectorHandshake::start(&engine.key, connector, *run, *inspect, nonce, exporter, out)?)
}
