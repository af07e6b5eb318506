//! Lines in, one batch out; answers in any order, each to the line that it belongs to.
//!
//! Pure: bytes and the time come in, bytes go out; `run` moves them. Left out on purpose: sockets
//! and the choice of an engine (`link`).
//!
//! INVARIANT: every line whose channel-ID can be read gets exactly one answer, within its deadline,
//! and no answer ever goes to another line's channel-ID.

use std::time::{Duration, Instant};

use eg_proto::{FailureCause, FrameFault, Pushed, QueryWriter, Report, Terms};

use crate::fallback::{CauseCounts, Fallback};
use crate::helper::{BadLine, Channel, Question, split_channel};
use crate::inflight::{InFlight, Removed, Stage};
use crate::ledger::{Ledger, Leftover};
use crate::lines::{Line, LineBuffer};
use crate::link::{LinkNumber, LinkSet, Load, ask_again_after};
use crate::role::Role;

/// Answers in the making keep this much memory between batches.
const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// A frame of queries ends where it has so many bytes: more than a busy round has, and little enough
/// that what waits for the sockets of all engines together stays small.
const FRAME_BYTES_ENOUGH: usize = 128 * 1024;

/// Which form Squid's lines have; the first good one tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    Numbered,
    Plain,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Lines read, good or bad.
    pub lines: u64,
    /// Lines that are no request.
    pub bad_lines: u64,
    /// Bad lines without a channel-ID to answer to.
    pub unanswerable: u64,
    /// Lines whose channel-ID was outstanding already.
    pub repeated: u64,
    /// Answers of the engine passed on.
    pub answers: u64,
    /// Answers that nobody waited for any more, or ever.
    pub late: u64,
    /// Answers that could not be read or told to Squid.
    pub broken: u64,
    /// Requests asked a second time, after a loss or a wait.
    pub asked_again: u64,
    /// Those of them that were asked of another engine while the first still had them.
    pub hedged: u64,
    /// Answers to requests that another engine had answered before.
    pub second: u64,
    /// Answers given without an engine.
    pub fallbacks: CauseCounts,
}

/// The way of a request through the connector.
#[derive(Debug)]
pub struct Pipeline {
    lines: LineBuffer,
    desk: Desk,
}

/// All but the input, so that a line can be borrowed while it is worked on.
#[derive(Debug)]
struct Desk {
    table: InFlight,
    role: Role,
    fallback: Fallback,
    answer_timeout: Duration,
    form: Form,
    ledger: Ledger,
    ask_again_after: Duration,
    /// The engine whose portal is known to `role`.
    portal_of: Option<LinkNumber>,
    /// The old form has no channel-IDs: the next line waits for the answer to this one.
    only: Option<u64>,
    scratch: Question,
    out: Vec<u8>,
    counters: Counters,
    reported: Counters,
}

impl Pipeline {
    /// Nothing is outstanding and no engine is known.
    #[must_use]
    pub fn new(role: Role, answer_timeout: Duration) -> Self {
        Self {
            lines: LineBuffer::default(),
            desk: Desk {
                table: InFlight::default(),
                fallback: Fallback::new(role.alone()),
                role,
                answer_timeout,
                form: Form::Unknown,
                ledger: Ledger::default(),
                ask_again_after: ask_again_after(answer_timeout),
                portal_of: None,
                only: None,
                scratch: Question::default(),
                out: Vec::new(),
                counters: Counters::default(),
                reported: Counters::default(),
            },
        }
    }

    /// Whether more of Squid's bytes may be read.
    #[must_use]
    pub const fn wants_input(&self) -> bool {
        self.desk.has_room()
    }

    /// Where Squid's next bytes go.
    pub fn input(&mut self) -> &mut [u8] {
        self.lines.spare()
    }

    /// So many bytes were written to `input`: takes all lines for which there is room.
    pub fn take_input(&mut self, count: usize, now: Instant) {
        self.lines.filled(count);
        self.take_lines(now);
    }

    /// Takes lines that were read before and had no room.
    pub fn take_lines(&mut self, now: Instant) {
        while self.desk.has_room() {
            let Some(line) = self.lines.next() else { return };
            self.desk.take_line(line, now);
        }
    }

