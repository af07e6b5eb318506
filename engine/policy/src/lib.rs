//! Rules in, verdicts out: the pure half of the engine.
//!
//! ```text
//! text -> Ast -> CheckedPolicy -> CompiledPolicy (what the store keeps) -> Ruleset (what matches)
//! bytes -> CanonicalUri + Client + Moment -> Verdict
//! ```
//!
//! INVARIANT: nothing here does I/O, reads a clock or knows the wire.

pub mod digest;
pub mod uri;
pub mod client;
pub mod moment;
pub mod diagnostic;
pub mod syntax;
pub mod lists;
pub mod sources;
pub mod check;
pub mod compile;
pub mod build;
pub mod ruleset;
pub mod matcher;
pub mod decide;
pub mod verdict;
