//! Literal prefixes of URIs (`match-uri`), found by host and then by one binary search.
//!
//! The prefixes of one host are sorted by what their path begins with, and each knows the longest other
//! one that it begins with itself. All prefixes of a path are then the last one that is not greater
//! than the path, or an ancestor of it: two prefixes of one text are prefixes of each other.
//!
//! The host itself is looked up by the caller, together with the domains that rules name.

use std::ops::Range;

use crate::uri::{Scheme, UriPrefix};

/// Every distinct prefix of a policy.
#[derive(Debug, Default)]
pub(crate) struct PrefixTable {
    /// Sorted by host, path, scheme and port; a prefix's number is its place.
    prefixes: Vec<Prefix>,
    /// The distinct paths of each host, in the same order.
    nodes: Vec<Node>,
    hosts: Vec<Host>,
    /// The most prefixes that one path can have.
    most: usize,
}

/// Scheme and port of a prefix; its path is in its node, its host in the host.
#[derive(Debug)]
struct Prefix {
    scheme: Option<Scheme>,
    port: Option<u16>,
    path: Path,
}

/// Whether a prefix says anything of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// It is `/`: the whole host.
    Any,
    /// It says more.
    Named,
}

#[derive(Debug)]
struct Node {
    rest: Box<[u8]>,
    /// The node of the longest other path of this host that this one begins with.
    parent: Option<u32>,
    prefixes: Range<u32>,
}

#[derive(Debug)]
struct Host {
    name: Box<str>,
    nodes: Range<u32>,
    prefixes: Range<u32>,
}

/// The part of a request that all its views share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// Its scheme.
    pub(crate) scheme: Scheme,
    /// Its effective port.
    pub(crate) port: u16,
}

/// How far a prefix fits a request whose path is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Whatever the path is.
    Whole,
    /// Only the path can tell.
    Open,
}

impl PrefixTable {
    /// The table of all `prefixes`.
    pub(crate) fn new(mut prefixes: Vec<&UriPrefix>) -> Self {
        prefixes.sort_unstable_by_key(|prefix| key(prefix));
        prefixes.dedup();
        let mut table = Self::default();
        for of_host in prefixes.chunk_by(|one, other| one.host() == other.host()) {
            table.add_host(of_host);
        }
        table
    }

    fn add_host(&mut self, prefixes: &[&UriPrefix]) {
        let Some(first) = prefixes.first() else { return };
        let (node_start, prefix_start) = (number(self.nodes.len()), number(self.prefixes.len()));
        // The node before and those that it begins with, each with its prefixes and theirs.
        let mut open: Vec<(u32, usize)> = Vec::new();
        for of_node in prefixes.chunk_by(|one, other| one.rest() == other.rest()) {
            let Some(rest) = of_node.first().map(|prefix| prefix.rest().as_bytes()) else {
                continue;
            };
            // Sorted, a path comes after all that it begins with and before all others greater.
            while open.last().is_some_and(|(last, _)| !rest.starts_with(self.rest_of(*last))) {
                open.pop();
            }
            let start = number(self.prefixes.len());
            let path = if rest == b"/" { Path::Any } else { Path::Named };
            self.prefixes.extend(of_node.iter().map(|prefix| Prefix {
                scheme: prefix.scheme(),
                port: prefix.port(),
                path,
            }));
            let prefixes = start..number(self.prefixes.len());
            let (parent, above) = open.last().copied().unzip();
            let here = above.unwrap_or(0) + of_node.len();
            self.most = self.most.max(here);
            open.push((number(self.nodes.len()), here));
            self.nodes.push(Node { rest: rest.into(), parent, prefixes });
        }
        self.hosts.push(Host {
            name: first.host().into(),
            nodes: node_start..number(self.nodes.len()),
            prefixes: prefix_start..number(self.prefixes.len()),
        });
    }

    fn rest_of(&self, node: u32) -> &[u8] {
        self.nodes.get(node as usize).map(|node| &*node.rest).unwrap_or_default()
    }

    /// The hosts, in the order of their numbers.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &*host.name)
    }

    /// How many prefixes there are.
    pub(crate) const fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// The most prefixes that one path can have.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// The number of a prefix that the table was made with.
    pub(crate) fn find(&self, prefix: &UriPrefix) -> Option<u32> {
        let host = self.hosts.binary_search_by_key(&prefix.host(), |host| &host.name).ok()?;
        let nodes = self.hosts.get(host)?.nodes.clone();
        let of_host = self.nodes.get(nodes.start as usize..nodes.end as usize)?;
        let rest = prefix.rest().as_bytes();
        let node = of_host.binary_search_by_key(&rest, |node| &node.rest).ok()?;
        let mut numbers = of_host.get(node)?.prefixes.clone();
        numbers.find(|number| {
            let own = self.prefixes.get(*number as usize);
            own.is_some_and(|own| own.scheme == prefix.scheme() && own.port == prefix.port())
        })
    }

    /// Whether a prefix says anything of the path.
    pub(crate) fn path(&self, prefix: u32) -> Path {
        self.prefixes.get(prefix as usize).map_or(Path::Named, |prefix| prefix.path)
    }

    /// Adds to `hits` the numbers of all prefixes of a request to this host whose path begins `rest`.
    pub(crate) fn lookup(&self, host: u32, origin: Origin, rest: &[u8], hits: &mut Vec<u32>) {
        let Some(host) = self.hosts.get(host as usize) else { return };
        let range = host.nodes.start as usize..host.nodes.end as usize;
        let nodes = self.nodes.get(range).unwrap_or_default();
        let not_greater = nodes.partition_point(|node| &*node.rest <= rest);
        let mut next = not_greater.checked_sub(1).map(|last| host.nodes.start + number(last));
        while let Some(node) = next.and_then(|node| self.nodes.get(node as usize)) {
            if rest.starts_with(&node.rest) {
                hits.extend(node.prefixes.clone().filter(|prefix| self.fits(*prefix, origin)));
            }
            next = node.parent;
        }
    }

    /// How a rule with these prefixes, sorted, fits a request to this host whose path is not known.
    pub(crate) fn fit(&self, host: u32, origin: Origin, prefixes: &[u32]) -> Option<Fit> {
        let of_host = self.hosts.get(host as usize)?.prefixes.clone();
        let start = prefixes.partition_point(|prefix| *prefix < of_host.start);
        let mut fit = None;
        for prefix in prefixes.get(start..)?.iter().take_while(|prefix| **prefix < of_host.end) {
            if self.fits(*prefix, origin) {
                match self.path(*prefix) {
                    Path::Any => return Some(Fit::Whole),
                    Path::Named => fit = Some(Fit::Open),
                }
            }
        }
        fit
    }

    /// Whether scheme and port are those that the prefix asks for.
    fn fits(&self, prefix: u32, origin: Origin) -> bool {
        self.prefixes.get(prefix as usize).is_some_and(|prefix| {
            prefix.scheme.is_none_or(|scheme| scheme == origin.scheme)
                && prefix.port.is_none_or(|port| port == origin.port)
        })
    }

    /// The host of a prefix, by number.
    pub(crate) fn host_of(&self, prefix: u32) -> u32 {
        number(self.hosts.partition_point(|host| host.prefixes.end <= prefix))
    }
}

/// The order of prefixes.
fn key(prefix: &UriPrefix) -> (&str, &[u8], Option<Scheme>, Option<u16>) {
    (prefix.host(), prefix.rest().as_bytes(), prefix.scheme(), prefix.port())
}

/// A place as a number; the check of a policy bounds its values far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
