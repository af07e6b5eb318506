//! What a reload is asked for: who asks, why, and how far it goes.

use std::fmt;

/// Who asks for a change of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The first fill at a start.
    Start,
    /// SIGHUP
    Signal,
    /// A file changed, and `watch` is on.
    Watch,
    /// A commit was not confirmed in time.
    Deadline,
    /// An operator, with the door and the name, as `local:root`.
    Operator(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Signal => "signal",
            Self::Watch => "watch",
            Self::Deadline => "commit-confirmed",
            Self::Operator(name) => name,
        })
    }
}

/// What becomes of a policy or a list that has lost much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guards {
    /// It is refused, or its old entries stay.
    Heeded,
    /// It is taken: somebody said `force`.
    Overridden,
    /// It is taken: there was nothing before.
    FirstFill,
}

/// How far a reload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The policy goes live.
    Real,
    /// It is made, and thrown away: nothing is written and nothing is swapped.
    Dry,
}

/// What a reload is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who asks.
    pub by: Origin,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Whether guards are heeded.
    pub guards: Guards,
    /// How far it goes.
    pub run: Run,
}

impl Order {
    /// A plain reload.
    #[must_use]
    pub const fn of(by: Origin) -> Self {
        Self { by, reason: None, guards: Guards::Heeded, run: Run::Real }
    }

    /// Who and why, in a line: the note of a snapshot.
    #[must_use]
    pub fn note(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.by),
            None => self.by.to_string(),
        }
    }
}
