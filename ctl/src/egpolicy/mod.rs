//! The verbs of `egpolicy`.

mod args;
mod check;
pub mod convert;
mod disk;
mod fmt;
#[cfg(test)]
mod real_lists;
mod regexes;

pub use args::{Args, run};
pub use check::{CheckFault, Checked, ListSummary, check};
pub use fmt::{FmtFault, FmtMode, Formatted, fmt};
pub use regexes::{FallbackRegex, RegexSummary};
