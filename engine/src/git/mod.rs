//! The history of `[policy] path` in git: who changed what, when and why (SPEC 5, ADR 0024).
//!
//! The only module that knows libgit2. It reads the configuration of the repository alone, runs no
//! hook, reaches no network, and writes only `.git` in the folder.

mod history;
mod reading;

mod names;
mod fault;

pub use fault::GitFault;
pub use history::{GitState, History, open};
pub use names::{Author, CommitId, Revision};
pub use reading::{BlameRow, LogRow};

#[cfg(test)]
mod tests;
