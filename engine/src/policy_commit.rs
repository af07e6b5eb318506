//! What the policy thread does with a commit: the operator's files as somebody has edited them, tried out
//! first, then written, then loaded (ADR 0030).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eg_policy::digest::Digest;
use eg_policy::moment::Moment;
use eg_policy::sources::SourceFile;
use eg_proto::control::edit::CommitReceipt;
use eg_proto::control::{Problem, ProblemKind, Receipt};
use eg_settings::log::chain;

use crate::asks::Commit;
use crate::audit::{AskedBy, Event};
use crate::backup::{CommitPlan, Deadline};
use crate::control::faults::of_backup;
use crate::control::shape;
use crate::edits::{Edits, base_of};
use crate::policy_confirm::Waiting;
use crate::policy_desk::{Changed, Desk};
use crate::reload::{Guards, Order, Run};
use crate::sources;
use crate::view::now;

/// What trail and log call a commit.
pub(crate) const COMMIT: &str = "commit";

/// What a commit does to files.
#[derive(Debug, Default)]
struct Differences {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Desk<'_> {
    /// Changes the operator's files and loads them; where their policy is refused, nothing is changed.
    pub(crate) fn commit_files(
        &mut self,
        asked_for: &Commit,
        at: (Instant, u64),
    ) -> Result<CommitReceipt, Problem> {
        let done = self.carry_out_commit(asked_for, at);
        let Commit { by, reason, guards, run, .. } = asked_for;
        let (name, force) = (by.to_string(), *guards == Guards::Overridden);
        let asked_by = AskedBy { by: &name, comment: reason.as_deref(), force };
        let (outcome, detail) = match (&done, run) {
            (Ok(done), Run::Real) => ("done", summary(done)),
            (Ok(done), Run::Dry) => ("dry-run", summary(done)),
            (Err(problem), _) => ("refused", problem.detail.clone()),
        };
        let what = COMMIT;
        self.public.audit.event(&Event::Policy { what, outcome, detail: &detail, asked_by }, now());
        tracing::info!(by = name, outcome, detail, "commit");
        done
    }

    fn carry_out_commit(
        &mut self,
        asked_for: &Commit,
        (asked, number): (Instant, u64),
    ) -> Result<CommitReceipt, Problem> {
        let Commit { base, edits, by, reason, guards, run, confirm_in } = asked_for;
        let files = self.own_files()?;
        let is = base_of(files.iter().map(|(name, file)| (name.as_str(), file)));
        if is != *base {
            return Err(self.conflict(is));
        }
        let plan = self.reloader.snapshots().plan_commit(edits.clone());
        let plan = plan.map_err(|fault| of_backup(&fault))?;
        let found = differences(edits, &files);
        let over = edits.over(&self.reloader.config().path, files);
        let then = base_of(over.iter().map(|(name, file)| (name.as_str(), file)));
        let reason = reason.clone().or_else(|| Some(COMMIT.to_owned()));
        let order = Order { by: by.clone(), reason, guards: *guards, run: *run };
        let tried = self.reloader.try_out(order.clone(), edits, asked);
        let tried = tried.map_err(|fault| shape::problem(number, &fault))?;
        if tried.base != then {
            // Somebody has written a file since it was read above.
            let files = self.own_files()?;
            let is = base_of(files.iter().map(|(name, file)| (name.as_str(), file)));
            return Err(self.conflict(is));
        }
        let reload = match run {
            Run::Dry => shape::receipt(number, &tried),
            Run::Real => self.write_and_load(&plan, &order, (*confirm_in, asked, number))?,
        };
        let Differences { added, changed, removed } = found;
        let unconfirmed = self.public.facts.unconfirmed(now());
        Ok(CommitReceipt { added, changed, removed, base: then.to_string(), reload, unconfirmed })
    }

