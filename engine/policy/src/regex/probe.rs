//! One shard, or all patterns of a field, asked about one text, for whoever compares what scanners say.

use super::dialect::RegexPattern;
use super::plan::Field;
use super::scanner::{Hits, Memory, Reading, Scanned};
use super::shard::Shard;
use crate::matcher::FieldTable;
use crate::ruleset::Ruleset;

/// A shard and the memory to scan with it.
#[derive(Debug)]
pub struct Probe<'s> {
    shard: &'s Shard,
    memory: Memory,
    hits: Hits,
}

impl<'s> Probe<'s> {
    /// Takes a shard.
    #[must_use]
    pub fn new(shard: &'s Shard) -> Self {
        let (mut memory, mut hits) = (Memory::default(), Hits::default());
        memory.fit(std::iter::once(shard));
        hits.fit(shard.plan().patterns().len());
        Self { shard, memory, hits }
    }

    /// The patterns that fit `text`, in their order; `None` where no scanner could answer.
    pub fn fitting(&mut self, text: &[u8]) -> Option<Vec<&'s RegexPattern>> {
        self.scan(text, Reading::Whole)
    }

    /// The patterns that fit every text that begins with `text`, as far as the shard can tell; `None`
    /// where no scanner could answer.
    pub fn lasting(&mut self, text: &[u8]) -> Option<Vec<&'s RegexPattern>> {
        self.scan(text, Reading::Open)
    }

    fn scan(&mut self, text: &[u8], reading: Reading) -> Option<Vec<&'s RegexPattern>> {
        self.hits.clear();
        self.memory.hold(text);
        match self.memory.scan(self.shard, 0, 0, reading, &mut self.hits) {
            Scanned::Broken => None,
            Scanned::Fully => {
                let patterns = self.shard.plan().patterns().iter().zip(0..);
                let fits = patterns.filter(|(_, number)| self.hits.has(*number));
                Some(fits.map(|(pattern, _)| pattern).collect())
            }
        }
    }
}

/// The patterns of one field of a ruleset, scanned for and looked up, and the memory for it.
#[derive(Debug)]
pub struct FieldProbe<'r> {
    table: &'r FieldTable,
    memory: Memory,
    hits: Hits,
}

impl<'r> FieldProbe<'r> {
    /// Takes the patterns of a field.
    #[must_use]
    pub fn new(rules: &'r Ruleset, field: Field) -> Self {
        let table = rules.matcher.tables().regexes.of(field);
        let (mut memory, mut hits) = (Memory::default(), Hits::default());
        memory.fit(table.shards().iter().map(|part| &*part.shard));
        hits.fit(table.patterns().len());
        Self { table, memory, hits }
    }

    /// How many patterns fit `text`; `None` where no scanner could answer.
    pub fn count(&mut self, text: &[u8]) -> Option<usize> {
        let Self { table, memory, hits } = self;
        hits.clear();
        match table.scan(text, Reading::Whole, memory, hits, |part| part.local) {
            Scanned::Broken => None,
            Scanned::Fully => Some(hits.numbers().len()),
        }
    }
}
