//! Regular expressions: what a rule may write, what scans for them, and how that is kept (ADR 0015).
//!
//! ```text
//! dialect.rs   what a pattern may be        prescan.rs  the constructs that need backtracking, by name
//! faults.rs    why a pattern is refused     print.rs    a pattern as Hyperscan is told it
//! words.rs     patterns that are few texts  lower.rs    what is looked up instead of scanned for
//! openings.rs  words a text begins with     lowered.rs  what a text holds of what is looked up
//! plan.rs      patterns cut into shards
//! shard.rs     one shard, compiled
//! stored.rs    a shard as bytes             scanner.rs  what every scanner does, and its memory
//! intel.rs     Hyperscan                    automata.rs regex-automata, which takes what is left
//! library.rs   which Hyperscan this is      selftest.rs known answers, asked at start
//! compare.rs   one scanner beside the other
//! probe.rs     one shard asked about one text, for tools
//! ```
//!
//! INVARIANT: a pattern is read once, into a tree, and both scanners are told that tree; so it never
//! means one thing to one of them and another to the other. Nothing here backtracks on what a client
//! sends.

mod faults;
mod prescan;
mod dialect;
mod print;
mod words;
mod lower;
mod openings;
mod lowered;
mod plan;
mod scanner;
#[cfg(feature = "hyperscan")]
mod intel;
#[cfg(not(feature = "hyperscan"))]
#[path = "absent.rs"]
mod intel;
mod automata;
mod shard;
mod stored;
mod library;
mod selftest;
mod compare;
mod probe;
#[cfg(test)]
mod lowering;
#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;

pub use compare::{Comparer, Disagreement, Said};
pub use dialect::{PATTERN_BYTES_MAX, POSITIONS_MAX, REPEATS_MAX, RegexPattern};
pub use faults::PatternFault;
pub use library::{LibraryVersion, library};
pub use lower::LoweredClass;
pub use plan::{
    Backend, Field, LoweredCounts, LoweredPattern, RegexPlan, SHARD_PATTERNS_MAX, ShardPlan,
};
pub use probe::{FieldProbe, Probe};
pub use selftest::{SelfTestFault, self_test};
pub use shard::{Placed, Shard, ShardFault, compile_all};

pub(crate) use lowered::LoweredTable;
pub(crate) use plan::Lowering;
pub(crate) use scanner::{Hits, Memory, Reading, Scanned};
