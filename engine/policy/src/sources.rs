//! Which files make a policy, and in which order.
//!
//! The walk knows no file system: whoever calls it brings one, so that the engine and `egpolicy` read
//! the same files in the same order, and a test needs no folder.

use std::io;
use std::path::{Path, PathBuf};

/// The part of a file system that the walk needs; the engine and `egpolicy` bring the real one.
pub trait Files {
    /// The entries of a folder, in any order.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>>;

    /// A whole file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// The last part of its path.
    pub name: String,
    /// What it is, links followed.
    pub kind: EntryKind,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder, or a link to one.
    Folder,
    /// A regular file, or a link to one.
    File,
    /// A link to nothing; with what it led to, policy files may be gone.
    Dangling,
    /// Anything else: a device, a socket.
    Other,
}

/// A policy file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path: the root's path and what lies below it.
    pub path: String,
    /// Its text; empty where there is a fault.
    pub text: String,
    /// Why there is no text. `check` turns it into a diagnostic.
    pub fault: Option<String>,
}

impl SourceFile {
    /// A file that could be read.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), fault: None }
    }
}

/// Why a folder of policy files cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// The folder, or one below it, cannot be read.
    #[error("cannot read the folder `{}`", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Folders are nested too deeply, perhaps by a link that leads back.
    #[error("folders below `{}` are nested too deeply; a link may lead back to its own folder", path.display())]
    TooDeep {
        /// Where the walk stopped.
        path: PathBuf,
    },
    /// There are more files than a policy may have.
    #[error("more than {max} files below `{}`", path.display())]
    TooMany {
        /// The root.
        path: PathBuf,
        /// The bound.
        max: usize,
    },
}

/// Folders may be nested this deeply; a link that leads back ends here.
const DEPTH_MAX: usize = 16;

/// What is wrong with a link to nothing.
const DANGLING: &str =
    "it is a link to something that is not there; bring that back, or remove the link";

/// A policy has at most this many files and folders.
const ENTRIES_MAX: usize = 100_000;

/// Every `*.policy` file below `root`, in lexicographical order of the path below it. A file that
/// cannot be read or is not UTF-8 is there with its fault, and so is every link to nothing: it may have
/// been a folder of policy files. Names that start with a dot are passed over, as editors and git
/// leave such.
///
/// # Errors
///
/// [`SourceFault`] where a folder cannot be read.
pub fn policy_files(files: &dyn Files, root: &Path) -> Result<Vec<SourceFile>, SourceFault> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_path_buf(), String::new(), 0_usize)];
    let mut entries = 0_usize;
    while let Some((folder, below, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            return Err(SourceFault::TooDeep { path: folder });
        }
        let listed = files.folder(&folder);
        let listed =
            listed.map_err(|source| SourceFault::Folder { path: folder.clone(), source })?;
        for entry in listed {
            entries = entries.saturating_add(1);
            if entries > ENTRIES_MAX {
                return Err(SourceFault::TooMany { path: root.to_path_buf(), max: ENTRIES_MAX });
            }
            if entry.name.starts_with('.') {
                continue;
            }
            let path = folder.join(&entry.name);
            let name = format!("{below}{}", entry.name);
            let is_policy = entry.name.ends_with(".policy");
            match entry.kind {
                EntryKind::Folder => open.push((path, format!("{name}/"), depth.saturating_add(1))),
                EntryKind::Dangling => found.push((name, dangling(&path))),
                EntryKind::File | EntryKind::Other if is_policy => {
                    found.push((name, source_file(files, &path)));
                }
                EntryKind::File | EntryKind::Other => {}
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found.into_iter().map(|(_, file)| file).collect())
}

fn dangling(path: &Path) -> SourceFile {
    let path = path.display().to_string();
    SourceFile { path, text: String::new(), fault: Some(DANGLING.to_owned()) }
}

/// One policy file, with its fault where it cannot be read.
#[must_use]
pub fn source_file(files: &dyn Files, path: &Path) -> SourceFile {
    let name = path.display().to_string();
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(fault) => {
            return SourceFile { path: name, text: String::new(), fault: Some(fault.to_string()) };
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => SourceFile { path: name, text, fault: None },
        Err(fault) => {
            let at = fault.utf8_error().valid_up_to();
            let line = fault.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
            let reason = format!("line {} is not UTF-8", line.saturating_add(1));
            SourceFile { path: name, text: String::new(), fault: Some(reason) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Files by path; a path ending in `loop` leads back to the root, one ending in `lost` nowhere.
    struct Fake(BTreeMap<&'static str, &'static [u8]>);

    impl Files for Fake {
        fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>> {
            let text = path.display().to_string().replace("/loop", "");
            let text = format!("{}/", text.trim_end_matches('/'));
            let mut found: Vec<FolderEntry> = Vec::new();
            for name in self.0.keys() {
                let Some(rest) = name.strip_prefix(&text) else { continue };
                let (name, kind) = match rest.split_once('/') {
                    Some((folder, _)) => (folder, EntryKind::Folder),
                    None if rest == "loop" => (rest, EntryKind::Folder),
                    None if rest.ends_with("lost") => (rest, EntryKind::Dangling),
                    None => (rest, EntryKind::File),
                };
                let entry = FolderEntry { name: name.to_owned(), kind };
                if !found.contains(&entry) {
                    found.insert(0, entry);
                }
            }
            if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            let found = self.0.get(path.display().to_string().as_str());
            found.map(|bytes| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn files_come_in_the_order_of_their_path() {
        let files = Fake(BTreeMap::from([
            ("/r/20-b.policy", b"b".as_slice()),
            ("/r/10-a.policy", b"a"),
            ("/r/15/x.policy", b"x\n\xff"),
            ("/r/15-c.policy", b"c"),
            ("/r/README.md", b""),
            ("/r/.10.policy", b""),
            ("/r/.lost", b""),
            ("/r/17/lost", b""),
            ("/r/lists/a.txt", b""),
        ]));
        let found = policy_files(&files, Path::new("/r/")).unwrap();
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/r/10-a.policy", "/r/15-c.policy", "/r/15/x.policy", "/r/17/lost", "/r/20-b.policy",]
        );
        assert_eq!(found[2].fault.as_deref(), Some("line 2 is not UTF-8"));
        assert_eq!(found[3].fault.as_deref(), Some(DANGLING));
    }

    #[test]
    fn what_cannot_be_walked() {
        let files = Fake(BTreeMap::from([("/r/loop", b"".as_slice())]));
        assert!(matches!(policy_files(&files, Path::new("/r")), Err(SourceFault::TooDeep { .. })));
        assert!(matches!(policy_files(&files, Path::new("/x")), Err(SourceFault::Folder { .. })));
    }
}
