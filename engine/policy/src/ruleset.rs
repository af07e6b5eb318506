//! The ruleset: the compiled policy in memory, immutable, shared by all threads.

use crate::compile::CompiledList;
use crate::digest::Digest;
use crate::verdict::Action;

pub use crate::check::CheckedRule as Rule;

/// Everything that decides, ready to be asked; made by [`crate::build::build`] and never changed.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) digest: Digest,
    pub(crate) rules: Vec<Rule>,
    pub(crate) default_action: Action,
    pub(crate) lists: Vec<CompiledList>,
    pub(crate) entries: u64,
}

impl Ruleset {
    /// The digest of the compiled policy that this was built from.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The rules in load order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What a request gets that no rule holds for.
    #[must_use]
    pub const fn default_action(&self) -> Action {
        self.default_action
    }

    /// The lists that rules name.
    #[must_use]
    pub fn lists(&self) -> &[CompiledList] {
        &self.lists
    }

    /// How many distinct names the index holds.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The rule with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}
