//! A disk that refuses, and a process that is killed, at every single step: what is left is the old or
//! the new, whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eg_policy::moment::Moment;

use super::steps::Steps;
use super::tests::{Held, NOW, Site};
use super::{BackupFault, Deadline, Made, Recovery};
use crate::edits::{Edits, FileName};

/// What happens at the step that is counted down to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Break {
    /// Nothing.
    #[default]
    Never,
    /// The disk is full for this one step.
    Once,
    /// The disk refuses everything from then on.
    Ever,
    /// The process is killed: no code that would clean up runs.
    Kill,
}

/// What makes a step fail.
#[derive(Debug, Clone, Default)]
pub(super) struct Brake {
    how: Break,
    at: u64,
    seen: Arc<AtomicU64>,
}

impl Brake {
    pub(super) fn step(&self) -> io::Result<()> {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        match self.how {
            Break::Once if seen == self.at => Err(io::ErrorKind::StorageFull.into()),
            Break::Ever if seen >= self.at => Err(io::ErrorKind::StorageFull.into()),
            Break::Kill if seen == self.at => resume_unwind(Box::new("killed")),
            Break::Never | Break::Once | Break::Ever | Break::Kill => Ok(()),
        }
    }
}

fn breaking(how: Break, at: u64) -> Steps {
    Steps { brake: Brake { how, at, seen: Arc::default() } }
}

/// A site on which a rollback to generation 1 removes, overwrites, brings back, changes kinds and
/// modes; with what it holds, and what it would hold.
fn edited() -> (Site, Held, Held) {
    let site = Site::new();
    site.write("gone/deep/x.policy", "x");
    site.write("kind", "file");
    symlink("lists/names.list", site.path().join("link")).unwrap();
    let old = site.held();
    site.keep("old");
    fs::remove_dir_all(site.path().join("gone")).unwrap();
    fs::remove_file(site.path().join("kind")).unwrap();
    site.write("kind/inside.policy", "a folder now");
    site.write("10-a.policy", "edited");
    site.write("added/y.policy", "y");
    fs::remove_file(site.path().join("link")).unwrap();
    symlink("10-a.policy", site.path().join("link")).unwrap();
    fs::set_permissions(site.path().join("lists"), fs::Permissions::from_mode(0o750)).unwrap();
    let new = site.held();
    assert_ne!(old, new);
    (site, new, old)
}

fn now() -> Moment {
    Moment::from_unix_micros(NOW)
}

#[test]
fn a_snapshot_is_whole_or_not_there_wherever_it_is_cut_off() {
    for how in [Break::Once, Break::Ever, Break::Kill] {
        let mut at = 0;
        loop {
            let site = Site::new().depth(2);
            for text in ["1", "2"] {
                site.write("10-a.policy", text);
                site.keep(text);
            }
            site.write("10-a.policy", "3");
            site.write("new/z.policy", "z");
            let before = site.held();
            let steps = breaking(how, at);
            let seen = steps.brake.seen.clone();
            let kept = catch_unwind(AssertUnwindSafe(|| {
                let snapshots = site.breaking(steps);
                let kept = snapshots.keep(now(), "3");
                snapshots.prune();
                kept
            }));
            assert_eq!(site.held(), before);
            // Every generation that is listed can be put back.
            let rows = site.snapshots().list().unwrap();
            assert!((2..=3).contains(&rows.len()), "{how:?} at {at}: {rows:?}");
            for row in &rows {
                assert!(site.snapshots().plan(row.generation).is_ok(), "{how:?} at {at}");
            }
            // The next call has it, tidies up, and leaves as many as it should.
            let again = site.keep("again");
            let names = fs::read_dir(site.folder.path().join("backups")).unwrap();
            let names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
            let whole =
                names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")).count();
            let unfinished =
                names.iter().any(|name| name.as_encoded_bytes().starts_with(b".unfin"));
            assert!(whole == 2 && !unfinished, "{how:?} at {at}: {names:?}");
            if let Ok(Ok(kept)) = kept {
                assert_eq!((kept.made, again.made), (Made::New, Made::Already));
                if seen.load(Ordering::Relaxed) <= at {
                    break;
                }
            }
            at += 1;
        }
        assert!(at > 10, "{how:?} was tried at {at} steps only");
    }
}

