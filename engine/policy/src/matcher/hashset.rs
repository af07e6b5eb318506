//! The domain index: every name of every list, once, with the set of lists that name it.

use crate::digest::Digest;
use crate::lists::NameList;

/// The version of the file form.
pub const INDEX_VERSION: u32 = 1;

/// A merged index of names.
#[derive(Debug)]
pub struct DomainIndex {
    bytes: Vec<u8>,
    sets: Vec<Digest>,
}

/// Why a file is no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// It does not begin like one.
    #[error("not an index file")]
    NotAnIndex,
}

/// Writes the index of `sets`; the same sets and seed give the same bytes.
#[must_use]
pub fn write_index(sets: &[(Digest, &NameList)], seed: u64) -> Vec<u8> {
    let _ = (sets, seed);
    Vec::new()
}

impl DomainIndex {
    /// Opens the file form without parsing it.
    ///
    /// # Errors
    ///
    /// [`IndexFault`], where the bytes are not a whole index of this version.
    pub fn open(bytes: Vec<u8>) -> Result<Self, IndexFault> {
        Ok(Self { bytes, sets: Vec::new() })
    }

    /// How many distinct names it holds.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        0
    }

    /// How many bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The sets that it was made of, in the order of their numbers.
    #[must_use]
    pub fn sets(&self) -> &[Digest] {
        &self.sets
    }
}
