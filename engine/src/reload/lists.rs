//! List files to sets: unchanged ones are not parsed again, and one that shrank suspiciously keeps
//! its old entries.

use std::collections::HashMap;
use std::path::Path;

use eg_policy::check::{CheckedPolicy, ListKind, ListUse};
use eg_policy::compile::CompiledList;
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ListFault, ListReport, NameList, read_addresses, read_names};
use eg_policy::sources::Files;
use eg_policy::users::{UserList, read_users};

use super::{ReloadFault, has_set};
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
    /// Users.
    Users(UserList),
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
            ListKind::Users => {
                read_users(bytes).map(|(users, report)| (Self::Users(users), report))
            }
        }
    }

    /// The file form.
    pub(super) fn to_file(&self) -> Vec<u8> {
        match self {
            Self::Names(names) => names.to_file(),
            Self::Addresses(addresses) => addresses.to_file(),
            Self::Users(users) => users.to_file(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Names(names) => names.len(),
            Self::Addresses(addresses) => addresses.len(),
            Self::Users(users) => users.len(),
        }
    }
}

/// What kind of set file holds a list's entries.
pub(super) const fn set_kind(kind: ListKind) -> SetKind {
    match kind {
        ListKind::Domains => SetKind::Names,
        ListKind::Addresses => SetKind::Addresses,
        ListKind::Users => SetKind::Users,
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
    loaded: HashMap<(String, ListKind), CompiledList>,
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
            loaded: HashMap::new(),
            parsed: HashMap::new(),
            parsed_files: 0,
            notes: Vec::new(),
        }
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
        let bytes = Disk.read(Path::new(&list.path)).map_err(|error| error.to_string())?;
        let source = Digest::of(&bytes);
        let before = self.before_of(list);
        let loaded = match before {
            Some(before) if before.source == source && self.has_set_of(before) => before.clone(),
            Some(_) | None => self.parse(list, &bytes, source, before)?,
        };
        self.loaded.insert((list.path.clone(), list.kind), loaded);
        Ok(())
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
            // Without them nothing but the smaller list is left, which must not go live by itself.
            if !self.has_set_of(before) {
                return Err(format!(
                    "{shrank}, and its old entries are lost; bring the list back, or move the \
                     store away to take the files as they are"
                ));
            }
            self.notes.push(format!("{shrank}; its old entries stay"));
            return Ok(before.clone());
        }
        let file = parsed.to_file();
        let set = Digest::of(&file);
        self.parsed.insert(set, (parsed, file));
        Ok(CompiledList { path: list.path.clone(), kind: list.kind, source, set, entries })
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
