//! Keeping, listing and rolling back, on a disk of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use eg_policy::moment::Moment;

use super::steps::Steps;
use super::{BackupFault, Made, Recovery, Snapshots};
use crate::config::PolicyConfig;

/// 2026-11-27 17:07:44 UTC.
pub(super) const NOW: i64 = 1_795_799_264_000_000;
const MINUTE: i64 = 60_000_000;

/// What a folder holds: modes and contents by relative path.
pub(super) type Held = BTreeMap<String, String>;

/// A policy's folder and its snapshots.
pub(super) struct Site {
    pub(super) folder: tempfile::TempDir,
    config: PolicyConfig,
}

impl Site {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { config: config(folder.path(), "backups"), folder };
        fs::create_dir_all(site.path().join("lists")).unwrap();
        site.write("10-a.policy", "a");
        site.write("lists/names.list", "one.example\ntwo.example\n");
        site
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("rules.d")
    }

    fn shelf(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }

    pub(super) fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.config)
    }

    pub(super) fn breaking(&self, steps: Steps) -> Snapshots {
        self.snapshots().with_steps(steps)
    }

    /// Keeps for something that succeeds.
    fn keep_at(&self, at: i64, note: &str) -> super::Kept {
        let kept = self.snapshots().keep(Moment::from_unix_micros(at), note).unwrap();
        self.snapshots().prune();
        kept
    }

    pub(super) fn keep(&self, note: &str) -> super::Kept {
        self.keep_at(NOW, note)
    }

    pub(super) fn depth(mut self, depth: u32) -> Self {
        self.config.backup_depth = depth;
        self
    }

    pub(super) fn held(&self) -> Held {
        held(&self.path())
    }

    /// Generation, files and note of each line.
    fn lines(&self) -> Vec<(u32, u64, String)> {
        let rows = self.snapshots().list().unwrap();
        rows.into_iter().map(|row| (row.generation, row.files, row.note)).collect()
    }

    fn names(&self) -> Vec<String> {
        self.snapshots().list().unwrap().into_iter().map(|row| row.snapshot).collect()
    }

    fn roll_back(&self, generation: u32) {
        let plan = self.snapshots().plan(generation).unwrap();
        self.snapshots().apply(&plan, Moment::from_unix_micros(NOW)).unwrap();
        self.snapshots().prune();
    }
}

fn config(folder: &Path, backups: &str) -> PolicyConfig {
    let text = format!(
        "[connectors.a]\nkey = \"0123456789abcdef\"\n\
         [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
         [policy]\npath = \"rules.d\"\nbackup_path = \"{backups}\"\n"
    );
    let none = eg_settings::Overrides::default();
    crate::config::load_text(folder.join("engine.conf"), &text, &none).unwrap().config.policy
}

/// By lstat, without what only tests of git put there.
pub(super) fn held(root: &Path) -> Held {
    let mut held = Held::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            let mode = facts.permissions().mode() & 0o777;
            let what = if facts.is_dir() {
                folders.push(path.clone());
                format!("{mode:o} folder")
            } else if facts.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                format!("{mode:o} {}", fs::read_to_string(&path).unwrap())
            };
            held.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), what);
        }
    }
    held
}

#[test]
fn what_is_the_same_is_kept_once() {
    let site = Site::new();
    let first = site.keep("start");
    assert_eq!((first.made, first.copied, first.shared), (Made::New, 2, 0));
    assert_eq!(first.copied_bytes, 25);
    assert_eq!(first.snapshot, "20261127-1707.001");
    let again = site.keep("reload");
    assert_eq!(
        (again.made, again.copied, again.snapshot.as_str()),
        (Made::Already, 0, "20261127-1707.001")
    );
    site.write("20-b.policy", "b");
    let third = site.keep("by ada: more");
    assert_eq!((third.made, third.copied, third.copied_bytes, third.shared), (Made::New, 1, 1, 2));
    let applied = "(currently applied)".to_owned();
    assert_eq!(site.lines(), [(1, 3, applied), (2, 2, "start".into())]);
    let rows = site.snapshots().list().unwrap();
    assert_eq!(rows[0].reason, "by ada: more");
    assert_eq!((rows[0].bytes, rows[0].taken.unix_micros()), (26, NOW));
}

