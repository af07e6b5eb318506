//! A commit that waits to be confirmed: taken up at a start, confirmed, or rolled back when its time is up
//! (ADR 0030).
//!
//! Time is counted twice, by the wall clock, which outlives a restart, and by the clock that nobody sets;
//! whichever is first counts, so that a clock that is set back keeps no policy that was meant to go.

use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_proto::control::edit::{CONFIRM_MINUTES_MAX, Confirmed};
use eg_proto::control::{Problem, ProblemKind, Receipt};
use eg_settings::log::chain;

use crate::audit::{AskedBy, Event};
use crate::backup::Deadline;
use crate::control::faults::of_backup;
use crate::control::shape;
use crate::edits::base_of;
use crate::policy_desk::Desk;
use crate::reload::{Guards, Order, Origin, Run};
use crate::sources;
use crate::view::now;

/// What trail and log call the keeping of a commit.
pub(crate) const CONFIRM: &str = "confirm";

/// What they call its end without that.
const EXPIRY: &str = "commit-confirmed";

/// Before a rollback that failed is tried again: somebody may be at the folder, or free the disk.
const RETRY: Duration = Duration::from_secs(60);

/// Both clocks.
type Clocks = (Moment, Instant);

/// A commit that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    deadline: Deadline,
    /// When it is tried, by the wall clock; the deadline, or later where it could not be done then.
    until: Moment,
    /// The same by the clock that nobody sets.
    latest: Instant,
}

impl Waiting {
    fn new(deadline: Deadline, clocks: Clocks) -> Self {
        let until = deadline.until;
        let longest = Duration::from_secs(u64::from(CONFIRM_MINUTES_MAX) * 60);
        let latest = clocks.1 + left(until, clocks.0).min(longest);
        Self { deadline, until, latest }
    }

    /// The snapshot that it goes back to.
    pub(crate) fn to(&self) -> String {
        self.deadline.snapshot.clone()
    }

    fn left(&self, (moment, instant): Clocks) -> Duration {
        left(self.until, moment).min(self.latest.saturating_duration_since(instant))
    }
}

fn left(until: Moment, now: Moment) -> Duration {
    let left_us = until.unix_micros().saturating_sub(now.unix_micros());
    Duration::from_micros(u64::try_from(left_us).unwrap_or(0))
}

