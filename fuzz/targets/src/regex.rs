//! Regular expressions: any text is a pattern or a fault, what is a pattern is compiled, kept and read
//! back, and the shard says of any bytes what the pattern says alone. The scanner is `regex-automata`;
//! Hyperscan is held against it by a test of its own.

use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::Conditions;
use eg_policy::matcher::{DomainIndex, write_index};
use eg_policy::regex::{Backend, Comparer, Field, RegexPattern, Shard, ShardPlan};

use crate::rules;

/// What stands between patterns, and between them and the text; no UTF-8 holds it.
const BETWEEN: u8 = 0xff;
/// Patterns of an input.
const PATTERNS_MAX: usize = 4;

pub(crate) fn run(bytes: &[u8]) {
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == BETWEEN).collect();
    let text = parts.pop().unwrap_or_default();
    let patterns: Vec<RegexPattern> = parts
        .iter()
        .take(PATTERNS_MAX)
        .filter_map(|part| RegexPattern::parse(std::str::from_utf8(part).ok()?).ok())
        .collect();
    if patterns.is_empty() {
        return;
    }
    for pattern in &patterns {
        assert_eq!(RegexPattern::parse(pattern.as_str()).as_ref(), Ok(pattern));
    }
    let conditions = Conditions { user_agent_regexes: patterns, ..Conditions::default() };
    let policy = rules::policy(conditions, Vec::new());
    let mut regexes = Vec::new();
    for plan in policy.shards() {
        // Too large together is a fault with a name.
        let Ok(shard) = Shard::compile(&plan, Backend::Regex) else { return };
        regexes.push(Arc::new(kept(&plan, &shard)));
    }
    let index = DomainIndex::open(write_index(&[], 11));
    assert!(index.is_ok(), "an empty index does not open");
    let Ok(index) = index.map(Arc::new) else { return };
    let ruleset = build(
        &policy,
        Loaded {
            index,
            addresses: Vec::new(),
            regexes,
            users: Vec::new(),
            zone: eg_policy::zone::Zone::utc(),
        },
    );
    assert!(ruleset.is_ok(), "no ruleset: {:?}", ruleset.as_ref().err());
    let Ok(ruleset) = ruleset else { return };
    let found = Comparer::new().compare(&ruleset, Field::UserAgent, text);
    assert!(found.is_empty(), "{found:?}");
}

/// The shard as it comes back from its bytes.
fn kept(plan: &ShardPlan, shard: &Shard) -> Shard {
    let bytes = shard.to_bytes();
    assert!(bytes.is_ok(), "a shard has no bytes");
    let again = Shard::from_bytes(plan, Backend::Regex, &bytes.unwrap_or_default());
    match again {
        Ok(again) => again,
        Err(fault) => unreadable(&fault),
    }
}

#[expect(clippy::panic, reason = "it is how a target says that something does not hold")]
fn unreadable(fault: &eg_policy::regex::ShardFault) -> ! {
    panic!("a shard of ours cannot be read back: {fault}");
}
