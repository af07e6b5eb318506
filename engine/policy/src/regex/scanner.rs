//! What every scanner of patterns does, and the memory that a thread scans with.

use std::fmt;

use super::automata;
use super::intel;
use super::lowered::Turned;
use super::shard::Shard;

/// Bytes behind a text that belong to it: Hyperscan reads past the end of what it is given
/// (intel/hyperscan#457), by up to one vector of 64 bytes.
const SLACK: usize = 64;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is all there is.
    Whole,
    /// More will follow that is not known; only matches count that nothing can undo.
    Open,
}

/// What became of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scanned {
    /// What was found is all that fits.
    #[default]
    Fully,
    /// No scanner could answer: what fits is not known.
    Broken,
}

/// A scanner could not go through a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScanFault;

/// Scans a text for all of its expressions at once.
pub(super) trait PatternScanner: fmt::Debug + Send + Sync {
    /// Makes room in what a thread scans with. Where there is no memory, scans will fail.
    fn fit(&self, slot: usize, tools: &mut Tools);

    /// Gives the number of every expression that fits somewhere in `text` to `found`. `found` neither
    /// allocates nor panics: it may be called from C.
    ///
    /// # Errors
    ///
    /// The library refuses; what was given until then is no answer.
    fn scan(
        &self,
        slot: usize,
        text: &[u8],
        tools: &mut Tools,
        found: &mut dyn FnMut(u32),
    ) -> Result<(), ScanFault>;
}

/// What scanners need of a thread.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// One for all databases.
    pub(super) intel: intel::Scratch,
    /// By the number of the shard.
    pub(super) automata: Vec<Option<automata::Scratch>>,
}

/// What a thread scans with.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The text, and [`SLACK`] behind it.
    text: Vec<u8>,
    length: usize,
    tools: Tools,
    turned: Turned,
}

impl Memory {
    /// Makes it fit these shards; the number of each is its slot.
    pub(crate) fn fit<'s, S: Iterator<Item = &'s Shard>>(&mut self, shards: S) {
        self.tools.automata.clear();
        for (slot, shard) in shards.enumerate() {
            self.tools.automata.push(None);
            shard.fit(slot, &mut self.tools);
        }
    }

    /// Takes the text that the next scans go through.
    pub(crate) fn hold(&mut self, text: &[u8]) {
        self.length = text.len();
        self.text.clear();
        self.text.extend_from_slice(text);
        self.text.resize(text.len().saturating_add(SLACK), 0);
    }

    /// What a text is turned into where patterns are looked up.
    pub(crate) const fn turned(&mut self) -> &mut Turned {
        &mut self.turned
    }

    /// Scans the text that is held; `base` is the number of the shard's first pattern.
    pub(crate) fn scan(
        &mut self,
        shard: &Shard,
        slot: usize,
        base: u32,
        reading: Reading,
        hits: &mut Hits,
    ) -> Scanned {
        let text = self.text.get(..self.length).unwrap_or_default();
        shard.scan(slot, text, &mut self.tools, &mut |pattern, of| {
            if of.counts(reading) {
                hits.add(base.saturating_add(pattern));
            }
        })
    }
}

/// In which reading an expression counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// In both.
    Always,
    /// Where the text is all there is.
    Whole,
    /// Where more will follow.
    Open,
}

impl Counts {
    const fn counts(self, reading: Reading) -> bool {
        match (self, reading) {
            (Self::Always, _) => true,
            (Self::Whole, Reading::Whole) | (Self::Open, Reading::Open) => true,
            (Self::Whole, Reading::Open) | (Self::Open, Reading::Whole) => false,
        }
    }
}

/// The patterns that a text holds, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// In the order in which they were found.
    numbers: Vec<u32>,
    /// A bit for each pattern.
    seen: Vec<u64>,
}

impl Hits {
    /// Makes room for so many patterns, and forgets what it held.
    pub(crate) fn fit(&mut self, patterns: usize) {
        self.numbers.clear();
        self.numbers.reserve(patterns);
        self.seen.clear();
        self.seen.resize(patterns.div_ceil(64), 0);
    }

    /// Forgets the text before.
    pub(crate) fn clear(&mut self) {
        for number in self.numbers.drain(..) {
            if let Some(word) = self.seen.get_mut(number as usize / 64) {
                *word = 0;
            }
        }
    }

    /// The numbers that were found, each once.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Whether one of `numbers` was found.
    pub(crate) fn any(&self, numbers: &[u32]) -> bool {
        numbers.iter().any(|number| self.has(*number))
    }

    /// Whether `number` was found.
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.seen.get(number as usize / 64);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Adds a number; there is room for every one, so this never allocates.
    pub(crate) fn add(&mut self, number: u32) {
        let Some(word) = self.seen.get_mut(number as usize / 64) else { return };
        let bit = 1 << (number % 64);
        if *word & bit == 0 && self.numbers.len() < self.numbers.capacity() {
            *word |= bit;
            self.numbers.push(number);
        }
    }
}
