//! What a folder holds, as a value: every name below it with its kind, mode and content's digest.
//! Pure; `scan` makes one from the disk.

use std::collections::BTreeMap;

use eg_policy::digest::Digest;
use serde::{Deserialize, Serialize};

/// The bits of a mode that are kept: who may read, write and search.
pub(super) const MODE_BITS: u32 = 0o777;

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Entry {
    /// A folder.
    Folder {
        /// Its mode.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Its mode.
        mode: u32,
        /// How long it is.
        bytes: u64,
        /// What is in it.
        digest: Digest,
    },
    /// A link to something in the same folder.
    Link {
        /// Where it leads, as it stands in the link.
        target: String,
    },
}

impl Entry {
    /// Whether it is a folder.
    pub(super) const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }
}

/// Every name below a folder, parents before what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Tree(pub(super) BTreeMap<String, Entry>);

impl Tree {
    /// What tells two trees apart.
    pub(super) fn digest(&self) -> Digest {
        let mut parts: Vec<String> = Vec::with_capacity(self.0.len() * 2);
        for (path, entry) in &self.0 {
            parts.push(path.clone());
            parts.push(match entry {
                Entry::Folder { mode } => format!("folder {mode:o}"),
                Entry::File { mode, bytes, digest } => format!("file {mode:o} {bytes} {digest}"),
                Entry::Link { target } => format!("link {target}"),
            });
        }
        Digest::of_parts(parts.iter().map(String::as_bytes))
    }

    /// How many files and links there are.
    pub(super) fn files(&self) -> u64 {
        self.0.values().map(|entry| u64::from(!entry.is_folder())).sum()
    }

    /// How many bytes all files have.
    pub(super) fn bytes(&self) -> u64 {
        self.0
            .values()
            .map(|entry| match entry {
                Entry::File { bytes, .. } => *bytes,
                Entry::Folder { .. } | Entry::Link { .. } => 0,
            })
            .sum()
    }
}

/// What has to happen to one tree so that it becomes another. Folders end with a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// There now and not then.
    pub(super) removed: Vec<String>,
    /// There now and then, with another kind, mode or content.
    pub(super) overwritten: Vec<String>,
    /// There then and not now.
    pub(super) brought_back: Vec<String>,
    /// How many are the same.
    pub(super) unchanged: u64,
}

impl Changes {
    /// From what is there now to what was there then.
    pub(super) fn between(now: &Tree, then: &Tree) -> Self {
        let mut changes = Self::default();
        for (path, entry) in &now.0 {
            match then.0.get(path) {
                None => changes.removed.push(shown(path, entry)),
                Some(other) if other == entry => changes.unchanged += u64::from(!entry.is_folder()),
                Some(_) => changes.overwritten.push(shown(path, entry)),
            }
        }
        let missing = then.0.iter().filter(|(path, _)| !now.0.contains_key(*path));
        changes.brought_back = missing.map(|(path, entry)| shown(path, entry)).collect();
        changes
    }
}

fn shown(path: &str, entry: &Entry) -> String {
    if entry.is_folder() { format!("{path}/") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, text: &str) -> Entry {
        Entry::File { mode, bytes: text.len() as u64, digest: Digest::of(text.as_bytes()) }
    }

    fn tree(entries: &[(&str, Entry)]) -> Tree {
        Tree(entries.iter().map(|(path, entry)| ((*path).to_owned(), entry.clone())).collect())
    }

    #[test]
    fn what_a_rollback_would_do_is_told_by_kind() {
        let folder = Entry::Folder { mode: 0o755 };
        let now = tree(&[
            ("10-a.policy", file(0o644, "a")),
            ("20-b.policy", file(0o644, "b")),
            ("30-mode.policy", file(0o600, "m")),
            ("new", folder.clone()),
            ("new/x.list", file(0o644, "x")),
            ("link", Entry::Link { target: "10-a.policy".into() }),
        ]);
        let then = tree(&[
            ("10-a.policy", file(0o644, "a")),
            ("20-b.policy", file(0o644, "B")),
            ("30-mode.policy", file(0o644, "m")),
            ("old", folder),
            ("old/y.list", file(0o644, "y")),
            ("link", file(0o644, "a")),
        ]);
        let changes = Changes::between(&now, &then);
        assert_eq!(changes.removed, ["new/", "new/x.list"]);
        assert_eq!(changes.overwritten, ["20-b.policy", "30-mode.policy", "link"]);
        assert_eq!(changes.brought_back, ["old/", "old/y.list"]);
        assert_eq!(changes.unchanged, 1);
    }

    #[test]
    fn a_digest_tells_names_modes_kinds_and_contents_apart() {
        let variants = [
            tree(&[("a", file(0o644, "1"))]),
            tree(&[("a", file(0o600, "1"))]),
            tree(&[("a", file(0o644, "2"))]),
            tree(&[("b", file(0o644, "1"))]),
            tree(&[("a", Entry::Folder { mode: 0o644 })]),
            tree(&[("a", Entry::Link { target: "b".into() })]),
            tree(&[("a", Entry::Link { target: "c".into() })]),
            tree(&[]),
        ];
        for (at, one) in variants.iter().enumerate() {
            for (other_at, other) in variants.iter().enumerate() {
                assert_eq!(one.digest() == other.digest(), at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
