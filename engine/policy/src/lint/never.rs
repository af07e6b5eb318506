//! Rules that can never match: attributes that contradict each other, and lists that are empty.

use super::covers::{Compare, any};
use crate::check::{
    AddressPattern, Anomaly, Application, CheckedRule, Conditions, Scope, UserPattern,
};
use crate::uri::{Scheme, UriPrefix, parse_address};

/// Why a rule never matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Never {
    /// The attribute to look at.
    pub(super) attribute: &'static str,
    /// Why it never holds together with the rest.
    pub(super) reason: String,
    /// Whether it does not even where the names of a connection differ.
    pub(super) when: When,
}

/// For which requests something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// For all.
    Always,
    /// For those whose CONNECT host, server name and Host are one.
    OneName,
    /// For those that can be read in one way only, and whose names are one.
    OneReading,
}

/// Why the rule at this place never matches, where that can be told.
pub(super) fn never(compare: &Compare<'_, '_>, at: usize, rule: &CheckedRule) -> Option<Never> {
    let asked = &rule.conditions;
    empty(compare, asked)
        .or_else(|| protocol(rule))
        .or_else(|| hosts(compare, at, rule))
        .or_else(|| excepted(rule))
}

fn always(attribute: &'static str, reason: impl Into<String>) -> Option<Never> {
    Some(Never { attribute, reason: reason.into(), when: When::Always })
}

/// A kind of which every value is a list without entries.
fn empty(compare: &Compare<'_, '_>, asked: &Conditions) -> Option<Never> {
    let input = compare.input;
    let names = &asked.domain_lists;
    if asked.domains.is_empty()
        && asked.list_expressions.is_empty()
        && !names.is_empty()
        && names.iter().all(|list| input.is_empty(*list))
    {
        return always("match-domain-list", "its lists are empty");
    }
    let no_user = |own: &UserPattern| match own {
        UserPattern::Name(_) => false,
        UserPattern::List(list) => input.is_empty(*list),
    };
    if !asked.users.is_empty() && asked.users.iter().all(no_user) {
        return always("match-user", "its lists are empty");
    }
    let all_empty = |patterns: &[AddressPattern]| {
        !patterns.is_empty()
            && patterns.iter().all(|pattern| match pattern {
                AddressPattern::List(list) => input.is_empty(*list),
                AddressPattern::Range(_) | AddressPattern::Class(_) => false,
            })
    };
    match (all_empty(&asked.sources), all_empty(&asked.destinations)) {
        (true, _) => always("match-source", "its lists are empty"),
        (false, true) => always("match-destination", "its lists are empty"),
        (false, false) => None,
    }
}

/// What requests of the rule's protocol never have.
fn protocol(rule: &CheckedRule) -> Option<Never> {
    let asked = &rule.conditions;
    let word = asked.application.word();
    let schemes: &[Scheme] = match asked.application {
        Application::Any => return None,
        Application::Http => &[Scheme::Http],
        Application::Ftp => &[Scheme::Ftp],
        Application::Https | Application::Connect => &[Scheme::Https],
    };
    let others = |own: &UriPrefix| own.scheme().is_some_and(|scheme| !schemes.contains(&scheme));
    if !asked.uri.is_empty() && asked.uri.iter().all(others) {
        return always("match-uri", format!("`application: {word}` asks for another scheme"));
    }
    let is_plain = matches!(asked.application, Application::Http | Application::Ftp);
    let of_tls = |own: &Anomaly| {
        matches!(own, Anomaly::NoSni | Anomaly::SniMismatch | Anomaly::HostMismatch | Anomaly::Ech)
    };
    if is_plain {
        let reason = || format!("a request of `application: {word}` has no TLS");
        return if !asked.sni.is_empty() {
            always("match-sni", reason())
        } else if !asked.sni_regexes.is_empty() {
            always("match-sni-regex", reason())
        } else if !asked.anomalies.is_empty() && asked.anomalies.iter().all(of_tls) {
            always("match-anomaly", reason())
        } else {
            None
        };
    }
    match asked.application {
        Application::Any | Application::Http | Application::Ftp | Application::Https => None,
        Application::Connect => connect(rule),
    }
}