#[test]
fn a_rollback_that_fails_changes_nothing_wherever_it_fails() {
    let mut at = 0;
    loop {
        let (site, before, after) = edited();
        let plan = site.snapshots().plan(1).unwrap();
        let steps = breaking(Break::Once, at);
        let seen = steps.brake.seen.clone();
        let done = site.breaking(steps).apply(&plan, now());
        match done {
            Ok(_) => {
                // What failed after the end of it left its own files at most.
                site.snapshots().keep(now(), "next").unwrap();
                assert_eq!(site.held(), after, "at {at}");
            }
            Err(fault) => {
                assert!(!matches!(fault, BackupFault::HalfApplied { .. }), "at {at}: {fault}");
                assert_eq!(site.held(), before, "at {at}: {fault}");
            }
        }
        if seen.load(Ordering::Relaxed) <= at {
            break;
        }
        at += 1;
    }
    assert!(at > 30, "tried at {at} steps only");
}

#[test]
fn a_rollback_that_is_cut_off_is_undone_or_done_wherever_it_is() {
    for how in [Break::Kill, Break::Ever] {
        let (mut at, mut undone, mut whole) = (0, 0, 0);
        loop {
            let (site, before, after) = edited();
            let plan = site.snapshots().plan(1).unwrap();
            let steps = breaking(how, at);
            let seen = steps.brake.seen.clone();
            let done = catch_unwind(AssertUnwindSafe(|| site.breaking(steps).apply(&plan, now())));
            let recovery = site.snapshots().recover().unwrap();
            match recovery {
                Recovery::NotNeeded => {}
                Recovery::Undone { left_alone } => {
                    assert!(left_alone.is_empty());
                    undone += 1;
                }
            }
            // A leftover that needs no undoing goes with the next call.
            site.keep("next");
            let held = site.held();
            assert!(held == before || held == after, "{how:?} at {at}: {held:?}");
            whole += u64::from(held == after);
            if let Ok(Ok(_)) = done {
                assert_eq!(held, after, "{how:?} at {at}");
            }
            if seen.load(Ordering::Relaxed) <= at {
                break;
            }
            at += 1;
        }
        assert!(
            at > 30 && undone > 10 && whole > 2,
            "{how:?}: {at} steps, {undone} undone, {whole} done"
        );
    }
}

#[test]
fn an_undoing_that_is_cut_off_itself_is_begun_again() {
    let mut at = 0;
    loop {
        let (site, before, after) = edited();
        kill_before_the_end(&site);
        let moved = site.held().into_iter().filter(|(path, _)| !path.starts_with(".enforcegate"));
        assert_eq!(moved.collect::<Held>(), after);
        let steps = breaking(Break::Kill, at);
        let done = catch_unwind(AssertUnwindSafe(|| site.breaking(steps).recover()));
        let killed = done.is_err();
        site.snapshots().recover().unwrap();
        site.keep("next");
        assert_eq!(site.held(), before, "at {at}");
        if !killed {
            break;
        }
        at += 1;
    }
    assert!(at > 10, "cut off at {at} steps only");
}

/// How many steps a rollback of [`edited`] takes.
fn steps_of_all() -> u64 {
    let (site, _, _) = edited();
    let steps = breaking(Break::Never, 0);
    site.breaking(steps.clone()).apply(&site.snapshots().plan(1).unwrap(), now()).unwrap();
    steps.brake.seen.load(Ordering::Relaxed)
}

