//! The disk as the policy's walk sees it, and the policy files in load order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use eg_policy::check::Trust;
use eg_policy::lists::{FoundFile, ListFiles};
use eg_policy::sources::{EntryKind, Files, FolderEntry, SourceFault, SourceFile, policy_files};
use eg_settings::read_regular;

use crate::config::PolicyConfig;

/// No policy or list file is larger; a list of 100 million names is half of it.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// The real file system.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Files for Disk {
    fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // A name that is not UTF-8 is no name of a policy file.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match fs::metadata(entry.path()) {
                Ok(facts) if facts.is_dir() => EntryKind::Folder,
                Ok(facts) if facts.is_file() => EntryKind::File,
                Ok(_) => EntryKind::Other,
                // What is no link was removed while the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if entry.file_type()?.is_symlink() {
                        EntryKind::Dangling
                    } else {
                        EntryKind::Other
                    }
                }
                // A policy file that cannot be looked at gets its fault when it is read.
                Err(_) if is_passed_over(&name) => EntryKind::Other,
                // It may be a folder, whose rules must not get lost without a word.
                Err(error) => return Err(error),
            };
            entries.push(FolderEntry { name, kind });
        }
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_regular(path, FILE_BYTES_MAX)
    }
}

impl ListFiles for Disk {
    fn find(&self, path: &Path) -> io::Result<Option<FoundFile>> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(_) | Err(_) => {}
        }
        let real = fs::canonicalize(path)?;
        let facts = fs::metadata(&real)?;
        let kind = match (facts.is_dir(), facts.is_file()) {
            (true, _) => EntryKind::Folder,
            (false, true) => EntryKind::File,
            (false, false) => EntryKind::Other,
        };
        Ok(Some(FoundFile { real, kind }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Files::read(self, path)
    }
}

/// Whether an entry that cannot be looked at is none of the walk's folders.
fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".policy")
}

/// Why the policy's folders cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesFault {
    /// `[policy] path` is not there.
    #[error(
        "`[policy] path` names `{}`, which is not an existing folder; an empty folder is enough to \
         start with", path.display()
    )]
    NoPath {
        /// What it names.
        path: PathBuf,
    },
    /// A folder cannot be walked.
    #[error(transparent)]
    Walk(#[from] SourceFault),
}

/// The policy's files: the operator's in load order, then the machine-made ones.
#[derive(Debug)]
pub struct Sources {
    /// The files with whom they come from.
    pub files: Vec<(SourceFile, Trust)>,
    /// How the shared folder was found.
    pub shared: SharedFolder,
}

/// How the shared folder was found.
#[derive(Debug)]
pub enum SharedFolder {
    /// `shared_path` is empty: there is to be none.
    Off,
    /// Its files are in the sources.
    Read,
    /// It is not there.
    Missing,
    /// It, or a folder below it, cannot be read.
    Unwalkable(SourceFault),
}

/// Reads every policy file. No shared file is among them where the shared folder is missing or
/// cannot be walked.
///
/// # Errors
///
/// Where the operator's folder is missing or cannot be walked.
pub fn read(config: &PolicyConfig) -> Result<Sources, SourcesFault> {
    if !config.path.is_dir() {
        return Err(SourcesFault::NoPath { path: config.path.clone() });
    }
    let own = policy_files(&Disk, &config.path)?;
    let mut files: Vec<_> = own.into_iter().map(|file| (file, Trust::Operator)).collect();
    let shared = match config.shared_path.as_deref() {
        None => SharedFolder::Off,
        Some(path) if !path.is_dir() => SharedFolder::Missing,
        Some(path) => match policy_files(&Disk, path) {
            Ok(shared) => {
                files.extend(shared.into_iter().map(|file| (file, Trust::Shared)));
                SharedFolder::Read
            }
            Err(fault) => SharedFolder::Unwalkable(fault),
        },
    };
    Ok(Sources { files, shared })
}

/// When the newest of `paths` was changed, and which one it is.
#[must_use]
pub fn newest<'p>(paths: impl Iterator<Item = &'p str>) -> Option<(SystemTime, &'p str)> {
    paths
        .filter_map(|path| {
            let changed = fs::metadata(path).and_then(|facts| facts.modified()).ok()?;
            Some((changed, path))
        })
        .max()
}
