//! The built sets of a policy: taken from their files where they are there, made where they are not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::ReloadFault;
use super::lists::{ListLoader, Parsed, set_kind};
use super::zone;
use crate::config::TimeZoneChoice;
use crate::sources::Disk;
use crate::store::{SetFiles, SetKind};
use eg_policy::build::{Loaded, build};
use eg_policy::check::ListKind;
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, ExpressionList, NameList, UrlList, read_raw};
use eg_policy::matcher::{DomainIndex, write_index_with};
use eg_policy::regex::Shard;
use eg_policy::ruleset::Ruleset;
use eg_policy::users::UserList;

/// Brings a policy's sets together.
pub(super) struct SetBuilder<'s> {
    files: &'s SetFiles,
    clock: &'s TimeZoneChoice,
    parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
    read: HashMap<Digest, Parsed>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl<'s> SetBuilder<'s> {
    /// Rules that ask the clock ask that of `clock`.
    pub(super) fn new(files: &'s SetFiles, clock: &'s TimeZoneChoice) -> Self {
        Self { files, clock, parsed: HashMap::new(), read: HashMap::new(), notes: Vec::new() }
    }

    /// Takes what was parsed in this run.
    pub(super) fn take(&mut self, loader: ListLoader<'_>) {
        self.parsed = loader.parsed;
    }

    /// Writes the set files that are missing and builds the ruleset.
    pub(super) fn build(
        &mut self,
        policy: &CompiledPolicy,
        regexes: Vec<Arc<Shard>>,
    ) -> Result<Ruleset, ReloadFault> {
        for list in &policy.lists {
            self.ensure(list)?;
        }
        let index = Arc::new(self.index(policy)?);
        let mut addresses: Vec<(Digest, AddressList)> = Vec::new();
        for list in policy.lists.iter().filter(|list| list.kind == ListKind::Addresses) {
            if !addresses.iter().any(|(set, _)| *set == list.set) {
                self.read(list)?;
                if let Some(Parsed::Addresses(entries)) = self.entries(list.set) {
                    addresses.push((list.set, entries.clone()));
                }
            }
        }
        let mut users: Vec<(Digest, UserList)> = Vec::new();
        for list in policy.lists.iter().filter(|list| list.kind == ListKind::Users) {
            self.read(list)?;
            if let Some(Parsed::Users(entries)) = self.entries(list.set) {
                users.push((list.set, entries.clone()));
            }
        }
        let zone = zone::of_policy(self.clock, policy)?;
        Ok(build(policy, Loaded { index, addresses, regexes, users, zone })?)
    }

    /// Sees to it that a list's set file is there.
    fn ensure(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        let kind = set_kind(list.kind);
        if self.files.has(kind, list.set) {
            return Ok(());
        }
        match self.parsed.get(&list.set) {
            Some((_, file)) => Ok(self.files.write(kind, list.set, file)?),
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
        self.files.write(kind, list.set, &file)?;
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
    fn index(&mut self, policy: &CompiledPolicy) -> Result<DomainIndex, ReloadFault> {
        let digest = policy.index_digest();
        let path = self.files.path(SetKind::Index, digest);
        if self.files.has(SetKind::Index, digest) {
            let bytes = self.files.read(SetKind::Index, digest)?;
            let why = match DomainIndex::open(bytes) {
                Ok(index)
                    if index.sets() == policy.domain_sets()
                        && index.url_sets() == policy.url_sets() =>
                {
                    return Ok(index);
                }
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
        self.files.write(SetKind::Index, digest, &bytes)?;
        DomainIndex::open(bytes).map_err(|source| ReloadFault::Index { path, source })
    }
}
