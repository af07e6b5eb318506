//! Patterns cut into shards: what is compiled, kept and loaded as one.
//!
//! Patterns of one field are sorted, and the list is cut behind a pattern whose hash says so. So a
//! pattern that is added or removed changes the shard that it lies in, and the others keep their keys.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::dialect::RegexPattern;
use super::library;
use super::lower::{Form, Lowered, LoweredClass, form};
use crate::check::{CheckedRule, Conditions};
use crate::compile::CompiledPolicy;
use crate::digest::Digest;

/// The most patterns of a shard: up to here Hyperscan compiles in a time that is linear in them.
pub const SHARD_PATTERNS_MAX: usize = 1_000;

/// No cut before so many patterns: a scan costs something for each shard.
const SHARD_PATTERNS_MIN: usize = 384;

/// Behind so many patterns, on the average, the hash says that a shard may end.
const CUT_EVERY: u64 = 128;

/// The form of what [`super::Shard::to_bytes`] writes, and of the expressions that are made of patterns.
/// It is part of every key; a new form is another number.
pub(super) const FORM_VERSION: u32 = 2;

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `match-uri-regex`: the URI, in each of its views
    Uri,
    /// `match-sni-regex`: the TLS SNI
    Sni,
    /// `match-user-agent-regex`: the User-Agent header
    UserAgent,
    /// `match-referer-regex`: the Referer header
    Referer,
}

impl Field {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Uri, Self::Sni, Self::UserAgent, Self::Referer];

    /// The attribute of the policy language.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Uri => "match-uri-regex",
            Self::Sni => "match-sni-regex",
            Self::UserAgent => "match-user-agent-regex",
            Self::Referer => "match-referer-regex",
        }
    }

    /// What a rule asks of it.
    #[must_use]
    pub fn of(self, conditions: &Conditions) -> &[RegexPattern] {
        match self {
            Self::Uri => &conditions.uri_regexes,
            Self::Sni => &conditions.sni_regexes,
            Self::UserAgent => &conditions.user_agent_regexes,
            Self::Referer => &conditions.referer_regexes,
        }
    }

    /// What a rule asks of it, by itself or by the expressions of its lists.
    pub fn all_of(self, conditions: &Conditions) -> impl Iterator<Item = &RegexPattern> {
        let listed = match self {
            Self::Uri => conditions.list_expressions.as_slice(),
            Self::Sni | Self::UserAgent | Self::Referer => &[],
        };
        self.of(conditions).iter().chain(listed.iter().map(|expression| &expression.pattern))
    }

    /// Its place in [`Self::ALL`].
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Uri => 0,
            Self::Sni => 1,
            Self::UserAgent => 2,
            Self::Referer => 3,
        }
    }
}

/// What scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// Intel's library, and regex-automata for the patterns that it cannot take.
    Hyperscan,
    /// regex-automata alone.
    Regex,
}

impl Backend {
    /// The fastest one that this program was built with.
    #[must_use]
    pub const fn built_in() -> Self {
        match cfg!(feature = "hyperscan") {
            true => Self::Hyperscan,
            false => Self::Regex,
        }
    }

    /// The word of settings and tools.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hyperscan => "hyperscan",
            Self::Regex => "regex",
        }
    }
}

/// What a shard is to hold: patterns of one field, sorted, each once, at most [`SHARD_PATTERNS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShardPlan {
    field: Field,
    patterns: Vec<RegexPattern>,
}

impl ShardPlan {
    /// A plan of these patterns; for tests of what scans.
    pub(super) fn new(field: Field, mut patterns: Vec<RegexPattern>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        Self { field, patterns }
    }

