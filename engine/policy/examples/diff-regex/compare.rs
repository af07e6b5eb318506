//! One set before the scanners: every pattern and every input, with an answer that was worked out apart
//! from them.
//!
//! INVARIANT: what is expected comes from the text of the expression by regex-automata's own parser, one
//! expression at a time; nothing of the dialect, of shards or of their scanners has a part in it.

use std::collections::HashMap;

use eg_policy::check::{CheckedPolicy, CheckedRule, Conditions};
use eg_policy::compile::compile;
use eg_policy::regex::{Backend, Field, Placed, Probe, RegexPattern, Shard, ShardPlan};
use eg_policy::verdict::{Action, RuleId};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use crate::generate::Set;

/// What is known of the URI of a tunnel ends with the slash behind its authority.
const KNOWN_ENDS: &[u8] = b"/";

/// What may follow it.
const SUFFIXES: &[&[u8]] = &[b"/", b"a", b"0", b".com/", b"?q=1", b"\xff", b"/ads/banner.js"];

/// What came out of one set, or of many.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Sets.
    pub(crate) sets: u64,
    /// Expressions that were compared.
    pub(crate) patterns: u64,
    /// Expressions that the dialect refuses.
    pub(crate) refused: u64,
    /// Expressions that Hyperscan does not take.
    pub(crate) fallback: u64,
    /// Patterns that fitted the known front of a text whatever followed.
    pub(crate) lasting: u64,
    /// Pairs of an expression and an input, for each scanner.
    pub(crate) pairs: u64,
    /// Pairs that fit, as they should.
    pub(crate) fits: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sets += other.sets;
        self.patterns += other.patterns;
        self.refused += other.refused;
        self.fallback += other.fallback;
        self.lasting += other.lasting;
        self.pairs += other.pairs;
        self.fits += other.fits;
    }
}

/// A wrong answer, with all that it takes to see it again.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// What was asked and what came.
    pub(crate) what: String,
}

/// What is right: each expression in an engine of its own.
struct Twin(HashMap<String, Regex>);

impl Twin {
    fn new(patterns: &[RegexPattern]) -> Result<Self, Wrong> {
        let read = |pattern: &RegexPattern| {
            let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
            let text = pattern.as_str();
            let meta = Regex::config().utf8_empty(false);
            let built = Regex::builder().configure(meta).syntax(syntax).build(text);
            match built {
                Ok(regex) => Ok((text.to_owned(), regex)),
                Err(fault) => {
                    Err(Wrong { what: format!("the twin does not take `{text}`: {fault}") })
                }
            }
        };
        patterns.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn fits(&self, pattern: &RegexPattern, text: &[u8]) -> bool {
        self.0.get(pattern.as_str()).is_some_and(|regex| regex.is_match(text))
    }
}

/// Compares one set.
///
/// # Errors
///
/// The first wrong answer, or why there is none.
pub(crate) fn compare(set: &Set) -> Result<Tally, Wrong> {
    let mut tally = Tally { sets: 1, ..Tally::default() };
    let mut patterns: Vec<RegexPattern> = Vec::new();
    for text in &set.expressions {
        match RegexPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(_) => tally.refused += 1,
        }
    }
    let twin = Twin::new(&patterns)?;
    for plan in plans(patterns) {
        for backend in [Backend::Hyperscan, Backend::Regex] {
            let shard = shard(&plan, backend)?;
            compare_shard(&shard, &twin, &set.inputs, &mut tally)?;
        }
        tally.patterns += plan.patterns().len() as u64;
    }
    Ok(tally)
}

/// The shards of a policy of one rule with these patterns.
fn plans(patterns: Vec<RegexPattern>) -> Vec<ShardPlan> {
    let rule = CheckedRule {
        id: RuleId(1),
        name: "a".to_owned(),
        file: "a.policy".to_owned(),
        line: 1,
        action: Action::Deny,
        description: None,
        category: None,
        tls: None,
        conditions: Conditions { uri_regexes: patterns, ..Conditions::default() },
        except: None,
        validity: Default::default(),
        mode: Default::default(),
    };
    let policy = CheckedPolicy { rules: vec![rule], lists: Vec::new() };
    compile(policy, Action::Permit, Vec::new()).shards()
}

/// A shard as the engine has it after a start: out of the bytes that were kept.
fn shard(plan: &ShardPlan, backend: Backend) -> Result<Shard, Wrong> {
    let made = Shard::compile(plan, backend).and_then(|shard| {
        let bytes = shard.to_bytes()?;
        Shard::from_bytes(plan, backend, &bytes)
    });
    made.map_err(|fault| Wrong {
        what: format!("no shard for {backend:?} from {:?}: {fault}", plan.patterns()),
    })
}

fn compare_shard(
    shard: &Shard,
    twin: &Twin,
    inputs: &[Vec<u8>],
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let backend = shard.backend();
    let placed: Vec<(&RegexPattern, Placed)> = shard.placed().collect();
    if backend == Backend::Hyperscan {
        let fallback = placed.iter().filter(|(_, placed)| *placed == Placed::Fallback);
        tally.fallback += fallback.count() as u64;
    }
    let mut probe = Probe::new(shard);
    for input in inputs {
        let broken = || Wrong { what: format!("{backend:?} cannot scan {}", shown(input)) };
        let found = probe.fitting(input).ok_or_else(broken)?;
        let known = [input.as_slice(), KNOWN_ENDS].concat();
        let lasting = probe.lasting(&known).ok_or_else(broken)?;
        for (pattern, place) in &placed {
            let expected = twin.fits(pattern, input);
            let got = found.contains(pattern);
            tally.pairs += 1;
            tally.fits += u64::from(expected);
            if expected != got {
                return Err(Wrong {
                    what: format!(
                        "{backend:?} ({place:?}) says {got} and the twin {expected} of {} in {}",
                        pattern.as_str(),
                        shown(input)
                    ),
                });
            }
        }
        tally.lasting += lasting.len() as u64;
        check_lasting(shard.field(), twin, &lasting, &known)
            .map_err(|what| Wrong { what: format!("{backend:?} {what}") })?;
    }
    Ok(())
}

/// Whatever is said to last fits with every suffix.
fn check_lasting(
    field: Field,
    twin: &Twin,
    lasting: &[&RegexPattern],
    known: &[u8],
) -> Result<(), String> {
    for pattern in lasting {
        for suffix in std::iter::once(&b""[..]).chain(SUFFIXES.iter().copied()) {
            let text = [known, suffix].concat();
            if !twin.fits(pattern, &text) {
                let (pattern, attribute) = (pattern.as_str(), field.attribute());
                let (known, text) = (shown(known), shown(&text));
                return Err(format!(
                    "says that {pattern} ({attribute}) fits whatever follows {known}, but not {text}"
                ));
            }
        }
    }
    Ok(())
}

/// A text of bytes as a literal.
fn shown(text: &[u8]) -> String {
    format!("b\"{}\"", text.escape_ascii())
}
