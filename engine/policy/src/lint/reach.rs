//! Rules that nothing reaches: paths in tunnels that stay closed, and rules whose time is over.

use jiff::Timestamp;

use super::ground::{Ground, Inspect, LintInput};
use crate::check::{Application, CheckedRule};
use crate::diagnostic::{Code, quote};
use crate::syntax::span::Span;
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

/// Reports each rule whose `valid-until` is over. It is read as it is written, before any check.
pub(super) fn expired(input: &LintInput<'_>, ground: &mut Ground<'_>) {
    let mut found: Vec<(usize, Span, String, String)> = Vec::new();
    for (file, block) in ground.blocks() {
        let until = block.attributes().filter(|own| own.key.text == "valid-until");
        for word in until.flat_map(|own| own.value.words()) {
            let Ok(until) = word.text.parse::<Timestamp>() else { continue };
            if until.as_microsecond() < input.now.unix_micros() {
                found.push((file, word.span, block.name.text.clone(), word.text.clone()));
            }
        }
    }
    for (file, span, rule, until) in found {
        let message = format!("the rule {} counts no more since {}", quote(&rule), quote(&until));
        ground.report_at(file, span, Code::Expired, message, None);
    }
}
