//! The slow twin: every rule, every value, one after another, as SPEC 3 and 4 say it.
//!
//! It shares nothing with the tables but the types, so that the two cannot be wrong in the same way.
//! For tests and fuzz targets only: no program turns the feature `naive` on.

#[path = "naive_scan.rs"]
mod scan;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::check::{
    AddressClass, AddressPattern, AddressRange, CheckedRule, DomainPattern, Scope, SniPattern,
};
use crate::client::{Known, Phase, Request, Tunnel};
use crate::compile::CompiledPolicy;
use crate::digest::Digest;
use crate::lists::{AddressList, NameList};
use crate::moment::Moment;
use crate::uri::{Domain, Host, PathKnown, UriPrefix};
use crate::verdict::{Action, Cause, Verdict};

/// A compiled policy with its sets, in the plainest form.
#[derive(Debug, Default)]
pub struct NaiveSets {
    names: BTreeMap<Digest, HashSet<(String, Scope)>>,
    addresses: BTreeMap<Digest, Vec<AddressRange>>,
}

/// A policy that is asked by walking it.
#[derive(Debug)]
pub struct NaivePolicy {
    compiled: CompiledPolicy,
    sets: NaiveSets,
    patterns: scan::Patterns,
}

/// Yes, no, or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Fits,
    FitsNot,
    NotKnown,
}

impl NaiveSets {
    /// Adds the set of a list of names.
    pub fn add_names(&mut self, set: Digest, names: &NameList) {
        let names = names.iter().map(|(name, scope)| (name.to_owned(), scope));
        self.names.insert(set, names.collect());
    }

    /// Adds the set of a list of addresses.
    pub fn add_addresses(&mut self, set: Digest, addresses: &AddressList) {
        self.addresses.insert(set, addresses.iter().collect());
    }
}

impl NaivePolicy {
    /// The policy over these sets.
    #[must_use]
    pub fn new(compiled: CompiledPolicy, sets: NaiveSets) -> Self {
        let patterns = scan::Patterns::new(&compiled.rules);
        Self { compiled, sets, patterns }
    }

    /// The verdict on `request` at `now`.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>, now: Moment) -> Verdict<'_> {
        let _ = now;
        let asked_again = match (request.phase, request.tunnel) {
            (Phase::Request, Tunnel::Opaque | Tunnel::Decrypted) => false,
            (Phase::Connect | Phase::Hello, Tunnel::Opaque) => false,
            (Phase::Connect | Phase::Hello, Tunnel::Decrypted) => true,
        };
        for rule in &self.compiled.rules {
            match self.rule(rule, request) {
                Answer::Fits => {
                    let list = self.reported_list(rule, request);
                    return Verdict { action: rule.action, cause: Cause::Rule { rule, list } };
                }
                Answer::NotKnown if asked_again => {
                    return Verdict { action: Action::Permit, cause: Cause::Deferred };
                }
                Answer::NotKnown | Answer::FitsNot => (),
            }
        }
        Verdict { action: self.compiled.default_action, cause: Cause::Default }
    }

    fn rule(&self, rule: &CheckedRule, request: &Request<'_>) -> Answer {
        let asked = &rule.conditions;
        let mut answers =
            vec![answer(asked.application.covers(request.uri.scheme(), request.uri.is_connect()))];
        if !asked.domains.is_empty() || !asked.domain_lists.is_empty() {
            let hosts = hosts(request);
            let fits = |host: &Host<'_>, text: &str| {
                asked.domains.iter().any(|pattern| pattern_fits(pattern, *host, text))
                    || asked.domain_lists.iter().any(|list| self.listed(list.0, *host, text))
            };
            let fits = hosts.iter().map(|(host, text)| fits(host, text));
            answers.push(answer(in_views(rule.action, fits)));
        }
        if !asked.uri.is_empty() {
            answers.push(uri_fits(rule, request));
        }
        if !asked.sni.is_empty() {
            answers.push(match known_sni(request) {
                Known::Unknown => Answer::NotKnown,
                Known::Absent => Answer::FitsNot,
                Known::Is(name) => answer(asked.sni.iter().any(|own| match own {
                    SniPattern::Any => true,
                    SniPattern::Name(own) => pattern_fits(own, Host::Name(name), name.as_str()),
                })),
            });
        }
        if !asked.sources.is_empty() {
            answers.push(answer(self.address_fits(&asked.sources, request.client.address)));
        }
        if !asked.destinations.is_empty() {
            answers.push(answer(match request.uri.host() {
                Host::Name(_) => false,
                Host::Address(address) => self.address_fits(&asked.destinations, address),
            }));
        }
        if !asked.user_agents.is_empty() {
            answers.push(agent_fits(&asked.user_agents, request));
        }
        self.patterns.answer(rule, request, &mut answers);
        if answers.contains(&Answer::FitsNot) {
            Answer::FitsNot
        } else if answers.contains(&Answer::NotKnown) {
            Answer::NotKnown
        } else {
            Answer::Fits
        }
    }

    /// Whether a list holds the host or one of its parents.
    fn listed(&self, list: u32, host: Host<'_>, text: &str) -> bool {
        let Some(list) = self.compiled.lists.get(list as usize) else { return false };
        let Some(names) = self.sets.names.get(&list.set) else { return false };
        let holds = |name: &str, scope| names.contains(&(name.to_owned(), scope));
        let itself = holds(text, Scope::Tree) || holds(text, Scope::Host);
        match host {
            Host::Address(_) => itself,
            Host::Name(name) => {
                itself || name.parents().skip(1).any(|parent| holds(parent, Scope::Tree))
            }
        }
    }

    /// The first list of the rule that names the host, or else the SNI.
    fn reported_list(&self, rule: &CheckedRule, request: &Request<'_>) -> Option<&str> {
        for (host, text) in hosts(request) {
            for list in &rule.conditions.domain_lists {
                if self.listed(list.0, host, text) {
                    return self.compiled.lists.get(list.0 as usize).map(|list| &*list.path);
                }
            }
        }
        None
    }

    fn address_fits(&self, patterns: &[AddressPattern], address: IpAddr) -> bool {
        patterns.iter().any(|pattern| match pattern {
            AddressPattern::Range(range) => in_range(range, address),
            AddressPattern::Class(class) => in_class(*class, address),
            AddressPattern::List(list) => {
                let list = self.compiled.lists.get(list.0 as usize);
                let ranges = list.and_then(|list| self.sets.addresses.get(&list.set));
                ranges.is_some_and(|ranges| ranges.iter().any(|range| in_range(range, address)))
            }
        })
    }
}

