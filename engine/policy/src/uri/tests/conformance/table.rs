//! The tables of differences on purpose: read, compared, written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Extent, own};

/// Why a case differs on purpose.
pub(super) trait Class: Copy + Eq + 'static {
    /// Every class, in the order of the table's head.
    const ALL: &'static [Self];

    /// What the table calls it.
    fn word(self) -> &'static str;

    /// The reason, in a sentence.
    fn reason(self) -> &'static str;
}

/// One case on which ours differs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    theirs: String,
    ours: String,
    class: &'static str,
}

/// What a run found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    run: BTreeSet<String>,
    found: BTreeMap<String, Difference>,
    unexplained: Vec<String>,
}

impl Findings {
    /// Takes a case; `class` is asked only where the two differ, and says nothing where that is a fault.
    pub(super) fn take<C: Class>(
        &mut self,
        case: &str,
        (theirs, ours): (String, String),
        class: impl FnOnce() -> Option<C>,
    ) {
        let key = case.escape_default().to_string();
        self.run.insert(key.clone());
        if theirs == ours {
            return;
        }
        match class() {
            Some(class) => {
                let row =
                    Difference { theirs: plain(&theirs), ours: plain(&ours), class: class.word() };
                let before = self.found.insert(key.clone(), row.clone());
                assert!(before.is_none_or(|before| before == row), "{key}: two answers");
            }
            None => self.unexplained.push(format!("{key}\n    theirs {theirs}\n    ours   {ours}")),
        }
    }

    /// How many different cases were run.
    pub(super) fn count(&self) -> usize {
        self.run.len()
    }

    /// How many of them differ.
    pub(super) fn differences(&self) -> usize {
        self.found.len()
    }

    /// Compares with the table of this name, or writes it where that is wished for.
    #[track_caller]
    pub(super) fn assert_as_listed<C: Class>(&self, name: &str, extent: Extent) {
        assert!(
            self.unexplained.is_empty(),
            "{} cases differ without a reason:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
        let path = own(name);
        if std::env::var_os("EG_WRITE_DIFFERENCES").is_some() && extent == Extent::Whole {
            std::fs::write(&path, self.as_text::<C>()).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let listed = listed::<C>(&text);
        let mut wrong = String::new();
        for (key, row) in &self.found {
            match listed.get(key) {
                Some(known) if known == row => {}
                Some(known) => {
                    writeln!(wrong, "listed as {known:?}, found {row:?}: {key}").unwrap();
                }
                None => writeln!(wrong, "not listed: {key}: {row:?}").unwrap(),
            }
        }
        for key in listed.keys().filter(|key| !self.found.contains_key(*key)) {
            if self.run.contains(key) {
                writeln!(wrong, "listed, and no difference any more: {key}").unwrap();
            } else if extent == Extent::Whole {
                writeln!(wrong, "listed, and no such case any more: {key}").unwrap();
            }
        }
        assert!(wrong.is_empty(), "{}:\n{wrong}", path.display());
    }

    fn as_text<C: Class>(&self) -> String {
        let mut text =
            String::from("# Differences on purpose, one a line: case, theirs, ours, class.\n#\n");
        for class in C::ALL {
            writeln!(text, "# {}: {}", class.word(), class.reason()).unwrap();
        }
        for (key, Difference { theirs, ours, class }) in &self.found {
            writeln!(text, "{key}\t{theirs}\t{ours}\t{class}").unwrap();
        }
        text
    }
}

/// In ASCII, on one line.
fn plain(text: &str) -> String {
    text.escape_default().to_string()
}

fn listed<C: Class>(text: &str) -> BTreeMap<String, Difference> {
    // A case may begin with `#` too; what has no tab is the head.
    let rows = text.lines().filter(|line| line.contains('\t'));
    rows.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [key, theirs, ours, class] = columns.as_slice() else { panic!("four columns: {line}") };
        let class = C::ALL.iter().find(|known| known.word() == *class);
        let class = class.unwrap_or_else(|| panic!("an unknown class: {line}")).word();
        let row = Difference { theirs: (*theirs).to_owned(), ours: (*ours).to_owned(), class };
        ((*key).to_owned(), row)
    })
    .collect()
}
