//! The same decision with each step kept, for `egpolicy explain` (SPEC 10).
//!
//! ```text
//! kind.rs  the kinds of attributes: one row a kind    seen.rs  what a request shows to each
//! fits.rs  which values of a rule fit, and on what    walk.rs  every rule in turn, and the verdict
//! spec.rs  a request as an operator writes it         told.rs  the whole as facts that can be sent
//! lines.rs where list entries stand in their files
//! ```
//!
//! INVARIANT: whether an attribute holds is asked of the code that decides (`Trial`); what is found here
//! beside it is only which value was the reason.

mod kind;
mod seen;
mod fits;
mod walk;
mod spec;
mod lines;
mod told;
#[cfg(test)]
mod tests;

pub use crate::lists::ListEntry;
pub use fits::{FITS_MAX, Fit};
pub use kind::Kind;
pub use lines::{FormatOf, ListLines};
pub use seen::{Whose, origins};
pub use spec::{InspectWord, PhaseWord, RequestFault, RequestSpec, SOURCE_DEFAULT};
pub use told::{Explained, FailedTold, FitTold, Reading, RuleTold, Told, tell};
pub use walk::{Explanation, RuleTrial, Step, explain};
