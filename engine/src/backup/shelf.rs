//! `[policy] backup_path` and the snapshots in it: names, order, notes, reading, writing, removing.
//!
//! A snapshot is a folder `YYYYMMDD-HHMM.NNN` (UTC; NNN counts within the minute) with `snapshot.json`,
//! `manifest.json` and `files/`. Generations are ordered by the counter in `snapshot.json`, never by
//! the name, so that a clock that is set back reorders nothing.
//!
//! INVARIANT: a folder under such a name is whole: files, folders and notes were synced before it was
//! renamed to it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use eg_policy::digest::Digest;
use eg_policy::moment::Moment;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::fault::{BackupFault, file};
use super::stamps::{Instant, STAMPS_BYTES_MAX, Stamps};
use super::steps::{KEPT_FILE, PRIVATE_FILE, PRIVATE_FOLDER, Steps, open};
use super::tree::{Entry, Tree};

/// Held while something is changed.
const LOCK: &str = ".lock";

/// See `stamps`.
const STAMPS: &str = ".stamps.json";

/// The beginning of names of what is not finished, or being removed.
pub(super) const UNFINISHED: &str = ".unfinished-";

const HEADER: &str = "snapshot.json";
const MANIFEST: &str = "manifest.json";
pub(super) const FILES: &str = "files";

/// The layout of a snapshot; another one is none of ours.
const FORMAT: u32 = 1;

/// A note is a line in a table.
const NOTE_CHARS_MAX: usize = 200;

/// The header is a few numbers and the note.
const HEADER_BYTES_MAX: u64 = 16 << 10;

/// As many names as a snapshot may hold, each with a long path.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// NNN has three digits.
const IN_A_MINUTE_MAX: u32 = 999;

/// What a snapshot says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    format: u32,
    /// One more than that of the newest snapshot when this one was made.
    pub(super) order: u64,
    taken_us: i64,
    note: String,
    files: u64,
    bytes: u64,
    /// The digest of its tree.
    pub(super) content: Digest,
}

/// One line of `show policy backups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// 1 is the newest.
    pub generation: u32,
    /// The snapshot's name.
    pub snapshot: String,
    /// How many files and links it holds.
    pub files: u64,
    /// `(currently applied)` where it is the newest and the folder still holds exactly that, else
    /// `reason`.
    pub note: String,
    /// What was given when it was kept.
    pub reason: String,
    /// When it was kept.
    pub taken: Moment,
    /// How many bytes its files have; those that snapshots share count in each.
    pub bytes: u64,
}

/// A snapshot that is there.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) header: Header,
}

impl Snapshot {
    /// As a line; the caller knows whether it is applied.
    pub(super) fn to_row(&self, generation: u32) -> SnapshotRow {
        SnapshotRow {
            generation,
            snapshot: self.name.clone(),
            files: self.header.files,
            note: self.header.note.clone(),
            reason: self.header.note.clone(),
            taken: Moment::from_unix_micros(self.header.taken_us),
            bytes: self.header.bytes,
        }
    }

    /// Where the content of one of its files lies.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.folder.join(FILES).join(path)
    }

    /// Everything in it.
    pub(super) fn tree(&self) -> Result<Tree, BackupFault> {
        let path = self.folder.join(MANIFEST);
        let bytes = match read_bounded(&path, MANIFEST_BYTES_MAX) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                return Err(BackupFault::Gone { snapshot: self.name.clone() });
            }
            bytes => bytes.map_err(file("read", &path))?,
        };
        let damaged = |what: String| BackupFault::Damaged { path: path.clone(), what };
        let tree: Tree = serde_json::from_slice(&bytes).map_err(|why| damaged(why.to_string()))?;
        if tree.digest() != self.header.content {
            return Err(damaged("it does not match the digest in `snapshot.json`".to_owned()));
        }
        Ok(tree)
    }
}

/// What writing a snapshot cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// How many files were copied.
    pub(super) copied: u64,
    /// How many bytes that were.
    pub(super) copied_bytes: u64,
    /// How many files are shared with a snapshot before it, or within it.
    pub(super) shared: u64,
}

