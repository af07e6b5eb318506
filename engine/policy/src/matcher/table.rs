//! A hash table from names to groups of sets, laid out as bytes, so that a file of it is used as it is.
//!
//! A name is hashed label by label from the right, each label seeded with the hash of what follows it:
//! one walk over a host gives the hashes of the host and of all its parents ([`walk`]). A bucket is 64
//! bytes, eight slots of a fingerprint and the place of a record; a full bucket flows over into the
//! next. A record holds the whole name, and a name is found only where its text is equal, so neither a
//! collision nor a chosen name gives a wrong answer.
//!
//! Left out: the file's header and checksum, which are `hashset`'s.
//!
//! INVARIANT: slots of a bucket fill from the left, and every bucket between a name's first bucket and
//! the one that holds it is full; so a search ends at the first empty slot.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::check::Scope;

/// Bytes of a bucket: one cache line, eight slots.
pub(super) const BUCKET_BYTES: usize = 64;

/// Names that a bucket is laid out for. Five of eight keep nine searches of ten in one cache line.
const BUCKET_NAMES: usize = 5;

/// Bits of a slot that hold the place of the record, from 1; a slot of 0 is empty. The others hold the
/// fingerprint, which decides whether the record is looked at.
const PLACE_BITS: u32 = 40;

/// The bytes of a record's length: longer names cannot be hosts (RFC 1035 section 2.3.4 allows 253).
const NAME_BYTES_MAX: usize = 255;

/// Depths of names that are told apart; deeper ones share the last bit.
const DEPTH_MAX: usize = 63;

/// One suffix of a name that begins at a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suffix {
    /// The hash of its text.
    hash: u64,
    /// Where in the name it begins.
    start: usize,
}

/// Which suffix of a host was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The host itself: entries of both scopes hold.
    Host,
    /// A parent: only entries that mean the names below it hold.
    Parent,
}

/// A suffix of a host that the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The sets that hold it.
    pub(crate) group: u32,
    /// Whether it is the host itself.
    pub(crate) reach: Reach,
}

/// A set's number and the scope of a name in it, as one number that sorts by set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item(pub(super) u32);

impl Item {
    /// The item for `scope` in the set with this number, which is below 2^31.
    pub(crate) const fn new(set: u32, scope: Scope) -> Self {
        match scope {
            Scope::Tree => Self(set << 1),
            Scope::Host => Self(set << 1 | 1),
        }
    }

    /// The item that sorts before all others of a set.
    pub(crate) const fn first(set: u32) -> Self {
        Self(set << 1)
    }

    /// The set's number.
    pub(crate) const fn set(self) -> u32 {
        self.0 >> 1
    }

    /// Whether it holds for a suffix of this reach.
    pub(crate) const fn holds(self, reach: Reach) -> bool {
        match reach {
            Reach::Host => true,
            Reach::Parent => self.0 & 1 == 0,
        }
    }
}

/// A name on its way into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry<'a> {
    hash: u64,
    name: &'a str,
    item: Item,
}

impl<'a> Entry<'a> {
    /// The entry of `name`; none for a text that is no name of any host.
    pub(crate) fn new(name: &'a str, item: Item, seed: u64) -> Option<Self> {
        let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        fits.then(|| Self { hash: hash(name.as_bytes(), seed), name, item })
    }
}

/// What a reader has to know of a table besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// The seed of every hash.
    pub(super) seed: u64,
    /// How many names there are.
    pub(super) entries: u64,
    /// How many buckets.
    pub(super) buckets: u64,
    /// Which numbers of labels occur: bit `n` for `n` labels.
    pub(super) depths: u64,
}

/// Groups of items: the sets that a name is in. Few names are in more than one list, so there are far
/// fewer groups than names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// Where each group ends in `items`.
    pub(super) ends: Vec<u32>,
    /// The items of all groups, sorted within each.
    pub(super) items: Vec<Item>,
}

/// A table in memory.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    bytes: Vec<u8>,
    slots_at: usize,
    arena_at: usize,
    shape: Shape,
    groups: Groups,
}

