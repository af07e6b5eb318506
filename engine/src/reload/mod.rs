//! From files to a live policy, all or nothing: sources, check, lists, compile, set files, build,
//! store, and a ruleset for whoever swaps it in (SPEC 5).
//!
//! The first fill, SIGHUP, `watch`, `egpolicy load` and the Control API take this one path; `prepare` is
//! the walk.
//!
//! INVARIANT: whatever fails, the running policy, the store and the operator's files stay as they
//! were. Set files that were already written then are named by their content and harm nobody; the
//! next reload that succeeds removes them.

mod order;
mod receipt;
mod backend;
mod bank;
mod changes;
mod ending;
mod fault;
mod kept;
mod lists;
mod memory;
mod prepare;
mod seen;
mod sets;
mod steps;
mod zone;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::Instant;

use eg_policy::check::{CheckedRule, Trust, check_with_lists};
use eg_policy::compile::{CompiledList, CompiledPolicy, compile};
use eg_policy::diagnostic::{Code, Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::part_files;
use eg_policy::moment::Moment;
use eg_policy::regex::Backend;
use eg_policy::ruleset::Ruleset;

use crate::backup::Snapshots;
use crate::config::{Config, PolicyConfig};
use crate::sources::{self, SharedFolder, Sources};
use crate::store::{SetFiles, SetKind, Store, StoredPolicy};
use crate::view::Stored;
pub use backend::{BackendFault, choose as choose_backend};
pub use bank::RegexCounts;
use bank::{Bank, Keeping};
pub use ending::Ending;
pub use fault::ReloadFault;
use lists::ListLoader;
pub use memory::Memory;
pub use order::{Guards, Order, Origin, Run};
pub use receipt::Receipt;
use seen::Known;
pub(crate) use seen::Seen;
use sets::{Held, SetBuilder};
pub use zone::ZoneFault;
pub(crate) use zone::of as zone_of;

/// What `--check` found.
#[derive(Debug)]
pub struct Checked {
    /// Every fault and warning.
    pub diagnostics: Vec<Diagnostic>,
    /// What else an operator should know.
    pub notes: Vec<String>,
    /// How many rules there are.
    pub rules: usize,
    /// How many list files they name.
    pub lists: usize,
    /// Where the regexes would go; nowhere where the policy has faults.
    pub regexes: RegexCounts,
}

impl Checked {
    /// Whether the policy would be refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        has_error(&self.diagnostics)
    }
}

fn has_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Reads and checks the policy without touching a store.
///
/// # Errors
///
/// When the policy's folders cannot be read at all, or no scanner takes a regex.
pub fn check_only(config: &PolicyConfig) -> Result<Checked, ReloadFault> {
    let sources = sources::read(config)?;
    let mut loader = ListLoader::new(&[], None, config.shrink_guard_percent);
    let (checked, diagnostics) = check_with_lists(&sources.files, |list| loader.load(list));
    let mut notes = loader.notes;
    match &sources.shared {
        SharedFolder::Off | SharedFolder::Read | SharedFolder::Missing => {}
        SharedFolder::Unwalkable(fault) => notes.push(eg_settings::log::chain(fault)),
    }
    let lists = checked.lists.iter().filter(|list| list.kind.is_whole()).count();
    let rules = checked.rules.len();
    let mut regexes = RegexCounts::default();
    if !has_error(&diagnostics) {
        let policy = compile(checked, config.default_action, Vec::new());
        regexes = Bank::new(Backend::built_in()).fill(&policy, Keeping::Nowhere)?.counts;
    }
    Ok(Checked { diagnostics, notes, rules, lists, regexes })
}

/// The one that changes what is live.
#[derive(Debug)]
pub struct Reloader {
    config: PolicyConfig,
    store: Store,
    bank: Bank,
    snapshots: Snapshots,
    live: Option<StoredPolicy>,
    /// What the live ruleset is built of.
    held: Held,
    /// What is known of the list files that it was made from.
    known: Known,
    /// The list files that the policy files named last, whether they could be taken or not.
    named: Vec<String>,
    ending: Ending,
}

/// A policy that is ready to go live.
#[derive(Debug)]
pub struct Prepared {
    /// The ruleset.
    pub ruleset: Ruleset,
    /// What was done for it.
    pub receipt: Receipt,
}

/// How a start went.
#[derive(Debug)]
pub enum Start {
    /// The store had a policy.
    FromStore {
        /// The ruleset.
        ruleset: Box<Ruleset>,
        /// Where the regexes went.
        regexes: RegexCounts,
        /// What an operator should know, a sentence each.
        notes: Vec<String>,
    },
    /// The store was empty, or could not be used, and was filled from the files.
    FromFiles(Box<Prepared>),
}

