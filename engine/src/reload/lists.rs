//! List files to sets: unchanged ones are not parsed again, and one that shrank suspiciously keeps
//! its old entries.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use eg_policy::check::{CheckedPolicy, ListKind, ListUse};
use eg_policy::compile::CompiledList;
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ListFault, ListReport, NameList, read_addresses, read_names};
use eg_policy::sources::Files;
use eg_proto::control::ListState;

use super::seen::{Known, Seen};
use super::{Guards, ReloadFault, has_set};
use crate::sources::Disk;
use crate::store::{SetFiles, SetKind};

/// How many refused lines of a list are named.
const REFUSED_SHOWN: usize = 10;

/// The entries of a list that was parsed in this run.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Names.
    Names(NameList),
    /// Addresses.
    Addresses(AddressList),
}

impl Parsed {
    /// The entries of a list file, plain or gzip.
    pub(super) fn read(kind: ListKind, bytes: &[u8]) -> Result<(Self, ListReport), ListFault> {
        match kind {
            ListKind::Domains => {
                read_names(bytes).map(|(names, report)| (Self::Names(names), report))
            }
            ListKind::Addresses => read_addresses(bytes)
                .map(|(addresses, report)| (Self::Addresses(addresses), report)),
        }
    }

    /// The file form.
    pub(super) fn to_file(&self) -> Vec<u8> {
        match self {
            Self::Names(names) => names.to_file(),
            Self::Addresses(addresses) => addresses.to_file(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Names(names) => names.len(),
            Self::Addresses(addresses) => addresses.len(),
        }
    }
}

/// What kind of set file holds a list's entries.
pub(super) const fn set_kind(kind: ListKind) -> SetKind {
    match kind {
        ListKind::Domains => SetKind::Names,
        ListKind::Addresses => SetKind::Addresses,
    }
}

/// Whether something shrank to nothing, or by more than `percent`.
pub(super) fn shrank(before: u64, after: u64, percent: u8) -> bool {
    let least = u128::from(before) * u128::from(100_u8.saturating_sub(percent));
    before > 0 && (after == 0 || u128::from(after) * 100 < least)
}

/// Reads the lists of one policy, each once.
pub(super) struct ListLoader<'b> {
    before: &'b [CompiledList],
    /// Where the sets of `before` lie; `None` where nothing may be taken over.
    sets: Option<&'b SetFiles>,
    guard_percent: u8,
    guards: Guards,
    /// What is known of the files from the reload before.
    known: Option<&'b Known>,
    /// What is known of them now.
    pub(super) learned: Known,
    loaded: HashMap<(String, ListKind), CompiledList>,
    states: HashMap<(String, ListKind), ListState>,
    /// What was parsed, by its set's digest, with the file form of the set.
    pub(super) parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
    parsed_files: usize,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl<'b> ListLoader<'b> {
    pub(super) fn new(
        before: &'b [CompiledList],
        sets: Option<&'b SetFiles>,
        guard_percent: u8,
    ) -> Self {
        Self {
            before,
            sets,
            guard_percent,
            guards: Guards::Heeded,
            known: None,
            learned: Known::default(),
            loaded: HashMap::new(),
            states: HashMap::new(),
            parsed: HashMap::new(),
            parsed_files: 0,
            notes: Vec::new(),
        }
    }

    /// Does not read files again that are the same as in `known`.
    pub(super) fn knowing(self, known: &'b Known) -> Self {
        Self { known: Some(known), ..self }
    }

    /// Heeds the guard of shrinking lists, or not.
    pub(super) fn guarded(self, guards: Guards) -> Self {
        Self { guards, ..self }
    }

    /// What was done with a list; one that was not asked for stays as it was.
    pub(super) fn state(&self, list: &CompiledList) -> ListState {
        let found = self.states.get(&(list.path.clone(), list.kind));
        found.copied().unwrap_or(ListState::Kept)
    }

    /// How many files were parsed.
    pub(super) const fn parsed(&self) -> usize {
        self.parsed_files
    }

    /// Reads one list.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, for the rule that names it.
    pub(super) fn load(&mut self, list: &ListUse) -> Result<(), String> {
        let began = SystemTime::now();
        let seen = Seen::look(Path::new(&list.path));
        let before = self.before_of(list);
        if let (Some(seen), Some(before)) = (&seen, before)
            && self.is_untouched(seen, before)
        {
            self.learned.keep(&list.path, seen.clone(), before.source);
            self.take(list, before.clone(), ListState::Unchanged);
            return Ok(());
        }
        let bytes = Disk.read(Path::new(&list.path)).map_err(|error| error.to_string())?;
        let source = Digest::of(&bytes);
        self.learned.learn(&list.path, (seen, began), source);
        let (loaded, state) = match before {
            Some(before) if before.source == source && self.has_set_of(before) => {
                (before.clone(), ListState::Unchanged)
            }
            Some(_) | None => {
                let loaded = self.parse(list, &bytes, source, before)?;
                // Old entries that stay are those of another file.
                let state =
                    if loaded.source == source { ListState::Parsed } else { ListState::Kept };
                (loaded, state)
            }
        };
        self.take(list, loaded, state);
        Ok(())
    }

    /// Whether the file is the one that `before` was made of, by what the system says of it.
    fn is_untouched(&self, seen: &Seen, before: &CompiledList) -> bool {
        let known = self.known.and_then(|known| known.digest(&before.path, seen));
        known == Some(before.source) && self.has_set_of(before)
    }

    fn take(&mut self, list: &ListUse, loaded: CompiledList, state: ListState) {
        let key = (list.path.clone(), list.kind);
        self.states.insert(key.clone(), state);
        self.loaded.insert(key, loaded);
    }

    /// What this list was before; its set may be lost.
    fn before_of(&self, list: &ListUse) -> Option<&'b CompiledList> {
        self.before.iter().find(|old| old.path == list.path && old.kind == list.kind)
    }

