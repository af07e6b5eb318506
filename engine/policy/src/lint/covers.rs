//! Whether one rule is at least as wide as another: whatever the second holds for, the first does.
//!
//! It is told kind by kind. A kind that the wider rule does not ask for holds always; one that it asks
//! for must be asked by the narrower rule too, with values that are all covered. Exact for domains, lists,
//! prefixes, networks and texts; a regular expression covers only itself. What is not told is never
//! claimed.

use super::ground::LintInput;
use super::names::{Listed, OwnNames, own_covers};
use super::overlap::Overlap;
use crate::check::{
    AddressPattern, Application, CheckedRule, ConditionKind, Conditions, ListIndex, Mode,
    PortRange, Scope, SniPattern, UserPattern, Validity,
};
use crate::uri::UriPrefix;
use crate::verdict::Tls;

/// Ranges of a list of addresses that are compared with a rule's one by one.
const RANGES_MAX: usize = 10_000;

/// Values of one kind of a rule that are compared with those of another rule; a rule with more is taken
/// as not covered.
const VALUES_MAX: usize = 10_000;

/// What rules are compared by.
pub(super) struct Compare<'a, 'p> {
    pub(super) input: &'a LintInput<'p>,
    pub(super) listed: &'a Listed<'p>,
    pub(super) overlap: &'a Overlap,
    /// The names that each rule writes itself.
    pub(super) domains: Vec<OwnNames<'p>>,
    pub(super) sni: Vec<OwnNames<'p>>,
}

/// For which requests a rule is at least as wide as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wider {
    /// For all.
    Always,
    /// For those that can be read in one way only: the wider rule permits, and so must fit every view
    /// and name, where the narrower one blocks and needs only one.
    OneReading,
    /// Not, or it cannot be told.
    No,
}

impl<'a, 'p> Compare<'a, 'p> {
    pub(super) fn new(
        input: &'a LintInput<'p>,
        listed: &'a Listed<'p>,
        overlap: &'a Overlap,
    ) -> Self {
        let rules = || input.policy.rules.iter().map(|rule| &rule.conditions);
        let domains = rules().map(OwnNames::domains).collect();
        let sni = rules().map(OwnNames::sni).collect();
        Self { input, listed, overlap, domains, sni }
    }

    /// Whether the rule at the place `wide` is at least as wide as the one at `narrow`.
    pub(super) fn wider(&self, wide: usize, narrow: usize) -> Wider {
        let rules = &self.input.policy.rules;
        let (Some(one), Some(other)) = (rules.get(wide), rules.get(narrow)) else {
            return Wider::No;
        };
        // Taken apart whole: what else a rule says may keep it from deciding, and then it leaves the later
        // one something.
        let CheckedRule {
            id: _,
            name: _,
            file: _,
            line: _,
            action,
            description: _,
            category: _,
            tls,
            conditions,
            except,
            validity,
            mode,
        } = one;
        if tls.is_none() && other.tls.is_some() {
            // The later rule is still heard, about TLS.
            return Wider::No;
        }
        if *mode == Mode::Monitor {
            // It decides nothing.
            return Wider::No;
        }
        if except.is_some() || *validity != Validity::ALWAYS || !conditions.windows.is_empty() {
            // What spares requests or holds at times is told only where it is the very same.
            let same = conditions == &other.conditions
                && (except, validity, mode) == (&other.except, &other.validity, &other.mode)
                && (action, tls) == (&other.action, &other.tls);
            return if same { Wider::Always } else { Wider::No };
        }
        if !covers_methods(one, other) {
            return Wider::No;
        }
        match self.covers((wide, conditions), &other.conditions) {
            false => Wider::No,
            true if !any(other) || action.blocks() || !has_views(conditions) => Wider::Always,
            true => Wider::OneReading,
        }
    }

