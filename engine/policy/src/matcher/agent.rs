//! Texts that are part of a User-Agent (`match-user-agent`), in any case of ASCII letters: all texts of
//! a policy are searched in one pass over the header.

use aho_corasick::{AhoCorasick, BuildError, MatchKind};

/// Every distinct text of a policy.
#[derive(Debug, Default)]
pub(crate) struct AgentTable {
    /// Sorted; a text's number is its place.
    texts: Vec<String>,
    automaton: Option<AhoCorasick>,
}

/// The texts that one header holds.
#[derive(Debug, Default)]
pub(crate) struct AgentHits {
    /// Their numbers, in the order in which they were found.
    pub(crate) numbers: Vec<u32>,
    /// A bit for each text, so that one that is repeated is taken once.
    seen: Vec<u64>,
}

impl AgentHits {
    /// Makes room for so many texts, and forgets what it held.
    pub(crate) fn fit(&mut self, texts: usize) {
        self.numbers.clear();
        self.numbers.reserve(texts);
        self.seen.clear();
        self.seen.resize(texts.div_ceil(64), 0);
    }

    /// Forgets the request before.
    pub(crate) fn clear(&mut self) {
        for number in self.numbers.drain(..) {
            if let Some(word) = self.seen.get_mut(number as usize / 64) {
                *word = 0;
            }
        }
    }

    /// Whether one of `numbers` was found.
    pub(crate) fn any(&self, numbers: &[u32]) -> bool {
        numbers.iter().any(|number| {
            let word = self.seen.get(*number as usize / 64);
            word.is_some_and(|word| word & (1 << (number % 64)) != 0)
        })
    }

    fn add(&mut self, number: u32) {
        let Some(word) = self.seen.get_mut(number as usize / 64) else { return };
        let bit = 1 << (number % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.numbers.push(number);
        }
    }
}

impl AgentTable {
    /// The table of all `texts`, which are lower-case.
    ///
    /// # Errors
    ///
    /// They are too many or too long together.
    pub(crate) fn new(mut texts: Vec<&str>) -> Result<Self, BuildError> {
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return Ok(Self::default());
        }
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard);
        let automaton = Some(builder.build(&texts)?);
        Ok(Self { texts: texts.into_iter().map(str::to_owned).collect(), automaton })
    }

    /// How many texts there are.
    pub(crate) const fn len(&self) -> usize {
        self.texts.len()
    }

    /// The number of a text that the table was made with.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let place = self.texts.binary_search_by(|own| own.as_str().cmp(text)).ok()?;
        u32::try_from(place).ok()
    }

    /// Finds every text that is part of `header`.
    pub(crate) fn lookup(&self, header: &[u8], hits: &mut AgentHits) {
        let Some(automaton) = &self.automaton else { return };
        // The search for overlapping matches is refused only for other kinds of automata.
        let Ok(found) = automaton.try_find_overlapping_iter(header) else { return };
        for hit in found {
            hits.add(hit.pattern().as_u32());
        }
    }
}