    /// What it is compared with.
    #[must_use]
    pub const fn field(&self) -> Field {
        self.field
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[RegexPattern] {
        &self.patterns
    }

    /// The name of the compiled shard: it changes with the patterns, with the library and its version,
    /// with what the processor can do, and with the form of what is kept.
    #[must_use]
    pub fn key(&self, backend: Backend) -> Digest {
        let version = FORM_VERSION.to_be_bytes();
        let built = match backend {
            Backend::Hyperscan => library::fingerprint(),
            Backend::Regex => String::new(),
        };
        let front: [&[u8]; 5] = [
            b"enforcegate-shard",
            &version,
            backend.word().as_bytes(),
            built.as_bytes(),
            self.field.attribute().as_bytes(),
        ];
        let patterns = self.patterns.iter().map(|pattern| pattern.as_str().as_bytes());
        Digest::of_parts(front.into_iter().chain(patterns))
    }
}

/// A pattern that is looked up and not scanned for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoweredPattern {
    /// What it is compared with.
    pub(crate) field: Field,
    /// The pattern.
    pub(crate) pattern: RegexPattern,
    /// What it is.
    pub(crate) class: LoweredClass,
    /// What is looked up.
    pub(crate) form: Lowered,
}

/// What becomes of the patterns of a policy: each of them is in one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexPlan {
    /// What is scanned for, by field and then in order.
    pub shards: Vec<ShardPlan>,
    /// What is looked up, the same way.
    pub lowered: Vec<LoweredPattern>,
    /// How many are scanned for though they are nothing but literals, which may stand anywhere.
    pub literals: usize,
}

/// How many patterns are looked up, by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoweredCounts {
    /// [`LoweredClass::Domain`]
    pub domains: usize,
    /// [`LoweredClass::ExactHost`]
    pub exact_hosts: usize,
    /// [`LoweredClass::UriHost`]
    pub uri_hosts: usize,
    /// [`LoweredClass::Literal`]
    pub literals: usize,
}

impl LoweredCounts {
    /// All of them.
    #[must_use]
    pub const fn all(self) -> usize {
        let Self { domains, exact_hosts, uri_hosts, literals } = self;
        domains + exact_hosts + uri_hosts + literals
    }
}

impl RegexPlan {
    /// How many are looked up.
    #[must_use]
    pub fn counts(&self) -> LoweredCounts {
        let mut counts = LoweredCounts::default();
        for lowered in &self.lowered {
            *match lowered.class {
                LoweredClass::Domain => &mut counts.domains,
                LoweredClass::ExactHost => &mut counts.exact_hosts,
                LoweredClass::UriHost => &mut counts.uri_hosts,
                LoweredClass::Literal => &mut counts.literals,
            } += 1;
        }
        counts
    }
}

/// Whether patterns that can be looked up are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lowering {
    /// They are.
    On,
    /// All are scanned for: what the other is compared with.
    #[cfg(any(test, feature = "naive"))]
    Off,
}

impl CompiledPolicy {
    /// Where the patterns of all rules go.
    #[must_use]
    pub fn regexes(&self) -> RegexPlan {
        self.regexes_with(Lowering::On)
    }

    /// The same without lowering.
    #[cfg(any(test, feature = "naive"))]
    #[must_use]
    pub fn regexes_unlowered(&self) -> RegexPlan {
        self.regexes_with(Lowering::Off)
    }

    pub(crate) fn regexes_with(&self, lowering: Lowering) -> RegexPlan {
        let mut plan = RegexPlan { shards: Vec::new(), lowered: Vec::new(), literals: 0 };
        for field in Field::ALL {
            let mut scanned = Vec::new();
            for pattern in self.patterns(field).into_iter().cloned() {
                let form = match lowering {
                    Lowering::On => form(field, &pattern),
                    #[cfg(any(test, feature = "naive"))]
                    Lowering::Off => Form::Scanned,
                };
                match form {
                    Form::Lowered(class, form) => {
                        plan.lowered.push(LoweredPattern { field, pattern, class, form });
                    }
                    Form::Literals(_) => {
                        plan.literals += 1;
                        scanned.push(pattern);
                    }
                    Form::Scanned => scanned.push(pattern),
                }
            }
            plan.shards.extend(cut(field, scanned.into_iter()));
        }
        plan
    }

