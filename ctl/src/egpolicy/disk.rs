//! The real file system, for the walk over policy files, as an engine sees it. Reads are bounded.

use std::fs;
use std::io;
use std::path::Path;

use eg_policy::lists::{FoundFile, ListFiles, UNPACKED_BYTES_MAX};
use eg_policy::sources::{EntryKind, Files, FolderEntry};
use eg_policy::syntax::FILE_BYTES_MAX;
use eg_settings::read_regular;

/// The files of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk;

impl Files for Disk {
    fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // A name that is not UTF-8 is no name of a policy file.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match fs::metadata(entry.path()) {
                Ok(found) if found.is_dir() => EntryKind::Folder,
                Ok(found) if found.is_file() => EntryKind::File,
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
                Err(_) if name.starts_with('.') || name.ends_with(".policy") => EntryKind::Other,
                // It may be a folder, whose rules must not get lost without a word.
                Err(error) => return Err(error),
            };
            entries.push(FolderEntry { name, kind });
        }
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_regular(path, u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX))
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
        read_regular(path, UNPACKED_BYTES_MAX)
    }
}

/// The names of all that is in a folder, in order; a folder in it ends with a `/`. A link that leads
/// nowhere is among them, so that whoever reads it hears of it.
pub(super) fn folder_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if fs::metadata(entry.path()).is_ok_and(|found| found.is_dir()) {
            name.push('/');
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use eg_policy::sources::policy_files;

    use super::*;

    #[test]
    fn what_an_engine_passes_over_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.policy"), "").unwrap();
        fs::write(folder.path().join(OsStr::from_bytes(b"\xe9.policy")), "").unwrap();
        let found = policy_files(&Disk, folder.path()).unwrap();
        let paths: Vec<_> = found.into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [folder.path().join("a.policy").display().to_string()]);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        // A link in a circle can be looked at by nobody, root neither.
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(policy_files(&Disk, folder.path()).is_err());
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        symlink("none", folder.path().join("a")).unwrap();
        assert_eq!(folder_names(folder.path()).unwrap(), ["a", "b/"]);
    }
}
