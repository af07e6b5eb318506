//! The bytes of a list as they lie on a disk: one file, or the files of a folder of squidGuard.
//!
//! The walk knows no file system; whoever calls it brings one. A folder may hold links, and may be one
//! (the categories of UT1 are), but all of it must lie below the folder that holds it: a list that came
//! out of an archive must not lead to other files of the machine.

use std::io;
use std::path::{Path, PathBuf};

use super::part::ListPart;
use super::report::ListFormat;
use crate::digest::Digest;
use crate::sources::EntryKind;

/// How lists are read; another number makes every list be read again, whatever the store has of it.
const READER_VERSION: u32 = 3;

/// Endings that the file of a part may have.
const ENDINGS: [&str; 3] = ["", ".gz", ".zst"];

/// The part of a file system that lists need; the engine and `egpolicy` bring the real one.
pub trait ListFiles {
    /// What stands at `path`; `None` where there is nothing of that name. A link that leads nowhere, or
    /// round in circles, is a fault.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn find(&self, path: &Path) -> io::Result<Option<FoundFile>>;

    /// The bytes of a regular file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path without any link in it.
    pub real: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// Why the bytes of a list cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RawFault {
    /// The file system refuses.
    #[error("`{}` cannot be read", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not there.
    #[error("no such file or folder")]
    Missing,
    /// A pipe, a device or the like.
    #[error("`{}` is neither a file nor a folder", path.display())]
    Special {
        /// What.
        path: PathBuf,
    },
    /// A folder, or a file in it, leads out of the folder that holds the list.
    #[error(
        "`{}` leads out of `{}`; the files of a list lie below one folder, so name the real one",
        path.display(),
        root.display()
    )]
    Outside {
        /// What leads out.
        path: PathBuf,
        /// Of where.
        root: PathBuf,
    },
    /// A folder without any of the three files.
    #[error("the folder has none of `domains`, `urls` and `expressions`")]
    NoParts,
    /// Two files for one part.
    #[error("there are both `{}` and `{}`; remove one", one.display(), other.display())]
    Twice {
        /// The one.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
}

/// The bytes are others than those that were read, or another version read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list is not the one that was read")]
pub struct OtherSource;

/// The bytes of a list, by the files that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawList {
    parts: Vec<(ListPart, Vec<u8>)>,
}

impl RawList {
    /// A list that is one file.
    #[must_use]
    pub fn file(bytes: Vec<u8>) -> Self {
        Self { parts: vec![(ListPart::Whole, bytes)] }
    }

    /// A list that is a folder.
    #[must_use]
    pub const fn folder(parts: Vec<(ListPart, Vec<u8>)>) -> Self {
        Self { parts }
    }

    /// The files.
    #[must_use]
    pub fn parts(&self) -> &[(ListPart, Vec<u8>)] {
        &self.parts
    }

    /// What the entries of the list depend on: the bytes, what the rule says of their format, and how this
    /// version reads them.
    #[must_use]
    pub fn source(&self, format: Option<ListFormat>) -> Digest {
        source(self.bytes_digest(), format)
    }

    /// The format that a rule said when [`source`](Self::source) gave `known`.
    ///
    /// # Errors
    ///
    /// [`OtherSource`], where it never did.
    pub fn format_of(&self, known: Digest) -> Result<Option<ListFormat>, OtherSource> {
        let bytes = self.bytes_digest();
        let mut said = std::iter::once(None).chain(ListFormat::ALL.into_iter().map(Some));
        said.find(|format| source(bytes, *format) == known).ok_or(OtherSource)
    }

    fn bytes_digest(&self) -> Digest {
        let files = self.parts.iter().flat_map(|(part, bytes)| {
            [part.file().unwrap_or_default().as_bytes(), bytes.as_slice()]
        });
        Digest::of_parts(files)
    }
}

fn source(bytes: Digest, format: Option<ListFormat>) -> Digest {
    let version = READER_VERSION.to_be_bytes();
    let format = format.map_or("", ListFormat::word);
    Digest::of_parts([
        b"enforcegate-list".as_slice(),
        &version,
        format.as_bytes(),
        bytes.as_bytes(),
    ])
}

/// Reads the files of the list at `path`.
///
/// # Errors
///
/// [`RawFault`].
pub fn read_raw(files: &dyn ListFiles, path: &Path) -> Result<RawList, RawFault> {
    let found = find(files, path)?.ok_or(RawFault::Missing)?;
    match found.kind {
        EntryKind::File => read(files, path).map(RawList::file),
        EntryKind::Folder => folder(files, path, &found),
        EntryKind::Dangling | EntryKind::Other => Err(RawFault::Special { path: path.to_owned() }),
    }
}

/// Every path that a list at `path` may have a file at, where it is a folder.
pub fn part_files(path: &str) -> impl Iterator<Item = String> {
    ListPart::OF_FOLDER.into_iter().flat_map(move |part| {
        let path = part.path(path);
        ENDINGS.map(|ending| format!("{path}{ending}"))
    })
}

/// The parts of a folder.
fn folder(files: &dyn ListFiles, path: &Path, found: &FoundFile) -> Result<RawList, RawFault> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let root = find(files, above.unwrap_or_else(|| Path::new(".")))?.ok_or(RawFault::Missing)?.real;
    let outside = |path: &Path| RawFault::Outside { path: path.to_owned(), root: root.clone() };
    if !found.real.starts_with(&root) || found.real == root {
        return Err(outside(path));
    }
    let mut parts = Vec::new();
    for part in ListPart::OF_FOLDER {
        let mut own: Option<(PathBuf, PathBuf)> = None;
        for ending in ENDINGS {
            let name = format!("{}{ending}", part.file().unwrap_or_default());
            let path = found.real.join(name);
            let Some(file) = find(files, &path)? else { continue };
            match file.kind {
                EntryKind::File => {}
                EntryKind::Folder | EntryKind::Dangling | EntryKind::Other => {
                    return Err(RawFault::Special { path });
                }
            }
            if !file.real.starts_with(&root) {
                return Err(outside(&path));
            }
            if let Some((one, _)) = own {
                return Err(RawFault::Twice { one, other: path });
            }
            own = Some((path, file.real));
        }
        if let Some((_, real)) = own {
            parts.push((part, read(files, &real)?));
        }
    }
    match parts.is_empty() {
        true => Err(RawFault::NoParts),
        false => Ok(RawList::folder(parts)),
    }
}

fn find(files: &dyn ListFiles, path: &Path) -> Result<Option<FoundFile>, RawFault> {
    files.find(path).map_err(|source| RawFault::Io { path: path.to_owned(), source })
}

fn read(files: &dyn ListFiles, path: &Path) -> Result<Vec<u8>, RawFault> {
    files.read(path).map_err(|source| RawFault::Io { path: path.to_owned(), source })
}