/// What a CONNECT never has. The word about TLS of a rule that lacks nothing but a path is heard all the same.
fn connect(rule: &CheckedRule) -> Option<Never> {
    let asked = &rule.conditions;
    let by_path = !asked.uri.is_empty() && asked.uri.iter().all(|own| own.rest() != "/");
    if by_path && rule.tls.is_none() {
        always("match-uri", "a CONNECT has no path")
    } else if !asked.referer_regexes.is_empty() {
        always("match-referer-regex", "a CONNECT has no Referer that is known")
    } else if !asked.anomalies.is_empty()
        && asked.anomalies.iter().all(|own| *own == Anomaly::HostMismatch)
    {
        always("match-anomaly", "a CONNECT has no Host inside")
    } else {
        None
    }
}

/// Attributes that ask for different hosts. A rule that blocks needs only one of the names of a
/// connection for each.
fn hosts(compare: &Compare<'_, '_>, at: usize, rule: &CheckedRule) -> Option<Never> {
    let asked = &rule.conditions;
    let when = if any(rule) { When::OneName } else { When::Always };
    let never =
        |attribute, reason: &str| Some(Never { attribute, reason: reason.to_owned(), when });
    let is_named = !asked.domains.is_empty() || !asked.domain_lists.is_empty();
    // Lists that have more than names may know the host by a URL or an expression.
    let only_names = asked.list_expressions.is_empty()
        && asked.domain_lists.iter().all(|list| compare.input.names(*list).is_some());
    let covered = |own: &UriPrefix| compare.names(at, asked, own.host(), Scope::Host);
    if is_named && only_names && !asked.uri.is_empty() && !asked.uri.iter().any(covered) {
        return never("match-uri", "its hosts are none of the rule's domains");
    }
    if asked.destinations.is_empty() {
        return None;
    }
    let is_address = |name: &str| parse_address(name.as_bytes()).is_some();
    if !asked.uri.is_empty() && !asked.uri.iter().any(|own| is_address(own.host())) {
        return never("match-destination", "it asks for an address, and `match-uri` for names");
    }
    let names = asked.domains.iter().all(|own| !is_address(&own.name));
    let is_own = asked.domain_lists.is_empty() && asked.list_expressions.is_empty();
    if !asked.domains.is_empty() && is_own && names {
        return never("match-destination", "it asks for an address, and `match-domain` for names");
    }
    None
}

/// A kind of which every value is excepted as well. A rule that stops the client holds in any view or name,
/// and its exceptions in all; one that permits the other way round.
fn excepted(rule: &CheckedRule) -> Option<Never> {
    let (asked, except) = (&rule.conditions, rule.except.as_deref()?);
    let stops = any(rule);
    let when = if stops { When::OneReading } else { When::Always };
    let never = |attribute, when| {
        let reason = "all that it names is excepted".to_owned();
        Some(Never { attribute, reason, when })
    };
    // What a request has only one of.
    if within(&asked.sources, &except.sources) {
        return never("match-source", When::Always);
    }
    if within(&asked.users, &except.users) {
        return never("match-user", When::Always);
    }
    if within(&asked.windows, &except.windows) {
        return never("time-window", When::Always);
    }
    if within(&asked.user_agents, &except.user_agents) {
        return never("match-user-agent", When::Always);
    }
    // What it may have several of.
    if within(&asked.ports, &except.ports) {
        return never("match-port", when);
    }
    // While the path is not known neither holds, and the word about TLS is heard.
    if rule.tls.is_none() && within(&asked.uri, &except.uri) {
        return never("match-uri", when);
    }
    let has_domains = !(asked.domains.is_empty() && asked.domain_lists.is_empty());
    let domains = asked.domains.iter().all(|own| except.domains.contains(own))
        && asked.domain_lists.iter().all(|own| except.domain_lists.contains(own));
    let has_word = rule.tls.is_some() && !asked.domain_lists.is_empty();
    if has_domains
        && !has_word
        && asked.list_expressions.is_empty()
        && domains
        && is_small(asked, except)
    {
        return never("match-domain", when);
    }
    // A method in another spelling is stopped, and not excepted.
    if !stops && within(&asked.methods, &except.methods) {
        return never("match-method", When::Always);
    }
    None
}

/// Values of a kind that are compared with those of its exceptions one by one.
const VALUES_MAX: usize = 1_000;

/// Whether there are values, and each is among the others.
fn within<T: PartialEq>(own: &[T], others: &[T]) -> bool {
    let small = own.len() <= VALUES_MAX && others.len() <= VALUES_MAX;
    small && !own.is_empty() && own.iter().all(|own| others.contains(own))
}

fn is_small(asked: &Conditions, except: &Conditions) -> bool {
    let all = [&asked.domains, &except.domains];
    all.iter().all(|domains| domains.len() <= VALUES_MAX)
}
