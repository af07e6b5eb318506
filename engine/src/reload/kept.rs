//! The last good rules of shared files that were left out, so that a broken feed drops no denial.

use std::collections::HashSet;

use eg_policy::check::{AddressPattern, CheckedPolicy, CheckedRule, ListIndex};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::verdict::RuleId;

/// Puts the rules that `live` has from the files `left_out` behind the rules of `checked`, which
/// renumbers them. A rule whose name is taken now stays out.
pub(super) fn keep(
    checked: &mut CheckedPolicy,
    lists: &mut Vec<CompiledList>,
    live: &CompiledPolicy,
    left_out: &[String],
    notes: &mut Vec<String>,
) {
    let mut names: HashSet<String> = checked.rules.iter().map(|rule| rule.name.clone()).collect();
    for file in left_out {
        let mut kept = 0;
        for rule in live.rules.iter().filter(|rule| rule.file == *file) {
            if names.insert(rule.name.clone()) {
                checked.rules.push(moved(rule, live, lists));
                kept += 1;
            }
        }
        if kept > 0 {
            notes.push(format!("the {kept} rule(s) that `{file}` had before stay live"));
        }
    }
    // Shared files come after the operator's; among themselves they keep the order of their paths
    // as far as the kept ones allow.
    for (id, rule) in (1..).zip(&mut checked.rules) {
        rule.id = RuleId(id);
    }
}

/// A rule of another policy with its lists as positions in `lists`, which grows where needed.
fn moved(rule: &CheckedRule, from: &CompiledPolicy, lists: &mut Vec<CompiledList>) -> CheckedRule {
    let mut rule = rule.clone();
    for index in &mut rule.conditions.domain_lists {
        *index = position(*index, from, lists);
    }
    let conditions = &mut rule.conditions;
    for pattern in conditions.sources.iter_mut().chain(&mut conditions.destinations) {
        match pattern {
            AddressPattern::List(index) => *index = position(*index, from, lists),
            AddressPattern::Range(_) | AddressPattern::Class(_) => {}
        }
    }
    rule
}

fn position(index: ListIndex, from: &CompiledPolicy, lists: &mut Vec<CompiledList>) -> ListIndex {
    // A position that does not exist is found out by the build.
    let nowhere = ListIndex(u32::MAX);
    let Some(list) = usize::try_from(index.0).ok().and_then(|index| from.lists.get(index)) else {
        return nowhere;
    };
    let known = lists.iter().position(|known| known.path == list.path && known.kind == list.kind);
    let position = known.unwrap_or_else(|| {
        lists.push(list.clone());
        lists.len() - 1
    });
    u32::try_from(position).map_or(nowhere, ListIndex)
}
