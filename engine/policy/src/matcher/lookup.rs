//! `Matcher`: asks every table what it holds of a request, each at most once, and names the rules that
//! may hold for it.
//!
//! A rule is a candidate where its anchor was found. Tables that anchor no rule are asked only when a
//! candidate needs them. What is not known in a phase makes candidates only where an unknown counts.
//!
//! INVARIANT: a rule that holds, or whose unknown counts, is a candidate.

use std::fmt::Write as _;

use super::agent::AgentHits;
use super::listed::UrlHits;
use super::network::Holders;
use super::places::Places;
use super::plan::Plan;
use super::rest::RestFindings;
use super::runs::{Candidates, Run, Runs};
use super::scan::{Found, RegexFindings};
use super::table::{Hit, Reach, Suffix, walk};
use super::tables::Tables;
use crate::client::{Known, Request, Unknown};
use crate::regex::Field;
use crate::uri::Host;

/// Labels of a name at most (RFC 1035: 253 bytes), hence suffixes and hits of one host.
const LABELS_MAX: usize = 127;

/// The longest text of an address as a host: an IPv6 address in brackets.
const ADDRESS_BYTES_MAX: usize = 41;

/// Whose address a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the request's own host.
    Own,
    /// That of the CONNECT that it came through.
    Connect,
}

/// The tables of a ruleset and what they find.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// All numbers that the other parts point to.
    pub(super) runs: Runs,
    /// The rules as numbers, in load order.
    pub(super) plans: Vec<Plan>,
    /// What rules and lists name.
    pub(super) tables: Tables,
    /// The rules that a set of the index finds, by its number.
    pub(super) by_set: Vec<Run>,
    /// The rules that a set of URLs finds, by its number.
    pub(super) by_url_set: Vec<Run>,
    /// What the groups of names in rules find.
    pub(super) by_name: Vec<NamedRuns>,
    /// The rules that a prefix finds, by its number.
    pub(super) by_prefix: Vec<Run>,
    /// The rules that a host of prefixes finds while the path is unknown: those that need no path, and
    /// those that do.
    pub(super) by_host: Vec<(Run, Run)>,
    /// The rules that the client's address finds.
    pub(super) by_source: Anchored,
    /// The rules that the destination's address finds.
    pub(super) by_destination: Anchored,
    /// The rules that a text of a user agent finds, by its number.
    pub(super) by_agent: Vec<Run>,
    /// The rules that regular expressions of each field find.
    pub(super) by_regex: [Found; 4],
    /// The rules that the user finds.
    pub(super) by_user: Anchored,
    /// The rules that a block of ports finds, by its number.
    pub(super) by_port: Vec<Run>,
    /// The rules that a method finds, by its number.
    pub(super) by_method: Vec<Run>,
    /// All rules that a method finds.
    pub(super) any_method: Run,
    /// All rules that an SNI finds.
    pub(super) any_sni: Run,
    /// All rules that a user agent finds.
    pub(super) any_agent: Run,
    /// The rules that nothing finds.
    pub(super) always: Run,
}

/// What a group of names in rules finds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NamedRuns {
    /// Rules, where the host is the name, and where it is below the name.
    pub(super) domains: (Run, Run),
    /// The same for the SNI.
    pub(super) sni: (Run, Run),
    /// The host of prefixes that has this name.
    pub(super) prefix_host: Option<u32>,
}

/// The rules that addresses find.
#[derive(Debug, Default)]
pub(super) struct Anchored {
    /// By the number of a CIDR.
    pub(super) by_node: Vec<Run>,
    /// By the number of a list.
    pub(super) by_list: Vec<Run>,
}

/// What was found of one request.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Of the URI's host.
    pub(crate) host: Names,
    /// Of the SNI, where it is known and another name.
    pub(crate) sni: Names,
    /// Which names the rules are compared with.
    pub(crate) second: Second,
    /// Of the host of the CONNECT, where it is known and neither the URI's host nor the SNI.
    pub(crate) connect: Names,
    /// Its port, where there is such a host.
    pub(crate) connect_port: Option<u16>,
    /// The hosts that prefixes are compared with, and what they find.
    pub(crate) places: Places,
    /// Memory for the text of an address.
    text: String,
    sources: (Looked, Holders),
    destinations: [(Looked, Holders); 2],
    agents: (Looked, AgentHits),
    /// What few rules ask for.
    pub(super) rest: RestFindings,
    /// The regular expressions of each field.
    pub(crate) regexes: RegexFindings,
}

/// Whether a table was asked about this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Looked {
    /// Not yet.
    #[default]
    NotYet,
    /// What it holds was found.
    Done,
}

/// Whether the SNI is a second name of the host (SPEC 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Second {
    /// There is no SNI, or it is not known.
    #[default]
    Nothing,
    /// The SNI is the host's name.
    Same,
    /// It is another name.
    Other,
}

/// What the name tables hold of one name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(super) suffixes: Vec<Suffix>,
    /// In the index of the lists.
    pub(crate) listed: Vec<Hit>,
    /// In the names of rules.
    pub(crate) named: Vec<Hit>,
    /// In the URLs of the lists.
    pub(crate) urls: UrlHits,
}

