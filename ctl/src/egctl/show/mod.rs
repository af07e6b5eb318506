//! Answers for people, one function a kind of answer. JSON is the engine's own and not made here.

mod answer;
mod system;
mod neighbor;
mod policy;
mod matching;
mod user;
mod commit;
#[cfg(test)]
mod tests;

pub(super) use answer::{Shown, answer};
pub(crate) use commit::committed;
pub(crate) use policy::files;
