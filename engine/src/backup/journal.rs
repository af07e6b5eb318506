//! What a rollback does to the folder, act by act, and how each act is undone.
//!
//! INVARIANT: until the journal is gone, nothing is lost: what is taken away is moved into `old/`, and
//! what is put there comes out of `new/`, both on the file system of the folder. Every act can be
//! undone whether it was done, not done, or undone already, so an undoing that is cut off itself is
//! begun again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fault::{BackupFault, file};
use super::scan::look;
use super::steps::{Steps, digest_of, open};
use super::tree::{Entry, Tree};

/// Where what is taken away goes.
pub(super) const OLD: &str = "old";

/// Where what is put there comes from.
pub(super) const NEW: &str = "new";

/// One change to the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(super) enum Act {
    /// A file or link goes to `old/`.
    TakeAway {
        path: String,
        at: usize,
        /// What it was when the rollback began.
        was: Entry,
    },
    /// A folder goes, where it is empty.
    DropFolder { path: String, mode: u32 },
    /// A folder comes; its mode is set last.
    MakeFolder { path: String },
    /// A file or link comes out of `new/`.
    Put { path: String, at: usize, entry: Entry },
    /// A folder gets its mode; `from` is none where it has just been made.
    SetMode { path: String, from: Option<u32>, to: u32 },
}

/// Everything that makes `then` out of `now`, in order: what goes, deepest first; then folders; then
/// each file; modes last, since a mode may forbid what comes before.
pub(super) fn acts(now: &Tree, then: &Tree) -> Vec<Act> {
    let stays = |path: &String, entry: &Entry| match (entry, then.0.get(path)) {
        (Entry::Folder { .. }, Some(other)) => other.is_folder(),
        (Entry::File { .. } | Entry::Link { .. }, Some(other)) => !other.is_folder(),
        (_, None) => false,
    };
    let mut acts = Vec::new();
    for (at, (path, entry)) in now.0.iter().enumerate().rev() {
        if stays(path, entry) {
            continue;
        }
        let path = path.clone();
        acts.push(match entry {
            Entry::Folder { mode } => Act::DropFolder { path, mode: *mode },
            Entry::File { .. } | Entry::Link { .. } => {
                Act::TakeAway { path, at, was: entry.clone() }
            }
        });
    }
    let mut modes = Vec::new();
    for (path, entry) in &then.0 {
        let Entry::Folder { mode: to } = entry else { continue };
        let (path, to) = (path.clone(), *to);
        match now.0.get(&path) {
            Some(Entry::Folder { mode }) if *mode == to => {}
            Some(Entry::Folder { mode }) => {
                modes.push(Act::SetMode { path, from: Some(*mode), to });
            }
            Some(Entry::File { .. } | Entry::Link { .. }) | None => {
                acts.push(Act::MakeFolder { path: path.clone() });
                modes.push(Act::SetMode { path, from: None, to });
            }
        }
    }
    let mut taken = now.0.len();
    for (at, (path, entry)) in then.0.iter().enumerate() {
        let there = now.0.get(path);
        if entry.is_folder() || there == Some(entry) {
            continue;
        }
        if let Some(was) = there.filter(|was| !was.is_folder()) {
            acts.push(Act::TakeAway { path: path.clone(), at: taken, was: was.clone() });
            taken += 1;
        }
        acts.push(Act::Put { path: path.clone(), at, entry: entry.clone() });
    }
    acts.append(&mut modes);
    acts
}

/// One folder, and where its rollback is prepared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) root: &'p Path,
    pub(super) staging: &'p Path,
    pub(super) steps: &'p Steps,
}