impl Names {
    /// Asks the tables about a host or an SNI.
    fn look(&mut self, matcher: &Matcher, name: &str, host: &Host<'_>) {
        let name = name.as_bytes();
        let (listed, named) = (matcher.tables.index.table(), &matcher.tables.named);
        walk(name, listed.seed(), &mut self.suffixes);
        match host {
            Host::Name(_) => {
                listed.probe(name, &self.suffixes, &mut self.listed);
                named.probe(name, &self.suffixes, &mut self.named);
            }
            Host::Address(_) => {
                listed.probe_whole(name, &self.suffixes, &mut self.listed);
                named.probe_whole(name, &self.suffixes, &mut self.named);
            }
        }
    }

    fn clear(&mut self) {
        self.listed.clear();
        self.named.clear();
        self.urls.clear();
    }

    fn reserve(&mut self, matcher: &Matcher) {
        self.clear();
        self.urls.reserve(matcher.tables.index.urls());
        self.suffixes.clear();
        self.suffixes.reserve(LABELS_MAX);
        self.listed.reserve(LABELS_MAX);
        self.named.reserve(LABELS_MAX);
    }
}

impl Findings {
    /// Makes room for what `matcher` can find.
    pub(crate) fn fit(&mut self, matcher: &Matcher) {
        self.host.reserve(matcher);
        self.sni.reserve(matcher);
        self.connect.reserve(matcher);
        self.places.reserve(matcher.tables.prefixes.most());
        self.text.reserve(ADDRESS_BYTES_MAX);
        self.sources.1.reserve();
        self.destinations.iter_mut().for_each(|found| found.1.reserve());
        self.agents.1.fit(matcher.tables.agents.len());
        self.rest.fit(&matcher.tables);
        self.regexes.fit(&matcher.tables.regexes);
    }

    /// What the name tables hold of the host, and of the SNI and the host of the CONNECT where they are
    /// others.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Names> {
        let sni = match self.second {
            Second::Nothing | Second::Same => None,
            Second::Other => Some(&self.sni),
        };
        let connect = self.connect_port.map(|_| &self.connect);
        std::iter::once(&self.host).chain(sni).chain(connect)
    }

    /// Forgets the request before.
    fn clear(&mut self) {
        self.host.clear();
        self.sni.clear();
        self.second = Second::Nothing;
        self.connect.clear();
        self.connect_port = None;
        self.places.clear();
        self.sources.0 = Looked::NotYet;
        self.destinations.iter_mut().for_each(|found| found.0 = Looked::NotYet);
        self.agents.0 = Looked::NotYet;
        self.rest.clear();
        self.regexes.clear();
    }
}

impl Matcher {
    /// The rule with this number, as numbers.
    pub(crate) fn plan(&self, rule: u32) -> Option<&Plan> {
        self.plans.get(rule as usize)
    }

    /// The numbers that the other parts point to.
    pub(crate) const fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What rules and lists name.
    pub(crate) const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The set of the names that a rule asks for by `match-domain`.
    pub(crate) const fn own_domains(rule: u32) -> u32 {
        rule
    }

    /// The set of the names that a rule asks for by `match-sni`.
    pub(crate) fn own_sni(&self, rule: u32) -> u32 {
        rule.saturating_add(u32::try_from(self.plans.len()).unwrap_or(u32::MAX))
    }

    /// Finds the candidates for a request; `findings` then holds what they are compared with.
    pub(crate) fn gather(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        findings.clear();
        candidates.clear();
        candidates.push(&self.runs, self.always);
        self.gather_host(request, findings, candidates);
        self.gather_sni(request, findings, candidates);
        self.gather_connect(request, findings, candidates);
        self.gather_places(request, findings, candidates);
        if self.by_source.finds() {
            let found = self.sources(request, findings);
            self.by_source.candidates(&self.runs, found, candidates);
        }
        if self.by_destination.finds() {
            let hosts = [Some((request.uri.host(), Whose::Own)), connect_host(request)];
            for (host, whose) in hosts.into_iter().flatten() {
                if let Some(found) = self.destinations(host, whose, findings) {
                    self.by_destination.candidates(&self.runs, found, candidates);
                }
            }
        }
        if !self.any_agent.is_empty() {
            self.gather_agents(request, findings, candidates);
        }
        self.gather_rest(request, findings, candidates);
        for (field, found) in Field::ALL.into_iter().zip(&self.by_regex) {
            let into = (&self.runs, &mut *candidates);
            findings.regexes.gather(&self.tables.regexes, found, request, field, into);
        }
    }

    fn gather_host(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        findings.host.look(self, request.uri.host_text(), &request.uri.host());
        self.by_domain(&findings.host, candidates);
        self.gather_listed(request, request.uri.host_text(), &mut findings.host, candidates);
    }

