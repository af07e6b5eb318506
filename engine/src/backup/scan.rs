//! A folder on the disk as a [`Tree`]. Files whose stamp is known are not read again.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use super::fault::{BackupFault, file};
use super::stamps::{Instant, Stamps};
use super::steps::{digest_of, open};
use super::tree::{Entry, MODE_BITS, Tree};
use crate::stamp::Stamp;

/// Names below `path`, folders too: as many as the walk for policy files takes in one folder.
const ENTRIES_MAX: u64 = 100_000;

/// All files together: lists of 150 million names are a fifth of it.
const BYTES_MAX: u64 = 16 << 30;

/// Folders in folders: twice as deep as policy files may lie.
const DEPTH_MAX: usize = 32;

/// What git keeps beside the files, here and in a copied repository.
const GIT: &str = ".git";

/// The beginning of names of what the engine itself puts into the folder for a moment.
const OURS: &str = ".enforcegate-";

/// What was found.
#[derive(Debug)]
pub(super) struct Scan {
    /// Every name.
    pub(super) tree: Tree,
    /// The files that need not be read next time.
    pub(super) stamps: Stamps,
    /// Whether those are others than were known.
    pub(super) has_news: bool,
    /// What may not be read, and is in no snapshot: no policy comes from it.
    pub(super) left_out: Vec<String>,
}

