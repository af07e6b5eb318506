//! What a check gives: rules whose every value has its canonical form.
//!
//! The types here are what the rest of the crate and the store work on.
//! They serialise, since the store keeps them as they are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::window::TimeWindow;
use crate::lists::ListFormat;
use crate::moment::Moment;
use crate::regex::{Field, RegexPattern};
use crate::uri::{Scheme, UriPrefix};
use crate::verdict::{Action, RuleId, Tls};

/// Who wrote a policy file, and so what a fault in it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// The operator: a fault refuses the whole set.
    Operator,
    /// A machine: a faulty file is left out with warnings.
    Shared,
}

/// Every rule of a policy, checked, and the lists that they name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckedPolicy {
    /// The rules in load order; rule `n` has the id `n + 1`.
    pub rules: Vec<CheckedRule>,
    /// The list files that rules name, each once, in order of first mention.
    pub lists: Vec<ListUse>,
}

/// One rule whose values are canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedRule {
    /// Its number in load order.
    pub id: RuleId,
    /// Its name, unique over all files.
    pub name: String,
    /// The file it stands in, as it was named to the parser.
    pub file: String,
    /// The line of its name, from 1.
    pub line: u32,
    /// What it asks for.
    pub action: Action,
    /// The reason that tools and the portal show.
    pub description: Option<String>,
    /// The word that reports use; else the stem of the list that hit.
    pub category: Option<String>,
    /// `tls`: what is to be done with a TLS connection that the rule holds for.
    pub tls: Option<Tls>,
    /// What must hold. All kinds must hold, and of one kind one value; an empty kind always holds.
    pub conditions: Conditions,
    /// `except-`: where one of these kinds holds, the rule does not; an empty kind excepts nothing. `None`
    /// where the rule has none, as most have.
    pub except: Option<Box<Conditions>>,
    /// `valid-from` and `valid-until`
    pub validity: Validity,
    /// `monitor`
    pub mode: Mode,
}

impl CheckedRule {
    /// All that a rule asks of requests, its exceptions last.
    pub fn asked(&self) -> impl Iterator<Item = &Conditions> {
        [Some(&self.conditions), self.except.as_deref()].into_iter().flatten()
    }
}

/// When a rule counts: from the first moment on, and before the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validity {
    /// `valid-from`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// `valid-until`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
}

impl Validity {
    /// A rule that always counts.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether the rule counts at `now`.
    #[must_use]
    pub fn covers(self, now: Moment) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// What a rule that holds does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It gives the verdict.
    #[default]
    Enforce,
    /// It is recorded as what it would have given, and the next rule is looked at.
    Monitor,
}

/// What a rule asks of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// `match-uri`
    pub uri: Vec<UriPrefix>,
    /// `match-domain`; together with `domain_lists` one kind
    pub domains: Vec<DomainPattern>,
    /// `match-domain-list`, as positions in the policy's table of lists: their names and their URLs
    pub domain_lists: Vec<ListIndex>,
    /// The regular expressions of these lists; one kind with `domain_lists`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list_expressions: Vec<ListExpression>,
    /// `match-sni`
    pub sni: Vec<SniPattern>,
    /// `match-source`
    pub sources: Vec<AddressPattern>,
    /// `match-destination`
    pub destinations: Vec<AddressPattern>,
    /// `match-user-agent`: lower-case texts that are part of the header
    pub user_agents: Vec<String>,
    /// `application`
    pub application: Application,
    /// `match-uri-regex`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uri_regexes: Vec<RegexPattern>,
    /// `match-sni-regex`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sni_regexes: Vec<RegexPattern>,
    /// `match-user-agent-regex`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_agent_regexes: Vec<RegexPattern>,
    /// `match-referer-regex`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referer_regexes: Vec<RegexPattern>,
    /// `match-anomaly`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// `match-user`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserPattern>,
    /// `match-method`: tokens as written; how they are compared follows from the action
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// `match-port`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
    /// `time-window`: sorted, and none touches another
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<TimeWindow>,
}

/// A kind of what a rule asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionKind {
    /// `application`
    Application,
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
}

impl ConditionKind {
    /// Every one, in the order in which they are decided: the cheap ones first.
    pub const ALL: [Self; 16] = [
        Self::Application,
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
    ];
}

impl Conditions {
    /// How many values of a kind are asked for; none where the kind always holds.
    #[must_use]
    pub fn count(&self, kind: ConditionKind) -> usize {
        // Taken apart whole, so that a condition that is new belongs to a kind, and is looked at wherever
        // kinds are.
        let Self {
            uri,
            domains,
            domain_lists,
            list_expressions,
            sni,
            sources,
            destinations,
            user_agents,
            application,
            uri_regexes,
            sni_regexes,
            user_agent_regexes,
            referer_regexes,
            anomalies,
            users,
            methods,
            ports,
            windows,
        } = self;
        match kind {
            ConditionKind::Application => usize::from(*application != Application::Any),
            ConditionKind::Windows => windows.len(),
            ConditionKind::Users => users.len(),
            ConditionKind::Ports => ports.len(),
            ConditionKind::Methods => methods.len(),
            ConditionKind::Domains => {
                let lists = domain_lists.len().saturating_add(list_expressions.len());
                domains.len().saturating_add(lists)
            }
            ConditionKind::Uri => uri.len(),
            ConditionKind::Sni => sni.len(),
            ConditionKind::Destinations => destinations.len(),
            ConditionKind::Sources => sources.len(),
            ConditionKind::Agents => user_agents.len(),
            ConditionKind::Anomalies => anomalies.len(),
            ConditionKind::Regex(Field::Uri) => uri_regexes.len(),
            ConditionKind::Regex(Field::Sni) => sni_regexes.len(),
            ConditionKind::Regex(Field::UserAgent) => user_agent_regexes.len(),
            ConditionKind::Regex(Field::Referer) => referer_regexes.len(),
        }
    }

