//! The verbs of `egpolicy`.

mod args;
mod check;
mod disk;
mod fmt;

pub use args::{Args, run};
pub use check::{Checked, ListSummary, check};
pub use fmt::{FmtFault, FmtMode, Formatted, fmt};
