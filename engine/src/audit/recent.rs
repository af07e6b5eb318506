//! Which queries have an entry already, so that asking again makes no second one.
//!
//! One table for all workers, since a connector that reconnects may meet another worker. It is a
//! fixed array without locks: a slot that was overwritten or half written is a miss, and a miss only
//! means one entry more. It does not outlive the engine, and each engine of several has its own.

use std::sync::atomic::{AtomicU64, Ordering};

/// Slots: more than all queries that can be in flight when a link breaks, so that a slot is rarely
/// taken by another query within the seconds in which asking again happens. 24 bytes each.
const SLOTS: usize = 1 << 15;

/// An odd constant that spreads bits (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What tells one recorded query from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print(u64);

impl Print {
    /// The print of query `id` of a connector's `run` that was decided as `code` by `rule`. A retry
    /// that is decided in another way is an entry of its own.
    pub(super) fn of(run: u128, id: u64, code: u16, rule: u32) -> Self {
        let bytes = run.to_le_bytes();
        let (low, high) = bytes.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().unwrap_or_default());
        let verdict = (u64::from(rule) << 16) | u64::from(code);
        let mixed = [word(low), word(high), id, verdict].into_iter().fold(SPREAD, |state, part| {
            let spread = (state ^ part).wrapping_mul(SPREAD);
            spread ^ (spread >> 29)
        });
        Self(mixed)
    }
}

#[derive(Debug, Default)]
struct Slot {
    print: AtomicU64,
    count: AtomicU64,
    check: AtomicU64,
}

/// The entries made lately.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Slot]>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect() }
    }

    fn slot(&self, print: Print) -> Option<&Slot> {
        let mask = u64::try_from(SLOTS - 1).unwrap_or(0);
        usize::try_from((print.0 >> 40) & mask).ok().and_then(|at| self.slots.get(at))
    }

    /// Remembers that the decision numbered `count` of this run has an entry.
    pub(super) fn remember(&self, print: Print, count: u64) {
        if let Some(slot) = self.slot(print) {
            slot.print.store(print.0, Ordering::Relaxed);
            slot.count.store(count, Ordering::Relaxed);
            slot.check.store(check(print, count), Ordering::Relaxed);
        }
    }

    /// The decision that has the entry of this query, where it is still known.
    pub(super) fn find(&self, print: Print) -> Option<u64> {
        let slot = self.slot(print)?;
        let count = slot.count.load(Ordering::Relaxed);
        // The three words may belong to different writers; the check covers the two others.
        let whole = slot.print.load(Ordering::Relaxed) == print.0
            && slot.check.load(Ordering::Relaxed) == check(print, count);
        whole.then_some(count)
    }
}

const fn check(print: Print, count: u64) -> u64 {
    print.0.rotate_left(17) ^ count.wrapping_add(1).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_found_until_its_slot_is_taken() {
        let recent = Recent::new();
        let print = Print::of(7, 42, 300, 1);
        assert_eq!(recent.find(print), None);
        recent.remember(print, 9);
        assert_eq!(recent.find(print), Some(9));
        let other = Print(print.0 ^ 1);
        assert_eq!(recent.find(other), None);
        recent.remember(other, 10);
        assert_eq!(recent.find(print), None);
    }

    #[test]
    fn whatever_differs_is_another_query() {
        let base = Print::of(7, 42, 300, 1);
        let others = [
            (8, 42, 300, 1),
            (7 << 64, 42, 300, 1),
            (7, 43, 300, 1),
            (7, 42, 310, 1),
            (7, 42, 300, 2),
        ];
        for (run, id, code, rule) in others {
            assert_ne!(Print::of(run, id, code, rule), base);
        }
    }
}