    /// Whether a kind is asked for.
    #[must_use]
    pub fn asks(&self, kind: ConditionKind) -> bool {
        self.count(kind) > 0
    }
}

/// Whom a rule means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserPattern {
    /// A name, compared byte by byte with what the proxy sent.
    Name(String),
    /// A list file of names.
    List(ListIndex),
}

/// Two ports and all between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// The lowest, from 1.
    pub first: u16,
    /// The highest, not below the lowest.
    pub last: u16,
}

/// What of a connection does not fit together, or names nobody (SPEC 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// The `ClientHello` names nobody.
    NoSni,
    /// The SNI is another name than the host of the CONNECT.
    SniMismatch,
    /// The host of an inner request is neither the CONNECT's nor the SNI.
    HostMismatch,
    /// The host is an address.
    IpLiteral,
    /// The `ClientHello` is encrypted.
    Ech,
    /// A label of the host mixes scripts.
    MixedScript,
}

/// A name and whether the names below it are meant too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DomainPattern {
    /// The canonical name, or the canonical text of an address (`192.0.2.1`, `[2001:db8::1]`).
    pub name: String,
    /// How far it reaches.
    pub scope: Scope,
}

/// What an SNI may be compared with. It is stored as `"any"`, or as the name with its scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SniPattern {
    /// `*` in a rule that may be broad: every name, but an SNI there must be.
    Any,
    /// A name; never an address.
    #[serde(untagged)]
    Name(DomainPattern),
}

impl SniPattern {
    /// The name, unless any is meant.
    #[must_use]
    pub const fn name(&self) -> Option<&DomainPattern> {
        match self {
            Self::Any => None,
            Self::Name(pattern) => Some(pattern),
        }
    }
}

/// How far an entry of a domain list reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The name and every name below it.
    Tree,
    /// This host only (`=name`).
    Host,
}

/// What an address may be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressPattern {
    /// An address, a CIDR or a range.
    Range(AddressRange),
    /// A class of addresses; for destinations only.
    Class(AddressClass),
    /// A list file of ranges.
    List(ListIndex),
}

/// Two addresses of one family and all between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressRange {
    /// The lowest address; a mapped IPv4 address is an IPv4 address.
    pub first: IpAddr,
    /// The highest, of the same family.
    pub last: IpAddr,
}

/// Classes of destinations that are IP literals (SPEC 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressClass {
    /// 127/8, 0/8, `::1`, `::`
    Loopback,
    /// RFC 1918 and RFC 4193
    Private,
    /// 169.254/16 and `fe80::/10`
    LinkLocal,
    /// Every literal
    AnyLiteral,
}

/// `application`: the protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Application {
    /// All of them
    #[default]
    Any,
    /// `http://`
    Http,
    /// `https://` and CONNECT alike
    Https,
    /// `ftp://`
    Ftp,
    /// CONNECT
    Connect,
}

impl Application {
    /// Whether a request by `scheme`, a CONNECT or not, is of this protocol.
    #[must_use]
    pub const fn covers(self, scheme: Scheme, connect: IsConnect) -> bool {
        match self {
            Self::Any => true,
            Self::Http => matches!(scheme, Scheme::Http),
            Self::Https => matches!(scheme, Scheme::Https),
            Self::Ftp => matches!(scheme, Scheme::Ftp),
            Self::Connect => matches!(connect, IsConnect::Connect),
        }
    }
}

/// Whether a request is a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsConnect {
    /// It is.
    Connect,
    /// It has a method of its own.
    Other,
}

/// A regular expression for the URI that a list has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListExpression {
    /// The list, by its expressions.
    pub list: ListIndex,
    /// What it is searched for.
    pub pattern: RegexPattern,
}

/// A position in the policy's table of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListIndex(pub u32);

/// A list file that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListUse {
    /// The path, resolved against the policy file's folder.
    pub path: String,
    /// What its lines are.
    pub kind: ListKind,
    /// The format that the rule says; else the content does.
    pub format: Option<ListFormat>,
    /// Where it is first named, for the fault when it cannot be read.
    pub mention: crate::diagnostic::Place,
}

/// What the lines of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    /// Names of hosts.
    Domains,
    /// Addresses, CIDRs and ranges.
    Addresses,
    /// Names of users.
    Users,
    /// URLs, beside the names of the same list.
    Urls,
    /// Regular expressions for the URI, beside the names of the same list.
    Expressions,
}

impl ListKind {
    /// Whether it is a list that a rule names, and not a part of one.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        match self {
            Self::Domains | Self::Addresses | Self::Users => true,
            Self::Urls | Self::Expressions => false,
        }
    }

    /// The kind of the list that a rule names, where this is the kind of a part of it.
    #[must_use]
    pub const fn whole(self) -> Self {
        match self {
            Self::Domains | Self::Urls | Self::Expressions => Self::Domains,
            Self::Addresses => Self::Addresses,
            Self::Users => Self::Users,
        }
    }
}

/// What a list of names has beside its names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListContents {
    /// Whether it has URLs.
    pub urls: HasUrls,
    /// Its regular expressions.
    pub expressions: Vec<RegexPattern>,
}

/// Whether a list has URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HasUrls {
    /// It does.
    Present,
    /// It does not.
    #[default]
    Absent,
}
