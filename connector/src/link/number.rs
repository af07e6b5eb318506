//! Which engine, by its place in the file; and sets of them. Pure.

/// The most engines of a connector. Each is a connection of every helper, and a site that needs more
/// than a pair for the worst day is already rare.
pub const ENGINES_MAX: usize = 8;

/// An engine's place in the file, and so the link to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkNumber(u8);

impl LinkNumber {
    /// The links to the first `count` engines, of which there are at most [`ENGINES_MAX`].
    pub fn first(count: usize) -> impl Iterator<Item = Self> {
        (0_u8..).map(Self).take(count.min(ENGINES_MAX))
    }

    /// Its place in arrays of [`ENGINES_MAX`].
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// A set of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkSet(u8);

impl LinkSet {
    /// Adds a link.
    pub const fn insert(&mut self, link: LinkNumber) {
        self.0 |= 1 << link.0;
    }

    /// Takes a link out.
    pub const fn remove(&mut self, link: LinkNumber) {
        self.0 &= !(1 << link.0);
    }

    /// Whether the link is in it.
    #[must_use]
    pub const fn contains(self, link: LinkNumber) -> bool {
        self.0 & (1 << link.0) != 0
    }

    /// Whether it holds no link.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of it that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The links, in the order of the file.
    pub fn iter(self) -> impl Iterator<Item = LinkNumber> {
        LinkNumber::first(ENGINES_MAX).filter(move |link| self.contains(*link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_every_link() {
        let all: Vec<LinkNumber> = LinkNumber::first(100).collect();
        assert_eq!(all.len(), ENGINES_MAX);
        let mut set = LinkSet::default();
        for &link in &all {
            assert!(!set.contains(link));
            set.insert(link);
            assert!(set.contains(link));
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), all);
        let mut rest = set;
        rest.remove(all[3]);
        assert_eq!(set.without(rest).iter().collect::<Vec<_>>(), [all[3]]);
        assert!(rest.without(set).is_empty());
    }
}
