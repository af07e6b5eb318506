//! The file's shape, version 1: every key with its type, default, meaning and what a reload does.
//!
//! This is the one description of `engine.conf`. The reader, the environment, the nearest-key
//! suggestions and the manual's table all come from it; nothing else lists keys.

mod keys;

pub use keys::KEYS;

/// One key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section as it stands in brackets; empty for the top, [`CONNECTORS`] for connectors.
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

/// The section of which there is one for each connector.
pub const CONNECTORS: &str = "connectors.<name>";

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

/// The manual's table of all keys, in Markdown.
#[must_use]
pub fn manual_table() -> String {
    let mut table = String::from(
        "| section | key | type | default | on SIGHUP | meaning |\n|---|---|---|---|---|---|\n",
    );
    for key in KEYS {
        let section = match key.section {
            "" => "(top)".to_owned(),
            section => format!("`[{section}]`"),
        };
        let default = match key.default {
            Fallback::Value("") => "`\"\"`".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Nothing(words) => words.to_owned(),
        };
        let reload = match key.reload {
            Reload::Restart => "restart",
            Reload::Contents => "its contents",
        };
        let later = match key.built {
            Built::Now => String::new(),
            Built::Later => " (Checked; no effect in this version.)".to_owned(),
            Built::LaterBut(values) => {
                format!(" (In this version only `{}` has an effect.)", values.join("`, `"))
            }
        };
        let row = [
            section,
            format!("`{}`", key.name),
            key.kind.describe(),
            default,
            reload.to_owned(),
            format!("{}{later}", key.meaning),
        ];
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}
