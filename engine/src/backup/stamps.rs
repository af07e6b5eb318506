//! What is remembered of files that were read, so that an unchanged list of millions of names is not
//! read again. A file beside the snapshots; without it everything is read once more.
//!
//! INVARIANT: a stamp is kept only of a file that was last changed well before it was read. The system
//! stamps changes with a coarse clock: two changes in one of its ticks look like one, so a file that
//! has just been changed is read again next time.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::Path;

use eg_policy::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// A change within so long before the reading may look like one after it. Local file systems count in
/// ticks of at most 10 ms, some network file systems in seconds.
const SETTLED_AFTER_NS: i128 = 2_000_000_000;

/// The format of the file; another one is not read.
const FORMAT: u32 = 1;

/// As many bytes as the stamps of every file that a snapshot may hold, each with a long path.
pub(super) const STAMPS_BYTES_MAX: u64 = 64 << 20;

impl Stamp {
    /// Whether a file with this stamp that was read at `read` cannot have changed since without
    /// getting another one.
    pub(super) fn is_settled(&self, read: Instant) -> bool {
        self.newest_ns() + SETTLED_AFTER_NS < read.0
    }
}

/// When something was read, by the clock of the file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant(i128);

impl Instant {
    /// The moment of the last change of a file.
    pub(super) fn changed(facts: &Metadata) -> Self {
        Self(Stamp::of(facts).modified_ns())
    }

    /// Before everything: nothing that was read then is settled.
    pub(super) const NEVER: Self = Self(i128::MIN);

    /// So much later.
    #[cfg(test)]
    pub(super) fn plus(self, more: std::time::Duration) -> Self {
        Self(self.0 + i128::try_from(more.as_nanos()).unwrap())
    }
}

/// The digests of files by path and stamp.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamps {
    format: u32,
    /// The folder that the paths start at.
    root: String,
    files: BTreeMap<String, (Stamp, Digest)>,
}

impl Stamps {
    /// Of no file below `root`.
    pub(super) fn none(root: &Path) -> Self {
        Self { format: FORMAT, root: root.to_string_lossy().into_owned(), files: BTreeMap::new() }
    }

    /// What was written before; nothing where it is not readable or of another folder.
    pub(super) fn read(bytes: &[u8], root: &Path) -> Self {
        let none = Self::none(root);
        match serde_json::from_slice::<Self>(bytes) {
            Ok(stamps) if stamps.format == none.format && stamps.root == none.root => stamps,
            Ok(_) | Err(_) => none,
        }
    }

    /// As bytes for the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The digest of a file that still has the stamp it was read with.
    pub(super) fn digest(&self, path: &str, stamp: &Stamp) -> Option<Digest> {
        self.files.get(path).and_then(|(then, digest)| (then == stamp).then_some(*digest))
    }

    /// Remembers a file.
    pub(super) fn remember(&mut self, path: &str, stamp: Stamp, digest: Digest) {
        self.files.insert(path.to_owned(), (stamp, digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_file_that_has_just_changed_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let facts = fs::metadata(&path).unwrap();
        let (stamp, now) = (Stamp::of(&facts), Instant::changed(&facts));
        assert!(!stamp.is_settled(now) && !stamp.is_settled(now.plus(Duration::from_secs(2))));
        assert!(stamp.is_settled(now.plus(Duration::from_millis(2001))));
        assert!(!stamp.is_settled(Instant::NEVER));
    }

    #[test]
    fn what_is_not_readable_or_of_another_folder_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp::of(&fs::metadata(folder.path()).unwrap());
        let root = Path::new("/etc/rules.d");
        let mut stamps = Stamps::none(root);
        stamps.remember("a", stamp, Digest::of(b"1"));
        let bytes = stamps.to_bytes();
        assert_eq!(Stamps::read(&bytes, root).digest("a", &stamp), Some(Digest::of(b"1")));
        assert_eq!(Stamps::read(&bytes, Path::new("/other")), Stamps::none(Path::new("/other")));
        assert_eq!(Stamps::read(&bytes[1..], root), Stamps::none(root));
        let later = stamp.changed_a_second_later();
        assert_eq!(stamps.digest("a", &later), None);
    }
}