    /// The shards that the patterns of all rules make, by field and then in order, without those that
    /// are [looked up](RegexPlan::lowered).
    #[must_use]
    pub fn shards(&self) -> Vec<ShardPlan> {
        self.regexes().shards
    }

    /// The patterns of a field, sorted, each once.
    fn patterns(&self, field: Field) -> BTreeSet<&RegexPattern> {
        self.rules
            .iter()
            .flat_map(CheckedRule::asked)
            .flat_map(|asked| field.all_of(asked))
            .collect()
    }
}

/// Cuts sorted patterns into shards.
fn cut(field: Field, patterns: impl Iterator<Item = RegexPattern>) -> Vec<ShardPlan> {
    let mut plans = Vec::new();
    let mut open = Vec::new();
    for pattern in patterns {
        let may_end = xxh3_64(pattern.as_str().as_bytes()).is_multiple_of(CUT_EVERY);
        open.push(pattern);
        let ends = may_end && open.len() >= SHARD_PATTERNS_MIN;
        if ends || open.len() >= SHARD_PATTERNS_MAX {
            plans.push(ShardPlan { field, patterns: std::mem::take(&mut open) });
        }
    }
    if !open.is_empty() {
        plans.push(ShardPlan { field, patterns: open });
    }
    plans
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plans(numbers: impl Iterator<Item = u32>) -> Vec<ShardPlan> {
        let patterns: BTreeSet<RegexPattern> =
            numbers.map(|n| RegexPattern::parse(&format!("ads{n}x")).unwrap()).collect();
        cut(Field::Uri, patterns.into_iter())
    }

    #[test]
    fn shards_hold_every_pattern_once_and_keep_their_bounds() {
        for count in [0, 1, 383, 384, 1_000, 1_001, 5_000, 20_000] {
            let plans = plans(0..count);
            let all: Vec<&RegexPattern> = plans.iter().flat_map(ShardPlan::patterns).collect();
            assert_eq!(all.len(), count as usize);
            assert!(all.is_sorted());
            assert!(plans.iter().all(|plan| plan.patterns.len() <= SHARD_PATTERNS_MAX));
            let small = plans.iter().rev().skip(1);
            assert!(small.into_iter().all(|plan| plan.patterns.len() >= SHARD_PATTERNS_MIN));
        }
    }

    #[test]
    fn one_changed_pattern_changes_few_shards() {
        let keys = |plans: &[ShardPlan]| -> HashSet<Digest> {
            plans.iter().map(|plan| plan.key(Backend::Regex)).collect()
        };
        let before = plans(0..20_000);
        let known = keys(&before);
        let mut changed = Vec::new();
        for left_out in (0..20_000).step_by(997) {
            let after = plans((0..20_000).filter(|n| *n != left_out));
            changed.push(
                after.iter().filter(|plan| !known.contains(&plan.key(Backend::Regex))).count(),
            );
        }
        changed.sort_unstable();
        assert!(before.len() > 20);
        assert_eq!(changed.get(changed.len() / 2), Some(&1), "{changed:?}");
        assert!(changed.iter().sum::<usize>() <= 2 * changed.len(), "{changed:?}");
    }

    #[test]
    fn a_key_is_of_field_backend_and_patterns() {
        let plan = |field, texts: &[&str]| {
            let patterns = texts.iter().map(|text| RegexPattern::parse(text).unwrap());
            ShardPlan::new(field, patterns.collect())
        };
        let mut keys = HashSet::new();
        for (field, texts) in [
            (Field::Uri, &["ab", "c"][..]),
            (Field::Uri, &["a", "bc"]),
            (Field::Uri, &["ab"]),
            (Field::Sni, &["ab"]),
            (Field::UserAgent, &["ab"]),
            (Field::Referer, &["ab"]),
        ] {
            let plan = plan(field, texts);
            assert_eq!(plan.key(Backend::Regex), plan.clone().key(Backend::Regex));
            assert!(keys.insert(plan.key(Backend::Regex)), "{plan:?}");
            assert!(keys.insert(plan.key(Backend::Hyperscan)), "{plan:?}");
        }
    }
}
