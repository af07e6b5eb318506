//! The hosts that a request may be meant for, and the prefixes that fit at each of them.
//!
//! A client may say one host in its CONNECT, another in its `ClientHello` and a third inside; any of them
//! may be where the request ends up. A rule that blocks holds where its URI fits at any of them, one that
//! permits only where it fits at all (SPEC 4, ADR 0016).

use super::lookup::{Findings, Matcher, Second, push};
use super::prefix::Origin;
use super::runs::Candidates;
use super::table::{Hit, Reach};
use crate::client::{Request, Unknown};
use crate::uri::PathKnown;

/// The request's own host at its port and at that of the CONNECT, the SNI, and the host of the CONNECT.
const PLACES: usize = 4;

/// One of the hosts.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The host of prefixes that it is.
    pub(crate) host: Option<u32>,
    /// Its port.
    pub(crate) port: u16,
    /// The prefixes that fit each view of the request, where its path is known.
    pub(crate) prefixes: [Vec<u32>; 3],
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Places {
    all: [Place; PLACES],
    count: usize,
}

impl Places {
    /// The places of the request, its own host first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.all.iter().take(self.count)
    }

    pub(super) fn reserve(&mut self, most: usize) {
        self.clear();
        self.all.iter_mut().flat_map(|place| &mut place.prefixes).for_each(|hits| {
            hits.reserve(most);
        });
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.all.iter_mut().flat_map(|place| &mut place.prefixes).for_each(Vec::clear);
    }

    /// Adds a place and gives it.
    fn add(&mut self, host: Option<u32>, port: u16) -> Option<&mut Place> {
        let place = self.all.get_mut(self.count)?;
        self.count += 1;
        (place.host, place.port) = (host, port);
        Some(place)
    }
}

/// Scheme and port of a request at one of its places.
pub(crate) const fn origin(request: &Request<'_>, port: u16) -> Origin {
    Origin { scheme: request.uri.scheme(), port }
}

impl Matcher {
    /// Finds the places of a request, and the rules that prefixes find there.
    pub(super) fn gather_places(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        let Findings { host, sni, second, connect, connect_port, places, .. } = findings;
        let sni = match second {
            Second::Other => Some((&sni.named, request.tunnel_port())),
            Second::Nothing | Second::Same => None,
        };
        let connect = connect_port.map(|port| (&connect.named, port));
        let (port, tunnel_port) = (request.port(), request.tunnel_port());
        let own = Some((&host.named, port));
        let ported = Some((&host.named, tunnel_port)).filter(|_| port != tunnel_port);
        for (named, port) in [own, ported, sni, connect].into_iter().flatten() {
            let Some(place) = places.add(self.prefix_host(named), port) else { return };
            self.gather_prefixes(request, place, candidates);
        }
    }

    /// The host of prefixes that a name is.
    fn prefix_host(&self, named: &[Hit]) -> Option<u32> {
        let own = named.last().filter(|hit| hit.reach == Reach::Host)?;
        self.by_name.get(own.group as usize)?.prefix_host
    }

    fn gather_prefixes(
        &self,
        request: &Request<'_>,
        place: &mut Place,
        candidates: &mut Candidates,
    ) {
        let Some(host) = place.host else { return };
        match request.uri.path_known() {
            PathKnown::Known => {
                let origin = origin(request, place.port);
                for (view, hits) in request.uri.views().zip(&mut place.prefixes) {
                    self.tables.prefixes.lookup(host, origin, view.rest(), hits);
                    for prefix in &*hits {
                        push(&self.by_prefix, *prefix, &self.runs, candidates);
                    }
                }
            }
            PathKnown::Unknown => {
                let Some((whole, open)) = self.by_host.get(host as usize) else { return };
                candidates.push(&self.runs, *whole);
                match request.unknown() {
                    Unknown::Defers => candidates.push(&self.runs, *open),
                    Unknown::Fails => (),
                }
            }
        }
    }
}
