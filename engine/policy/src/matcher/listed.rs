//! The URLs of lists at each of the hosts that a request may be meant for: what was found there, and what
//! a rule makes of it.
//!
//! A URL of a list has no port, so that it is looked up once for each name: the request's own host, the
//! SNI and the host of the CONNECT, where these are others.

use super::lookup::{Matcher, Names};
use super::runs::{Candidates, Run};
use super::urls::UrlTable;
use crate::client::{Request, Unknown};
use crate::uri::PathKnown;

/// Views of a request at most.
const VIEWS: usize = 3;

/// What the URLs of lists say of a request at one of its hosts.
#[derive(Debug, Default)]
pub(crate) struct UrlHits {
    /// Groups of the URLs that each view begins with, where the path is known.
    views: [Vec<u32>; VIEWS],
    /// How many views there are; none where the path is not known, or the host has no URLs.
    count: usize,
    /// The group of the URLs of the host that hold whatever the path is, and that of all, while the path is
    /// not known.
    open: Option<(Option<u32>, u32)>,
}

/// How the URLs of a rule's lists fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlFit {
    /// The URL is listed: in any view for a rule that blocks, in every view for one that permits.
    Listed,
    /// Only the path can tell.
    Open,
    /// It is not.
    Not,
}

/// How many views have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agree {
    /// One is enough.
    Any,
    /// All.
    Every,
}

impl UrlHits {
    /// Makes room for what `table` can find.
    pub(super) fn reserve(&mut self, table: &UrlTable) {
        self.clear();
        self.views.iter_mut().for_each(|hits| hits.reserve(table.most()));
    }

    pub(super) fn clear(&mut self) {
        self.views.iter_mut().take(self.count).for_each(Vec::clear);
        self.count = 0;
        self.open = None;
    }

    /// Looks the request up at this host.
    fn look(&mut self, table: &UrlTable, host: Option<u32>, request: &Request<'_>) {
        let Some(host) = host else { return };
        match request.uri.path_known() {
            PathKnown::Known => {
                for (view, hits) in request.uri.views().zip(&mut self.views) {
                    table.lookup(host, view.rest(), hits);
                    self.count += 1;
                }
            }
            PathKnown::Unknown => self.open = table.whole_and_all(host),
        }
    }

    /// How the sets, which are sorted, fit.
    pub(crate) fn fit(&self, table: &UrlTable, sets: &[u32], agree: Agree) -> UrlFit {
        let has = |group: u32| share(table.sets(group), sets);
        if let Some((whole, all)) = self.open {
            return match (whole.is_some_and(has), has(all)) {
                (true, _) => UrlFit::Listed,
                (false, true) => UrlFit::Open,
                (false, false) => UrlFit::Not,
            };
        }
        let mut fits = self.views.iter().take(self.count).map(|hits| {
            let mut groups = hits.iter();
            groups.any(|group| has(*group))
        });
        let listed = match agree {
            Agree::Any => fits.any(|fits| fits),
            Agree::Every => self.count > 0 && fits.all(|fits| fits),
        };
        if listed { UrlFit::Listed } else { UrlFit::Not }
    }

    /// Every group that was found, and those that only the path can tell about.
    fn groups(&self) -> (impl Iterator<Item = u32>, Option<u32>) {
        let found = self.views.iter().take(self.count).flatten().copied();
        let whole = self.open.and_then(|(whole, _)| whole);
        (found.chain(whole), self.open.map(|(_, all)| all))
    }
}

impl Matcher {
    /// Asks the URLs of lists about a request at a host, and adds the rules that they find.
    pub(super) fn gather_listed(
        &self,
        request: &Request<'_>,
        name: &str,
        names: &mut Names,
        candidates: &mut Candidates,
    ) {
        let table = self.tables.index.urls();
        if table.len() == 0 {
            return;
        }
        let host = table.host(name.as_bytes(), &names.suffixes);
        names.urls.look(table, host, request);
        let (found, open) = names.urls.groups();
        let mut push = |group: u32| {
            for set in table.sets(group) {
                let run: Option<&Run> = self.by_url_set.get(*set as usize);
                run.into_iter().for_each(|run| candidates.push(&self.runs, *run));
            }
        };
        found.for_each(&mut push);
        match request.unknown() {
            Unknown::Defers => open.into_iter().for_each(push),
            Unknown::Fails => (),
        }
    }
}

/// Whether two sorted runs share a number.
fn share(one: &[u32], other: &[u32]) -> bool {
    let (few, many) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    few.iter().any(|number| many.binary_search(number).is_ok())
}