const fn answer(fits: bool) -> Answer {
    if fits { Answer::Fits } else { Answer::FitsNot }
}

/// A rule that blocks holds in any view, one that permits only in every view.
fn in_views(action: Action, mut fits: impl Iterator<Item = bool>) -> bool {
    if action.blocks() { fits.any(|fits| fits) } else { fits.all(|fits| fits) }
}

fn known_sni<'a>(request: &Request<'a>) -> Known<Domain<'a>> {
    if request.phase == Phase::Connect { Known::Unknown } else { request.client.sni }
}

/// The host, and the SNI where it is known and differs.
fn hosts<'a>(request: &Request<'a>) -> Vec<(Host<'a>, &'a str)> {
    let mut hosts = vec![(request.uri.host(), request.uri.host_text())];
    match known_sni(request) {
        Known::Is(name) if name.as_str() != request.uri.host_text() => {
            hosts.push((Host::Name(name), name.as_str()));
        }
        Known::Is(_) | Known::Unknown | Known::Absent => (),
    }
    hosts
}

fn pattern_fits(pattern: &DomainPattern, host: Host<'_>, text: &str) -> bool {
    let below = match (host, pattern.scope) {
        (Host::Name(_), Scope::Tree) => {
            text.strip_suffix(pattern.name.as_str()).is_some_and(|front| front.ends_with('.'))
        }
        (Host::Name(_), Scope::Host) | (Host::Address(_), Scope::Tree | Scope::Host) => false,
    };
    text == pattern.name || below
}

fn uri_fits(rule: &CheckedRule, request: &Request<'_>) -> Answer {
    let (scheme, host, port) = (request.uri.scheme(), request.uri.host_text(), request.uri.port());
    let prefixes = &rule.conditions.uri;
    match request.uri.path_known() {
        PathKnown::Known => {
            let fits =
                |rest: &[u8]| prefixes.iter().any(|own| own.matches(scheme, host, port, rest));
            answer(in_views(rule.action, request.uri.views().map(|view| fits(view.rest()))))
        }
        PathKnown::Unknown => {
            let authority =
                |own: &&UriPrefix| own.matches(scheme, host, port, own.rest().as_bytes());
            let mut fitting = prefixes.iter().filter(authority).peekable();
            if fitting.peek().is_none() {
                Answer::FitsNot
            } else if fitting.any(|own| own.rest() == "/") {
                Answer::Fits
            } else {
                Answer::NotKnown
            }
        }
    }
}

fn agent_fits(texts: &[String], request: &Request<'_>) -> Answer {
    match (request.phase, request.client.user_agent) {
        (Phase::Hello, _) | (_, Known::Unknown) => Answer::NotKnown,
        (_, Known::Absent) => Answer::FitsNot,
        (_, Known::Is(header)) => {
            let header = header.to_ascii_lowercase();
            answer(texts.iter().any(|text| {
                let text = text.to_ascii_lowercase();
                header.windows(text.len()).any(|part| part == text.as_bytes())
            }))
        }
    }
}

fn in_range(range: &AddressRange, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let same = address.is_ipv4() == range.first.is_ipv4();
    same && range.first <= address && address <= range.last
}

fn in_class(class: AddressClass, address: IpAddr) -> bool {
    match (class, address) {
        (AddressClass::AnyLiteral, _) => true,
        (AddressClass::Loopback, IpAddr::V4(address)) => {
            address.is_loopback() || matches!(address.octets(), [0, _, _, _])
        }
        (AddressClass::Loopback, IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unspecified()
        }
        (AddressClass::Private, IpAddr::V4(address)) => address.is_private(),
        (AddressClass::Private, IpAddr::V6(address)) => address.is_unique_local(),
        (AddressClass::LinkLocal, IpAddr::V4(address)) => address.is_link_local(),
        (AddressClass::LinkLocal, IpAddr::V6(address)) => address.is_unicast_link_local(),
    }
}
