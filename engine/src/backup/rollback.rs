//! Making the folder hold what a snapshot holds, so that even a power cut leaves the old or the new.
//!
//! All that comes is first copied, checked against its digest and synced, below a folder of our own in
//! `path`; then the journal is written; then names are moved. The journal's removal is the moment at
//! which the new is there: as long as it exists, the next call undoes what was done.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use eg_policy::digest::Digest;
use serde::{Deserialize, Serialize};

use super::fault::{BackupFault, file};
use super::journal::{Act, NEW, OLD, Place, acts};
use super::shelf::Snapshot;
use super::steps::{PRIVATE_FILE, PRIVATE_FOLDER, Steps, open};
use super::tree::{Changes, Entry, Tree};

/// The folder in `path` that exists only during a rollback; being hidden, no policy is read from it.
pub(super) const STAGING: &str = ".enforcegate-rollback";

const JOURNAL: &str = "journal.json";
const JOURNAL_UNFINISHED: &str = "journal.new";

/// Two acts for every name that a snapshot may hold, each with a long path.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

/// The layout of the journal.
const FORMAT: u32 = 1;

/// What a rollback would do, and to what. It is applied only to exactly that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackPlan {
    generation: u32,
    snapshot: String,
    changes: Changes,
    before: Digest,
}

impl RollbackPlan {
    pub(super) fn new(generation: u32, snapshot: &Snapshot, now: &Tree, then: &Tree) -> Self {
        Self {
            generation,
            snapshot: snapshot.name.clone(),
            changes: Changes::between(now, then),
            before: now.digest(),
        }
    }

    /// The generation that it was asked for; 1 is the newest.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The name of the snapshot, which stays when generations move on.
    #[must_use]
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// What would be removed, since it was added after the snapshot. Relative paths, sorted; those of
    /// folders end with a slash.
    #[must_use]
    pub fn removed(&self) -> &[String] {
        &self.changes.removed
    }

    /// What would be overwritten, since its content, kind or mode changed after the snapshot.
    #[must_use]
    pub fn overwritten(&self) -> &[String] {
        &self.changes.overwritten
    }

    /// What would be brought back, since it was removed after the snapshot.
    #[must_use]
    pub fn brought_back(&self) -> &[String] {
        &self.changes.brought_back
    }

    /// How many files and links are the same.
    #[must_use]
    pub const fn unchanged(&self) -> u64 {
        self.changes.unchanged
    }

    /// Whether the folder holds exactly what the snapshot holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Changes { removed, overwritten, brought_back, unchanged: _ } = &self.changes;
        removed.is_empty() && overwritten.is_empty() && brought_back.is_empty()
    }

    /// Whether the folder still holds what the plan was made for.
    pub(super) fn is_for(&self, now: &Tree) -> bool {
        self.before == now.digest()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    format: u32,
    snapshot: String,
    acts: Vec<Act>,
}

/// The journal of a rollback that was cut off.
pub(super) fn pending(root: &Path) -> Option<PathBuf> {
    let journal = root.join(STAGING).join(JOURNAL);
    fs::symlink_metadata(&journal).is_ok().then_some(journal)
}

/// Makes `root`, which holds `now`, hold what `snapshot` holds.
pub(super) fn apply(
    steps: &Steps,
    root: &Path,
    now: &Tree,
    (snapshot, then): (&Snapshot, &Tree),
) -> Result<(), BackupFault> {
    let acts = acts(now, then);
    if acts.is_empty() {
        return Ok(());
    }
    let staging = root.join(STAGING);
    let place = Place { root, staging: &staging, steps };
    let journal = staging.join(JOURNAL);
    if let Err(fault) = stage(place, snapshot, &acts) {
        // Nothing in the folder was touched; what cannot be removed now is removed by the next call.
        drop(fs::remove_file(&journal));
        drop(fs::remove_dir_all(&staging));
        return Err(fault);
    }
    let done = acts.iter().try_for_each(|act| place.perform(act));
    let done = done.and_then(|()| place.sync(&acts)).and_then(|()| steps.remove(&journal));
    if let Err(fault) = done {
        return Err(match undo(place, &acts) {
            Ok(_) => fault,
            Err(undo) => BackupFault::HalfApplied {
                path: root.to_path_buf(),
                undo: eg_settings::log::chain(&undo),
                source: Box::new(fault),
            },
        });
    }
    // The new is there. What fails from here on leaves something to tidy up, and nothing else.
    let tidied = steps
        .sync_folder(&staging)
        .and_then(|()| steps.remove_all(&staging))
        .and_then(|()| steps.sync_folder(root));
    if let Err(fault) = tidied {
        tracing::warn!(
            cause = eg_settings::log::chain(&fault),
            "a rollback's own files stay for now"
        );
    }
    Ok(())
}

