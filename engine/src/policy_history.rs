//! What the policy thread does with the operator's files and their history: rollbacks, and commits after
//! reloads.
//!
//! A snapshot is made before a policy goes live, and without it nothing does (`reload::prepare`). A commit
//! comes after, and where it fails the policy stays live with a warning: the history explains changes, and
//! a lock that somebody's git left behind must not keep a denial from going live (ADR 0025).

use std::time::Instant;

use eg_proto::control::{GitDone, Problem, RollbackReceipt};
use eg_settings::log::chain;

use crate::asks::Rollback;
use crate::audit::{AskedBy, Event};
use crate::backup::RollbackPlan;
use crate::control::faults::{of_backup, of_git};
use crate::git::{self, Author, CommitId, GitFault, GitState, History};
use crate::policy_desk::Desk;
use crate::reload::{Guards, Order, Origin, Receipt, Run};
use crate::view::now;

/// What trail and log call a rollback.
pub(crate) const ROLLBACK: &str = "rollback";

/// What they call the beginning of a history.
pub(crate) const GIT_INIT: &str = "git-init";

/// What they call giving a commit a name.
pub(crate) const TAG: &str = "tag";

impl Desk<'_> {
    /// Puts the operator's files back as a snapshot has them, and loads them; where their policy is
    /// refused, the files are put back once more.
    pub(crate) fn rollback(
        &mut self,
        asked_for: &Rollback,
        (asked, number): (Instant, u64),
    ) -> Result<RollbackReceipt, Problem> {
        let Rollback { generation, by, reason, guards, run } = asked_for;
        let done = self.roll_back(asked_for, (asked, number));
        let (name, force) = (by.to_string(), *guards == Guards::Overridden);
        let asked_by = AskedBy { by: &name, comment: reason.as_deref(), force };
        let what = ROLLBACK;
        let (outcome, detail) = match (&done, run) {
            (Ok(done), Run::Real) => ("done", done.snapshot.clone()),
            (Ok(done), Run::Dry) => ("dry-run", done.snapshot.clone()),
            (Err(problem), _) => ("refused", problem.detail.clone()),
        };
        self.public.audit.event(&Event::Policy { what, outcome, detail: &detail, asked_by }, now());
        match &done {
            Ok(_) => tracing::info!(by = name, generation, outcome, detail, "rollback"),
            Err(_) => tracing::error!(by = name, generation, detail, "the rollback was refused"),
        }
        done
    }

    fn roll_back(
        &mut self,
        asked_for: &Rollback,
        (asked, number): (Instant, u64),
    ) -> Result<RollbackReceipt, Problem> {
        let Rollback { generation, by, reason, guards, run } = asked_for;
        let plan = self.reloader.snapshots().plan(*generation);
        let plan = plan.map_err(|fault| of_backup(&fault))?;
        let mut receipt = receipt(*generation, &plan);
        match run {
            Run::Dry => return Ok(receipt),
            Run::Real => {}
        }
        let applied = self.reloader.snapshots().apply(&plan, now());
        let before = applied.map_err(|fault| of_backup(&fault))?;
        let to = format!("rollback to {}", plan.snapshot());
        let reason = reason.as_ref().map_or_else(|| to.clone(), |reason| format!("{to}: {reason}"));
        let order = Order { by: by.clone(), reason: Some(reason), guards: *guards, run: Run::Real };
        match self.answer(&order, asked, number) {
            Ok(loaded) => {
                receipt.reload = Some(loaded);
                Ok(receipt)
            }
            Err(mut refused) => {
                refused.detail = format!("{}; {}", refused.detail, self.put_back(&plan, &before));
                Err(refused)
            }
        }
    }

    /// Undoes a rollback whose policy was refused; says what became of it.
    fn put_back(&self, undone: &RollbackPlan, before: &str) -> String {
        let put_back = match undone.is_empty() {
            // It has changed nothing.
            true => Ok(()),
            false => self.reloader.snapshots().undo(undone, before, now()),
        };
        match put_back {
            Ok(()) => "the files are as they were before the rollback".to_owned(),
            Err(fault) => {
                let cause = chain(&fault);
                tracing::error!(
                    cause,
                    before,
                    "the files of a refused rollback could not be put back; they are in the snapshot"
                );
                format!(
                    "and the files could not be put back as they were, as the snapshot `{before}` \
                     has them: {cause}"
                )
            }
        }
    }

    /// Commits what is live now. A failure is a warning.
    pub(crate) fn commit(&self, order: &Order, receipt: &mut Receipt) {
        let reason = order.reason.clone().unwrap_or_else(|| format!("reload by {}", order.by));
        let committed = match git::open(self.reloader.config()) {
            Ok(GitState::Off) => return,
            Ok(GitState::Missing) => {
                no_repository();
                let note =
                    "`git_mode` is `force-on`, and there is no history: nothing was committed";
                receipt.notes.push(note.to_owned());
                return;
            }
            Ok(GitState::On(history)) => commit(&history, &order.by, &reason),
            Err(fault) => Err(fault),
        };
        match committed {
            Ok(id) => receipt.commit = id.map(|id| id.to_string()),
            Err(fault) => receipt.notes.push(format!(
                "the policy is live, but was not committed: {}; the next reload commits it too",
                chain(&fault)
            )),
        }
    }

    /// Begins the history of the operator's files with what they hold.
    pub(crate) fn git_init(&self, by: &Origin) -> Result<GitDone, Problem> {
        let path = &self.reloader.config().path;
        let done =
            History::init(path).and_then(|history| commit(&history, by, "the history begins"));
        let commit = done.map(|id| id.map(|id| id.to_string()));
        let detail = format!("the history of `{}` has begun", path.display());
        self.told(GIT_INIT, by, commit.map(|commit| GitDone { detail, commit }))
    }

    /// Gives the last commit a name.
    pub(crate) fn tag(&self, by: &Origin, name: &str) -> Result<GitDone, Problem> {
        let tagged = (|| {
            let config = self.reloader.config();
            let history = match git::open(config)? {
                GitState::On(history) => history,
                GitState::Off | GitState::Missing => {
                    return Err(GitFault::NoRepository { path: config.path.clone() });
                }
            };
            history.tag(name, &author(by)?, now())?;
            let newest = history.log(1)?.into_iter().next();
            let commit = newest.map(|commit| commit.id.to_string());
            Ok(GitDone { detail: format!("the last commit is now called `{name}`"), commit })
        })();
        self.told(TAG, by, tagged)
    }

    /// Records what became of a change of the history.
    fn told(
        &self,
        what: &str,
        by: &Origin,
        done: Result<GitDone, GitFault>,
    ) -> Result<GitDone, Problem> {
        let done = done.map_err(|fault| of_git(&fault));
        let name = by.to_string();
        let asked_by = AskedBy { by: &name, comment: None, force: false };
        let (outcome, detail) = match &done {
            Ok(done) => ("done", done.detail.as_str()),
            Err(problem) => ("refused", problem.detail.as_str()),
        };
        self.public.audit.event(&Event::Policy { what, outcome, detail, asked_by }, now());
        tracing::info!(by = name, what, outcome, detail, "history");
        done
    }
}