    /// The input has ended: its last, unfinished line is refused. Call when no line is left to take.
    pub fn end_input(&mut self, now: Instant) {
        if let Some(line) = self.lines.finish() {
            self.desk.take_line(line, now);
        }
    }

    /// Appends what has not been asked yet as a frame of queries to this link's engine, of which at
    /// most `asked_max` may be with it. Call it again while it appends something and the socket takes
    /// more.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn write_queries(
        &mut self,
        link: LinkNumber,
        out: &mut Vec<u8>,
        asked_max: usize,
        now: Instant,
    ) -> Result<(), FrameFault> {
        self.desk.write_queries(link, out, asked_max, now)
    }

    /// Appends a frame of what other engines leave without an answer for too long; call it again as
    /// `write_queries`.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn write_again(
        &mut self,
        link: LinkNumber,
        out: &mut Vec<u8>,
        asked_max: usize,
        now: Instant,
    ) -> Result<(), FrameFault> {
        self.desk.write_again(link, out, asked_max, now)
    }

    /// How many more queries a link takes, where at most `asked_max` may be with its engine.
    #[must_use]
    pub fn room(&self, link: LinkNumber, asked_max: usize) -> usize {
        self.desk.ledger.room(link, asked_max)
    }

    /// What is due for another engine has been offered to all: it waits for the next link.
    pub fn park(&mut self, now: Instant) {
        if let Some(before) = now.checked_sub(self.desk.ask_again_after) {
            self.desk.table.park(before);
        }
    }

    /// What was parked may be offered again.
    pub fn recall(&mut self) {
        self.desk.table.recall();
    }

    /// When a question is due for another engine.
    #[must_use]
    pub fn next_again(&self) -> Option<Instant> {
        self.desk.table.asked_first().map(|asked_at| asked_at + self.desk.ask_again_after)
    }

    /// An engine is there: takes its terms, and says what it is to be told first.
    pub fn link_up(&mut self, link: LinkNumber, terms: &Terms) -> Report {
        self.desk.link_up(link, terms)
    }

    /// The engine is gone: what it alone was asked will be asked again.
    pub fn link_down(&mut self, link: LinkNumber) {
        self.desk.ledger.close(link);
        let again = self.desk.table.unsend(link);
        let again = u64::try_from(again).unwrap_or(u64::MAX);
        self.desk.counters.asked_again = self.desk.counters.asked_again.saturating_add(again);
    }

    /// The links that are known to be up.
    #[must_use]
    pub const fn linked(&self) -> LinkSet {
        self.desk.ledger.up()
    }

    /// Takes the body of a frame of answers.
    ///
    /// # Errors
    /// When the body is no batch; the link cannot be trusted any more.
    pub fn take_answers(&mut self, link: LinkNumber, body: &[u8]) -> Result<(), FrameFault> {
        self.desk.take_answers(link, body)
    }

    /// Answers everything whose time is up.
    pub fn expire(&mut self, now: Instant) {
        self.desk.expire(now);
    }

    /// When the next request expires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.desk.table.oldest().map(|(_, deadline)| deadline)
    }

    /// How many requests Squid waits for.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.desk.table.outstanding()
    }

    /// What the links have to know of the work.
    #[must_use]
    pub fn load(&self) -> Load {
        self.desk.ledger.load(self.outstanding())
    }

    /// The answers to write; `written` clears them.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.desk.out
    }

    /// All of `output` has been written.
    pub fn written(&mut self) {
        self.desk.out.clear();
        self.desk.out.shrink_to(OUTPUT_BYTES_KEPT);
    }

    /// What happened since the start.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        Counters { fallbacks: self.desk.fallback.total(), ..self.desk.counters }
    }
}

impl Desk {
    const fn has_room(&self) -> bool {
        self.table.has_room() && self.only.is_none()
    }

