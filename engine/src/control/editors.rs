//! Who has lately taken the policy files to edit, so that two who edit at once know of each other before
//! one of them commits.

use std::sync::{Mutex, PoisonError};

use eg_policy::moment::Moment;
use eg_proto::control::edit::Editor;

use super::shape::when;

/// Whoever took the files longer ago has probably ended without a commit.
const LATELY_US: i64 = 15 * 60 * 1_000_000;

/// More do not edit at once; of more the one who took them longest ago is forgotten.
const EDITORS_MAX: usize = 64;

/// The table, in memory only.
#[derive(Debug, Default)]
pub(super) struct Editors(Mutex<Vec<Row>>);

#[derive(Debug)]
struct Row {
    user: String,
    /// When he began.
    since: Moment,
    /// When he took a file last.
    last: Moment,
}

impl Editors {
    /// Notes that `user` takes files at `now`. Gives the others, newest first.
    pub(super) fn note(&self, user: &str, now: Moment) -> Vec<Editor> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = now.unix_micros().saturating_sub(LATELY_US);
        rows.retain(|row| row.last.unix_micros() >= oldest);
        let at = rows.iter().position(|row| row.user == user);
        let since = at.map_or(now, |at| rows.remove(at).since);
        if rows.len() >= EDITORS_MAX {
            rows.remove(0);
        }
        // In the order in which they took something last.
        rows.push(Row { user: user.to_owned(), since, last: now });
        let others = rows.iter().rev().filter(|row| row.user != user);
        others.map(|row| Editor { user: row.user.clone(), since: when(row.since) }).collect()
    }

    /// Notes that `user` is done.
    pub(super) fn done(&self, user: &str) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|row| row.user != user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_unix_micros(seconds * 1_000_000)
    }

    #[test]
    fn those_who_edit_know_of_each_other() {
        let editors = Editors::default();
        let names = |user: &str, now: i64| -> Vec<String> {
            editors.note(user, at(now)).into_iter().map(|editor| editor.user).collect()
        };
        assert!(names("ada", 0).is_empty());
        assert_eq!(names("ben", 60), ["ada"]);
        assert_eq!(names("cem", 61), ["ben", "ada"]);
        assert_eq!(names("ada", 120), ["cem", "ben"]);
        let since = editors.note("ben", at(121)).remove(0).since;
        assert_eq!(since, "1970-01-01T00:00:00Z", "since he began");
        editors.done("ada");
        assert_eq!(names("cem", 122), ["ben"]);
        assert!(names("ada", 122 + 901).is_empty(), "that was long ago");
    }

    #[test]
    fn the_table_is_bounded() {
        let editors = Editors::default();
        for number in 0..EDITORS_MAX + 10 {
            editors.note(&number.to_string(), at(1));
        }
        assert_eq!(editors.note("x", at(1)).len(), EDITORS_MAX - 1);
    }
}