impl Reloader {
    /// Takes the store; regexes go to `backend`.
    #[must_use]
    pub fn new(config: &Config, store: Store, backend: Backend) -> Self {
        let policy = &config.policy;
        let bank = Bank::new(backend);
        Self {
            config: policy.clone(),
            store,
            bank,
            snapshots: Snapshots::new(policy),
            live: None,
            held: Held::default(),
            known: Known::default(),
            named: Vec::new(),
            ending: Ending::default(),
        }
    }

    /// Gives up between two steps once the engine ends.
    #[must_use]
    pub fn heeding(self, ending: &Ending) -> Self {
        Self { bank: self.bank.heeding(ending), ending: ending.clone(), ..self }
    }

    /// The policy of the store without reading the policy's files; where there is none, or its set
    /// files cannot be made again, the policy of the files.
    ///
    /// # Errors
    ///
    /// [`ReloadFault`] where neither is to be had.
    pub fn start(&mut self) -> Result<Start, ReloadFault> {
        if !self.config.path.is_dir() {
            return Err(sources::SourcesFault::NoPath { path: self.config.path.clone() }.into());
        }
        let mut recovered = Vec::new();
        // What cannot be put back now is tried again before files are read.
        if let Err(fault) = self.recover(&mut recovered) {
            recovered.push(eg_settings::log::chain(&fault));
        }
        let Some(mut stored) = self.store.load_policy()? else {
            return self.fill(Guards::FirstFill, recovered);
        };
        let action_before = stored.policy.default_action;
        stored.policy.default_action = self.config.default_action;
        let mut builder = SetBuilder::new(self.store.sets(), &self.config.time_window_tz);
        let built = self.bank.fill(&stored.policy, Keeping::Files(self.store.sets()));
        let built = built.and_then(|banked| {
            let built = builder.build(&stored.policy, banked.shards())?;
            Ok((banked, built))
        });
        match built {
            Ok((mut banked, (ruleset, held))) => {
                let mut notes = recovered;
                notes.append(&mut builder.notes);
                notes.append(&mut banked.notes);
                let regexes = banked.counts;
                if action_before != self.config.default_action {
                    let digest = prepare::own_digest(&stored.policy, &ruleset);
                    stored.revision =
                        self.store.save_policy(&stored.policy, digest, stored.compiled_us)?;
                    notes.push(format!("`default_action` is now `{}`", self.config.default_action));
                }
                notes.extend(self.newer_files(&stored));
                self.named = stored.policy.lists.iter().map(|list| list.path.clone()).collect();
                self.live = Some(stored);
                self.bank.take(banked);
                self.held = held;
                Ok(Start::FromStore { ruleset: Box::new(ruleset), regexes, notes })
            }
            Err(fault) => {
                tracing::warn!(
                    cause = eg_settings::log::chain(&fault),
                    "the store's sets cannot be used; the policy is read from its files"
                );
                // The stored policy is what the files are measured against, as in a reload.
                self.live = Some(stored);
                self.fill(Guards::Heeded, recovered)
            }
        }
    }

    /// The policy of the files, at a start; `notes` say what was done before.
    fn fill(&mut self, guards: Guards, notes: Vec<String>) -> Result<Start, ReloadFault> {
        let order = Order { guards, ..Order::of(Origin::Start) };
        let mut filled = self.carry_out(&order, Instant::now())?;
        filled.receipt.notes.splice(0..0, notes);
        Ok(Start::FromFiles(Box::new(filled)))
    }

    /// `[policy]`
    #[must_use]
    pub const fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// The snapshots of the operator's files.
    #[must_use]
    pub const fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The policy that is live, where there is one.
    #[must_use]
    pub const fn live(&self) -> Option<&StoredPolicy> {
        self.live.as_ref()
    }

