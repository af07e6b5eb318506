//! The tag of a client connection: what the engine tells itself through Squid (SPEC 4, ADR 0016).
//!
//! Squid asks several times about one connection, and each time knows less or more; the calls may land
//! in different helpers and at different engines. Squid brings back what an answer put into
//! `clt_conn_tag`, so the engine seals what the earlier call knew into one word and reads it later.
//!
//! A tag is the base64url, without padding, of `salt (16) | nonce (12) | ciphertext | tag (16)`,
//! AES-256-GCM under HKDF-SHA256 of the portal's secret with a purpose of its own: no payload opens as
//! a tag and no tag as a payload. The plain text is binary, so that a tag stays short.
//!
//! The User-Agent is carried as text. A hash would be shorter, but `match-user-agent` looks for a part
//! of the text, and no part can be found in a hash.
//!
//! INVARIANT: a tag counts only for the client address that it was made for, and only while it is young;
//! whatever else it is, it is a [`TagFault`] and never a guess.

use std::fmt;
use std::net::IpAddr;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, Nonce};
use base64::Engine;

use crate::decision::DecisionId;
use crate::limits::{
    TAG_AGE_MAX, TAG_AHEAD_MAX, TAG_NAME_BYTES_MAX, TAG_TEXT_BYTES_MAX, TAG_USER_AGENT_BYTES_MAX,
};
use crate::query::Sni;
use crate::salted::Salted;
use crate::seal::{NONCE_BYTES, PortalSecret, SALT_BYTES, SealFault, TAG_BYTES, TOKEN_TEXT, Wear};
use crate::wire::{Reader, put_long, put_short};

/// What the key is for.
const KEY_PURPOSE: &[u8] = b"EnforceGate connection tag 1";

/// What a tag is bound to besides its key; its first byte is the form of the plain text.
const BOUND_TO: &[u8] = b"connection tag, form 1";

/// Salts whose keys an opener keeps: a few workers of a few engines. A key that is not kept is derived
/// again, which costs microseconds.
const KEYS_KEPT: usize = 32;

/// The longest plain text that still fits into a tag.
const PLAIN_BYTES_MAX: usize = TAG_TEXT_BYTES_MAX * 3 / 4 - SALT_BYTES - NONCE_BYTES - TAG_BYTES;

/// What stands beside the three texts: the address, port, decision, time, standing, and two marks with a
/// length.
const FIXED_BYTES_MAX: usize = 17 + 2 + 16 + 8 + 1 + 1 + 3;

/// A field whose value is not known.
const UNKNOWN: u8 = 0;
/// A field that is known to be absent.
const ABSENT: u8 = 1;
/// A field with a text behind it.
const TEXT: u8 = 2;
/// A server name that is the host.
const AS_HOST: u8 = 3;

/// A connection that was let through.
const PASSED: u8 = 1;
/// A connection that was denied.
const REFUSED: u8 = 2;

/// A header of an earlier call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept<'a> {
    /// It was not known, or too long to be carried.
    Unknown,
    /// There was none.
    Absent,
    /// It was this.
    Text(&'a [u8]),
}

/// What was said of a client connection when its tag was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It was let through.
    Passed,
    /// It was denied, and goes on only so that the client sees it: nothing inside is let through.
    Refused,
}

/// What is known of a client connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The client.
    pub client: IpAddr,
    /// The host of its CONNECT, as canonical text.
    pub host: &'a [u8],
    /// The port of its CONNECT.
    pub port: u16,
    /// The server name of its `ClientHello`, as canonical text.
    pub sni: Sni<'a>,
    /// The User-Agent of its CONNECT; one longer than
    /// `TAG_USER_AGENT_BYTES_MAX`, or than fits beside long names, is not carried.
    pub user_agent: Kept<'a>,
    /// The decision on it.
    pub decision: DecisionId,
    /// What was decided.
    pub standing: Standing,
    /// When that was, in seconds since 1970.
    pub at: i64,
}

