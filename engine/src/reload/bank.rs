//! The compiled regexes of a policy, shard by shard: taken over from the policy before where it had
//! the same one, read from its file where that is there, compiled where neither is. Compiling takes
//! minutes for tens of thousands of patterns on one core, so all cores take part.
//!
//! INVARIANT: a shard's file is named by everything that it depends on and is checked when it is read;
//! one that cannot be used is made again, never repaired.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eg_policy::check::CheckedRule;
use eg_policy::compile::CompiledPolicy;
use eg_policy::digest::Digest;
use eg_policy::regex::{
    Backend, LoweredCounts, Placed, RegexPattern, Shard, ShardFault, ShardPlan,
};

use super::{Ending, ReloadFault};
use crate::store::{SetFiles, SetKind, StoreFault};

/// Threads that compile. Each needs some hundred megabytes while it does, and shards are rarely more.
const COMPILERS_MAX: usize = 16;

/// Where the patterns of a policy went, and what that took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegexCounts {
    /// Patterns, each counted once for each attribute that uses it.
    pub patterns: usize,
    /// Those that are something simpler in disguise, which is looked up; no shard has them.
    pub lowered: LoweredCounts,
    /// Those of the others that are nothing but literals.
    pub literals: usize,
    /// Those that Hyperscan does not take, which the slower scanner has.
    pub fallback: usize,
    /// The shards that they were cut into.
    pub shards: usize,
    /// Shards that were compiled.
    pub compiled: usize,
    /// Shards that were read from their files.
    pub read: usize,
}

impl RegexCounts {
    /// Patterns that Hyperscan has.
    #[must_use]
    pub const fn scanned(&self) -> usize {
        self.patterns - self.lowered.all() - self.fallback
    }
}

/// How a shard was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The policy before has it.
    Before,
    /// From its file.
    File,
    /// Compiled now.
    Compiled,
}

/// Where compiled shards are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keeping<'f> {
    /// In these files.
    Files(&'f SetFiles),
    /// Nowhere: this is only a check.
    Nowhere,
}

/// The shards of the live policy, by their keys.
#[derive(Debug)]
pub(super) struct Bank {
    backend: Backend,
    shards: HashMap<Digest, Arc<Shard>>,
    ending: Ending,
}

/// The shards of a policy.
#[derive(Debug)]
pub(super) struct Banked {
    keyed: Vec<(Digest, Arc<Shard>)>,
    /// What they are.
    pub(super) counts: RegexCounts,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl Banked {
    /// The shards in the order of their plans.
    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        self.keyed.iter().map(|(_, shard)| Arc::clone(shard)).collect()
    }
}

/// One shard on its way.
struct Job<'p> {
    plan: &'p ShardPlan,
    key: Digest,
}

/// One shard that is there.
struct Made {
    shard: Arc<Shard>,
    origin: Origin,
    note: Option<String>,
}

impl Bank {
    /// An empty one.
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend, shards: HashMap::new(), ending: Ending::default() }
    }

    /// Gives up between two shards once the engine ends.
    pub(super) fn heeding(self, ending: &Ending) -> Self {
        Self { ending: ending.clone(), ..self }
    }

    /// Brings the shards of a policy together; nothing of the live one is touched.
    ///
    /// # Errors
    ///
    /// A pattern that no scanner takes, with the rule that has it. A disk that refuses is a note.
    pub(super) fn fill(
        &self,
        policy: &CompiledPolicy,
        keeping: Keeping<'_>,
    ) -> Result<Banked, ReloadFault> {
        let plan = policy.regexes();
        let plans = &plan.shards;
        let jobs: Vec<Job<'_>> =
            plans.iter().map(|plan| Job { plan, key: plan.key(self.backend) }).collect();
        let mut banked =
            Banked { keyed: Vec::new(), counts: RegexCounts::default(), notes: Vec::new() };
        banked.counts.lowered = plan.counts();
        banked.counts.literals = plan.literals;
        banked.counts.patterns = plan.lowered.len();
        for (job, made) in jobs.iter().zip(in_parallel(&jobs, |job| self.make(job, keeping))) {
            let Made { shard, origin, note } =
                made.map_err(|fault| fault.of_rule(policy, job.plan))?;
            let counts = &mut banked.counts;
            counts.patterns += job.plan.patterns().len();
            counts.shards += 1;
            counts.fallback += shard.placed().filter(|(_, placed)| is_fallback(*placed)).count();
            match origin {
                Origin::Before => {}
                Origin::File => counts.read += 1,
                Origin::Compiled => counts.compiled += 1,
            }
            banked.notes.extend(note);
            banked.keyed.push((job.key, shard));
        }
        Ok(banked)
    }

    /// Takes the shards of the policy that is live now, and forgets all others.
    pub(super) fn take(&mut self, banked: Banked) {
        self.shards = banked.keyed.into_iter().collect();
    }

    /// The files that they are kept in.
    pub(super) fn files(&self) -> impl Iterator<Item = (SetKind, Digest)> {
        self.shards.keys().map(|key| (SetKind::Regexes, *key))
    }
}

