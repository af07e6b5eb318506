//! The verbs of `egpolicy`.

mod args;
mod cases;
mod check;
mod clock;
pub mod convert;
mod disabled;
mod disk;
mod explain;
mod fmt;
mod lint;
mod load;
mod policy;
#[cfg(test)]
mod real_lists;
mod regexes;
mod request;
mod verbs;
mod wire;

pub use args::{Args, run};
pub use cases::{
    ActionName, CaseResult, CasesFault, Difference, Expectation, PolicyPlace, Tested, TlsName, test,
};
pub use check::{CheckFault, Checked, ListSummary, check};
pub use explain::{ExplainFault, explain};
pub use fmt::{FmtFault, FmtMode, Formatted, fmt};
pub use lint::{LintFound, lint};
pub use policy::{Entries, Policy, PolicyFault};
pub use regexes::{FallbackRegex, RegexSummary};
pub(crate) use wire::explained as explained_for_wire;