impl<'a> Tag<'a> {
    /// How many bytes of User-Agent fit beside the names.
    fn user_agent_bytes_max(&self) -> usize {
        let name = |name: &[u8]| name.len() + 1;
        let sni = match self.sni {
            Sni::Unknown | Sni::Absent => 0,
            Sni::Name(name) if name == self.host => 0,
            Sni::Name(own) => name(own),
        };
        let others = FIXED_BYTES_MAX + name(self.host) + sni;
        PLAIN_BYTES_MAX.saturating_sub(others).min(TAG_USER_AGENT_BYTES_MAX)
    }

    /// Appends the plain text.
    fn write(&self, out: &mut Vec<u8>) {
        match self.client {
            IpAddr::V4(address) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.push(6);
                out.extend_from_slice(&address.octets());
            }
        }
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&self.decision.run().to_be_bytes());
        out.extend_from_slice(&self.decision.count().to_be_bytes());
        out.extend_from_slice(&self.at.to_be_bytes());
        out.push(match self.standing {
            Standing::Passed => PASSED,
            Standing::Refused => REFUSED,
        });
        put_short(out, self.host);
        match self.sni {
            Sni::Unknown => out.push(UNKNOWN),
            Sni::Absent => out.push(ABSENT),
            Sni::Name(name) if name == self.host => out.push(AS_HOST),
            Sni::Name(name) => {
                out.push(TEXT);
                put_short(out, name);
            }
        }
        match self.user_agent {
            Kept::Unknown => out.push(UNKNOWN),
            Kept::Absent => out.push(ABSENT),
            Kept::Text(text) if text.len() > self.user_agent_bytes_max() => out.push(UNKNOWN),
            Kept::Text(text) => {
                out.push(TEXT);
                put_long(out, text);
            }
        }
    }

    /// Reads the plain text; nothing may be left over.
    fn read(plain: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(plain);
        let client = match reader.u8()? {
            4 => IpAddr::from(reader.array::<4>()?),
            6 => IpAddr::from(reader.array::<16>()?),
            _ => return None,
        };
        let port = reader.u16()?;
        let decision = DecisionId::new(reader.u64()?, reader.u64()?);
        let at = i64::from_be_bytes(reader.array::<8>()?);
        let standing = match reader.u8()? {
            PASSED => Standing::Passed,
            REFUSED => Standing::Refused,
            _ => return None,
        };
        let host = reader.short()?;
        let sni = match reader.u8()? {
            UNKNOWN => Sni::Unknown,
            ABSENT => Sni::Absent,
            AS_HOST => Sni::Name(host),
            TEXT => Sni::Name(reader.short()?),
            _ => return None,
        };
        let user_agent = match reader.u8()? {
            UNKNOWN => Kept::Unknown,
            ABSENT => Kept::Absent,
            TEXT => Kept::Text(reader.long()?),
            _ => return None,
        };
        let whole = Self { client, host, port, sni, user_agent, decision, standing, at };
        reader.is_empty().then_some(whole)
    }
}

/// Seals tags under one salt; the key schedule is made once.
#[derive(Debug)]
pub struct TagSealer(Salted);

impl TagSealer {
    /// A sealer with this salt, drawn at random. One a thread, each with a salt of its own.
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

    /// Appends the sealed tag to `out`, at most `TAG_TEXT_BYTES_MAX` bytes of base64url. `nonce` must
    /// not come twice under one salt.
    ///
    /// # Errors
    /// When nothing could be sealed; `out` is as it was.
    pub fn seal(&self, tag: &Tag<'_>, nonce: [u8; 12], out: &mut Vec<u8>) -> Result<(), SealFault> {
        let sni_fits = match tag.sni {
            Sni::Unknown | Sni::Absent => true,
            Sni::Name(name) => name.len() <= TAG_NAME_BYTES_MAX,
        };
        if tag.host.len() > TAG_NAME_BYTES_MAX || !sni_fits {
            return Err(SealFault::Cipher);
        }
        self.0.seal(BOUND_TO, nonce, out, |out| {
            tag.write(out);
            Ok(())
        })
    }
}

