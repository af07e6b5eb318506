//! List files to sets: unchanged ones are not parsed again, and one that shrank suspiciously keeps
//! its old entries.

use std::collections::HashMap;
use std::path::Path;

use eg_policy::check::{CheckedPolicy, HasUrls, ListContents, ListKind, ListUse};
use eg_policy::compile::CompiledList;
use eg_policy::digest::Digest;
use eg_policy::lists::{
    AddressList, ExpressionList, ListFault, ListFormat, ListPart, ListReport, ListSets, NameList,
    RawList, UrlList, read_addresses, read_list, read_raw,
};
use eg_policy::users::{UserList, read_users};

use super::{ReloadFault, has_set};
use crate::sources::Disk;
use crate::store::{SetFiles, SetKind};

/// How many refused lines of a list are named.
const REFUSED_SHOWN: usize = 10;

/// The entries of a list, or of a part of one, that was parsed in this run.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Names.
    Names(NameList),
    /// Addresses.
    Addresses(AddressList),
    /// Users.
    Users(UserList),
    /// URLs.
    Urls(UrlList),
    /// Regular expressions.
    Expressions(ExpressionList),
}

impl Parsed {
    /// The entries that a list has of one kind.
    pub(super) fn read(
        kind: ListKind,
        format: Option<ListFormat>,
        raw: &RawList,
    ) -> Result<Self, ListFault> {
        let sets = || read_list(raw, format).map(|(sets, _)| sets);
        match kind {
            ListKind::Domains => sets().map(|sets| Self::Names(sets.names)),
            ListKind::Urls => sets().map(|sets| Self::Urls(sets.urls)),
            ListKind::Expressions => sets().map(|sets| Self::Expressions(sets.expressions)),
            ListKind::Addresses => addresses(raw).map(|(addresses, _)| Self::Addresses(addresses)),
            ListKind::Users => users(raw).map(|(users, _)| Self::Users(users)),
        }
    }

    /// The parts that a list of names has. There are always names, if only none.
    fn parts(sets: ListSets) -> Vec<(ListKind, Self)> {
        let ListSets { names, urls, expressions } = sets;
        let mut parts = vec![(ListKind::Domains, Self::Names(names))];
        if !urls.is_empty() {
            parts.push((ListKind::Urls, Self::Urls(urls)));
        }
        if !expressions.is_empty() {
            parts.push((ListKind::Expressions, Self::Expressions(expressions)));
        }
        parts
    }

