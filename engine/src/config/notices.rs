//! What an operator is told at start about a configuration that is right: settings that weaken the
//! gate or the record, and settings that have no effect yet.

use std::fmt;

use super::settings::{Raw, Section, Settings, find, read_text};
use super::types::{Config, OnFailure, RedactQuery, Verdicts};
use super::v1::{Built, CONNECTORS, Fallback, Key};

/// A setting that weakens the gate or the record (SPEC 2). Each is a warning at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakening {
    /// `[audit] on_failure = "continue"`
    AuditMayFail,
    /// `[audit] verdicts = "none"`
    NothingRecorded,
    /// `[audit] redact_query = false`
    QueriesRecorded,
}

impl fmt::Display for Weakening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuditMayFail => {
                "`[audit] on_failure` is `continue`: requests are answered without their audit entry \
                 where it cannot be written"
            }
            Self::NothingRecorded => "`[audit] verdicts` is `none`: no verdict is recorded",
            Self::QueriesRecorded => {
                "`[audit] redact_query` is `false`: query strings are recorded as they are"
            }
        })
    }
}

/// Every setting of `config` that weakens the gate or the record.
#[must_use]
pub fn weakenings(config: &Config) -> Vec<Weakening> {
    let mut found = Vec::new();
    match config.audit.on_failure {
        OnFailure::Continue => found.push(Weakening::AuditMayFail),
        OnFailure::Deny => {}
    }
    match config.audit.verdicts {
        Verdicts::None => found.push(Weakening::NothingRecorded),
        Verdicts::All | Verdicts::Blocked => {}
    }
    match config.audit.redact_query {
        RedactQuery::Keep => found.push(Weakening::QueriesRecorded),
        RedactQuery::Hash => {}
    }
    found
}

/// The settings that were given, differ from the default, and have no effect in this version.
pub(super) fn not_yet(settings: &Settings) -> Vec<String> {
    let once = settings
        .sections
        .iter()
        .flat_map(|(name, section)| idle(name, section).map(Key::full_name));
    let connectors = settings.connectors.iter().flat_map(|(name, section)| {
        idle(CONNECTORS, section).map(move |key| format!("[connectors.{name}] {}", key.name))
    });
    once.chain(connectors).collect()
}

/// The keys of a section that were set to something without effect.
fn idle<'s>(name: &'s str, section: &'s Section) -> impl Iterator<Item = &'static Key> + use<'s> {
    section.values.iter().filter_map(move |(key, given)| {
        let key = find(name, key)?;
        let differs = given.origin.is_given() && !is_default(key, &given.raw);
        let acted_on = match key.built {
            Built::Now => true,
            Built::Later => false,
            Built::LaterBut(values) => values.contains(&written(&given.raw).as_str()),
        };
        (differs && !acted_on).then_some(key)
    })
}

fn is_default(key: &Key, raw: &Raw) -> bool {
    match key.default {
        Fallback::Value(text) => read_text(key.kind, text).as_ref() == Ok(raw),
        Fallback::Nothing(_) => *raw == Raw::Text(String::new()),
    }
}

/// A value as the description of keys writes it.
fn written(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.clone(),
        Raw::Integer(number) => number.to_string(),
        Raw::Switch(switch) => switch.to_string(),
        Raw::List(texts) => texts.join(", "),
    }
}
