//! Where in list files the entries stand that an explanation names. A ruleset keeps no lines, so the files
//! are read anew; whether they still are what was loaded is asked of whoever explains.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::lists::{
    ListEntry, ListFiles, ListFormat, ListPart, OtherSource, RawFault, RawList, line_of_entry,
    read_raw,
};

/// Entries that are looked up for one explanation: each may walk through its whole list.
const LOOKED_UP_MAX: usize = 100;

/// Says in which format a list is read, or that it is not the one that was loaded.
pub type FormatOf<'f> = dyn Fn(&str, &RawList) -> Result<Option<ListFormat>, OtherSource> + 'f;

/// The lines of list files, each file read once.
pub struct ListLines<'f> {
    files: &'f dyn ListFiles,
    format: &'f FormatOf<'f>,
    read: HashMap<String, Option<(RawList, Option<ListFormat>)>>,
    found: HashMap<(String, String), Option<(ListPart, u64)>>,
    /// Lists of which no line can be told, each with the reason.
    silent: BTreeMap<String, String>,
}

impl std::fmt::Debug for ListLines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListLines").field("found", &self.found).finish_non_exhaustive()
    }
}

impl<'f> ListLines<'f> {
    /// Lines in `files`, whose format `format` knows.
    #[must_use]
    pub fn new(files: &'f dyn ListFiles, format: &'f FormatOf<'f>) -> Self {
        let (read, found, silent) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { files, format, read, found, silent }
    }

    /// The file and the line, from 1, of an entry of the list at `path`.
    pub(super) fn of(&mut self, path: &str, entry: &ListEntry) -> Option<(ListPart, u64)> {
        let Self { files, format, read, found, silent } = self;
        let key = (path.to_owned(), format!("{entry:?}"));
        if let Some(place) = found.get(&key) {
            return *place;
        }
        if found.len() >= LOOKED_UP_MAX {
            let why = format!("only the lines of the first {LOOKED_UP_MAX} entries are looked up");
            silent.entry(path.to_owned()).or_insert(why);
            return None;
        }
        let list = read.entry(path.to_owned()).or_insert_with(|| {
            let list = read_raw(*files, Path::new(path));
            let list = list.map_err(|fault: RawFault| fault.to_string()).and_then(|list| {
                let changed = |OtherSource| "it has changed since it was loaded".to_owned();
                format(path, &list).map(|format| (list, format)).map_err(changed)
            });
            list.map_err(|why| silent.insert(path.to_owned(), why)).ok()
        });
        let place = list.as_ref().and_then(|(list, format)| line_of_entry(list, *format, entry));
        found.insert(key, place);
        place
    }

    /// Of which lists no line can be told, and why, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(path, why): (&String, &String)| format!("no line of `{path}` is told: {why}");
        self.silent.iter().map(note).collect()
    }
}