/// A rollback that is killed when it has moved everything and its journal is still there.
fn kill_before_the_end(site: &Site) {
    let plan = site.snapshots().plan(1).unwrap();
    // The last four steps: the journal goes, a sync, the staging goes, a sync.
    let steps = breaking(Break::Kill, steps_of_all() - 4);
    assert!(catch_unwind(AssertUnwindSafe(|| site.breaking(steps).apply(&plan, now()))).is_err());
    assert!(site.path().join(".enforcegate-rollback/journal.json").exists());
}

#[test]
fn what_an_operator_changes_after_a_power_cut_stays() {
    let (site, before, _) = edited();
    kill_before_the_end(&site);
    site.write("10-a.policy", "edited after the power cut");
    // Nothing is kept of half a rollback.
    let fault = site.snapshots().keep(now(), "").unwrap_err();
    assert!(matches!(fault, BackupFault::Interrupted { .. }), "{fault}");
    let recovery = site.snapshots().recover().unwrap();
    assert_eq!(recovery, Recovery::Undone { left_alone: vec!["10-a.policy".into()] });
    let mut held = site.held();
    let edited = held.insert("10-a.policy".into(), before["10-a.policy"].clone()).unwrap();
    assert!(edited.ends_with("edited after the power cut"));
    assert_eq!(held, before);
    // What it replaced is still in the generation that was kept before the rollback.
    assert_eq!(site.snapshots().plan(1).unwrap().overwritten(), ["10-a.policy"]);
}

#[test]
fn a_journal_of_somebody_else_is_not_followed() {
    let (site, before, _) = edited();
    let staging = site.path().join(".enforcegate-rollback");
    fs::create_dir(&staging).unwrap();
    let journal = |acts: &str| {
        let text = format!("{{\"format\":1,\"snapshot\":\"x\",\"acts\":[{acts}]}}");
        fs::write(staging.join("journal.json"), text).unwrap();
        let fault = site.snapshots().recover().unwrap_err();
        assert!(matches!(fault, BackupFault::BadJournal { .. }), "{acts}: {fault}");
        assert!(fault.to_string().contains("then remove `.enforcegate-rollback`"), "{fault}");
    };
    for path in ["../backups", "/etc/passwd", "", "a/../../b", "."] {
        journal(&format!("{{\"act\":\"make-folder\",\"path\":\"{path}\"}}"));
    }
    journal("{\"act\":\"burn\",\"path\":\"a\"}");
    fs::remove_dir_all(&staging).unwrap();
    // A link by that name is removed and not followed.
    fs::create_dir(site.folder.path().join("precious")).unwrap();
    symlink("../precious", &staging).unwrap();
    site.keep("next");
    assert!(site.folder.path().join("precious").is_dir() && !staging.exists());
    assert_eq!(site.held(), before);
}

/// A site, what a commit is to make of it, and what it holds before and after.
fn committed() -> (Site, Edits, Held, Held) {
    let site = Site::new();
    site.write("20-gone.policy", "gone");
    site.write("sites/30-b.policy", "b");
    site.keep("old");
    let before = site.held();
    let edit =
        |name: &str, text: Option<&str>| (FileName::parse(name).unwrap(), text.map(str::to_owned));
    let edits = Edits(BTreeMap::from([
        edit("10-a.policy", Some("edited")),
        edit("20-gone.policy", None),
        edit("new/deep/x.policy", Some("x")),
        edit("sites/30-b.policy", Some("B")),
    ]));
    let mut after = before.clone();
    let (mode, _) = before["20-gone.policy"].split_once(' ').unwrap();
    let folder =
        format!("{:o} folder", fs::metadata(site.path()).unwrap().permissions().mode() & 0o777);
    after.insert("10-a.policy".into(), format!("{mode} edited"));
    after.insert("sites/30-b.policy".into(), format!("{mode} B"));
    after.remove("20-gone.policy");
    after.insert("new".into(), folder.clone());
    after.insert("new/deep".into(), folder);
    after.insert("new/deep/x.policy".into(), "640 x".into());
    (site, edits, before, after)
}