impl Bank {
    fn make(&self, job: &Job<'_>, keeping: Keeping<'_>) -> Result<Made, MakeFault> {
        if let Some(shard) = self.shards.get(&job.key) {
            return Ok(Made { shard: Arc::clone(shard), origin: Origin::Before, note: None });
        }
        let mut note = None;
        if let Keeping::Files(files) = keeping {
            match self.read(job, files) {
                Ok(None) => {}
                Ok(Some(shard)) => {
                    return Ok(Made { shard: Arc::new(shard), origin: Origin::File, note: None });
                }
                Err(why) => {
                    let path = files.path(SetKind::Regexes, job.key);
                    let path = path.display();
                    note = Some(format!("the compiled regexes `{path}` are made again: {why}"));
                }
            }
        }
        if self.ending.has_begun() {
            return Err(MakeFault::Ending);
        }
        let shard = Shard::compile(job.plan, self.backend)?;
        if let Keeping::Files(files) = keeping
            && let Err(fault) = keep(&shard, files, job.key)
        {
            // It is at hand all the same: a full disk must not stand in the way of a policy.
            let path = files.path(SetKind::Regexes, job.key);
            let (path, cause) = (path.display(), eg_settings::log::chain(&fault));
            note = Some(format!(
                "the compiled regexes `{path}` cannot be kept, so the next start compiles them \
                 again: {cause}"
            ));
        }
        Ok(Made { shard: Arc::new(shard), origin: Origin::Compiled, note })
    }

    /// The shard out of its file, where there is one; else why it cannot be used.
    fn read(&self, job: &Job<'_>, files: &SetFiles) -> Result<Option<Shard>, String> {
        if !files.has(SetKind::Regexes, job.key) {
            return Ok(None);
        }
        let bytes = files.read(SetKind::Regexes, job.key);
        let bytes = bytes.map_err(|fault| eg_settings::log::chain(&fault))?;
        Shard::from_bytes(job.plan, self.backend, &bytes)
            .map(Some)
            .map_err(|fault| eg_settings::log::chain(&fault))
    }
}

/// Writes the file of a shard.
fn keep(shard: &Shard, files: &SetFiles, key: Digest) -> Result<(), MakeFault> {
    let bytes = shard.to_bytes()?;
    Ok(files.write(SetKind::Regexes, key, &bytes)?)
}

