//! What seals under one salt: the part that payloads and tags share.
//!
//! INVARIANT: a fault leaves the caller's bytes as they were, and no salt serves more than `SEALS_MAX`
//! times, since random nonces would begin to repeat.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, Nonce};
use base64::Engine;

use crate::limits::{SEALS_MAX, SEALS_WORN};
use crate::seal::{NONCE_BYTES, PortalSecret, SALT_BYTES, SealFault, TOKEN_TEXT, Wear};

/// A salt with its key; the key schedule is made once.
pub(crate) struct Salted {
    secret: PortalSecret,
    purpose: &'static [u8],
    salt: [u8; SALT_BYTES],
    cipher: Aes256Gcm,
    sealed: AtomicU64,
}

impl fmt::Debug for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salted").field("sealed", &self.sealed).finish_non_exhaustive()
    }
}

impl Salted {
    pub(crate) fn new(
        secret: &PortalSecret,
        purpose: &'static [u8],
        salt: [u8; SALT_BYTES],
    ) -> Self {
        let cipher = secret.cipher(&salt, purpose);
        Self { secret: secret.clone(), purpose, salt, cipher, sealed: AtomicU64::new(0) }
    }

    /// Takes a new salt; what was sealed before still opens.
    pub(crate) fn renew(&mut self, salt: [u8; SALT_BYTES]) {
        self.cipher = self.secret.cipher(&salt, self.purpose);
        self.salt = salt;
        self.sealed = AtomicU64::new(0);
    }

    /// Whether it is time for that: after `SEALS_WORN`, long before `SEALS_MAX`, where `seal` refuses.
    pub(crate) fn wear(&self) -> Wear {
        if self.sealed.load(Ordering::Relaxed) < SEALS_WORN { Wear::Good } else { Wear::Worn }
    }

    /// Appends the base64url of `salt | nonce | ciphertext | tag`; `write` appends the plain text to
    /// the bytes that it is given and touches nothing before it.
    ///
    /// # Errors
    /// When nothing could be sealed; `out` is as it was.
    pub(crate) fn seal(
        &self,
        bound_to: &[u8],
        nonce: [u8; NONCE_BYTES],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), SealFault>,
    ) -> Result<(), SealFault> {
        if self.sealed.fetch_add(1, Ordering::Relaxed) >= SEALS_MAX {
            return Err(SealFault::Worn);
        }
        let start = out.len();
        let sealed = self.seal_behind(bound_to, nonce, out, write);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// As if so many had been sealed.
    #[cfg(test)]
    pub(crate) fn wear_down(&self, sealed: u64) {
        self.sealed.store(sealed, Ordering::Relaxed);
    }

    // PERF: the plain text, the sealed bytes and their base64 all lie behind the caller's bytes, so
    // nothing is allocated once `out` has grown.
    fn seal_behind(
        &self,
        bound_to: &[u8],
        nonce: [u8; NONCE_BYTES],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), SealFault>,
    ) -> Result<(), SealFault> {
        let start = out.len();
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&nonce);
        let plain_at = out.len();
        write(out)?;
        let plain = out.get_mut(plain_at..).ok_or(SealFault::Cipher)?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), bound_to, InOutBuf::from(plain))
            .map_err(|_| SealFault::Cipher)?;
        out.extend_from_slice(&tag);
        let text_at = out.len();
        let text_bytes = ((text_at - start) * 4).div_ceil(3);
        out.resize(text_at + text_bytes, 0);
        let (sealed, text) = out.split_at_mut_checked(text_at).ok_or(SealFault::Cipher)?;
        let sealed = sealed.get(start..).ok_or(SealFault::Cipher)?;
        let written = TOKEN_TEXT.encode_slice(sealed, text).map_err(|_| SealFault::Cipher)?;
        out.copy_within(text_at..text_at + written, start);
        out.truncate(start + written);
        Ok(())
    }
}
