//! A commit as a rollback to a tree that exists in memory: what is there now with the edits laid over it.

use eg_policy::digest::Digest;

use super::fault::BackupFault;
use super::tree::{Entry, MODE_BITS, Tree};
use crate::edits::{Edits, FileName};

/// A new file: the engine's user writes, its group reads (SPEC 1).
const NEW_FILE: u32 = 0o640;

/// What policy files are called; see `eg_policy::sources`.
const ENDING: &str = ".policy";

/// What a commit would do, and to what. It is applied only to exactly that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitPlan {
    pub(super) edits: Edits,
    before: Digest,
}

impl CommitPlan {
    /// For a folder that holds `now`.
    pub(super) fn new(edits: Edits, now: &Tree) -> Self {
        Self { edits, before: of_policy(now) }
    }

    /// Whether the folder still holds the policy files that the plan was made for.
    pub(super) fn is_for(&self, now: &Tree) -> bool {
        self.before == of_policy(now)
    }
}

/// What of a tree a commit depends on: policy files, and what leads to them. Lists may change meanwhile.
fn of_policy(tree: &Tree) -> Digest {
    let counts = |path: &str, entry: &Entry| match entry {
        Entry::File { .. } => path.ends_with(ENDING),
        Entry::Folder { .. } | Entry::Link { .. } => true,
    };
    let counted = tree.0.iter().filter(|(path, entry)| counts(path, entry));
    Tree(counted.map(|(path, entry)| (path.clone(), entry.clone())).collect()).digest()
}

/// `now` with the edits laid over it. New folders get the mode of the one that they lie in; `root` is
/// that of the policy's folder itself.
pub(super) fn then(now: &Tree, edits: &Edits, root: u32) -> Result<Tree, BackupFault> {
    let mut then = now.clone();
    for (name, text) in &edits.0 {
        let Some(text) = text else {
            remove(&mut then, name)?;
            continue;
        };
        let refused = |why| no_place(name, "written", why);
        let mut mode = root & MODE_BITS;
        for folder in name.folders() {
            match then.0.get(folder) {
                Some(Entry::Folder { mode: own }) => mode = *own,
                Some(Entry::File { .. }) => {
                    return Err(refused("what should be its folder is a file"));
                }
                Some(Entry::Link { .. }) => {
                    return Err(refused("its folder is a link; name the folder that it leads to"));
                }
                None => drop(then.0.insert(folder.to_owned(), Entry::Folder { mode })),
            }
        }
        let mode = match then.0.get(name.as_str()) {
            Some(Entry::File { mode, .. }) => *mode,
            Some(Entry::Folder { .. }) => return Err(refused("a folder has that name")),
            Some(Entry::Link { .. }) => {
                return Err(refused("it is a link; edit the file that it leads to"));
            }
            None => NEW_FILE,
        };
        let (bytes, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
        then.0.insert(name.as_str().to_owned(), Entry::File { mode, bytes, digest });
    }
    Ok(then)
}

fn remove(then: &mut Tree, name: &FileName) -> Result<(), BackupFault> {
    let why = match then.0.get(name.as_str()) {
        Some(Entry::File { .. }) => {
            then.0.remove(name.as_str());
            return Ok(());
        }
        Some(Entry::Folder { .. }) => "a folder has that name",
        Some(Entry::Link { .. }) => "it is a link; remove it by hand",
        None => "there is no such file",
    };
    Err(no_place(name, "removed", why))
}

fn no_place(name: &FileName, what: &'static str, why: &'static str) -> BackupFault {
    BackupFault::NoPlace { name: name.to_string(), what, why }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn file(mode: u32, text: &str) -> Entry {
        let (bytes, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
        Entry::File { mode, bytes, digest }
    }

    fn edits(all: &[(&str, Option<&str>)]) -> Edits {
        let edit = |(name, text): &(&str, Option<&str>)| {
            (FileName::parse(name).unwrap(), text.map(str::to_owned))
        };
        Edits(all.iter().map(edit).collect())
    }

    fn tree() -> Tree {
        Tree(BTreeMap::from([
            ("a.policy".to_owned(), file(0o600, "a")),
            ("b.policy".to_owned(), file(0o640, "b")),
            ("d".to_owned(), Entry::Folder { mode: 0o755 }),
            ("e.policy".to_owned(), Entry::Folder { mode: 0o755 }),
            ("l.policy".to_owned(), Entry::Link { target: "a.policy".to_owned() }),
            ("lists".to_owned(), Entry::Folder { mode: 0o700 }),
            ("lists/x".to_owned(), file(0o640, "x")),
            ("to".to_owned(), Entry::Link { target: "d".to_owned() }),
        ]))
    }

    #[test]
    fn edits_make_another_tree() {
        let all = [
            ("a.policy", Some("A")),
            ("b.policy", None),
            ("d/new/c.policy", Some("c")),
            ("new/c.policy", Some("c")),
        ];
        let then = then(&tree(), &edits(&all), 0o42_750).unwrap().0;
        let expected = [
            ("a.policy", Some(file(0o600, "A"))),
            ("b.policy", None),
            ("d/new", Some(Entry::Folder { mode: 0o755 })),
            ("d/new/c.policy", Some(file(0o640, "c"))),
            ("new", Some(Entry::Folder { mode: 0o750 })),
            ("lists/x", Some(file(0o640, "x"))),
        ];
        for (path, entry) in expected {
            assert_eq!(then.get(path), entry.as_ref(), "{path}");
        }
        assert_eq!(then.len(), 11);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for (name, text) in [
            ("l.policy", Some("x")),
            ("l.policy", None),
            ("e.policy", Some("x")),
            ("e.policy", None),
            ("to/x.policy", Some("x")),
            ("to/x.policy", None),
            ("a.policy/x.policy", Some("x")),
            ("z.policy", None),
        ] {
            let refused = then(&tree(), &edits(&[(name, text)]), 0o750).unwrap_err();
            assert!(matches!(refused, BackupFault::NoPlace { .. }), "{name}: {refused}");
        }
        // Two of one commit may be in each other's way too.
        let all = [("n.policy", Some("x")), ("n.policy/y.policy", Some("y"))];
        assert!(then(&tree(), &edits(&all), 0o750).is_err());
    }

    #[test]
    fn a_plan_is_for_the_policy_files_that_it_saw() {
        let plan = CommitPlan::new(Edits::default(), &tree());
        let mut other = tree();
        other.0.insert("lists/x".to_owned(), file(0o640, "y"));
        assert!(plan.is_for(&other), "a feed may write meanwhile");
        other.0.insert("b.policy".to_owned(), file(0o640, "B"));
        assert!(!plan.is_for(&other));
    }
}
