//! Accounts of operators and how they show who they are (SPEC 9, ADR 0029).
//!
//! Two files: `passwd`, which people read, and its state beside it, with what `passwd` has no column for.
//! Left out: what a level may, which is the table of verbs' to say.
//!
//! INVARIANT: no secret of an account is in a log, in the trail or in an answer that is not its first, but
//! for the first account's password at its making.

// What is kept.
mod file;
mod passwd;
mod digest;
mod state;
mod master;

// What shows who somebody is.
mod password;
mod lockout;
mod tokens;
mod api_key;
mod totp;

// All of it together.
mod accounts;
mod keeper;
mod login;
mod change;
mod factor;
mod keys;
mod bootstrap;
mod said;
mod first;

pub(crate) use accounts::{Accounts, At};
pub(crate) use first::add_first;

#[cfg(test)]
pub(super) mod tests;