/// Why a shard cannot be had.
#[derive(Debug, thiserror::Error)]
enum MakeFault {
    /// The engine ends.
    #[error("the engine ends")]
    Ending,
    /// Its patterns.
    #[error(transparent)]
    Shard(#[from] ShardFault),
    /// Its file.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl MakeFault {
    /// The fault of the reload, with the first rule that has the pattern.
    fn of_rule(self, policy: &CompiledPolicy, plan: &ShardPlan) -> ReloadFault {
        let source = match self {
            Self::Ending => return ReloadFault::Ending,
            Self::Store(fault) => return fault.into(),
            Self::Shard(fault) => fault,
        };
        let has_it = |rule: &&CheckedRule| {
            let mut asked = rule.asked();
            let field = plan.field();
            asked.any(|asked| {
                pattern_of(&source)
                    .is_some_and(|pattern| field.all_of(asked).any(|own| own == pattern))
            })
        };
        match policy.rules.iter().find(has_it) {
            Some(rule) => ReloadFault::Regex {
                file: rule.file.clone(),
                line: rule.line,
                rule: rule.name.clone(),
                source: Box::new(source),
            },
            None => ReloadFault::Regexes(source),
        }
    }
}

/// The pattern that a fault is about, where it is about one.
const fn pattern_of(fault: &ShardFault) -> Option<&RegexPattern> {
    match fault {
        ShardFault::Pattern { pattern, .. } | ShardFault::Refused { pattern, .. } => Some(pattern),
        ShardFault::Together { .. }
        | ShardFault::Foreign
        | ShardFault::Corrupt { .. }
        | ShardFault::Library { .. } => None,
    }
}

const fn is_fallback(placed: Placed) -> bool {
    match placed {
        Placed::Hyperscan => false,
        Placed::Fallback => true,
    }
}

/// Does `work` for each of `jobs` on as many threads as there are cores, and gives what came out in
/// their order.
fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return done };
            done.push((at, work(job)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let helpers = cores.min(jobs.len()).min(COMPILERS_MAX).saturating_sub(1);
    let mut done = std::thread::scope(|scope| {
        let spawn = |number: usize| {
            let thread = std::thread::Builder::new().name(format!("regexes-{number}"));
            // Where the system gives no thread the others do its share.
            thread.spawn_scoped(scope, share).ok()
        };
        let threads: Vec<_> = (0..helpers).filter_map(spawn).collect();
        let mut done = share();
        for thread in threads {
            match thread.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use eg_policy::check::Conditions;
    use eg_policy::verdict::{Action, RuleId};

    use super::*;

    /// A rule with patterns as the store gives them, which need not have been checked.
    fn rule(id: u32, patterns: &[&str]) -> CheckedRule {
        let pattern = |text: &&str| {
            serde_json::from_value(serde_json::Value::String((*text).to_owned())).unwrap()
        };
        let uri_regexes: Vec<RegexPattern> = patterns.iter().map(pattern).collect();
        CheckedRule {
            id: RuleId(id),
            name: format!("rule-{id}"),
            file: format!("{id}0.policy"),
            line: id * 100,
            action: Action::Deny,
            description: None,
            category: None,
            tls: None,
            conditions: Conditions { uri_regexes, ..Conditions::default() },
            except: None,
            validity: Default::default(),
            mode: Default::default(),
        }
    }

    #[test]
    fn a_pattern_that_no_scanner_takes_is_named_with_its_rule() {
        for bad in ["(?=a)b", "(a)\\1", "(", "", "a*", "a{1,32767}{1,32767}"] {
            let rules = vec![rule(1, &["/ads/"]), rule(2, &["/x/", bad]), rule(3, &[bad])];
            let policy = CompiledPolicy { rules, lists: Vec::new(), default_action: Action::Deny };
            for backend in [Backend::Hyperscan, Backend::Regex] {
                let fault = Bank::new(backend).fill(&policy, Keeping::Nowhere).unwrap_err();
                let said = fault.to_string();
                let ReloadFault::Regex { file, line, rule, source } = fault else {
                    panic!("{said}")
                };
                assert_eq!((file.as_str(), line, rule.as_str()), ("20.policy", 200, "rule-2"));
                assert_eq!(pattern_of(&source).map(RegexPattern::as_str), Some(bad));
                assert!(said.contains("`20.policy`, line 200"), "{said}");
            }
        }
    }

    #[test]
    fn a_shard_that_cannot_be_kept_is_used_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&folder.path().join("engine.db")).unwrap();
        let rules = vec![rule(1, &["/ads/[0-9]+"])];
        let policy = CompiledPolicy { rules, lists: Vec::new(), default_action: Action::Deny };
        let bank = Bank::new(Backend::Hyperscan);
        let key = policy.shards()[0].key(Backend::Hyperscan);
        // A folder has the name that it would be written under.
        let mut taken = store.sets().path(SetKind::Regexes, key).into_os_string();
        taken.push(".new");
        std::fs::create_dir(&taken).unwrap();
        let banked = bank.fill(&policy, Keeping::Files(store.sets())).unwrap();
        assert_eq!((banked.counts.compiled, banked.shards().len()), (1, 1));
        let [note] = banked.notes.as_slice() else { panic!("{:?}", banked.notes) };
        assert!(note.contains("cannot be kept") && note.contains(".rex"), "{note}");
        std::fs::remove_dir(&taken).unwrap();
        let banked = bank.fill(&policy, Keeping::Files(store.sets())).unwrap();
        assert_eq!(banked.notes, Vec::<String>::new());
        assert!(store.sets().has(SetKind::Regexes, key));
    }

    #[test]
    fn work_in_parallel_keeps_its_order() {
        for count in [0, 1, 2, 100] {
            let jobs: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = (0..count).map(|job| job * 2).collect();
            assert_eq!(in_parallel(&jobs, |job| job * 2), expected);
        }
    }
}
