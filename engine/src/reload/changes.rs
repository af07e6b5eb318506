//! What a new policy has that the one before had not, by name: for receipts.

use std::collections::HashMap;

use eg_policy::check::{CheckedRule, Conditions, ListIndex, ListKind};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_proto::control::{Changes, Listed};

use super::kept;

/// Names of one kind that a receipt shows; a change of more is better looked at as a difference.
const NAMES_SHOWN: usize = 100;

/// What `after` has that `before` had not, and the other way round. Where nothing was before, all is new.
pub(super) fn changes(before: Option<&CompiledPolicy>, after: &CompiledPolicy) -> Changes {
    let Some(before) = before else {
        return Changes {
            added: listed(after.rules.iter().map(|rule| rule.name.as_str())),
            lists: listed(after.whole_lists().iter().map(|(list, _)| list.path.as_str())),
            ..Changes::default()
        };
    };
    let places: HashMap<&str, (usize, &CheckedRule)> =
        after.rules.iter().enumerate().map(|(at, rule)| (rule.name.as_str(), (at, rule))).collect();
    let comparer = Comparer::new(before, after);
    let (mut removed, mut changed, mut reordered) = (Vec::new(), Vec::new(), false);
    let mut last = None;
    for old in &before.rules {
        let Some((at, new)) = places.get(old.name.as_str()) else {
            removed.push(old.name.as_str());
            continue;
        };
        if !comparer.same(old, new) {
            changed.push(old.name.as_str());
        }
        reordered |= last.is_some_and(|last| last > *at);
        last = Some(*at);
    }
    let old_names: HashMap<&str, ()> =
        before.rules.iter().map(|rule| (rule.name.as_str(), ())).collect();
    let new = after.rules.iter().map(|rule| rule.name.as_str());
    Changes {
        added: listed(new.filter(|name| !old_names.contains_key(name))),
        removed: listed(removed.into_iter()),
        changed: listed(changed.into_iter()),
        reordered,
        lists: listed(changed_lists(before, after).into_iter()),
    }
}

/// The lists whose entries are others, that are new, or that are gone.
fn changed_lists<'p>(before: &'p CompiledPolicy, after: &'p CompiledPolicy) -> Vec<&'p str> {
    let by_path = |policy: &'p CompiledPolicy| -> HashMap<(&'p str, ListKind), &'p CompiledList> {
        policy.lists.iter().map(|list| ((list.path.as_str(), list.kind), list)).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let other = |list: &&CompiledList| {
        old.get(&(list.path.as_str(), list.kind)).is_none_or(|old| old.set != list.set)
    };
    let gone = |list: &&CompiledList| !new.contains_key(&(list.path.as_str(), list.kind));
    let mut paths: Vec<&str> = after
        .lists
        .iter()
        .filter(other)
        .chain(before.lists.iter().filter(gone))
        .map(|list| list.path.as_str())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

#[expect(single_use_lifetimes, reason = "an elided lifetime inside `impl Trait` is not stable")]
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> Listed {
    let mut listed = Listed::default();
    for name in names {
        listed.count += 1;
        if listed.names.len() < NAMES_SHOWN {
            listed.names.push(name.to_owned());
        }
    }
    listed
}

/// Whether a rule names this list, and not a part of one.
fn is_whole(policy: &CompiledPolicy, index: ListIndex) -> bool {
    policy.lists.get(index.0 as usize).is_none_or(|list| list.kind.is_whole())
}

/// Compares rules of two policies, whose tables of lists may have different orders.
struct Comparer<'p> {
    before: &'p CompiledPolicy,
    after: &'p CompiledPolicy,
    /// By position in the table before: the position of the same list now.
    now: Vec<Option<ListIndex>>,
    /// Whether every list stands where it stood.
    aligned: bool,
}

