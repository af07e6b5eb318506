//! The table of requests that Squid waits for: bounded, in order of arrival, every step O(1).
//!
//! Slots hang in two lists. One is the order of arrival: all deadlines are equally far away, so its
//! oldest is the next to expire. The other is the queue for what happens to a slot next: to be asked;
//! asked, by the time of the last asking, and so in the order in which the next engine is due; or
//! parked, where every engine has been asked and only another link could help.
//!
//! INVARIANT: a slot's id never comes back: its low bits say where it is, the rest counts up. An
//! answer counts only on a link over which the id was asked.

use std::collections::HashMap;
use std::time::Instant;

use eg_proto::{Query, Retry};

use crate::helper::{Channel, ChannelId, Question};
use crate::link::{LinkNumber, LinkSet};

/// The most requests outstanding: more than twice the slots that `--squid-conf` gives a helper.
pub const SLOTS_MAX: usize = 4_096;

/// The most bytes of outstanding requests. Ordinary lines have 200; this is for long ones.
pub const BYTES_MAX: usize = 3 * 1024 * 1024;

/// A free slot keeps this much memory for its next line.
const SLOT_BYTES_KEPT: usize = 512;

/// How many low bits of an id say where its slot is.
const PLACE_BITS: u32 = 16;

/// Whether an engine knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not yet.
    Waiting,
    /// It was asked.
    Sent,
}

/// What happens to a slot next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// It is to be asked.
    Waiting,
    /// It was asked at this time; another engine is due some time later.
    Asked(Instant),
    /// It was asked of every engine that there is.
    Parked(Instant),
}

#[derive(Debug)]
struct Slot {
    id: u64,
    channel: Channel,
    deadline: Instant,
    retry: Retry,
    /// The links over which it was asked, as long as they last.
    asked: LinkSet,
    queue: Queue,
    request: Question,
    by_arrival: Ends,
    by_queue: Ends,
}

/// The neighbours of a slot in a list.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    before: Option<usize>,
    after: Option<usize>,
}

/// Which of a slot's two memberships a list uses.
#[derive(Debug, Clone, Copy)]
enum Strand {
    Arrival,
    Queue,
}

impl Slot {
    const fn ends(&mut self, strand: Strand) -> &mut Ends {
        match strand {
            Strand::Arrival => &mut self.by_arrival,
            Strand::Queue => &mut self.by_queue,
        }
    }
}

/// A list of slots that holds them by their neighbours.
#[derive(Debug)]
struct List {
    strand: Strand,
    first: Option<usize>,
    last: Option<usize>,
}

impl List {
    const fn new(strand: Strand) -> Self {
        Self { strand, first: None, last: None }
    }

    fn push_last(&mut self, slots: &mut [Slot], at: usize) {
        if let Some(slot) = slots.get_mut(at) {
            *slot.ends(self.strand) = Ends { before: self.last, after: None };
        }
        match self.last.and_then(|last| slots.get_mut(last)) {
            Some(last) => last.ends(self.strand).after = Some(at),
            None => self.first = Some(at),
        }
        self.last = Some(at);
    }

    fn push_first(&mut self, slots: &mut [Slot], at: usize) {
        if let Some(slot) = slots.get_mut(at) {
            *slot.ends(self.strand) = Ends { before: None, after: self.first };
        }
        match self.first.and_then(|first| slots.get_mut(first)) {
            Some(first) => first.ends(self.strand).before = Some(at),
            None => self.last = Some(at),
        }
        self.first = Some(at);
    }

    fn remove(&mut self, slots: &mut [Slot], at: usize) {
        let Some(slot) = slots.get_mut(at) else { return };
        let Ends { before, after } = std::mem::take(slot.ends(self.strand));
        match before.and_then(|before| slots.get_mut(before)) {
            Some(slot) => slot.ends(self.strand).after = after,
            None => self.first = after,
        }
        match after.and_then(|after| slots.get_mut(after)) {
            Some(slot) => slot.ends(self.strand).before = before,
            None => self.last = before,
        }
    }
}

/// A request that left the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whom to answer.
    pub channel: Channel,
    /// The links over which it had been asked, and that still last.
    pub asked: LinkSet,
}

impl Removed {
    /// Whether an engine that can still answer had been asked.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        if self.asked.is_empty() { Stage::Waiting } else { Stage::Sent }
    }
}

