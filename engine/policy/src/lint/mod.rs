//! What is allowed and probably not meant: rules that never match or never decide, lists that repeat each
//! other, patterns that fit too much (SPEC 10, ADR 0026).
//!
//! ```text
//! ground.rs   what is looked at, and where things stand in the files
//! names.rs    which lists name what rules name       overlap.rs  lists held against lists
//! covers.rs   whether one rule is wider than another shadow.rs   rules behind a wider one
//! never.rs    attributes that contradict each other  reach.rs    paths nobody sees, rules that ended
//! run.rs      all of it, in order
//! ```
//!
//! INVARIANT: what is said of a rule is true of every request, as far as the text says; what cannot be
//! told is not said, and the manual lists it. Every comparison has a bound.

mod ground;
mod names;
mod overlap;
mod covers;
mod never;
mod shadow;
mod reach;
mod run;
#[cfg(test)]
mod tests;

pub use ground::{Inspect, LintInput, ListSet};
pub use run::{Linted, lint};
