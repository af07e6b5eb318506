//! The URLs of all lists: each distinct one once, with the set of lists that have it. A host is found by
//! its hash, and its URLs by one binary search among those of that host.
//!
//! The URLs of one host are sorted by what they begin with, and each knows the longest other one that it
//! begins with itself, as in `prefix.rs`. They have neither scheme nor port (`lists/urls.rs`).
//!
//! The file form stands behind the names of the index and is the form in memory, so that opening it
//! parses no URL. All numbers are little-endian:
//!
//! ```text
//! buckets, names, depths, table bytes, groups, items   u64 each: the table of hosts (table.rs)
//! hosts, nodes, sets of nodes, items, text bytes       u64 each
//! the table, its groups and items
//! hosts     u32 each: where the nodes of a host end; then u32 each: the group of all its URLs
//! nodes     u64 each: where a node's text ends; u32 each: its parent + 1, or 0; u32 each: its group
//! groups    u32 each: where a group ends in the items; then the items, u32 each: a set's number
//! text      of all nodes
//! ```
//!
//! INVARIANT: an opened table never fails on a look-up: every place is read through a checked slice.

use std::collections::HashMap;

use super::table::{BUCKET_BYTES, Entry, Groups, Item, NameTable, Shape, Suffix, assemble};
use crate::check::Scope;
use crate::lists::UrlList;

/// The numbers in front of the file form.
const HEAD_NUMBERS: usize = 11;

/// URLs and the sets that have them.
#[derive(Debug, Default)]
pub(crate) struct UrlTable {
    /// Host to its number.
    names: NameTable,
    hosts: Vec<Host>,
    nodes: Vec<Node>,
    groups: SetGroups,
    text: Vec<u8>,
    /// The most URLs that one request can begin with.
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    nodes_end: u32,
    /// The sets of all its URLs.
    group: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    text_end: u64,
    /// The place of the longest other URL of this host that this one begins with, from 1; else 0.
    parent: u32,
    group: u32,
}

/// Runs of set numbers, each distinct one once.
#[derive(Debug, Default, PartialEq, Eq)]
struct SetGroups {
    ends: Vec<u32>,
    sets: Vec<u32>,
}

impl SetGroups {
    fn of(&self, group: u32) -> &[u32] {
        let at = group as usize;
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(u32::MAX),
            None => 0,
        };
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.sets.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// Gives every distinct group of sets one number.
#[derive(Default)]
struct Grouper {
    numbers: HashMap<Vec<u32>, u32>,
    groups: SetGroups,
}

impl Grouper {
    fn number(&mut self, mut sets: Vec<u32>) -> u32 {
        sets.sort_unstable();
        sets.dedup();
        if let Some(number) = self.numbers.get(&sets) {
            return *number;
        }
        let number = number(self.groups.ends.len());
        self.groups.sets.extend_from_slice(&sets);
        self.groups.ends.push(self::number(self.groups.sets.len()));
        self.numbers.insert(sets, number);
        number
    }
}

/// Writes the file form of the URLs of these lists, whose numbers are their places; nothing where there are
/// no lists of URLs.
pub(super) fn write_urls(lists: &[&UrlList], seed: u64) -> Vec<u8> {
    if lists.is_empty() {
        return Vec::new();
    }
    let mut urls: Vec<(&str, &str, u32)> = Vec::new();
    for (set, list) in (0_u32..).zip(lists) {
        urls.extend(list.iter().map(|(host, rest)| (host, rest, set)));
    }
    urls.sort_unstable();
    urls.dedup();
    let mut table = UrlTable::default();
    let mut grouper = Grouper::default();
    let mut names = Vec::new();
    for of_host in urls.chunk_by(|one, other| one.0 == other.0) {
        let Some((name, _, _)) = of_host.first() else { continue };
        names.extend(Entry::new(name, Item::new(number(table.hosts.len()), Scope::Host), seed));
        table.add_host(of_host, &mut grouper);
    }
    let (bytes, shape, groups) = assemble(names, seed, 0);
    table.groups = grouper.groups;
    table.to_bytes(&bytes, &shape, &groups)
}

impl UrlTable {
    fn add_host(&mut self, urls: &[(&str, &str, u32)], grouper: &mut Grouper) {
        // The URL before and those that it begins with.
        let mut open: Vec<(u32, &str)> = Vec::new();
        for of_node in urls.chunk_by(|one, other| one.1 == other.1) {
            let Some((_, rest, _)) = of_node.first() else { continue };
            while open.last().is_some_and(|(_, last)| !rest.starts_with(last)) {
                open.pop();
            }
            let parent = open.last().map_or(0, |(node, _)| node + 1);
            open.push((number(self.nodes.len()), rest));
            self.text.extend_from_slice(rest.as_bytes());
            let group = grouper.number(of_node.iter().map(|(_, _, set)| *set).collect());
            self.nodes.push(Node { text_end: self.text.len() as u64, parent, group });
        }
        let group = grouper.number(urls.iter().map(|(_, _, set)| *set).collect());
        self.hosts.push(Host { nodes_end: number(self.nodes.len()), group });
    }

