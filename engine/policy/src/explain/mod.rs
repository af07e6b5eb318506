//! The same decision with each step kept, for `egpolicy explain` (SPEC 10).
//!
//! ```text
//! kind.rs  the kinds of attributes: one row a kind    seen.rs  what a request shows to each
//! fits.rs  which values of a rule fit, and on what    walk.rs  every rule in turn, and the verdict
//! ```
//!
//! INVARIANT: whether an attribute holds is asked of the code that decides (`Trial`); what is found here
//! beside it is only which value was the reason.

mod kind;
mod seen;
mod fits;
mod walk;
#[cfg(test)]
mod tests;

pub use crate::lists::ListEntry;
pub use fits::{FITS_MAX, Fit};
pub use kind::Kind;
pub use seen::{Whose, origins};
pub use walk::{Explanation, RuleTrial, Step, explain};
