//! The built sets of a policy: taken from their files where they are there, made where they are not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::ListKind;
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::digest::Digest;
use eg_policy::lists::{AddressList, NameList};
use eg_policy::matcher::{DomainIndex, write_index};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::Files;

use super::ReloadFault;
use super::lists::{ListLoader, Parsed, set_kind};
use crate::sources::Disk;
use crate::store::{SetFiles, SetKind};

/// Brings a policy's sets together.
pub(super) struct SetBuilder<'s> {
    files: &'s SetFiles,
    parsed: HashMap<Digest, (Parsed, Vec<u8>)>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl<'s> SetBuilder<'s> {
    pub(super) fn new(files: &'s SetFiles) -> Self {
        Self { files, parsed: HashMap::new(), notes: Vec::new() }
    }

    /// Takes what was parsed in this run.
    pub(super) fn take(&mut self, loader: ListLoader<'_>) {
        self.parsed = loader.parsed;
    }

    /// Writes the set files that are missing and builds the ruleset.
    pub(super) fn build(&mut self, policy: &CompiledPolicy) -> Result<Ruleset, ReloadFault> {
        for list in &policy.lists {
            self.ensure(list)?;
        }
        let index = Arc::new(self.index(policy)?);
        let mut addresses: Vec<(Digest, AddressList)> = Vec::new();
        for list in policy.lists.iter().filter(|list| list.kind == ListKind::Addresses) {
            if !addresses.iter().any(|(set, _)| *set == list.set) {
                addresses.push((list.set, self.addresses(list.set)?));
            }
        }
        Ok(build(policy, Loaded { index, addresses })?)
    }

    /// Sees to it that a list's set file is there.
    fn ensure(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        let kind = set_kind(list.kind);
        if self.files.has(kind, list.set) {
            return Ok(());
        }
        if !self.parsed.contains_key(&list.set) {
            self.make_again(list)?;
        }
        match self.parsed.get(&list.set) {
            Some((_, file)) => Ok(self.files.write(kind, list.set, file)?),
            None => Err(ReloadFault::NoList { path: list.path.clone() }),
        }
    }

    /// Makes a lost set from its list file, where that is still the file that it was made from.
    fn make_again(&mut self, list: &CompiledList) -> Result<(), ReloadFault> {
        let lost = || ReloadFault::NoList { path: list.path.clone() };
        let bytes = Disk.read(Path::new(&list.path)).map_err(|_| lost())?;
        if Digest::of(&bytes) != list.source {
            return Err(lost());
        }
        let (parsed, _) = Parsed::read(list.kind, &bytes)?;
        let file = parsed.to_file();
        // Another version may read the same file otherwise.
        if Digest::of(&file) != list.set {
            return Err(lost());
        }
        self.notes.push(format!("the set of the list `{}` was missing and made again", list.path));
        self.parsed.insert(list.set, (parsed, file));
        Ok(())
    }

    /// The index of all names; a file that cannot be opened is made again.
    fn index(&mut self, policy: &CompiledPolicy) -> Result<DomainIndex, ReloadFault> {
        let digest = policy.index_digest();
        if self.files.has(SetKind::Index, digest) {
            let bytes = self.files.read(SetKind::Index, digest)?;
            match DomainIndex::open(bytes) {
                Ok(index) if index.sets() == policy.domain_sets() => return Ok(index),
                Ok(_) => {
                    self.notes.push("the index was of other lists and is made again".to_owned());
                }
                Err(fault) => self.notes.push(format!("the index is made again: {fault}")),
            }
        }
        let sets = policy.domain_sets();
        let missing: Vec<Digest> =
            sets.iter().copied().filter(|set| !self.parsed.contains_key(set)).collect();
        let mut read: HashMap<Digest, NameList> = HashMap::new();
        for set in missing {
            read.insert(set, NameList::from_file(&self.files.read(SetKind::Names, set)?)?);
        }
        let names: Vec<(Digest, &NameList)> = sets
            .iter()
            .filter_map(|set| {
                let parsed = match self.parsed.get(set) {
                    Some((Parsed::Names(names), _)) => Some(names),
                    Some((Parsed::Addresses(_), _)) | None => read.get(set),
                };
                parsed.map(|names| (*set, names))
            })
            .collect();
        let seed = getrandom::u64().map_err(ReloadFault::Random)?;
        let bytes = write_index(&names, seed);
        self.files.write(SetKind::Index, digest, &bytes)?;
        Ok(DomainIndex::open(bytes)?)
    }

    fn addresses(&self, set: Digest) -> Result<AddressList, ReloadFault> {
        match self.parsed.get(&set) {
            Some((Parsed::Addresses(addresses), _)) => Ok(addresses.clone()),
            Some((Parsed::Names(_), _)) | None => {
                Ok(AddressList::from_file(&self.files.read(SetKind::Addresses, set)?)?)
            }
        }
    }
}