    fn covers(&self, (at, wide): (usize, &Conditions), narrow: &Conditions) -> bool {
        ConditionKind::ALL.into_iter().filter(|kind| wide.asks(*kind)).all(|kind| match kind {
            ConditionKind::Application => covers_application(wide.application, narrow.application),
            // Methods are compared with the action, and windows only as a whole; both before.
            ConditionKind::Methods | ConditionKind::Windows => true,
            ConditionKind::Users => self.covers_users(&wide.users, &narrow.users),
            ConditionKind::Ports => covers_ports(&wide.ports, &narrow.ports),
            ConditionKind::Domains => self.covers_domains(at, wide, narrow),
            ConditionKind::Uri => covers_prefixes(&wide.uri, &narrow.uri),
            ConditionKind::Sni => self.covers_sni(at, wide, narrow),
            ConditionKind::Destinations => {
                self.covers_addresses(&wide.destinations, &narrow.destinations)
            }
            ConditionKind::Sources => self.covers_addresses(&wide.sources, &narrow.sources),
            ConditionKind::Agents => covers_texts(&wide.user_agents, &narrow.user_agents),
            ConditionKind::Anomalies => {
                narrow.asks(kind) && narrow.anomalies.iter().all(|own| wide.anomalies.contains(own))
            }
            ConditionKind::Regex(field) => {
                let (wide, narrow) = (field.of(wide), field.of(narrow));
                let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
                small && !narrow.is_empty() && narrow.iter().all(|own| wide.contains(own))
            }
        })
    }

    /// Whether the domains of the rule at `at` cover those of another, or else the hosts of its prefixes.
    fn covers_domains(&self, at: usize, wide: &Conditions, narrow: &Conditions) -> bool {
        let named = !(narrow.domains.is_empty()
            && narrow.domain_lists.is_empty()
            && narrow.list_expressions.is_empty());
        let by_domains = || {
            narrow.domains.iter().all(|own| self.names(at, wide, &own.name, own.scope))
                && narrow.domain_lists.iter().all(|list| self.has_list(wide, *list))
                && has_expressions(wide, narrow)
        };
        let by_hosts =
            || narrow.uri.iter().all(|own| self.names(at, wide, own.host(), Scope::Host));
        (named && by_domains()) || (!narrow.uri.is_empty() && by_hosts())
    }

    /// Whether the domains of a rule cover all that `scope` of a name means.
    pub(super) fn names(&self, at: usize, asked: &Conditions, name: &str, scope: Scope) -> bool {
        self.domains.get(at).is_some_and(|own| own_covers(own, name, scope))
            || asked.domain_lists.iter().any(|list| self.listed.covers(*list, name, scope))
    }

    fn has_list(&self, asked: &Conditions, list: ListIndex) -> bool {
        asked.domain_lists.iter().any(|own| self.overlap.within(list, *own))
    }

    fn covers_users(&self, wide: &[UserPattern], narrow: &[UserPattern]) -> bool {
        let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
        let has_name = |name: &str| {
            wide.iter().any(|own| match own {
                UserPattern::Name(own) => own == name,
                UserPattern::List(list) => {
                    self.input.users(*list).is_some_and(|users| users.contains(name))
                }
            })
        };
        let has_list = |list: ListIndex| {
            wide.iter().any(|own| match own {
                UserPattern::Name(_) => false,
                UserPattern::List(own) => self.overlap.same_as(*own) == self.overlap.same_as(list),
            })
        };
        small
            && !narrow.is_empty()
            && narrow.iter().all(|own| match own {
                UserPattern::Name(name) => has_name(name),
                UserPattern::List(list) => has_list(*list),
            })
    }

    fn covers_sni(&self, at: usize, wide: &Conditions, narrow: &Conditions) -> bool {
        let Some(own) = self.sni.get(at) else { return false };
        let is_any = wide.sni.contains(&SniPattern::Any);
        !narrow.sni.is_empty()
            && narrow.sni.iter().all(|pattern| match pattern {
                SniPattern::Any => is_any,
                SniPattern::Name(name) => is_any || own_covers(own, &name.name, name.scope),
            })
    }

    fn covers_addresses(&self, wide: &[AddressPattern], narrow: &[AddressPattern]) -> bool {
        let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
        small
            && !narrow.is_empty()
            && narrow.iter().all(|pattern| match pattern {
                AddressPattern::Range(range) => self.has_range(wide, range),
                AddressPattern::Class(class) => {
                    class.ranges().iter().all(|range| self.has_range(wide, range))
                }
                AddressPattern::List(list) => self.has_addresses(wide, *list),
            })
    }

