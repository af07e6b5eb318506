//! Snapshots of `[policy] path` under `[policy] backup_path`, and rolling back to one of them (SPEC 5,
//! ADR 0024).
//!
//! Left out: anything named `.git`, names that are not UTF-8, and what is no file, folder or link. No
//! policy or list comes from them, and neither a snapshot nor a rollback touches them.
//!
//! INVARIANT: a snapshot under its final name is whole and is never written to again. A file of `path`
//! and a file of a snapshot are never one file, so that an editor which writes in place changes no
//! snapshot; only snapshots share files with each other.

mod snapshots;

mod shelf;
mod rollback;
mod commit;
mod unconfirmed;
mod journal;

mod scan;
mod tree;
mod stamps;
mod steps;
mod fault;

pub(crate) use commit::CommitPlan;
pub use fault::BackupFault;
pub use rollback::RollbackPlan;
pub use shelf::SnapshotRow;
pub use snapshots::{Kept, Made, Recovery, Snapshots};
pub(crate) use unconfirmed::Deadline;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod crash_tests;
