//! A set of names, canonical and sorted, and its file form.
//!
//! INVARIANT: the text of a set is its file's body: lines in strictly ascending order of bytes, each a
//! canonical name, or `=` and a name or address. What decides is the text alone.

use super::lineset::{sorted_set_file, to_set_file};
use super::report::ListFault;
use crate::check::Scope;
use crate::digest::Digest;

/// Names of hosts, canonical, sorted, each once.
///
/// The text of all entries is one piece of memory, which is also the body of the file form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameList {
    text: String,
    count: u64,
}

/// The first words of the file form.
const MAGIC: &str = "enforcegate-names 1 ";

impl NameList {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in the order of their lines in the file form.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Scope)> + '_ {
        self.text.lines().map(|line| match line.strip_prefix('=') {
            Some(name) => (name, Scope::Host),
            None => (line, Scope::Tree),
        })
    }

    /// The file form: a line with the number of entries, then the entries.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        to_set_file(MAGIC, self.count, &self.text)
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let (count, text) = sorted_set_file(bytes, MAGIC, |line| {
            let name = line.strip_prefix('=').unwrap_or(line);
            let is_name = !name.is_empty() && name.bytes().all(is_name_byte);
            is_name.then_some(()).ok_or("a line is not a name")
        })?;
        Ok(Self { text: text.to_owned(), count })
    }

    /// The set of a text that has the form of a file's body.
    pub(super) const fn of_sorted(text: String, count: u64) -> Self {
        Self { text, count }
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }

    /// How many names are covered by another name of the list, and could go.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let trees = self.iter().filter(|(_, scope)| *scope == Scope::Tree);
        let trees: std::collections::HashSet<&str> = trees.map(|(name, _)| name).collect();
        let is_covered = |name: &str, scope| {
            let mut rest = match scope {
                Scope::Tree => name.split_once('.').map(|(_, parent)| parent),
                Scope::Host => Some(name),
            };
            std::iter::from_fn(|| {
                let here = rest?;
                rest = here.split_once('.').map(|(_, parent)| parent);
                Some(here)
            })
            .any(|parent| trees.contains(parent))
        };
        let covered = self.iter().filter(|(name, scope)| is_covered(name, *scope)).count();
        u64::try_from(covered).unwrap_or(u64::MAX)
    }
}

/// What a canonical name or the text of an address is made of.
pub(super) fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']')
        || (byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b'=' && byte != b'/')
}
