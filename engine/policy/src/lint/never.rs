//! Rules that can never match: attributes that contradict each other, and lists that are empty.

use super::covers::{Compare, any};
use crate::check::{AddressPattern, Anomaly, Application, CheckedRule, Conditions, Scope};
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
}

/// Why the rule at this place never matches, where that can be told.
pub(super) fn never(compare: &Compare<'_, '_>, at: usize, rule: &CheckedRule) -> Option<Never> {
    let asked = &rule.conditions;
    empty(compare, asked).or_else(|| protocol(asked)).or_else(|| hosts(compare, at, rule))
}

fn always(attribute: &'static str, reason: impl Into<String>) -> Option<Never> {
    Some(Never { attribute, reason: reason.into(), when: When::Always })
}

/// A kind of which every value is a list without entries.
fn empty(compare: &Compare<'_, '_>, asked: &Conditions) -> Option<Never> {
    let input = compare.input;
    let names = &asked.domain_lists;
    if asked.domains.is_empty()
        && !names.is_empty()
        && names.iter().all(|list| input.is_empty(*list))
    {
        return always("match-domain-list", "its lists are empty");
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
fn protocol(asked: &Conditions) -> Option<Never> {
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
        Application::Connect => connect(asked),
    }
}

/// What a CONNECT never has.
fn connect(asked: &Conditions) -> Option<Never> {
    if !asked.uri.is_empty() && asked.uri.iter().all(|own| own.rest() != "/") {
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
    let covered = |own: &UriPrefix| compare.names(at, asked, own.host(), Scope::Host);
    if is_named && !asked.uri.is_empty() && !asked.uri.iter().any(covered) {
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
    if !asked.domains.is_empty() && asked.domain_lists.is_empty() && names {
        return never("match-destination", "it asks for an address, and `match-domain` for names");
    }
    None
}
