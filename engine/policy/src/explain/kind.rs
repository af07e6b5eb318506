//! The kinds of attributes that a rule may have: one row a kind.
//!
//! A new kind is a variant of [`ConditionKind`], a row in the `match` of each function here, and one in
//! `seen.rs` and `fits.rs`; the compiler names each place.

use crate::check::{
    AddressClass, AddressPattern, AddressRange, Application, ConditionKind, Conditions,
    DomainPattern, ListExpression, ListIndex, PortRange, Scope, SniPattern, TimeWindow,
    UserPattern,
};
use crate::decide::{Outcome, Trial};
use crate::ruleset::Ruleset;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_DAY: u16 = 24 * 60;

/// What of a rule is decided by itself; all of it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A kind of attributes, of which one value must hold.
    Asked(ConditionKind),
    /// `valid-from` and `valid-until`
    Validity,
    /// `except-` and what a kind asks; only of a rule as a whole
    Exceptions,
}

impl Kind {
    /// Every one, in the order in which they are decided.
    pub fn all() -> impl Iterator<Item = Self> {
        let asked = ConditionKind::ALL.into_iter().flat_map(|kind| {
            let then = (kind == ConditionKind::Application).then_some(Self::Validity);
            [Some(Self::Asked(kind)), then]
        });
        asked.flatten().chain([Self::Exceptions])
    }

    /// The attribute of the policy language; where it has two, the one that stands for both.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Asked(ConditionKind::Application) => "application",
            Self::Validity => "valid-until",
            Self::Asked(ConditionKind::Windows) => "time-window",
            Self::Asked(ConditionKind::Users) => "match-user",
            Self::Asked(ConditionKind::Ports) => "match-port",
            Self::Asked(ConditionKind::Methods) => "match-method",
            Self::Asked(ConditionKind::Domains) => "match-domain",
            Self::Asked(ConditionKind::Uri) => "match-uri",
            Self::Asked(ConditionKind::Sni) => "match-sni",
            Self::Asked(ConditionKind::Destinations) => "match-destination",
            Self::Asked(ConditionKind::Sources) => "match-source",
            Self::Asked(ConditionKind::Agents) => "match-user-agent",
            Self::Asked(ConditionKind::Anomalies) => "match-anomaly",
            Self::Asked(ConditionKind::Regex(field)) => field.attribute(),
            Self::Exceptions => "except",
        }
    }

    /// Whether these conditions ask for this kind; when a rule counts and what it excepts is none of
    /// them.
    #[must_use]
    pub fn is_asked(self, asked: &Conditions) -> bool {
        match self {
            Self::Asked(kind) => asked.asks(kind),
            Self::Validity | Self::Exceptions => false,
        }
    }

    /// What the deciding code says of it.
    pub(super) fn outcome(self, trial: &mut Trial<'_>) -> Outcome {
        match self {
            Self::Asked(kind) => trial.kind(kind),
            Self::Validity => trial.validity(),
            Self::Exceptions => trial.unexcepted(),
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
            Self::Asked(ConditionKind::Application) => {
                (vec![asked.application.word().to_owned()], 1)
            }
            // A rule has these beside its conditions.
            Self::Validity | Self::Exceptions => (Vec::new(), 0),
            Self::Asked(ConditionKind::Windows) => {
                taken(&asked.windows, most, TimeWindow::to_string)
            }
            Self::Asked(ConditionKind::Users) => taken(&asked.users, most, |own| user(own, rules)),
            Self::Asked(ConditionKind::Ports) => taken(&asked.ports, most, PortRange::to_string),
            Self::Asked(ConditionKind::Methods) => taken(&asked.methods, most, String::clone),
            Self::Asked(ConditionKind::Domains) => {
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
            Self::Asked(ConditionKind::Uri) => taken(&asked.uri, most, ToString::to_string),
            Self::Asked(ConditionKind::Sni) => taken(&asked.sni, most, |own| match own {
                SniPattern::Any => "*".to_owned(),
                SniPattern::Name(pattern) => pattern.to_string(),
            }),
            Self::Asked(ConditionKind::Destinations) => {
                taken(&asked.destinations, most, |own| address(own, rules))
            }
            Self::Asked(ConditionKind::Sources) => {
                taken(&asked.sources, most, |own| address(own, rules))
            }
            Self::Asked(ConditionKind::Agents) => taken(&asked.user_agents, most, String::clone),
            Self::Asked(ConditionKind::Anomalies) => {
                taken(&asked.anomalies, most, |own| own.word().to_owned())
            }
            Self::Asked(ConditionKind::Regex(field)) => {
                taken(field.of(asked), most, ToString::to_string)
            }
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