impl<'p> Comparer<'p> {
    fn new(before: &'p CompiledPolicy, after: &'p CompiledPolicy) -> Self {
        let positions: HashMap<(&str, ListKind), ListIndex> = (0..)
            .zip(&after.lists)
            .map(|(at, list)| ((list.path.as_str(), list.kind), ListIndex(at)))
            .collect();
        let now = before.lists.iter();
        let now: Vec<Option<ListIndex>> =
            now.map(|list| positions.get(&(list.path.as_str(), list.kind)).copied()).collect();
        let aligned = (0..).zip(&now).all(|(at, new)| *new == Some(ListIndex(at)));
        Self { before, after, now, aligned }
    }

    /// Whether both say the same, wherever they stand.
    fn same(&self, old: &CheckedRule, new: &CheckedRule) -> bool {
        // Each field by name, so that whoever adds one has to say here what it means.
        let CheckedRule {
            id: _,
            name: _,
            file: _,
            line: _,
            action,
            description,
            category,
            tls,
            conditions,
            except,
            validity,
            mode,
        } = old;
        let same = (action, description, category, tls, validity, mode)
            == (&new.action, &new.description, &new.category, &new.tls, &new.validity, &new.mode);
        // PERF: of many rules most are the same to the letter.
        if !same || (self.aligned && *conditions == new.conditions && *except == new.except) {
            return same;
        }
        match (except.as_deref(), new.except.as_deref()) {
            (None, None) => self.ask_the_same(conditions, &new.conditions),
            (Some(old), Some(now)) => {
                self.ask_the_same(conditions, &new.conditions) && self.ask_the_same(old, now)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether both ask the same. What a list has of URLs and expressions is the list's, not the rule's.
    fn ask_the_same(&self, old: &Conditions, new: &Conditions) -> bool {
        let (mut old, mut new) = (old.clone(), new.clone());
        old.domain_lists.retain(|index| is_whole(self.before, *index));
        new.domain_lists.retain(|index| is_whole(self.after, *index));
        old.list_expressions.clear();
        new.list_expressions.clear();
        kept::relist(&mut old, |index| {
            let now = self.now.get(index.0 as usize).copied().flatten();
            // A list that is gone is the same as none that is there.
            now.unwrap_or(ListIndex(u32::MAX))
        });
        old == new
    }
}

#[cfg(test)]
mod tests {
    use eg_policy::check::{AddressPattern, ListExpression, Mode, Validity};
    use eg_policy::digest::Digest;
    use eg_policy::moment::Moment;
    use eg_policy::regex::RegexPattern;
    use eg_policy::verdict::{Action, RuleId};

    use super::*;

    fn list(path: &str, set: &str) -> CompiledList {
        CompiledList {
            path: path.to_owned(),
            kind: ListKind::Domains,
            source: Digest::of(set.as_bytes()),
            set: Digest::of(set.as_bytes()),
            entries: 1,
        }
    }

    /// Rules with a name, an action's word and the position of a list.
    fn policy(rules: &[(&str, Action, u32)], lists: &[(&str, &str)]) -> CompiledPolicy {
        let rule = |(id, (name, action, list)): (u32, &(&str, Action, u32))| CheckedRule {
            id: RuleId(id),
            name: (*name).to_owned(),
            file: format!("{id}.policy"),
            line: id,
            action: *action,
            description: None,
            category: None,
            tls: None,
            conditions: Conditions {
                domain_lists: vec![ListIndex(*list)],
                sources: vec![AddressPattern::List(ListIndex(*list))],
                ..Conditions::default()
            },
            except: None,
            validity: Validity::ALWAYS,
            mode: Mode::Enforce,
        };
        CompiledPolicy {
            rules: (1..).zip(rules).map(rule).collect(),
            lists: lists.iter().map(|(path, set)| list(path, set)).collect(),
            default_action: Action::Permit,
        }
    }

    fn names(listed: &Listed) -> Vec<&str> {
        assert_eq!(listed.count, listed.names.len() as u64);
        listed.names.iter().map(String::as_str).collect()
    }

    #[test]
    fn rules_are_compared_by_what_they_say() {
        let deny = Action::Deny;
        let lists = [("x", "1"), ("y", "2")];
        let before = policy(&[("a", deny, 0), ("b", deny, 1), ("c", deny, 0)], &lists);
        // `a` stands lower, `b` names the same list at another position, `c` is another, `d` is new.
        let after = policy(
            &[("d", deny, 0), ("b", deny, 0), ("c", Action::Warn, 1), ("a", deny, 1)],
            &[("y", "2"), ("x", "1")],
        );
        let found = changes(Some(&before), &after);
        assert_eq!(names(&found.added), ["d"]);
        assert_eq!(names(&found.removed), [""; 0]);
        assert_eq!(names(&found.changed), ["c"]);
        assert!(found.reordered);
        assert_eq!(names(&found.lists), [""; 0]);
        let back = changes(Some(&after), &before);
        assert_eq!((names(&back.added), names(&back.removed)), (vec![], vec!["d"]));
        assert!(changes(Some(&after), &after).is_empty());
        // Another list at the same place.
        let other = policy(&[("a", deny, 0), ("b", deny, 1), ("c", deny, 1)], &lists);
        assert_eq!(names(&changes(Some(&before), &other).changed), ["c"]);
        // A rule that goes does not move the others.
        let fewer = policy(&[("a", deny, 0), ("c", deny, 0)], &lists);
        assert!(!changes(Some(&before), &fewer).reordered);
    }

    #[test]
    fn a_rule_is_all_that_it_says_but_not_what_its_lists_hold() {
        let before = policy(&[("a", Action::Deny, 0), ("b", Action::Deny, 1)], &[("x", "1")]);
        let check = |what: &str, change: &dyn Fn(&mut CheckedRule), expected: &[&str]| {
            let mut after = before.clone();
            after.lists.push(CompiledList { kind: ListKind::Urls, ..list("x", "2") });
            change(&mut after.rules[0]);
            assert_eq!(names(&changes(Some(&before), &after).changed), expected, "{what}");
        };
        let (a, none): (&[&str], &[&str]) = (&["a"], &[]);
        let pattern = RegexPattern::parse("ads[0-9]").unwrap();
        let expression = ListExpression { list: ListIndex(1), pattern };
        let except = || Some(Box::new(Conditions::default()));
        check("nothing", &|_| {}, none);
        check("mode", &|rule| rule.mode = Mode::Monitor, a);
        check("validity", &|rule| rule.validity.until = Some(Moment::from_unix_micros(1)), a);
        check("an exception", &|rule| rule.except = except(), a);
        check("method", &|rule| rule.conditions.methods.push("GET".to_owned()), a);
        check("URLs", &|rule| rule.conditions.domain_lists.push(ListIndex(1)), none);
        let more = |rule: &mut CheckedRule| {
            rule.conditions.list_expressions.push(expression.clone());
        };
        check("expressions", &more, none);
        let both = |rule: &mut CheckedRule| {
            more(rule);
            rule.conditions.domain_lists.clear();
        };
        check("expressions, and the list is gone", &both, a);
    }

    #[test]
    fn lists_are_compared_by_their_entries() {
        let before = policy(&[], &[("same", "1"), ("other", "2"), ("gone", "3")]);
        let after = policy(&[], &[("new", "4"), ("other", "5"), ("same", "1")]);
        let found = changes(Some(&before), &after);
        assert_eq!(names(&found.lists), ["gone", "new", "other"]);
    }

    #[test]
    fn the_first_policy_is_all_new_and_long_lists_are_cut() {
        let many: Vec<String> = (0..300).map(|at| format!("r{at}")).collect();
        let rules: Vec<_> = many.iter().map(|name| (name.as_str(), Action::Deny, 0)).collect();
        let found = changes(None, &policy(&rules, &[("x", "1")]));
        assert_eq!((found.added.count, found.added.names.len()), (300, NAMES_SHOWN));
        assert_eq!(names(&found.lists), ["x"]);
    }
}