impl Desk<'_> {
    /// What the run before has left: a commit that waits, or should have been rolled back since.
    pub(crate) fn take_up(&mut self, clocks: Clocks) {
        let files = sources::own_files(self.reloader.config()).ok();
        let base = |files: Vec<(String, _)>| {
            base_of(files.iter().map(|(name, file)| (name.as_str(), file)))
        };
        self.trace.base = files.map(base);
        let snapshots = self.reloader.snapshots();
        match snapshots.unconfirmed() {
            Ok(None) => {}
            Ok(Some(deadline)) => {
                // It was cut off before its files were written, or when they were put back already; what
                // is live may be something else.
                let is_back = snapshots.holds(&deadline.snapshot).unwrap_or(false);
                let mut waits = Waiting::new(deadline, clocks);
                if is_back {
                    waits.latest = clocks.1;
                }
                self.public.facts.say_waits(Some(waits.deadline.clone()));
                self.trace.waits = Some(waits);
                self.look_at_deadline(clocks);
            }
            Err(fault) => tracing::error!(
                cause = chain(&fault),
                "whether a commit waits to be confirmed cannot be seen; look at the policy that is live"
            ),
        }
    }

    /// How long nothing has to be done about a commit that waits; `None` where there is none.
    pub(crate) fn patience(&self, clocks: Clocks) -> Option<Duration> {
        self.trace.waits.as_ref().map(|waits| waits.left(clocks))
    }

    /// Lets a commit wait, which has been noted.
    pub(crate) fn wait_for(&mut self, deadline: Deadline, clocks: Clocks) {
        self.public.facts.say_waits(Some(deadline.clone()));
        self.trace.waits = Some(Waiting::new(deadline, clocks));
    }

    /// Notes again what was noted before a commit that has failed.
    pub(crate) fn unnote(&self, failed: Option<&Deadline>) {
        if failed.is_none() {
            return;
        }
        let before = self.trace.waits.as_ref().map(|waits| &waits.deadline);
        if let Err(fault) = self.reloader.snapshots().note_unconfirmed(before) {
            tracing::error!(
                cause = chain(&fault),
                "the note of a commit that was refused stays; the next start rolls back to the snapshot \
                 in it"
            );
        }
    }

    /// Keeps a commit that waits. Gives a sentence about it, where there is one.
    pub(crate) fn settle(&mut self) -> Option<String> {
        let deadline = self.trace.waits.as_ref().map(|waits| waits.deadline.clone())?;
        let Deadline { by, until, .. } = &deadline;
        match self.forget() {
            Ok(()) => {
                Some(format!("the commit of `{by}` that waited to be confirmed is confirmed"))
            }
            Err(problem) => Some(format!(
                "the commit of `{by}` could not be confirmed ({}), and all since then is rolled back at {}",
                problem.detail,
                shape::when(*until)
            )),
        }
    }

    /// Keeps a commit that waits, as an operator asks for.
    pub(crate) fn confirm(&mut self, by: &Origin) -> Result<Confirmed, Problem> {
        let done = self.try_confirm(by);
        let name = by.to_string();
        let asked_by = AskedBy { by: &name, comment: None, force: false };
        let (outcome, detail) = match &done {
            Ok(done) => ("done", done.detail.as_str()),
            Err(problem) => ("refused", problem.detail.as_str()),
        };
        let entry = Event::Policy { what: CONFIRM, outcome, detail, asked_by };
        self.public.audit.event(&entry, now());
        tracing::info!(by = name, outcome, detail, "confirm");
        done
    }

    fn try_confirm(&mut self, by: &Origin) -> Result<Confirmed, Problem> {
        let Some(commit) = self.public.facts.unconfirmed(now()) else {
            let detail = "no commit waits to be confirmed; it may have been rolled back already, which \
                          the log and `show policy backups` tell";
            return Err(Problem::new(ProblemKind::Conflict, detail));
        };
        self.forget()?;
        let detail = format!("the commit of `{}` stays, confirmed by `{by}`", commit.by);
        Ok(Confirmed { detail, commit })
    }

    /// Lets nothing wait any more.
    fn forget(&mut self) -> Result<(), Problem> {
        let noted = self.reloader.snapshots().note_unconfirmed(None);
        noted.map_err(|fault| of_backup(&fault))?;
        self.trace.waits = None;
        self.public.facts.say_waits(None);
        Ok(())
    }

    /// Rolls a commit back whose time is up.
    pub(crate) fn look_at_deadline(&mut self, clocks: Clocks) {
        let waits = self.trace.waits.as_ref().filter(|waits| waits.left(clocks).is_zero());
        let Some(deadline) = waits.map(|waits| waits.deadline.clone()) else { return };
        let done = self.expire(&deadline);
        let done = done.and_then(|receipt| self.forget().map(|()| receipt));
        let Deadline { by, snapshot, .. } = &deadline;
        let (outcome, detail) = match &done {
            Ok(_) => ("done", format!("rolled back to {snapshot}")),
            Err(problem) => ("refused", problem.detail.clone()),
        };
        let comment = format!("the commit of {by} was not confirmed in time");
        let asked_by = AskedBy { by: EXPIRY, comment: Some(&comment), force: false };
        let entry = Event::Policy { what: EXPIRY, outcome, detail: &detail, asked_by };
        self.public.audit.event(&entry, now());
        match done {
            Ok(_) => tracing::warn!(
                by,
                snapshot,
                "a commit was not confirmed in time; the policy is the one before it"
            ),
            // The next run does it.
            Err(problem) if problem.kind == ProblemKind::Ending => {}
            Err(problem) if problem.kind == ProblemKind::NotFound => {
                eg_settings::critical!(
                    by,
                    snapshot,
                    cause = problem.detail,
                    "a commit was not confirmed in time and cannot be rolled back; it stays: look at the \
                     policy, and roll back to another snapshot where that is wanted"
                );
                // Its snapshot does not come back.
                drop(self.forget());
            }
            Err(problem) => {
                tracing::error!(
                    by,
                    snapshot,
                    cause = problem.detail,
                    "a commit was not confirmed in time and cannot be rolled back yet; it is tried again"
                );
                self.put_off(clocks);
            }
        }
    }

    /// Makes the files what they were before the commit, and loads them.
    fn expire(&mut self, deadline: &Deadline) -> Result<Receipt, Problem> {
        let Deadline { by, snapshot, .. } = deadline;
        let plan = self.reloader.snapshots().plan_named(snapshot);
        let plan = plan.map_err(|fault| of_backup(&fault))?;
        let reason =
            format!("rollback to {snapshot}: the commit of {by} was not confirmed in time");
        let order = |guards| Order {
            by: Origin::Deadline,
            reason: Some(reason.clone()),
            guards,
            run: Run::Real,
        };
        let at = (Instant::now(), 0);
        match self.go_to(&plan, &order(Guards::Heeded), at) {
            // What was live before may have fewer rules; that is what is asked for.
            Err(problem) if problem.kind == ProblemKind::PolicyRefused => {
                self.go_to(&plan, &order(Guards::Overridden), at)
            }
            done => done,
        }
    }

    /// Tries again later.
    fn put_off(&mut self, (moment, instant): Clocks) {
        if let Some(waits) = &mut self.trace.waits {
            let retry_us = i64::try_from(RETRY.as_micros()).unwrap_or(i64::MAX);
            let at = moment.unix_micros().saturating_add(retry_us);
            waits.until = Moment::from_unix_micros(at);
            waits.latest = instant + RETRY;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::asks::Commit;
    use crate::audit::tests::audit_to_memory;
    use crate::edits::{Edits, FileName};
    use crate::policy_desk::Trace;
    use crate::policy_history::tests::reloader;
    use crate::policy_thread::{LiveFacts, Public};
    use crate::process::Supervisor;
    use crate::reload::{Ending, Reloader, Start};
    use crate::view::{Live, Stored};

    const MINUTES: Duration = Duration::from_secs(5 * 60);

    /// A policy of one rule that is live, and what the thread would hold.
    struct Site {
        folder: tempfile::TempDir,
        reloader: Reloader,
        public: Public,
        ending: Ending,
        trace: Trace,
        thread: crate::audit::AuditThread,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("own")).unwrap();
            fs::write(folder.path().join("own/a.policy"), text(&["one"])).unwrap();
            let mut reloader = reloader(folder.path());
            let Start::FromFiles(first) = reloader.start().unwrap() else { panic!() };
            let (audit, thread, _) = audit_to_memory();
            let public = Public {
                live: Arc::new(Live::new(first.ruleset, Stored::default())),
                audit,
                supervisor: Arc::new(Supervisor::of(|_| None)),
                facts: LiveFacts::default(),
            };
            let (ending, trace) = (Ending::default(), Trace::default());
            Self { folder, reloader, public, ending, trace, thread }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("own/a.policy")
        }

        fn held(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }

        fn live(&self) -> String {
            self.public.live.load().digest().to_owned()
        }

        fn notes(&self) -> bool {
            self.folder.path().join("backups/.unconfirmed.json").exists()
        }

        fn desk(&mut self) -> Desk<'_> {
            let Self { reloader, public, ending, trace, .. } = self;
            Desk { reloader, public, ending, trace }
        }

        /// Commits these rules, to be confirmed within some minutes.
        fn commit(&mut self, rules: &[&str]) -> Result<(), Problem> {
            let files = sources::own_files(self.reloader.config()).unwrap();
            let base = base_of(files.iter().map(|(name, file)| (name.as_str(), file)));
            let name = FileName::parse("a.policy").unwrap();
            let commit = Commit {
                base,
                edits: Edits(BTreeMap::from([(name, Some(text(rules)))])),
                by: Origin::Operator("ada".to_owned()),
                reason: None,
                guards: Guards::Heeded,
                run: Run::Real,
                confirm_in: Some(MINUTES),
            };
            self.desk().commit_files(&commit, (Instant::now(), 1)).map(drop)
        }

        fn finish(self) {
            let Self { public, thread, .. } = self;
            drop(public);
            thread.finish();
        }
    }

    fn text(rules: &[&str]) -> String {
        let rule = |name: &&str| format!("{name}: {{\n  match-domain: {name}.example\n}}\n");
        rules.iter().map(rule).collect()
    }

    fn after(clocks: Clocks, wall: Duration, steady: Duration) -> Clocks {
        let us = i64::try_from(wall.as_micros()).unwrap();
        (Moment::from_unix_micros(clocks.0.unix_micros() + us), clocks.1 + steady)
    }

    #[test]
    fn what_nobody_confirms_is_rolled_back_by_either_clock() {
        let late = MINUTES + Duration::from_secs(1);
        let early = MINUTES - Duration::from_secs(10);
        for (wall, steady) in [(late, Duration::ZERO), (Duration::ZERO, late)] {
            let mut site = Site::new();
            let (before, live) = (site.held(), site.live());
            site.commit(&["two", "three"]).unwrap();
            let (changed, clocks) = (site.held(), (now(), Instant::now()));
            assert!(site.notes() && site.live() != live);
            assert_eq!(site.public.facts.unconfirmed(clocks.0).unwrap().by, "ada");
            site.desk().look_at_deadline(after(clocks, early, early));
            assert_eq!(site.held(), changed);
            assert!(site.desk().patience(clocks).unwrap() <= MINUTES);
            // Twice as many rules as before, so the guard alone would refuse.
            site.desk().look_at_deadline(after(clocks, wall, steady));
            assert_eq!((site.held(), site.live()), (before, live));
            assert!(!site.notes() && site.desk().patience(clocks).is_none());
            assert_eq!(site.public.facts.unconfirmed(clocks.0), None);
            site.finish();
        }
    }

    #[test]
    fn what_is_confirmed_stays() {
        let mut site = Site::new();
        site.commit(&["two"]).unwrap();
        let changed = site.held();
        let by = Origin::Operator("ben".to_owned());
        let confirmed = site.desk().confirm(&by).unwrap();
        assert!(confirmed.detail.contains("`ada`") && confirmed.detail.contains("`ben`"));
        assert_eq!(site.desk().confirm(&by).unwrap_err().kind, ProblemKind::Conflict);
        site.desk().look_at_deadline(after((now(), Instant::now()), 2 * MINUTES, 2 * MINUTES));
        assert_eq!(site.held(), changed);
        site.finish();
    }

    #[test]
    fn a_commit_that_the_store_refuses_leaves_files_and_waits_as_they_were() {
        let mut site = Site::new();
        let before = site.held();
        site.reloader.store().break_it();
        let refused = site.commit(&["two"]).unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Failed, "{refused:?}");
        assert!(refused.detail.ends_with("as they were before the commit"), "{refused:?}");
        assert_eq!(site.held(), before);
        assert!(!site.notes());
        site.finish();
    }

    #[test]
    fn a_rollback_that_fails_is_tried_again_and_one_that_cannot_be_is_given_up() {
        let mut site = Site::new();
        site.commit(&["two"]).unwrap();
        let changed = site.held();
        let clocks = after((now(), Instant::now()), 2 * MINUTES, 2 * MINUTES);
        site.reloader.store().break_it();
        site.desk().look_at_deadline(clocks);
        assert_eq!(site.held(), changed, "it was put back");
        assert_eq!(site.desk().patience(clocks), Some(RETRY));
        assert!(site.notes());
        let to = site.trace.waits.as_ref().unwrap().to();
        fs::remove_dir_all(site.folder.path().join("backups").join(to)).unwrap();
        site.desk().look_at_deadline(after(clocks, RETRY, RETRY));
        assert!(!site.notes() && site.desk().patience(clocks).is_none());
        assert_eq!(site.held(), changed);
        site.finish();
    }

    #[test]
    fn a_start_takes_up_what_waits() {
        let mut site = Site::new();
        let before = site.held();
        site.commit(&["two"]).unwrap();
        let clocks = (now(), Instant::now());
        // As in the next run.
        site.trace = Trace::default();
        site.public.facts.say_waits(None);
        site.desk().take_up(clocks);
        assert!(site.public.facts.unconfirmed(clocks.0).is_some());
        assert_ne!(site.held(), before);
        // Killed after the files were put back, and before that was loaded.
        fs::write(site.path(), &before).unwrap();
        let live = site.live();
        site.trace = Trace::default();
        site.desk().take_up(clocks);
        assert!(!site.notes());
        assert_ne!(site.live(), live, "the files are loaded");
        site.finish();
    }
}