/// Cuts `name` at its dots and gives every suffix with its hash, the shortest first and the whole name
/// last.
pub(crate) fn walk(name: &[u8], seed: u64, suffixes: &mut Vec<Suffix>) {
    suffixes.clear();
    let mut state = seed;
    let mut end = name.len();
    for (at, byte) in name.iter().enumerate().rev() {
        if *byte == b'.' {
            state = xxh3_64_with_seed(name.get(at + 1..end).unwrap_or_default(), state);
            suffixes.push(Suffix { hash: state, start: at + 1 });
            end = at;
        }
    }
    state = xxh3_64_with_seed(name.get(..end).unwrap_or_default(), state);
    suffixes.push(Suffix { hash: state, start: 0 });
}

/// The hash of a whole name, as [`walk`] gives it last.
fn hash(name: &[u8], seed: u64) -> u64 {
    name.rsplit(|byte| *byte == b'.').fold(seed, |state, label| xxh3_64_with_seed(label, state))
}

/// The bucket where the search for a hash begins: its upper bits, scaled.
fn home(hash: u64, buckets: u64) -> u64 {
    let scaled = (u128::from(hash) * u128::from(buckets)) >> 64;
    u64::try_from(scaled).unwrap_or(0)
}

/// The part of a hash that a slot keeps: its lower bits, which the bucket does not depend on.
const fn fingerprint(hash: u64) -> u64 {
    hash << PLACE_BITS
}

/// Lays the table out behind `front` bytes of zeros.
pub(super) fn assemble(
    mut entries: Vec<Entry<'_>>,
    seed: u64,
    front: usize,
) -> (Vec<u8>, Shape, Groups) {
    // Sorted by hash, names come in the order of their buckets, and equal names come together.
    entries.sort_unstable();
    entries.dedup();
    let same =
        |one: &Entry<'_>, other: &Entry<'_>| one.hash == other.hash && one.name == other.name;
    let count = entries.chunk_by(same).count();
    let buckets = count.div_ceil(BUCKET_NAMES).max(1);
    let text: usize = entries.iter().map(|entry| entry.name.len() + 3).sum();

    let arena_at = front + buckets * BUCKET_BYTES;
    let mut bytes = Vec::with_capacity(arena_at + text + 1);
    bytes.resize(arena_at + 1, 0); // place 0 means an empty slot
    let mut shape = Shape { seed, entries: count as u64, buckets: buckets as u64, depths: 0 };
    let mut groups = Grouper::default();
    for run in entries.chunk_by(same) {
        let Some(first) = run.first() else { continue };
        let place = (bytes.len() - arena_at) as u64;
        let group = groups.number(run.iter().map(|entry| entry.item));
        push_record(&mut bytes, first.name, group);
        let slots = bytes.get_mut(front..arena_at).unwrap_or_default();
        insert(slots, home(first.hash, shape.buckets), fingerprint(first.hash) | place);
        shape.depths |= depth_bit(first.name.bytes().filter(|byte| *byte == b'.').count() + 1);
    }
    (bytes, shape, groups.groups)
}

/// The bit of a number of labels.
fn depth_bit(labels: usize) -> u64 {
    1 << labels.min(DEPTH_MAX)
}