    fn to_bytes(&self, table: &[u8], shape: &Shape, groups: &Groups) -> Vec<u8> {
        let mut bytes = Vec::new();
        let head: [u64; HEAD_NUMBERS] = [
            shape.buckets,
            shape.entries,
            shape.depths,
            table.len() as u64,
            groups.ends.len() as u64,
            groups.items.len() as u64,
            self.hosts.len() as u64,
            self.nodes.len() as u64,
            self.groups.ends.len() as u64,
            self.groups.sets.len() as u64,
            self.text.len() as u64,
        ];
        bytes.extend(head.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend_from_slice(table);
        let mut add = |number: u32| bytes.extend(number.to_le_bytes());
        groups.ends.iter().for_each(|end| add(*end));
        groups.items.iter().for_each(|item| add(item.0));
        self.hosts.iter().for_each(|host| add(host.nodes_end));
        self.hosts.iter().for_each(|host| add(host.group));
        bytes.extend(self.nodes.iter().flat_map(|node| node.text_end.to_le_bytes()));
        let mut add = |number: u32| bytes.extend(number.to_le_bytes());
        self.nodes.iter().for_each(|node| add(node.parent));
        self.nodes.iter().for_each(|node| add(node.group));
        self.groups.ends.iter().for_each(|end| add(*end));
        self.groups.sets.iter().for_each(|set| add(*set));
        bytes.extend_from_slice(&self.text);
        bytes
    }

    /// Opens the file form; nothing where the bytes are not one whole table.
    pub(super) fn open(bytes: &[u8], seed: u64) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut rest = bytes;
        let head = longs(&mut rest, HEAD_NUMBERS as u64)?;
        let [buckets, entries, depths, table, group_ends, items, tail @ ..] = head.as_slice()
        else {
            return None;
        };
        let [hosts, nodes, set_ends, sets, text] = tail else { return None };
        let table = take(&mut rest, *table)?.to_vec();
        let slots = usize::try_from(*buckets).ok()?.checked_mul(BUCKET_BYTES)?;
        if slots > table.len() {
            return None;
        }
        let shape = Shape { seed, entries: *entries, buckets: *buckets, depths: *depths };
        let ends = words(&mut rest, *group_ends)?;
        let items = words(&mut rest, *items)?.into_iter().map(Item).collect();
        let names = NameTable::over(table, 0, shape, Groups { ends, items });
        let (ends, groups) = (words(&mut rest, *hosts)?, words(&mut rest, *hosts)?);
        let hosts = ends.into_iter().zip(groups);
        let hosts = hosts.map(|(nodes_end, group)| Host { nodes_end, group }).collect();
        let text_ends = longs(&mut rest, *nodes)?;
        let (parents, groups) = (words(&mut rest, *nodes)?, words(&mut rest, *nodes)?);
        let nodes = text_ends.into_iter().zip(parents).zip(groups);
        let nodes = nodes.map(|((text_end, parent), group)| Node { text_end, parent, group });
        let nodes = nodes.collect();
        let groups =
            SetGroups { ends: words(&mut rest, *set_ends)?, sets: words(&mut rest, *sets)? };
        let text = take(&mut rest, *text)?.to_vec();
        if !rest.is_empty() {
            return None;
        }
        let table = Self { names, hosts, nodes, groups, text, most: 0 };
        Some(Self { most: table.deepest(), ..table })
    }

