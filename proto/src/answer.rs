//! What the engine answers: one of four actions, and batches of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::DecisionId;
use crate::frame::{FrameFault, FrameKind, FrameWriter};
use crate::query::{Pushed, TooLong};

/// What the connector must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let the request go on.
    Permit,
    /// Send the client to `/blocked`.
    Deny,
    /// Send the client to `/warned`.
    Warn,
    /// Send the client to `/aup`.
    Aup,
}

impl Action {
    /// The code on the wire (SPEC 1).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Permit => 200,
            Self::Deny => 300,
            Self::Warn => 310,
            Self::Aup => 320,
        }
    }

    /// The action of this code.
    #[must_use]
    pub const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            200 => Self::Permit,
            300 => Self::Deny,
            310 => Self::Warn,
            320 => Self::Aup,
            _ => return None,
        })
    }

    /// The word in answers to Squid and in logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Aup => "aup",
        }
    }

    /// The portal's page; a permit has none.
    #[must_use]
    pub const fn route(self) -> Option<Route> {
        match self {
            Self::Permit => None,
            Self::Deny => Some(Route::Blocked),
            Self::Warn => Some(Route::Warned),
            Self::Aup => Some(Route::Aup),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A page of the portal that takes a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// For deny.
    Blocked,
    /// For warn.
    Warned,
    /// For aup.
    Aup,
}

impl Route {
    /// Every route.
    pub const ALL: &'static [Self] = &[Self::Blocked, Self::Warned, Self::Aup];

    /// Its path below `base_url`.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Blocked => "/blocked",
            Self::Warned => "/warned",
            Self::Aup => "/aup",
        }
    }

    /// The action that leads there.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Blocked => Action::Deny,
            Self::Warned => Action::Warn,
            Self::Aup => Action::Aup,
        }
    }
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The query's number.
    pub id: u64,
    /// What to do.
    pub action: Action,
    /// Under which number it is recorded.
    pub decision: DecisionId,
    /// The sealed token, base64url; empty for a permit.
    pub token: &'a [u8],
    /// What the connector is to be told again on this client connection; empty for nothing.
    pub tag: &'a [u8],
}

/// Writes a frame of answers.
#[derive(Debug)]
pub struct AnswerWriter<'o> {
    frame: FrameWriter<'o>,
    count: u16,
}

impl<'o> AnswerWriter<'o> {
    /// Begins a frame behind what `out` holds.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        Self { frame: FrameWriter::begin(out, FrameKind::Answers), count: 0 }
    }

    /// Appends an answer.
    ///
    /// # Errors
    /// When token or tag are longer than the wire can carry; nothing is appended.
    pub fn push(&mut self, _answer: &Answer<'_>) -> Result<Pushed, TooLong> {
        self.count += 1;
        Ok(Pushed::Taken)
    }

    /// How many answers the frame holds.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Ends the frame; an empty one leaves nothing.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn finish(self) -> Result<u16, FrameFault> {
        self.frame.finish()?;
        Ok(self.count)
    }
}

/// A record in a frame of answers that cannot be used. The others can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer cannot be read: {what}")]
pub struct BadAnswer {
    /// Its query's number, where that much could be read.
    pub id: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}

/// The answers of one frame.
#[derive(Debug, Clone)]
pub struct Answers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Answers<'a> {
    type Item = Result<Answer<'a>, BadAnswer>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = &[];
        None
    }
}

/// Reads the body of a frame of answers.
///
/// # Errors
/// When the body's own lengths do not fit; then nothing in it can be trusted.
pub fn answers(body: &[u8]) -> Result<Answers<'_>, FrameFault> {
    Ok(Answers { rest: body })
}
