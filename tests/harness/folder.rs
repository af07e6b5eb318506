//! The one folder below which an installation lies, with the owners that Squid needs: started as root
//! it drops to the user `proxy`, which cannot enter a folder of mode 0700.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::unistd::{Gid, Uid, User, chown, geteuid};

/// A folder that goes away by itself, or one that stays.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// A new folder below the system's temporary one.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn temporary() -> Result<Self> {
        let made = tempfile::Builder::new().prefix("enforcegate-").tempdir();
        let made = made.context("cannot make a temporary folder")?;
        let folder = Self { path: made.path().to_path_buf(), _temporary: Some(made) };
        folder.open_to_all()?;
        Ok(folder)
    }

    /// This folder, which must be new or empty; it stays.
    ///
    /// # Errors
    ///
    /// If it holds something or cannot be made.
    pub fn kept(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)?;
        fs::create_dir_all(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        let is_empty = fs::read_dir(&path)?.next().is_none();
        anyhow::ensure!(is_empty, "`{}` is not empty: name a new folder", path.display());
        let folder = Self { path, _temporary: None };
        folder.open_to_all()?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open_to_all(&self) -> Result<()> {
        Ok(fs::set_permissions(&self.path, fs::Permissions::from_mode(0o755))?)
    }
}

/// Makes a folder and those above it.
///
/// # Errors
///
/// If it cannot be made.
pub fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make `{}`", path.display()))
}

/// Writes a file with its mode.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// The user that Squid will run as: `proxy` where we are root, else ourselves.
///
/// # Errors
///
/// If we are root and there is no `proxy`: the package `squid-openssl` makes it.
pub fn squid_user() -> Result<(Uid, Gid)> {
    if !geteuid().is_root() {
        return Ok((geteuid(), nix::unistd::getegid()));
    }
    let user =
        User::from_name("proxy")?.context("there is no user `proxy`: is Squid installed?")?;
    Ok((user.uid, user.gid))
}

/// Gives a file, or a folder and all below it, to Squid's user.
///
/// # Errors
///
/// If the owner cannot be changed.
pub fn give_to_squid(path: &Path) -> Result<()> {
    let (uid, gid) = squid_user()?;
    give(path, uid, gid)
}

fn give(path: &Path, uid: Uid, gid: Gid) -> Result<()> {
    chown(path, Some(uid), Some(gid))
        .with_context(|| format!("cannot give `{}` to Squid's user", path.display()))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
