//! What the system says of a list file, so that one that nobody touched is neither read nor hashed again.
//!
//! Device, inode, size, time of change of the content and time of change of the inode are compared, all
//! to the nanosecond; of a list that is a folder, those of each file that it may have. As in git, a file whose times are too close to the moment of the look proves
//! nothing: it could be written once more within the clock's grain, without a trace. Such a look is not
//! kept, and the next reload reads the file again.
//!
//! INVARIANT: a look is only kept where the one before the reading and the one after it are the same.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use eg_policy::digest::Digest;
use eg_policy::lists::{ListFormat, part_files};

use crate::stamp::Stamp;

/// The coarsest grain of a file system's times (FAT has two seconds), and so how old a time must be
/// before it tells two states of a file apart.
const GRAIN: Duration = Duration::from_secs(2);

/// A look at a list file, or at a folder that is a list; links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen(Vec<(String, Stamp)>);

impl Seen {
    /// Looks at a path. `None` where there is nothing that a look could vouch for: no file, a device, a
    /// folder in which something else stands where a file of a list should.
    pub(crate) fn look(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let mut all = vec![(String::new(), Stamp::of(&found))];
        if found.is_dir() {
            for part in part_files(path.to_str()?) {
                match fs::metadata(&part) {
                    Ok(found) if found.is_file() => all.push((part, Stamp::of(&found))),
                    Err(fault) if fault.kind() == ErrorKind::NotFound => {}
                    Ok(_) | Err(_) => return None,
                }
            }
        } else if !found.is_file() {
            return None;
        }
        Some(Self(all))
    }

    /// Whether all of it is old enough at `now` for a later change to show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let grain_ns = i128::try_from(GRAIN.as_nanos()).unwrap_or(i128::MAX);
        self.newest_ns().saturating_add(grain_ns) <= nanos_of(now)
    }

    /// Whether any of it was changed after `then`.
    pub(crate) fn is_newer_than(&self, then: SystemTime) -> bool {
        self.newest_ns() > nanos_of(then)
    }

    fn newest_ns(&self) -> i128 {
        let times = self.0.iter().map(|(_, stamp)| stamp.newest_ns());
        times.max().unwrap_or(i128::MAX)
    }
}

/// A moment in nanoseconds of Unix time.
fn nanos_of(time: SystemTime) -> i128 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// A list as rules name it: its path, and the format that they say, on which its digest depends too.
type Name = (String, Option<ListFormat>);

/// What is known of list files from the reloads before.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(HashMap<Name, (Seen, Digest)>);

impl Known {
    /// The digest of a list that was read before and that nobody has touched since.
    pub(super) fn digest(&self, name: &Name, seen: &Seen) -> Option<Digest> {
        self.0.get(name).filter(|(before, _)| before == seen).map(|(_, digest)| *digest)
    }

    /// Keeps what a file held, where the looks `before` and after the reading vouch for it; `began` is
    /// when the first was taken.
    pub(super) fn learn(
        &mut self,
        name: Name,
        (before, began): (Option<Seen>, SystemTime),
        digest: Digest,
    ) {
        let after = Seen::look(Path::new(&name.0));
        match (before, after) {
            (Some(before), Some(after)) if before == after && before.is_settled(began) => {
                self.0.insert(name, (before, digest));
            }
            _ => drop(self.0.remove(&name)),
        }
    }

    /// Keeps what a look before has said of a file that is still the same.
    pub(super) fn keep(&mut self, name: Name, seen: Seen, digest: Digest) {
        self.0.insert(name, (seen, digest));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A file that was last written long ago. (The inode's time cannot be set; so `now` is later.)
    fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_file_is_known_until_somebody_touches_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "list", "a.example\n");
        let name = (path.to_str().unwrap().to_owned(), None);
        let digest = Digest::of(b"a.example\n");
        let mut known = Known::default();
        known.learn(name.clone(), (Seen::look(&path), later()), digest);
        assert_eq!(known.digest(&name, &Seen::look(&path).unwrap()), Some(digest));
        // The same size, and the old time of its content put back: the inode's time tells.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "b.example\n").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(known.digest(&name, &Seen::look(&path).unwrap()), None);
        // Read as another format it has other entries.
        let as_rpz = (name.0.clone(), Some(ListFormat::Rpz));
        known.learn(name.clone(), (Seen::look(&path), later()), digest);
        assert_eq!(known.digest(&as_rpz, &Seen::look(&path).unwrap()), None);
        // The same bytes under the same name in another file.
        let path = file(folder.path(), "other", "a.example\n");
        known.learn(name.clone(), (Seen::look(Path::new(&name.0)), later()), digest);
        fs::rename(&path, &name.0).unwrap();
        assert_eq!(known.digest(&name, &Seen::look(Path::new(&name.0)).unwrap()), None);
    }

    #[test]
    fn a_file_that_was_just_written_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "list", "a.example\n");
        let name = (path.to_str().unwrap().to_owned(), None);
        let mut known = Known::default();
        let digest = Digest::of(b"");
        for (began, expected) in [
            (SystemTime::now(), None),
            (SystemTime::now() - Duration::from_secs(3600), None),
            (later(), Some(digest)),
            (SystemTime::now(), None),
        ] {
            known.learn(name.clone(), (Seen::look(&path), began), digest);
            assert_eq!(known.digest(&name, &Seen::look(&path).unwrap()), expected);
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "list", "a.example\n");
        let name = (path.to_str().unwrap().to_owned(), None);
        let before = Seen::look(&path);
        fs::write(&path, "longer.example\n").unwrap();
        let mut known = Known::default();
        known.learn(name.clone(), (before, later()), Digest::of(b"a.example\n"));
        assert_eq!(known.digest(&name, &Seen::look(&path).unwrap()), None);
    }

    #[test]
    fn a_folder_is_known_by_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let domains = file(folder.path(), "domains", "a.example\n");
        let before = Seen::look(folder.path()).unwrap();
        assert_eq!(Seen::look(folder.path()).unwrap(), before);
        fs::write(&domains, "b.example\n").unwrap();
        let changed = Seen::look(folder.path()).unwrap();
        assert_ne!(changed, before);
        file(folder.path(), "urls", "a.example/x\n");
        assert_ne!(Seen::look(folder.path()).unwrap(), changed);
        // What nobody reads does not stand in the way, and what cannot be read does.
        fs::create_dir(folder.path().join("deeper")).unwrap();
        for at in 0..100 {
            file(folder.path(), &format!("usage{at}"), "no list");
        }
        let before = Seen::look(folder.path()).unwrap();
        fs::write(&domains, "c.example\n").unwrap();
        assert_ne!(Seen::look(folder.path()).unwrap(), before);
        fs::create_dir(folder.path().join("expressions.gz")).unwrap();
        assert_eq!(Seen::look(folder.path()), None);
        assert_eq!(Seen::look(&folder.path().join("gone")), None);
        assert_eq!(Seen::look(Path::new("/dev/null")), None);
    }
}
