//! A policy read whole, lists and regexes too, as an engine would have it; for the verbs that decide or
//! compare.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eg_policy::build::{BuildFault, Loaded, build};
use eg_policy::check::{
    CheckedPolicy, HasUrls, ListContents, ListKind, ListUse, Trust, check_with_lists, list_remarks,
};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::diagnostic::{Code, Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::{
    AddressList, ExpressionList, ListReport, NameList, UrlList, read_addresses, read_list, read_raw,
};
use eg_policy::matcher::{DomainIndex, IndexFault, write_index_with};
use eg_policy::regex::{Backend, ShardFault, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::{SourceFault, SourceFile};
use eg_policy::users::{UserList, read_users};
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;

use super::check::{chain, sources, whole};
use super::disk::Disk;

/// The seed of the index: one that lives for one run and answers its own operator needs no secret one.
const INDEX_SEED: u64 = 1;

/// A policy and its lists.
#[derive(Debug)]
pub struct Policy {
    /// The policy files.
    pub files: Vec<(SourceFile, Trust)>,
    /// The rules.
    pub checked: CheckedPolicy,
    /// What `check` says of them.
    pub diagnostics: Vec<Diagnostic>,
    /// The lists, by [`eg_policy::check::ListIndex`].
    pub lists: Vec<Entries>,
}

/// What a list holds.
#[derive(Debug)]
pub enum Entries {
    /// Names of hosts.
    Names(NameList),
    /// Addresses.
    Addresses(AddressList),
    /// Names of users.
    Users(UserList),
    /// URLs.
    Urls(UrlList),
    /// Regular expressions for the URI; rules have them.
    Expressions(ExpressionList),
    /// It could not be read, which is a diagnostic.
    Unread,
}

/// Why no policy can be had.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFault {
    /// A folder cannot be read.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// A regex that no scanner takes.
    #[error("the regexes of the policy cannot be compiled")]
    Regex(#[source] ShardFault),
    /// The index cannot be made.
    #[error("the names of the lists cannot be brought together")]
    Index(#[source] IndexFault),
    /// The tables cannot be made.
    #[error("the policy cannot be built")]
    Build(#[source] BuildFault),
    /// Nothing can be decided by a policy that no engine would take.
    #[error("the policy has {errors} errors; `egpolicy check` tells them")]
    Errors {
        /// How many.
        errors: usize,
    },
}

impl Policy {
    /// Reads the operator's files or folders, then the shared ones, as an engine would load them.
    ///
    /// # Errors
    ///
    /// A folder cannot be read. What is wrong with the files is in the diagnostics.
    pub fn read(own: &[PathBuf], shared: &[PathBuf]) -> Result<Self, PolicyFault> {
        let mut files = sources(own, Trust::Operator)?;
        files.append(&mut sources(shared, Trust::Shared)?);
        Ok(Self::of(files))
    }

    /// The policy of these files.
    #[must_use]
    pub fn of(files: Vec<(SourceFile, Trust)>) -> Self {
        let (mut read, mut reports) = (HashMap::new(), HashMap::new());
        let (checked, mut diagnostics) = check_with_lists(&files, |list| {
            let found = entries(list)?;
            for (kind, entries) in found.parts {
                read.insert((list.path.clone(), kind), entries);
            }
            reports.insert((list.path.clone(), list.kind), found.reports);
            Ok(found.contents)
        });
        let mut lists = Vec::new();
        for list in &checked.lists {
            let key = (list.path.clone(), list.kind);
            let file = files.iter().find(|(file, _)| file.path == list.mention.file);
            let text = file.map_or("", |(file, _)| file.text.as_str());
            for report in reports.remove(&key).into_iter().flatten() {
                diagnostics.append(&mut list_remarks(list, text, &report));
            }
            lists.push(read.remove(&key).unwrap_or(Entries::Unread));
        }
        Self { files, checked, diagnostics, lists }
    }

    /// How many faults of this severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|fault| fault.severity == severity).count()
    }

    /// The shared files that do not count, in sentences: what decides is then not all that is written.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let left = self.diagnostics.iter().filter(|fault| fault.code == Code::FileLeftOut);
        left.map(|fault| fault.message.clone()).collect()
    }

    /// What decides.
    ///
    /// # Errors
    ///
    /// The policy has errors, or its parts do not fit together.
    pub fn ruleset(&self, default_action: Action, zone: &Zone) -> Result<Ruleset, PolicyFault> {
        let errors = self.count(Severity::Error);
        if errors > 0 {
            return Err(PolicyFault::Errors { errors });
        }
        let (mut names, mut urls) = (Vec::new(), Vec::new());
        let (mut addresses, mut users, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for (list, entries) in self.checked.lists.iter().zip(&self.lists) {
            let Some((set, count)) = entries.set() else { continue };
            match entries {
                Entries::Names(entries) => names.push((set, entries)),
                Entries::Urls(entries) => urls.push((set, entries)),
                Entries::Addresses(entries) => addresses.push((set, entries.clone())),
                Entries::Users(entries) => users.push((set, entries.clone())),
                Entries::Expressions(_) | Entries::Unread => {}
            }
            let (path, kind) = (list.path.clone(), list.kind);
            lists.push(CompiledList { path, kind, source: set, set, entries: count });
        }
        names.sort_by_key(|(set, _)| *set);
        names.dedup_by_key(|(set, _)| *set);
        urls.sort_by_key(|(set, _)| *set);
        urls.dedup_by_key(|(set, _)| *set);
        let index = DomainIndex::open(write_index_with(&names, &urls, INDEX_SEED));
        let index = Arc::new(index.map_err(PolicyFault::Index)?);
        let compiled = compile(self.checked.clone(), default_action, lists);
        let regexes = compile_all(&compiled, Backend::built_in()).map_err(PolicyFault::Regex)?;
        let loaded = Loaded { index, addresses, regexes, users, zone: zone.clone() };
        build(&compiled, loaded).map_err(PolicyFault::Build)
    }
}

impl Entries {
    /// The digest of the set, and how many entries it has.
    fn set(&self) -> Option<(Digest, u64)> {
        match self {
            Self::Names(entries) => Some((entries.digest(), entries.len())),
            Self::Addresses(entries) => Some((Digest::of(&entries.to_file()), entries.len())),
            Self::Users(entries) => Some((entries.digest(), entries.len())),
            Self::Urls(entries) => Some((entries.digest(), entries.len())),
            Self::Expressions(entries) => Some((entries.digest(), entries.len())),
            Self::Unread => None,
        }
    }
}

/// What a list file or folder has.
struct ReadList {
    contents: ListContents,
    parts: Vec<(ListKind, Entries)>,
    reports: Vec<ListReport>,
}

/// Reads a list; a fault is a sentence with its causes.
fn entries(list: &ListUse) -> Result<ReadList, String> {
    let raw = read_raw(&Disk, Path::new(&list.path)).map_err(|fault| chain(&fault))?;
    let mut contents = ListContents::default();
    let (parts, reports) = match list.kind {
        ListKind::Addresses => {
            let (found, report) =
                read_addresses(whole(&raw, "addresses")?).map_err(|fault| chain(&fault))?;
            (vec![(list.kind, Entries::Addresses(found))], vec![report])
        }
        ListKind::Users => {
            let (found, report) =
                read_users(whole(&raw, "users")?).map_err(|fault| chain(&fault))?;
            (vec![(list.kind, Entries::Users(found))], vec![report])
        }
        ListKind::Domains | ListKind::Urls | ListKind::Expressions => {
            let (sets, reports) = read_list(&raw, list.format).map_err(|fault| chain(&fault))?;
            if !sets.urls.is_empty() {
                contents.urls = HasUrls::Present;
            }
            contents.expressions = sets.expressions.patterns().to_vec();
            let parts = vec![
                (ListKind::Domains, Entries::Names(sets.names)),
                (ListKind::Urls, Entries::Urls(sets.urls)),
                (ListKind::Expressions, Entries::Expressions(sets.expressions)),
            ];
            (parts, reports)
        }
    };
    Ok(ReadList { contents, parts, reports })
}
