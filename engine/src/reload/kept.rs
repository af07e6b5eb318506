//! The last good rules of shared files that were left out, so that a broken feed drops no denial.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use eg_policy::check::{AddressPattern, CheckedPolicy, CheckedRule, ListIndex, UserPattern};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::verdict::RuleId;

/// The machine-made part of a policy.
pub(super) struct Shared<'s> {
    /// The folder.
    pub(super) root: &'s Path,
    /// The operator's files, which may lie below it too.
    pub(super) own: HashSet<&'s str>,
}

impl Shared<'_> {
    /// The path below the folder, by which its files are ordered; `None` for an operator's file.
    fn below<'f>(&self, file: &'f str) -> Option<&'f str> {
        if self.own.contains(file) {
            return None;
        }
        Path::new(file).strip_prefix(self.root).ok()?.to_str()
    }

    /// Every shared file that `live` has rules from.
    pub(super) fn files_of(&self, live: &CompiledPolicy) -> Vec<String> {
        let mut files: Vec<String> = live
            .rules
            .iter()
            .filter(|rule| self.below(&rule.file).is_some())
            .map(|rule| rule.file.clone())
            .collect();
        files.dedup();
        files
    }
}

/// How many rules that stay out for their names are named, for each file.
const NAMES_SHOWN: usize = 10;

/// Puts the rules that `live` has from the files `left_out`, or from files below them where a link to
/// a folder was left out, where their files stand in load order, and renumbers all. A rule whose name
/// is taken now stays out, with a note.
pub(super) fn keep(
    checked: &mut CheckedPolicy,
    lists: &mut Vec<CompiledList>,
    live: &CompiledPolicy,
    (shared, left_out): (&Shared<'_>, &[String]),
    notes: &mut Vec<String>,
) {
    let mut names: HashMap<String, String> = HashMap::new();
    for rule in &checked.rules {
        names.insert(rule.name.clone(), rule.file.clone());
    }
    for file in left_out {
        let mut kept = 0;
        let mut taken = Vec::new();
        // A path is also below itself.
        for rule in live.rules.iter().filter(|rule| Path::new(&rule.file).starts_with(file)) {
            match names.entry(rule.name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(rule.file.clone());
                    checked.rules.push(moved(rule, live, lists));
                    kept += 1;
                }
                Entry::Occupied(other) => taken.push((rule.name.as_str(), other.get().clone())),
            }
        }
        if kept > 0 {
            notes.push(format!("the {kept} rule(s) that `{file}` had before stay live"));
        }
        notes.extend(lost_names(file, &taken));
    }
    // The lowest id wins, so a denial that moved behind a permit would be lost. The operator's rules
    // are first and `None` is the least; within a file the order stays, since the sort is stable.
    checked.rules.sort_by(|one, other| shared.below(&one.file).cmp(&shared.below(&other.file)));
    for (id, rule) in (1..).zip(&mut checked.rules) {
        rule.id = RuleId(id);
    }
}

/// What to say of the rules of a file that do not stay live, each with the file that has its name.
fn lost_names(file: &str, taken: &[(&str, String)]) -> Option<String> {
    let shown = taken.iter().take(NAMES_SHOWN);
    let shown: Vec<String> =
        shown.map(|(name, other)| format!("`{name}` (now in `{other}`)")).collect();
    let more = match taken.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!taken.is_empty()).then(|| {
        format!(
            "{} rule(s) that `{file}` had before are no longer live, since their names are taken: \
             {}{more}; rename one of each two",
            taken.len(),
            shown.join(", "),
        )
    })
}

/// A rule of another policy with its lists as positions in `lists`, which grows where needed.
fn moved(rule: &CheckedRule, from: &CompiledPolicy, lists: &mut Vec<CompiledList>) -> CheckedRule {
    let mut rule = rule.clone();
    for asked in [Some(&mut rule.conditions), rule.except.as_deref_mut()].into_iter().flatten() {
        for index in &mut asked.domain_lists {
            *index = position(*index, from, lists);
        }
        for expression in &mut asked.list_expressions {
            expression.list = position(expression.list, from, lists);
        }
        for pattern in asked.sources.iter_mut().chain(&mut asked.destinations) {
            match pattern {
                AddressPattern::List(index) => *index = position(*index, from, lists),
                AddressPattern::Range(_) | AddressPattern::Class(_) => {}
            }
        }
        for pattern in &mut asked.users {
            match pattern {
                UserPattern::List(index) => *index = position(*index, from, lists),
                UserPattern::Name(_) => {}
            }
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
