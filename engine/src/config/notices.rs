//! What an operator is told at start about a configuration that is right: settings that weaken the
//! gate or the record.

use std::fmt;

use super::types::{Config, OnFailure, RedactQuery, Verdicts};

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
