//! What the system says of a file that cannot stay the same when the file is written to: one description
//! for whoever wants to know whether a file is still the one that was read.
//!
//! Left out: how old a stamp must be to tell two states of a file apart. The system stamps changes with a
//! clock of its own grain, and each user says how much of it to expect.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

/// A file at a moment. Kept beside the snapshots, so its fields keep their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file.
    pub(crate) fn of(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            bytes: facts.len(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// The same file, whose inode was changed in the next second.
    #[cfg(test)]
    pub(crate) const fn changed_a_second_later(self) -> Self {
        Self { changed: (self.changed.0 + 1, 0), ..self }
    }

    /// When the content was last changed, in nanoseconds of Unix time.
    pub(crate) fn modified_ns(&self) -> i128 {
        nanoseconds(self.modified)
    }

    /// When the content or the inode was last changed, the later of the two, in nanoseconds of Unix time.
    pub(crate) fn newest_ns(&self) -> i128 {
        nanoseconds(self.changed).max(self.modified_ns())
    }
}

fn nanoseconds((seconds, nanos): (i64, i64)) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}
