//! Why a pattern is refused, and what to write instead.

use crate::diagnostic::{Code, quote};

use super::dialect::{PATTERN_BYTES_MAX, POSITIONS_MAX, REPEATS_MAX};

/// Why a text is no pattern of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// It is no regular expression.
    #[error("the regular expression cannot be read: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It looks ahead or behind.
    #[error(
        "{} looks at text that it does not take: nothing here backtracks on what a client sends",
        quote(part)
    )]
    LookAround {
        /// The construct.
        part: String,
    },
    /// It repeats what it found earlier.
    #[error(
        "{} refers back to what was found: nothing here backtracks on what a client sends",
        quote(part)
    )]
    BackReference {
        /// The construct.
        part: String,
    },
    /// It keeps what it took, whatever follows.
    #[error(
        "{} is possessive or atomic: that only tells a backtracking engine what to try, and nothing here backtracks on what a client sends",
        quote(part)
    )]
    Possessive {
        /// The construct.
        part: String,
    },
    /// It has a condition, a recursion, a callout or a verb.
    #[error(
        "{} steers a backtracking engine: nothing here backtracks on what a client sends",
        quote(part)
    )]
    Steering {
        /// The construct.
        part: String,
    },
    /// Engines read it differently.
    #[error("{} is not read alike by all engines: {why}", quote(part))]
    Ambiguous {
        /// The construct.
        part: String,
        /// What it could mean, or what to write.
        why: &'static str,
    },
    /// It fits the empty text, and so every text.
    #[error("the regular expression fits the empty text, and so every text")]
    FitsEmpty,
    /// It fits nothing.
    #[error("the regular expression fits no text")]
    FitsNothing,
    /// It fits every text of its kind.
    #[error("the regular expression fits every {kind}")]
    FitsAll {
        /// What it is compared with.
        kind: &'static str,
    },
    /// Too many bytes.
    #[error("the regular expression has {bytes} bytes, and {PATTERN_BYTES_MAX} at most")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// A repeat counts too far.
    #[error("a repeat counts to {count}, and {REPEATS_MAX} at most")]
    Repeats {
        /// How far.
        count: u32,
    },
    /// With every repeat written out it would be too large.
    #[error(
        "with its repeats written out the regular expression has {positions} places, and {POSITIONS_MAX} at most"
    )]
    TooLarge {
        /// How many it has.
        positions: u64,
    },
}

impl PatternFault {
    /// The code in the catalogue.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Syntax { .. } => Code::BadRegex,
            Self::LookAround { .. } => Code::RegexLookAround,
            Self::BackReference { .. } => Code::RegexBackReference,
            Self::Possessive { .. } => Code::RegexPossessive,
            Self::Steering { .. } => Code::RegexSteering,
            Self::Ambiguous { .. } => Code::RegexAmbiguous,
            Self::FitsEmpty | Self::FitsNothing | Self::FitsAll { .. } => Code::RegexTooBroad,
            Self::TooLong { .. } | Self::Repeats { .. } | Self::TooLarge { .. } => {
                Code::RegexTooLarge
            }
        }
    }
}
