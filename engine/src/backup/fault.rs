//! Why there is no snapshot, no list of them, or no rollback.

use std::io;
use std::path::{Path, PathBuf};

/// Why something about snapshots was not done. Unless it says otherwise, all is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// `[policy] path` is not there.
    #[error("`[policy] path` names `{}`, which is not an existing folder", path.display())]
    NoPath {
        /// What it names.
        path: PathBuf,
    },
    /// `[policy] backup_path` is not there and cannot be made.
    #[error(
        "`[policy] backup_path` names `{}`, which is no folder and cannot be made one; make it, \
         writable for the user of the engine", path.display()
    )]
    NoShelf {
        /// What it names.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// One of the two folders lies in the other.
    #[error(
        "`[policy] backup_path`, `{}`, and `[policy] path`, `{}`, lie one in the other; a snapshot \
         would hold the snapshots; set `backup_path` to a folder of its own",
        shelf.display(), path.display()
    )]
    Nested {
        /// Where snapshots are to go.
        shelf: PathBuf,
        /// The policy's folder.
        path: PathBuf,
    },
    /// Another process is at it.
    #[error("another process works on the snapshots in `{}`; try again when it is done", shelf.display())]
    Busy {
        /// Where snapshots are.
        shelf: PathBuf,
    },
    /// A link leads out of the folder.
    #[error(
        "`{}` is a link to `{target}`, which lies outside `[policy] path`; a snapshot cannot hold it: \
         copy what it leads to into the folder, or write that path into the rule", path.display()
    )]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: String,
    },
    /// A bound.
    #[error(
        "`{}` has more than {most} {of}, so it is not kept; `[policy] path` should hold policy files \
         and lists alone", path.display()
    )]
    TooMuch {
        /// The policy's folder.
        path: PathBuf,
        /// Of what there is too much.
        of: &'static str,
        /// How much is taken.
        most: u64,
    },
    /// A file was changed just now.
    #[error("`{}` changed while it was read; try again when nobody is editing it", path.display())]
    Changed {
        /// The file or folder.
        path: PathBuf,
    },
    /// What a rollback was planned for is not what is there.
    #[error(
        "the files below `{}` changed after this rollback was planned; nothing was done; look at the \
         dry run again", path.display()
    )]
    ChangedSincePlan {
        /// The policy's folder.
        path: PathBuf,
    },
    /// There is no such generation.
    #[error("there is no generation {generation}; there are {there}, of which 1 is the newest")]
    NoGeneration {
        /// What was asked for.
        generation: u32,
        /// How many there are.
        there: usize,
    },
    /// The planned snapshot was removed.
    #[error("the snapshot `{snapshot}` is gone; look at the list of generations again")]
    Gone {
        /// Its name.
        snapshot: String,
    },
    /// A snapshot is not what it was.
    #[error("`{}` of the snapshot is damaged ({what}), so the rollback was not begun", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// All names of this minute are taken.
    #[error("the minute `{minute}` has 999 snapshots already; try again in the next one")]
    NoName {
        /// The minute.
        minute: String,
    },
    /// A rollback was cut off and nobody has undone it yet.
    #[error(
        "a rollback was cut off in the middle, and `{}` still says so; the files must be put back \
         before they are used: restart the engine or reload", journal.display()
    )]
    Interrupted {
        /// Its journal.
        journal: PathBuf,
    },
    /// The journal of a rollback that was cut off says nothing.
    #[error(
        "`{}` says that a rollback was cut off, and cannot be read ({what}), so that nobody knows what to \
         put back; compare the folder with its snapshots, then remove `.enforcegate-rollback` in it",
        journal.display()
    )]
    BadJournal {
        /// The journal.
        journal: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Neither the new nor the old could be put there.
    #[error(
        "the rollback failed and could not be undone ({undo}); the next start, reload or rollback tries \
         again; until then the files below `{}` are partly old, partly new", path.display()
    )]
    HalfApplied {
        /// The policy's folder.
        path: PathBuf,
        /// Why it could not be undone.
        undo: String,
        /// Why it failed.
        #[source]
        source: Box<Self>,
    },
    /// The disk refuses.
    #[error("cannot {action} `{}`{}", path.display(), advice(source))]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What to do about the usual refusals.
fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space there or lower `[policy] backup_depth`"
        }
        io::ErrorKind::PermissionDenied => "; the user of the engine needs access to it",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    }
}

/// Wraps what the system said.
pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupFault {
    let path = path.to_path_buf();
    move |source| BackupFault::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(kind: io::ErrorKind) -> String {
        file("write", Path::new("/b/x"))(kind.into()).to_string()
    }

    #[test]
    fn what_the_disk_refuses_comes_with_advice() {
        let full = "cannot write `/b/x`; free space there or lower `[policy] backup_depth`";
        assert_eq!(says(io::ErrorKind::StorageFull), full);
        assert!(says(io::ErrorKind::PermissionDenied).ends_with("needs access to it"));
        assert!(says(io::ErrorKind::ReadOnlyFilesystem).ends_with("mounted read-only"));
        assert_eq!(says(io::ErrorKind::NotFound), "cannot write `/b/x`");
    }
}
