//! The pid file: who runs, and the lock that keeps a second one out.
//!
//! INVARIANT: whoever holds the lock of the file that stands at the path is the one engine of that
//! path; the file goes while the lock is still held.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Anybody may ask who runs.
const MODE: u32 = 0o644;

/// How often a file that its owner removes in just this moment is opened again.
const ATTEMPTS: usize = 16;

/// Why there is no pid file.
#[derive(Debug, thiserror::Error)]
pub enum PidFault {
    /// Another engine has it.
    #[error(
        "an engine runs already{}: it holds `{}`; stop it, or give this one another `--pidfile`",
        process.map_or_else(String::new, |number| format!(" as process {number}")), path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
        /// The other's number, where it can be read.
        process: Option<u32>,
    },
    /// The file cannot be written.
    #[error("cannot {action} the pid file `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The pid file of this process, locked. Dropped, the file is removed.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: Flock<File>,
}

impl PidFile {
    /// Locks the file and writes this process's number into it.
    ///
    /// # Errors
    ///
    /// Where another engine holds it, or it cannot be written.
    pub fn take(path: &Path) -> Result<Self, PidFault> {
        for _ in 0..ATTEMPTS {
            let file = open(path).map_err(fault("open", path))?;
            if let Some(taken) = Self::lock(path, file)? {
                return Ok(taken);
            }
        }
        Err(fault("keep", path)(io::Error::other("somebody removes it again and again")))
    }

    /// Takes over the file that this process held before it executed itself anew.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub fn inherit(path: &Path, file: OwnedFd) -> Result<Self, PidFault> {
        match Self::lock(path, file.into())? {
            Some(taken) => Ok(taken),
            None => Self::take(path),
        }
    }

    /// `None` where the file that was locked is not the one at the path any more.
    fn lock(path: &Path, mut file: File) -> Result<Option<Self>, PidFault> {
        let mut said = String::new();
        drop(file.read_to_string(&mut said));
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                let process = said.trim().parse().ok();
                return Err(PidFault::Taken { path: path.to_path_buf(), process });
            }
            Err((_, cause)) => return Err(fault("lock", path)(cause.into())),
        };
        if !is_at(&file, path) {
            return Ok(None);
        }
        let mut taken = Self { path: path.to_path_buf(), file };
        taken.write().map_err(fault("write", path))?;
        Ok(Some(taken))
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Never the file of somebody who came after an operator removed ours.
        if is_at(&self.file, &self.path) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(found)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (found.dev(), found.ino())
}

fn fault(action: &'static str, path: &Path) -> impl Fn(io::Error) -> PidFault {
    let path = path.to_path_buf();
    move |source| PidFault::File { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_number_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/engine.pid");
        let held = PidFile::take(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.pid");
        let held = PidFile::take(&path).unwrap();
        let fault = PidFile::take(&path).unwrap_err().to_string();
        let number = std::process::id();
        assert!(fault.contains(&format!("runs already as process {number}")), "{fault}");
        assert!(fault.contains("engine.pid") && fault.contains("--pidfile"), "{fault}");
        drop(held);
        drop(PidFile::take(&path).unwrap());
    }

    #[test]
    fn what_a_killed_engine_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.pid");
        for left in ["4194305\n", "", "no number at all, but a long line\n"] {
            fs::write(&path, left).unwrap();
            let held = PidFile::take(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
            drop(held);
        }
    }

    #[test]
    fn a_file_that_was_put_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.pid");
        let held = PidFile::take(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let after = PidFile::take(&path).unwrap();
        drop(held);
        assert!(path.exists());
        drop(after);
        assert!(!path.exists());
    }

    #[test]
    fn the_lock_goes_along_with_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.pid");
        let held = PidFile::take(&path).unwrap();
        let along = held.as_fd().try_clone_to_owned().unwrap();
        let after = PidFile::inherit(&path, along).unwrap();
        assert!(matches!(PidFile::take(&path), Err(PidFault::Taken { .. })));
        drop(after);
        drop(held);
    }

    #[test]
    fn a_folder_in_its_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let fault = PidFile::take(folder.path()).unwrap_err();
        assert!(fault.to_string().starts_with("cannot open the pid file `"), "{fault}");
    }
}
