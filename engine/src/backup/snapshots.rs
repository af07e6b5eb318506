//! The door to this module: keep, list, plan, apply, and recover.
//!
//! The caller calls [`Snapshots::recover`] at the start and before it reads the policy's files, and
//! does `keep`, `apply` and `recover` one after the other; a lock keeps other processes out.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use eg_policy::moment::Moment;

use super::fault::BackupFault;
use super::rollback::{self, RollbackPlan};
use super::scan::{Scan, scan};
use super::shelf::{Cost, LockedShelf, Shelf, Snapshot, SnapshotRow};
use super::stamps::Instant;
use super::steps::{PRIVATE_FOLDER, Steps};
use super::tree::Tree;
use crate::config::PolicyConfig;

/// The note of generation 1 while the folder holds exactly that (SPEC 5).
const APPLIED: &str = "(currently applied)";

/// Whether a snapshot had to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// The newest one held the same already.
    Already,
}

/// What was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The name of the snapshot that holds what the folder holds.
    pub snapshot: String,
    /// Whether it is new.
    pub made: Made,
    /// How many files were copied.
    pub copied: u64,
    /// How many bytes that were.
    pub copied_bytes: u64,
    /// How many files it shares with others.
    pub shared: u64,
    /// What may not be read, and is not in it.
    pub left_out: Vec<String>,
}

/// Whether a rollback had been cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// No.
    NotNeeded,
    /// Yes, and the files are as they were before it.
    Undone {
        /// The files that somebody changed meanwhile, and which stay as they are.
        left_alone: Vec<String>,
    },
}

/// The snapshots of one folder.
#[derive(Debug, Clone)]
pub struct Snapshots {
    path: PathBuf,
    backup_path: PathBuf,
    depth: usize,
    steps: Steps,
}

