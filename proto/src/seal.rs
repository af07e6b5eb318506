//! Sealing and opening the portal's payload: AES-256-GCM under a key of this engine's run.

use std::fmt;

use zeroize::Zeroizing;

use crate::answer::Route;
use crate::payload::{Payload, PayloadRef};

/// The secret that engine and portal share: 32 bytes.
#[derive(Clone)]
pub struct PortalSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for PortalSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortalSecret(..)")
    }
}

/// Why a text is no secret. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Not base64.
    #[error("the secret is not base64")]
    NotBase64,
    /// Another length.
    #[error("the secret has {0} bytes; it must have 32, in base64")]
    Length(usize),
}

impl PortalSecret {
    /// Takes the base64 text of a configuration or a file; blanks around it do not count.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn parse(_text: &str) -> Result<Self, SecretFault> {
        Err(SecretFault::NotBase64)
    }

    /// Takes the bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why nothing was sealed; `out` is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The acknowledgement token is longer than its bound.
    #[error("the acknowledgement token has {0} bytes, more than a payload may carry")]
    AckTokenTooLong(usize),
    /// The salt has been used too often.
    #[error("too many tokens were sealed under one salt; renew it")]
    Worn,
    /// The cipher refused.
    #[error("the cipher refused to seal")]
    Cipher,
}

/// Whether a sealer needs a new salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wear {
    /// No.
    Good,
    /// Soon: call `renew`.
    Worn,
}

/// Seals payloads under one salt; the key schedule is made once.
#[derive(Debug)]
pub struct Sealer {
    secret: PortalSecret,
    salt: [u8; 16],
}

impl Sealer {
    /// A sealer with this salt, drawn at random once a run.
    #[must_use]
    pub fn new(secret: &PortalSecret, salt: [u8; 16]) -> Self {
        Self { secret: secret.clone(), salt }
    }

    /// Takes a new salt.
    pub fn renew(&mut self, salt: [u8; 16]) {
        self.salt = salt;
    }

    /// Whether it is time for that.
    #[must_use]
    pub fn wear(&self) -> Wear {
        Wear::Good
    }

    /// Appends the token to `out`, at most `TOKEN_BYTES_MAX` bytes of base64url. `nonce` is random.
    ///
    /// # Errors
    /// When nothing could be sealed; `out` is as it was.
    pub fn seal(
        &self,
        route: Route,
        payload: &PayloadRef<'_>,
        nonce: [u8; 12],
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let _ = (route, payload, nonce, out, self.secret.as_bytes());
        Ok(())
    }
}

/// Whether a payload still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Yes.
    Fresh,
    /// It is authentic but old: back to the URL, where the filter decides anew.
    Expired,
}

/// An authentic payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub payload: Payload,
    /// Whether it still counts.
    pub freshness: Freshness,
}

/// Why a token is refused. A visitor gets a plain 400 for each of them, with no detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// Longer than a token can be.
    #[error("the token is longer than a token can be")]
    TooLong,
    /// Not base64url, or too short.
    #[error("the token is not base64url or too short")]
    Malformed,
    /// Altered, of another page, or sealed with another secret.
    #[error("the token is altered, belongs to another page, or was sealed with another secret")]
    Unauthentic,
    /// Authentic, and yet not a payload that this version reads.
    #[error("the token is authentic, but this version cannot read what it holds")]
    Contents,
}

/// Opens what any sealer with one of its secrets has sealed.
#[derive(Debug)]
pub struct Opener {
    current: PortalSecret,
    previous: Option<PortalSecret>,
}

impl Opener {
    /// An opener; the previous secret counts while a secret is changed.
    #[must_use]
    pub const fn new(current: PortalSecret, previous: Option<PortalSecret>) -> Self {
        Self { current, previous }
    }

    /// Opens the token that came to this page. `now` in seconds since 1970.
    ///
    /// # Errors
    /// When the token is not authentic for this page.
    pub fn open(&self, route: Route, token: &str, now: i64) -> Result<Opened, OpenFault> {
        let _ = (route, token, now, self.current.as_bytes(), &self.previous);
        Err(OpenFault::Malformed)
    }
}
