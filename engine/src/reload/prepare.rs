//! One reload, step by step: read, check, guard, compile, make, keep. Each step is a function here or a
//! module beside; nothing of what is live changes before the last.

use std::collections::HashMap;
use std::time::Instant;

use eg_policy::check::{CheckedPolicy, check_with_lists};
use eg_policy::compile::{CompiledList, CompiledPolicy, compile};
use eg_policy::diagnostic::Diagnostic;
use eg_policy::digest::Digest;
use eg_policy::moment::Moment;
use eg_policy::ruleset::Ruleset;
use eg_proto::control::ListRow;
use eg_settings::log::chain;

use super::bank::{Banked, Keeping};
use super::changes::changes;
use super::lists::{ListLoader, Parsed};
use super::memory::{self, Making, Memory};
use super::seen::Known;
use super::sets::{Held, SetBuilder};
use super::steps::Steps;
use super::{
    Order, Origin, Prepared, Receipt, ReloadFault, Reloader, Run, has_error, kept, own_files,
    receipt,
};
use crate::backup::{BackupFault, Kept, Made, Recovery};
use crate::sources::{self, Sources};
use crate::store::StoredPolicy;

/// How many names a note has of what is not in a snapshot.
const NAMES_SHOWN: usize = 10;

/// A policy that was read and holds together.
struct Compiled {
    policy: CompiledPolicy,
    /// What was parsed, by its set's digest, with the file form of the set.
    parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
    files: usize,
    rows: Vec<ListRow>,
    known: Known,
    diagnostics: Vec<Diagnostic>,
    notes: Vec<String>,
}

/// A ruleset, and what it was made of.
struct Built {
    ruleset: Ruleset,
    held: Held,
    banked: Banked,
    memory: Memory,
    notes: Vec<String>,
}

impl Reloader {
    /// Does what `order` says; `asked` is when somebody asked. Of a real run the caller swaps the ruleset
    /// in, then calls [`Self::clean_up`].
    ///
    /// # Errors
    ///
    /// [`ReloadFault`]; everything is then as it was.
    pub fn carry_out(&mut self, order: &Order, asked: Instant) -> Result<Prepared, ReloadFault> {
        let mut steps = Steps::since(asked);
        let compiled_us = crate::view::now().unix_micros();
        let mut notes = Vec::new();
        self.recover(&mut notes)?;
        let sources = sources::read(&self.config)?;
        steps.end_of("read");
        let compiled = self.compile(&sources, order)?;
        steps.end_of("check");
        self.ending.check()?;
        let Compiled { policy, parsed, files, rows, known, diagnostics, notes: more } = compiled;
        notes.extend(more);
        let mut made = self.make(&policy, parsed, order, &mut steps)?;
        self.ending.check()?;
        notes.append(&mut made.notes);
        let changes = changes(self.live.as_ref().map(|live| &live.policy), &policy);
        let snapshot = self.keep_files(order, compiled_us, &mut notes)?;
        steps.end_of("snapshot");
        self.ending.check()?;
        let revision = match order.run {
            Run::Real => {
                let digest = own_digest(&policy, &made.ruleset);
                self.store.save_policy(&policy, digest, compiled_us)?
            }
            Run::Dry => self.live.as_ref().map_or(0, |live| live.revision),
        };
        steps.end_of("store");
        let (marks, took) = steps.finish();
        let receipt = Receipt {
            order: order.clone(),
            revision,
            digest: made.ruleset.digest(),
            rules: policy.rules.len(),
            lists: policy.list_count(),
            entries: policy.lists.iter().map(|list| list.entries).sum(),
            parsed: files,
            rows,
            changes,
            regexes: made.banked.counts,
            memory: made.memory,
            snapshot,
            commit: None,
            warnings: diagnostics,
            notes,
            steps: marks,
            took,
        };
        match order.run {
            Run::Dry => {}
            Run::Real => {
                self.live = Some(StoredPolicy { policy, revision, compiled_us });
                self.bank.take(made.banked);
                self.held = made.held;
                self.known = known;
            }
        }
        Ok(Prepared { ruleset: made.ruleset, receipt })
    }

    /// Undoes a rollback that was cut off, before anything is read.
    pub(super) fn recover(&self, notes: &mut Vec<String>) -> Result<(), ReloadFault> {
        match self.snapshots.recover() {
            Ok(Recovery::NotNeeded) => Ok(()),
            Ok(Recovery::Undone { left_alone }) => {
                let alone = match left_alone.as_slice() {
                    [] => String::new(),
                    files => format!(", but for what somebody changed since: {}", files.join(", ")),
                };
                notes.push(format!(
                    "a rollback had been cut off, and its files are as before{alone}"
                ));
                Ok(())
            }
            // It says better than a snapshot what is wrong with the folder.
            Err(BackupFault::NoPath { .. }) => Ok(()),
            Err(fault) => Err(ReloadFault::HalfRolledBack(fault)),
        }
    }

