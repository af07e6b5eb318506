//! The bytes of the messages in `hello`: write and read side by side.
//!
//! INVARIANT: whatever is read here has passed the same checks as what is written; texts are bounded
//! and hold no control characters, so they may go to a log.

use crate::frame::{FrameFault, FrameKind, FrameWriter};
use crate::hello::{
    BadTerms, Challenge, FailureCause, FailureToken, Hello, Inspect, Proof, Refused, RefusedReason,
    Report, Routes, RunId, Terms, Welcome,
};
use crate::key::ConnectorName;
use crate::limits::{
    BASE_URL_BYTES_MAX, ENGINE_BYTES_MAX, FAILURE_TOKENS_MAX, ROUTE_BYTES_MAX, TEXT_BYTES_MAX,
    VERSIONS_MAX,
};
use crate::wire::{Reader, cut_text, plain_text, put_long, put_short};

/// What a hello starts with, so that a stranger's bytes are told from an old connector's.
pub(crate) const MAGIC: [u8; 4] = *b"DFDR";

impl Hello {
    /// The body of the frame. Versions past `VERSIONS_MAX` are left out.
    pub(crate) fn body(&self) -> Vec<u8> {
        let versions = self.versions.get(..VERSIONS_MAX).unwrap_or(&self.versions);
        let mut out = MAGIC.to_vec();
        out.push(u8::try_from(versions.len()).unwrap_or(0));
        for version in versions {
            out.extend_from_slice(&version.to_be_bytes());
        }
        put_short(&mut out, self.connector.as_str().as_bytes());
        out.extend_from_slice(&self.run.0.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        out.push(self.inspect.number());
        out
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        if reader.array()? != MAGIC {
            return None;
        }
        let count = usize::from(reader.u8()?);
        if count == 0 || count > VERSIONS_MAX {
            return None;
        }
        let versions = (0..count).map(|_| reader.u16()).collect::<Option<Vec<u16>>>()?;
        let name = std::str::from_utf8(reader.short()?).ok()?;
        let connector = ConnectorName::parse(name).ok()?;
        let run = RunId(u128::from_be_bytes(reader.array()?));
        let nonce = reader.array()?;
        let inspect = Inspect::from_number(reader.u8()?)?;
        reader.skip_fields()?;
        Some(Self { versions, connector, run, nonce, inspect })
    }
}

impl Challenge {
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut out = self.version.to_be_bytes().to_vec();
        out.extend_from_slice(&self.nonce);
        out
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (version, nonce) = (reader.u16()?, reader.array()?);
        reader.skip_fields()?;
        Some(Self { version, nonce })
    }
}

impl Proof {
    pub(crate) fn body(&self) -> Vec<u8> {
        self.mac.to_vec()
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Some(Self { mac: body.try_into().ok()? })
    }
}

impl Terms {
    /// The body of a welcome behind its proof.
    pub(crate) fn body(&self) -> Result<Vec<u8>, BadTerms> {
        self.check()?;
        let mut out = self.redirect_status.to_be_bytes().to_vec();
        out.extend_from_slice(&self.keepalive_ms.to_be_bytes());
        out.extend_from_slice(&self.in_flight_max.to_be_bytes());
        put_long(&mut out, self.base_url.as_bytes());
        for route in [&self.routes.blocked, &self.routes.warned, &self.routes.aup] {
            put_short(&mut out, route.as_bytes());
        }
        put_short(&mut out, self.engine.as_bytes());
        out.push(u8::try_from(self.tokens.len()).unwrap_or(0));
        for token in &self.tokens {
            out.push(token.cause.number());
            put_long(&mut out, token.token.as_bytes());
        }
        Ok(out)
    }

    fn read(mut reader: Reader<'_>) -> Option<Self> {
        let redirect_status = reader.u16()?;
        let keepalive_ms = reader.u32()?;
        let in_flight_max = reader.u32()?;
        let base_url = plain_text(reader.long()?, BASE_URL_BYTES_MAX)?.to_owned();
        let mut path = || Some(plain_text(reader.short()?, ROUTE_BYTES_MAX)?.to_owned());
        let routes = Routes { blocked: path()?, warned: path()?, aup: path()? };
        let engine = plain_text(reader.short()?, ENGINE_BYTES_MAX)?.to_owned();
        let count = usize::from(reader.u8()?);
        if count > FAILURE_TOKENS_MAX {
            return None;
        }
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            let cause = FailureCause::from_number(reader.u8()?);
            let token = std::str::from_utf8(reader.long()?).ok()?.to_owned();
            // A cause that a newer engine knows is no reason to refuse it.
            if let Some(cause) = cause {
                tokens.push(FailureToken { cause, token });
            }
        }
        reader.skip_fields()?;
        let terms =
            Self { base_url, routes, redirect_status, engine, keepalive_ms, in_flight_max, tokens };
        terms.check().ok()?;
        Some(terms)
    }
}

impl Welcome {
    /// Reads a welcome; gives the bytes behind the proof too, which the proof covers.
    pub(crate) fn read(body: &[u8]) -> Option<(Self, &[u8])> {
        let (mac, rest) = body.split_first_chunk::<32>()?;
        let terms = Terms::read(Reader::new(rest))?;
        Some((Self { mac: *mac, terms }, rest))
    }
}

impl Refused {
    /// Appends the whole frame; a long text is cut.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameFault> {
        let mut frame = FrameWriter::begin(out, FrameKind::Refused);
        frame.body().push(self.reason.number());
        put_long(frame.body(), cut_text(&self.text, TEXT_BYTES_MAX).as_bytes());
        frame.finish()
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let reason = RefusedReason::from_number(reader.u8()?)?;
        let text = plain_text(reader.long()?, TEXT_BYTES_MAX)?.to_owned();
        reader.skip_fields()?;
        Some(Self { reason, text })
    }
}

impl Report {
    /// Whether there is anything to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked_again == 0 && self.late == 0 && self.fallbacks_used.iter().all(|(_, n)| *n == 0)
    }

    /// Appends the whole frame.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameFault> {
        let used = self.fallbacks_used.get(..usize::from(u8::MAX)).unwrap_or(&self.fallbacks_used);
        let mut frame = FrameWriter::begin(out, FrameKind::Report);
        let body = frame.body();
        body.extend_from_slice(&self.asked_again.to_be_bytes());
        body.extend_from_slice(&self.late.to_be_bytes());
        body.push(u8::try_from(used.len()).unwrap_or(u8::MAX));
        for (cause, count) in used {
            body.push(cause.number());
            body.extend_from_slice(&count.to_be_bytes());
        }
        frame.finish()
    }

    /// Reads a body. Causes that this version does not know are left out.
    ///
    /// # Errors
    /// When the body is not a report.
    pub fn read(body: &[u8]) -> Result<Self, FrameFault> {
        Self::read_checked(body).ok_or(FrameFault::Unreadable)
    }

    fn read_checked(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let (asked_again, late) = (reader.u64()?, reader.u64()?);
        let count = reader.u8()?;
        let mut fallbacks_used = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let cause = FailureCause::from_number(reader.u8()?);
            let used = reader.u64()?;
            if let Some(cause) = cause {
                fallbacks_used.push((cause, used));
            }
        }
        reader.skip_fields()?;
        Some(Self { fallbacks_used, asked_again, late })
    }
}