    /// The host of the CONNECT, where it says anything that host and SNI do not.
    fn gather_connect(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        let Some(host) = request.connect_host() else { return };
        let Findings { connect, connect_port, text, .. } = findings;
        let name = match host {
            Host::Name(name) if request.sni() == Known::Is(name) => return,
            Host::Name(name) => name.as_str(),
            Host::Address(_) => {
                text.clear();
                // Writing to a text cannot fail.
                let _ = write!(text, "{host}");
                text.as_str()
            }
        };
        connect.look(self, name, &host);
        *connect_port = Some(request.tunnel_port());
        self.by_domain(connect, candidates);
        self.gather_listed(request, name, connect, candidates);
    }

    fn gather_sni(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        match request.sni() {
            Known::Is(name) if name.as_str() == request.uri.host_text() => {
                findings.second = Second::Same;
                self.by_sni(&findings.host, candidates);
            }
            Known::Is(name) => {
                findings.second = Second::Other;
                findings.sni.look(self, name.as_str(), &Host::Name(name));
                self.by_domain(&findings.sni, candidates);
                self.by_sni(&findings.sni, candidates);
                self.gather_listed(request, name.as_str(), &mut findings.sni, candidates);
            }
            Known::Unknown => match request.unknown() {
                Unknown::Defers => candidates.push(&self.runs, self.any_sni),
                Unknown::Fails => (),
            },
            Known::Absent => (),
        }
    }

    /// The rules that a name finds by its domain.
    fn by_domain(&self, names: &Names, candidates: &mut Candidates) {
        for hit in &names.listed {
            let items = self.tables.index.table().items(hit.group).iter();
            for item in items.filter(|item| item.holds(hit.reach)) {
                push(&self.by_set, item.set(), &self.runs, candidates);
            }
        }
        for hit in &names.named {
            let Some(runs) = self.by_name.get(hit.group as usize) else { continue };
            candidates.push(&self.runs, of_reach(runs.domains, hit.reach));
        }
    }

    /// The rules that a name finds as an SNI.
    fn by_sni(&self, names: &Names, candidates: &mut Candidates) {
        for hit in &names.named {
            let Some(runs) = self.by_name.get(hit.group as usize) else { continue };
            candidates.push(&self.runs, of_reach(runs.sni, hit.reach));
        }
    }

    fn gather_agents(
        &self,
        request: &Request<'_>,
        findings: &mut Findings,
        candidates: &mut Candidates,
    ) {
        match request.user_agent() {
            Known::Is(header) => {
                for text in &self.agents(header, findings).numbers {
                    push(&self.by_agent, *text, &self.runs, candidates);
                }
            }
            Known::Unknown => match request.unknown() {
                Unknown::Defers => candidates.push(&self.runs, self.any_agent),
                Unknown::Fails => (),
            },
            Known::Absent => (),
        }
    }

    /// Where the client is.
    pub(crate) fn sources<'f>(
        &self,
        request: &Request<'_>,
        findings: &'f mut Findings,
    ) -> &'f Holders {
        let (looked, holders) = &mut findings.sources;
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            holders.clear();
            self.tables.sources.lookup(request.client.address, holders);
        }
        holders
    }

    /// What a host is, where it is an address.
    pub(crate) fn destinations<'f>(
        &self,
        host: Host<'_>,
        whose: Whose,
        findings: &'f mut Findings,
    ) -> Option<&'f Holders> {
        let address = match host {
            Host::Name(_) => return None,
            Host::Address(address) => address,
        };
        let [own, connect] = &mut findings.destinations;
        let (looked, holders) = match whose {
            Whose::Own => own,
            Whose::Connect => connect,
        };
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            holders.clear();
            self.tables.destinations.lookup(address, holders);
        }
        Some(holders)
    }

    /// The texts that a User-Agent holds.
    pub(crate) fn agents<'f>(&self, header: &[u8], findings: &'f mut Findings) -> &'f AgentHits {
        let (looked, hits) = &mut findings.agents;
        if *looked == Looked::NotYet {
            *looked = Looked::Done;
            hits.clear();
            self.tables.agents.lookup(header, hits);
        }
        hits
    }
}

impl Anchored {
    /// Whether an address can find any rule.
    pub(super) fn finds(&self) -> bool {
        !self.by_node.is_empty() || !self.by_list.is_empty()
    }

    fn candidates(&self, runs: &Runs, found: &Holders, candidates: &mut Candidates) {
        for node in &found.nodes {
            push(&self.by_node, *node, runs, candidates);
        }
        for list in found.lists.iter().flat_map(|lists| runs.of(*lists)) {
            push(&self.by_list, *list, runs, candidates);
        }
    }
}

/// The host of the CONNECT as a destination.
pub(crate) fn connect_host<'a>(request: &Request<'a>) -> Option<(Host<'a>, Whose)> {
    request.connect_host().map(|host| (host, Whose::Connect))
}

/// Adds the rules that number `at` finds.
pub(super) fn push(found: &[Run], at: u32, runs: &Runs, candidates: &mut Candidates) {
    if let Some(run) = found.get(at as usize) {
        candidates.push(runs, *run);
    }
}

/// The first run where the host is the name itself, the second where it is below it.
const fn of_reach((host, parent): (Run, Run), reach: Reach) -> Run {
    match reach {
        Reach::Host => host,
        Reach::Parent => parent,
    }
}
