//! What is kept beside the snapshots of a commit that waits to be confirmed, so that it is rolled back
//! in time also where the engine was killed meanwhile.
//!
//! INVARIANT: the note is there before the files of its commit are, so that no commit outlives its
//! deadline unseen. The snapshot that it names is not pruned as long as it is there.

use std::fs;
use std::io;

use eg_policy::moment::Moment;
use serde::{Deserialize, Serialize};

use super::fault::{BackupFault, file};
use super::shelf::{LockedShelf, Shelf, UNFINISHED, json, read_bounded};
use super::steps::PRIVATE_FILE;

/// The name of the note.
const NOTE: &str = ".unconfirmed.json";

/// A few names and a reason.
const NOTE_BYTES_MAX: u64 = 16 << 10;

/// The layout of the note.
const FORMAT: u32 = 1;

/// A commit that rolls itself back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// Whose commit it is.
    pub(crate) by: String,
    /// When it rolls back.
    pub(crate) until: Moment,
    /// The snapshot that it rolls back to.
    pub(crate) snapshot: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    format: u32,
    by: String,
    until_us: i64,
    snapshot: String,
}

impl Shelf {
    /// The commit that waits to be confirmed.
    pub(super) fn unconfirmed(&self) -> Result<Option<Deadline>, BackupFault> {
        let path = self.folder.join(NOTE);
        let bytes = match read_bounded(&path, NOTE_BYTES_MAX) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(file("read", &path))?,
        };
        let damaged = |what: String| BackupFault::Damaged { path: path.clone(), what };
        let note: Note = serde_json::from_slice(&bytes).map_err(|why| damaged(why.to_string()))?;
        if note.format != FORMAT {
            return Err(damaged(format!("its format is {}", note.format)));
        }
        let Note { format: _, by, until_us, snapshot } = note;
        Ok(Some(Deadline { by, until: Moment::from_unix_micros(until_us), snapshot }))
    }
}

impl LockedShelf {
    /// Notes a commit that waits, in place of one that waited; or that none does.
    pub(super) fn note_unconfirmed(&self, deadline: Option<&Deadline>) -> Result<(), BackupFault> {
        let folder = &self.shelf.folder;
        let path = folder.join(NOTE);
        let Some(Deadline { by, until, snapshot }) = deadline else {
            if fs::symlink_metadata(&path).is_ok() {
                self.steps.remove(&path)?;
                self.steps.sync_folder(folder)?;
            }
            return Ok(());
        };
        let (by, snapshot) = (by.clone(), snapshot.clone());
        let note = Note { format: FORMAT, by, until_us: until.unix_micros(), snapshot };
        let unfinished = folder.join(format!("{UNFINISHED}unconfirmed"));
        self.steps.write(&unfinished, &json(&note), PRIVATE_FILE)?;
        self.steps.rename(&unfinished, &path)?;
        self.steps.sync_folder(folder)
    }
}