    fn take_line(&mut self, line: Line<'_>, now: Instant) {
        self.counters.lines = self.counters.lines.saturating_add(1);
        let (bytes, fault) = match line {
            Line::Whole(bytes) => (bytes, None),
            Line::Overlong(front) => (front, Some(BadLine::Overlong)),
            Line::Unfinished(rest) => (rest, Some(BadLine::Unfinished)),
        };
        let (id, rest) = split_channel(bytes);
        let read = fault.map_or_else(|| self.role.read(&mut self.scratch, rest), Err);
        let channel = match (id, self.form) {
            (Some(id), Form::Unknown | Form::Numbered | Form::Plain) => Channel::Numbered(id),
            (None, Form::Unknown | Form::Plain) => Channel::Only,
            // An answer without channel-ID could be taken for another line's.
            (None, Form::Numbered) => return self.drop_line(BadLine::Mixed),
        };
        if let Some(first) = id.and_then(|id| self.table.of_channel(id)) {
            return self.refuse_repeated(first);
        }
        match (read, channel, self.form) {
            (Ok(()), _, _) => {
                self.form = match channel {
                    Channel::Numbered(_) => Form::Numbered,
                    Channel::Only => Form::Plain,
                };
                self.table.insert(channel, now + self.answer_timeout, &mut self.scratch);
                self.only = match channel {
                    Channel::Numbered(_) => self.only,
                    Channel::Only => self.table.newest(),
                };
            }
            (Err(fault), Channel::Only, Form::Unknown) => self.drop_line(fault),
            (Err(fault), Channel::Numbered(_) | Channel::Only, _) => {
                self.counters.bad_lines = self.counters.bad_lines.saturating_add(1);
                tracing::debug!(%fault, "refused a line of Squid");
                self.fall_back(channel, FailureCause::UnreadableLine);
            }
        }
    }

    /// A line that nobody can be answered for.
    fn drop_line(&mut self, fault: BadLine) {
        self.counters.bad_lines = self.counters.bad_lines.saturating_add(1);
        self.counters.unanswerable = self.counters.unanswerable.saturating_add(1);
        tracing::debug!(%fault, "dropped a line of Squid");
    }

    /// Squid never uses a channel-ID twice at once, so something is wrong: a permit meant for the
    /// first could reach the second. The one answer that the channel gets is a refusal.
    fn refuse_repeated(&mut self, first: u64) {
        self.counters.bad_lines = self.counters.bad_lines.saturating_add(1);
        self.counters.repeated = self.counters.repeated.saturating_add(1);
        if let Some(removed) = self.remove(first) {
            self.fall_back(removed.channel, FailureCause::UnreadableLine);
        }
    }

    /// Takes a request out that no engine has answered; those that were asked still owe it.
    fn remove(&mut self, id: u64) -> Option<Removed> {
        let removed = self.table.remove(id)?;
        self.ledger.expired(removed.asked);
        self.forget_only(id);
        Some(removed)
    }

    fn forget_only(&mut self, id: u64) {
        if self.only == Some(id) {
            self.only = None;
        }
    }

    fn fall_back(&mut self, channel: Channel, cause: FailureCause) {
        self.fallback.answer(&mut self.out, &self.role, channel, cause);
    }

    fn write_queries(
        &mut self,
        link: LinkNumber,
        out: &mut Vec<u8>,
        asked_max: usize,
        now: Instant,
    ) -> Result<(), FrameFault> {
        while self.ledger.room(link, asked_max) > 0 && self.table.next_unsent().is_some() {
            let mut too_long = None;
            let mut writer = QueryWriter::begin(out);
            while self.ledger.room(link, asked_max) > 0
                && writer.body_bytes() < FRAME_BYTES_ENOUGH
                && let Some(query) = self.table.next_unsent()
            {
                match writer.push(&query) {
                    Ok(Pushed::Taken) => {
                        self.table.mark_sent(link, now);
                        self.ledger.asked(link, 1);
                    }
                    Ok(Pushed::Full) => break,
                    Err(fault) => {
                        tracing::debug!(%fault, "refused a line that the wire cannot carry");
                        too_long = Some(query.id);
                        break;
                    }
                }
            }
            writer.finish()?;
            let Some(removed) = too_long.and_then(|id| self.remove(id)) else { return Ok(()) };
            self.counters.bad_lines = self.counters.bad_lines.saturating_add(1);
            self.fall_back(removed.channel, FailureCause::UnreadableLine);
        }
        Ok(())
    }

