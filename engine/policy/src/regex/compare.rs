//! One scanner beside the other: what a shard says of a text, against patterns compiled one by one.
//!
//! Patterns that the shard found are compared, since a wrong one blocks; and a few of all the others, a
//! different few each time, since a missed one lets through. Memory is bounded: a handful of compiled
//! patterns lives for one comparison.

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};

use super::dialect::RegexPattern;
use super::plan::Field;
use super::scanner::{Hits, Memory, Reading, Scanned};
use crate::digest::Digest;
use crate::ruleset::Ruleset;

/// So many patterns are compared with a text that were not found in it.
const OTHERS: usize = 8;

/// So many are compared that were found.
const FOUND_MAX: usize = 8;

/// The most bytes of one compiled pattern.
const REGEX_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What one scanner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said {
    /// The pattern fits.
    Fits,
    /// It does not.
    FitsNot,
    /// It could not scan.
    Failed,
}

impl From<bool> for Said {
    fn from(fits: bool) -> Self {
        if fits { Self::Fits } else { Self::FitsNot }
    }
}

/// The scanners say different things of one pattern and one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What the text is.
    pub field: Field,
    /// The pattern.
    pub pattern: RegexPattern,
    /// What the ruleset's scanner says.
    pub shard: Said,
    /// What the pattern says that was compiled alone.
    pub alone: Said,
}

/// Compares, and remembers which patterns come next.
#[derive(Debug, Default)]
pub struct Comparer {
    /// By field: the next pattern that is compared.
    next: [usize; 4],
    memory: Memory,
    hits: Hits,
    /// The ruleset and the field that memory fits.
    fits: Option<(Digest, Field)>,
}

impl Comparer {
    /// Begins with the first patterns of every field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares what the scanner of `rules` says of a text with some patterns on their own.
    pub fn compare(&mut self, rules: &Ruleset, field: Field, text: &[u8]) -> Vec<Disagreement> {
        let table = rules.matcher.tables().regexes.of(field);
        if table.patterns().is_empty() {
            return Vec::new();
        }
        self.fit(rules, field);
        self.hits.clear();
        let scanned =
            table.scan(text, Reading::Whole, &mut self.memory, &mut self.hits, |part| part.local);
        let disagreement = |number: usize| {
            let pattern = table.patterns().get(number)?;
            let of_shard = match (scanned, u32::try_from(number).is_ok_and(|n| self.hits.has(n))) {
                (Scanned::Broken, _) => Said::Failed,
                (Scanned::Fully, fits) => fits.into(),
            };
            let alone = alone(pattern, text);
            let (shard, pattern) = (of_shard, pattern.clone());
            (shard != alone).then_some(Disagreement { field, pattern, shard, alone })
        };
        let found = self.hits.numbers().iter().take(FOUND_MAX).map(|number| *number as usize);
        let count = table.patterns().len();
        let first = self.next.get(field.place()).copied().unwrap_or(0);
        let others = (0..OTHERS.min(count)).map(|step| first.saturating_add(step) % count);
        let mut numbers: Vec<usize> = found.chain(others).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let disagreements = numbers.into_iter().filter_map(disagreement).collect();
        if let Some(next) = self.next.get_mut(field.place()) {
            *next = first.saturating_add(OTHERS) % count;
        }
        disagreements
    }

    /// Takes away what scanners need.
    #[cfg(test)]
    pub(crate) fn lose_memory(&mut self) {
        self.memory = Memory::default();
    }

    fn fit(&mut self, rules: &Ruleset, field: Field) {
        let wanted = Some((rules.digest(), field));
        if self.fits != wanted {
            let table = rules.matcher.tables().regexes.of(field);
            self.memory.fit(table.shards().iter().map(|part| &*part.shard));
            self.hits.fit(table.patterns().len());
            self.fits = wanted;
        }
    }
}

/// What a pattern says on its own: from its text, by another way than the shards take.
fn alone(pattern: &RegexPattern, text: &[u8]) -> Said {
    let config = Config::new().utf8_empty(false).nfa_size_limit(Some(REGEX_BYTES_MAX));
    let syntax = regex_automata::util::syntax::Config::new();
    let syntax = syntax.unicode(false).utf8(false).case_insensitive(true);
    let regex = Regex::builder().configure(config).syntax(syntax).build(pattern.as_str());
    match regex.map(|regex| regex.is_match(Input::new(text))) {
        Ok(fits) => fits.into(),
        Err(_) => Said::Failed,
    }
}
