//! Who would scan for each regex of a policy: Hyperscan, or the slower scanner that takes the rest.

use std::collections::HashSet;

use eg_policy::check::CheckedPolicy;
use eg_policy::compile::compile;
use eg_policy::regex::{
    Backend, Field, LoweredCounts, Placed, RegexPattern, ShardFault, compile_all,
};
use eg_policy::verdict::Action;

/// The regexes of a policy.
#[derive(Debug, Default)]
pub struct RegexSummary {
    /// How many patterns there are, each counted once for each attribute.
    pub patterns: usize,
    /// Those that are something simpler in disguise, for which nothing is scanned.
    pub lowered: LoweredCounts,
    /// Those of the others that are nothing but literals.
    pub literals: usize,
    /// Those with Hyperscan.
    pub scanned: usize,
    /// Those with the slower scanner, where rules have them.
    pub fallback: Vec<FallbackRegex>,
}

/// A regex of a rule that Hyperscan does not take.
#[derive(Debug)]
pub struct FallbackRegex {
    /// The policy file.
    pub file: String,
    /// The line of the rule's name.
    pub line: u32,
    /// The rule.
    pub rule: String,
    /// The attribute.
    pub attribute: &'static str,
    /// The regex.
    pub pattern: String,
}

/// Compiles the regexes of a policy as an engine would, and forgets them.
///
/// # Errors
///
/// [`ShardFault`] where no scanner takes one.
pub(super) fn regexes(policy: CheckedPolicy) -> Result<RegexSummary, ShardFault> {
    // Neither the default action nor the entries of lists have a part in it.
    let policy = compile(policy, Action::Deny, Vec::new());
    let shards = compile_all(&policy, Backend::built_in())?;
    let plan = policy.regexes();
    let mut summary = RegexSummary {
        patterns: plan.lowered.len(),
        lowered: plan.counts(),
        literals: plan.literals,
        ..RegexSummary::default()
    };
    let mut slower: HashSet<(Field, &RegexPattern)> = HashSet::new();
    for shard in &shards {
        for (pattern, placed) in shard.placed() {
            summary.patterns += 1;
            match placed {
                Placed::Hyperscan => summary.scanned += 1,
                Placed::Fallback => drop(slower.insert((shard.field(), pattern))),
            }
        }
    }
    for rule in &policy.rules {
        for (asked, listed) in rule.asked().zip(["match-domain-list", "except-domain-list"]) {
            let own = Field::ALL.into_iter().flat_map(|field| {
                let attribute = match listed {
                    "match-domain-list" => field.attribute(),
                    _ => exception(field),
                };
                field.of(asked).iter().map(move |pattern| (field, attribute, pattern))
            });
            let expressions = asked.list_expressions.iter();
            let expressions = expressions.map(|own| (Field::Uri, listed, &own.pattern));
            let slow = own.chain(expressions);
            let slow = slow.filter(|(field, _, pattern)| slower.contains(&(*field, *pattern)));
            summary.fallback.extend(slow.map(|(_, attribute, pattern)| FallbackRegex {
                file: rule.file.clone(),
                line: rule.line,
                rule: rule.name.clone(),
                attribute,
                pattern: pattern.as_str().to_owned(),
            }));
        }
    }
    Ok(summary)
}

/// The attribute that excepts what a field has.
const fn exception(field: Field) -> &'static str {
    match field {
        Field::Uri => "except-uri-regex",
        Field::Sni => "except-sni-regex",
        Field::UserAgent => "except-user-agent-regex",
        Field::Referer => "except-referer-regex",
    }
}
