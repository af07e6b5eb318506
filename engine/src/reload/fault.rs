//! Why a policy did not go live.

use std::path::PathBuf;

use eg_policy::build::BuildFault;
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::lists::ListFault;
use eg_policy::matcher::IndexFault;
use eg_policy::regex::ShardFault;

use super::{Memory, ZoneFault};
use crate::backup::BackupFault;
use crate::sources::SourcesFault;
use crate::store::StoreFault;

/// Why a policy did not go live; what was live still is.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFault {
    /// The policy's folders cannot be read.
    #[error(transparent)]
    Sources(#[from] SourcesFault),
    /// The policy has faults.
    #[error("the policy has {} fault(s)", errors(diagnostics))]
    Policy {
        /// All of them, warnings too.
        diagnostics: Vec<Diagnostic>,
    },
    /// Too many rules are gone.
    #[error(
        "the policy would shrink from {before} to {after} rules, which is more than \
         `shrink_guard_percent` ({percent}) allows; nothing was changed; bring the rules back, or \
         reload with force"
    )]
    TooFewRules {
        /// The rules that are live.
        before: usize,
        /// The rules in the files.
        after: usize,
        /// The guard.
        percent: u8,
    },
    /// The new ruleset has no room beside the old one.
    #[error(
        "the new ruleset needs about {} MiB beside the {} MiB that the engine has, and it may have \
         {} MiB (`[policy] memory_max_mb`, or {} % of the memory that there is); nothing was changed",
        mebibytes(memory.estimate), mebibytes(memory.resident),
        mebibytes(memory.limit.unwrap_or(0)), super::memory::SHARE_PERCENT
    )]
    Memory {
        /// The figures.
        memory: Memory,
    },
    /// The operator's files cannot be kept as they are.
    #[error("no snapshot of the policy's files can be made, and without one nothing goes live")]
    Snapshot(#[source] BackupFault),
    /// The operator's files are half of a rollback.
    #[error("a rollback had been cut off, and its files cannot be put back, so nothing is read")]
    HalfRolledBack(#[source] BackupFault),
    /// A list was not read, which the check should have said.
    #[error("the list `{path}` was not read")]
    NoList {
        /// Its path.
        path: String,
    },
    /// A set file is lost, and so is what it was made of.
    #[error(
        "the set file `{}` is missing or damaged, and the list `{list}` is no longer the one that \
         it was made of; bring that list back, or reload with force to take the files as they are",
        set.display()
    )]
    LostSet {
        /// The set file.
        set: PathBuf,
        /// The list file.
        list: String,
    },
    /// A list or a set file cannot be read.
    #[error("`{}` cannot be used", path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ListFault,
    },
    /// The index cannot be used, though it was just made.
    #[error("the index of names `{}` cannot be used", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IndexFault,
    },
    /// No scanner takes a regex of a rule.
    #[error("`{file}`, line {line}: no scanner takes a regex of the rule `{rule}`")]
    Regex {
        /// The policy file.
        file: String,
        /// The line of the rule's name.
        line: u32,
        /// The rule.
        rule: String,
        /// Which regex, and why.
        #[source]
        source: Box<ShardFault>,
    },
    /// The regexes of several rules cannot be compiled together.
    #[error("the regexes of the policy cannot be compiled")]
    Regexes(#[source] ShardFault),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// No clock can be asked, and a rule asks it.
    #[error(
        "a rule has a `time-window`, and the zone of `[policy] time_window_tz` is not to be had"
    )]
    Zone(#[from] ZoneFault),
    /// The engine ends.
    #[error("the engine ends before the policy is loaded")]
    Ending,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The ruleset cannot be built.
    #[error("the ruleset cannot be built")]
    Build(#[from] BuildFault),
}

/// Rounded up.
const fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}
