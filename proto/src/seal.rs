//! Sealing and opening the portal's payload: AES-256-GCM under a key of one salt.
//!
//! A token is the base64url, without padding, of `salt (16) | nonce (12) | ciphertext | tag (16)`.
//! The key is HKDF-SHA256 of the secret with that salt, so each run of an engine has its own and the
//! portal needs nothing but the secret. The associated data is the page's path with `?v=1`: a token
//! opens on the page that it was made for and on no other.
//!
//! INVARIANT: no token is longer than `TOKEN_BYTES_MAX`, whatever the payload holds, and a fault
//! leaves the caller's bytes as they were.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce, Tag};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::answer::Route;
use crate::limits::{ACK_TOKEN_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::payload::{Cut, Payload, PayloadRef};
use crate::salted::Salted;
use crate::wire::is_base64url;

pub(crate) const SALT_BYTES: usize = 16;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// What the key is for, so that the same secret can serve another purpose under another word.
const KEY_PURPOSE: &[u8] = b"EnforceGate portal payload 1";

/// The longest text that still fits into a token.
const PLAIN_BYTES_MAX: usize = TOKEN_BYTES_MAX * 3 / 4 - SALT_BYTES - NONCE_BYTES - TAG_BYTES;

/// Tokens: base64url, no padding, and one spelling only.
pub(crate) const TOKEN_TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Secrets are written by hand or by a tool: with padding or without.
const SECRET_TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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
    #[error("the portal secret is not base64; `openssl rand -base64 32` makes one")]
    NotBase64,
    /// Another length.
    #[error(
        "the portal secret has {0} bytes and must have 32; `openssl rand -base64 32` makes one"
    )]
    Length(usize),
}

impl PortalSecret {
    /// Takes the base64 text of a configuration or a file; blanks around it do not count.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, SecretFault> {
        let bytes = SECRET_TEXT.decode(text.trim_ascii()).map_err(|_| SecretFault::NotBase64)?;
        let bytes = Zeroizing::new(bytes);
        let secret: &[u8; 32] =
            bytes.as_slice().try_into().map_err(|_| SecretFault::Length(bytes.len()))?;
        Ok(Self(Zeroizing::new(*secret)))
    }

    /// Takes the bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The cipher for what is sealed under this salt for this purpose.
    pub(crate) fn cipher(&self, salt: &[u8; SALT_BYTES], purpose: &[u8]) -> Aes256Gcm {
        let mut key = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes (RFC 5869)")]
        Hkdf::<Sha256>::new(Some(salt), self.0.as_slice())
            .expand(purpose, key.as_mut_slice())
            .expect("32 bytes are not too many");
        Aes256Gcm::new((&*key).into())
    }
}

/// What a token is bound to besides its key.
const fn bound_to(route: Route) -> &'static [u8] {
    match route {
        Route::Blocked => b"/blocked?v=1",
        Route::Warned => b"/warned?v=1",
        Route::Aup => b"/aup?v=1",
    }
}

/// Why nothing was sealed; `out` is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The acknowledgement token is longer than its bound or holds other letters than base64url.
    #[error("the acknowledgement token of {0} bytes is too long or not base64url")]
    BadAckToken(usize),
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
pub struct Sealer(Salted);

impl Sealer {
    /// A sealer with this salt, drawn at random. One a thread, each with a salt of its own, share
    /// nothing.
    #[must_use]
    pub fn new(secret: &PortalSecret, salt: [u8; 16]) -> Self {
        Self(Salted::new(secret, KEY_PURPOSE, salt))
    }

    /// Takes a new salt; what was sealed before still opens.
    pub fn renew(&mut self, salt: [u8; 16]) {
        self.0.renew(salt);
    }

    /// Whether it is time for that.
    #[must_use]
    pub fn wear(&self) -> Wear {
        self.0.wear()
    }

    /// Appends the token to `out`, at most `TOKEN_BYTES_MAX` bytes of base64url. `nonce` is random.
    ///
    /// Where the payload is too long, its URLs are cut to scheme and host, and then its texts.
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
        if let Some(ack_token) = payload.ack_token
            && (ack_token.len() > ACK_TOKEN_BYTES_MAX || !is_base64url(ack_token.as_bytes()))
        {
            return Err(SealFault::BadAckToken(ack_token.len()));
        }
        self.0.seal(bound_to(route), nonce, out, |out| write_cut(payload, out))
    }
}

/// Appends the payload, cut as far as it takes to fit.
fn write_cut(payload: &PayloadRef<'_>, out: &mut Vec<u8>) -> Result<(), SealFault> {
    let start = out.len();
    for cut in Cut::ALL {
        out.truncate(start);
        payload.write_json(*cut, out);
        if out.len() - start <= PLAIN_BYTES_MAX {
            return Ok(());
        }
    }
    Err(SealFault::Cipher)
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
    /// An opener; the previous secret counts too while a secret is changed.
    #[must_use]
    pub const fn new(current: PortalSecret, previous: Option<PortalSecret>) -> Self {
        Self { current, previous }
    }

    /// Opens the token that came to this page. `now` in seconds since 1970.
    ///
    /// # Errors
    /// When the token is not authentic for this page.
    pub fn open(&self, route: Route, token: &str, now: i64) -> Result<Opened, OpenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(OpenFault::TooLong);
        }
        let bytes = TOKEN_TEXT.decode(token).map_err(|_| OpenFault::Malformed)?;
        let plain = open_with(&self.current, route, &bytes);
        let plain = match (plain, &self.previous) {
            (Err(OpenFault::Unauthentic), Some(previous)) => open_with(previous, route, &bytes)?,
            (plain, _) => plain?,
        };
        let payload: Payload = serde_json::from_slice(&plain).map_err(|_| OpenFault::Contents)?;
        if payload.action.route() != Some(route) || payload.code != payload.action.code() {
            return Err(OpenFault::Contents);
        }
        let freshness = if now < payload.expires { Freshness::Fresh } else { Freshness::Expired };
        Ok(Opened { payload, freshness })
    }
}

fn open_with(secret: &PortalSecret, route: Route, token: &[u8]) -> Result<Vec<u8>, OpenFault> {
    let (salt, rest) = token.split_first_chunk::<SALT_BYTES>().ok_or(OpenFault::Malformed)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenFault::Malformed)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenFault::Malformed)?;
    let mut plain = sealed.to_vec();
    secret
        .cipher(salt, KEY_PURPOSE)
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            bound_to(route),
            InOutBuf::from(plain.as_mut_slice()),
            &Tag::from(*tag),
        )
        .map_err(|_| OpenFault::Unauthentic)?;
    Ok(plain)
}

#[cfg(test)]
#[path = "tests/seal.rs"]
mod tests;
