//! Which lists hold the names that rules name: every list is walked once, whatever the number of rules.

use std::collections::HashMap;

use super::ground::LintInput;
use crate::check::{Conditions, DomainPattern, ListIndex, Scope};
use crate::lists::NameList;
use crate::uri::Parents;

/// The names that rules name, and their parents, with the lists that hold each.
#[derive(Debug, Default)]
pub(super) struct Listed<'p> {
    names: HashMap<&'p str, Vec<(ListIndex, Scope)>>,
}

impl<'p> Listed<'p> {
    pub(super) fn new(input: &LintInput<'p>) -> Self {
        let mut names: HashMap<&'p str, Vec<_>> = HashMap::new();
        for rule in &input.policy.rules {
            let asked = &rule.conditions;
            let domains = asked.domains.iter().map(|own| own.name.as_str());
            let hosts = asked.uri.iter().map(crate::uri::UriPrefix::host);
            for name in domains.chain(hosts).flat_map(parents) {
                names.entry(name).or_default();
            }
        }
        if !names.is_empty() {
            for list in (0..).map(ListIndex).take(input.lists.len()) {
                for (name, scope) in input.names(list).into_iter().flat_map(NameList::iter) {
                    if let Some(lists) = names.get_mut(name) {
                        lists.push((list, scope));
                    }
                }
            }
        }
        Self { names }
    }

    /// The lists that hold this very name.
    pub(super) fn of(&self, name: &str) -> &[(ListIndex, Scope)] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a list covers all that `scope` of a name means.
    pub(super) fn covers(&self, list: ListIndex, name: &str, scope: Scope) -> bool {
        let here = self
            .of(name)
            .iter()
            .any(|(own, reach)| *own == list && (*reach == Scope::Tree || scope == Scope::Host));
        here || parents(name).skip(1).any(|parent| self.of(parent).contains(&(list, Scope::Tree)))
    }
}

/// A name and its parents. The text of an address has what looks like parents; no list and no rule holds
/// such a name.
pub(super) fn parents(name: &str) -> Parents<'_> {
    Parents::of(name)
}

/// Whether the names that a rule writes itself cover all that `scope` of a name means.
pub(super) fn own_covers(own: &OwnNames<'_>, name: &str, scope: Scope) -> bool {
    let reach = |name: &str| own.0.get(name).copied();
    let here = reach(name).is_some_and(|reach| reach == Scope::Tree || scope == Scope::Host);
    here || parents(name).skip(1).any(|parent| reach(parent) == Some(Scope::Tree))
}

/// Names of a rule to how far each reaches; of two the wider.
#[derive(Debug, Default)]
pub(super) struct OwnNames<'p>(HashMap<&'p str, Scope>);

impl<'p> OwnNames<'p> {
    pub(super) fn new(patterns: impl Iterator<Item = &'p DomainPattern>) -> Self {
        let mut names = HashMap::new();
        for DomainPattern { name, scope } in patterns {
            let reach = names.entry(name.as_str()).or_insert(*scope);
            if *scope == Scope::Tree {
                *reach = Scope::Tree;
            }
        }
        Self(names)
    }

    /// The names of `match-domain`.
    pub(super) fn domains(asked: &'p Conditions) -> Self {
        Self::new(asked.domains.iter())
    }

    /// The names of `match-sni`.
    pub(super) fn sni(asked: &'p Conditions) -> Self {
        Self::new(asked.sni.iter().filter_map(crate::check::SniPattern::name))
    }
}
