//! The files beside the database, named by digest: the entries of each list, the index made of them,
//! and the compiled regexes. They can all be made again, so nothing here is ever repaired: what is unreadable is remade.
//!
//! INVARIANT: a file under its final name is whole, since it is written under another name, synced
//! and then renamed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use eg_policy::digest::Digest;

use super::StoreFault;

/// The end of the names of files that are being written.
const UNFINISHED: &str = "new";

/// What a set file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetKind {
    /// The names of one list.
    Names,
    /// The ranges of one list.
    Addresses,
    /// The users of one list.
    Users,
    /// The URLs of one list.
    Urls,
    /// The regular expressions of one list, as text.
    Expressions,
    /// The index of all names.
    Index,
    /// One shard of compiled regexes; its name is not of its bytes but of what it was made from.
    Regexes,
}

impl SetKind {
    const fn ending(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Addresses => "addr",
            Self::Users => "user",
            Self::Urls => "urls",
            Self::Expressions => "exprs",
            Self::Index => "idx",
            Self::Regexes => "rex",
        }
    }
}

/// The folder of set files.
#[derive(Debug, Clone)]
pub struct SetFiles {
    folder: PathBuf,
}

impl SetFiles {
    /// Takes a folder, which is made where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreFault> {
        fs::create_dir_all(folder).map_err(|source| StoreFault::File {
            action: "make",
            path: folder.into(),
            source,
        })?;
        Ok(Self { folder: folder.into() })
    }

    /// How many files there are, and their bytes together.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let Ok(files) = fs::read_dir(&self.folder) else { return (0, 0) };
        let sizes = files.flatten().filter_map(|file| file.metadata().ok());
        let sizes = sizes.filter(fs::Metadata::is_file).map(|found| found.len());
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// Where a set file lies.
    #[must_use]
    pub fn path(&self, kind: SetKind, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.{}", kind.ending()))
    }

    /// Whether a set file is there.
    #[must_use]
    pub fn has(&self, kind: SetKind, digest: Digest) -> bool {
        self.path(kind, digest).is_file()
    }

    /// A set file's bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self, kind: SetKind, digest: Digest) -> Result<Vec<u8>, StoreFault> {
        let path = self.path(kind, digest);
        fs::read(&path).map_err(|source| StoreFault::File { action: "read", path, source })
    }

    /// Writes a set file, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write(&self, kind: SetKind, digest: Digest, bytes: &[u8]) -> Result<(), StoreFault> {
        let path = self.path(kind, digest);
        write_whole(&self.folder, &path, bytes).map_err(|source| StoreFault::File {
            action: "write",
            path,
            source,
        })
    }

    /// Removes every file but `live` ones. Files of other names are not ours and stay. Gives how
    /// many went.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or a file cannot be removed.
    pub fn collect(&self, live: &[(SetKind, Digest)]) -> Result<u64, StoreFault> {
        let keep: HashSet<PathBuf> =
            live.iter().map(|(kind, digest)| self.path(*kind, *digest)).collect();
        let fault = |action: &'static str, path: &Path| {
            let path = path.to_path_buf();
            move |source| StoreFault::File { action, path, source }
        };
        let mut gone = 0;
        for entry in fs::read_dir(&self.folder).map_err(fault("read", &self.folder))? {
            let path = entry.map_err(fault("read", &self.folder))?.path();
            if is_ours(&path) && !keep.contains(&path) {
                fs::remove_file(&path).map_err(fault("remove", &path))?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

/// Whether a path is a set file's, or that of one that was never finished.
fn is_ours(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let kinds = [
        SetKind::Names,
        SetKind::Addresses,
        SetKind::Users,
        SetKind::Urls,
        SetKind::Expressions,
        SetKind::Index,
        SetKind::Regexes,
    ];
    match stem.split_once('.') {
        None => stem.parse::<Digest>().is_ok() && kinds.iter().any(|kind| kind.ending() == ending),
        Some((digest, _)) => digest.parse::<Digest>().is_ok() && ending == UNFINISHED,
    }
}

fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(path.as_os_str());
    name.push(".");
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if let Err(fault) = written.and_then(|()| fs::rename(&unfinished, path)) {
        // The rest of what filled the disk must not keep it full.
        drop(fs::remove_file(&unfinished));
        return Err(fault);
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let sets = SetFiles::open(&folder.path().join("sets")).unwrap();
        let digest = Digest::of(b"1");
        // A folder cannot be replaced by a file.
        fs::create_dir(sets.path(SetKind::Names, digest)).unwrap();
        assert!(sets.write(SetKind::Names, digest, b"names").is_err());
        assert_eq!(fs::read_dir(folder.path().join("sets")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_live_stays_and_what_is_not_ours_too() {
        let folder = tempfile::tempdir().unwrap();
        let sets = SetFiles::open(&folder.path().join("sets")).unwrap();
        let [one, two] = [Digest::of(b"1"), Digest::of(b"2")];
        for digest in [one, two] {
            sets.write(SetKind::Names, digest, b"names").unwrap();
            sets.write(SetKind::Index, digest, b"index").unwrap();
            sets.write(SetKind::Regexes, digest, b"regexes").unwrap();
        }
        let stranger = folder.path().join("sets/README");
        let unfinished = folder.path().join(format!("sets/{one}.names.new"));
        fs::write(&stranger, "mine").unwrap();
        fs::write(&unfinished, "half").unwrap();
        let live = [(SetKind::Names, one), (SetKind::Index, two), (SetKind::Regexes, one)];
        assert_eq!(sets.collect(&live).unwrap(), 4);
        assert!(live.iter().all(|(kind, digest)| sets.has(*kind, *digest)));
        assert!(!sets.has(SetKind::Names, two) && !sets.has(SetKind::Index, one));
        assert!(!sets.has(SetKind::Regexes, two));
        assert!(stranger.exists() && !unfinished.exists());
        assert_eq!(sets.read(SetKind::Names, one).unwrap(), b"names");
    }
}