    fn write_again(
        &mut self,
        link: LinkNumber,
        out: &mut Vec<u8>,
        asked_max: usize,
        now: Instant,
    ) -> Result<(), FrameFault> {
        let Some(before) = now.checked_sub(self.ask_again_after) else { return Ok(()) };
        if self.table.asked_first().is_none_or(|asked_at| asked_at > before) {
            return Ok(());
        }
        let mut room = self.ledger.room(link, asked_max);
        let mut writer = QueryWriter::begin(out);
        let count = self.table.ask_again(link, before, now, |query| {
            room = room.checked_sub(1).filter(|_| writer.body_bytes() < FRAME_BYTES_ENOUGH)?;
            // It was asked before, so it can be written.
            matches!(writer.push(query), Ok(Pushed::Taken)).then_some(())
        });
        writer.finish()?;
        self.ledger.asked(link, count);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.counters.hedged = self.counters.hedged.saturating_add(count);
        self.counters.asked_again = self.counters.asked_again.saturating_add(count);
        Ok(())
    }

    /// Redirects lead where the engine says that gave the verdict.
    fn turn_to(&mut self, link: LinkNumber) {
        if self.portal_of != Some(link)
            && let Some(portal) = self.ledger.portal(link)
        {
            self.role.learn(portal.clone());
            self.portal_of = Some(link);
        }
    }

    fn link_up(&mut self, link: LinkNumber, terms: &Terms) -> Report {
        self.table.recall();
        match self.ledger.open(link, terms) {
            Some(portal) => {
                self.role.learn(portal.clone());
                self.portal_of = Some(link);
            }
            None => tracing::error!(
                base_url = terms.base_url,
                status = terms.redirect_status,
                "the engine's portal address cannot be used; see [captive_portal] in engine.conf"
            ),
        }
        self.fallback.learn(&terms.tokens);
        let report = Report {
            fallbacks_used: self.fallback.take_unreported().met().collect(),
            asked_again: self.counters.asked_again - self.reported.asked_again,
            late: self.counters.late - self.reported.late,
        };
        self.reported = self.counters;
        report
    }

    fn take_answers(&mut self, link: LinkNumber, body: &[u8]) -> Result<(), FrameFault> {
        self.turn_to(link);
        for answer in eg_proto::answers(body)? {
            let id = match &answer {
                Ok(answer) => Some(answer.id),
                Err(bad) => bad.id,
            };
            let Some(id) = id else {
                // To which question cannot be said, but to one.
                self.ledger.answered(link);
                self.counters.broken = self.counters.broken.saturating_add(1);
                continue;
            };
            let Some(removed) = self.table.remove_asked(id, link) else {
                match self.ledger.leftover(link) {
                    Leftover::Second => {
                        self.counters.second = self.counters.second.saturating_add(1);
                    }
                    Leftover::Expired | Leftover::Unasked => {
                        self.counters.late = self.counters.late.saturating_add(1);
                    }
                }
                continue;
            };
            self.ledger.answered(link);
            let mut others = removed.asked;
            others.remove(link);
            self.ledger.spare(others);
            self.forget_only(id);
            let told = answer.map_err(|fault| fault.to_string()).and_then(|answer| {
                let told = self.role.answer(&mut self.out, removed.channel, &answer);
                told.map_err(|fault| fault.to_string())
            });
            match told {
                Ok(()) => {
                    self.counters.answers = self.counters.answers.saturating_add(1);
                    self.fallback.engine_answered();
                }
                Err(fault) => {
                    self.counters.broken = self.counters.broken.saturating_add(1);
                    tracing::error!(fault, "an answer of the engine is unusable; refused");
                    self.fall_back(removed.channel, FailureCause::BrokenAnswer);
                }
            }
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant) {
        while let Some((id, deadline)) = self.table.oldest()
            && deadline <= now
            && let Some(removed) = self.remove(id)
        {
            let cause = match (self.ledger.up().is_empty(), removed.stage()) {
                (true, Stage::Waiting | Stage::Sent) => FailureCause::NoEngine,
                (false, Stage::Sent) => FailureCause::Timeout,
                (false, Stage::Waiting) => FailureCause::Overload,
            };
            self.fall_back(removed.channel, cause);
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
