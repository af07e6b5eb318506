//! Rules in, verdicts out: the pure half of the engine.
//!
//! ```text
//! text -> Ast -> CheckedPolicy -> CompiledPolicy (what the store keeps) -> Ruleset (what matches)
//! bytes -> CanonicalUri + Client + Moment -> Verdict
//! ```
//!
//! INVARIANT: nothing here does I/O, reads a clock or knows the wire.

pub mod uri;
pub mod phase;
pub mod client;
pub mod anomaly;
pub mod guard;
pub mod moment;
pub mod zone;
pub mod digest;

// -- text to rules
pub mod syntax;
pub mod diagnostic;
pub mod sources;
pub mod check;
pub mod lists;
pub mod users;
pub mod regex;

// -- rules to what matches
pub mod compile;
pub mod build;
pub mod ruleset;
pub mod matcher;

// -- the decision
pub mod decide;
mod trial;
pub mod tunnel;
pub mod verdict;

#[cfg(test)]
mod real_data;
