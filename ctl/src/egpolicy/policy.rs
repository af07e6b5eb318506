//! A policy read whole, lists and regexes too, as an engine would have it; for the verbs that decide or
//! compare.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eg_policy::build::{BuildFault, Loaded, build};
use eg_policy::check::{CheckedPolicy, ListKind, ListUse, Trust, check_with, list_remarks};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::diagnostic::{Code, Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ListReport, NameList, read_addresses, read_names};
use eg_policy::matcher::{DomainIndex, IndexFault, write_index};
use eg_policy::regex::{Backend, ShardFault, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::{SourceFault, SourceFile};
use eg_policy::verdict::Action;

use super::check::sources;
use super::disk::read_list;

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
        let mut read: Vec<(String, ListKind, Entries, ListReport)> = Vec::new();
        let (checked, mut diagnostics) = check_with(&files, |list| {
            let (entries, report) = entries(list)?;
            read.push((list.path.clone(), list.kind, entries, report));
            Ok(())
        });
        let mut lists = Vec::new();
        for list in &checked.lists {
            let found =
                read.iter().position(|(path, kind, ..)| (path, kind) == (&list.path, &list.kind));
            let Some((_, _, entries, report)) = found.map(|at| read.swap_remove(at)) else {
                lists.push(Entries::Unread);
                continue;
            };
            let file = files.iter().find(|(file, _)| file.path == list.mention.file);
            let text = file.map_or("", |(file, _)| file.text.as_str());
            diagnostics.append(&mut list_remarks(list, text, &report));
            lists.push(entries);
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
    pub fn ruleset(&self, default_action: Action) -> Result<Ruleset, PolicyFault> {
        let errors = self.count(Severity::Error);
        if errors > 0 {
            return Err(PolicyFault::Errors { errors });
        }
        let (mut names, mut addresses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for (list, entries) in self.checked.lists.iter().zip(&self.lists) {
            let (set, count) = match entries {
                Entries::Names(entries) => {
                    let set = entries.digest();
                    names.push((set, entries));
                    (set, entries.len())
                }
                Entries::Addresses(entries) => {
                    let set = Digest::of(&entries.to_file());
                    addresses.push((set, entries.clone()));
                    (set, entries.len())
                }
                Entries::Unread => continue,
            };
            let (path, kind) = (list.path.clone(), list.kind);
            lists.push(CompiledList { path, kind, source: set, set, entries: count });
        }
        names.sort_by_key(|(set, _)| *set);
        names.dedup_by_key(|(set, _)| *set);
        let index = DomainIndex::open(write_index(&names, INDEX_SEED));
        let index = Arc::new(index.map_err(PolicyFault::Index)?);
        let compiled = compile(self.checked.clone(), default_action, lists);
        let regexes = compile_all(&compiled, Backend::built_in()).map_err(PolicyFault::Regex)?;
        build(&compiled, Loaded { index, addresses, regexes }).map_err(PolicyFault::Build)
    }
}

/// Reads a list; a fault is a sentence with its causes.
fn entries(list: &ListUse) -> Result<(Entries, ListReport), String> {
    let bytes = read_list(Path::new(&list.path)).map_err(|fault| fault.to_string())?;
    let read = match list.kind {
        ListKind::Domains => {
            read_names(&bytes).map(|(names, report)| (Entries::Names(names), report))
        }
        ListKind::Addresses => {
            read_addresses(&bytes).map(|(found, report)| (Entries::Addresses(found), report))
        }
    };
    read.map_err(|fault| fault.to_string())
}