#[test]
fn only_what_is_there_exactly_is_applied() {
    let site = Site::new();
    site.keep("start");
    let edited = site.path().join("10-a.policy");
    fs::set_permissions(&edited, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(site.lines(), [(1, 2, "start".into())]);
    fs::set_permissions(&edited, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(site.lines(), [(1, 2, "(currently applied)".into())]);
    site.write("10-a.policy", "b");
    assert_eq!(site.lines(), [(1, 2, "start".into())]);
    symlink("/etc/passwd", site.path().join("out")).unwrap();
    assert_eq!(site.lines(), [(1, 2, "start".into())]);
}

#[test]
fn an_editor_that_writes_in_place_changes_no_snapshot() {
    let site = Site::new();
    site.keep("start");
    site.write("20-b.policy", "b");
    site.keep("more");
    // The same inode, written to as `sed` never does and some editors do.
    let list = site.path().join("lists/names.list");
    let inode = fs::metadata(&list).unwrap().ino();
    fs::write(&list, "evil.example\ntwo.example\n").unwrap();
    assert_eq!(fs::metadata(&list).unwrap().ino(), inode);
    for name in site.names() {
        let kept = site.shelf().join(name).join("files/lists/names.list");
        assert_eq!(fs::read_to_string(kept).unwrap(), "one.example\ntwo.example\n");
    }
    site.roll_back(2);
    assert_eq!(fs::read_to_string(&list).unwrap(), "one.example\ntwo.example\n");
    fs::write(&list, "evil.example\n").unwrap();
    let of_snapshots = site.names().len();
    assert_eq!(of_snapshots, 3);
    site.roll_back(2);
    assert_eq!(fs::read_to_string(&list).unwrap(), "one.example\ntwo.example\n");
}

#[test]
fn ten_snapshots_of_one_list_hold_it_once() {
    let site = Site::new();
    for at in 0..10 {
        site.write("10-a.policy", &at.to_string());
        site.keep("edit");
    }
    let list = |name: &String| site.shelf().join(name).join("files/lists/names.list");
    let names = site.names();
    let inodes: Vec<_> = names.iter().map(|name| fs::metadata(list(name)).unwrap().ino()).collect();
    assert!(names.len() == 10 && inodes.iter().all(|inode| *inode == inodes[0]));
    assert_eq!(fs::metadata(list(&names[0])).unwrap().nlink(), 10);
    assert_eq!(fs::metadata(site.path().join("lists/names.list")).unwrap().nlink(), 1);
    // A moved list is shared too, and a changed mode needs no copy.
    fs::rename(site.path().join("lists/names.list"), site.path().join("moved.list")).unwrap();
    fs::set_permissions(site.path().join("moved.list"), fs::Permissions::from_mode(0o600)).unwrap();
    let kept = site.keep("moved");
    assert_eq!((kept.copied, kept.shared), (0, 2));
}

#[test]
fn the_newest_are_kept_and_a_clock_that_is_set_back_reorders_nothing() {
    let site = Site::new().depth(3);
    for (at, note) in [(NOW, "1"), (NOW - 60 * MINUTE, "2"), (NOW, "3"), (NOW - 600 * MINUTE, "4")]
    {
        site.write("10-a.policy", note);
        site.snapshots().keep(Moment::from_unix_micros(at), note).unwrap();
        // What it was kept for may still fail.
        assert_eq!(site.names().len().to_string(), note);
        assert_eq!(site.snapshots().prune(), usize::from(note == "4"));
    }
    let expected = ["20261127-0707.001", "20261127-1707.002", "20261127-1607.001"];
    assert_eq!(site.names(), expected);
    let applied = "(currently applied)".to_owned();
    assert_eq!(site.lines(), [(1, 2, applied), (2, 2, "3".into()), (3, 2, "2".into())]);
    // A smaller depth takes effect even where nothing new is kept.
    let site = site.depth(1);
    let kept = site.keep("5");
    assert_eq!((kept.made, site.names().len()), (Made::Already, 1));
}

#[test]
fn a_rollback_does_what_its_plan_says_and_can_be_rolled_back() {
    let site = Site::new();
    let locked = site.path().join("locked");
    fs::create_dir(&locked).unwrap();
    site.write("locked/x.policy", "x");
    site.write("kind", "file");
    symlink("lists/names.list", site.path().join("link")).unwrap();
    fs::create_dir(site.path().join("empty")).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    let old = site.held();
    site.keep("old");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(&locked).unwrap();
    fs::remove_dir(site.path().join("empty")).unwrap();
    fs::remove_file(site.path().join("kind")).unwrap();
    site.write("kind/inside.policy", "a folder now");
    site.write("10-a.policy", "edited");
    fs::remove_file(site.path().join("link")).unwrap();
    symlink("10-a.policy", site.path().join("link")).unwrap();
    site.write("added/deep/y.policy", "y");
    let new = site.held();
    let plan = site.snapshots().plan(1).unwrap();
    assert_eq!(
        plan.removed(),
        ["added/", "added/deep/", "added/deep/y.policy", "kind/inside.policy"]
    );
    assert_eq!(plan.overwritten(), ["10-a.policy", "kind/", "link"]);
    assert_eq!(plan.brought_back(), ["empty/", "locked/", "locked/x.policy"]);
    assert_eq!((plan.unchanged(), plan.generation(), plan.is_empty()), (1, 1, false));
    assert_eq!(site.held(), new, "a plan changes nothing");
    site.snapshots().apply(&plan, Moment::from_unix_micros(NOW)).unwrap();
    assert_eq!(site.held(), old);
    let note = "before the rollback to 20261127-1707.001".to_owned();
    assert_eq!(site.lines(), [(1, 5, note), (2, 5, "old".into())]);
    site.roll_back(1);
    assert_eq!(site.held(), new);
    assert!(site.snapshots().plan(2).unwrap().is_empty());
    fs::set_permissions(site.path().join("kind"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_oldest_generation_is_still_there_while_it_is_put_back() {
    let site = Site::new().depth(1);
    let old = site.held();
    site.keep("old");
    site.write("10-a.policy", "new");
    site.roll_back(1);
    assert_eq!(site.held(), old);
    assert_eq!(site.names().len(), 1);
    site.roll_back(1);
    assert_eq!(fs::read_to_string(site.path().join("10-a.policy")).unwrap(), "new");
}

#[test]
fn a_rollback_that_was_refused_is_undone_whatever_was_kept_since() {
    for depth in [1, 10] {
        let site = Site::new().depth(depth);
        site.keep("old");
        site.write("10-a.policy", "new");
        site.write("20-b.policy", "b");
        site.keep("new");
        let new = site.held();
        site.write("10-a.policy", "newer");
        let newer = site.held();
        let oldest = u32::try_from(site.names().len()).unwrap();
        let plan = site.snapshots().plan(oldest).unwrap();
        let now = Moment::from_unix_micros(NOW);
        let before = site.snapshots().apply(&plan, now).unwrap();
        // The reload that follows keeps what it has read, and is refused only then.
        site.snapshots().keep(now, "rollback").unwrap();
        let there = site.names().len();
        site.snapshots().undo(&plan, &before, now).unwrap();
        assert_eq!(site.held(), newer, "{depth}");
        // What somebody writes in between is not lost.
        let plan = site.snapshots().plan(1).unwrap();
        let before = site.snapshots().apply(&plan, now).unwrap();
        site.write("30-c.policy", "by hand");
        let by_hand = site.held();
        site.snapshots().undo(&plan, &before, now).unwrap();
        assert_eq!(site.held(), newer, "{depth}");
        site.roll_back(1);
        assert_eq!(site.held(), by_hand, "{depth}");
        assert!(there <= depth as usize + 1 && new != newer);
    }
}

#[test]
fn a_plan_is_applied_to_what_it_was_made_for_alone() {
    let site = Site::new();
    site.keep("old");
    site.write("10-a.policy", "new");
    let plan = site.snapshots().plan(1).unwrap();
    site.write("20-b.policy", "somebody is faster");
    let before = site.held();
    let apply = || site.snapshots().apply(&plan, Moment::from_unix_micros(NOW));
    assert!(matches!(apply(), Err(BackupFault::ChangedSincePlan { .. })));
    assert_eq!((site.held(), site.names().len()), (before, 1));
    fs::remove_file(site.path().join("20-b.policy")).unwrap();
    fs::remove_dir_all(site.shelf().join(plan.snapshot())).unwrap();
    assert!(matches!(apply(), Err(BackupFault::Gone { .. })));
    for generation in [0, 1, u32::MAX] {
        let fault = site.snapshots().plan(generation).unwrap_err();
        assert!(matches!(fault, BackupFault::NoGeneration { there: 0, .. }), "{fault}");
    }
}

#[test]
fn a_damaged_snapshot_is_not_put_back() {
    let site = Site::new();
    let kept = site.keep("old").snapshot;
    site.write("10-a.policy", "b");
    let before = site.held();
    let plan = site.snapshots().plan(1).unwrap();
    let apply = || site.snapshots().apply(&plan, Moment::from_unix_micros(NOW)).unwrap_err();
    let file = site.shelf().join(&kept).join("files/10-a.policy");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "x").unwrap();
    assert!(matches!(apply(), BackupFault::Damaged { .. }));
    fs::remove_file(&file).unwrap();
    assert!(matches!(apply(), BackupFault::File { action: "read", .. }));
    assert_eq!(site.held(), before);
    // A manifest that says something else than the header.
    let manifest = site.shelf().join(&kept).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("10-a", "../a")).unwrap();
    assert!(matches!(site.snapshots().plan(2).unwrap_err(), BackupFault::Damaged { .. }));
    // A header that nobody can read leaves the others as they are.
    fs::write(site.shelf().join(&kept).join("snapshot.json"), "{}").unwrap();
    assert_eq!(site.names(), ["20261127-1707.002"]);
}

#[test]
fn what_git_and_others_keep_in_the_folder_is_left_alone() {
    let site = Site::new();
    site.write(".git/HEAD", "ref: refs/heads/main");
    site.write("sub/a.policy", "a");
    site.keep("old");
    site.write("sub/.git/config", "mine");
    fs::remove_file(site.path().join("sub/a.policy")).unwrap();
    site.write("new/.git/config", "mine");
    site.write(".git/HEAD", "changed");
    site.roll_back(1);
    let held = site.held();
    assert!(held[".git/HEAD"].ends_with("changed") && held.contains_key("sub/.git/config"));
    assert!(held.contains_key("new/.git/config") && held["sub/a.policy"].ends_with(" a"));
    assert!(!site.shelf().join("20261127-1707.001/files/.git").exists());
}

#[test]
fn where_there_can_be_no_snapshots_is_said() {
    let site = Site::new();
    let at = |backups: &str| Snapshots::new(&config(site.folder.path(), backups));
    let keep = |backups: &str| at(backups).keep(Moment::from_unix_micros(NOW), "").unwrap_err();
    let nested = |backups: &str| {
        let fault = keep(backups);
        assert!(matches!(fault, BackupFault::Nested { .. }), "{backups}: {fault}");
    };
    nested("rules.d/backups");
    nested("rules.d");
    nested("./rules.d/../rules.d/lists");
    nested(".");
    symlink("rules.d", site.folder.path().join("alias")).unwrap();
    nested("alias/lists");
    assert!(!site.path().join("backups").exists());
    let none = |backups: &str| {
        let fault = keep(backups);
        assert!(matches!(fault, BackupFault::NoShelf { .. }), "{backups}: {fault}");
    };
    none("not/there");
    fs::write(site.folder.path().join("file"), "").unwrap();
    none("file");
    none("file/below");
    // Where only its own name is missing it is made, for nobody else to read.
    at("made").keep(Moment::from_unix_micros(NOW), "").unwrap();
    let mode = fs::metadata(site.folder.path().join("made")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::rename(site.path(), site.folder.path().join("away")).unwrap();
    assert!(matches!(keep("made"), BackupFault::NoPath { .. }));
    assert!(matches!(at("made").list(), Err(BackupFault::NoPath { .. })));
    assert!(matches!(at("made").recover(), Err(BackupFault::NoPath { .. })));
}

#[test]
fn only_one_changes_snapshots_at_a_time() {
    let site = Site::new();
    site.keep("old");
    let shelf = super::shelf::Shelf { folder: site.shelf() };
    let held = shelf.lock(Steps::default()).unwrap();
    let fault = site.snapshots().keep(Moment::from_unix_micros(NOW), "").unwrap_err();
    assert!(matches!(fault, BackupFault::Busy { .. }), "{fault}");
    // Looking needs no lock.
    assert_eq!(site.names().len(), 1);
    assert!(site.snapshots().plan(1).unwrap().is_empty());
    assert_eq!(site.snapshots().recover().unwrap(), Recovery::NotNeeded);
    drop(held);
    assert_eq!(site.keep("").made, Made::Already);
}
