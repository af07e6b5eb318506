//! The slow twin: every rule, every value, one after another, as SPEC 3 and 4 say it.
//!
//! It shares nothing with the tables but the types, so that the two cannot be wrong in the same way.
//! For tests and fuzz targets only: no program turns the feature `naive` on.

#[path = "naive_lists.rs"]
mod lists;
#[path = "naive_scan.rs"]
mod scan;
#[path = "naive_terms.rs"]
mod terms;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::check::{
    AddressClass, AddressPattern, AddressRange, Anomaly, CheckedRule, Conditions, DomainPattern,
    Mode, Scope, SniPattern, host_text,
};
use crate::client::{Known, Phase, Request, Tunnel};

use crate::compile::CompiledPolicy;
use crate::decide::Lack;
use crate::digest::Digest;
use crate::lists::{AddressList, NameList, UrlList};
use crate::moment::Moment;
use crate::tunnel::TlsAnswer;
use crate::uri::{Domain, Host, PathKnown, UriPrefix};
use crate::users::UserList;
use crate::verdict::{Action, Cause, Tls, Verdict};

/// A compiled policy with its sets, in the plainest form.
#[derive(Debug, Default)]
pub struct NaiveSets {
    names: BTreeMap<Digest, HashSet<(String, Scope)>>,
    addresses: BTreeMap<Digest, Vec<AddressRange>>,
    users: BTreeMap<Digest, Vec<String>>,
    urls: BTreeMap<Digest, Vec<(String, String)>>,
}

/// A policy that is asked by walking it.
#[derive(Debug)]
pub struct NaivePolicy {
    compiled: CompiledPolicy,
    sets: NaiveSets,
    patterns: scan::Patterns,
    zone: jiff::tz::TimeZone,
}

/// How a rule looks at a request: what stops a client or looks closer asks for one reading that fits, what
/// lets it pass for all of them; exceptions the other way round (SPEC 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eyes {
    AnyReading,
    EveryReading,
}

impl Eyes {
    const fn of(action: Action) -> Self {
        if action.blocks() { Self::AnyReading } else { Self::EveryReading }
    }

    const fn turned(self) -> Self {
        match self {
            Self::AnyReading => Self::EveryReading,
            Self::EveryReading => Self::AnyReading,
        }
    }
}

/// A request and when it comes.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    request: &'a Request<'a>,
    now: Moment,
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

    /// Adds the set of a list of URLs.
    pub fn add_urls(&mut self, set: Digest, urls: &UrlList) {
        let urls = urls.iter().map(|(host, rest)| (host.to_owned(), rest.to_owned()));
        self.urls.insert(set, urls.collect());
    }

    /// Adds the set of a list of addresses.
    pub fn add_addresses(&mut self, set: Digest, addresses: &AddressList) {
        self.addresses.insert(set, addresses.iter().collect());
    }

    /// Adds the set of a list of users.
    pub fn add_users(&mut self, set: Digest, users: &UserList) {
        self.users.insert(set, users.iter().map(str::to_owned).collect());
    }
}

impl NaivePolicy {
    /// The policy over these sets, in UTC.
    #[must_use]
    pub fn new(compiled: CompiledPolicy, sets: NaiveSets) -> Self {
        let patterns = scan::Patterns::new(&compiled.rules);
        Self { compiled, sets, patterns, zone: jiff::tz::TimeZone::UTC }
    }

    /// The same policy in a zone of the database.
    #[must_use]
    pub fn in_zone(self, name: &str) -> Self {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(name);
        Self { zone: zone.unwrap_or(jiff::tz::TimeZone::unknown()), ..self }
    }