impl Place<'_> {
    pub(super) fn new_file(&self, at: usize) -> PathBuf {
        self.staging.join(NEW).join(at.to_string())
    }

    fn old_file(&self, at: usize) -> PathBuf {
        self.staging.join(OLD).join(at.to_string())
    }

    /// Does one act.
    pub(super) fn perform(&self, act: &Act) -> Result<(), BackupFault> {
        match act {
            Act::TakeAway { path, at, was } => {
                let old = self.old_file(*at);
                self.steps.rename(&self.root.join(path), &old)?;
                self.is_still(&old, path, was)
            }
            Act::DropFolder { path, .. } => self.steps.remove_folder(&self.root.join(path)),
            Act::MakeFolder { path } => self.steps.make_folder(&self.root.join(path), 0o700),
            Act::Put { path, at, .. } => {
                let full = self.root.join(path);
                if is_there(&full) {
                    return Err(BackupFault::Changed { path: full });
                }
                self.steps.rename(&self.new_file(*at), &full)
            }
            Act::SetMode { path, to, .. } => self.steps.set_mode(&self.root.join(path), *to),
        }
    }

    /// Whether what was taken away is what the generation before the rollback holds.
    fn is_still(&self, old: &Path, path: &str, was: &Entry) -> Result<(), BackupFault> {
        let Entry::File { bytes, digest, .. } = was else { return Ok(()) };
        let read = open(old).and_then(|mut taken| digest_of(&mut taken, |_| Ok(())));
        if read.map_err(file("read", old))? == (*bytes, *digest) {
            return Ok(());
        }
        Err(BackupFault::Changed { path: self.root.join(path) })
    }

    /// Undoes one act, done or not. Gives the path where somebody has put something else meanwhile,
    /// which stays.
    pub(super) fn undo(&self, act: &Act) -> Result<Option<String>, BackupFault> {
        match act {
            Act::TakeAway { path, at, .. } => {
                let (old, full) = (self.old_file(*at), self.root.join(path));
                if !is_there(&old) {
                    return Ok(None);
                }
                if is_there(&full) {
                    return Ok(Some(path.clone()));
                }
                self.steps.rename(&old, &full)?;
            }
            Act::DropFolder { path, mode } => {
                let full = self.root.join(path);
                if !is_there(&full) {
                    self.steps.make_folder(&full, *mode)?;
                }
            }
            Act::MakeFolder { path } => {
                let full = self.root.join(path);
                if fs::symlink_metadata(&full).is_ok_and(|facts| facts.is_dir()) {
                    self.steps.remove_folder(&full)?;
                }
            }
            Act::Put { path, at, entry } => {
                let (new, full) = (self.new_file(*at), self.root.join(path));
                if is_there(&new) || !is_there(&full) {
                    return Ok(None);
                }
                if look(self.root, path).ok().flatten().as_ref() != Some(entry) {
                    return Ok(Some(path.clone()));
                }
                self.steps.rename(&full, &new)?;
            }
            Act::SetMode { path, from: Some(from), .. } => {
                let full = self.root.join(path);
                if is_there(&full) {
                    self.steps.set_mode(&full, *from)?;
                }
            }
            // The folder may be read-only by now, and is removed next.
            Act::SetMode { path, from: None, .. } => {
                let full = self.root.join(path);
                if is_there(&full) {
                    self.steps.set_mode(&full, 0o700)?;
                }
            }
        }
        Ok(None)
    }

    /// Syncs every folder in which an act gives or takes a name.
    pub(super) fn sync(&self, acts: &[Act]) -> Result<(), BackupFault> {
        let mut folders: Vec<PathBuf> = acts
            .iter()
            .filter_map(|act| match act {
                Act::TakeAway { path, .. }
                | Act::DropFolder { path, .. }
                | Act::Put { path, .. } => self.root.join(path).parent().map(Path::to_path_buf),
                Act::MakeFolder { path } => self.root.join(path).parent().map(Path::to_path_buf),
                Act::SetMode { path, .. } => Some(self.root.join(path)),
            })
            .chain([self.staging.join(OLD), self.staging.join(NEW)])
            .collect();
        folders.sort_unstable();
        folders.dedup();
        // One that is gone has nothing to sync.
        folders
            .iter()
            .filter(|folder| folder.is_dir())
            .try_for_each(|folder| self.steps.sync_folder(folder))
    }
}

fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(fault) if fault.kind() == io::ErrorKind::NotFound)
}