/// The folder of snapshots, as one who only reads sees it.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
}

impl Shelf {
    /// Every snapshot, the newest first. What cannot be read is left out with a warning, and neither
    /// removed nor shared.
    pub(super) fn snapshots(&self) -> Result<Vec<Snapshot>, BackupFault> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(file("read the folder", &self.folder))? {
            let entry = entry.map_err(file("read the folder", &self.folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !is_name(&name) {
                continue;
            }
            let folder = entry.path();
            match header(&folder) {
                Ok(header) => found.push(Snapshot { name, folder, header }),
                // Another process has just removed it.
                Err(_) if !folder.exists() => {}
                Err(cause) => tracing::warn!(
                    path = %folder.display(), cause = %cause,
                    "this is no readable snapshot and is left alone"
                ),
            }
        }
        found.sort_by(|a, b| {
            (b.header.order, b.name.as_str()).cmp(&(a.header.order, a.name.as_str()))
        });
        Ok(found)
    }

    /// What is remembered of the policy's files.
    pub(super) fn stamps(&self, root: &Path) -> Stamps {
        let bytes = read_bounded(&self.folder.join(STAMPS), STAMPS_BYTES_MAX);
        Stamps::read(&bytes.unwrap_or_default(), root)
    }

    /// Keeps everybody else out.
    pub(super) fn lock(self, steps: Steps) -> Result<LockedShelf, BackupFault> {
        let path = self.folder.join(LOCK);
        let file_ = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(&path);
        let mut lock =
            match Flock::lock(file_.map_err(file("open", &path))?, FlockArg::LockExclusiveNonblock)
            {
                Ok(lock) => lock,
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(BackupFault::Busy { shelf: self.folder });
                }
                Err((_, cause)) => return Err(file("lock", &path)(cause.into())),
            };
        // Its change says what time it is by the clock that also stamps files.
        lock.write_all(b"\n").map_err(file("write", &path))?;
        let began = Instant::changed(&lock.metadata().map_err(file("look at", &path))?);
        Ok(LockedShelf { shelf: self, steps, began, _lock: lock })
    }
}

/// The folder of snapshots, as the one who changes it sees it.
#[derive(Debug)]
pub(super) struct LockedShelf {
    pub(super) shelf: Shelf,
    pub(super) steps: Steps,
    /// The file system's time when it was locked.
    pub(super) began: Instant,
    _lock: Flock<File>,
}