    /// The file form.
    pub(super) fn to_file(&self) -> Vec<u8> {
        match self {
            Self::Names(names) => names.to_file(),
            Self::Addresses(addresses) => addresses.to_file(),
            Self::Users(users) => users.to_file(),
            Self::Urls(urls) => urls.to_file(),
            Self::Expressions(expressions) => expressions.to_file(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Names(names) => names.len(),
            Self::Addresses(addresses) => addresses.len(),
            Self::Users(users) => users.len(),
            Self::Urls(urls) => urls.len(),
            Self::Expressions(expressions) => expressions.len(),
        }
    }

    /// The names, where it is such.
    pub(super) const fn names(&self) -> Option<&NameList> {
        match self {
            Self::Names(names) => Some(names),
            Self::Addresses(_) | Self::Users(_) | Self::Urls(_) | Self::Expressions(_) => None,
        }
    }

    /// The URLs, where it is such.
    pub(super) const fn urls(&self) -> Option<&UrlList> {
        match self {
            Self::Urls(urls) => Some(urls),
            Self::Names(_) | Self::Addresses(_) | Self::Users(_) | Self::Expressions(_) => None,
        }
    }
}

/// The addresses of a list, which is one file.
fn addresses(raw: &RawList) -> Result<(AddressList, ListReport), ListFault> {
    match raw.parts() {
        [(ListPart::Whole, bytes)] => read_addresses(bytes),
        _ => Err(ListFault::FileFormat { format: ListFormat::Plain }),
    }
}

/// The users of a list, which is one file.
fn users(raw: &RawList) -> Result<(UserList, ListReport), ListFault> {
    match raw.parts() {
        [(ListPart::Whole, bytes)] => read_users(bytes),
        _ => Err(ListFault::FileFormat { format: ListFormat::Plain }),
    }
}

/// What kind of set file holds a list's entries.
pub(super) const fn set_kind(kind: ListKind) -> SetKind {
    match kind {
        ListKind::Domains => SetKind::Names,
        ListKind::Addresses => SetKind::Addresses,
        ListKind::Users => SetKind::Users,
        ListKind::Urls => SetKind::Urls,
        ListKind::Expressions => SetKind::Expressions,
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

    /// Reads one list with all its parts, and says what it has beside names.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, for the rule that names it.
    pub(super) fn load(&mut self, list: &ListUse) -> Result<ListContents, String> {
        let raw = read_raw(&Disk, Path::new(&list.path));
        let raw = raw.map_err(|fault| eg_settings::log::chain(&fault))?;
        let source = raw.source(list.format);
        let before = self.before_of(list);
        let is_whole = !before.is_empty()
            && before.iter().all(|old| old.source == source && self.has_set_of(old));
        if is_whole && let Some(contents) = self.contents_of(&before) {
            self.take(&before);
            return Ok(contents);
        }
        self.parse(list, &raw, source, &before)
    }

    /// What this list was before, by its parts; their sets may be lost.
    fn before_of(&self, list: &ListUse) -> Vec<&'b CompiledList> {
        let has_names = list.kind != ListKind::Addresses;
        let of_list = |old: &&CompiledList| {
            old.path == list.path && (old.kind != ListKind::Addresses) == has_names
        };
        self.before.iter().filter(of_list).collect()
    }

    fn has_set_of(&self, list: &CompiledList) -> bool {
        self.sets.is_some_and(|sets| has_set(sets, list))
    }

    /// What the parts of a list that was live are beside names; nothing where the expressions are lost.
    fn contents_of(&self, parts: &[&CompiledList]) -> Option<ListContents> {
        let mut contents = ListContents::default();
        for part in parts {
            match part.kind {
                ListKind::Domains | ListKind::Addresses | ListKind::Users => {}
                ListKind::Urls => contents.urls = HasUrls::Present,
                ListKind::Expressions => {
                    let bytes = self.sets?.read(SetKind::Expressions, part.set).ok()?;
                    let whole = Digest::of(&bytes) == part.set;
                    let expressions = ExpressionList::from_file(&bytes).ok().filter(|_| whole)?;
                    contents.expressions = expressions.patterns().to_vec();
                }
            }
        }
        Some(contents)
    }

    /// Takes over what was live.
    fn take(&mut self, parts: &[&CompiledList]) {
        for part in parts {
            self.loaded.insert((part.path.clone(), part.kind), (*part).clone());
        }
    }

    fn parse(
        &mut self,
        list: &ListUse,
        raw: &RawList,
        source: Digest,
        before: &[&CompiledList],
    ) -> Result<ListContents, String> {
        let read = match list.kind {
            ListKind::Addresses => addresses(raw).map(|(addresses, report)| {
                (vec![(ListKind::Addresses, Parsed::Addresses(addresses))], vec![report])
            }),
            ListKind::Users => users(raw).map(|(users, report)| {
                (vec![(ListKind::Users, Parsed::Users(users))], vec![report])
            }),
            ListKind::Domains | ListKind::Urls | ListKind::Expressions => {
                read_list(raw, list.format).map(|(sets, reports)| (Parsed::parts(sets), reports))
            }
        };
        let (parts, reports) = match read {
            Ok(read) => read,
            Err(fault) => return self.unusable(list, &fault, before),
        };
        self.parsed_files += 1;
        reports.iter().for_each(|report| self.report(&list.path, report));
        if let Some(contents) = self.guard(list, &parts, before)? {
            return Ok(contents);
        }
        let mut contents = ListContents::default();
        for (kind, parsed) in parts {
            match &parsed {
                Parsed::Names(_) | Parsed::Addresses(_) | Parsed::Users(_) => {}
                Parsed::Urls(_) => contents.urls = HasUrls::Present,
                Parsed::Expressions(own) => contents.expressions = own.patterns().to_vec(),
            }
            let (file, entries, path) = (parsed.to_file(), parsed.len(), list.path.clone());
            let set = Digest::of(&file);
            self.parsed.insert(set, (parsed, file));
            let loaded = CompiledList { path: path.clone(), kind, source, set, entries };
            self.loaded.insert((path, kind), loaded);
        }
        Ok(contents)
    }

    /// Keeps the old list where the new one came broken: to the guard that is a list which shrank to
    /// nothing. A rule that asks for a format which the list cannot have is a fault all the same.
    fn unusable(
        &mut self,
        list: &ListUse,
        fault: &ListFault,
        before: &[&CompiledList],
    ) -> Result<ListContents, String> {
        let said = eg_settings::log::chain(fault);
        let is_of_rule = match fault {
            ListFault::FolderFormat | ListFault::FileFormat { .. } | ListFault::NotASet { .. } => {
                true
            }
            ListFault::TooLarge { .. }
            | ListFault::Gzip(_)
            | ListFault::Zstd(_)
            | ListFault::WebPage
            | ListFault::Ambiguous { .. }
            | ListFault::NothingUsable { .. } => false,
        };
        let is_whole = !before.is_empty() && before.iter().all(|old| self.has_set_of(old));
        let contents = self.contents_of(before).filter(|_| is_whole && !is_of_rule);
        let Some(contents) = contents else { return Err(said) };
        self.notes
            .push(format!("the list `{}` cannot be used: {said}; its old entries stay", list.path));
        self.take(before);
        Ok(contents)
    }

    /// Keeps the old list, with all its parts, where one of them shrank too far.
    fn guard(
        &mut self,
        list: &ListUse,
        parts: &[(ListKind, Parsed)],
        before: &[&CompiledList],
    ) -> Result<Option<ListContents>, String> {
        let entries = |kind: ListKind| {
            let part = parts.iter().find(|(own, _)| *own == kind);
            part.map_or(0, |(_, parsed)| parsed.len())
        };
        let percent = self.guard_percent;
        let shrunk = before.iter().find(|old| shrank(old.entries, entries(old.kind), percent));
        let Some(old) = shrunk else { return Ok(None) };
        let what = match old.kind {
            ListKind::Domains | ListKind::Addresses | ListKind::Users => "entries",
            ListKind::Urls => "URLs",
            ListKind::Expressions => "expressions",
        };
        let said = format!(
            "the list `{}` shrank from {} to {} {what}, more than `shrink_guard_percent` ({percent}) \
             allows",
            list.path,
            old.entries,
            entries(old.kind),
        );
        let is_whole = before.iter().all(|old| self.has_set_of(old));
        let Some(contents) = self.contents_of(before).filter(|_| is_whole) else {
            // Without them nothing but the smaller list is left, which must not go live by itself.
            return Err(format!(
                "{said}, and its old entries are lost; bring the list back, or move the store away \
                 to take the files as they are"
            ));
        };
        self.notes.push(format!("{said}; its old entries stay"));
        self.take(before);
        Ok(Some(contents))
    }

    /// Says how a list was read and what of it could not be used.
    fn report(&mut self, list: &str, report: &ListReport) {
        let path = report.part.path(list);
        tracing::info!(
            list = path,
            format = report.format.word(),
            lines = report.lines,
            entries = report.accepted,
            refused = report.refused_count,
            repeated = report.duplicates,
            "a list was read"
        );
        if report.exceptions > 0 {
            self.notes.push(format!(
                "the list `{path}` has {} exception(s), which permit nothing; the first is in line {}",
                report.exceptions,
                report.first_exception.unwrap_or_default()
            ));
        }
        if report.refused_count > 0 {
            let shown = report.refused.iter().take(REFUSED_SHOWN);
            let lines: Vec<String> =
                shown.map(|(line, reason)| format!("line {line}: {reason}")).collect();
            self.notes.push(format!(
                "the list `{path}` has {} line(s) that cannot be used: {}",
                report.refused_count,
                lines.join("; ")
            ));
        }
        if report.public_suffix_count > 0 {
            let shown = report.public_suffixes.iter().take(REFUSED_SHOWN);
            let names: Vec<String> =
                shown.map(|(line, name)| format!("line {line}: {name}")).collect();
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
