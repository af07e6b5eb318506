//! The kinds of attributes that a rule may have: one row a kind.
//!
//! A new kind is a variant here, a row in each `match` below, and one in `seen.rs` and `fits.rs`; the
//! compiler names each place, since [`Conditions`] is taken apart whole.

use crate::check::{AddressClass, ListIndex, SniPattern};
use crate::check::{AddressPattern, AddressRange, Application, Conditions, DomainPattern, Scope};
use crate::decide::{Outcome, Trial};
use crate::regex::Field;
use crate::ruleset::Ruleset;

/// A kind of attributes: of one kind one value must hold, and all kinds must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `application`
    Application,
    /// `match-domain` and `match-domain-list`
    Domains,
    /// `match-uri`
    Uri,
    /// `match-sni`
    Sni,
    /// `match-destination`
    Destinations,
    /// `match-source`
    Sources,
    /// `match-user-agent`
    Agents,
    /// `match-anomaly`
    Anomalies,
    /// `match-uri-regex` and the like
    Regex(Field),
}

impl Kind {
    /// Every kind, in the order in which they are decided.
    pub const ALL: [Self; 12] = [
        Self::Application,
        Self::Domains,
        Self::Uri,
        Self::Sni,
        Self::Destinations,
        Self::Sources,
        Self::Agents,
        Self::Anomalies,
        Self::Regex(Field::Uri),
        Self::Regex(Field::Sni),
        Self::Regex(Field::UserAgent),
        Self::Regex(Field::Referer),
    ];

    /// The attribute of the policy language; where it has two, the one that stands for both.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Domains => "match-domain",
            Self::Uri => "match-uri",
            Self::Sni => "match-sni",
            Self::Destinations => "match-destination",
            Self::Sources => "match-source",
            Self::Agents => "match-user-agent",
            Self::Anomalies => "match-anomaly",
            Self::Regex(field) => field.attribute(),
        }
    }

    /// Whether a rule with these conditions asks for this kind.
    #[must_use]
    pub fn is_asked(self, asked: &Conditions) -> bool {
        // Taken apart whole, so that a condition that is new is not forgotten here.
        let Conditions {
            uri,
            domains,
            domain_lists,
            sni,
            sources,
            destinations,
            user_agents,
            application,
            uri_regexes: _,
            sni_regexes: _,
            user_agent_regexes: _,
            referer_regexes: _,
            anomalies,
        } = asked;
        match self {
            Self::Application => *application != Application::Any,
            Self::Domains => !domains.is_empty() || !domain_lists.is_empty(),
            Self::Uri => !uri.is_empty(),
            Self::Sni => !sni.is_empty(),
            Self::Destinations => !destinations.is_empty(),
            Self::Sources => !sources.is_empty(),
            Self::Agents => !user_agents.is_empty(),
            Self::Anomalies => !anomalies.is_empty(),
            Self::Regex(field) => !field.of(asked).is_empty(),
        }
    }

    /// What the deciding code says of it.
    pub(super) fn outcome(self, trial: &mut Trial<'_>) -> Outcome {
        match self {
            Self::Application => trial.application(),
            Self::Domains => trial.domains(),
            Self::Uri => trial.uri(),
            Self::Sni => trial.sni(),
            Self::Destinations => trial.destinations(),
            Self::Sources => trial.sources(),
            Self::Agents => trial.agents(),
            Self::Anomalies => trial.anomalies(),
            Self::Regex(field) => trial.regex(field),
        }
    }

    /// The first `most` values that a rule asks for, as canonical text, and how many there are.
    #[must_use]
    pub fn values(self, asked: &Conditions, rules: &Ruleset, most: usize) -> (Vec<String>, usize) {
        fn taken<T>(
            values: &[T],
            most: usize,
            text: impl Fn(&T) -> String,
        ) -> (Vec<String>, usize) {
            (values.iter().take(most).map(text).collect(), values.len())
        }
        match self {
            Self::Application => (vec![asked.application.word().to_owned()], 1),
            Self::Domains => {
                let (mut texts, names) = taken(&asked.domains, most, DomainPattern::to_string);
                let left = most.saturating_sub(texts.len());
                let path = |list: &ListIndex| list_path(rules, *list).to_owned();
                let (lists, all) = taken(&asked.domain_lists, left, path);
                texts.extend(lists);
                (texts, names.saturating_add(all))
            }
            Self::Uri => taken(&asked.uri, most, ToString::to_string),
            Self::Sni => taken(&asked.sni, most, |own| match own {
                SniPattern::Any => "*".to_owned(),
                SniPattern::Name(pattern) => pattern.to_string(),
            }),
            Self::Destinations => taken(&asked.destinations, most, |own| address(own, rules)),
            Self::Sources => taken(&asked.sources, most, |own| address(own, rules)),
            Self::Agents => taken(&asked.user_agents, most, String::clone),
            Self::Anomalies => taken(&asked.anomalies, most, |own| own.word().to_owned()),
            Self::Regex(field) => taken(field.of(asked), most, ToString::to_string),
        }
    }
}

impl Application {
    /// The word of the policy language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Http => "http",
            Self::Https => "https",
            Self::Ftp => "ftp",
            Self::Connect => "connect",
        }
    }
}

impl AddressClass {
    /// The word of the policy language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::AnyLiteral => "any-literal",
        }
    }
}

impl std::fmt::Display for DomainPattern {
    /// As a rule writes it: `example.net`, or `=example.net` for that host alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.scope {
            Scope::Tree => f.write_str(&self.name),
            Scope::Host => write!(f, "={}", self.name),
        }
    }
}

impl std::fmt::Display for AddressRange {
    /// As a rule writes it: an address, a CIDR, or `first-last`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = match (self.first, self.last) {
            (std::net::IpAddr::V4(first), std::net::IpAddr::V4(last)) => {
                length(u128::from(first.to_bits()), u128::from(last.to_bits()), 32)
            }
            (std::net::IpAddr::V6(first), std::net::IpAddr::V6(last)) => {
                length(first.to_bits(), last.to_bits(), 128)
            }
            (std::net::IpAddr::V4(_), std::net::IpAddr::V6(_))
            | (std::net::IpAddr::V6(_), std::net::IpAddr::V4(_)) => None,
        };
        match length {
            _ if self.first == self.last => write!(f, "{}", self.first),
            Some(length) => write!(f, "{}/{length}", self.first),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// The length of the prefix that a range of addresses of so many bits is, if it is one.
fn length(first: u128, last: u128, bits: u32) -> Option<u32> {
    let free = (first ^ last).checked_add(1).map_or(128, u128::trailing_zeros);
    let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |power| power.wrapping_sub(1));
    let is_prefix = first & mask == 0 && last & mask == mask && (first ^ last) == mask;
    is_prefix.then(|| bits.saturating_sub(free))
}

/// An address as a rule writes it.
pub(super) fn address(pattern: &AddressPattern, rules: &Ruleset) -> String {
    match pattern {
        AddressPattern::Range(range) => range.to_string(),
        AddressPattern::Class(class) => class.word().to_owned(),
        AddressPattern::List(list) => list_path(rules, *list).to_owned(),
    }
}

/// Where a list was read.
pub(super) fn list_path(rules: &Ruleset, list: ListIndex) -> &str {
    rules.lists().get(list.0 as usize).map_or("", |list| list.path.as_str())
}
