//! Rules that nothing reaches: paths in tunnels that stay closed, and rules whose time is over.

use jiff::Timestamp;

use super::ground::{Ground, Inspect, LintInput};
use crate::check::{Application, CheckedRule};
use crate::diagnostic::{Code, quote};
use crate::uri::{Scheme, UriPrefix};
use crate::verdict::Tls;

/// The attribute that only a decrypted tunnel could hold for, where tunnels stay closed.
pub(super) fn unseen(input: &LintInput<'_>, rule: &CheckedRule) -> Option<&'static str> {
    let is_open = match input.inspect {
        Inspect::Unsaid | Inspect::Bump => true,
        Inspect::Off => false,
        // Which tunnels a word decrypts is not followed: one is enough to say nothing.
        Inspect::Peek => input.policy.rules.iter().any(|rule| rule.tls == Some(Tls::Bump)),
    };
    if is_open {
        return None;
    }
    let asked = &rule.conditions;
    let is_https = match asked.application {
        Application::Https | Application::Connect => true,
        Application::Any | Application::Http | Application::Ftp => false,
    };
    let hidden = |own: &UriPrefix| {
        own.rest() != "/"
            && (own.scheme() == Some(Scheme::Https) || (is_https && own.scheme().is_none()))
    };
    if !asked.uri.is_empty() && asked.uri.iter().all(hidden) {
        Some("match-uri")
    } else if is_https && !asked.referer_regexes.is_empty() {
        Some("match-referer-regex")
    } else {
        None
    }
}

/// Reports each rule whose `valid-until` is over.
pub(super) fn expired(input: &LintInput<'_>, ground: &mut Ground<'_>) {
    for rule in &input.policy.rules {
        let Some(until) = rule.validity.until.filter(|until| *until <= input.now) else { continue };
        let until = Timestamp::from_microsecond(until.unix_micros()).unwrap_or_default();
        let message = format!(
            "the rule {} counts no more since {}",
            quote(&rule.name),
            quote(&until.to_string())
        );
        ground.report(rule, (Some("valid-until"), None), Code::Expired, message, None);
    }
}