/// Says that the history that must be there is not.
pub(crate) fn no_repository() {
    eg_settings::critical!(
        "`[policy] git_mode` is `force-on`, and `path` has no `.git`: changes of the policy have no \
         history; begin one with `git-init`, or set `auto`"
    );
}

fn commit(history: &History, by: &Origin, reason: &str) -> Result<Option<CommitId>, GitFault> {
    history.commit(&author(by)?, reason, now())
}

/// The author of a commit: an operator's name, or the engine with what made it act.
fn author(by: &Origin) -> Result<Author, GitFault> {
    match by {
        Origin::Operator(name) => Author::new(name),
        Origin::Start | Origin::Signal | Origin::Watch => Author::new(&format!("engine ({by})")),
    }
}

fn receipt(generation: u32, plan: &RollbackPlan) -> RollbackReceipt {
    RollbackReceipt {
        generation,
        snapshot: plan.snapshot().to_owned(),
        removed: plan.removed().to_vec(),
        overwritten: plan.overwritten().to_vec(),
        restored: plan.brought_back().to_vec(),
        unchanged: plan.unchanged(),
        reload: None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Instant;

    use eg_policy::regex::Backend;
    use eg_proto::control::ProblemKind;

    use super::*;
    use crate::audit::tests::audit_to_memory;
    use crate::config::load_text;
    use crate::policy_thread::{LiveFacts, Public};
    use crate::process::Supervisor;
    use crate::reload::{Ending, Reloader, Start};
    use crate::store::Store;
    use crate::view::Live;

    fn reloader(folder: &Path) -> Reloader {
        let text = "[connectors.a]\nkey = \"0123456789abcdef\"\n\
             [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
             [policy]\npath = \"own\"\nshared_path = \"\"\nbackup_path = \"backups\"\n\
             backup_depth = 1\n[database]\ndatabase_file = \"state/engine.db\"\n";
        let none = eg_settings::Overrides::default();
        let config = load_text(folder.join("engine.conf"), text, &none).unwrap().config;
        let store = Store::open(&config.database.database_file).unwrap();
        Reloader::new(&config, store, Backend::Hyperscan)
    }

    #[test]
    fn a_rollback_that_the_store_refuses_leaves_the_files_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("own/a.policy");
        fs::create_dir(folder.path().join("own")).unwrap();
        let rule = |host: &str| {
            fs::write(&policy, format!("a: {{\n  match-domain: {host}\n}}\n")).unwrap();
        };
        rule("one.example");
        let mut reloader = reloader(folder.path());
        let Start::FromFiles(first) = reloader.start().unwrap() else { panic!() };
        let (audit, thread, memory) = audit_to_memory();
        let public = Public {
            live: Arc::new(Live::new(first.ruleset)),
            audit,
            supervisor: Arc::new(Supervisor::of(|_| None)),
            facts: LiveFacts::default(),
        };
        let ending = Ending::default();
        // Not loaded yet, so that there is nothing of it but the file.
        rule("two.example");
        let before = fs::read(&policy).unwrap();
        reloader.store().break_it();
        let mut desk = Desk { reloader: &mut reloader, public: &public, ending: &ending };
        let by = Origin::Operator("local:root".to_owned());
        let (guards, run) = (Guards::Heeded, Run::Real);
        let asked = Rollback { generation: 1, by, reason: None, guards, run };
        let refused = desk.rollback(&asked, (Instant::now(), 1)).unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Failed, "{refused:?}");
        assert!(refused.detail.ends_with("as they were before the rollback"), "{refused:?}");
        assert_eq!(fs::read(&policy).unwrap(), before);
        drop(public);
        thread.finish();
        let outcomes: Vec<_> = memory
            .lines()
            .iter()
            .map(|line| (line["kind"].clone(), line["outcome"].clone()))
            .collect();
        let refused = |kind: &str| (kind.into(), "refused".into());
        assert_eq!(outcomes, [refused("reload"), refused(ROLLBACK)]);
    }
}
