//! The slow twin: every rule, every value, one after another, as SPEC 3 and 4 say it.
//!
//! It shares nothing with the tables but the types, so that the two cannot be wrong in the same way.
//! For tests and fuzz targets only: no program turns the feature `naive` on.

#[path = "naive_scan.rs"]
mod scan;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::check::{
    AddressClass, AddressPattern, AddressRange, Anomaly, CheckedRule, DomainPattern, Scope,
    SniPattern, host_text,
};
use crate::client::{Known, Phase, Request, Tunnel};

use crate::compile::CompiledPolicy;
use crate::decide::Lack;
use crate::digest::Digest;
use crate::lists::{AddressList, NameList};
use crate::moment::Moment;
use crate::tunnel::TlsAnswer;
use crate::uri::{Domain, Host, PathKnown, UriPrefix};
use crate::verdict::{Action, Cause, Tls, Verdict};

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
    NotKnown(Lack),
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
        for rule in &self.compiled.rules {
            match self.rule(rule, request) {
                Answer::Fits => {
                    let list = self.reported_list(rule, request);
                    return Verdict { action: rule.action, cause: Cause::Rule { rule, list } };
                }
                Answer::NotKnown(lack) if self.asked_again(rule.action, request, lack) => {
                    return Verdict { action: Action::Permit, cause: Cause::Deferred };
                }
                Answer::NotKnown(_) | Answer::FitsNot => (),
            }
        }
        Verdict { action: self.compiled.default_action, cause: Cause::Default }
    }

    /// The ids of all rules that hold, also behind the one that decides.
    #[must_use]
    pub fn holding(&self, request: &Request<'_>) -> Vec<crate::verdict::RuleId> {
        let rules = self.compiled.rules.iter();
        let holding = rules.filter(|rule| self.rule(rule, request) == Answer::Fits);
        holding.map(|rule| rule.id).collect()
    }

    /// Whether a later question about the tunnel tells what a rule lacks.
    fn asked_again(&self, action: Action, request: &Request<'_>, lack: Lack) -> bool {
        match (request.phase, request.tunnel) {
            (Phase::Request, _) | (Phase::Connect | Phase::Hello, Tunnel::Opaque) => false,
            (Phase::Hello, Tunnel::Peeked) => false,
            (Phase::Connect | Phase::Hello, Tunnel::Decrypted) => true,
            (Phase::Connect, Tunnel::Peeked) if lack == Lack::Name => action != Action::Deny,
            (Phase::Connect, Tunnel::Peeked) => {
                let words = self.compiled.rules.iter().filter_map(|rule| {
                    let tls = rule.tls?;
                    match self.word(rule, request) {
                        Answer::FitsNot => None,
                        Answer::Fits | Answer::NotKnown(Lack::Path) => Some(tls),
                        Answer::NotKnown(_) => (tls == Tls::Bump).then_some(tls),
                    }
                });
                words.map(|tls| tls == Tls::Bump).next() == Some(true)
            }
        }
    }

    /// What is to be done with the TLS connection of a request in the phase of the hello.
    #[must_use]
    pub fn tls_for(&self, request: &Request<'_>) -> TlsAnswer<'_> {
        let cause = |rule| Cause::Rule { rule, list: self.reported_list(rule, request) };
        let answers = || self.compiled.rules.iter().map(|rule| (rule, self.rule(rule, request)));
        let mut words = self.compiled.rules.iter().map(|rule| (rule, self.word(rule, request)));
        let word = words.find_map(|(rule, answer)| match answer {
            Answer::Fits | Answer::NotKnown(Lack::Path) => Some((rule, rule.tls?)),
            Answer::NotKnown(_) | Answer::FitsNot => None,
        });
        let first = answers().find(|(_, answer)| *answer == Answer::Fits).map(|(rule, _)| rule);
        let unknown = answers()
            .take_while(|(_, answer)| *answer != Answer::Fits)
            .any(|(_, answer)| answer != Answer::FitsNot);
        let tls = match (word, request.tunnel) {
            (Some((_, tls)), _) => tls,
            (None, Tunnel::Decrypted) => Tls::Bump,
            (None, Tunnel::Opaque | Tunnel::Peeked) => Tls::Splice,
        };
        if tls == Tls::Bump && unknown {
            let verdict = Verdict { action: Action::Permit, cause: Cause::Deferred };
            return TlsAnswer { tls, verdict };
        }
        let verdict = match first {
            Some(rule) => Verdict { action: rule.action, cause: cause(rule) },
            None => Verdict { action: self.compiled.default_action, cause: Cause::Default },
        };
        if verdict.action != Action::Permit {
            let tls = first.and_then(|rule| rule.tls).unwrap_or(Tls::Bump);
            return TlsAnswer { tls, verdict };
        }
        match (tls, word) {
            (Tls::Terminate, Some((rule, _))) => {
                TlsAnswer { tls, verdict: Verdict { action: Action::Deny, cause: cause(rule) } }
            }
            (Tls::Terminate | Tls::Splice | Tls::Bump, _) => TlsAnswer { tls, verdict },
        }
    }

    /// Whether a rule has its word in the matter: to look closer or to end counts as blocking.
    fn word(&self, rule: &CheckedRule, request: &Request<'_>) -> Answer {
        match rule.tls {
            None | Some(Tls::Splice) => self.rule(rule, request),
            Some(Tls::Bump | Tls::Terminate) => {
                self.rule(&CheckedRule { action: Action::Deny, ..rule.clone() }, request)
            }
        }
    }

    fn rule(&self, rule: &CheckedRule, request: &Request<'_>) -> Answer {
        let asked = &rule.conditions;
        let mut answers =
            vec![answer(asked.application.covers(request.uri.scheme(), request.uri.is_connect()))];
        if !asked.domains.is_empty() || !asked.domain_lists.is_empty() {
            let hosts = hosts(request);
            let fits = |host: &Host<'_>, text: &String| {
                asked.domains.iter().any(|pattern| pattern_fits(pattern, *host, text))
                    || asked.domain_lists.iter().any(|list| self.listed(list.0, *host, text))
            };
            let fits = hosts.iter().map(|(host, text, _)| fits(host, text));
            answers.push(answer(in_views(rule.action, fits)));
        }
        if !asked.uri.is_empty() {
            answers.push(uri_fits(rule, request));
        }
        if !asked.sni.is_empty() {
            answers.push(match known_sni(request) {
                Known::Unknown => Answer::NotKnown(Lack::Name),
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
            let hosts = [Some(request.uri.host()), request.earlier.map(|earlier| earlier.host)];
            let inside = request.phase == Phase::Request;
            let hosts = hosts.into_iter().take(if inside { 2 } else { 1 }).flatten();
            let fits = hosts.map(|host| match host {
                Host::Name(_) => false,
                Host::Address(address) => self.address_fits(&asked.destinations, address),
            });
            answers.push(answer(in_views(rule.action, fits)));
        }
        if !asked.user_agents.is_empty() {
            answers.push(agent_fits(&asked.user_agents, request));
        }
        if !asked.anomalies.is_empty() {
            let found: Vec<_> =
                asked.anomalies.iter().map(|own| anomaly_fits(*own, request)).collect();
            let lacks = found.iter().filter_map(|answer| match answer {
                Answer::NotKnown(lack) => Some(*lack),
                Answer::Fits | Answer::FitsNot => None,
            });
            let rest = lacks.min().map_or(Answer::FitsNot, Answer::NotKnown);
            answers.push(if found.contains(&Answer::Fits) { Answer::Fits } else { rest });
        }
        self.patterns.answer(rule, request, &mut answers);
        if answers.contains(&Answer::FitsNot) {
            Answer::FitsNot
        } else {
            let lacks = answers.iter().filter_map(|answer| match answer {
                Answer::NotKnown(lack) => Some(*lack),
                Answer::Fits | Answer::FitsNot => None,
            });
            lacks.max().map_or(Answer::Fits, Answer::NotKnown)
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
        for (host, text, _) in hosts(request) {
            for list in &rule.conditions.domain_lists {
                if self.listed(list.0, host, &text) {
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
    let earlier = request.earlier.map_or(Known::Unknown, |earlier| earlier.sni);
    match (request.phase, request.client.sni, earlier) {
        (Phase::Connect, _, _) => Known::Unknown,
        (Phase::Request, Known::Absent, Known::Is(name)) => Known::Is(name),
        (Phase::Request, Known::Unknown, told) => told,
        (Phase::Hello | Phase::Request, own, _) => own,
    }
}

/// The host, and the SNI and the host of the CONNECT where they are known and differ; each with its
/// port, and the host with that of the CONNECT as well.
fn hosts<'a>(request: &Request<'a>) -> Vec<(Host<'a>, String, u16)> {
    let earlier = request.earlier.filter(|_| request.phase == Phase::Request);
    let own = request.uri.port();
    let tunnel = earlier.map_or(own, |earlier| earlier.port);
    let lost = own == request.uri.scheme().default_port();
    let port = if lost { tunnel } else { own };
    let mut hosts = vec![(request.uri.host(), request.uri.host_text().to_owned(), port)];
    if tunnel != port {
        hosts.push((request.uri.host(), request.uri.host_text().to_owned(), tunnel));
    }
    let mut add = |host: Host<'a>, text: String| {
        if hosts.iter().all(|(known, _, _)| *known != host) {
            hosts.push((host, text, tunnel));
        }
    };
    if let Known::Is(name) = known_sni(request) {
        add(Host::Name(name), name.as_str().to_owned());
    }
    match earlier.map(|earlier| earlier.host) {
        None => (),
        Some(Host::Name(name)) => add(Host::Name(name), name.as_str().to_owned()),
        Some(Host::Address(address)) => add(Host::Address(address), host_text(address)),
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
    let answers: Vec<_> = hosts(request)
        .iter()
        .map(|(_, text, port)| uri_fits_at(rule, request, text, *port))
        .collect();
    let unknown = answers.iter().any(|answer| matches!(answer, Answer::NotKnown(_)));
    // The answer that settles it, and the one that is left where nothing does.
    let (settles, rest) = match rule.action.blocks() {
        true => (Answer::Fits, Answer::FitsNot),
        false => (Answer::FitsNot, Answer::Fits),
    };
    if answers.contains(&settles) {
        settles
    } else if unknown {
        Answer::NotKnown(Lack::Path)
    } else {
        rest
    }
}

fn uri_fits_at(rule: &CheckedRule, request: &Request<'_>, host: &str, port: u16) -> Answer {
    let scheme = request.uri.scheme();
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
                Answer::NotKnown(Lack::Path)
            }
        }
    }
}

fn anomaly_fits(anomaly: Anomaly, request: &Request<'_>) -> Answer {
    let https = request.uri.text().starts_with(b"https:");
    let name = |host: Host<'_>| match host {
        Host::Name(name) => Some(name.as_str().to_owned()),
        Host::Address(_) => None,
    };
    let inside = request.phase == Phase::Request;
    let earlier = request.earlier.filter(|_| inside);
    let sni = match known_sni(request) {
        Known::Is(sni) => Some(sni.as_str().to_owned()),
        Known::Absent | Known::Unknown => None,
    };
    let unknown = known_sni(request) == Known::Unknown;
    match anomaly {
        Anomaly::NoSni if unknown => Answer::NotKnown(Lack::Name),
        Anomaly::NoSni => answer(sni.is_none() && (!inside || (https && earlier.is_some()))),
        Anomaly::SniMismatch if inside && earlier.is_none() => Answer::FitsNot,
        Anomaly::SniMismatch if unknown => Answer::NotKnown(Lack::Name),
        Anomaly::SniMismatch => {
            let connect = name(earlier.map_or_else(|| request.uri.host(), |earlier| earlier.host));
            answer(sni.is_some() && connect.is_some() && sni != connect)
        }
        Anomaly::HostMismatch if !inside => Answer::NotKnown(Lack::Inside),
        Anomaly::HostMismatch => answer(earlier.is_some_and(|earlier| {
            let own = request.uri.host();
            own != earlier.host && (sni.is_none() || name(own) != sni)
        })),
        Anomaly::IpLiteral => {
            answer(hosts(request).iter().any(|(host, _, _)| name(*host).is_none()))
        }
        // The letters are looked at in their own tests.
        Anomaly::MixedScript => {
            let mixed = |(_, text, _): &(Host<'_>, String, u16)| text.contains("xn--pypal-4ve");
            answer(hosts(request).iter().any(mixed))
        }
        Anomaly::Ech => Answer::FitsNot,
    }
}

fn known_agent<'a>(request: &Request<'a>) -> Known<&'a [u8]> {
    let earlier = request.earlier.map_or(Known::Unknown, |earlier| earlier.user_agent);
    if request.phase == Phase::Hello { earlier } else { request.client.user_agent }
}

fn agent_fits(texts: &[String], request: &Request<'_>) -> Answer {
    match known_agent(request) {
        Known::Unknown => Answer::NotKnown(Lack::Inside),
        Known::Absent => Answer::FitsNot,
        Known::Is(header) => {
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
