//! The lines of earlier shells, in a file of their owner, without those that say a secret.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use eg_proto::control::verbs::{ArgKind, Need};
use reedline::{
    FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, Result, SearchQuery,
};

use crate::egctl::{ENTRIES, Entry, Short, Step, split, walk};

/// Lines that are kept.
const LINES_MAX: usize = 1000;

/// A history that does not keep everything.
pub(super) struct Discreet(FileBackedHistory);

impl Discreet {
    /// The history in this file; without one, of this shell alone.
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        let failed = |fault: reedline::ReedlineError| io::Error::other(fault.to_string());
        let Some(path) = file else {
            return FileBackedHistory::new(LINES_MAX).map(Self).map_err(failed);
        };
        if let Some(folder) = path.parent() {
            crate::session::make_folder(folder)?;
        }
        // Made before the line editor makes it for everybody to read.
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        FileBackedHistory::with_file(LINES_MAX, path.to_path_buf()).map(Self).map_err(failed)
    }
}

/// Whether a line says a secret, though no verb takes one from it.
pub(super) fn says_a_secret(line: &str) -> bool {
    let words = split(line).words;
    let entries: Vec<&Entry> = ENTRIES.iter().collect();
    let named = |name: &str, text: &str| {
        let bare = text.trim_start_matches('-');
        bare == name || bare.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
    };
    match walk(&entries, &words, Short::Allowed) {
        Ok(Step::At(entry, said)) => {
            let secrets = entry.args.iter().filter(|arg| arg.need == Need::Prompted);
            let names: Vec<&str> = secrets.map(|arg| arg.name).collect();
            let mut rest = words.iter().skip(said);
            // Whoever says more than the verb takes may have said a secret by its place.
            let places = entry.required().filter(|arg| arg.kind != ArgKind::Secret).count();
            let is_over = !names.is_empty()
                && entry.optional().next().is_none()
                && words.len() > said.saturating_add(places);
            is_over || rest.any(|word| names.iter().any(|name| named(name, &word.text)))
        }
        Ok(Step::Open(..)) | Err(_) => {
            words.iter().any(|word| named("password", &word.text) || named("token", &word.text))
        }
    }
}

impl History for Discreet {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        if says_a_secret(&item.command_line) {
            return Ok(item);
        }
        self.0.save(item)
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.0.load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.0.count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.0.search(query)
    }

    fn update(
        &mut self,
        id: HistoryItemId,
        updater: &dyn Fn(HistoryItem) -> HistoryItem,
    ) -> Result<()> {
        self.0.update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.0.delete(id)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.0.session()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_told_from_the_rest() {
        for (line, expected) in [
            ("show status", false),
            ("request user passwd ada", false),
            ("request user passwd ada password hunter2", true),
            ("request user passwd ada --password=hunter2", true),
            ("req user passwd ada hunter2", true),
            ("request user totp ada", false),
            ("request user totp ada code 123456", true),
            ("request user add ada monitoring password x", true),
            ("request user add ada monitoring comment x", false),
            ("show policy match http://a/ user ada", false),
            ("passwd ada password hunter2", true),
            ("", false),
        ] {
            assert_eq!(says_a_secret(line), expected, "{line}");
        }
    }

    #[test]
    fn the_file_is_its_owners_and_has_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/egctl/history");
        let mut history = Discreet::open(Some(&path)).unwrap();
        for line in ["show status", "request user passwd ada password hunter2"] {
            history.save(HistoryItem::from_command_line(line)).unwrap();
        }
        history.sync().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "show status\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
