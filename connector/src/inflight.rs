//! The table of requests that Squid waits for: bounded, in order of arrival, every step O(1).
//!
//! Slots hang in one list, oldest first. All deadlines are equally far away, so the oldest is the
//! next to expire; and requests are sent in that order, so everything before `next_unsent` has been
//! sent on the present link and nothing behind it has.
//!
//! INVARIANT: a slot's id never comes back: its low bits say where it is, the rest counts up.

use std::collections::HashMap;
use std::time::Instant;

use eg_proto::{Query, Retry};

use crate::helper::{Channel, ChannelId, Question};

/// The most requests outstanding: more than twice the slots that `--squid-conf` gives a helper.
pub const SLOTS_MAX: usize = 4_096;

/// The most bytes of outstanding requests. Ordinary lines have 200; this is for long ones.
pub const BYTES_MAX: usize = 3 * 1024 * 1024;

/// A free slot keeps this much memory for its next line.
const SLOT_BYTES_KEPT: usize = 512;

/// How many low bits of an id say where its slot is.
const PLACE_BITS: u32 = 16;

/// Whether the engine of the present link knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not yet.
    Waiting,
    /// It was asked.
    Sent,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    channel: Channel,
    deadline: Instant,
    retry: Retry,
    stage: Stage,
    request: Question,
    before: Option<usize>,
    after: Option<usize>,
}

/// A request that left the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whom to answer.
    pub channel: Channel,
    /// Whether it had been asked.
    pub stage: Stage,
}

/// The table.
#[derive(Debug, Default)]
pub struct InFlight {
    slots: Vec<Slot>,
    free: Vec<usize>,
    channels: HashMap<u64, usize>,
    oldest: Option<usize>,
    newest: Option<usize>,
    next_unsent: Option<usize>,
    outstanding: usize,
    sent: usize,
    bytes: usize,
    count: u64,
}

impl InFlight {
    /// Whether another request may come in.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.outstanding < SLOTS_MAX && self.bytes < BYTES_MAX
    }

    /// How many requests Squid waits for.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many of them the engine has been asked on the present link.
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// When the oldest expires, and its id.
    #[must_use]
    pub fn oldest(&self) -> Option<(u64, Instant)> {
        self.oldest.and_then(|at| self.slots.get(at)).map(|slot| (slot.id, slot.deadline))
    }

    /// The id of the request that came in last.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest.and_then(|at| self.slots.get(at)).map(|slot| slot.id)
    }

    /// The outstanding request of a channel.
    #[must_use]
    pub fn of_channel(&self, channel: ChannelId) -> Option<u64> {
        self.channels.get(&channel.0).and_then(|&at| self.slots.get(at)).map(|slot| slot.id)
    }

    /// Takes a request in; `request` gets other memory in exchange. There must be room, and the
    /// channel must be free.
    pub fn insert(&mut self, channel: Channel, deadline: Instant, request: &mut Question) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                id: 0,
                channel,
                deadline,
                retry: Retry::First,
                stage: Stage::Waiting,
                request: Question::default(),
                before: None,
                after: None,
            });
            self.slots.len() - 1
        });
        self.count += 1;
        let place = u64::try_from(at).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(at) else { return };
        std::mem::swap(&mut slot.request, request);
        slot.id = self.count << PLACE_BITS | place;
        slot.channel = channel;
        slot.deadline = deadline;
        slot.retry = Retry::First;
        slot.stage = Stage::Waiting;
        slot.before = self.newest;
        slot.after = None;
        self.bytes += slot.request.bytes();
        match self.newest.and_then(|newest| self.slots.get_mut(newest)) {
            Some(newest) => newest.after = Some(at),
            None => self.oldest = Some(at),
        }
        self.newest = Some(at);
        self.next_unsent = self.next_unsent.or(Some(at));
        self.outstanding += 1;
        match channel {
            Channel::Numbered(ChannelId(number)) => {
                self.channels.insert(number, at);
            }
            Channel::Only => {}
        }
    }

    /// The next question that the engine has not been asked on this link.
    #[must_use]
    pub fn next_unsent(&self) -> Option<Query<'_>> {
        let slot = self.next_unsent.and_then(|at| self.slots.get(at))?;
        Some(slot.request.query(slot.id, slot.retry))
    }

    /// The question that `next_unsent` gave is on its way.
    pub fn mark_sent(&mut self) {
        if let Some(slot) = self.next_unsent.and_then(|at| self.slots.get_mut(at)) {
            slot.stage = Stage::Sent;
            self.next_unsent = slot.after;
            self.sent += 1;
        }
    }

    /// The link is gone: everything is to be asked again. Says how much had been asked.
    pub fn unsend(&mut self) -> usize {
        let mut at = self.oldest;
        for _ in 0..self.sent {
            let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) else { break };
            slot.stage = Stage::Waiting;
            slot.retry = Retry::Again;
            at = slot.after;
        }
        self.next_unsent = self.oldest;
        std::mem::take(&mut self.sent)
    }

    /// Takes a request out that the engine was asked; another one stays.
    pub fn remove_asked(&mut self, id: u64) -> Option<Removed> {
        let at = self.place(id)?;
        match self.slots.get(at)?.stage {
            Stage::Sent => self.remove(id),
            Stage::Waiting => None,
        }
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: u64) -> Option<Removed> {
        let at = self.place(id)?;
        let slot = self.slots.get_mut(at)?;
        let removed = Removed { channel: slot.channel, stage: slot.stage };
        let (before, after) = (slot.before.take(), slot.after.take());
        self.bytes = self.bytes.saturating_sub(slot.request.bytes());
        slot.request.shrink(SLOT_BYTES_KEPT);
        slot.id = 0;
        match before.and_then(|before| self.slots.get_mut(before)) {
            Some(slot) => slot.after = after,
            None => self.oldest = after,
        }
        match after.and_then(|after| self.slots.get_mut(after)) {
            Some(slot) => slot.before = before,
            None => self.newest = before,
        }
        if self.next_unsent == Some(at) {
            self.next_unsent = after;
        }
        match removed.stage {
            Stage::Sent => self.sent = self.sent.saturating_sub(1),
            Stage::Waiting => {}
        }
        match removed.channel {
            Channel::Numbered(ChannelId(number)) => {
                self.channels.remove(&number);
            }
            Channel::Only => {}
        }
        self.outstanding = self.outstanding.saturating_sub(1);
        self.free.push(at);
        Some(removed)
    }

    fn place(&self, id: u64) -> Option<usize> {
        let at = usize::try_from(id & ((1 << PLACE_BITS) - 1)).ok()?;
        self.slots.get(at).filter(|slot| slot.id == id && id != 0).map(|_| at)
    }
}

#[cfg(test)]
#[path = "inflight_tests.rs"]
mod tests;
