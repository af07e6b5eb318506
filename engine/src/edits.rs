//! Changes of the operator's policy files that exist in memory: what a commit is made of.
//!
//! INVARIANT: a [`FileName`] stays below `[policy] path` and names a file that the policy's walk reads:
//! no `..`, nothing hidden, the ending `.policy`. Only [`FileName::parse`] makes one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use eg_policy::digest::Digest;
use eg_policy::sources::SourceFile;

/// The longest part of a path that file systems take, in bytes.
const PART_BYTES_MAX: usize = 255;

/// Folders in each other: as deep as the policy's walk goes.
const PARTS_MAX: usize = 16;

/// Files that one commit changes: a person edits a handful, a generator some hundreds.
pub(crate) const EDITS_MAX: usize = 1000;

/// Where a policy file lies, below `[policy] path`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName(String);

/// Why a text is no name of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no name of a policy file: {why}; write the path below `[policy] path`, such as \
     `20-school.policy` or `sites/30-lab.policy`", name.escape_debug()
)]
pub(crate) struct NameFault {
    /// What was given.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) why: &'static str,
}

impl FileName {
    /// The name in `text`.
    ///
    /// # Errors
    ///
    /// [`NameFault`]
    pub(crate) fn parse(text: &str) -> Result<Self, NameFault> {
        let parts: Vec<&str> = text.split('/').collect();
        let why = if parts.len() > PARTS_MAX {
            "it has too many folders"
        } else if text.starts_with('/') {
            "it is not relative"
        } else if parts.iter().any(|part| part.is_empty()) {
            "a part of it is empty"
        } else if parts.iter().any(|part| part.starts_with('.')) {
            "a part of it begins with a dot"
        } else if parts.iter().any(|part| part.len() > PART_BYTES_MAX) {
            "a part of it is too long"
        } else if text.chars().any(char::is_control) {
            "it has a control character"
        } else if !text.ends_with(".policy") {
            "it does not end in `.policy`"
        } else {
            return Ok(Self(text.to_owned()));
        };
        // Whoever reads the answer needs the beginning of it only.
        Err(NameFault { name: text.chars().take(PART_BYTES_MAX).collect(), why })
    }

    /// As a path below `[policy] path`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders that it lies in, the outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(at, _)| self.0.get(..at))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What files are to hold; `None` removes one. A file that is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edits(pub(crate) BTreeMap<FileName, Option<String>>);

impl Edits {
    /// The new text of the file at `path`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        // There are few; a path out of a tree is no `FileName` to look it up with.
        let found = self.0.iter().find(|(name, _)| name.as_str() == path);
        found.and_then(|(_, text)| text.as_deref())
    }

    /// The operator's files, each by its name, with the edits laid over them, in load order.
    pub(crate) fn over(
        &self,
        root: &Path,
        files: Vec<(String, SourceFile)>,
    ) -> Vec<(String, SourceFile)> {
        let mut over: BTreeMap<String, SourceFile> = files.into_iter().collect();
        for (name, text) in &self.0 {
            match text {
                Some(text) => {
                    let path = root.join(name.as_str());
                    let file = SourceFile::new(path.display().to_string(), text.as_str());
                    over.insert(name.as_str().to_owned(), file);
                }
                None => drop(over.remove(name.as_str())),
            }
        }
        over.into_iter().collect()
    }
}

/// The digest over the names of policy files and what they hold; what a commit names as its base.
pub(crate) fn base_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f SourceFile)>) -> Digest {
    let mut parts: Vec<&[u8]> = Vec::new();
    for (name, file) in files {
        let (kind, held) = match &file.fault {
            None => ("text", &file.text),
            Some(fault) => ("fault", fault),
        };
        parts.extend([name.as_bytes(), kind.as_bytes(), held.as_bytes()]);
    }
    Digest::of_parts(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_the_folder_and_is_read_by_the_walk() {
        for good in
            ["a.policy", "10-x.policy", "a/b/c.policy", "ü.policy", "a b.policy", "a..policy"]
        {
            assert_eq!(FileName::parse(good).unwrap().as_str(), good);
        }
        let deep = "d/".repeat(PARTS_MAX);
        let long = "x".repeat(PART_BYTES_MAX);
        for bad in [
            "",
            "a",
            ".policy",
            "a.policy/",
            "/a.policy",
            "../a.policy",
            "a/../b.policy",
            "./a.policy",
            "a//b.policy",
            ".git/a.policy",
            "a/.b/c.policy",
            "a.policy\n",
            "a\u{0}.policy",
            "a.list",
            "a.POLICY",
            &format!("{deep}a.policy"),
            &format!("{long}.policy"),
        ] {
            assert!(FileName::parse(bad).is_err(), "{bad:?}");
        }
        let name = FileName::parse("a/b/c.policy").unwrap();
        assert_eq!(name.folders().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    #[test]
    fn edits_lie_over_the_files_in_load_order() {
        let file =
            |name: &str, text: &str| (name.to_owned(), SourceFile::new(format!("/r/{name}"), text));
        let name = |name: &str| FileName::parse(name).unwrap();
        let edits = Edits(BTreeMap::from([
            (name("a.policy"), Some("A".to_owned())),
            (name("b.policy"), None),
            (name("aa/x.policy"), Some("x".to_owned())),
        ]));
        let there = vec![file("a.policy", "a"), file("b.policy", "b"), file("c.policy", "c")];
        let over = edits.over(Path::new("/r"), there.clone());
        let expected = vec![file("a.policy", "A"), file("aa/x.policy", "x"), file("c.policy", "c")];
        assert_eq!(over, expected);
        let base = |files: &[(String, SourceFile)]| {
            base_of(files.iter().map(|(name, file)| (name.as_str(), file)))
        };
        assert_ne!(base(&over), base(&there));
        assert_eq!(base(&there), base(&Edits::default().over(Path::new("/r"), there.clone())));
        let mut faulty = there.clone();
        faulty[0].1.fault = Some("a".to_owned());
        assert_ne!(base(&faulty), base(&there));
    }
}