    /// The most nodes that lie above one another.
    fn deepest(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for (place, node) in self.nodes.iter().enumerate() {
            // A parent stands before its children; one that does not is none.
            let above = (node.parent as usize).checked_sub(1).filter(|above| *above < place);
            depths.push(above.and_then(|above| depths.get(above)).map_or(1, |depth| depth + 1));
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let numbers = self.hosts.len() * 2 + self.nodes.len() * 4;
        let numbers = numbers + self.groups.ends.len() + self.groups.sets.len();
        self.names.bytes() + (self.text.len() + 4 * numbers) as u64
    }

    /// How many distinct URLs there are.
    pub(crate) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The most URLs that one request can begin with.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// The number of a host that has URLs. `suffixes` are those of the name, with the seed of the index.
    pub(super) fn host(&self, name: &[u8], suffixes: &[Suffix]) -> Option<u32> {
        let group = self.names.whole(name, suffixes)?;
        self.names.items(group).first().map(|item| item.set())
    }

    /// The sets of a group, sorted.
    pub(crate) fn sets(&self, group: u32) -> &[u32] {
        self.groups.of(group)
    }

    /// Adds to `hits` the groups of all URLs of a host that a request begins with whose path is `rest`.
    pub(crate) fn lookup(&self, host: u32, rest: &[u8], hits: &mut Vec<u32>) {
        let Some((start, nodes)) = self.nodes_of(host) else { return };
        let (mut low, mut high) = (0, nodes.len());
        // The last URL that is not greater than `rest`, or one above it, is what it begins with.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.text_of(start + middle) <= rest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut next = (start + low).checked_sub(1).filter(|place| *place >= start);
        while let Some(place) = next {
            let Some(node) = self.nodes.get(place) else { return };
            if rest.starts_with(self.text_of(place)) {
                hits.push(node.group);
            }
            // A parent stands before its children: no loop, whatever the file says.
            next = (node.parent as usize).checked_sub(1).filter(|above| *above < place);
        }
    }

    /// The group of a host's URLs that hold whatever the path is, and that of all of them.
    pub(crate) fn whole_and_all(&self, host: u32) -> Option<(Option<u32>, u32)> {
        let (start, nodes) = self.nodes_of(host)?;
        let whole = nodes.first().filter(|_| self.text_of(start) == b"/");
        let all = self.hosts.get(host as usize)?.group;
        Some((whole.map(|node| node.group), all))
    }

    /// Where the nodes of a host begin, and the nodes.
    fn nodes_of(&self, host: u32) -> Option<(usize, &[Node])> {
        let place = host as usize;
        let end = self.hosts.get(place)?.nodes_end as usize;
        let before = place.checked_sub(1).and_then(|before| self.hosts.get(before));
        let start = before.map_or(0, |host| host.nodes_end as usize);
        Some((start, self.nodes.get(start..end)?))
    }

    /// The text of a node.
    fn text_of(&self, place: usize) -> &[u8] {
        let end = |place: usize| {
            let end = self.nodes.get(place).map_or(0, |node| node.text_end);
            usize::try_from(end).unwrap_or(0)
        };
        let start = place.checked_sub(1).map_or(0, end);
        self.text.get(start..end(place)).unwrap_or_default()
    }
}

/// Takes bytes off the front.
fn take<'b>(rest: &mut &'b [u8], count: u64) -> Option<&'b [u8]> {
    let (front, after) = rest.split_at_checked(usize::try_from(count).ok()?)?;
    *rest = after;
    Some(front)
}