    /// Writes what was tried out, and loads it.
    fn write_and_load(
        &mut self,
        plan: &CommitPlan,
        order: &Order,
        (confirm_in, asked, number): (Option<Duration>, Instant, u64),
    ) -> Result<Receipt, Problem> {
        let snapshots = self.reloader.snapshots().clone();
        let kept = snapshots.keep(now(), &format!("before the commit of {}", order.by));
        let before = kept.map_err(|fault| of_backup(&fault))?.snapshot;
        let deadline = confirm_in.map(|wait| Deadline {
            by: order.by.to_string(),
            until: later(now(), wait),
            // What was confirmed last is what is gone back to, over as many commits as there are.
            snapshot: self.trace.waits.as_ref().map_or_else(|| before.clone(), Waiting::to),
        });
        if let Some(deadline) = &deadline {
            // Before the files are: no commit outlives its deadline unseen.
            snapshots.note_unconfirmed(Some(deadline)).map_err(|fault| of_backup(&fault))?;
        }
        let written = snapshots.apply_commit(plan);
        let after = written.map_err(|fault| {
            self.unnote(deadline.as_ref());
            of_backup(&fault)
        })?;
        match self.reload(order, asked) {
            Ok(loaded) => {
                let mut receipt = shape::receipt(number, &loaded);
                match deadline {
                    Some(deadline) => self.wait_for(deadline, (now(), Instant::now())),
                    None => receipt.notes.extend(self.settle()),
                }
                Ok(receipt)
            }
            Err(fault) => {
                let mut refused = shape::problem(number, &fault);
                let undone = snapshots.undo_commit(after, &before, now());
                self.unnote(deadline.as_ref());
                refused.detail = match undone {
                    Ok(()) => {
                        format!("{}; the files are as they were before the commit", refused.detail)
                    }
                    Err(fault) => not_put_back(&refused.detail, &before, &chain(&fault)),
                };
                Err(refused)
            }
        }
    }

    /// The operator's policy files.
    fn own_files(&self) -> Result<Vec<(String, SourceFile)>, Problem> {
        sources::own_files(self.reloader.config())
            .map_err(|fault| Problem::new(ProblemKind::Failed, chain(&fault)))
    }

    /// Why a commit that was made from something else is not taken: who was faster.
    fn conflict(&self, is: Digest) -> Problem {
        let why = match &self.trace.changed {
            Some(Changed { by, at, reason }) if self.trace.base == Some(is) => {
                let reason = reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                format!("`{by}` loaded the last change at {}{reason}", shape::when(*at))
            }
            Some(_) | None => self.kept_by().unwrap_or_else(|| {
                "the files were changed by hand, and the engine has not loaded that yet".to_owned()
            }),
        };
        let detail = format!(
            "the policy files are not those that the edit began with; {why}; nothing was changed: take \
             the files anew and see what of the edit is still wanted"
        );
        Problem::new(ProblemKind::Conflict, detail)
    }

    /// What the newest snapshot says of itself, where the files are those that it holds.
    fn kept_by(&self) -> Option<String> {
        let snapshots = self.reloader.snapshots();
        let row = snapshots.list().ok()?.into_iter().next()?;
        let holds = snapshots.holds(&row.snapshot).ok()?;
        holds.then(|| {
            format!("the last change was loaded at {} ({})", shape::when(row.taken), row.reason)
        })
    }
}

/// A moment that lies `wait` after another.
fn later(now: Moment, wait: Duration) -> Moment {
    let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    Moment::from_unix_micros(now.unix_micros().saturating_add(wait))
}

/// What to say of files that are neither old nor live.
fn not_put_back(refused: &str, before: &str, cause: &str) -> String {
    tracing::error!(
        cause,
        before,
        "the files of a refused commit could not be put back; they are in the snapshot"
    );
    format!(
        "{refused}; and the files could not be put back as they were, as the snapshot `{before}` has \
         them: {cause}"
    )
}

fn differences(edits: &Edits, files: &[(String, SourceFile)]) -> Differences {
    let files: BTreeMap<&str, &SourceFile> =
        files.iter().map(|(name, file)| (name.as_str(), file)).collect();
    let mut found = Differences::default();
    for (name, text) in &edits.0 {
        let to = match (files.get(name.as_str()), text) {
            (None, Some(_)) => &mut found.added,
            (Some(file), Some(text)) if file.fault.is_some() || file.text != *text => {
                &mut found.changed
            }
            (Some(_), None) => &mut found.removed,
            (Some(_), Some(_)) | (None, None) => continue,
        };
        to.push(name.to_string());
    }
    found
}

/// How many files of which kind, for trail and log.
fn summary(receipt: &CommitReceipt) -> String {
    let CommitReceipt { added, changed, removed, .. } = receipt;
    let waits = match &receipt.unconfirmed {
        Some(waits) => format!(", to be confirmed until {}", waits.until),
        None => String::new(),
    };
    format!("{} added, {} changed, {} removed{waits}", added.len(), changed.len(), removed.len())
}
