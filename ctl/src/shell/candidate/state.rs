//! Which files are changed, and from what.

use std::collections::BTreeMap;

use eg_proto::control::edit::{Edit, PolicyFiles};
use similar::TextDiff;

/// Policy files as somebody would have them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Candidate {
    /// What a commit names as its base.
    pub(crate) base: String,
    /// The files that there are, by name.
    pub(crate) files: Vec<String>,
    /// The file that is worked on.
    pub(crate) current: Option<String>,
    /// Texts as they were fetched; `None` where there was no such file.
    origins: BTreeMap<String, Option<String>>,
    /// Texts as they are to be; `None` where the file is to go.
    edits: BTreeMap<String, Option<String>>,
}

impl Candidate {
    /// Nothing changed yet.
    pub(crate) fn of(files: &PolicyFiles) -> Self {
        Self {
            base: files.base.clone(),
            files: files.files.iter().map(|file| file.name.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether the text of a file was fetched.
    pub(crate) fn has_origin(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }

    /// The text of a file as it was fetched.
    pub(crate) fn fetched(&mut self, name: &str, text: Option<String>) {
        self.origins.insert(name.to_owned(), text);
    }

    /// The text of a file as it is to be; `None` where there is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let edited = self.edits.get(name).or_else(|| self.origins.get(name))?;
        edited.as_deref()
    }

    /// Gives a file another text, or takes it away.
    pub(crate) fn change(&mut self, name: &str, text: Option<String>) {
        if self.origins.get(name) == Some(&text) {
            self.edits.remove(name);
        } else {
            self.edits.insert(name.to_owned(), text);
        }
    }

    /// Whether anything is changed.
    pub(crate) fn is_changed(&self) -> bool {
        !self.edits.is_empty()
    }

    /// The files that are changed.
    pub(crate) fn changed(&self) -> Vec<String> {
        self.edits.keys().cloned().collect()
    }

    /// What a commit sends.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let edit = |(name, text): (&String, &Option<String>)| Edit {
            name: name.clone(),
            text: text.clone(),
        };
        self.edits.iter().map(edit).collect()
    }

    /// Drops what is changed in a file, or in all; whether there was something.
    pub(crate) fn revert(&mut self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.edits.remove(name).is_some(),
            None => {
                let is_changed = self.is_changed();
                self.edits.clear();
                is_changed
            }
        }
    }

    /// A commit is through: what was changed is how the files are now.
    pub(crate) fn committed(&mut self, base: String) {
        self.base = base;
        for (name, text) in std::mem::take(&mut self.edits) {
            self.files.retain(|known| *known != name);
            if text.is_some() {
                self.files.push(name.clone());
            }
            self.origins.insert(name, text);
        }
        self.files.sort();
    }

    /// Takes the files as they are now below the own changes. Where a file is another one and is changed
    /// here too, its name is given back, and nothing is taken.
    pub(crate) fn update(
        &mut self,
        files: &PolicyFiles,
        texts: &BTreeMap<String, Option<String>>,
    ) -> Result<(), Vec<String>> {
        let is_other = |name: &&String| {
            let (now, edit) = (texts.get(*name), self.edits.get(*name));
            now != self.origins.get(*name) && now != edit
        };
        let conflicts: Vec<String> = self.edits.keys().filter(is_other).cloned().collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        self.edits.retain(|name, edit| texts.get(name) != Some(edit));
        self.origins = texts.clone();
        self.base.clone_from(&files.base);
        self.files = files.files.iter().map(|file| file.name.clone()).collect();
        Ok(())
    }

    /// What is changed, as a unified difference.
    pub(crate) fn difference(&self) -> String {
        let mut whole = String::new();
        for (name, edit) in &self.edits {
            let before = self.origins.get(name).cloned().flatten();
            let (from, to) = match (&before, edit) {
                (None, _) => ("/dev/null".to_owned(), format!("b/{name}")),
                (Some(_), None) => (format!("a/{name}"), "/dev/null".to_owned()),
                (Some(_), Some(_)) => (format!("a/{name}"), format!("b/{name}")),
            };
            let (before, after) = (before.unwrap_or_default(), edit.clone().unwrap_or_default());
            let difference = TextDiff::from_lines(&before, &after);
            let unified = difference.unified_diff().header(&from, &to).to_string();
            whole.push_str(&unified);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use eg_proto::control::edit::PolicyFileRow;

    use super::*;

    fn files(base: &str, names: &[&str]) -> PolicyFiles {
        let row = |name: &&str| PolicyFileRow { name: (*name).to_owned(), bytes: 0, rules: 0 };
        let files = names.iter().map(row).collect();
        PolicyFiles { base: base.to_owned(), files, editors: Vec::new() }
    }

    fn example() -> Candidate {
        let mut candidate = Candidate::of(&files("b1", &["a", "b"]));
        candidate.fetched("a", Some("one\ntwo\n".to_owned()));
        candidate.fetched("b", Some("b\n".to_owned()));
        candidate.fetched("c", None);
        candidate
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn changes_are_kept_compared_and_dropped() {
        let mut candidate = example();
        assert!(!candidate.is_changed() && candidate.difference().is_empty());
        candidate.change("a", some("one\nthree\n"));
        candidate.change("b", None);
        candidate.change("c", some("new\n"));
        assert_eq!(
            candidate.difference(),
            "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n\
             --- a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n\
             --- /dev/null\n+++ b/c\n@@ -0,0 +1 @@\n+new\n"
        );
        assert_eq!(candidate.text("a"), Some("one\nthree\n"));
        assert_eq!(candidate.text("b"), None);
        let names: Vec<_> = candidate.edits().into_iter().map(|edit| edit.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        candidate.change("a", some("one\ntwo\n"));
        assert_eq!(candidate.changed(), ["b", "c"]);
        assert!(candidate.revert(Some("b")) && !candidate.revert(Some("b")));
        assert!(candidate.revert(None) && !candidate.is_changed());
    }

    #[test]
    fn a_commit_becomes_what_is_there() {
        let mut candidate = example();
        candidate.change("b", None);
        candidate.change("c", some("new\n"));
        candidate.committed("b2".to_owned());
        assert!(!candidate.is_changed());
        assert_eq!((candidate.base.as_str(), candidate.files.join(",")), ("b2", "a,c".to_owned()));
        assert_eq!(candidate.text("c"), Some("new\n"));
    }

    #[test]
    fn an_update_keeps_changes_where_the_file_is_the_same() {
        let mut candidate = example();
        candidate.change("a", some("mine\n"));
        candidate.change("c", some("same\n"));
        let mut texts = BTreeMap::new();
        texts.insert("a".to_owned(), some("one\ntwo\n"));
        texts.insert("c".to_owned(), some("same\n"));
        candidate.update(&files("b2", &["a", "c"]), &texts).unwrap();
        assert_eq!(
            (candidate.base.as_str(), candidate.changed().join(",")),
            ("b2", "a".to_owned())
        );
        // Somebody has changed the same file: it is named, and nothing is lost.
        texts.insert("a".to_owned(), some("theirs\n"));
        let before = candidate.clone();
        assert_eq!(candidate.update(&files("b3", &["a"]), &texts), Err(vec!["a".to_owned()]));
        assert_eq!(candidate, before);
        candidate.revert(Some("a"));
        candidate.update(&files("b3", &["a"]), &texts).unwrap();
        assert_eq!(candidate.text("a"), Some("theirs\n"));
    }
}
