//! What the engine knows, as the Control API says it. The only module beside `convert` that names both
//! wire and policy types.

use eg_policy::compile::{CompiledList, whole_lists};
use eg_policy::diagnostic::Diagnostic;
use eg_policy::digest::Digest;
use eg_proto::control::{
    FaultRow, LiveList, LivePolicy, MemoryRow, Problem, ProblemKind, Receipt, RegexRow,
    ReloadOutcome,
};
use eg_settings::log::chain;

use super::faults::of_backup;
use crate::reload::{self, Guards, RegexCounts, ReloadFault, Run};
use crate::view::Published;

/// Faults that an answer has at most; a policy with more is looked at with `egpolicy check`.
const FAULTS_SHOWN: usize = 1000;

/// The receipt of the reload with this number.
pub(crate) fn receipt(number: u64, receipt: &reload::Receipt) -> Receipt {
    let RegexCounts { patterns, lowered, fallback, compiled, .. } = receipt.regexes;
    Receipt {
        reload: number,
        outcome: match receipt.order.run {
            Run::Real => ReloadOutcome::Live,
            Run::Dry => ReloadOutcome::DryRun,
        },
        by: receipt.order.by.to_string(),
        reason: receipt.order.reason.clone(),
        force: receipt.order.guards == Guards::Overridden,
        revision: receipt.revision,
        digest: receipt.digest.to_string(),
        rules: receipt.rules as u64,
        entries: receipt.entries,
        lists: receipt.rows.clone(),
        changes: receipt.changes.clone(),
        regexes: RegexRow {
            patterns: patterns as u64,
            lowered: lowered.all() as u64,
            fallback: fallback as u64,
            compiled: compiled as u64,
        },
        memory: MemoryRow {
            resident: receipt.memory.resident,
            estimate: receipt.memory.estimate,
            limit: receipt.memory.limit,
        },
        snapshot: receipt.snapshot.clone(),
        commit: receipt.commit.clone(),
        warnings: faults(&receipt.warnings),
        notes: receipt.notes.clone(),
        steps: receipt.steps.clone(),
        took_us: u64::try_from(receipt.took.as_micros()).unwrap_or(u64::MAX),
    }
}

/// Why the reload with this number failed.
pub(crate) fn problem(number: u64, fault: &ReloadFault) -> Problem {
    let kind = match fault {
        ReloadFault::Policy { .. }
        | ReloadFault::TooFewRules { .. }
        | ReloadFault::Memory { .. }
        | ReloadFault::NoList { .. }
        | ReloadFault::LostSet { .. }
        | ReloadFault::Regex { .. }
        | ReloadFault::Regexes(_) => ProblemKind::PolicyRefused,
        ReloadFault::Ending => ProblemKind::Ending,
        ReloadFault::Sources(_)
        | ReloadFault::Set { .. }
        | ReloadFault::Index { .. }
        | ReloadFault::Random(_)
        | ReloadFault::Zone(_)
        | ReloadFault::Store(_)
        | ReloadFault::Build(_) => ProblemKind::Failed,
        ReloadFault::Snapshot(fault) | ReloadFault::HalfRolledBack(fault) => of_backup(fault).kind,
    };
    let mut problem = Problem::new(kind, chain(fault));
    problem.reload = Some(number);
    if let ReloadFault::Policy { diagnostics } = fault {
        problem.diagnostics = faults(diagnostics);
    }
    problem
}

/// Faults as rows, each with what to do about it.
fn faults(diagnostics: &[Diagnostic]) -> Vec<FaultRow> {
    let row = |found: &Diagnostic| FaultRow {
        code: found.code.id().to_owned(),
        severity: found.severity.word().to_owned(),
        file: found.place.file.clone(),
        line: found.place.line,
        column: found.place.column,
        message: found.message.clone(),
        help: found.help.clone().unwrap_or_else(|| found.code.advice().to_owned()),
    };
    diagnostics.iter().take(FAULTS_SHOWN).map(row).collect()
}

/// The digest over the sets of a list: its own, and where it has more parts than one, that of all.
fn set_of(list: &CompiledList, all: &[CompiledList]) -> Digest {
    let is_part = |part: &&CompiledList| part.path == list.path && part.kind.whole() == list.kind;
    let sets: Vec<Digest> = all.iter().filter(is_part).map(|part| part.set).collect();
    match sets.as_slice() {
        [_] => list.set,
        sets => Digest::of_parts(sets.iter().map(|set| set.as_bytes().as_slice())),
    }
}

/// What is live.
pub(crate) fn live_policy(published: &Published, revision: u64) -> LivePolicy {
    let ruleset = published.ruleset();
    let list = |(list, entries): (&CompiledList, u64)| LiveList {
        path: list.path.clone(),
        entries,
        set: set_of(list, ruleset.lists()).to_string(),
    };
    LivePolicy {
        revision,
        swaps: published.revision(),
        digest: ruleset.digest().to_string(),
        default_action: ruleset.default_action().word().to_owned(),
        rules: ruleset.rules().len() as u64,
        names: ruleset.entries(),
        lists: whole_lists(ruleset.lists()).into_iter().map(list).collect(),
    }
}
