//! The built sets of a policy: taken from their files where they are there, made where they are not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::ListKind;
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ExpressionList, NameList, UrlList, read_raw};
use eg_policy::matcher::{DomainIndex, write_index_with};
use eg_policy::regex::Shard;
use eg_policy::ruleset::Ruleset;
use eg_policy::users::UserList;

use super::lists::{Parsed, set_kind};
use super::{ReloadFault, Run, zone};
use crate::config::TimeZoneChoice;
use crate::sources::Disk;
use crate::store::{SetFiles, SetKind};

/// What the live ruleset was built of, which the next one may share.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The index of all names.
    pub(super) index: Option<Arc<DomainIndex>>,
    /// The sets of addresses.
    addresses: Vec<(Digest, AddressList)>,
    /// The sets of users.
    users: Vec<(Digest, UserList)>,
}

impl Held {
    /// The index, where it is that of the sets of `policy`.
    pub(super) fn index_of(&self, policy: &CompiledPolicy) -> Option<&Arc<DomainIndex>> {
        self.index.as_ref().filter(|index| is_of(index, policy))
    }
}

/// Whether an index is that of the names and the URLs of a policy.
fn is_of(index: &DomainIndex, policy: &CompiledPolicy) -> bool {
    index.sets() == policy.domain_sets() && index.url_sets() == policy.url_sets()
}

/// The entries of a set, where they are at hand.
fn entries_of<L>(sets: &[(Digest, L)], set: Digest) -> Option<&L> {
    sets.iter().find(|(own, _)| *own == set).map(|(_, entries)| entries)
}