impl LockedShelf {
    /// Removes what a killed process left.
    pub(super) fn tidy(&self) -> Result<(), BackupFault> {
        let folder = &self.shelf.folder;
        for entry in fs::read_dir(folder).map_err(file("read the folder", folder))? {
            let entry = entry.map_err(file("read the folder", folder))?;
            if !entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.steps.remove_all(&entry.path())?;
            } else {
                self.steps.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes a snapshot of `tree`, which is what `root` holds; all of it or nothing.
    pub(super) fn write(
        &self,
        root: &Path,
        tree: &Tree,
        (now, note): (Moment, &str),
        before: &[Snapshot],
    ) -> Result<(String, Cost), BackupFault> {
        let name = free_name(now, before)?;
        let order = before.first().map_or(1, |newest| newest.header.order.saturating_add(1));
        let header = Header {
            format: FORMAT,
            order,
            taken_us: now.unix_micros(),
            note: folded(note),
            files: tree.files(),
            bytes: tree.bytes(),
            content: tree.digest(),
        };
        let unfinished = self.shelf.folder.join(format!("{UNFINISHED}{name}"));
        let written =
            self.fill(&unfinished, root, tree, &header, before.first()).and_then(|cost| {
                self.steps.rename(&unfinished, &self.shelf.folder.join(&name))?;
                self.steps.sync_folder(&self.shelf.folder)?;
                Ok(cost)
            });
        if written.is_err() {
            // The rest of what filled the disk must not keep it full.
            drop(fs::remove_dir_all(&unfinished));
        }
        Ok((name, written?))
    }

    fn fill(
        &self,
        to: &Path,
        root: &Path,
        tree: &Tree,
        header: &Header,
        newest: Option<&Snapshot>,
    ) -> Result<Cost, BackupFault> {
        let files = to.join(FILES);
        self.steps.make_folder(to, PRIVATE_FOLDER)?;
        self.steps.make_folder(&files, PRIVATE_FOLDER)?;
        let mut had = newest.map_or_else(HashMap::new, contents);
        let mut cost = Cost::default();
        for (path, entry) in &tree.0 {
            let at = files.join(path);
            match entry {
                Entry::Folder { .. } => self.steps.make_folder(&at, PRIVATE_FOLDER)?,
                Entry::Link { target } => self.steps.link(target, &at)?,
                Entry::File { bytes, digest, .. } => {
                    if had.get(digest).is_some_and(|from| self.share(from, &at, *bytes)) {
                        cost.shared += 1;
                        continue;
                    }
                    let from = root.join(path);
                    if self.steps.copy(&from, &at, KEPT_FILE)? != (*bytes, *digest) {
                        return Err(BackupFault::Changed { path: from });
                    }
                    cost.copied += 1;
                    cost.copied_bytes += bytes;
                    had.insert(*digest, at);
                }
            }
        }
        self.steps.write(&to.join(MANIFEST), &json(tree), PRIVATE_FILE)?;
        self.steps.write(&to.join(HEADER), &json(header), PRIVATE_FILE)?;
        for (path, _) in tree.0.iter().filter(|(_, entry)| entry.is_folder()) {
            self.steps.sync_folder(&files.join(path))?;
        }
        self.steps.sync_folder(&files)?;
        self.steps.sync_folder(to)?;
        Ok(cost)
    }

    /// Whether the content could be shared. Where the file system has no second names, or no more of
    /// them, it is copied.
    fn share(&self, from: &Path, to: &Path, bytes: u64) -> bool {
        let whole =
            fs::symlink_metadata(from).is_ok_and(|facts| facts.is_file() && facts.len() == bytes);
        whole && self.steps.share(from, to).is_ok()
    }

    /// Removes all but the newest `depth` snapshots, and the one that a commit may go back to. Gives how
    /// many went.
    pub(super) fn prune(&self, depth: usize) -> Result<usize, BackupFault> {
        let snapshots = self.shelf.snapshots()?;
        let needed = self.shelf.unconfirmed()?.map(|waits| waits.snapshot);
        let mut gone = 0;
        for old in snapshots.iter().skip(depth) {
            if needed.as_deref() == Some(old.name.as_str()) {
                continue;
            }
            // Under its own name it is whole to the last.
            let aside = self.shelf.folder.join(format!("{UNFINISHED}{}", old.name));
            self.steps.rename(&old.folder, &aside)?;
            self.steps.remove_all(&aside)?;
            gone += 1;
        }
        if gone > 0 {
            self.steps.sync_folder(&self.shelf.folder)?;
        }
        Ok(gone)
    }

    /// Remembers which files need not be read next time. What cannot be remembered is read again.
    pub(super) fn remember(&self, stamps: &Stamps) {
        let (path, unfinished) =
            (self.shelf.folder.join(STAMPS), self.shelf.folder.join(format!("{UNFINISHED}stamps")));
        let written = self
            .steps
            .jot(&unfinished, &stamps.to_bytes())
            .and_then(|()| self.steps.rename(&unfinished, &path));
        if let Err(fault) = written {
            drop(fs::remove_file(&unfinished));
            tracing::debug!(cause = eg_settings::log::chain(&fault), "stamps are not kept");
        }
    }
}

/// Where each content of a snapshot lies; of none where its manifest cannot be read.
fn contents(snapshot: &Snapshot) -> HashMap<Digest, PathBuf> {
    let tree = snapshot.tree().unwrap_or_default();
    let files = tree.0.into_iter().filter_map(|(path, entry)| match entry {
        Entry::File { digest, .. } => Some((digest, snapshot.file(&path))),
        Entry::Folder { .. } | Entry::Link { .. } => None,
    });
    files.collect()
}

fn header(folder: &Path) -> io::Result<Header> {
    let bytes = read_bounded(&folder.join(HEADER), HEADER_BYTES_MAX)?;
    let header: Header = serde_json::from_slice(&bytes)?;
    if header.format == FORMAT {
        return Ok(header);
    }
    let what = format!("its format is {}, and this program reads {FORMAT}", header.format);
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

pub(super) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(bytes)
}

/// Text maps and numbers always have a form in JSON.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// One line without control characters, cut where it is too long.
fn folded(note: &str) -> String {
    let line: String = note.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let line = line.trim();
    if line.chars().count() <= NOTE_CHARS_MAX {
        return line.to_owned();
    }
    line.chars().take(NOTE_CHARS_MAX).chain("...".chars()).collect()
}

/// `YYYYMMDD-HHMM` in UTC.
fn minute(now: Moment) -> String {
    jiff::Timestamp::from_microsecond(now.unix_micros()).map_or_else(
        |_| "00000000-0000".to_owned(),
        |time| time.strftime("%Y%m%d-%H%M").to_string(),
    )
}

/// The next name of this minute.
fn free_name(now: Moment, before: &[Snapshot]) -> Result<String, BackupFault> {
    let minute = minute(now);
    let taken = before
        .iter()
        .filter_map(|one| one.name.strip_prefix(&minute)?.strip_prefix('.')?.parse::<u32>().ok());
    let next = taken.max().unwrap_or(0) + 1;
    if next > IN_A_MINUTE_MAX {
        return Err(BackupFault::NoName { minute });
    }
    Ok(format!("{minute}.{next:03}"))
}

fn is_name(name: &str) -> bool {
    let shape = "dddddddd-dddd.ddd";
    name.len() == shape.len()
        && name.chars().zip(shape.chars()).all(|(one, kind)| match kind {
            'd' => one.is_ascii_digit(),
            literal => one == literal,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_minute_and_counts_in_it() {
        let now = Moment::from_unix_micros(1_795_799_264_000_000);
        assert_eq!(minute(now), "20261127-1707");
        let named = |name: &str| Snapshot {
            name: name.to_owned(),
            folder: PathBuf::new(),
            header: Header {
                format: FORMAT,
                order: 1,
                taken_us: 0,
                note: String::new(),
                files: 0,
                bytes: 0,
                content: Digest::of(b""),
            },
        };
        let check = |before: &[&str], expected: Option<&str>| {
            let before: Vec<_> = before.iter().map(|name| named(name)).collect();
            assert_eq!(free_name(now, &before).ok().as_deref(), expected);
        };
        check(&[], Some("20261127-1707.001"));
        check(&["20261127-1706.008"], Some("20261127-1707.001"));
        check(&["20261127-1707.008", "20261127-1707.002"], Some("20261127-1707.009"));
        check(&["20261127-1707.999"], None);
    }

    #[test]
    fn what_is_a_snapshots_name_and_what_is_not() {
        assert!(is_name("20261127-1707.001"));
        let others = ["", "20261127-1707", "20261127-1707.1", "20261127_1707.001", ".lock"];
        assert!(others.iter().all(|name| !is_name(name)));
        assert!(!is_name(".unfinished-20261127-1707.001") && !is_name("20261127-1707.00\u{661}"));
    }

    #[test]
    fn a_note_is_one_line_of_a_table() {
        assert_eq!(folded(" by ada:\nblock\u{1b}[31m x\r\n"), "by ada: block [31m x");
        let long = folded(&"\u{e9}".repeat(NOTE_CHARS_MAX + 1));
        assert_eq!(long.chars().count(), NOTE_CHARS_MAX + 3);
        assert!(long.ends_with("..."));
        assert_eq!(folded(&"x".repeat(NOTE_CHARS_MAX)).len(), NOTE_CHARS_MAX);
    }
}
