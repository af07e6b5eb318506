//! Every change that this module makes to the disk, one step each.
//!
//! They go through one type so that the tests can make any of them fail, or be the last one before the
//! process is killed, and look at what is left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use eg_policy::digest::Digest;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use sha2::{Digest as _, Sha256};

use super::fault::{BackupFault, file};

/// Folders below `backup_path`, and those of a rollback, are for the engine alone.
pub(super) const PRIVATE_FOLDER: u32 = 0o700;

/// A snapshot's files are written once; their real modes stand in the manifest.
pub(super) const KEPT_FILE: u32 = 0o400;

/// Notes about snapshots.
pub(super) const PRIVATE_FILE: u32 = 0o600;

/// Files are read in pieces of so many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// The hand that changes the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    pub(super) brake: super::crash_tests::Brake,
}

impl Steps {
    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests have a brake here")]
    const fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.brake.step()
    }

    /// Makes a folder with this mode; its parent is there.
    pub(super) fn make_folder(&self, path: &Path, mode: u32) -> Result<(), BackupFault> {
        self.step()
            .and_then(|()| fs::DirBuilder::new().mode(PRIVATE_FOLDER).create(path))
            .and_then(|()| set_mode(path, mode))
            .map_err(file("make the folder", path))
    }

    /// Writes a file that is not there yet, and syncs it.
    pub(super) fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), BackupFault> {
        let write = || {
            self.step()?;
            let mut new = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            new.write_all(bytes)?;
            new.set_permissions(fs::Permissions::from_mode(mode))?;
            sync(&new)
        };
        write().map_err(file("write", path))
    }

    /// Writes a file that may be lost or torn in a power cut.
    pub(super) fn jot(&self, path: &Path, bytes: &[u8]) -> Result<(), BackupFault> {
        self.step()
            .and_then(|()| {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(PRIVATE_FILE).open(path)
            })
            .and_then(|mut new| new.write_all(bytes))
            .map_err(file("write", path))
    }

    /// Copies a file to a name that is not there yet, syncs it, and gives what was copied.
    pub(super) fn copy(
        &self,
        from: &Path,
        to: &Path,
        mode: u32,
    ) -> Result<(u64, Digest), BackupFault> {
        let mut source = open(from).map_err(file("read", from))?;
        let mut copy = || {
            self.step()?;
            let mut new =
                OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(to)?;
            let read = digest_of(&mut source, |piece| new.write_all(piece))?;
            new.set_permissions(fs::Permissions::from_mode(mode))?;
            sync(&new)?;
            Ok(read)
        };
        copy().map_err(file("copy to", to))
    }

    /// A second name for a file of a snapshot; an error where the file system has no such thing.
    pub(super) fn share(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| fs::hard_link(from, to))
    }

    /// Makes a link.
    pub(super) fn link(&self, target: &str, path: &Path) -> Result<(), BackupFault> {
        self.step().and_then(|()| symlink(target, path)).map_err(file("make the link", path))
    }

    /// Gives something another name on the same file system, in place of what has it.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), BackupFault> {
        self.step().and_then(|()| fs::rename(from, to)).map_err(file("move to", to))
    }

    /// Removes a file or link.
    pub(super) fn remove(&self, path: &Path) -> Result<(), BackupFault> {
        self.step().and_then(|()| fs::remove_file(path)).map_err(file("remove", path))
    }

    /// Removes an empty folder. One that is not empty stays: what it holds is none of ours.
    pub(super) fn remove_folder(&self, path: &Path) -> Result<(), BackupFault> {
        match self.step().and_then(|()| fs::remove_dir(path)) {
            Err(fault) if fault.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => done.map_err(file("remove the folder", path)),
        }
    }

    /// Removes a folder of ours with everything in it.
    pub(super) fn remove_all(&self, path: &Path) -> Result<(), BackupFault> {
        self.step().and_then(|()| fs::remove_dir_all(path)).map_err(file("remove", path))
    }

    /// Sets who may do what; what else the mode says stays.
    pub(super) fn set_mode(&self, path: &Path, mode: u32) -> Result<(), BackupFault> {
        self.step().and_then(|()| set_mode(path, mode)).map_err(file("set the mode of", path))
    }

    /// Syncs the names in a folder.
    pub(super) fn sync_folder(&self, path: &Path) -> Result<(), BackupFault> {
        self.step().and_then(|()| sync(&File::open(path)?)).map_err(file("sync the folder", path))
    }
}

/// Tests take every step hundreds of times and cut no power; what is cut off there is the next step.
fn sync(file: &File) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { file.sync_all() }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let before = fs::metadata(path)?.permissions().mode();
    let kept = before & 0o7000;
    fs::set_permissions(path, fs::Permissions::from_mode(kept | mode))
}

/// Opens a regular file; neither follows a link nor waits for whoever writes into a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// Reads a file to its end, gives each piece away, and says how much there was and its digest.
pub(super) fn digest_of(
    file: &mut File,
    mut taken: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, Digest)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        taken(piece)?;
        bytes += piece.len() as u64;
    }
    Ok((bytes, Digest::from_bytes(hasher.finalize().into())))
}