/// Brings a policy's sets together.
pub(super) struct SetBuilder<'s> {
    files: &'s SetFiles,
    clock: &'s TimeZoneChoice,
    held: Option<&'s Held>,
    run: Run,
    parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
    read: HashMap<Digest, Parsed>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl<'s> SetBuilder<'s> {
    /// Rules that ask the clock ask that of `clock`.
    pub(super) fn new(files: &'s SetFiles, clock: &'s TimeZoneChoice) -> Self {
        let (parsed, read) = (HashMap::new(), HashMap::new());
        Self { files, clock, held: None, run: Run::Real, parsed, read, notes: Vec::new() }
    }

    /// Takes what was parsed in this run.
    pub(super) fn with(self, parsed: HashMap<Digest, (Parsed, Vec<u8>)>) -> Self {
        Self { parsed, ..self }
    }

    /// Shares what the live ruleset has.
    pub(super) fn sharing(self, held: &'s Held) -> Self {
        Self { held: Some(held), ..self }
    }

    /// Writes no file in a dry run.
    pub(super) fn in_run(self, run: Run) -> Self {
        Self { run, ..self }
    }

    /// Writes the set files that are missing and builds the ruleset; also what it is built of.
    pub(super) fn build(
        &mut self,
        policy: &CompiledPolicy,
        regexes: Vec<Arc<Shard>>,
    ) -> Result<(Ruleset, Held), ReloadFault> {
        for list in &policy.lists {
            self.ensure(list)?;
        }
        let index = self.index(policy)?;
        let addresses = self.small_sets(
            policy,
            ListKind::Addresses,
            |held| &held.addresses,
            |own| match own {
                Parsed::Addresses(entries) => Some(entries.clone()),
                Parsed::Names(_) | Parsed::Users(_) | Parsed::Urls(_) | Parsed::Expressions(_) => {
                    None
                }
            },
        )?;
        let users = self.small_sets(
            policy,
            ListKind::Users,
            |held| &held.users,
            |own| match own {
                Parsed::Users(entries) => Some(entries.clone()),
                Parsed::Names(_)
                | Parsed::Addresses(_)
                | Parsed::Urls(_)
                | Parsed::Expressions(_) => None,
            },
        )?;
        let zone = zone::of_policy(self.clock, policy)?;
        let held = Held {
            index: Some(Arc::clone(&index)),
            addresses: addresses.clone(),
            users: users.clone(),
        };
        Ok((build(policy, Loaded { index, addresses, regexes, users, zone })?, held))
    }

    /// The sets of all lists of a kind that is not in the index, each once: those that the live ruleset has,
    /// and the others from what was parsed or from their files.
    fn small_sets<L: Clone>(
        &mut self,
        policy: &CompiledPolicy,
        kind: ListKind,
        held: impl Fn(&Held) -> &[(Digest, L)],
        own: impl Fn(&Parsed) -> Option<L>,
    ) -> Result<Vec<(Digest, L)>, ReloadFault> {
        let mut found: Vec<(Digest, L)> = Vec::new();
        for list in policy.lists.iter().filter(|list| list.kind == kind) {
            if entries_of(&found, list.set).is_some() {
                continue;
            }
            if let Some(entries) = self.held.and_then(|all| entries_of(held(all), list.set)) {
                found.push((list.set, entries.clone()));
                continue;
            }
            self.read(list)?;
            let entries = self.entries(list.set).and_then(&own);
            found.extend(entries.map(|entries| (list.set, entries)));
        }
        Ok(found)
    }

    /// Writes a file of a set; not in a dry run.
    fn write(&self, kind: SetKind, digest: Digest, bytes: &[u8]) -> Result<(), ReloadFault> {
        match self.run {
            Run::Real => Ok(self.files.write(kind, digest, bytes)?),
            Run::Dry => Ok(()),
        }
    }

    /// Sees to it that a list's set file is there.
    fn ensure(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        let kind = set_kind(list.kind);
        if self.files.has(kind, list.set) {
            return Ok(());
        }
        match self.parsed.get(&list.set) {
            Some((_, file)) => self.write(kind, list.set, file),
            None => self.make_again(list),
        }
    }

    /// Makes a lost set from its list file, where that is still the file that it was made from.
    fn make_again(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        let kind = set_kind(list.kind);
        let set = self.files.path(kind, list.set);
        let lost = || ReloadFault::LostSet { set: set.clone(), list: list.path.clone() };
        let raw = read_raw(&Disk, Path::new(&list.path)).map_err(|_| lost())?;
        let format = raw.format_of(list.source).map_err(|_| lost())?;
        let parsed = Parsed::read(list.kind, format, &raw)
            .map_err(|source| ReloadFault::Set { path: list.path.clone().into(), source })?;
        let file = parsed.to_file();
        // Another version may read the same file otherwise.
        if Digest::of(&file) != list.set {
            return Err(lost());
        }
        self.write(kind, list.set, &file)?;
        self.notes.push(format!(
            "the set of the list `{}` was missing or damaged and made again",
            list.path
        ));
        self.parsed.insert(list.set, (parsed, file));
        Ok(())
    }

    /// Reads a list's set file where its entries are not known yet. One that is not what its name
    /// says counts as missing.
    fn read(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        if self.entries(list.set).is_some() {
            return Ok(());
        }
        let kind = set_kind(list.kind);
        let bytes = self.files.read(kind, list.set)?;
        if Digest::of(&bytes) != list.set {
            return self.make_again(list);
        }
        let path = self.files.path(kind, list.set);
        let entries = match list.kind {
            ListKind::Domains => NameList::from_file(&bytes).map(Parsed::Names),
            ListKind::Addresses => AddressList::from_file(&bytes).map(Parsed::Addresses),
            ListKind::Users => UserList::from_file(&bytes).map(Parsed::Users),
            ListKind::Urls => UrlList::from_file(&bytes).map(Parsed::Urls),
            ListKind::Expressions => ExpressionList::from_file(&bytes).map(Parsed::Expressions),
        };
        let entries = entries.map_err(|source| ReloadFault::Set { path, source })?;
        self.read.insert(list.set, entries);
        Ok(())
    }

    /// The entries of a set that was parsed or read.
    fn entries(&self, set: Digest) -> Option<&Parsed> {
        self.parsed.get(&set).map(|(parsed, _)| parsed).or_else(|| self.read.get(&set))
    }

    /// The index of all names; a file that cannot be opened is made again.
    fn index(&mut self, policy: &CompiledPolicy) -> Result<Arc<DomainIndex>, ReloadFault> {
        let digest = policy.index_digest();
        let path = self.files.path(SetKind::Index, digest);
        if self.files.has(SetKind::Index, digest) {
            // PERF: reading and checking the index of millions of names takes longer than the rest.
            if let Some(index) = self.held.and_then(|held| held.index_of(policy)) {
                return Ok(Arc::clone(index));
            }
            let bytes = self.files.read(SetKind::Index, digest)?;
            let why = match DomainIndex::open(bytes) {
                Ok(index) if is_of(&index, policy) => return Ok(Arc::new(index)),
                Ok(_) => "it is of other lists".to_owned(),
                Err(fault) => fault.to_string(),
            };
            self.notes.push(format!("the index `{}` is made again: {why}", path.display()));
        }
        let indexed = [ListKind::Domains, ListKind::Urls];
        for list in policy.lists.iter().filter(|list| indexed.contains(&list.kind)) {
            self.read(list)?;
        }
        let (sets, url_sets) = (policy.domain_sets(), policy.url_sets());
        let names =
            sets.iter().filter_map(|set| self.entries(*set)?.names().map(|own| (*set, own)));
        let names: Vec<(Digest, &NameList)> = names.collect();
        let urls =
            url_sets.iter().filter_map(|set| self.entries(*set)?.urls().map(|own| (*set, own)));
        let urls: Vec<(Digest, &UrlList)> = urls.collect();
        let seed = getrandom::u64().map_err(ReloadFault::Random)?;
        let bytes = write_index_with(&names, &urls, seed);
        self.write(SetKind::Index, digest, &bytes)?;
        let index = DomainIndex::open(bytes);
        index.map(Arc::new).map_err(|source| ReloadFault::Index { path, source })
    }
}
