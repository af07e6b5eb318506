//! The candidate of the configuration mode: policy files as somebody would have them, here alone until
//! they are committed.

mod rules;
mod state;

pub(super) use rules::{RuleFault, delete_attribute, delete_rule, has_rule, set};
pub(super) use state::Candidate;