impl Snapshots {
    /// Of `[policy] path`, in `[policy] backup_path`.
    #[must_use]
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            path: config.path.clone(),
            backup_path: config.backup_path.clone(),
            // None at all would remove what a rollback has just kept.
            depth: usize::try_from(config.backup_depth.max(1)).unwrap_or(usize::MAX),
            steps: Steps::default(),
        }
    }

    /// With steps that a test can make fail.
    #[cfg(test)]
    pub(super) fn with_steps(self, steps: Steps) -> Self {
        Self { steps, ..self }
    }

    /// Undoes a rollback that a kill or a power cut has cut off. To be called before the policy's files
    /// are read; where there is nothing to do it looks at one name.
    ///
    /// # Errors
    ///
    /// Where the folder is not there, another process is at it, or the disk refuses; what was not put
    /// back is put back by the next call.
    pub fn recover(&self) -> Result<Recovery, BackupFault> {
        let root = self.root()?;
        if rollback::pending(&root).is_none() {
            return Ok(Recovery::NotNeeded);
        }
        let shelf = self.shelf(&root)?.lock(self.steps.clone())?;
        recover(&shelf, &root)
    }

    /// Keeps the folder as it is; nothing where the newest snapshot holds the same. Of old snapshots one
    /// more than `backup_depth` stays until [`Self::prune`], since what this one is kept for may fail, and
    /// the state before is then wanted. `note` is folded into one line of at most 200 characters.
    ///
    /// Synced before the snapshot gets its name: every file, every folder and both notes in it; and
    /// afterwards the folder that holds the name.
    ///
    /// # Errors
    ///
    /// [`BackupFault`]; there is then no new snapshot, or a whole one.
    pub fn keep(&self, now: Moment, note: &str) -> Result<Kept, BackupFault> {
        let root = self.root()?;
        if let Some(journal) = rollback::pending(&root) {
            // Whoever has read the files since has read half a rollback.
            return Err(BackupFault::Interrupted { journal });
        }
        let shelf = self.shelf(&root)?.lock(self.steps.clone())?;
        shelf.tidy()?;
        recover(&shelf, &root)?;
        let found = scan(&root, &shelf.shelf.stamps(&root), shelf.began)?;
        let snapshots = shelf.shelf.snapshots()?;
        let (snapshot, made, cost) = keep(&shelf, &root, &found, &snapshots, (now, note))?;
        Self::shorten(&shelf, self.depth.saturating_add(1));
        let Cost { copied, copied_bytes, shared } = cost;
        let left_out = found.left_out;
        Ok(Kept { snapshot, made, copied, copied_bytes, shared, left_out })
    }

    /// Removes the snapshots beyond `backup_depth`, once what they were kept for has succeeded. Gives how
    /// many went; those that cannot be removed harm nothing but the disk's space.
    pub fn prune(&self) -> usize {
        let shelf = self.root().and_then(|root| self.shelf(&root)?.lock(self.steps.clone()));
        match shelf {
            Ok(shelf) => Self::shorten(&shelf, self.depth),
            Err(fault) => {
                stay(&fault);
                0
            }
        }
    }

    /// Every generation, the newest first.
    ///
    /// # Errors
    ///
    /// Where one of the two folders cannot be read.
    pub fn list(&self) -> Result<Vec<SnapshotRow>, BackupFault> {
        let root = self.root()?;
        let shelf = self.shelf(&root)?;
        let snapshots = shelf.snapshots()?;
        let numbered = (1..).zip(&snapshots);
        let mut rows: Vec<_> = numbered.map(|(number, one)| one.to_row(number)).collect();
        if let (Some(row), Some(newest)) = (rows.first_mut(), snapshots.first()) {
            match scan(&root, &shelf.stamps(&root), Instant::NEVER) {
                Ok(found) if found.tree.digest() == newest.header.content => {
                    APPLIED.clone_into(&mut row.note);
                }
                Ok(_) => {}
                // A folder that cannot be kept holds something else than what was kept.
                Err(fault) => tracing::info!(
                    cause = eg_settings::log::chain(&fault),
                    "whether the newest snapshot is applied cannot be seen"
                ),
            }
        }
        Ok(rows)
    }

    /// What a rollback to `generation` would do. Changes nothing, but for a rollback that was cut off
    /// and is undone first.
    ///
    /// # Errors
    ///
    /// Where there is no such generation, or one of the two folders cannot be read.
    pub fn plan(&self, generation: u32) -> Result<RollbackPlan, BackupFault> {
        self.recover()?;
        let root = self.root()?;
        let shelf = self.shelf(&root)?;
        let snapshots = shelf.snapshots()?;
        let at = usize::try_from(generation).unwrap_or(usize::MAX).checked_sub(1);
        let Some(snapshot) = at.and_then(|at| snapshots.get(at)) else {
            return Err(BackupFault::NoGeneration { generation, there: snapshots.len() });
        };
        let then = snapshot.tree()?;
        let found = scan(&root, &shelf.stamps(&root), Instant::NEVER)?;
        Ok(RollbackPlan::new(generation, snapshot, &found.tree, &then))
    }

    /// Puts the files back as planned. The state before is kept first, as a generation of its own, whose
    /// name is given.
    ///
    /// # Errors
    ///
    /// [`BackupFault`]; the files are then as they were before, but for [`BackupFault::HalfApplied`],
    /// after which [`Self::recover`] tries again.
    pub fn apply(&self, plan: &RollbackPlan, now: Moment) -> Result<String, BackupFault> {
        let root = self.root()?;
        let shelf = self.shelf(&root)?.lock(self.steps.clone())?;
        shelf.tidy()?;
        recover(&shelf, &root)?;
        let snapshots = shelf.shelf.snapshots()?;
        let (target, then) = named(&snapshots, plan.snapshot())?;
        let found = scan(&root, &shelf.shelf.stamps(&root), shelf.began)?;
        if !plan.is_for(&found.tree) {
            return Err(BackupFault::ChangedSincePlan { path: root });
        }
        let note = before_rollback_to(&target.name);
        let (before, _, _) = keep(&shelf, &root, &found, &snapshots, (now, &note))?;
        rollback::apply(&self.steps, &root, &found.tree, (target, &then))?;
        // Not before, since the target may be the oldest.
        Self::shorten(&shelf, self.depth.saturating_add(1));
        Ok(before)
    }

    /// Undoes a rollback that was applied and then refused: makes the files what the snapshot `before`
    /// holds, which [`Self::apply`] gave. What somebody has changed in between is kept as a generation.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn undo(&self, plan: &RollbackPlan, before: &str, now: Moment) -> Result<(), BackupFault> {
        let root = self.root()?;
        let shelf = self.shelf(&root)?.lock(self.steps.clone())?;
        shelf.tidy()?;
        recover(&shelf, &root)?;
        let snapshots = shelf.shelf.snapshots()?;
        let (target, then) = named(&snapshots, before)?;
        let found = scan(&root, &shelf.shelf.stamps(&root), shelf.began)?;
        let content = found.tree.digest();
        let is_of_plan =
            |one: &Snapshot| one.name == plan.snapshot() && one.header.content == content;
        if !snapshots.iter().any(is_of_plan) {
            keep(&shelf, &root, &found, &snapshots, (now, &before_rollback_to(before)))?;
        }
        rollback::apply(&self.steps, &root, &found.tree, (target, &then))
    }

    fn root(&self) -> Result<PathBuf, BackupFault> {
        let root = fs::canonicalize(&self.path).ok().filter(|root| root.is_dir());
        root.ok_or_else(|| BackupFault::NoPath { path: self.path.clone() })
    }

    /// The folder of snapshots. It is made where only its own name is missing; a longer path that is not
    /// there is more likely a mistake, or a disk that is not mounted.
    fn shelf(&self, root: &Path) -> Result<Shelf, BackupFault> {
        let none = |source| BackupFault::NoShelf { path: self.backup_path.clone(), source };
        let folder = match fs::canonicalize(&self.backup_path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                let (parent, name) = (self.backup_path.parent(), self.backup_path.file_name());
                let (Some(parent), Some(name)) = (parent, name) else { return Err(none(fault)) };
                fs::canonicalize(parent).map_err(none)?.join(name)
            }
            folder => folder.map_err(none)?,
        };
        if folder.starts_with(root) || root.starts_with(&folder) {
            return Err(BackupFault::Nested { shelf: folder, path: root.to_path_buf() });
        }
        match fs::DirBuilder::new().mode(PRIVATE_FOLDER).create(&folder) {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made.map_err(none)?,
        }
        Ok(Shelf { folder })
    }

    /// Old snapshots that cannot be removed harm nothing but the disk's space.
    fn shorten(shelf: &LockedShelf, most: usize) -> usize {
        shelf.prune(most).unwrap_or_else(|fault| {
            stay(&fault);
            0
        })
    }
}

