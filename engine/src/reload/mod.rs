//! From files to a live policy, all or nothing: sources, check, lists, compile, set files, build,
//! store, and a ruleset for whoever swaps it in (SPEC 5).
//!
//! The first fill, SIGHUP and later the Control API take this one path.
//!
//! INVARIANT: whatever fails, the running policy, the store and the operator's files stay as they
//! were. Set files that were already written then are named by their content and harm nobody; the
//! next reload that succeeds removes them.

mod backend;
mod bank;
mod ending;
mod fault;
mod kept;
mod lists;
mod sets;
mod zone;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use eg_policy::check::{CheckedRule, Trust, check_with_lists};
use eg_policy::compile::{CompiledList, CompiledPolicy, compile};
use eg_policy::diagnostic::{Code, Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::part_files;
use eg_policy::moment::Moment;
use eg_policy::regex::Backend;
use eg_policy::ruleset::Ruleset;

use crate::config::{Config, PolicyConfig};
use crate::sources::{self, SharedFolder, Sources};
use crate::store::{SetFiles, SetKind, Store, StoredPolicy};
pub use backend::{BackendFault, choose as choose_backend};
pub use bank::RegexCounts;
use bank::{Bank, Keeping};
pub use ending::Ending;
pub use fault::ReloadFault;
use lists::ListLoader;
use sets::SetBuilder;
pub use zone::ZoneFault;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The store's number of this policy.
    pub revision: u64,
    /// The ruleset's digest.
    pub digest: Digest,
    /// How many rules it has.
    pub rules: usize,
    /// How many list files it names.
    pub lists: usize,
    /// How many entries all lists have together.
    pub entries: u64,
    /// How many lists had changed and were parsed.
    pub parsed: usize,
    /// Where the regexes went.
    pub regexes: RegexCounts,
    /// Faults of shared files, and other things that stop nothing.
    pub warnings: Vec<Diagnostic>,
    /// What else an operator should know, a sentence each.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

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
    live: Option<StoredPolicy>,
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
        ruleset: Ruleset,
        /// Where the regexes went.
        regexes: RegexCounts,
        /// What an operator should know, a sentence each.
        notes: Vec<String>,
    },
    /// The store was empty, or could not be used, and was filled from the files.
    FromFiles(Prepared),
}

/// What becomes of a policy that has lost many rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// It is refused.
    Guarded,
    /// It is taken: there was nothing before.
    FirstFill,
}

impl Reloader {
    /// Takes the store; regexes go to `backend`.
    #[must_use]
    pub fn new(config: &Config, store: Store, backend: Backend) -> Self {
        let policy = &config.policy;
        let bank = Bank::new(backend);
        Self { config: policy.clone(), store, bank, live: None, ending: Ending::default() }
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
        let Some(mut stored) = self.store.load_policy()? else {
            return self.prepare(Loss::FirstFill).map(Start::FromFiles);
        };
        let action_before = stored.policy.default_action;
        stored.policy.default_action = self.config.default_action;
        let mut builder = SetBuilder::new(self.store.sets(), &self.config.time_window_tz);
        let built = self.bank.fill(&stored.policy, Keeping::Files(self.store.sets()));
        let built = built.and_then(|banked| {
            let ruleset = builder.build(&stored.policy, banked.shards())?;
            Ok((banked, ruleset))
        });
        match built {
            Ok((mut banked, ruleset)) => {
                let mut notes = std::mem::take(&mut builder.notes);
                notes.append(&mut banked.notes);
                let regexes = banked.counts;
                if action_before != self.config.default_action {
                    stored.revision = self.store.save_policy(&stored.policy, stored.compiled_us)?;
                    notes.push(format!("`default_action` is now `{}`", self.config.default_action));
                }
                notes.extend(self.newer_files(&stored));
                self.live = Some(stored);
                self.bank.take(banked);
                Ok(Start::FromStore { ruleset, regexes, notes })
            }
            Err(fault) => {
                tracing::warn!(
                    cause = eg_settings::log::chain(&fault),
                    "the store's sets cannot be used; the policy is read from its files"
                );
                // The stored policy is what the files are measured against, as in a reload.
                self.live = Some(stored);
                self.prepare(Loss::Guarded).map(Start::FromFiles)
            }
        }
    }