/// Walks `root`, a canonical path. `began` is the file system's time at some moment before the call.
pub(super) fn scan(root: &Path, known: &Stamps, began: Instant) -> Result<Scan, BackupFault> {
    let stamps = Stamps::none(root);
    let mut scan = Scan { tree: Tree::default(), stamps, has_news: false, left_out: Vec::new() };
    let mut bytes = 0;
    let mut folders = vec![(root.to_path_buf(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        if depth > DEPTH_MAX {
            return Err(too_much(root, "folders in each other", DEPTH_MAX as u64));
        }
        let all = match fs::read_dir(&folder) {
            Err(fault) if is_none_of_ours(&fault) && depth > 0 => {
                scan.left_out.extend(is_forbidden(&fault).then_some(prefix));
                continue;
            }
            all => all.map_err(file("read the folder", &folder))?,
        };
        for found in all {
            let found = found.map_err(file("read the folder", &folder))?;
            let Ok(name) = found.file_name().into_string() else { continue };
            if name == GIT || name.starts_with(OURS) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let full = folder.join(&name);
            let facts = match fs::symlink_metadata(&full) {
                Err(fault) if fault.kind() == ErrorKind::NotFound => continue,
                facts => facts.map_err(file("look at", &full))?,
            };
            let stamps = (known, &mut scan.stamps, began);
            let entry = match entry(root, &path, &full, &facts, stamps) {
                Err(BackupFault::File { source, .. }) if is_none_of_ours(&source) => {
                    scan.left_out.extend(is_forbidden(&source).then_some(path));
                    continue;
                }
                entry => entry?,
            };
            let Some(entry) = entry else { continue };
            match &entry {
                Entry::Folder { .. } => folders.push((full, format!("{path}/"), depth + 1)),
                Entry::File { bytes: more, .. } => bytes += more,
                Entry::Link { .. } => {}
            }
            scan.tree.0.insert(path, entry);
            if scan.tree.0.len() as u64 > ENTRIES_MAX {
                return Err(too_much(root, "files and folders", ENTRIES_MAX));
            }
            if bytes > BYTES_MAX {
                return Err(too_much(root, "bytes", BYTES_MAX));
            }
        }
    }
    scan.has_news = scan.stamps != *known;
    Ok(scan)
}

/// Whether a fault says that nothing can be kept here: it was removed meanwhile, as editors do with files
/// of their own, or may not be read. Of what a policy needs, its own reading has said so already.
fn is_none_of_ours(fault: &io::Error) -> bool {
    fault.kind() == ErrorKind::NotFound || is_forbidden(fault)
}

/// Whether it may not be read, as the swap file of an editor that root runs.
fn is_forbidden(fault: &io::Error) -> bool {
    fault.kind() == ErrorKind::PermissionDenied
}

fn too_much(root: &Path, of: &'static str, most: u64) -> BackupFault {
    BackupFault::TooMuch { path: root.to_path_buf(), of, most }
}

/// One name below `root`; `None` where nothing is there any more, or nothing that is kept.
pub(super) fn look(root: &Path, path: &str) -> Result<Option<Entry>, BackupFault> {
    let full = root.join(path);
    let facts = match fs::symlink_metadata(&full) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(None),
        facts => facts.map_err(file("look at", &full))?,
    };
    let stamps = (&Stamps::none(root), &mut Stamps::none(root), Instant::NEVER);
    entry(root, path, &full, &facts, stamps)
}

/// `None` for what is no file, folder or link.
fn entry(
    root: &Path,
    path: &str,
    full: &Path,
    facts: &Metadata,
    (known, seen, began): (&Stamps, &mut Stamps, Instant),
) -> Result<Option<Entry>, BackupFault> {
    let mode = facts.permissions().mode() & MODE_BITS;
    if facts.is_dir() {
        return Ok(Some(Entry::Folder { mode }));
    }
    if facts.is_symlink() {
        return link(root, full).map(Some);
    }
    if !facts.is_file() {
        return Ok(None);
    }
    let stamp = Stamp::of(facts);
    let digest = match known.digest(path, &stamp) {
        Some(digest) => digest,
        None => read(root, full, &stamp)?,
    };
    if stamp.is_settled(began) {
        seen.remember(path, stamp, digest);
    }
    Ok(Some(Entry::File { mode, bytes: facts.len(), digest }))
}

/// The digest of a file that does not change meanwhile.
fn read(root: &Path, full: &Path, stamp: &Stamp) -> Result<eg_policy::digest::Digest, BackupFault> {
    let mut opened = open(full).map_err(file("read", full))?;
    if opened.metadata().map_err(file("read", full))?.len() > BYTES_MAX {
        return Err(too_much(root, "bytes", BYTES_MAX));
    }
    let (_, digest) = digest_of(&mut opened, |_| Ok(())).map_err(file("read", full))?;
    let after = opened.metadata().map_err(file("read", full))?;
    if Stamp::of(&after) == *stamp {
        return Ok(digest);
    }
    Err(BackupFault::Changed { path: full.to_path_buf() })
}

/// A link that stays in the folder, by its text and by where it really leads.
fn link(root: &Path, full: &Path) -> Result<Entry, BackupFault> {
    let target = fs::read_link(full).map_err(file("read the link", full))?;
    let leaves = || BackupFault::LinkLeaves {
        path: full.to_path_buf(),
        target: target.to_string_lossy().into_owned(),
    };
    let text = target.to_str().ok_or_else(leaves)?;
    let from = full.parent().unwrap_or(root);
    let by_text = plain(&from.join(&target)).is_some_and(|to| to.starts_with(root));
    // What does not exist leads nowhere, so its text is all there is.
    let in_truth = fs::canonicalize(full).map_or(true, |to| to.starts_with(root));
    if by_text && in_truth { Ok(Entry::Link { target: text.to_owned() }) } else { Err(leaves()) }
}

/// A path without `.` and `..`; `None` where it climbs above the root.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::super::rollback::STAGING;
    use super::*;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use eg_policy::digest::Digest;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("rules.d");
        fs::create_dir_all(root.join("lists")).unwrap();
        fs::write(root.join("lists/a.list"), "a.example\n").unwrap();
        (folder, root)
    }

    fn names(root: &Path) -> Vec<String> {
        let none = Stamps::none(root);
        scan(root, &none, Instant::NEVER).unwrap().tree.0.into_keys().collect()
    }

    #[test]
    fn only_what_a_policy_can_come_from_is_kept() {
        use std::os::unix::ffi::OsStrExt as _;
        let (_folder, root) = folder();
        fs::create_dir_all(root.join(".git/objects")).unwrap();
        fs::create_dir_all(root.join("lists/copied/.git")).unwrap();
        fs::create_dir_all(root.join(STAGING)).unwrap();
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff.list")), "x").unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(root.join(".hidden"), "x").unwrap();
        assert_eq!(names(&root), [".hidden", "lists", "lists/a.list", "lists/copied"]);
        assert_eq!(look(&root, "pipe").unwrap(), None);
        assert_eq!(look(&root, "gone").unwrap(), None);
    }

    #[test]
    fn a_link_stays_inside_or_is_refused() {
        let (folder, root) = folder();
        fs::write(folder.path().join("outside"), "x").unwrap();
        symlink("..", root.join("lists/up")).unwrap();
        let check = |target: &str, stays: bool| {
            let path = root.join("lists/link");
            symlink(target, &path).unwrap();
            let found = scan(&root, &Stamps::none(&root), Instant::NEVER);
            assert_eq!(found.is_ok(), stays, "{target}: {found:?}");
            if !stays {
                assert!(matches!(found, Err(BackupFault::LinkLeaves { .. })), "{found:?}");
            }
            fs::remove_file(&path).unwrap();
        };
        check("a.list", true);
        check("../lists/./a.list", true);
        check("nothing-there", true);
        check(root.join("lists/a.list").to_str().unwrap(), true);
        check("../../outside", false);
        check("../../nothing-there", false);
        check("/etc/passwd", false);
        check("../../../../../../../../../../../etc", false);
        // By its text it stays, but `up` is a link itself.
        check("up/../outside", false);
        check("../../rules.d/lists", true);
    }

    #[test]
    fn a_link_in_a_circle_and_a_deep_folder_end() {
        let (_folder, root) = folder();
        symlink(".", root.join("lists/self")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(names(&root), ["lists", "lists/a.list", "lists/self", "loop"]);
        let deep = (0..=DEPTH_MAX).fold(root.clone(), |path, _| path.join("d"));
        fs::create_dir_all(deep).unwrap();
        let found = scan(&root, &Stamps::none(&root), Instant::NEVER);
        assert!(matches!(found, Err(BackupFault::TooMuch { .. })), "{found:?}");
    }

    #[test]
    fn a_settled_file_is_not_read_again_and_a_changed_one_is() {
        let (_folder, root) = folder();
        let path = root.join("lists/a.list");
        let now = Instant::changed(&fs::metadata(&path).unwrap());
        let none = Stamps::none(&root);
        let fresh = scan(&root, &none, now).unwrap();
        assert_eq!(fresh.stamps, none, "a file that has just changed is read again");
        let later = now.plus(Duration::from_secs(10));
        let mut settled = scan(&root, &none, later).unwrap();
        assert_eq!(settled.tree, fresh.tree);
        // Another digest under the same stamp shows which files are not read.
        let stamp = Stamp::of(&fs::metadata(&path).unwrap());
        let marked = Digest::of(b"from the stamp");
        settled.stamps.remember("lists/a.list", stamp, marked);
        let shown = |known: &Stamps| match scan(&root, known, later).unwrap().tree.0["lists/a.list"]
        {
            Entry::File { digest, .. } => digest,
            Entry::Folder { .. } | Entry::Link { .. } => panic!("a file"),
        };
        assert_eq!(shown(&settled.stamps), marked);
        fs::write(&path, "b.example\n").unwrap();
        assert_eq!(shown(&settled.stamps), Digest::of(b"b.example\n"));
    }

    #[test]
    fn what_may_not_be_read_is_left_out_and_named() {
        use nix::unistd::{Uid, geteuid, setfsuid};
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, root) = folder();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::write(root.join(".a.policy.swp"), "of an editor that root runs").unwrap();
        fs::create_dir(root.join("private")).unwrap();
        fs::write(root.join("private/x"), "x").unwrap();
        mode(folder.path(), 0o755);
        mode(&root.join(".a.policy.swp"), 0o000);
        mode(&root.join("private"), 0o000);
        // Root may read everything, so this thread looks as another user.
        let own = geteuid();
        if own.is_root() {
            setfsuid(Uid::from_raw(65534));
        }
        let found = scan(&root, &Stamps::none(&root), Instant::NEVER);
        setfsuid(own);
        mode(&root.join("private"), 0o700);
        let found = found.unwrap();
        let names: Vec<_> = found.tree.0.into_keys().collect();
        assert_eq!(names, ["lists", "lists/a.list", "private"]);
        assert_eq!(found.left_out, [".a.policy.swp", "private/"]);
    }
}