    fn has_set_of(&self, list: &CompiledList) -> bool {
        self.sets.is_some_and(|sets| has_set(sets, list))
    }

    fn parse(
        &mut self,
        list: &ListUse,
        bytes: &[u8],
        source: Digest,
        before: Option<&CompiledList>,
    ) -> Result<CompiledList, String> {
        let (parsed, report) =
            Parsed::read(list.kind, bytes).map_err(|fault| eg_settings::log::chain(&fault))?;
        self.parsed_files += 1;
        self.report(&list.path, &report);
        let entries = parsed.len();
        if let Some(before) = before.filter(|old| shrank(old.entries, entries, self.guard_percent))
        {
            let shrank = format!(
                "the list `{}` shrank from {} to {entries} entries, more than \
                 `shrink_guard_percent` ({}) allows",
                list.path, before.entries, self.guard_percent
            );
            match self.guards {
                Guards::Heeded | Guards::FirstFill => {}
                Guards::Overridden => {
                    self.notes.push(format!("{shrank}; it was taken by force"));
                    return Ok(self.parsed_list(list, (parsed, entries), source));
                }
            }
            // Without them nothing but the smaller list is left, which must not go live by itself.
            if !self.has_set_of(before) {
                return Err(format!(
                    "{shrank}, and its old entries are lost; bring the list back, or reload with \
                     force to take the files as they are"
                ));
            }
            self.notes.push(format!("{shrank}; its old entries stay"));
            return Ok(before.clone());
        }
        Ok(self.parsed_list(list, (parsed, entries), source))
    }

    /// A list that was parsed, with its entries kept for the set file.
    fn parsed_list(
        &mut self,
        list: &ListUse,
        (parsed, entries): (Parsed, u64),
        source: Digest,
    ) -> CompiledList {
        let file = parsed.to_file();
        let set = Digest::of(&file);
        self.parsed.insert(set, (parsed, file));
        CompiledList { path: list.path.clone(), kind: list.kind, source, set, entries }
    }

    /// Says which lines could not be used.
    fn report(&mut self, path: &str, report: &ListReport) {
        if report.refused_count > 0 {
            let lines: Vec<String> = report
                .refused
                .iter()
                .take(REFUSED_SHOWN)
                .map(|(line, reason)| format!("line {line}: {reason}"))
                .collect();
            self.notes.push(format!(
                "the list `{path}` has {} line(s) that cannot be used: {}",
                report.refused_count,
                lines.join("; ")
            ));
        }
        if report.public_suffix_count > 0 {
            let names: Vec<String> = report
                .public_suffixes
                .iter()
                .take(REFUSED_SHOWN)
                .map(|(line, name)| format!("line {line}: {name}"))
                .collect();
            self.notes.push(format!(
                "the list `{path}` names {} whole public suffix(es), which are left out: {}",
                report.public_suffix_count,
                names.join("; ")
            ));
        }
    }

    /// The lists of a checked policy, in its order.
    pub(super) fn lists_of(
        &self,
        policy: &CheckedPolicy,
    ) -> Result<Vec<CompiledList>, ReloadFault> {
        let found = policy.lists.iter().map(|list| {
            let loaded = self.loaded.get(&(list.path.clone(), list.kind)).cloned();
            loaded.ok_or_else(|| ReloadFault::NoList { path: list.path.clone() })
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_counts_in_percent() {
        for (before, after, percent, expected) in [
            (0, 0, 20, false),
            (0, 5, 20, false),
            (100, 80, 20, false),
            (100, 79, 20, true),
            (100, 1, 100, false),
            (100, 0, 100, true),
            (3, 2, 0, true),
            (3, 3, 0, false),
            (u64::MAX, u64::MAX, 20, false),
        ] {
            assert_eq!(shrank(before, after, percent), expected, "{before} {after} {percent}");
        }
    }
}