    /// Reads the files anew. The caller swaps the ruleset in, then calls [`Self::clean_up`].
    ///
    /// # Errors
    ///
    /// [`ReloadFault`]; everything is then as it was.
    pub fn reload(&mut self) -> Result<Prepared, ReloadFault> {
        self.prepare(Loss::Guarded)
    }

    /// Removes the set files that the live policy does not need.
    pub fn clean_up(&self) {
        let Some(live) = &self.live else { return };
        let mut needed = needed_sets(&live.policy);
        needed.extend(self.bank.files());
        if let Err(fault) = self.store.sets().collect(&needed) {
            tracing::warn!(cause = eg_settings::log::chain(&fault), "old set files stay");
        }
    }

    fn prepare(&mut self, loss: Loss) -> Result<Prepared, ReloadFault> {
        let began = Instant::now();
        let compiled_us = crate::view::now().unix_micros();
        let sources = sources::read(&self.config)?;
        let before: &[CompiledList] =
            self.live.as_ref().map_or(&[], |live| live.policy.lists.as_slice());
        let guard = self.config.shrink_guard_percent;
        let mut loader = ListLoader::new(before, Some(self.store.sets()), guard);
        let (mut checked, diagnostics) = check_with_lists(&sources.files, |list| {
            self.ending.check().map_err(|fault| fault.to_string())?;
            loader.load(list)
        });
        self.ending.check()?;
        if has_error(&diagnostics) {
            return Err(ReloadFault::Policy { diagnostics });
        }
        let mut notes = std::mem::take(&mut loader.notes);
        let parsed = loader.parsed();
        let mut lists = loader.lists_of(&checked)?;
        let left_out = self.left_out(&sources, &diagnostics, &mut notes);
        if let (Some(live), Some(root)) = (&self.live, self.config.shared_path.as_deref()) {
            let shared = kept::Shared { root, own: own_files(&sources) };
            let left_out = (&shared, left_out.as_slice());
            kept::keep(&mut checked, &mut lists, &live.policy, left_out, &mut notes);
        }
        self.guard_rules(&checked.rules, loss)?;
        let policy = compile(checked, self.config.default_action, lists);
        let mut builder = SetBuilder::new(self.store.sets(), &self.config.time_window_tz);
        builder.take(loader);
        self.ending.check()?;
        let mut banked = self.bank.fill(&policy, Keeping::Files(self.store.sets()))?;
        self.ending.check()?;
        let ruleset = builder.build(&policy, banked.shards())?;
        self.ending.check()?;
        notes.append(&mut builder.notes);
        notes.append(&mut banked.notes);
        let revision = self.store.save_policy(&policy, compiled_us)?;
        let receipt = Receipt {
            revision,
            digest: ruleset.digest(),
            rules: policy.rules.len(),
            lists: policy.list_count(),
            entries: policy.lists.iter().map(|list| list.entries).sum(),
            parsed,
            regexes: banked.counts,
            warnings: diagnostics,
            notes,
            took: began.elapsed(),
        };
        self.live = Some(StoredPolicy { policy, revision, compiled_us });
        self.bank.take(banked);
        Ok(Prepared { ruleset, receipt })
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
    fn guard_rules(&self, rules: &[CheckedRule], loss: Loss) -> Result<(), ReloadFault> {
        let before = self.live.as_ref().map_or(0, |live| live.policy.rules.len());
        let after = rules.len();
        match loss {
            Loss::FirstFill => Ok(()),
            Loss::Guarded
                if lists::shrank(before as u64, after as u64, self.config.shrink_guard_percent) =>
            {
                let percent = self.config.shrink_guard_percent;
                Err(ReloadFault::TooFewRules { before, after, percent })
            }
            Loss::Guarded => Ok(()),
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
                 send SIGHUP to reload"
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
