//! The ruleset: the compiled policy in memory, immutable, shared by all threads.

use crate::compile::CompiledList;
use crate::digest::Digest;
use crate::matcher::Matcher;
use crate::regex::{Field, Shard};
use crate::verdict::Action;
use crate::zone::Zone;

pub use crate::check::CheckedRule as Rule;

/// Everything that decides, ready to be asked; made by [`crate::build::build`] and never changed.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) digest: Digest,
    pub(crate) rules: Vec<Rule>,
    /// Places in `rules`, sorted by name.
    pub(crate) by_name: Vec<u32>,
    pub(crate) default_action: Action,
    pub(crate) lists: Vec<CompiledList>,
    pub(crate) matcher: Matcher,
}

impl Ruleset {
    /// The digest of the compiled policy that this was built from, and of the zone where a rule asks
    /// the clock.
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

    /// Where `time-window` is judged.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.matcher.tables().zone
    }

    /// The lists that rules name.
    #[must_use]
    pub fn lists(&self) -> &[CompiledList] {
        &self.lists
    }

    /// How many distinct names its lists hold.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.matcher.tables().index.entries()
    }

    /// How many bytes the names of its lists take in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.matcher.tables().index.bytes()
    }

    /// The compiled regular expressions, by field and then in order.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.matcher.tables().regexes.shards()
    }

    /// How many patterns of server names are looked up as names, and so are in no shard.
    #[must_use]
    pub fn lowered(&self) -> usize {
        Field::ALL.iter().map(|field| self.matcher.tables().regexes.of(*field).lowered()).sum()
    }

    /// The rule with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Rule> {
        let rule = |place: &u32| self.rules.get(*place as usize);
        let name_at = |place: &u32| rule(place).map(|rule| rule.name.as_str());
        let at = self.by_name.binary_search_by(|place| name_at(place).cmp(&Some(name))).ok()?;
        rule(self.by_name.get(at)?)
    }
}