    /// Whether one of the values holds all of a range.
    fn has_range(&self, wide: &[AddressPattern], range: &crate::check::AddressRange) -> bool {
        let inside =
            |own: &crate::check::AddressRange| own.holds(range.first) && own.holds(range.last);
        wide.iter().any(|own| match own {
            AddressPattern::Range(own) => inside(own),
            AddressPattern::Class(class) => class.ranges().iter().any(inside),
            AddressPattern::List(list) => {
                self.input.addresses(*list).is_some_and(|list| list.covers(range))
            }
        })
    }

    /// Whether the values hold all of a list. An empty one is told of elsewhere.
    fn has_addresses(&self, wide: &[AddressPattern], list: ListIndex) -> bool {
        let Some(own) = self.input.addresses(list).filter(|own| !own.is_empty()) else {
            return false;
        };
        let same = |other: &AddressPattern| match other {
            AddressPattern::List(other) => {
                self.overlap.same_as(*other) == self.overlap.same_as(list)
            }
            AddressPattern::Range(_) | AddressPattern::Class(_) => false,
        };
        let ranges = own.ranges();
        let is_small = ranges.len().saturating_mul(wide.len()) <= RANGES_MAX;
        wide.iter().any(same)
            || (is_small && ranges.iter().all(|range| self.has_range(wide, range)))
    }
}

/// Whether a rule, or its word about TLS, holds where any view or name of a request fits.
pub(super) const fn any(rule: &CheckedRule) -> bool {
    rule.action.blocks() || matches!(rule.tls, Some(Tls::Bump | Tls::Terminate))
}

/// Whether a rule asks for what a request may have several of: names, views, addresses of hosts.
const fn has_views(asked: &Conditions) -> bool {
    !(asked.uri.is_empty()
        && asked.domains.is_empty()
        && asked.domain_lists.is_empty()
        && asked.list_expressions.is_empty()
        && asked.ports.is_empty()
        && asked.destinations.is_empty()
        && asked.uri_regexes.is_empty())
}

/// Whether every request of one protocol is of the other.
pub(super) fn covers_application(wide: Application, narrow: Application) -> bool {
    match (wide, narrow) {
        // A CONNECT is https.
        (Application::Any, _) | (Application::Https, Application::Connect) => true,
        (
            Application::Http | Application::Https | Application::Ftp | Application::Connect,
            narrow,
        ) => wide == narrow,
    }
}

/// Whether the expressions of lists of one rule are all among those of another.
fn has_expressions(wide: &Conditions, narrow: &Conditions) -> bool {
    let (wide, narrow) = (&wide.list_expressions, &narrow.list_expressions);
    let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
    small && narrow.iter().all(|own| wide.iter().any(|wide| wide.pattern == own.pattern))
}

/// A rule that stops the client means every spelling of a method, one that permits only its own.
fn covers_methods(one: &CheckedRule, other: &CheckedRule) -> bool {
    let (wide, narrow) = (&one.conditions.methods, &other.conditions.methods);
    let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
    let has = |own: &String| match (one.action.blocks(), any(other)) {
        (true, _) => wide.iter().any(|wide| wide.eq_ignore_ascii_case(own)),
        (false, false) => wide.contains(own),
        (false, true) => false,
    };
    wide.is_empty() || (small && !narrow.is_empty() && narrow.iter().all(has))
}

fn covers_ports(wide: &[PortRange], narrow: &[PortRange]) -> bool {
    let inside =
        |own: &PortRange, wide: &PortRange| wide.first <= own.first && own.last <= wide.last;
    let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
    small
        && !narrow.is_empty()
        && narrow.iter().all(|own| wide.iter().any(|wide| inside(own, wide)))
}

fn covers_prefixes(wide: &[UriPrefix], narrow: &[UriPrefix]) -> bool {
    let inside = |own: &UriPrefix, wide: &UriPrefix| {
        wide.host() == own.host()
            && wide.scheme().is_none_or(|scheme| own.scheme() == Some(scheme))
            && wide.port().is_none_or(|port| own.port() == Some(port))
            && own.rest().starts_with(wide.rest())
    };
    let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
    small
        && !narrow.is_empty()
        && narrow.iter().all(|own| wide.iter().any(|wide| inside(own, wide)))
}

/// A header that holds a text holds every part of it.
fn covers_texts(wide: &[String], narrow: &[String]) -> bool {
    let small = narrow.len().saturating_mul(wide.len()) <= VALUES_MAX;
    small
        && !narrow.is_empty()
        && narrow.iter().all(|own| wide.iter().any(|wide| own.contains(wide.as_str())))
}