#[test]
fn a_commit_leaves_the_old_or_the_new_wherever_it_is_cut_off() {
    for how in [Break::Once, Break::Ever, Break::Kill] {
        let (mut at, mut old, mut new) = (0, 0, 0);
        loop {
            let (site, edits, before, after) = committed();
            let plan = site.snapshots().plan_commit(edits).unwrap();
            let steps = breaking(how, at);
            let seen = steps.brake.seen.clone();
            let done = catch_unwind(AssertUnwindSafe(|| site.breaking(steps).apply_commit(&plan)));
            site.snapshots().recover().unwrap();
            // A leftover that needs no undoing goes with the next call.
            site.keep("next");
            let held = site.held();
            match done {
                Ok(Ok(_)) => assert_eq!(held, after, "{how:?} at {at}"),
                Ok(Err(fault)) if how == Break::Once => {
                    assert_eq!(held, before, "{how:?} at {at}: {fault}");
                }
                Ok(Err(_)) | Err(_) => {
                    assert!(held == before || held == after, "{how:?} at {at}: {held:?}");
                }
            }
            old += u64::from(held == before);
            new += u64::from(held == after);
            if seen.load(Ordering::Relaxed) <= at {
                break;
            }
            at += 1;
        }
        assert!(at > 20 && old > 10 && new >= 1, "{how:?}: {at} steps, {old} old, {new} new");
    }
}

#[test]
fn a_commit_is_undone_and_not_written_over_what_came_in_between() {
    let (site, edits, before, after) = committed();
    let plan = site.snapshots().plan_commit(edits.clone()).unwrap();
    let is = site.snapshots().apply_commit(&plan).unwrap();
    assert_eq!(site.held(), after);
    let kept = site.snapshots().list().unwrap();
    site.snapshots().undo_commit(is, &kept[0].snapshot, now()).unwrap();
    assert_eq!(site.held(), before);
    assert_eq!(site.snapshots().list().unwrap().len(), kept.len(), "nothing was worth keeping");
    // A list may change meanwhile, a policy file may not.
    let plan = site.snapshots().plan_commit(edits).unwrap();
    site.write("lists/names.list", "three.example\n");
    site.snapshots().apply_commit(&plan).unwrap();
    let (site, edits, _, _) = committed();
    let plan = site.snapshots().plan_commit(edits).unwrap();
    site.write("99-other.policy", "by hand");
    let held = site.held();
    let refused = site.snapshots().apply_commit(&plan).unwrap_err();
    assert!(matches!(refused, BackupFault::ChangedSincePlan { .. }), "{refused}");
    assert_eq!(site.held(), held);
}

#[test]
fn the_snapshot_that_a_commit_goes_back_to_is_not_pruned() {
    let site = Site::new().depth(1);
    let snapshot = site.keep("first").snapshot;
    let waits = Deadline { by: "ada".to_owned(), until: now(), snapshot: snapshot.clone() };
    site.snapshots().note_unconfirmed(Some(&waits)).unwrap();
    assert_eq!(site.snapshots().unconfirmed().unwrap(), Some(waits));
    for text in ["2", "3", "4"] {
        site.write("10-a.policy", text);
        site.keep(text);
    }
    let names = |site: &Site| -> Vec<String> {
        site.snapshots().list().unwrap().into_iter().map(|row| row.snapshot).collect()
    };
    assert_eq!(names(&site).len(), 2);
    assert_eq!(names(&site)[1], snapshot);
    assert!(!site.snapshots().plan_named(&snapshot).unwrap().is_empty());
    site.snapshots().note_unconfirmed(None).unwrap();
    assert_eq!(site.snapshots().unconfirmed().unwrap(), None);
    site.snapshots().prune();
    assert_eq!(names(&site).len(), 1);
    assert!(site.snapshots().plan_named(&snapshot).is_err());
}
