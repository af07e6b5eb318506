//! What a reload did, for whoever asked for it.

use std::collections::HashMap;
use std::time::Duration;

use eg_policy::check::ListKind;
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::diagnostic::Diagnostic;
use eg_policy::digest::Digest;
use eg_proto::control::{Changes, ListRow, ListState, Step};

use super::{Memory, Order, RegexCounts};

/// What a reload did, or of a dry run, what it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What was asked for.
    pub order: Order,
    /// The store's number of this policy; of a dry run, of the one that is live.
    pub revision: u64,
    /// The ruleset's digest.
    pub digest: Digest,
    /// The digest over the operator's policy files that it was made of.
    pub base: Digest,
    /// How many rules it has.
    pub rules: usize,
    /// How many list files it names.
    pub lists: usize,
    /// How many entries all lists have together.
    pub entries: u64,
    /// How many lists had changed and were parsed.
    pub parsed: usize,
    /// What became of each list.
    pub rows: Vec<ListRow>,
    /// What is different from the policy before.
    pub changes: Changes,
    /// Where the regexes went.
    pub regexes: RegexCounts,
    /// What it was thought to take, against what it may.
    pub memory: Memory,
    /// The snapshot of the operator's files that was made for it.
    pub snapshot: Option<String>,
    /// The commit that was made of them once they were live.
    pub commit: Option<String>,
    /// Faults of shared files, and other things that stop nothing.
    pub warnings: Vec<Diagnostic>,
    /// What else an operator should know, a sentence each.
    pub notes: Vec<String>,
    /// How long each step took.
    pub steps: Vec<Step>,
    /// How long it took since somebody asked.
    pub took: Duration,
}

/// A row for each list of `after`, with all its parts; `state` says what was done with it.
pub(super) fn rows(
    before: Option<&CompiledPolicy>,
    after: &CompiledPolicy,
    state: impl Fn(&CompiledList) -> ListState,
) -> Vec<ListRow> {
    let before: HashMap<(&str, ListKind), u64> = before
        .map(|policy| policy.whole_lists())
        .unwrap_or_default()
        .into_iter()
        .map(|(list, entries)| ((list.path.as_str(), list.kind), entries))
        .collect();
    let row = |(list, entries): (&CompiledList, u64)| ListRow {
        path: list.path.clone(),
        entries,
        before: before.get(&(list.path.as_str(), list.kind)).copied(),
        state: state(list),
    };
    after.whole_lists().into_iter().map(row).collect()
}
