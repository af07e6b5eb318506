//! Addresses of clients and destinations: which CIDRs hold an address, by one binary search.
//!
//! A range is cut into CIDRs, since two of those are disjoint or one holds the other. Sorted by first
//! address, the wider first, each knows the narrowest one around it; the CIDRs that hold an address are
//! then the last one that does not begin after it, or ancestors of it, at most 33 or 129.

use std::net::IpAddr;

use super::runs::{Run, Runs};
use crate::check::{AddressClass, AddressRange};

/// Distinct CIDRs of a policy and of its lists.
#[derive(Debug, Default)]
pub(crate) struct NetworkTable {
    v4: Family,
    v6: Family,
}

/// The CIDRs of one family, as numbers.
#[derive(Debug, Default)]
struct Family {
    firsts: Vec<u128>,
    nodes: Vec<Node>,
    /// The number of the first node.
    base: u32,
}

#[derive(Debug)]
struct Node {
    last: u128,
    /// The place of the narrowest other node that holds this one.
    parent: Option<u32>,
    lists: Run,
}

/// A block of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cidr {
    family: Version,
    first: u128,
    last: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V4,
    V6,
}

impl Version {
    /// The bits of an address.
    const fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// What an address was found in.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// The numbers of the CIDRs that hold it.
    pub(crate) nodes: Vec<u32>,
    /// The runs of lists that name one of them.
    pub(crate) lists: Vec<Run>,
}

impl Holders {
    /// Makes room for as many as there can be: one for each length of a prefix.
    pub(crate) fn reserve(&mut self) {
        self.clear();
        self.nodes.reserve(129);
        self.lists.reserve(129);
    }

    /// Forgets the request before.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.lists.clear();
    }
}

/// Cuts a range into the fewest CIDRs; none where it has two families or ends before it begins.
pub(crate) fn cidrs(range: AddressRange, found: &mut Vec<Cidr>) {
    let (family, first) = split(range.first);
    // A large IPv6 network may end among the mapped addresses, as `::/80` does; its end is no IPv4 one.
    let (other, last) = match (family, range.last) {
        (Version::V6, IpAddr::V6(last)) => (Version::V6, last.to_bits()),
        (Version::V4 | Version::V6, last) => split(last),
    };
    if family != other {
        return;
    }
    let mut next = Some(first);
    while let Some(first) = next.filter(|first| *first <= last) {
        let aligned = first.trailing_zeros().min(family.bits());
        let length = (last - first).checked_add(1);
        let fitting = length.map_or(128, |length| 127 - length.leading_zeros());
        let mask = match aligned.min(fitting) {
            128 => u128::MAX,
            bits => (1 << bits) - 1,
        };
        found.push(Cidr { family, first, last: first | mask });
        next = (first | mask).checked_add(1);
    }
}

/// The CIDRs of a class (SPEC 3).
pub(crate) fn class(class: AddressClass, found: &mut Vec<Cidr>) {
    class.ranges().into_iter().for_each(|range| cidrs(range, found));
}

impl AddressClass {
    /// The addresses of this class, as ranges.
    pub(crate) fn ranges(self) -> Vec<AddressRange> {
        let texts: &[(&str, &str)] = match self {
            Self::Loopback => {
                &[("127.0.0.0", "127.255.255.255"), ("0.0.0.0", "0.255.255.255"), ("::", "::1")]
            }
            Self::Private => &[
                ("10.0.0.0", "10.255.255.255"),
                ("172.16.0.0", "172.31.255.255"),
                ("192.168.0.0", "192.168.255.255"),
                ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ],
            Self::LinkLocal => &[
                ("169.254.0.0", "169.254.255.255"),
                ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ],
            Self::AnyLiteral => {
                &[("0.0.0.0", "255.255.255.255"), ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]
            }
        };
        let range = |(first, last): &(&str, &str)| {
            Some(AddressRange { first: first.parse().ok()?, last: last.parse().ok()? })
        };
        texts.iter().filter_map(range).collect()
    }
}

/// Family and number of an address; a mapped IPv4 address is an IPv4 address.
fn split(address: IpAddr) -> (Version, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (Version::V4, u128::from(address.to_bits())),
        IpAddr::V6(address) => (Version::V6, address.to_bits()),
    }
}

