//! The files that one list may consist of.

/// Which file of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ListPart {
    /// The only one.
    #[default]
    Whole,
    /// `domains` in a folder.
    Domains,
    /// `urls` in a folder.
    Urls,
    /// `expressions` in a folder.
    Expressions,
}

impl ListPart {
    /// Those that a folder has.
    pub const OF_FOLDER: [Self; 3] = [Self::Domains, Self::Urls, Self::Expressions];

    /// The name of its file in a folder, before an ending such as `.gz`; nothing for the only one.
    #[must_use]
    pub const fn file(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Domains => Some("domains"),
            Self::Urls => Some("urls"),
            Self::Expressions => Some("expressions"),
        }
    }

    /// How a report names it: the list's path, and the file in it.
    #[must_use]
    pub fn path(self, list: &str) -> String {
        match self.file() {
            None => list.to_owned(),
            Some(file) => format!("{list}/{file}"),
        }
    }
}
