//! What the engine answers: one of four actions, and batches of them; encode and decode side by side.
//!
//! INVARIANT: token and tag of an answer that was read are base64url, so that whatever an engine
//! sends, it cannot write a second word into a line for Squid.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::batch::{BatchWriter, Pushed};
use crate::bump::Tls;
use crate::decision::DecisionId;
use crate::frame::{FrameFault, FrameKind};
use crate::limits::{FIELD_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::query::TooLong;
use crate::wire::{FIELD_SKIPPABLE, Field, Reader, Records, field_bytes, is_base64url, put_field};

/// The tag of `token` on the wire.
pub(crate) const FIELD_TOKEN: u8 = 1;
/// The tag of `tag` on the wire.
pub(crate) const FIELD_TAG: u8 = 2;
/// The tag of `tls` on the wire: one byte, in answers to the role `acl` only.
pub(crate) const FIELD_TLS: u8 = 3;
/// Id, code, run and count.
const RECORD_BYTES_FIXED: usize = 8 + 2 + 5 + 8;

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
    /// What the engine wants to be told again on this client connection, base64url; empty for
    /// nothing.
    pub tag: &'a [u8],
    /// What is to be done with the TLS connection, in every answer to the role `acl`. Beside a permit to
    /// the role `rewrite` it means that the permit holds only where Squid asks about the tunnel again.
    pub tls: Option<Tls>,
}

/// Writes a frame of answers.
#[derive(Debug)]
pub struct AnswerWriter<'o>(BatchWriter<'o>);

impl<'o> AnswerWriter<'o> {
    /// Begins a frame behind what `out` holds.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        Self(BatchWriter::begin(out, FrameKind::Answers))
    }

    /// Appends an answer.
    ///
    /// # Errors
    /// When token or tag are longer than the wire can carry; nothing is appended.
    pub fn push(&mut self, answer: &Answer<'_>) -> Result<Pushed, TooLong> {
        let record = answer.record_bytes()?;
        Ok(self.0.push(record, |body| answer.write(body)))
    }

    /// How many answers the frame holds.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.0.count()
    }

    /// Ends the frame and gives the number of its answers; an empty one leaves nothing.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn finish(self) -> Result<u16, FrameFault> {
        self.0.finish()
    }
}

impl<'a> Answer<'a> {
    /// How long the record will be.
    const fn record_bytes(&self) -> Result<usize, TooLong> {
        let (token, tag) = (self.token.len(), self.tag.len());
        if token > TOKEN_BYTES_MAX {
            return Err(TooLong { what: "token", bytes: token, allowed: TOKEN_BYTES_MAX });
        }
        if tag > FIELD_BYTES_MAX {
            return Err(TooLong { what: "tag", bytes: tag, allowed: FIELD_BYTES_MAX });
        }
        let mut whole = RECORD_BYTES_FIXED;
        if token > 0 {
            whole += field_bytes(self.token);
        }
        if tag > 0 {
            whole += field_bytes(self.tag);
        }
        if self.tls.is_some() {
            whole += field_bytes(&[0]);
        }
        Ok(whole)
    }

    /// Appends the record, whose lengths were checked.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.action.code().to_be_bytes());
        let [_, _, _, run @ ..] = self.decision.run().to_be_bytes();
        out.extend_from_slice(&run);
        out.extend_from_slice(&self.decision.count().to_be_bytes());
        if !self.token.is_empty() {
            put_field(out, FIELD_TOKEN, self.token);
        }
        if !self.tag.is_empty() {
            put_field(out, FIELD_TAG, self.tag);
        }
        if let Some(tls) = self.tls {
            put_field(out, FIELD_TLS, &[tls.number()]);
        }
    }

    /// Reads a record behind its id.
    fn read(id: u64, mut reader: Reader<'a>) -> Result<Self, &'static str> {
        const SHORT: &str = "it ends too early";
        let action = Action::from_code(reader.u16().ok_or(SHORT)?).ok_or("unknown code")?;
        let [a, b, c, d, e] = reader.array::<5>().ok_or(SHORT)?;
        let run = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let decision = DecisionId::new(run, reader.u64().ok_or(SHORT)?);
        let mut answer = Self { id, action, decision, token: &[], tag: &[], tls: None };
        while let Some(field) = reader.field().map_err(|_| SHORT)? {
            answer.take(field)?;
        }
        if action == Action::Permit && !answer.token.is_empty() {
            return Err("a permit with a token contradicts itself");
        }
        Ok(answer)
    }

    /// Takes one optional field. What it holds goes into a line for Squid, so its alphabet is
    /// checked here, once.
    fn take(&mut self, field: Field<'a>) -> Result<(), &'static str> {
        if field.tag >= FIELD_SKIPPABLE {
            return Ok(());
        }
        let (place, allowed) = match field.tag {
            FIELD_TOKEN => (&mut self.token, TOKEN_BYTES_MAX),
            FIELD_TAG => (&mut self.tag, FIELD_BYTES_MAX),
            FIELD_TLS => return self.take_tls(field.value),
            _ => return Err("it holds a field that this version does not know"),
        };
        if !place.is_empty() {
            return Err("a field comes twice");
        }
        if field.value.is_empty() || field.value.len() > allowed {
            return Err("a field is empty or too long");
        }
        if !is_base64url(field.value) {
            return Err("a field is not base64url");
        }
        *place = field.value;
        Ok(())
    }

    /// Takes the field `tls`.
    fn take_tls(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let &[number] = value else { return Err("the field of TLS is not one byte") };
        let tls = Tls::from_number(number).ok_or("unknown word for a TLS connection")?;
        match self.tls.replace(tls) {
            Some(_) => Err("a field comes twice"),
            None => Ok(()),
        }
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
    records: Records<'a>,
}

impl Answers<'_> {
    /// How many are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.records.left()
    }
}

impl<'a> Iterator for Answers<'a> {
    type Item = Result<Answer<'a>, BadAnswer>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.records.next()?);
        let Some(id) = reader.u64() else {
            return Some(Err(BadAnswer { id: None, what: "it has no id" }));
        };
        Some(Answer::read(id, reader).map_err(|what| BadAnswer { id: Some(id), what }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

/// Reads the body of a frame of answers.
///
/// # Errors
/// When the body's own lengths do not fit; then nothing in it can be trusted.
pub fn answers(body: &[u8]) -> Result<Answers<'_>, FrameFault> {
    Ok(Answers { records: Records::check(body)? })
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
