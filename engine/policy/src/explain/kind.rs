//! The kinds of attributes that a rule may have: one row a kind.
//!
//! A new kind is a variant here, a row in each `match` below, and one in `seen.rs` and `fits.rs`; the
//! compiler names each place, since [`Conditions`] is taken apart whole.

use crate::check::{AddressClass, ListIndex, SniPattern};
use crate::check::{
    AddressPattern, AddressRange, Application, Conditions, DomainPattern, ListExpression,
    PortRange, Scope, TimeWindow, UserPattern,
};
use crate::decide::{Outcome, Trial};
use crate::regex::Field;
use crate::ruleset::Ruleset;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_DAY: u16 = 24 * 60;

/// A kind of attributes: of one kind one value must hold, and all kinds must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `application`
    Application,
    /// `valid-from` and `valid-until`
    Validity,
    /// `time-window`
    Windows,
    /// `match-user`
    Users,
    /// `match-port`
    Ports,
    /// `match-method`
    Methods,
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
    /// `except-` and what a kind asks; only of a rule as a whole
    Exceptions,
}

impl Kind {
    /// Every kind, in the order in which they are decided.
    pub const ALL: [Self; 18] = [
        Self::Application,
        Self::Validity,
        Self::Windows,
        Self::Users,
        Self::Ports,
        Self::Methods,
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
        Self::Exceptions,
    ];

    /// The attribute of the policy language; where it has two, the one that stands for both.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Validity => "valid-until",
            Self::Windows => "time-window",
            Self::Users => "match-user",
            Self::Ports => "match-port",
            Self::Methods => "match-method",
            Self::Domains => "match-domain",
            Self::Uri => "match-uri",
            Self::Sni => "match-sni",
            Self::Destinations => "match-destination",
            Self::Sources => "match-source",
            Self::Agents => "match-user-agent",
            Self::Anomalies => "match-anomaly",
            Self::Regex(field) => field.attribute(),
            Self::Exceptions => "except",
        }
    }

    /// Whether these conditions ask for this kind; when a rule counts and what it excepts is none of
    /// them.
    #[must_use]
    pub fn is_asked(self, asked: &Conditions) -> bool {
        // Taken apart whole, so that a condition that is new is not forgotten here.
        let Conditions {
            uri,
            domains,
            domain_lists,
            list_expressions,
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
            users,
            methods,
            ports,
            windows,
        } = asked;
        match self {
            Self::Application => *application != Application::Any,
            Self::Validity | Self::Exceptions => false,
            Self::Windows => !windows.is_empty(),
            Self::Users => !users.is_empty(),
            Self::Ports => !ports.is_empty(),
            Self::Methods => !methods.is_empty(),
            Self::Domains => {
                !(domains.is_empty() && domain_lists.is_empty() && list_expressions.is_empty())
            }
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
            Self::Validity => trial.validity(),
            Self::Windows => trial.windows(),
            Self::Users => trial.users(),
            Self::Ports => trial.ports(),
            Self::Methods => trial.methods(),
            Self::Exceptions => trial.unexcepted(),
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
            // A rule has these beside its conditions.
            Self::Validity | Self::Exceptions => (Vec::new(), 0),
            Self::Windows => taken(&asked.windows, most, TimeWindow::to_string),
            Self::Users => taken(&asked.users, most, |own| user(own, rules)),
            Self::Ports => taken(&asked.ports, most, PortRange::to_string),
            Self::Methods => taken(&asked.methods, most, String::clone),
            Self::Domains => {
                let (mut texts, names) = taken(&asked.domains, most, DomainPattern::to_string);
                let left = most.saturating_sub(texts.len());
                let expressions =
                    asked.list_expressions.iter().map(|ListExpression { list, .. }| list);
                // One file may be several lists: its names, its URLs and its expressions.
                let lists = asked.domain_lists.iter().chain(expressions);
                let mut paths: Vec<&str> = lists.map(|list| list_path(rules, *list)).collect();
                paths.sort_unstable();
                paths.dedup();
                texts.extend(paths.iter().take(left).map(|path| (*path).to_owned()));
                (texts, names.saturating_add(paths.len()))
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

/// A user as a rule writes it.
pub(super) fn user(pattern: &UserPattern, rules: &Ruleset) -> String {
    match pattern {
        UserPattern::Name(name) => name.clone(),
        UserPattern::List(list) => format!("@{}", list_path(rules, *list)),
    }
}

impl std::fmt::Display for PortRange {
    /// As a rule writes it: a port, or `first-last`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl std::fmt::Display for TimeWindow {
    /// The day on which it begins, and both times; `+1` and so on where it ends on a later day.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (last, until) = match self.until % MINUTES_OF_DAY {
            0 => ((self.until / MINUTES_OF_DAY).saturating_sub(1), MINUTES_OF_DAY),
            until => (self.until / MINUTES_OF_DAY, until),
        };
        let days = last.saturating_sub(self.from / MINUTES_OF_DAY);
        write!(f, "{}-{:02}:{:02}", civil(self.from), until / 60, until % 60)?;
        if days > 0 { write!(f, "+{days}") } else { Ok(()) }
    }
}

/// A minute of the week as `mon 08:00`.
pub(super) fn civil(minute: u16) -> String {
    let day = DAYS.get(usize::from(minute / MINUTES_OF_DAY)).copied().unwrap_or_default();
    let of_day = minute % MINUTES_OF_DAY;
    format!("{day} {:02}:{:02}", of_day / 60, of_day % 60)
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
