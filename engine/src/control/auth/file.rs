//! Small private files: read with a bound, and written whole or not at all.
//!
//! INVARIANT: a write that fails leaves what was there before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use eg_settings::open_regular;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::stamp::Stamp;

/// Only the engine reads and writes what concerns accounts.
pub(super) const MODE: u32 = 0o600;

/// How often a lock that somebody else holds is tried again: together a second, and a write takes
/// milliseconds.
const LOCK_TRIES: u32 = 50;

/// The pause between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileFault {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than its bound.
    #[error("`{}` is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        most: u64,
    },
    /// Others may write it.
    #[error("`{}` has mode {mode:04o}, so that others may write it: `chmod 0600 {}`", path.display(), path.display())]
    Wide {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It cannot be written; what was there still is.
    #[error("cannot write `{}`; what was there before still is", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("another program has held `{}` for a second; try again", path.display())]
    Held {
        /// The lock.
        path: PathBuf,
    },
}

/// A file's text.
#[derive(Debug)]
pub(super) struct Text {
    /// As it is.
    pub(super) text: String,
    /// The bits of its mode for group and others.
    pub(super) open_to: u32,
}

/// The state of a file now; `None` where there is none.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, FileFault> {
    match fs::metadata(path) {
        Ok(facts) => Ok(Some(Stamp::of(&facts))),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileFault::Read { path: path.to_path_buf(), source }),
    }
}

/// The text of a file; `None` where there is none. One that others may write is not believed.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Text>, FileFault> {
    let fault = |source| FileFault::Read { path: path.to_path_buf(), source };
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fault(source)),
    };
    let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(FileFault::Wide { path: path.to_path_buf(), mode });
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > most {
        return Err(FileFault::TooLarge { path: path.to_path_buf(), most });
    }
    let text = String::from_utf8(bytes).map_err(|_| fault(io::Error::other("it is not UTF-8")))?;
    Ok(Some(Text { text, open_to: mode & 0o077 }))
}

/// Puts `text` into the place of what was there, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), FileFault> {
    // A link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let fault = |source| FileFault::Write { path: path.clone(), source };
    let folder = path.parent().ok_or_else(|| fault(io::Error::other("it has no folder")))?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let fresh = folder.join(name);
    let attempt = || {
        // What a run that was cut off has left, or somebody has laid there: nothing of it is followed.
        drop(fs::remove_file(&fresh));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&fresh)?;
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        keep_owner(&path, folder, &fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    if let Err(source) = attempt() {
        drop(fs::remove_file(&fresh));
        return Err(fault(source));
    }
    // The new file is there for everybody; whether it survives a power cut is the folder's matter.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
}

/// What root writes must stay the engine's, which may run as somebody else: as the file before, else as
/// the folder.
fn keep_owner(path: &Path, folder: &Path, fresh: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let facts = fs::metadata(path).or_else(|_| fs::metadata(folder))?;
    if (facts.uid(), facts.gid()) == (0, 0) {
        return Ok(());
    }
    chown(fresh, Some(facts.uid()), Some(facts.gid()))
}

/// Waits a second at most until nobody else changes the accounts, and keeps others out.
pub(super) fn lock(path: &Path) -> Result<Flock<File>, FileFault> {
    let fault = |source| FileFault::Write { path: path.to_path_buf(), source };
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .open(path)
        .map_err(fault)?;
    if let (true, Some(folder)) = (is_new, path.parent()) {
        let facts = fs::metadata(folder).map_err(fault)?;
        if geteuid().is_root() && facts.uid() != 0 {
            chown(path, Some(facts.uid()), Some(facts.gid())).map_err(fault)?;
        }
    }
    for _ in 0..LOCK_TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(fault(errno.into())),
        }
        thread::sleep(LOCK_PAUSE);
    }
    Err(FileFault::Held { path: path.to_path_buf() })
}

/// `path` with `end` behind its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        assert_eq!(stamp(&path).unwrap(), None);
        assert!(read(&path, 10).unwrap().is_none());
        write(&path, "one").unwrap();
        let first = stamp(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap().open_to, 0o044);
        write(&path, "two").unwrap();
        assert_ne!(stamp(&path).unwrap(), first);
        let text = read(&path, 3).unwrap().unwrap();
        assert_eq!((text.text.as_str(), text.open_to), ("two", 0));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "one").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        write(&path, "old").unwrap();
        // The name of the new file is taken by what cannot be written.
        let fresh = folder.path().join(format!(".passwd.{}.new", std::process::id()));
        fs::create_dir(&fresh).unwrap();
        assert!(matches!(write(&path, "new"), Err(FileFault::Write { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let nowhere = folder.path().join("none/passwd");
        assert!(write(&nowhere, "new").is_err());
    }

    #[test]
    fn what_is_no_private_small_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(read(&path, 10), Err(FileFault::Read { .. })));
        fs::write(&path, "0123456789a").unwrap();
        assert!(matches!(read(&path, 10), Err(FileFault::TooLarge { .. })));
        assert!(matches!(read(folder.path(), 10), Err(FileFault::Read { .. })));
        for mode in [0o620, 0o602, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&path, 100), Err(FileFault::Wide { .. })), "{mode:o}");
        }
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(FileFault::Held { .. })));
        drop(held);
        lock(&path).unwrap();
    }
}
