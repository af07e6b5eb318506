//! Lists of names held against each other: which are the same, and which lie wholly within another.
//!
//! All lists are walked at once, like runs that are merged; each entry is compared with the others' once.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::ground::LintInput;
use crate::check::{ListIndex, Scope};
use crate::lists::NameList;

/// Lists that are compared: a thousand is ten times what the largest publisher has, and the counts of all
/// pairs then take eight megabytes.
const LISTS_MAX: usize = 1_000;

/// Pairs of equal entries that are counted: seconds of work. Ordinary lists share few.
const PAIRS_MAX: u64 = 100_000_000;

/// What lists have in common.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    /// By list: the first list with the same entries, itself where there is none before.
    same_as: Vec<ListIndex>,
    /// By the places of two different lists: how many entries of the first are in the second.
    shared: HashMap<(ListIndex, ListIndex), u64>,
    sizes: Vec<u64>,
    /// By list: the others that hold all its entries and more, the smallest first.
    around: HashMap<ListIndex, Vec<ListIndex>>,
    /// Why not all was compared, where it was not.
    pub(super) unfinished: Option<String>,
}

impl Overlap {
    pub(super) fn new(input: &LintInput<'_>) -> Self {
        let count = u32::try_from(input.lists.len()).unwrap_or(u32::MAX);
        let mut overlap = Self::default();
        let mut by_digest = HashMap::new();
        let mut different: Vec<(ListIndex, &NameList)> = Vec::new();
        for list in (0..count).map(ListIndex) {
            let first =
                input.digest(list).map_or(list, |digest| *by_digest.entry(digest).or_insert(list));
            overlap.same_as.push(first);
            overlap.sizes.push(input.names(list).map_or(0, NameList::len));
            if first == list {
                different.extend(input.names(list).map(|names| (list, names)));
            }
        }
        if different.len() > LISTS_MAX {
            let all = different.len();
            let told = format!("of {all} lists only {LISTS_MAX} were held against each other");
            overlap.unfinished = Some(told);
            different.truncate(LISTS_MAX);
        }
        overlap.count(&different);
        overlap.bring_together();
        overlap
    }

    /// Keeps of each list which others hold all of it.
    fn bring_together(&mut self) {
        for ((own, other), shared) in &self.shared {
            if self.size(*own) == *shared {
                self.around.entry(*own).or_default().push(*other);
            }
        }
        let sizes = &self.sizes;
        let size = |list: &ListIndex| sizes.get(list.0 as usize).copied();
        self.around.values_mut().for_each(|lists| lists.sort_by_key(|list| (size(list), *list)));
    }

    fn size(&self, list: ListIndex) -> u64 {
        self.sizes.get(list.0 as usize).copied().unwrap_or(0)
    }

    /// Counts the entries that lists share.
    fn count(&mut self, lists: &[(ListIndex, &NameList)]) {
        let mut walks: Vec<_> = lists.iter().map(|(_, names)| names.iter()).collect();
        let mut heap: BinaryHeap<Reverse<(Line<'_>, usize)>> = BinaryHeap::new();
        for (walk, number) in walks.iter_mut().zip(0..) {
            heap.extend(walk.next().map(|entry| Reverse((Line(entry), number))));
        }
        let (mut holders, mut pairs) = (Vec::new(), 0_u64);
        while let Some(Reverse((line, number))) = heap.pop() {
            holders.push(number);
            let next = walks.get_mut(number).and_then(Iterator::next);
            heap.extend(next.map(|entry| Reverse((Line(entry), number))));
            if heap.peek().is_some_and(|Reverse((next, _))| *next == line) {
                continue;
            }
            for one in &holders {
                for other in holders.iter().filter(|other| *other != one) {
                    let of = |at: &usize| lists.get(*at).map(|(list, _)| *list);
                    if let (Some(one), Some(other)) = (of(one), of(other)) {
                        let shared = self.shared.entry((one, other)).or_default();
                        *shared = shared.saturating_add(1);
                        pairs = pairs.saturating_add(1);
                    }
                }
            }
            holders.clear();
            if pairs > PAIRS_MAX {
                // Counts that were cut short say nothing about what lies within what.
                self.shared.clear();
                self.unfinished = Some("the lists share too many entries to count them".to_owned());
                return;
            }
        }
    }

    /// The first list with the same entries.
    pub(super) fn same_as(&self, list: ListIndex) -> ListIndex {
        self.same_as.get(list.0 as usize).copied().unwrap_or(list)
    }

    /// Whether every entry of a list is one of another, as it stands. A name that only a parent in the
    /// other list covers does not count.
    pub(super) fn within(&self, list: ListIndex, other: ListIndex) -> bool {
        let (list, other) = (self.same_as(list), self.same_as(other));
        list == other || self.around_all(list).contains(&other)
    }

    fn around_all(&self, list: ListIndex) -> &[ListIndex] {
        self.around.get(&list).map_or(&[], Vec::as_slice)
    }

    /// The smallest other list that has all entries of this one, and more; with both numbers.
    pub(super) fn around(&self, list: ListIndex) -> Option<(ListIndex, u64, u64)> {
        let around = self.around_all(list).first()?;
        Some((*around, self.size(list), self.size(*around)))
    }

    /// The lists that hold all of `list`, itself among them; of those that are the same the first.
    pub(super) fn wider(&self, list: ListIndex) -> impl Iterator<Item = ListIndex> {
        let list = self.same_as(list);
        std::iter::once(list).chain(self.around_all(list).iter().copied())
    }
}

/// An entry in the order of a set's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'a>((&'a str, Scope));

impl Line<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (name, scope) = self.0;
        let mark = match scope {
            Scope::Tree => None,
            Scope::Host => Some(b'='),
        };
        mark.into_iter().chain(name.bytes())
    }
}

impl Ord for Line<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            // PERF: nearly all entries have no mark, and their texts compare many bytes at once.
            ((one, Scope::Tree), (other, Scope::Tree)) => one.cmp(other),
            _ => self.bytes().cmp(other.bytes()),
        }
    }
}

impl PartialOrd for Line<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