impl NetworkTable {
    /// The table of `cidrs`, each with the number of the list that names it, if one does.
    pub(crate) fn new(mut cidrs: Vec<(Cidr, Option<u32>)>, runs: &mut Runs) -> Self {
        // The wider of two with the same first address comes first.
        cidrs.sort_unstable_by_key(|(cidr, list)| {
            (cidr.family, cidr.first, std::cmp::Reverse(cidr.last), *list)
        });
        let v6_from = cidrs.partition_point(|(cidr, _)| cidr.family == Version::V4);
        let (v4, v6) = cidrs.split_at(v6_from);
        let v4 = Family::new(v4, 0, runs);
        let v6 = Family::new(v6, number(v4.nodes.len()), runs);
        Self { v4, v6 }
    }

    /// How many distinct CIDRs there are.
    pub(crate) const fn len(&self) -> usize {
        self.v4.nodes.len() + self.v6.nodes.len()
    }

    /// The number of a CIDR that the table was made with.
    pub(crate) fn find(&self, cidr: Cidr) -> Option<u32> {
        let family = match cidr.family {
            Version::V4 => &self.v4,
            Version::V6 => &self.v6,
        };
        let start = family.firsts.partition_point(|first| *first < cidr.first);
        let mut same = family.nodes.get(start..)?.iter().zip(family.firsts.get(start..)?);
        let at = same.position(|(node, first)| *first == cidr.first && node.last == cidr.last)?;
        Some(family.base + number(start + at))
    }

    /// Finds every CIDR that holds `address`.
    pub(crate) fn lookup(&self, address: IpAddr, found: &mut Holders) {
        match split(address) {
            (Version::V4, address) => self.v4.lookup(address, found),
            (Version::V6, address) => self.v6.lookup(address, found),
        }
    }
}

impl Family {
    fn new(cidrs: &[(Cidr, Option<u32>)], base: u32, runs: &mut Runs) -> Self {
        let mut family = Self { base, ..Self::default() };
        let mut open: Vec<u32> = Vec::new();
        for same in cidrs.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((cidr, _)) = same.first() else { continue };
            while open.last().is_some_and(|last| family.last_of(*last) < cidr.first) {
                open.pop();
            }
            let lists: Vec<u32> = same.iter().filter_map(|(_, list)| *list).collect();
            let parent = open.last().copied();
            open.push(number(family.nodes.len()));
            family.firsts.push(cidr.first);
            family.nodes.push(Node { last: cidr.last, parent, lists: runs.add(lists) });
        }
        family
    }

    fn last_of(&self, node: u32) -> u128 {
        self.nodes.get(node as usize).map_or(0, |node| node.last)
    }

    fn lookup(&self, address: u128, found: &mut Holders) {
        let not_after = self.firsts.partition_point(|first| *first <= address);
        let mut next = not_after.checked_sub(1).map(number);
        while let Some((place, node)) =
            next.and_then(|place| Some((place, self.nodes.get(place as usize)?)))
        {
            if address <= node.last {
                found.nodes.push(self.base + place);
                if !node.lists.is_empty() {
                    found.lists.push(node.lists);
                }
            }
            next = node.parent;
        }
    }
}

/// A place as a number; lists are bounded far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parse_range;

    #[test]
    fn ranges_are_cut_whole() {
        for (range, count) in [
            ("10.0.0.1", 1),
            ("10.0.0.0/8", 1),
            ("0.0.0.0/0", 1),
            ("10.0.0.1-10.0.0.6", 4),
            ("::ffff:10.0.0.0/104", 1),
            ("2001:db8::/32", 1),
            ("::/0", 1),
            // These end among the mapped addresses.
            ("::/80", 1),
            ("::fffe:0:0/95", 1),
            ("::/64", 1),
        ] {
            let range = parse_range(range).unwrap();
            let mut found = Vec::new();
            cidrs(range, &mut found);
            assert_eq!(found.len(), count, "{range:?}");
            let (family, first) = split(range.first);
            let last = match range.last {
                IpAddr::V4(last) => u128::from(last.to_bits()),
                IpAddr::V6(last) => last.to_bits(),
            };
            assert!(found.iter().all(|cidr| cidr.family == family), "{range:?}");
            assert_eq!(found.first().map(|cidr| cidr.first), Some(first), "{range:?}");
            assert_eq!(found.last().map(|cidr| cidr.last), Some(last), "{range:?}");
        }
    }

    #[test]
    fn what_is_no_range_holds_nothing() {
        for (first, last) in [("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "::"), ("::", "10.0.0.1")] {
            let mut found = Vec::new();
            cidrs(
                AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() },
                &mut found,
            );
            assert_eq!(found, [], "{first}-{last}");
        }
    }
}
