//! List files to entries.

use crate::check::{AddressRange, Scope};
use crate::digest::Digest;

/// How a list file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListFormat {
    /// One entry a line.
    Plain,
}

/// Names of hosts, canonical, sorted, each once.
///
/// The text of all entries is one piece of memory, which is also the body of the file form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameList {
    text: String,
    count: u64,
}

/// Ranges of addresses, sorted and merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressList {
    ranges: Vec<AddressRange>,
}

/// What became of the lines of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReport {
    /// All lines.
    pub lines: u64,
    /// Entries taken, repeated ones included once.
    pub accepted: u64,
    /// Lines that repeat an entry.
    pub duplicates: u64,
    /// Entries whose spelling was changed: upper case, IDN, dots, addresses.
    pub folded: u64,
    /// The first refused lines, at most 1,000.
    pub refused: Vec<(u64, RefusedLine)>,
    /// How many lines were refused.
    pub refused_count: u64,
    /// The first entries that are whole ICANN public suffixes, left out; at most 1,000.
    pub public_suffixes: Vec<(u64, String)>,
    /// How many entries were left out so.
    pub public_suffix_count: u64,
}

/// Why a line of a list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefusedLine {
    /// It is too long for a name.
    #[error("too long")]
    TooLong,
}

/// Why a list cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// It is larger than a list may be, perhaps only once unpacked.
    #[error("larger than {max} bytes once unpacked")]
    TooLarge {
        /// The bound.
        max: u64,
    },
    /// The gzip data is broken.
    #[error("not whole gzip data")]
    Gzip(#[source] std::io::Error),
    /// A set file that this version did not write.
    #[error("not a set file of this version: {reason}")]
    NotASet {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The names of a list file, plain or gzip.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in the report instead.
pub fn read_names(bytes: &[u8]) -> Result<(NameList, ListReport), ListFault> {
    let _ = bytes;
    Ok(Default::default())
}

/// The addresses of a list file, plain or gzip.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in the report instead.
pub fn read_addresses(bytes: &[u8]) -> Result<(AddressList, ListReport), ListFault> {
    let _ = bytes;
    Ok(Default::default())
}

impl NameList {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, sorted by their line in the file form.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Scope)> + '_ {
        self.text.lines().map(|line| match line.strip_prefix('=') {
            Some(name) => (name, Scope::Host),
            None => (line, Scope::Tree),
        })
    }

    /// The file form.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let _ = bytes;
        Ok(Self::default())
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

impl AddressList {
    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.len() as u64
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, sorted, none touching another.
    pub fn iter(&self) -> impl Iterator<Item = AddressRange> + '_ {
        self.ranges.iter().copied()
    }

    /// The file form.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let _ = bytes;
        Ok(Self::default())
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

/// The word that a list gives to what it names: the file's stem, or the folder's name where the
/// file is called `domains`, as squidGuard's lists are.
#[must_use]
pub fn stem(path: &str) -> &str {
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let file = parts.next().unwrap_or(path);
    let stem = file.strip_suffix(".gz").unwrap_or(file);
    let stem = stem
        .rsplit_once('.')
        .map_or(stem, |(front, _)| if front.is_empty() { stem } else { front });
    if stem == "domains" { parts.next().unwrap_or(stem) } else { stem }
}