/// The table.
#[derive(Debug)]
pub struct InFlight {
    slots: Vec<Slot>,
    free: Vec<usize>,
    channels: HashMap<u64, usize>,
    all: List,
    waiting: List,
    asked: List,
    parked: List,
    outstanding: usize,
    bytes: usize,
    count: u64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            channels: HashMap::new(),
            all: List::new(Strand::Arrival),
            waiting: List::new(Strand::Queue),
            asked: List::new(Strand::Queue),
            parked: List::new(Strand::Queue),
            outstanding: 0,
            bytes: 0,
            count: 0,
        }
    }
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

    /// When the oldest expires, and its id.
    #[must_use]
    pub fn oldest(&self) -> Option<(u64, Instant)> {
        self.all.first.and_then(|at| self.slots.get(at)).map(|slot| (slot.id, slot.deadline))
    }

    /// The id of the request that came in last.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.all.last.and_then(|at| self.slots.get(at)).map(|slot| slot.id)
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
                asked: LinkSet::default(),
                queue: Queue::Waiting,
                request: Question::default(),
                by_arrival: Ends::default(),
                by_queue: Ends::default(),
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
        slot.asked = LinkSet::default();
        slot.queue = Queue::Waiting;
        self.bytes += slot.request.bytes();
        self.all.push_last(&mut self.slots, at);
        self.waiting.push_last(&mut self.slots, at);
        self.outstanding += 1;
        match channel {
            Channel::Numbered(ChannelId(number)) => {
                self.channels.insert(number, at);
            }
            Channel::Only => {}
        }
    }

    /// The next question that no engine has been asked, or none that can still answer.
    #[must_use]
    pub fn next_unsent(&self) -> Option<Query<'_>> {
        let slot = self.waiting.first.and_then(|at| self.slots.get(at))?;
        Some(slot.request.query(slot.id, slot.retry))
    }

    /// The question that `next_unsent` gave is on its way over this link.
    pub fn mark_sent(&mut self, link: LinkNumber, now: Instant) {
        if let Some(at) = self.waiting.first {
            self.ask(at, link, now);
        }
    }

    /// Hands every question that was last asked at `before` or earlier, and never over this link, to
    /// `take`, and notes that it is on its way over this link too. Says how many, and stops early
    /// where `take` has no room.
    pub fn ask_again(
        &mut self,
        link: LinkNumber,
        before: Instant,
        now: Instant,
        mut take: impl FnMut(&Query<'_>) -> Option<()>,
    ) -> usize {
        let mut count = 0;
        let mut next = self.asked.first;
        while let Some(at) = next
            && let Some(slot) = self.slots.get_mut(at)
            && let Queue::Asked(asked_at) = slot.queue
            && asked_at <= before
        {
            // What is asked now goes to the list's end.
            next = slot.by_queue.after;
            if slot.asked.contains(link) {
                continue;
            }
            let query = slot.request.query(slot.id, Retry::Again);
            if take(&query).is_none() {
                break;
            }
            slot.retry = Retry::Again;
            self.ask(at, link, now);
            count += 1;
        }
        count
    }

    /// Sets aside what was last asked at `before` or earlier: no link is left to ask it over.
    pub fn park(&mut self, before: Instant) {
        while let Some(at) = self.asked.first
            && let Some(slot) = self.slots.get_mut(at)
            && let Queue::Asked(asked_at) = slot.queue
            && asked_at <= before
        {
            slot.queue = Queue::Parked(asked_at);
            self.asked.remove(&mut self.slots, at);
            self.parked.push_last(&mut self.slots, at);
        }
    }

    /// Takes back what was set aside: there is another link.
    pub fn recall(&mut self) {
        while let Some(at) = self.parked.last
            && let Some(slot) = self.slots.get_mut(at)
            && let Queue::Parked(asked_at) = slot.queue
        {
            slot.queue = Queue::Asked(asked_at);
            self.parked.remove(&mut self.slots, at);
            self.asked.push_first(&mut self.slots, at);
        }
    }

    /// When the question was asked that another engine is due for next.
    #[must_use]
    pub fn asked_first(&self) -> Option<Instant> {
        match self.asked.first.and_then(|at| self.slots.get(at))?.queue {
            Queue::Asked(asked_at) => Some(asked_at),
            Queue::Waiting | Queue::Parked(_) => None,
        }
    }

    /// A link is gone: what was asked over it alone is to be asked again, in the order of arrival with
    /// all that waits. Says how much that is.
    pub fn unsend(&mut self, link: LinkNumber) -> usize {
        let mut count = 0;
        let mut next = self.all.last;
        while let Some(at) = next
            && let Some(slot) = self.slots.get_mut(at)
        {
            next = slot.by_arrival.before;
            if slot.asked.contains(link) {
                slot.asked.remove(link);
                slot.retry = Retry::Again;
                count += usize::from(slot.asked.is_empty());
            }
            // What waited before moves to the front too, each behind what is older.
            if slot.asked.is_empty() {
                self.unqueue(at);
                if let Some(slot) = self.slots.get_mut(at) {
                    slot.queue = Queue::Waiting;
                }
                self.waiting.push_first(&mut self.slots, at);
            }
        }
        count
    }

    /// Takes a request out that was asked over this link; another one stays.
    pub fn remove_asked(&mut self, id: u64, link: LinkNumber) -> Option<Removed> {
        let at = self.place(id)?;
        if self.slots.get(at)?.asked.contains(link) { self.remove(id) } else { None }
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: u64) -> Option<Removed> {
        let at = self.place(id)?;
        self.unqueue(at);
        self.all.remove(&mut self.slots, at);
        let slot = self.slots.get_mut(at)?;
        let removed = Removed { channel: slot.channel, asked: slot.asked };
        self.bytes = self.bytes.saturating_sub(slot.request.bytes());
        slot.request.shrink(SLOT_BYTES_KEPT);
        slot.id = 0;
        slot.asked = LinkSet::default();
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

    fn ask(&mut self, at: usize, link: LinkNumber, now: Instant) {
        self.unqueue(at);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.asked.insert(link);
            slot.queue = Queue::Asked(now);
        }
        self.asked.push_last(&mut self.slots, at);
    }

    fn unqueue(&mut self, at: usize) {
        let Some(slot) = self.slots.get(at) else { return };
        let list = match slot.queue {
            Queue::Waiting => &mut self.waiting,
            Queue::Asked(_) => &mut self.asked,
            Queue::Parked(_) => &mut self.parked,
        };
        list.remove(&mut self.slots, at);
    }

    fn place(&self, id: u64) -> Option<usize> {
        let at = usize::try_from(id & ((1 << PLACE_BITS) - 1)).ok()?;
        self.slots.get(at).filter(|slot| slot.id == id && id != 0).map(|_| at)
    }
}

#[cfg(test)]
#[path = "inflight_tests.rs"]
mod tests;
