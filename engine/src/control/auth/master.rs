//! The master key, and what it seals: the secrets of TOTP, which have to be read again.
//!
//! The key is made when it is first needed and lies outside of `passwd` and its state, so that a copy of
//! those two, as in a backup, opens nothing.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _, Nonce, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use eg_settings::{Readers, read_secret};
use zeroize::Zeroizing;

use super::passwd::Account;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// What is sealed at most: a secret of TOTP has 20 bytes.
const PLAIN_BYTES_MAX: usize = 64;

/// Why there is no key, or nothing comes out of a seal.
#[derive(Debug, thiserror::Error)]
pub(super) enum MasterFault {
    /// The file.
    #[error("the master key cannot be used: {0}")]
    File(String),
    /// It cannot be made.
    #[error("the master key `{}` cannot be made", path.display())]
    Make {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// It is sealed with another key, or for another account.
    #[error(
        "what is sealed for this account does not open with this master key; bring the key of \
         before back, or have the second factor taken away with `request user totp-remove`"
    )]
    Sealed,
}

/// The key.
pub(super) struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// Reads the key at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, MasterFault> {
        let text = read_secret(path, Readers::Owner).map_err(MasterFault::File)?;
        let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
        let key = bytes.ok().and_then(|bytes| bytes.as_slice().try_into().ok());
        let what = || format!("`{}` is not {KEY_BYTES} bytes in base64", path.display());
        key.map(|key| Self(Zeroizing::new(key))).ok_or_else(|| MasterFault::File(what()))
    }

    /// Reads the key at `path`, or makes it where there is none.
    pub(super) fn open_or_make(path: &Path) -> Result<Self, MasterFault> {
        if path.exists() {
            return Self::open(path);
        }
        let fault = |source| MasterFault::Make { path: path.to_path_buf(), source };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| MasterFault::Random)?;
        let text = Zeroizing::new(BASE64.encode(key.as_slice()) + "\n");
        let fresh = super::file::beside(path, &format!(".{}.new", std::process::id()));
        drop(std::fs::remove_file(&fresh));
        let attempt = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o400).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // A link fails where there is one by now; a rename would take its place.
            std::fs::hard_link(&fresh, path)
        };
        let made = attempt();
        drop(std::fs::remove_file(&fresh));
        match made {
            Ok(()) => {
                if let Some(folder) = path.parent() {
                    std::fs::File::open(folder).and_then(|it| it.sync_all()).map_err(fault)?;
                }
                Ok(Self(key))
            }
            Err(raced) if raced.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(source) => Err(fault(source)),
        }
    }

    /// `secret` as it is kept for `account`.
    pub(super) fn seal(&self, account: &Account, secret: &[u8]) -> Result<String, MasterFault> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| MasterFault::Random)?;
        let mut bytes = Zeroizing::new(secret.to_vec());
        let tag = self
            .cipher()?
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &associated(account),
                InOutBuf::from(bytes.as_mut_slice()),
            )
            .map_err(|_| MasterFault::Sealed)?;
        let sealed = [nonce.as_slice(), bytes.as_slice(), tag.as_slice()].concat();
        Ok(BASE64.encode(sealed))
    }

    /// The secret that is kept for `account`.
    pub(super) fn unseal(
        &self,
        account: &Account,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, MasterFault> {
        let bytes = BASE64.decode(sealed).map_err(|_| MasterFault::Sealed)?;
        if bytes.len() > NONCE_BYTES + PLAIN_BYTES_MAX + TAG_BYTES {
            return Err(MasterFault::Sealed);
        }
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(MasterFault::Sealed)?;
        let (plain, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(MasterFault::Sealed)?;
        let mut plain = Zeroizing::new(plain.to_vec());
        self.cipher()?
            .decrypt_inout_detached(
                &Nonce::from(*nonce),
                &associated(account),
                InOutBuf::from(plain.as_mut_slice()),
                &Tag::from(*tag),
            )
            .map_err(|_| MasterFault::Sealed)?;
        Ok(plain)
    }

    fn cipher(&self) -> Result<Aes256Gcm, MasterFault> {
        Aes256Gcm::new_from_slice(self.0.as_slice()).map_err(|_| MasterFault::Sealed)
    }
}

/// What a seal is for: one account, and no later one of its name.
fn associated(account: &Account) -> Vec<u8> {
    format!("EnforceGate totp 1 {} {}", account.name, account.created).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use eg_proto::control::Level;

    use super::super::passwd::AccountName;
    use super::*;

    fn account(name: &str, created: i64) -> Account {
        Account {
            name: AccountName::parse(name).unwrap(),
            level: Level::Standard,
            was: None,
            password: None,
            created,
            comment: String::new(),
        }
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::open_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let sealed = key.seal(&account("a", 1), b"secret").unwrap();
        assert_ne!(sealed, key.seal(&account("a", 1), b"secret").unwrap());
        let key = MasterKey::open_or_make(&path).unwrap();
        assert_eq!(key.unseal(&account("a", 1), &sealed).unwrap().as_slice(), b"secret");
        for other in [account("b", 1), account("a", 2)] {
            assert!(matches!(key.unseal(&other, &sealed), Err(MasterFault::Sealed)));
        }
        for bad in ["", "AAAA", "no base64", &"A".repeat(400), &sealed.replace(['A', 'b'], "c")] {
            assert!(key.unseal(&account("a", 1), bad).is_err() || bad == sealed, "{bad}");
        }
        let other = MasterKey::open_or_make(&folder.path().join("other.key")).unwrap();
        assert!(other.unseal(&account("a", 1), &sealed).is_err());
    }

    #[test]
    fn a_key_that_others_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(MasterKey::open(&path).is_err());
        drop(MasterKey::open_or_make(&path).unwrap());
        for mode in [0o440, 0o404, 0o644, 0o700] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let fault = MasterKey::open_or_make(&path).unwrap_err();
            assert!(fault.to_string().contains("chmod 0400"), "{fault}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "AAAA\n").unwrap();
        assert!(MasterKey::open_or_make(&path).is_err());
        assert!(MasterKey::open_or_make(&folder.path().join("none/key")).is_err());
    }
}