/// Why a tag counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagFault {
    /// Longer than a tag can be.
    #[error("the tag is longer than a tag can be")]
    TooLong,
    /// Not base64url, or too short.
    #[error("the tag is not base64url or too short")]
    Malformed,
    /// Altered, or sealed with another secret.
    #[error("the tag is altered or was sealed with another secret")]
    Unauthentic,
    /// Authentic, and yet not what this version writes.
    #[error("the tag is authentic, but this version cannot read what it holds")]
    Contents,
    /// Of another client.
    #[error("the tag was made for another client address")]
    OtherClient,
    /// Too old.
    #[error("the tag is older than a client connection can be")]
    Old,
    /// From the future.
    #[error("the tag was made in the future; compare the clocks of the engines")]
    Ahead,
}

/// Opens what any engine with one of the secrets has sealed. One a thread: it keeps its memory.
pub struct TagOpener {
    secrets: [Option<PortalSecret>; 2],
    /// The keys of salts that have proved themselves; of what does not open, nothing is kept.
    keys: Vec<([u8; SALT_BYTES], Aes256Gcm)>,
    oldest: usize,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl fmt::Debug for TagOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagOpener").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl TagOpener {
    /// An opener; the previous secret counts too while a secret is changed.
    #[must_use]
    pub fn new(current: PortalSecret, previous: Option<PortalSecret>) -> Self {
        Self {
            secrets: [Some(current), previous],
            keys: Vec::with_capacity(KEYS_KEPT),
            oldest: 0,
            sealed: vec![0; TAG_TEXT_BYTES_MAX],
            plain: Vec::with_capacity(TAG_TEXT_BYTES_MAX),
        }
    }

    /// Opens the tag that came with a query of this client; `now` in seconds since 1970.
    ///
    /// # Errors
    /// Whatever it is that makes it count for nothing.
    pub fn open(&mut self, text: &[u8], client: IpAddr, now: i64) -> Result<Tag<'_>, TagFault> {
        if text.len() > TAG_TEXT_BYTES_MAX {
            return Err(TagFault::TooLong);
        }
        let bytes =
            TOKEN_TEXT.decode_slice(text, &mut self.sealed).map_err(|_| TagFault::Malformed)?;
        self.unseal(bytes)?;
        let tag = Tag::read(&self.plain).ok_or(TagFault::Contents)?;
        if tag.client != client {
            return Err(TagFault::OtherClient);
        }
        let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let age = now.saturating_sub(tag.at);
        if age > seconds(TAG_AGE_MAX) {
            return Err(TagFault::Old);
        }
        if age < -seconds(TAG_AHEAD_MAX) {
            return Err(TagFault::Ahead);
        }
        Ok(tag)
    }

    /// Decrypts the first `bytes` of `sealed` into `plain`.
    fn unseal(&mut self, bytes: usize) -> Result<(), TagFault> {
        let Self { secrets, keys, oldest, sealed, plain } = self;
        let sealed = sealed.get(..bytes).ok_or(TagFault::Malformed)?;
        let (salt, rest) = sealed.split_first_chunk::<SALT_BYTES>().ok_or(TagFault::Malformed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(TagFault::Malformed)?;
        let (text, mac) = rest.split_last_chunk::<TAG_BYTES>().ok_or(TagFault::Malformed)?;
        let mut opens = |cipher: &Aes256Gcm| {
            plain.clear();
            plain.extend_from_slice(text);
            let plain = InOutBuf::from(plain.as_mut_slice());
            let mac = aes_gcm::Tag::from(*mac);
            cipher.decrypt_inout_detached(&Nonce::from(*nonce), BOUND_TO, plain, &mac).is_ok()
        };
        if keys.iter().any(|(kept, cipher)| kept == salt && opens(cipher)) {
            return Ok(());
        }
        for secret in secrets.iter().flatten() {
            let cipher = secret.cipher(salt, KEY_PURPOSE);
            if opens(&cipher) {
                match keys.get_mut(*oldest) {
                    Some(place) => *place = (*salt, cipher),
                    None => keys.push((*salt, cipher)),
                }
                *oldest = (*oldest + 1) % KEYS_KEPT;
                return Ok(());
            }
        }
        plain.clear();
        Err(TagFault::Unauthentic)
    }
}

#[cfg(test)]
#[path = "tests/tag.rs"]
mod tests;