fn stay(fault: &BackupFault) {
    tracing::warn!(cause = eg_settings::log::chain(fault), "old snapshots stay");
}

fn before_rollback_to(snapshot: &str) -> String {
    format!("before the rollback to {snapshot}")
}

/// The snapshot of this name, with all that it holds.
fn named<'s>(snapshots: &'s [Snapshot], name: &str) -> Result<(&'s Snapshot, Tree), BackupFault> {
    let found = snapshots.iter().find(|one| one.name == name);
    let found = found.ok_or_else(|| BackupFault::Gone { snapshot: name.to_owned() })?;
    Ok((found, found.tree()?))
}

fn recover(shelf: &LockedShelf, root: &Path) -> Result<Recovery, BackupFault> {
    Ok(match rollback::recover(&shelf.steps, root)? {
        None => Recovery::NotNeeded,
        Some(left_alone) => Recovery::Undone { left_alone },
    })
}

/// Keeps what was found, where the newest snapshot does not hold it.
fn keep(
    shelf: &LockedShelf,
    root: &Path,
    found: &Scan,
    snapshots: &[Snapshot],
    (now, note): (Moment, &str),
) -> Result<(String, Made, Cost), BackupFault> {
    if found.has_news {
        shelf.remember(&found.stamps);
    }
    let content = found.tree.digest();
    if let Some(newest) = snapshots.first().filter(|newest| newest.header.content == content) {
        return Ok((newest.name.clone(), Made::Already, Cost::default()));
    }
    let (name, cost) = shelf.write(root, &found.tree, (now, note), snapshots)?;
    Ok((name, Made::New, cost))
}
