//! What became of a list and of its lines.

use serde::{Deserialize, Serialize};

/// How a list file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListFormat {
    /// One entry a line.
    Plain,
}

/// How many refused lines and suffixes a report shows.
pub const REPORTED_MAX: usize = 1_000;

/// What became of the lines of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReport {
    /// All lines.
    pub lines: u64,
    /// The entries that the list has, each counted once.
    pub accepted: u64,
    /// Lines that repeat an entry.
    pub duplicates: u64,
    /// Lines whose spelling was changed: upper case, IDN, dots, addresses.
    pub folded: u64,
    /// The first refused lines and why, at most [`REPORTED_MAX`].
    pub refused: Vec<(u64, RefusedLine)>,
    /// How many lines were refused.
    pub refused_count: u64,
    /// The first entries that are whole ICANN public suffixes, and are left out; at most
    /// [`REPORTED_MAX`].
    pub public_suffixes: Vec<(u64, String)>,
    /// How many entries were left out so.
    pub public_suffix_count: u64,
}

impl ListReport {
    pub(super) fn refuse(&mut self, line: u64, reason: RefusedLine) {
        self.refused_count = self.refused_count.saturating_add(1);
        if self.refused.len() < REPORTED_MAX {
            self.refused.push((line, reason));
        }
    }

    pub(super) fn suffix(&mut self, line: u64, name: &str) {
        self.public_suffix_count = self.public_suffix_count.saturating_add(1);
        if self.public_suffixes.len() < REPORTED_MAX {
            self.public_suffixes.push((line, name.to_owned()));
        }
    }
}

/// Why a line of a list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefusedLine {
    /// It is too long for an entry.
    #[error("too long for an entry")]
    TooLong,
    /// A NUL or another control character.
    #[error("a control character")]
    Control,
    /// Several words, as in a hosts file.
    #[error("several words; lists of this version have one name a line")]
    SeveralWords,
    /// `||name^`, `@@||name^`, `name##...`
    #[error("the line of an ad blocker, not a name")]
    Adblock,
    /// `http://name/`, `name/path`
    #[error("a URL, not a name")]
    Url,
    /// `name:80`
    #[error("a name with a port")]
    Port,
    /// `*`, `.`
    #[error("covers every name")]
    Everything,
    /// Not the name of any host.
    #[error("not a host name")]
    NotAName,
    /// Not an address, CIDR or range.
    #[error("not an address, a CIDR or a range")]
    NotAnAddress,
}

/// Why a list cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// It is larger than a list may be, perhaps only once unpacked.
    #[error("larger than {max} bytes once unpacked")]
    TooLarge {
        /// The bound for this file.
        max: u64,
    },
    /// The gzip data is broken.
    #[error("broken gzip data")]
    Gzip(#[source] std::io::Error),
    /// A set file that this version did not write.
    #[error("not a set file of this version: {reason}")]
    NotASet {
        /// What is wrong with it.
        reason: &'static str,
    },
}
