//! The tokens of a login, kept between runs: one file an engine and account.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eg_proto::control::auth::Tokens;

use super::fault::SessionFault;
use super::private::{make_folder, write_private};
use crate::client::encoded;

/// Where the tokens of one login are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenFile {
    path: PathBuf,
}

/// Held while tokens are renewed: a refresh token is good once, and a second use ends the login.
#[derive(Debug)]
pub(super) struct Renewing(#[expect(dead_code, reason = "the lock goes with the file")] fs::File);

impl TokenFile {
    pub(super) fn of(cache: &Path, place: &str, user: &str) -> Self {
        let name = format!("{}@{}.json", encoded(user), encoded(place));
        Self { path: cache.join(name) }
    }

    /// What was kept; what cannot be read is as good as nothing.
    pub(super) fn read(&self) -> Option<Tokens> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }

    pub(super) fn write(&self, tokens: &Tokens) -> Result<(), SessionFault> {
        let bytes = serde_json::to_vec(tokens).map_err(io::Error::other);
        bytes
            .and_then(|bytes| write_private(&self.path, &zeroize::Zeroizing::new(bytes)))
            .map_err(|source| self.fault(source))
    }

    pub(super) fn remove(&self) {
        // What is not there is removed.
        drop(fs::remove_file(&self.path));
    }

    /// Waits until no other run renews these tokens.
    pub(super) fn lock(&self) -> Result<Renewing, SessionFault> {
        let path = self.path.with_extension("lock");
        let opened = || {
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            let file =
                fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        opened().map(Renewing).map_err(|source| self.fault(source))
    }

    fn fault(&self, source: io::Error) -> SessionFault {
        SessionFault::TokenFile { path: self.path.clone(), source }
    }
}