    /// The store.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// What the store says of the live policy.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let stored =
            |live: &StoredPolicy| Stored { revision: live.revision, compiled_us: live.compiled_us };
        self.live.as_ref().map_or_else(Stored::default, stored)
    }

    /// The list files that the policy files named last, also where the policy was refused.
    #[must_use]
    pub fn named_lists(&self) -> &[String] {
        &self.named
    }

    /// Removes the set files that the live policy does not need, and the oldest snapshots.
    pub fn clean_up(&self) {
        self.snapshots.prune();
        let Some(live) = &self.live else { return };
        let mut needed = needed_sets(&live.policy);
        needed.extend(self.bank.files());
        if let Err(fault) = self.store.sets().collect(&needed) {
            tracing::warn!(cause = eg_settings::log::chain(&fault), "old set files stay");
        }
    }

    /// The shared files whose last good rules stay: those that the check left out, and where the
    /// folder is missing or cannot be walked, all of them.
    fn left_out(
        &self,
        sources: &Sources,
        diagnostics: &[Diagnostic],
        notes: &mut Vec<String>,
    ) -> Vec<String> {
        let Some(root) = self.config.shared_path.as_deref() else { return Vec::new() };
        let shared = kept::Shared { root, own: own_files(sources) };
        let live = self.live.as_ref().map(|live| shared.files_of(&live.policy));
        let live = live.unwrap_or_default();
        let path = root.display();
        match &sources.shared {
            SharedFolder::Off | SharedFolder::Read => return left_out(diagnostics),
            SharedFolder::Missing if live.is_empty() => {
                tracing::info!(%path, "`[policy] shared_path` is not there; no rule comes from it");
            }
            SharedFolder::Missing => notes.push(format!(
                "`[policy] shared_path` names `{path}`, which is not there; the rules that came from \
                 it stay live; bring it back, or set `shared_path = \"\"` to drop them"
            )),
            SharedFolder::Unwalkable(fault) => notes.push(format!(
                "`[policy] shared_path` cannot be read, and the rules that came from it stay live: {}",
                eg_settings::log::chain(fault)
            )),
        }
        live
    }

    /// Refuses a policy that has lost all or too many of its rules.
    fn guard_rules(&self, rules: &[CheckedRule], guards: Guards) -> Result<(), ReloadFault> {
        let before = self.live.as_ref().map_or(0, |live| live.policy.rules.len());
        let after = rules.len();
        match guards {
            Guards::FirstFill | Guards::Overridden => Ok(()),
            Guards::Heeded
                if lists::shrank(before as u64, after as u64, self.config.shrink_guard_percent) =>
            {
                let percent = self.config.shrink_guard_percent;
                Err(ReloadFault::TooFewRules { before, after, percent })
            }
            Guards::Heeded => Ok(()),
        }
    }

    /// What to say where a policy or list file is newer than the stored policy.
    fn newer_files(&self, stored: &StoredPolicy) -> Option<String> {
        let lists = stored.policy.lists.iter().map(|list| list.path.as_str());
        // A file that was written anew does not change its folder.
        let parts = lists.clone().filter(|list| Path::new(list).is_dir()).flat_map(part_files);
        let parts: Vec<String> = parts.collect();
        let parts = parts.iter().map(String::as_str);
        let rules = stored.policy.rules.iter().map(|rule| rule.file.as_str());
        // A file that came or went changes its folder.
        let folders = rules.clone().filter_map(|file| Path::new(file).parent()?.to_str());
        let roots = [Some(self.config.path.as_path()), self.config.shared_path.as_deref()];
        let roots = roots.into_iter().flatten().filter_map(Path::to_str);
        let all = rules.chain(folders).chain(lists).chain(parts).chain(roots);
        let all: BTreeSet<&str> = all.collect();
        let (changed, path) = sources::newest(all.into_iter())?;
        let since = changed.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
        let changed = Moment::from_unix_micros(i64::try_from(since.as_micros()).ok()?);
        let compiled = Moment::from_unix_micros(stored.compiled_us);
        (changed > compiled).then(|| {
            format!(
                "`{path}` is newer than the compiled policy, which was loaded from the store; \
                 `egpolicy load` or SIGHUP reloads"
            )
        })
    }
}

/// The operator's files.
fn own_files(sources: &Sources) -> HashSet<&str> {
    let own = sources.files.iter().filter(|(_, trust)| *trust == Trust::Operator);
    own.map(|(file, _)| file.path.as_str()).collect()
}

/// The shared files that a check left out.
fn left_out(diagnostics: &[Diagnostic]) -> Vec<String> {
    let found = diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::FileLeftOut);
    found.map(|diagnostic| diagnostic.place.file.clone()).collect()
}

/// Every set file that the lists of a policy need.
fn needed_sets(policy: &CompiledPolicy) -> Vec<(SetKind, Digest)> {
    let lists = policy.lists.iter().map(|list| (lists::set_kind(list.kind), list.set));
    lists.chain([(SetKind::Index, policy.index_digest())]).collect()
}

/// Whether every set file of a list is there.
fn has_set(sets: &SetFiles, list: &CompiledList) -> bool {
    sets.has(lists::set_kind(list.kind), list.set)
}

#[cfg(test)]
mod tests;
