//! Candidates to the verdict of the lowest id that holds.

use crate::client::Request;
use crate::moment::Moment;
use crate::ruleset::Ruleset;
use crate::verdict::{Cause, Verdict};

/// Memory that decisions of one thread reuse.
#[derive(Debug, Default)]
pub struct Scratch {}

impl Scratch {
    /// Memory that fits `rules`.
    #[must_use]
    pub fn new(rules: &Ruleset) -> Self {
        let mut scratch = Self::default();
        scratch.fit(rules);
        scratch
    }

    /// Makes it fit other rules, after a reload.
    pub fn fit(&mut self, rules: &Ruleset) {
        let _ = rules;
    }
}

/// The verdict on `request`. Total: it never fails, never allocates once `scratch` fits, never waits.
#[must_use]
pub fn decide<'r>(
    rules: &'r Ruleset,
    scratch: &mut Scratch,
    request: &Request<'_>,
    now: Moment,
) -> Verdict<'r> {
    let _ = (scratch, request, now);
    Verdict { action: rules.default_action, cause: Cause::Default }
}