    /// The verdict on `request` at `now`.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>, now: Moment) -> Verdict<'_> {
        let at = &At { request, now };
        let mut monitored = None;
        for rule in &self.compiled.rules {
            let Some(holds) = self.holds(rule, at) else {
                let verdict = Verdict::new(Action::Permit, Cause::Deferred);
                return verdict.noting(monitored);
            };
            if holds && rule.mode == Mode::Monitor {
                monitored = monitored.or(Some(rule));
            } else if holds {
                let list = self.reported_list(rule, request);
                return Verdict::new(rule.action, Cause::Rule { rule, list }).noting(monitored);
            }
        }
        Verdict::new(self.compiled.default_action, Cause::Default).noting(monitored)
    }

    /// Whether a rule holds; nothing where the verdict waits for it.
    fn holds(&self, rule: &CheckedRule, at: &At<'_>) -> Option<bool> {
        let waits = match (at.request.phase, at.request.tunnel) {
            (Phase::Request, _) | (Phase::Connect | Phase::Hello, Tunnel::Opaque) => false,
            (Phase::Hello, Tunnel::Peeked) => false,
            (Phase::Connect, Tunnel::Peeked) => true,
            (Phase::Connect | Phase::Hello, Tunnel::Decrypted) => true,
        };
        match (self.rule(rule, Eyes::of(rule.action), at), rule.mode) {
            (Answer::Fits, _) => Some(true),
            (Answer::FitsNot, _) => Some(false),
            (Answer::NotKnown(_), Mode::Monitor) => Some(!waits && self.for_good(rule, at)),
            (Answer::NotKnown(lack), Mode::Enforce) => {
                if self.asked_again(rule.action, lack, at) {
                    return None;
                }
                // Squid will ask for the name, and then it is settled.
                let comes = waits && lack == Lack::Name;
                Some(!comes && self.for_good(rule, at))
            }
        }
    }

    /// Whether a rule that is not known to hold does so for good: one that blocks, if all that is not
    /// known is whether an exception spares the client.
    fn for_good(&self, rule: &CheckedRule, at: &At<'_>) -> bool {
        let eyes = Eyes::of(rule.action);
        rule.action.blocks() && self.all(rule, eyes, at) == Answer::Fits
    }

    /// The ids of all rules that hold, also behind the one that decides.
    #[must_use]
    pub fn holding(&self, request: &Request<'_>, now: Moment) -> Vec<crate::verdict::RuleId> {
        let at = &At { request, now };
        let holding = self.compiled.rules.iter().filter(|rule| self.holds(rule, at) == Some(true));
        holding.map(|rule| rule.id).collect()
    }

    /// Whether a later question about the tunnel tells what a rule lacks.
    fn asked_again(&self, action: Action, lack: Lack, at: &At<'_>) -> bool {
        match (at.request.phase, at.request.tunnel) {
            (Phase::Request, _) | (Phase::Connect | Phase::Hello, Tunnel::Opaque) => false,
            (Phase::Hello, Tunnel::Peeked) => false,
            (Phase::Connect | Phase::Hello, Tunnel::Decrypted) => true,
            (Phase::Connect, Tunnel::Peeked) if lack == Lack::Name => action != Action::Deny,
            (Phase::Connect, Tunnel::Peeked) => {
                let words = self.compiled.rules.iter().filter_map(|rule| {
                    let tls = rule.tls.filter(|_| rule.mode == Mode::Enforce)?;
                    match self.word(rule, at) {
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
    pub fn tls_for(&self, request: &Request<'_>, now: Moment) -> TlsAnswer<'_> {
        let at = &At { request, now };
        let by = |rule, action| {
            Verdict::new(action, Cause::Rule { rule, list: self.reported_list(rule, request) })
        };
        let enforced = || self.compiled.rules.iter().filter(|rule| rule.mode == Mode::Enforce);
        let action = |rule: &CheckedRule| self.rule(rule, Eyes::of(rule.action), at);
        let word = enforced().find_map(|rule| {
            let tls = rule.tls?;
            let says = match self.word(rule, at) {
                Answer::Fits | Answer::NotKnown(Lack::Path) => true,
                Answer::NotKnown(_) => {
                    let eyes = word_eyes(rule);
                    eyes == Eyes::AnyReading && self.all(rule, eyes, at) == Answer::Fits
                }
                Answer::FitsNot => false,
            };
            says.then_some((rule, tls))
        });
        let unknown = enforced()
            .map(action)
            .take_while(|answer| *answer != Answer::Fits)
            .any(|answer| answer != Answer::FitsNot);
        // Should nobody ask again: the first rule that holds, or that holds for good.
        let last = enforced().find(|rule| match action(rule) {
            Answer::Fits => true,
            Answer::NotKnown(_) => self.for_good(rule, at),
            Answer::FitsNot => false,
        });
        // What was monitored before a rule.
        let before = |end: Option<&CheckedRule>| {
            let ids = |rule: &&CheckedRule| end.is_none_or(|end| rule.id < end.id);
            let mut rules = self.compiled.rules.iter().take_while(ids);
            rules.find(|rule| rule.mode == Mode::Monitor && action(rule) == Answer::Fits)
        };
        let monitored = before(last);
        let tls = match (word, request.tunnel) {
            (Some((_, tls)), _) => tls,
            (None, Tunnel::Decrypted) => Tls::Bump,
            (None, Tunnel::Opaque | Tunnel::Peeked) => Tls::Splice,
        };
        if tls == Tls::Bump && unknown {
            let verdict = Verdict::new(Action::Permit, Cause::Deferred).noting(monitored);
            return TlsAnswer { tls, verdict };
        }
        let verdict = match last {
            Some(rule) => by(rule, rule.action).noting(monitored),
            None => Verdict::new(self.compiled.default_action, Cause::Default).noting(monitored),
        };
        if verdict.action != Action::Permit {
            let tls = last.and_then(|rule| rule.tls).unwrap_or(Tls::Bump);
            return TlsAnswer { tls, verdict };
        }
        match (tls, word) {
            (Tls::Terminate, Some((rule, _))) => {
                let until = [Some(rule), last].into_iter().flatten().min_by_key(|rule| rule.id);
                TlsAnswer { tls, verdict: by(rule, Action::Deny).noting(before(until)) }
            }
            (Tls::Terminate | Tls::Splice | Tls::Bump, _) => TlsAnswer { tls, verdict },
        }
    }

    /// Whether a rule has its word in the matter.
    fn word(&self, rule: &CheckedRule, at: &At<'_>) -> Answer {
        self.rule(rule, word_eyes(rule), at)
    }

    /// Whether a rule holds: all that it asks for does, and nothing that it excepts.
    fn rule(&self, rule: &CheckedRule, eyes: Eyes, at: &At<'_>) -> Answer {
        let own = self.all(rule, eyes, at);
        let excepted = match &rule.except {
            Some(except) => self.kinds(rule, except, eyes.turned(), at),
            None => Vec::new(),
        };
        let lacks = || excepted.iter().copied().filter_map(lack_of);
        let spared = match excepted.contains(&Answer::Fits) {
            true => Answer::Fits,
            false => lacks().max().map_or(Answer::FitsNot, Answer::NotKnown),
        };
        match (own, spared) {
            (Answer::FitsNot, _) | (_, Answer::Fits) => Answer::FitsNot,
            (own, Answer::FitsNot) => own,
            (Answer::Fits, unknown @ Answer::NotKnown(_)) => unknown,
            (Answer::NotKnown(own), Answer::NotKnown(other)) => Answer::NotKnown(own.max(other)),
        }
    }

    /// Whether all that a rule asks for holds.
    fn all(&self, rule: &CheckedRule, eyes: Eyes, at: &At<'_>) -> Answer {
        let Conditions { application, .. } = rule.conditions;
        let uri = at.request.uri;
        let mut answers = self.kinds(rule, &rule.conditions, eyes, at);
        answers.push(answer(application.covers(uri.scheme(), uri.is_connect())));
        answers.push(terms::counts(rule, at.now));
        if answers.contains(&Answer::FitsNot) {
            return Answer::FitsNot;
        }
        answers.into_iter().filter_map(lack_of).max().map_or(Answer::Fits, Answer::NotKnown)
    }

    /// What each kind of attribute says that is asked for.
    fn kinds(
        &self,
        rule: &CheckedRule,
        asked: &Conditions,
        eyes: Eyes,
        at: &At<'_>,
    ) -> Vec<Answer> {
        let request = at.request;
        let mut answers = Vec::new();
        if !asked.domains.is_empty()
            || !asked.domain_lists.is_empty()
            || !asked.list_expressions.is_empty()
        {
            answers.push(self.domains_fit(rule, asked, eyes, request));
        }
        if !asked.uri.is_empty() {
            answers.push(uri_fits(&asked.uri, eyes, request));
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
            answers.push(answer(in_views(eyes, fits)));
        }
        if !asked.user_agents.is_empty() {
            answers.push(agent_fits(&asked.user_agents, request));
        }
        if !asked.anomalies.is_empty() {
            let found: Vec<_> =
                asked.anomalies.iter().map(|own| anomaly_fits(*own, request)).collect();
            let lacks = found.iter().copied().filter_map(lack_of);
            let rest = lacks.min().map_or(Answer::FitsNot, Answer::NotKnown);
            answers.push(if found.contains(&Answer::Fits) { Answer::Fits } else { rest });
        }
        self.terms(asked, eyes, at, &mut answers);
        self.patterns.answer(rule, asked, eyes, request, &mut answers);
        answers
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

const fn lack_of(answer: Answer) -> Option<Lack> {
    match answer {
        Answer::NotKnown(lack) => Some(lack),
        Answer::Fits | Answer::FitsNot => None,
    }
}

/// To look closer or to end counts as blocking.
const fn word_eyes(rule: &CheckedRule) -> Eyes {
    match rule.tls {
        None | Some(Tls::Splice) => Eyes::of(rule.action),
        Some(Tls::Bump | Tls::Terminate) => Eyes::AnyReading,
    }
}

fn in_views(eyes: Eyes, mut fits: impl Iterator<Item = bool>) -> bool {
    match eyes {
        Eyes::AnyReading => fits.any(|fits| fits),
        Eyes::EveryReading => fits.all(|fits| fits),
    }
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

fn uri_fits(prefixes: &[UriPrefix], eyes: Eyes, request: &Request<'_>) -> Answer {
    let answers: Vec<_> = hosts(request)
        .iter()
        .map(|(_, text, port)| uri_fits_at(prefixes, eyes, request, (text, *port)))
        .collect();
    let unknown = answers.iter().any(|answer| matches!(answer, Answer::NotKnown(_)));
    // The answer that settles it, and the one that is left where nothing does.
    let (settles, rest) = match eyes {
        Eyes::AnyReading => (Answer::Fits, Answer::FitsNot),
        Eyes::EveryReading => (Answer::FitsNot, Answer::Fits),
    };
    if answers.contains(&settles) {
        settles
    } else if unknown {
        Answer::NotKnown(Lack::Path)
    } else {
        rest
    }
}

fn uri_fits_at(
    prefixes: &[UriPrefix],
    eyes: Eyes,
    request: &Request<'_>,
    (host, port): (&str, u16),
) -> Answer {
    let scheme = request.uri.scheme();
    match request.uri.path_known() {
        PathKnown::Known => {
            let fits =
                |rest: &[u8]| prefixes.iter().any(|own| own.matches(scheme, host, port, rest));
            answer(in_views(eyes, request.uri.views().map(|view| fits(view.rest()))))
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
