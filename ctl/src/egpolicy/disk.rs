//! The real file system, for the walk over policy files. Reads are bounded.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use eg_policy::lists::{FoundFile, ListFiles, UNPACKED_BYTES_MAX};
use eg_policy::sources::{EntryKind, Files, FolderEntry};
use eg_policy::syntax::FILE_BYTES_MAX;

/// The files of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk;

impl Files for Disk {
    fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>> {
        let entries = fs::read_dir(path)?.map(|entry| {
            let entry = entry?;
            let kind = match fs::metadata(entry.path()) {
                Ok(found) if found.is_dir() => EntryKind::Folder,
                Ok(found) if found.is_file() => EntryKind::File,
                // What is no link was removed while the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if entry.file_type()?.is_symlink() {
                        EntryKind::Dangling
                    } else {
                        EntryKind::Other
                    }
                }
                Ok(_) | Err(_) => EntryKind::Other,
            };
            Ok(FolderEntry { name: entry.file_name().to_string_lossy().into_owned(), kind })
        });
        entries.collect()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path, u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX))
    }
}

impl ListFiles for Disk {
    fn find(&self, path: &Path) -> io::Result<Option<FoundFile>> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(_) | Err(_) => {}
        }
        let real = fs::canonicalize(path)?;
        let found = fs::metadata(&real)?;
        let kind = match (found.is_dir(), found.is_file()) {
            (true, _) => EntryKind::Folder,
            (false, true) => EntryKind::File,
            (false, false) => EntryKind::Other,
        };
        Ok(Some(FoundFile { real, kind }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path, UNPACKED_BYTES_MAX)
    }
}

/// The names of the files in a folder, in order; a folder in it ends with a `/`.
pub(super) fn folder_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let mut name = entry.file_name().to_string_lossy().into_owned();
        match fs::metadata(entry.path()) {
            Ok(found) if found.is_file() => names.push(name),
            Ok(found) if found.is_dir() => {
                name.push('/');
                names.push(name);
            }
            Ok(_) | Err(_) => {}
        }
    }
    names.sort();
    Ok(names)
}

/// A regular file of at most `max` bytes.
fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        return Err(io::Error::other(format!("larger than {max} bytes")));
    }
    Ok(bytes)
}
