//! `egpolicy lint`: what is allowed and probably not meant.

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::explain::InspectWord;
use eg_policy::lint::{Inspect, LintInput, ListSet, lint as look};
use eg_policy::moment::Moment;

use super::policy::{Entries, Policy};

/// What was found.
#[derive(Debug)]
pub struct LintFound {
    /// What a check says, and what lint says; where there is an error only the first.
    pub diagnostics: Vec<Diagnostic>,
    /// What was left out for a bound, in sentences.
    pub unfinished: Vec<String>,
    /// How many rules were looked at.
    pub rules: usize,
}

impl LintFound {
    /// How many there are of this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|fault| fault.severity == severity).count()
    }
}

/// Looks at a policy.
#[must_use]
pub fn lint(policy: &Policy, inspect: Option<InspectWord>, now: Moment) -> LintFound {
    let mut diagnostics = policy.diagnostics.clone();
    let rules = policy.checked.rules.len();
    if policy.count(Severity::Error) > 0 {
        let unfinished = vec!["the policy has errors, so only those are told".to_owned()];
        return LintFound { diagnostics, unfinished, rules };
    }
    let lists: Vec<ListSet<'_>> = policy
        .lists
        .iter()
        .map(|entries| match entries {
            Entries::Names(names) => ListSet::Names(names),
            Entries::Addresses(addresses) => ListSet::Addresses(addresses),
            Entries::Users(users) => ListSet::Users(users),
            Entries::Urls(urls) => ListSet::Urls(urls),
            // They are compared where rules have them.
            Entries::Expressions(_) | Entries::Unread => ListSet::Unread,
        })
        .collect();
    let inspect = match inspect {
        None => Inspect::Unsaid,
        Some(InspectWord::Off) => Inspect::Off,
        Some(InspectWord::Peek) => Inspect::Peek,
        Some(InspectWord::Bump) => Inspect::Bump,
    };
    let (files, checked) = (&policy.files, &policy.checked);
    let found = look(&LintInput { files, policy: checked, lists: &lists, inspect, now });
    diagnostics.extend(found.diagnostics);
    LintFound { diagnostics, unfinished: found.unfinished, rules }
}
