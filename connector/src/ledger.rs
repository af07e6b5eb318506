//! What each engine owes: answers that are on their way, and those of them that nobody needs any more
//! because another engine was faster or the request is over. Pure.
//!
//! INVARIANT: only an answer that is owed lowers what is owed, so that an engine that answers twice
//! does not seem to owe nothing.

use eg_proto::Terms;

use crate::link::{ENGINES_MAX, LinkNumber, LinkSet, Load};
use crate::rewrite::Portal;

/// The books, a page for each link.
#[derive(Debug, Default)]
pub struct Ledger {
    up: LinkSet,
    pages: [Page; ENGINES_MAX],
}

/// What an answer was to that no request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// To a request that another engine had answered.
    Second,
    /// To a request that Squid was answered without an engine.
    Expired,
    /// To nothing that this engine was asked, or to what it has answered.
    Unasked,
}

#[derive(Debug, Default)]
struct Page {
    /// Queries written and not answered.
    owed: usize,
    /// How many of them another engine has answered.
    spare: usize,
    /// How many of them Squid was answered without an engine.
    expired: usize,
    portal: Option<Portal>,
}

impl Ledger {
    /// A link is up. Gives the portal of its engine, where its address can be used.
    pub fn open(&mut self, link: LinkNumber, terms: &Terms) -> Option<&Portal> {
        self.up.insert(link);
        let page = self.pages.get_mut(link.place())?;
        *page = Page { portal: Portal::of(terms), ..Page::default() };
        page.portal.as_ref()
    }

    /// A link is gone, and what its engine owed with it.
    pub fn close(&mut self, link: LinkNumber) {
        self.up.remove(link);
        if let Some(page) = self.pages.get_mut(link.place()) {
            *page = Page::default();
        }
    }

    /// The links that are up.
    #[must_use]
    pub const fn up(&self) -> LinkSet {
        self.up
    }

    /// Where the engine of a link says that the portal is.
    #[must_use]
    pub fn portal(&self, link: LinkNumber) -> Option<&Portal> {
        self.pages.get(link.place())?.portal.as_ref()
    }

    /// So many queries were written.
    pub fn asked(&mut self, link: LinkNumber, count: usize) {
        if let Some(page) = self.pages.get_mut(link.place()) {
            page.owed = page.owed.saturating_add(count);
        }
    }

    /// How many queries may still be written, of at most `most` that may be unanswered.
    #[must_use]
    pub fn room(&self, link: LinkNumber, most: usize) -> usize {
        most.saturating_sub(self.pages.get(link.place()).map_or(most, |page| page.owed))
    }

    /// An answer has come to a question that was waited for.
    pub fn answered(&mut self, link: LinkNumber) {
        if let Some(page) = self.pages.get_mut(link.place()) {
            page.owed = page.owed.saturating_sub(1);
        }
    }

    /// A question was answered by one engine; these were asked it too.
    pub fn spare(&mut self, others: LinkSet) {
        for link in others.iter() {
            if let Some(page) = self.pages.get_mut(link.place()) {
                page.spare = page.spare.saturating_add(1);
            }
        }
    }

    /// A question is over without an answer; these were asked it.
    pub fn expired(&mut self, asked: LinkSet) {
        for link in asked.iter() {
            if let Some(page) = self.pages.get_mut(link.place()) {
                page.expired = page.expired.saturating_add(1);
            }
        }
    }

    /// An answer came to a question that is over, or that was never asked.
    pub fn leftover(&mut self, link: LinkNumber) -> Leftover {
        let Some(page) = self.pages.get_mut(link.place()) else { return Leftover::Unasked };
        let leftover = match (page.spare.checked_sub(1), page.expired.checked_sub(1)) {
            (Some(spare), _) => {
                page.spare = spare;
                Leftover::Second
            }
            (None, Some(expired)) => {
                page.expired = expired;
                Leftover::Expired
            }
            (None, None) => return Leftover::Unasked,
        };
        page.owed = page.owed.saturating_sub(1);
        leftover
    }

    /// What the links have to know of the work.
    #[must_use]
    pub fn load(&self, outstanding: usize) -> Load {
        let mut load = Load { outstanding, ..Load::default() };
        for (owed, page) in load.owed.iter_mut().zip(&self.pages) {
            *owed = page.owed;
        }
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_owes_until_it_answers_or_is_gone() {
        let mut ledger = Ledger::default();
        let [first, second] = [0, 1].map(|at| LinkNumber::first(2).nth(at).unwrap());
        ledger.asked(first, 3);
        ledger.asked(second, 1);
        ledger.answered(first);
        assert_eq!(ledger.load(7).owed[..3], [2, 1, 0]);
        assert_eq!((ledger.room(first, 10), ledger.room(first, 1)), (8, 0));
        let mut others = LinkSet::default();
        others.insert(second);
        ledger.spare(others);
        assert_eq!(ledger.leftover(first), Leftover::Unasked);
        assert_eq!(ledger.load(0).owed(first), 2, "what was not asked lowers nothing");
        assert_eq!(ledger.leftover(second), Leftover::Second);
        assert_eq!(ledger.leftover(second), Leftover::Unasked, "only as often as there was one");
        ledger.asked(second, 2);
        ledger.expired(others);
        ledger.spare(others);
        let kinds = [Leftover::Second, Leftover::Expired, Leftover::Unasked];
        assert_eq!([(); 3].map(|()| ledger.leftover(second)), kinds);
        assert_eq!(ledger.load(0).owed(second), 0);
        ledger.spare(others);
        ledger.close(second);
        assert_eq!((ledger.load(0).owed(second), ledger.leftover(second)), (0, Leftover::Unasked));
    }
}
