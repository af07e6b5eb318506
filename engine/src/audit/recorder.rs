//! A worker's way into the trail: its share of the buffers, and what it gives for a verdict.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use eg_policy::moment::Moment;
use eg_policy::verdict::Verdict;
use eg_proto::DecisionId;

use super::entry::{self, Asked, Facts, SessionRef, Source};
use super::recent::Print;
use super::redact::{self, Shown};
use super::trail::{Audit, DecisionBlock};
use super::writer::Message;
use crate::config::{OnFailure, RedirectStatus, Verdicts};

/// Buffers of one worker. A worker fills one a batch, so this is how many batches may wait for the
/// disk; and no worker can take what belongs to another.
pub(super) const BUFFERS: usize = 8;

/// A buffer that holds this much goes to the writer in the middle of a batch.
const BLOCK_BYTES: usize = 64 * 1024;

/// What a buffer may keep after one extraordinarily long entry.
const KEEP_BYTES_MAX: usize = 512 * 1024;

/// How long a full queue holds a batch back before its verdicts follow `on_failure` (SPEC 11).
const PATIENCE: Duration = Duration::from_millis(200);

/// A verdict whose place in the trail is assured, as far as the settings ask for one.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'r> {
    verdict: Verdict<'r>,
    decision: DecisionId,
    at: Moment,
}

impl<'r> Recorded<'r> {
    /// The verdict that counts.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict<'r> {
        &self.verdict
    }

    /// The decision's id in the trail, on the portal's page and in the log.
    #[must_use]
    pub const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Moment {
        self.at
    }
}

/// Whether a worker may still wait for a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Fresh,
    /// It waited in vain; until a buffer comes back it waits no more, so that a stuck disk costs one
    /// wait and not one for each batch.
    Spent,
}

/// Why a verdict has an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It has none.
    Nothing,
    /// For itself.
    Verdict,
    /// For what a rule that only monitors would have made of it.
    Monitored,
}

/// Records the verdicts of one worker.
#[derive(Debug)]
pub struct Recorder {
    audit: Audit,
    redirect_status: RedirectStatus,
    decisions: DecisionBlock,
    free: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
    current: Option<Vec<u8>>,
    patience: Patience,
}

impl Recorder {
    pub(super) fn new(audit: Audit, redirect_status: RedirectStatus) -> Self {
        let (home, free) = std::sync::mpsc::sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // The channel has room for exactly these.
            let _ = home.try_send(Vec::new());
        }
        Self {
            audit,
            redirect_status,
            decisions: DecisionBlock::default(),
            free,
            home,
            current: None,
            patience: Patience::Fresh,
        }
    }

    /// Makes the entry of `verdict` where one is due, or turns the verdict to deny by `on_failure`.
    pub fn record<'r>(
        &mut self,
        verdict: Verdict<'r>,
        ruleset: &str,
        facts: &Facts<'_>,
        session: &SessionRef<'_>,
        now: Moment,
    ) -> Recorded<'r> {
        let decision = self.decisions.next(&self.audit.parts.decisions);
        let due = self.due(&verdict);
        if due == Due::Nothing {
            return Recorded { verdict, decision, at: now };
        }
        let rule = verdict.rule_id().map_or(0, |id| id.0);
        let print = Print::of(session.run, facts.query, verdict.action.code(), rule);
        if facts.asked == Asked::Again
            && let Some(count) = self.audit.parts.recent.find(print)
        {
            let decision = DecisionId::new(decision.run(), count);
            return Recorded { verdict, decision, at: now };
        }
        let parts = self.audit.parts.clone();
        let redirect_status = self.redirect_status.code();
        let written = self.room().is_some_and(|out| {
            let start = out.len();
            let source = Source {
                id: decision,
                verdict: &verdict,
                facts,
                session,
                ruleset,
                now,
                key: &parts.key,
                redact: parts.redact,
                redirect_status,
            };
            let done = entry::verdict_line(out, &source).is_ok();
            if !done {
                out.truncate(start);
            }
            done
        });
        if written {
            self.audit.parts.recent.remember(print, decision.count());
            return Recorded { verdict, decision, at: now };
        }
        self.audit.shared.missed.fetch_add(1, Ordering::Relaxed);
        let verdict = match (self.audit.parts.on_failure, due) {
            (OnFailure::Deny, Due::Verdict) => Verdict::audit_unavailable(),
            // A rule that only monitors stops nobody, not by its record either.
            (OnFailure::Deny, Due::Monitored | Due::Nothing) | (OnFailure::Continue, _) => verdict,
        };
        Recorded { verdict, decision, at: now }
    }

    /// Numbers a verdict that no entry is due for, whatever it says: another question about the same
    /// request has one.
    pub fn pass<'r>(&mut self, verdict: Verdict<'r>, now: Moment) -> Recorded<'r> {
        let decision = self.decisions.next(&self.audit.parts.decisions);
        Recorded { verdict, decision, at: now }
    }

    /// A URL as the trail shows it, for the log: no query, no user info, no token.
    pub(crate) fn shown<'a>(&'a self, url: &'a [u8]) -> impl fmt::Display + 'a {
        Shown { parts: redact::parts(url), key: &self.audit.parts.key, kept_query: None }
    }

    /// Hands the batch's entries to the writer. Called before the answers leave.
    pub fn commit(&mut self) {
        let Some(bytes) = self.current.take() else { return };
        if bytes.is_empty() {
            self.current = Some(bytes);
            return;
        }
        // A buffer in hand is room in the queue; this fails only once the writer has ended.
        if self.audit.outbox.try_send(Message::Block { bytes, home: self.home.clone() }).is_err() {
            self.audit.shared.failing.store(true, Ordering::Release);
        }
    }

    /// What is to be recorded: where only verdicts that block are, those that a monitored rule would have
    /// made one are too.
    fn due(&self, verdict: &Verdict<'_>) -> Due {
        let monitored = verdict.monitored.is_some_and(|rule| rule.action.blocks());
        match (self.audit.parts.verdicts, verdict.action.blocks(), monitored) {
            (Verdicts::All, _, _) | (Verdicts::Blocked, true, _) => Due::Verdict,
            (Verdicts::Blocked, false, true) => Due::Monitored,
            (Verdicts::Blocked, false, false) | (Verdicts::None, _, _) => Due::Nothing,
        }
    }

    /// A buffer to write one more entry to.
    fn room(&mut self) -> Option<&mut Vec<u8>> {
        if self.audit.shared.failing.load(Ordering::Acquire) {
            return None;
        }
        if self.current.as_ref().is_some_and(|bytes| bytes.len() >= BLOCK_BYTES) {
            self.commit();
        }
        if self.current.is_none() {
            self.current = self.take_buffer();
        }
        self.current.as_mut()
    }

    fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let ready = self.free.try_recv().ok();
        let taken = match (ready, self.patience) {
            (Some(bytes), _) => Some(bytes),
            (None, Patience::Fresh) => self.free.recv_timeout(PATIENCE).ok(),
            (None, Patience::Spent) => None,
        };
        self.patience = if taken.is_some() { Patience::Fresh } else { Patience::Spent };
        taken.map(|mut bytes| {
            bytes.clear();
            if bytes.capacity() > KEEP_BYTES_MAX {
                bytes.shrink_to(BLOCK_BYTES);
            }
            bytes
        })
    }
}
