//! What can be wrong with a configuration, and where it stands; all of it at once.

use std::fmt;
use std::path::PathBuf;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file, at a line and column from 1.
    File {
        /// The line.
        line: usize,
        /// The column in characters.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
    /// Nowhere: the key is not given.
    Absent,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Where.
    pub origin: Origin,
    /// What happened and what to do.
    pub message: String,
}

/// Every fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults {
    /// The file.
    pub file: PathBuf,
    /// Its faults, those with a line first, in the order of lines.
    pub faults: Vec<ConfigFault>,
}

impl std::error::Error for ConfigFaults {}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match &fault.origin {
                Origin::File { line, column } => write!(f, "{file}:{line}:{column}: ")?,
                Origin::Environment(name) => write!(f, "environment variable `{name}`: ")?,
                Origin::Flag(flag) => write!(f, "flag `{flag}`: ")?,
                Origin::Absent => write!(f, "{file}: ")?,
            }
            f.write_str(&fault.message)?;
        }
        Ok(())
    }
}

impl Origin {
    /// Whether an operator wrote it.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        match self {
            Self::File { .. } | Self::Environment(_) | Self::Flag(_) => true,
            Self::Absent => false,
        }
    }
}

impl ConfigFaults {
    /// `faults` in the order in which an operator mends them.
    pub(crate) fn new(file: PathBuf, mut faults: Vec<ConfigFault>) -> Self {
        faults.sort_by_key(|fault| match fault.origin {
            Origin::File { line, column } => (0, line, column),
            Origin::Absent => (1, 0, 0),
            Origin::Environment(_) => (2, 0, 0),
            Origin::Flag(_) => (3, 0, 0),
        });
        Self { file, faults }
    }
}

/// The known word that is most like `word`, where one is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::levenshtein(word, candidate), candidate))
        .min()
        .filter(|(steps, candidate)| *steps * 2 <= candidate.chars().count().max(2))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unlike_everything_is_near_nothing() {
        let known = ["threads", "port", "secret_file"];
        assert_eq!(nearest("thread", known), Some("threads"));
        assert_eq!(nearest("secretfile", known), Some("secret_file"));
        assert_eq!(nearest("zzzzzzzz", known), None);
    }
}
