//! What a rule asks for, as numbers in the tables of the matcher.

use super::runs::Run;
use crate::check::{Anomaly, Application, Mode, TimeWindow, Validity};
use crate::regex::Field;
use crate::verdict::{Action, Tls};

/// One rule, ready to be compared with what was found. A kind that the rule does not ask for is `None`
/// and always holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What it asks for; it says which views have to agree.
    pub(crate) action: Action,
    /// What it says of TLS connections; nothing where it only monitors.
    pub(crate) tls: Option<Tls>,
    /// The protocol.
    pub(crate) application: Application,
    /// Prefixes, by their numbers.
    pub(crate) uri: Option<Run>,
    /// The sets of its lists of names; the names that it holds itself are found by its own number.
    pub(crate) domains: Option<Run>,
    /// What its lists of names have beside names; one kind with `domains`.
    pub(crate) listed: Listed,
    /// The TLS SNI; its names are found by the rule's own number.
    pub(crate) sni: Sni,
    /// Where clients are.
    pub(crate) sources: Option<Networks>,
    /// Where requests go.
    pub(crate) destinations: Option<Networks>,
    /// What does not fit together; empty where the rule does not ask.
    pub(crate) anomalies: Box<[Anomaly]>,
    /// Texts, by their numbers.
    pub(crate) agents: Option<Run>,
    /// Regular expressions of each field, by their numbers.
    pub(crate) regexes: [Option<Run>; 4],
    /// What few rules ask.
    // PERF: apart, so that the other rules are as small and as quick as without it.
    pub(crate) rest: Option<Box<Rest>>,
}

/// What few rules ask: of users, methods, ports and times; and what they except.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rest {
    /// Who asks.
    pub(crate) users: Option<Users>,
    /// Methods, by their numbers.
    pub(crate) methods: Option<Run>,
    /// Blocks of ports, by their numbers.
    pub(crate) ports: Option<Run>,
    /// Spans of the week; empty where the rule does not ask.
    pub(crate) windows: Box<[TimeWindow]>,
    /// When the rule counts.
    pub(crate) validity: Validity,
    /// Whether it gives verdicts.
    pub(crate) mode: Mode,
    /// The number of the plan of what it excepts.
    pub(crate) except: Option<u32>,
}

/// Users that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Users {
    /// Names, by their numbers.
    pub(crate) names: Run,
    /// Lists, by their numbers.
    pub(crate) lists: Run,
}

impl Plan {
    /// Whether the rule gives verdicts.
    pub(crate) fn mode(&self) -> Mode {
        self.rest.as_ref().map_or(Mode::Enforce, |rest| rest.mode)
    }

    /// The number of the plan of what the rule excepts.
    pub(crate) fn except(&self) -> Option<u32> {
        self.rest.as_ref()?.except
    }

    /// Whether it names the hosts that it means.
    pub(crate) const fn names_hosts(&self) -> bool {
        self.domains.is_some()
            || self.uri.is_some()
            || self.destinations.is_some()
            || !matches!(self.sni, Sni::NotAsked)
    }

    /// What is asked of a field.
    pub(crate) const fn regex(&self, field: Field) -> Option<Run> {
        let [uri, sni, user_agent, referer] = self.regexes;
        match field {
            Field::Uri => uri,
            Field::Sni => sni,
            Field::UserAgent => user_agent,
            Field::Referer => referer,
        }
    }
}

/// What the lists of a rule have beside names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Listed {
    /// Sets of URLs.
    pub(crate) urls: Run,
    /// Regular expressions for the URI, by their numbers.
    pub(crate) expressions: Run,
}

/// What a rule asks of the SNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sni {
    /// Nothing: it may be any name, and be absent.
    NotAsked,
    /// That there is one.
    Any,
    /// One of the rule's names.
    Named,
}

/// Addresses that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Networks {
    /// CIDRs, by their numbers.
    pub(crate) nodes: Run,
    /// Lists, by their numbers.
    pub(crate) lists: Run,
}
