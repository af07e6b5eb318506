//! The second question: what is to be done with a TLS connection whose `ClientHello` was read.
//!
//! An answer to a query of the role `acl` says it beside its action; an answer that does not say it
//! is no answer, and the connector falls back to its own `fail_action`.

use std::fmt;

/// What Squid is to do with a TLS connection (SPEC 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Pass it through untouched.
    Splice,
    /// Decrypt it, and ask about each request inside.
    Bump,
    /// End it.
    Terminate,
}

impl Tls {
    /// Every word.
    pub const ALL: &'static [Self] = &[Self::Splice, Self::Bump, Self::Terminate];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Splice => 0,
            Self::Bump => 1,
            Self::Terminate => 2,
        }
    }

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Splice,
            1 => Self::Bump,
            2 => Self::Terminate,
            _ => return None,
        })
    }

    /// The word in answers to Squid, in rules and in logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Bump => "bump",
            Self::Terminate => "terminate",
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