/// Appends length, group and text of a name.
fn push_record(bytes: &mut Vec<u8>, name: &str, group: u32) {
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    let mut rest = group;
    while rest >= 0x80 {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
    bytes.extend_from_slice(name.as_bytes());
}

/// Puts `slot` into the first empty place from bucket `home` on.
fn insert(slots: &mut [u8], home: u64, slot: u64) {
    let (slots, _) = slots.as_chunks_mut::<8>();
    let start = usize::try_from(home).unwrap_or(0) * (BUCKET_BYTES / 8);
    let (before, after) = slots.split_at_mut(start.min(slots.len()));
    // There are more slots than names, so one of them is empty.
    if let Some(empty) = after.iter_mut().chain(before).find(|slot| **slot == [0; 8]) {
        *empty = slot.to_le_bytes();
    }
}

/// Gives every distinct group of items one number.
#[derive(Default)]
struct Grouper {
    numbers: HashMap<Vec<Item>, u32>,
    groups: Groups,
    run: Vec<Item>,
}

impl Grouper {
    /// The number of the group of `items`, which come sorted.
    fn number(&mut self, items: impl Iterator<Item = Item>) -> u32 {
        self.run.clear();
        self.run.extend(items);
        if let Some(number) = self.numbers.get(&self.run) {
            return *number;
        }
        let number = u32::try_from(self.groups.ends.len()).unwrap_or(u32::MAX);
        self.groups.items.extend_from_slice(&self.run);
        self.groups.ends.push(u32::try_from(self.groups.items.len()).unwrap_or(u32::MAX));
        self.numbers.insert(self.run.clone(), number);
        number
    }
}

impl NameTable {
    /// The table of `entries`, which were made with the same seed.
    pub(crate) fn new(entries: Vec<Entry<'_>>, seed: u64) -> Self {
        let (bytes, shape, groups) = assemble(entries, seed, 0);
        Self::over(bytes, 0, shape, groups)
    }

    /// The table whose slots begin at `slots_at` in `bytes`.
    pub(super) fn over(bytes: Vec<u8>, slots_at: usize, shape: Shape, groups: Groups) -> Self {
        let slots = usize::try_from(shape.buckets).unwrap_or(0).saturating_mul(BUCKET_BYTES);
        Self { bytes, slots_at, arena_at: slots_at.saturating_add(slots), shape, groups }
    }

    /// The seed that names are hashed with.
    pub(crate) const fn seed(&self) -> u64 {
        self.shape.seed
    }

    /// How many names there are.
    pub(crate) const fn entries(&self) -> u64 {
        self.shape.entries
    }

    /// How many bytes the table takes.
    pub(crate) fn bytes(&self) -> u64 {
        let groups = self.groups.ends.len() * 4 + self.groups.items.len() * 4;
        (self.bytes.len() + groups) as u64
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.groups.ends.len()
    }

    /// The items of a group, sorted.
    pub(crate) fn items(&self, group: u32) -> &[Item] {
        let at = group as usize;
        let start = match at.checked_sub(1) {
            Some(before) => self.groups.ends.get(before).copied().unwrap_or(u32::MAX),
            None => 0,
        };
        let end = self.groups.ends.get(at).copied().unwrap_or(0);
        self.groups.items.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The group of a name.
    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        self.find(hash(name.as_bytes(), self.shape.seed), name.as_bytes())
    }

    /// Adds to `hits` every suffix of `name` that the table holds, the shortest first. `suffixes` comes
    /// from [`walk`] with this table's seed.
    pub(crate) fn probe(&self, name: &[u8], suffixes: &[Suffix], hits: &mut Vec<Hit>) {
        for (below, suffix) in suffixes.iter().enumerate() {
            if self.shape.depths & depth_bit(below + 1) == 0 {
                continue;
            }
            let text = name.get(suffix.start..).unwrap_or_default();
            if let Some(group) = self.find(suffix.hash, text) {
                let reach = if suffix.start == 0 { Reach::Host } else { Reach::Parent };
                hits.push(Hit { group, reach });
            }
        }
    }

    /// Adds to `hits` the name as a whole, where the table holds it: addresses have no parents.
    pub(crate) fn probe_whole(&self, name: &[u8], suffixes: &[Suffix], hits: &mut Vec<Hit>) {
        let whole = self.whole(name, suffixes);
        hits.extend(whole.map(|group| Hit { group, reach: Reach::Host }));
    }

    /// The group of the name as a whole. `suffixes` comes from [`walk`] with this table's seed.
    pub(super) fn whole(&self, name: &[u8], suffixes: &[Suffix]) -> Option<u32> {
        suffixes.last().and_then(|suffix| self.find(suffix.hash, name))
    }

    /// The group of a name, where the table holds it.
    fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let print = hash & (u64::MAX >> PLACE_BITS);
        let mut bucket = home(hash, self.shape.buckets);
        for _ in 0..self.shape.buckets {
            let at = self.slots_at + usize::try_from(bucket).ok()? * BUCKET_BYTES;
            let (slots, _) = self.bytes.get(at..at + BUCKET_BYTES)?.as_chunks::<8>();
            for slot in slots {
                let slot = u64::from_le_bytes(*slot);
                if slot == 0 {
                    return None;
                }
                if slot >> PLACE_BITS == print
                    && let Some(group) = self.record(slot, name)
                {
                    return Some(group);
                }
            }
            bucket = if bucket + 1 == self.shape.buckets { 0 } else { bucket + 1 };
        }
        None
    }

    /// The group of the record that `slot` points to, where its text is `name`.
    fn record(&self, slot: u64, name: &[u8]) -> Option<u32> {
        let place = usize::try_from(slot & ((1 << PLACE_BITS) - 1)).ok()?;
        let (length, mut rest) = self.bytes.get(self.arena_at + place..)?.split_first()?;
        let mut group = 0;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, after) = rest.split_first()?;
            group |= u32::from(byte & 0x7f) << shift;
            rest = after;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (rest.get(..usize::from(*length))? == name).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[(&str, u32, Scope)]) -> NameTable {
        let entry = |(name, set, scope): &(&'static str, u32, Scope)| {
            Entry::new(name, Item::new(*set, *scope), 7)
        };
        let names: Vec<(&'static str, u32, Scope)> = names
            .iter()
            .map(|(name, set, scope)| (&*name.to_string().leak(), *set, *scope))
            .collect();
        NameTable::new(names.iter().filter_map(entry).collect(), 7)
    }

    fn sets(table: &NameTable, host: &str) -> Vec<u32> {
        let (mut suffixes, mut hits) = (Vec::new(), Vec::new());
        walk(host.as_bytes(), table.seed(), &mut suffixes);
        table.probe(host.as_bytes(), &suffixes, &mut hits);
        let mut sets = Vec::new();
        for hit in &hits {
            let items = table.items(hit.group).iter().filter(|item| item.holds(hit.reach));
            sets.extend(items.map(|item| item.set()));
        }
        sets
    }

    #[test]
    fn a_host_is_found_by_itself_and_by_its_parents() {
        let table = table(&[
            ("example.com", 1, Scope::Tree),
            ("example.com", 3, Scope::Host),
            ("a.example.com", 2, Scope::Host),
            ("com", 4, Scope::Host),
        ]);
        assert_eq!(sets(&table, "example.com"), [1, 3]);
        assert_eq!(sets(&table, "www.example.com"), [1]);
        assert_eq!(sets(&table, "a.example.com"), [1, 2]);
        assert_eq!(sets(&table, "b.a.example.com"), [1]);
        assert_eq!(sets(&table, "com"), [4]);
        for miss in ["", ".", "example.org", "notexample.com", "example.com.evil.org", "ample.com"]
        {
            assert_eq!(sets(&table, miss), [0; 0], "{miss}");
        }
        assert_eq!(table.entries(), 3);
    }

    #[test]
    fn an_empty_table_holds_nothing() {
        assert_eq!(sets(&NameTable::default(), "a.b"), [0; 0]);
        assert_eq!(sets(&table(&[]), "a.b"), [0; 0]);
    }

    #[test]
    fn an_address_has_no_parents() {
        let table = table(&[("2.1", 1, Scope::Tree), ("192.0.2.1", 2, Scope::Tree)]);
        for (host, expected) in [("192.0.2.1", 1), ("192.2.2.1", 0)] {
            let (mut suffixes, mut hits) = (Vec::new(), Vec::new());
            walk(host.as_bytes(), table.seed(), &mut suffixes);
            table.probe_whole(host.as_bytes(), &suffixes, &mut hits);
            assert_eq!(hits.len(), expected, "{host}");
        }
    }

    #[test]
    fn a_walk_gives_the_hash_of_every_suffix() {
        let mut suffixes = Vec::new();
        walk(b"a.bc.d", 3, &mut suffixes);
        let expected = [("d", 5), ("bc.d", 2), ("a.bc.d", 0)];
        let expected =
            expected.map(|(name, start)| Suffix { hash: hash(name.as_bytes(), 3), start });
        assert_eq!(suffixes, expected);
    }

    #[test]
    fn many_names_share_buckets_and_all_are_found() {
        let names: Vec<String> = (0..20_000).map(|n| format!("n{n}.example")).collect();
        let entries = names.iter().enumerate();
        let entries = entries.filter_map(|(n, name)| {
            Entry::new(name, Item::new(u32::try_from(n % 300).unwrap(), Scope::Tree), 9)
        });
        let table = NameTable::new(entries.collect(), 9);
        for (n, name) in names.iter().enumerate() {
            assert_eq!(sets(&table, name), [u32::try_from(n % 300).unwrap()]);
            assert_eq!(sets(&table, &format!("{name}x")), [0; 0]);
        }
        assert_eq!((table.entries(), table.groups()), (20_000, 300));
    }

    #[test]
    fn a_name_that_no_host_can_have_is_left_out() {
        assert_eq!(Entry::new("", Item(0), 1), None);
        assert_eq!(Entry::new(&"a".repeat(256), Item(0), 1), None);
    }
}
