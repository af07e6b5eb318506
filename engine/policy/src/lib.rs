//! Rules in, verdicts out: the pure half of the engine.
//!
//! ```text
//! text -> Ast -> CheckedPolicy -> CompiledPolicy (what the store keeps) -> Ruleset (what matches)
//! bytes -> CanonicalUri + Client + Moment -> Verdict
//! ```
//!
//! INVARIANT: nothing here does I/O, reads a clock or knows the wire.

pub mod build;
pub mod check;
pub mod client;
pub mod compile;
pub mod decide;
pub mod diagnostic;
pub mod digest;
pub mod lists;
pub mod matcher;
pub mod moment;
pub mod ruleset;
pub mod sources;
pub mod syntax;
pub mod uri;
pub mod verdict;
