//! What of snapshots and history cannot be done, as problems: whether whoever asks should ask otherwise,
//! or somebody should see to the machine.

use eg_proto::control::{Problem, ProblemKind};
use eg_settings::log::chain;

use crate::backup::BackupFault;
use crate::git::GitFault;

/// Why a snapshot could not be made, listed or gone back to.
pub(crate) fn of_backup(fault: &BackupFault) -> Problem {
    let kind = match fault {
        BackupFault::NoGeneration { .. } | BackupFault::Gone { .. } => ProblemKind::NotFound,
        BackupFault::Busy { .. }
        | BackupFault::Changed { .. }
        | BackupFault::ChangedSincePlan { .. }
        | BackupFault::Interrupted { .. } => ProblemKind::Conflict,
        BackupFault::NoPath { .. }
        | BackupFault::NoShelf { .. }
        | BackupFault::Nested { .. }
        | BackupFault::LinkLeaves { .. }
        | BackupFault::TooMuch { .. }
        | BackupFault::Damaged { .. }
        | BackupFault::BadJournal { .. }
        | BackupFault::NoName { .. }
        | BackupFault::HalfApplied { .. }
        | BackupFault::File { .. } => ProblemKind::Failed,
    };
    Problem::new(kind, chain(fault))
}

/// Why the history could not be written or read.
pub(crate) fn of_git(fault: &GitFault) -> Problem {
    let kind = match fault {
        GitFault::BadAuthor { .. }
        | GitFault::LongReason { .. }
        | GitFault::BadTag { .. }
        | GitFault::BadRevision { .. } => ProblemKind::BadRequest,
        GitFault::NoRevision { .. }
        | GitFault::Empty { .. }
        | GitFault::NotKept { .. }
        | GitFault::NoLines { .. } => ProblemKind::NotFound,
        GitFault::NoRepository { .. }
        | GitFault::AlreadyThere { .. }
        | GitFault::Detached { .. }
        | GitFault::UnderWay { .. }
        | GitFault::Locked { .. }
        | GitFault::Moved { .. }
        | GitFault::TagThere { .. } => ProblemKind::Conflict,
        GitFault::ForeignOwner { .. }
        | GitFault::Elsewhere { .. }
        | GitFault::Bare { .. }
        | GitFault::LargeFile { .. }
        | GitFault::Git { .. }
        | GitFault::File { .. } => ProblemKind::Failed,
    };
    Problem::new(kind, chain(fault))
}