/// Prepares everything beside the files, and the journal last.
fn stage(place: Place<'_>, snapshot: &Snapshot, acts: &[Act]) -> Result<(), BackupFault> {
    let Place { root, staging, steps } = place;
    steps.make_folder(staging, PRIVATE_FOLDER)?;
    steps.make_folder(&staging.join(OLD), PRIVATE_FOLDER)?;
    steps.make_folder(&staging.join(NEW), PRIVATE_FOLDER)?;
    for act in acts {
        let Act::Put { path, at, entry } = act else { continue };
        let new = place.new_file(*at);
        match entry {
            Entry::Link { target } => steps.link(target, &new)?,
            Entry::File { mode, bytes, digest } => {
                let from = snapshot.file(path);
                if steps.copy(&from, &new, *mode)? != (*bytes, *digest) {
                    let what = "it does not match its digest in `manifest.json`".to_owned();
                    return Err(BackupFault::Damaged { path: from, what });
                }
            }
            // A folder is made, not put.
            Entry::Folder { .. } => {}
        }
    }
    let journal = Journal { format: FORMAT, snapshot: snapshot.name.clone(), acts: acts.to_vec() };
    let text = serde_json::to_vec(&journal)
        .map_err(|why| file("write", &staging.join(JOURNAL))(io::Error::from(why)))?;
    let unfinished = staging.join(JOURNAL_UNFINISHED);
    steps.write(&unfinished, &text, PRIVATE_FILE)?;
    steps.sync_folder(&staging.join(NEW))?;
    steps.rename(&unfinished, &staging.join(JOURNAL))?;
    steps.sync_folder(staging)?;
    steps.sync_folder(root)
}

/// Puts everything back. Gives the paths where somebody has put something else meanwhile.
fn undo(place: Place<'_>, acts: &[Act]) -> Result<Vec<String>, BackupFault> {
    let mut left_alone = Vec::new();
    for act in acts.iter().rev() {
        left_alone.extend(place.undo(act)?);
    }
    place.sync(acts)?;
    let journal = place.staging.join(JOURNAL);
    if fs::symlink_metadata(&journal).is_ok() {
        place.steps.remove(&journal)?;
    }
    place.steps.sync_folder(place.staging)?;
    place.steps.remove_all(place.staging)?;
    place.steps.sync_folder(place.root)?;
    left_alone.sort_unstable();
    left_alone.dedup();
    Ok(left_alone)
}

/// Undoes a rollback that was cut off, and removes what one left that was not begun or was done. `None`
/// where no file had to be put back.
pub(super) fn recover(steps: &Steps, root: &Path) -> Result<Option<Vec<String>>, BackupFault> {
    let staging = root.join(STAGING);
    let Ok(facts) = fs::symlink_metadata(&staging) else { return Ok(None) };
    if !facts.is_dir() {
        return steps.remove(&staging).map(|()| None);
    }
    let Some(path) = pending(root) else {
        steps.remove_all(&staging)?;
        return steps.sync_folder(root).map(|()| None);
    };
    let journal = read(&path)?;
    let place = Place { root, staging: &staging, steps };
    let left_alone = undo(place, &journal.acts)?;
    tracing::warn!(
        snapshot = journal.snapshot,
        "a rollback had been cut off; the files are as they were before it"
    );
    Ok(Some(left_alone))
}

fn read(path: &Path) -> Result<Journal, BackupFault> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|file| file.take(JOURNAL_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(file("read", path))?;
    let damaged = |what: String| BackupFault::BadJournal { journal: path.to_path_buf(), what };
    let journal: Journal =
        serde_json::from_slice(&bytes).map_err(|why| damaged(why.to_string()))?;
    // Paths out of a file are not believed.
    let stray = journal.acts.iter().find(|act| !stays_inside(act));
    if journal.format != FORMAT || stray.is_some() {
        return Err(damaged("it is no journal of this program".to_owned()));
    }
    Ok(journal)
}

fn stays_inside(act: &Act) -> bool {
    let (Act::TakeAway { path, .. }
    | Act::DropFolder { path, .. }
    | Act::MakeFolder { path }
    | Act::Put { path, .. }
    | Act::SetMode { path, .. }) = act;
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
}