/// Takes numbers of 32 bits off the front.
fn words(rest: &mut &[u8], count: u64) -> Option<Vec<u32>> {
    let (words, _) = take(rest, count.checked_mul(4)?)?.as_chunks::<4>();
    Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

/// Takes numbers of 64 bits off the front.
fn longs(rest: &mut &[u8], count: u64) -> Option<Vec<u64>> {
    let (longs, _) = take(rest, count.checked_mul(8)?)?.as_chunks::<8>();
    Some(longs.iter().map(|long| u64::from_le_bytes(*long)).collect())
}

/// A place as a number; a list has at most 2^31 bytes, so that places stay far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap as Map};
    use std::fmt::Write as _;
    use std::io::Read as _;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::table::walk;
    use super::*;
    use crate::lists::{ListFormat, RawList, read_list};
    use crate::real_data::{folder_or_skip, say};
    use crate::uri::{CanonicalUri, Form, UriBuffer};

    const SEED: u64 = 7;

    fn list(text: &str) -> UrlList {
        let raw = RawList::file(text.as_bytes().to_vec());
        read_list(&raw, Some(ListFormat::Urls)).unwrap().0.urls
    }

    fn open(lists: &[&UrlList]) -> UrlTable {
        UrlTable::open(&write_urls(lists, SEED), SEED).unwrap()
    }

    /// The sets that have a URL which the request begins with.
    fn found(table: &UrlTable, host: &str, rest: &str) -> BTreeSet<u32> {
        let mut suffixes = Vec::new();
        walk(host.as_bytes(), SEED, &mut suffixes);
        let mut hits = Vec::new();
        if let Some(host) = table.host(host.as_bytes(), &suffixes) {
            table.lookup(host, rest.as_bytes(), &mut hits);
        }
        assert!(hits.len() <= table.most());
        hits.iter().flat_map(|group| table.sets(*group)).copied().collect()
    }

    fn naive(lists: &[UrlList], host: &str, rest: &str) -> BTreeSet<u32> {
        let holds =
            |list: &UrlList| list.iter().any(|(own, begin)| own == host && rest.starts_with(begin));
        (0..).zip(lists).filter(|(_, list)| holds(list)).map(|(set, _)| set).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_table_finds_what_its_lists_hold(
            texts in proptest::collection::vec("((a|b|a\\.b)\\.c(/(a|b|ab|-)?){0,4}(\\?a)?\n){0,12}", 0..4),
            asked in proptest::collection::vec(("(a|b|a\\.b|c)(\\.c)?", "/(a|b|/|-|\\?){0,6}"), 1..20),
        ) {
            let lists: Vec<UrlList> = texts.iter().map(|text| list(text)).collect();
            let table = open(&lists.iter().collect::<Vec<_>>());
            for (host, rest) in asked {
                prop_assert_eq!(found(&table, &host, &rest), naive(&lists, &host, &rest));
            }
        }
    }

    #[test]
    fn a_table_that_is_cut_or_longer_does_not_open() {
        let urls = list("a.test/\na.test/x\nb.test/y?z\n");
        let bytes = write_urls(&[&urls, &urls], SEED);
        assert!(UrlTable::open(&bytes, SEED).is_some());
        for cut in 1..bytes.len() {
            assert!(UrlTable::open(&bytes[..cut], SEED).is_none(), "{cut}");
        }
        assert!(UrlTable::open(&[bytes.as_slice(), b"x"].concat(), SEED).is_none());
        assert_eq!(UrlTable::open(&[], SEED).unwrap().len(), 0);
        // Whatever its numbers say, a look-up ends.
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 0x81;
            if let Some(table) = UrlTable::open(&forged, SEED) {
                let mut suffixes = Vec::new();
                walk(b"a.test", SEED, &mut suffixes);
                let host = table.host(b"a.test", &suffixes).unwrap_or(0);
                let mut hits = Vec::new();
                table.lookup(host, b"/xy", &mut hits);
                let _ = (table.whole_and_all(host), table.bytes(), table.most());
            }
        }
    }

    fn column(path: &std::path::Path) -> Vec<String> {
        let mut text = Vec::new();
        let bytes = std::fs::read(path).unwrap();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn real_urls_cost_what_a_request_has_and_not_what_the_list_has() {
        let test = "matcher: real_urls_cost_what_a_request_has_and_not_what_the_list_has";
        let Some(data) = folder_or_skip(test) else { return };
        let listed = column(&data.join("urls/listed-urls.tsv.gz"));
        let mut asked: Vec<(String, String)> = Vec::new();
        let requests = column(&data.join("urls/requests.tsv.gz"));
        for url in requests.iter().chain(listed.iter().step_by(100)) {
            let mut buffer = UriBuffer::default();
            let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, url.as_bytes());
            let Ok(uri) = uri else { continue };
            let rest = uri.views().next().map(|view| view.rest().to_vec()).unwrap_or_default();
            asked.push((uri.host_text().to_owned(), String::from_utf8(rest).unwrap()));
        }
        let mut suffixes = Vec::new();
        let mut times = String::new();
        for share in [64, 8, 1] {
            let text: String = listed.iter().step_by(share).map(|url| format!("{url}\n")).collect();
            let urls = list(&text);
            let table = open(&[&urls]);
            let mut by_host: Map<&str, Vec<&str>> = Map::new();
            urls.iter().for_each(|(host, rest)| by_host.entry(host).or_default().push(rest));
            let mut hits = Vec::new();
            let (mut fast, mut slow) = (0, 0);
            let start = Instant::now();
            for (host, rest) in &asked {
                hits.clear();
                walk(host.as_bytes(), SEED, &mut suffixes);
                if let Some(host) = table.host(host.as_bytes(), &suffixes) {
                    table.lookup(host, rest.as_bytes(), &mut hits);
                }
                fast += usize::from(!hits.is_empty());
            }
            let nanos = start.elapsed().as_nanos() / asked.len() as u128;
            for (host, rest) in &asked {
                let own = by_host.get(host.as_str());
                let own = own.is_some_and(|own| own.iter().any(|begin| rest.starts_with(begin)));
                slow += usize::from(own);
            }
            assert_eq!(fast, slow);
            let _ = write!(times, " {} URLs: {nanos} ns, {fast} hits;", urls.len());
        }
        say(&format!("URLs of lists, hash and look-up of {} requests:{times}\n", asked.len()));
    }
}