    /// Keeps the operator's files as they were read; gives the name of a snapshot that is new.
    fn keep_files(
        &self,
        order: &Order,
        now_us: i64,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>, ReloadFault> {
        match order.run {
            Run::Dry => return Ok(None),
            Run::Real => {}
        }
        match (self.snapshots.keep(Moment::from_unix_micros(now_us), &order.note()), &order.by) {
            (Ok(Kept { made: Made::New, snapshot, left_out, .. }), _) => {
                notes.extend(not_kept(&left_out));
                Ok(Some(snapshot))
            }
            (Ok(Kept { made: Made::Already, .. }), _) => Ok(None),
            // There is nothing yet that one could go back to, and no policy that could go on.
            (Err(fault), Origin::Start) => {
                notes
                    .push(format!("no snapshot of the policy's files was made: {}", chain(&fault)));
                Ok(None)
            }
            (Err(fault), Origin::Signal | Origin::Watch | Origin::Operator(_)) => {
                Err(ReloadFault::Snapshot(fault))
            }
        }
    }

    /// Checks the policy files and reads the lists that they name.
    fn compile(&mut self, sources: &Sources, order: &Order) -> Result<Compiled, ReloadFault> {
        let before: &[CompiledList] =
            self.live.as_ref().map_or(&[], |live| live.policy.lists.as_slice());
        let guard = self.config.shrink_guard_percent;
        let mut loader = ListLoader::new(before, Some(self.store.sets()), guard)
            .knowing(&self.known)
            .guarded(order.guards);
        let mut named = Vec::new();
        let (mut checked, diagnostics) = check_with_lists(&sources.files, |list| {
            named.push(list.path.clone());
            self.ending.check().map_err(|fault| fault.to_string())?;
            loader.load(list)
        });
        self.named = named;
        self.ending.check()?;
        if has_error(&diagnostics) {
            return Err(ReloadFault::Policy { diagnostics });
        }
        let mut notes = std::mem::take(&mut loader.notes);
        let mut lists = loader.lists_of(&checked)?;
        self.keep_left_out(sources, &diagnostics, (&mut checked, &mut lists), &mut notes);
        self.guard_rules(&checked.rules, order.guards)?;
        let policy = compile(checked, self.config.default_action, lists);
        let live = self.live.as_ref().map(|live| &live.policy);
        let rows = receipt::rows(live, &policy, |list| loader.state(list));
        let files = loader.parsed();
        let ListLoader { parsed, learned: known, .. } = loader;
        Ok(Compiled { policy, parsed, files, rows, known, diagnostics, notes })
    }

    /// Puts the last good rules of shared files that were left out back into the policy.
    fn keep_left_out(
        &self,
        sources: &Sources,
        diagnostics: &[Diagnostic],
        (checked, lists): (&mut CheckedPolicy, &mut Vec<CompiledList>),
        notes: &mut Vec<String>,
    ) {
        let left_out = self.left_out(sources, diagnostics, notes);
        if let (Some(live), Some(root)) = (&self.live, self.config.shared_path.as_deref()) {
            let shared = kept::Shared { root, own: own_files(sources) };
            let left_out = (&shared, left_out.as_slice());
            kept::keep(checked, lists, &live.policy, left_out, notes);
        }
    }

    /// Makes the ruleset, where there is room for it.
    fn make(
        &self,
        policy: &CompiledPolicy,
        parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
        order: &Order,
        steps: &mut Steps,
    ) -> Result<Built, ReloadFault> {
        let sets = self.store.sets();
        let making = match self.held.index_of(policy) {
            Some(_) => Making::Rules,
            None => Making::Index,
        };
        let there = |list: &CompiledList| parsed.get(&list.set).map(|(_, file)| file.len() as u64);
        let memory = memory::look(policy, (sets, there), making, self.config.memory_max_mb);
        let mut notes = Vec::new();
        if !memory.fits() {
            let fault = ReloadFault::Memory { memory };
            match order.by {
                // Nothing serves that could be hurt, and the system may still find the room.
                Origin::Start => notes.push(fault.to_string()),
                Origin::Signal | Origin::Watch | Origin::Operator(_) => return Err(fault),
            }
        }
        let keeping = match order.run {
            Run::Real => Keeping::Files(sets),
            Run::Dry => Keeping::ReadOnly(sets),
        };
        let mut banked = self.bank.fill(policy, keeping)?;
        steps.end_of("regexes");
        self.ending.check()?;
        let mut builder = SetBuilder::new(sets, &self.config.time_window_tz)
            .with(parsed)
            .sharing(&self.held)
            .in_run(order.run);
        let (ruleset, held) = builder.build(policy, banked.shards())?;
        steps.end_of("build");
        notes.append(&mut builder.notes);
        notes.append(&mut banked.notes);
        Ok(Built { ruleset, held, banked, memory, notes })
    }
}

/// The digest of the policy of a ruleset, which has the zone in its own where a rule asks the clock.
pub(super) fn own_digest(policy: &CompiledPolicy, ruleset: &Ruleset) -> Digest {
    match policy.asks_the_clock() {
        // PERF: building has worked it out, over all that every rule says.
        false => ruleset.digest(),
        true => policy.digest(),
    }
}

/// What to say of files that are in no snapshot.
fn not_kept(left_out: &[String]) -> Option<String> {
    let names: Vec<&str> = left_out.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    (!left_out.is_empty()).then(|| {
        format!(
            "{} name(s) below `[policy] path` may not be read by the engine and are not in the snapshot: \
             {}",
            left_out.len(),
            names.join(", ")
        )
    })
}
