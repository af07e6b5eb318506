//! regex-automata: the expressions that Hyperscan does not take, in linear time; every one of them where
//! there is no Hyperscan, or where it failed.

use regex_automata::meta::{Cache, Config, Regex};
use regex_automata::{Input, MatchKind, PatternSet};
use regex_syntax::hir::Hir;

use super::scanner::{PatternScanner, ScanFault, Tools};

/// The most bytes of the automaton of one shard: a thousand patterns that are each as large as one may
/// be together do not get this far before they are refused.
const NFA_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a thread keeps of the states that texts have led to.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Expressions as one automaton.
#[derive(Debug)]
pub(super) struct Scanner {
    regex: Regex,
    /// The number of each expression.
    numbers: Vec<u32>,
}

/// What a thread scans with.
#[derive(Debug)]
pub(super) struct Scratch {
    cache: Cache,
    found: PatternSet,
}

/// The expressions are too large together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AutomataFault(pub(super) String);

impl Scanner {
    /// Compiles expressions, each with its number.
    pub(super) fn compile(expressions: &[(u32, Hir)]) -> Result<Self, AutomataFault> {
        let config = Config::new()
            .match_kind(MatchKind::All)
            .utf8_empty(false)
            .nfa_size_limit(Some(NFA_BYTES_MAX))
            .hybrid_cache_capacity(CACHE_BYTES);
        let trees: Vec<&Hir> = expressions.iter().map(|(_, tree)| tree).collect();
        let regex = Regex::builder().configure(config).build_many_from_hir(&trees);
        let regex = regex.map_err(|fault| AutomataFault(fault.to_string()))?;
        Ok(Self { regex, numbers: expressions.iter().map(|(number, _)| *number).collect() })
    }

    /// What a thread scans with.
    pub(super) fn scratch(&self) -> Scratch {
        let found = PatternSet::new(self.regex.pattern_len());
        Scratch { cache: self.regex.create_cache(), found }
    }

    /// Scans with memory of the caller's.
    pub(super) fn scan_with(&self, text: &[u8], scratch: &mut Scratch, found: &mut dyn FnMut(u32)) {
        scratch.found.clear();
        let input = Input::new(text);
        self.regex.which_overlapping_matches_with(&mut scratch.cache, &input, &mut scratch.found);
        for place in scratch.found.iter() {
            if let Some(number) = self.numbers.get(place.as_usize()) {
                found(*number);
            }
        }
    }

    /// How many bytes the automaton has in memory.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage()
    }
}

impl PatternScanner for Scanner {
    fn fit(&self, slot: usize, tools: &mut Tools) {
        if let Some(place) = tools.automata.get_mut(slot) {
            *place = Some(self.scratch());
        }
    }

    fn scan(
        &self,
        slot: usize,
        text: &[u8],
        tools: &mut Tools,
        found: &mut dyn FnMut(u32),
    ) -> Result<(), ScanFault> {
        let scratch = tools.automata.get_mut(slot).and_then(Option::as_mut).ok_or(ScanFault)?;
        self.scan_with(text, scratch, found);
        Ok(())
    }
}
