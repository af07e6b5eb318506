//! The ruleset: the compiled policy in memory, immutable, shared by all threads.

pub use crate::check::CheckedRule as Rule;
