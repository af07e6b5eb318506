//! The description of a program's settings: every key with its type, default, meaning and what a
//! reload does.
//!
//! A program has one [`Description`]; nothing else lists its keys.

/// Where a family's section has the name of its member.
const NAME: &str = "<name>";

/// All keys of a program's configuration file, and what surrounds them.
#[derive(Debug)]
pub struct Description {
    /// Every key, in the manual's order.
    pub keys: &'static [Key],
    /// The sections of which there may be several.
    pub families: &'static [Family],
    /// Pairs of keys that say the same thing in two ways.
    pub rivals: &'static [Rivals],
    /// What may override the file from outside; `None` where nothing may.
    pub environment: Option<Environment>,
}

/// Sections of one kind, each with a name of its own, such as `[connectors.squid]`.
#[derive(Debug)]
pub struct Family {
    /// `connectors.<name>`, as its keys write it.
    pub section: &'static str,
    /// What one of them is, with its article.
    pub noun: &'static str,
}

/// Two keys of a section of which only one may be given.
#[derive(Debug)]
pub struct Rivals {
    /// The section.
    pub section: &'static str,
    /// Both keys.
    pub keys: [&'static str; 2],
}

/// How the environment names keys.
#[derive(Debug)]
pub struct Environment {
    /// What the long names start with; `_`, the section, `_` and the key follow.
    pub prefix: &'static str,
    /// Names beside the long ones.
    pub short: &'static [ShortName],
    /// Names with the prefix that mean something else.
    pub others: &'static [&'static str],
}

/// A name in the environment that stands for one key.
#[derive(Debug)]
pub struct ShortName {
    /// The variable.
    pub name: &'static str,
    /// The key's section.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
}

/// One key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section as it stands in brackets; empty for the top, `engine.<name>` for a [`Family`].
    pub section: &'static str,
    /// The key.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds where it is not given.
    pub default: Fallback,
    /// Whether SIGHUP applies a change.
    pub reload: Reload,
    /// Whether this version acts on it.
    pub built: Built,
    /// What it is for.
    pub meaning: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Integer {
        /// The lowest.
        least: i64,
        /// The highest.
        most: i64,
    },
    /// One of several words.
    Word(&'static [&'static str]),
    /// One of several whole numbers.
    Number(&'static [&'static str]),
    /// A path; a relative one starts at the configuration's folder.
    Path,
    /// An IP address.
    Address,
    /// An address with a port.
    Listen,
    /// A URL.
    Url,
    /// A time zone.
    Zone,
    /// Plain text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A list of CIDR ranges.
    Networks,
}

/// What holds where a key is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This value, written as in the environment.
    Value(&'static str),
    /// Nothing; the words say what that means.
    Nothing(&'static str),
}

/// Whether SIGHUP applies a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// A restart is needed.
    Restart,
    /// The file that it names is read again, or opened again.
    Contents,
}

/// Whether this version acts on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// It does.
    Now,
    /// It checks the value and says at start that it has no effect yet.
    Later,
    /// As `Later`, but for these values, which it acts on.
    LaterBut(&'static [&'static str]),
}

impl Kind {
    /// The type's name in the manual.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Switch => "bool".to_owned(),
            Self::Integer { least, most } => format!("int, {least} to {most}"),
            Self::Word(words) | Self::Number(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Self::Path => "path".to_owned(),
            Self::Address => "address".to_owned(),
            Self::Listen => "address:port".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::Zone => "`local`, `utc` or an IANA zone".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Secret => "secret text".to_owned(),
            Self::Networks => "list of CIDRs".to_owned(),
        }
    }
}

impl Key {
    /// The key as the manual and messages write it: `[section] key`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.section {
            "" => self.name.to_owned(),
            section => format!("[{section}] {}", self.name),
        }
    }
}

/// A key that this version acts on and that only a restart changes.
#[must_use]
pub const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: Fallback,
    meaning: &'static str,
) -> Key {
    Key { section, name, kind, default, reload: Reload::Restart, built: Built::Now, meaning }
}

impl Key {
    /// SIGHUP reads what it names again.
    #[must_use]
    pub const fn reread(self) -> Self {
        Self { reload: Reload::Contents, ..self }
    }

    /// It has no effect yet.
    #[must_use]
    pub const fn later(self) -> Self {
        Self { built: Built::Later, ..self }
    }

    /// Only these values have an effect yet.
    #[must_use]
    pub const fn later_but(self, values: &'static [&'static str]) -> Self {
        Self { built: Built::LaterBut(values), ..self }
    }
}

impl Description {
    /// The key `name` of `section`.
    pub(crate) fn find(&self, section: &str, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.section == section && key.name == name)
    }

    /// The family that a table of the file holds, such as that of `connectors`.
    pub(crate) fn family(&self, table: &str) -> Option<&'static Family> {
        self.families.iter().find(|family| family.table() == table)
    }

    /// Whether a section is one of a family's.
    pub(crate) fn is_family(&self, section: &str) -> bool {
        self.families.iter().any(|family| family.section == section)
    }

    /// The key that must not stand beside this one.
    pub(crate) fn rival(&self, key: &Key) -> Option<&'static str> {
        self.rivals.iter().filter(|rivals| rivals.section == key.section).find_map(|rivals| {
            let [one, other] = rivals.keys;
            match key.name {
                name if name == one => Some(other),
                name if name == other => Some(one),
                _ => None,
            }
        })
    }
}

impl Family {
    /// The table that holds them, `connectors`.
    pub(crate) fn table(&self) -> &'static str {
        self.section.strip_suffix(NAME).map_or(self.section, |table| table.trim_end_matches('.'))
    }
}

/// A section as messages write it, `[control]`; `[connectors.squid]` where it has a name.
pub(crate) fn label(section: &str, name: Option<&str>) -> String {
    match (section, name) {
        ("", _) => "the top".to_owned(),
        (section, None) => format!("[{section}]"),
        (section, Some(name)) => format!("[{}]", section.replace(NAME, name)),
    }
}
