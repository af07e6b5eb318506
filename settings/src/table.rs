//! One section's settings as typed values: what was given, or the default, checked against the key's
//! bounds. A value that is wrong becomes a fault, and the reading goes on.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fault::{ConfigFault, Origin};
use crate::given::{Given, Raw, Section, read_text};
use crate::key::{Description, Fallback, Kind};

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `true`
    On,
    /// `false`
    Off,
}

/// A section that is being read.
#[derive(Debug)]
pub struct Table<'a> {
    /// The keys that there are.
    pub(crate) description: &'a Description,
    /// The section's name in the description of keys.
    pub(crate) section: &'static str,
    /// How messages call it, `[control]`.
    pub(crate) label: String,
    /// What was given; `None` where the section is absent.
    pub(crate) given: Option<&'a Section>,
    /// Where relative paths start.
    pub(crate) folder: &'a Path,
    /// Where faults go.
    pub(crate) faults: &'a mut Vec<ConfigFault>,
    /// Where what an operator should be told goes.
    pub(crate) warnings: &'a mut Vec<String>,
}

impl Table<'_> {
    /// How messages call it, `[control]`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the file, or what overrides it, has the section.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Whether the file, or what overrides it, says something of `name`.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.given.is_some_and(|section| section.values.contains_key(name))
    }

    /// Adds a fault for each of `names` that is set; `why` says why it must not be.
    pub fn refuse(&mut self, names: &[&str], why: &str) {
        for name in names {
            if self.sets(name) {
                self.fault(name, format!("`{name}` {why}"));
            }
        }
    }

    /// Adds a fault about `name`, or about the section where `name` is not given.
    pub fn fault(&mut self, name: &str, message: String) {
        let origin = self.origin(name);
        self.faults.push(ConfigFault { origin, message });
    }

    /// Adds a fault about the section itself.
    pub fn fault_of_all(&mut self, message: String) {
        let header = self.given.and_then(|section| section.header.clone());
        self.faults.push(ConfigFault { origin: header.unwrap_or(Origin::Absent), message });
    }

    /// Where `name` stands, else its section.
    fn origin(&self, name: &str) -> Origin {
        self.given
            .and_then(|section| {
                let value = section.values.get(name).map(|given| &given.origin);
                value.or(section.header.as_ref())
            })
            .cloned()
            .unwrap_or(Origin::Absent)
    }

    /// What was given, or the default.
    fn raw(&self, name: &str) -> Option<(Kind, Raw)> {
        let key = self.description.find(self.section, name)?;
        if let Some(Given { raw, .. }) = self.given.and_then(|section| section.values.get(name)) {
            return Some((key.kind, raw.clone()));
        }
        match key.default {
            Fallback::Value(text) => read_text(key.kind, text).ok().map(|raw| (key.kind, raw)),
            Fallback::Nothing(_) => None,
        }
    }

    /// A text as it stands.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        match self.raw(name)? {
            (_, Raw::Text(text)) => Some(text),
            (_, Raw::Integer(_) | Raw::Switch(_) | Raw::List(_)) => None,
        }
    }

    /// A text that has to be there; the fault says what the key is for.
    #[must_use]
    pub fn required_text(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name).filter(|text| !text.is_empty());
        if text.is_none() {
            let message = format!("`{name}` in `{}` is required and must not be empty", self.label);
            self.fault(name, message);
        }
        text
    }

    /// A whole number within the key's bounds.
    #[must_use]
    pub fn integer(&mut self, name: &'static str) -> Option<i64> {
        let (kind, raw) = self.raw(name)?;
        let Raw::Integer(number) = raw else { return None };
        match kind {
            Kind::Integer { least, most } if !(least..=most).contains(&number) => {
                self.fault(name, format!("`{name}` is {number}; it must be {least} to {most}"));
                None
            }
            _ => Some(number),
        }
    }

    /// A whole number as the type that holds its bounds.
    #[must_use]
    pub fn number<N: TryFrom<i64>>(&mut self, name: &'static str) -> Option<N> {
        self.integer(name).and_then(|number| N::try_from(number).ok())
    }

    /// A number of seconds.
    #[must_use]
    pub fn seconds(&mut self, name: &'static str) -> Option<Duration> {
        self.number(name).map(Duration::from_secs)
    }

    /// `true` or `false`.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<Switch> {
        match self.raw(name)? {
            (_, Raw::Switch(true)) => Some(Switch::On),
            (_, Raw::Switch(false)) => Some(Switch::Off),
            (_, Raw::Text(_) | Raw::Integer(_) | Raw::List(_)) => None,
        }
    }

    /// One of the words or numbers, as what it stands for.
    #[must_use]
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let word = match self.raw(name)? {
            (_, Raw::Text(word)) => word,
            (_, Raw::Integer(number)) => number.to_string(),
            (_, Raw::Switch(_) | Raw::List(_)) => return None,
        };
        let found = choices.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(known, _)| format!("`{known}`")).collect();
            self.fault(name, format!("`{name}` is `{word}`; it must be {}", words.join(", ")));
        }
        found
    }

    /// A path, absolute or from the configuration's folder; `None` where it is absent or empty.
    #[must_use]
    pub fn optional_path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        Some(self.folder.join(text))
    }

    /// A path that must not be empty.
    #[must_use]
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.optional_path(name);
        if path.is_none() {
            self.fault(name, format!("`{name}` in `{}` must not be empty", self.label));
        }
        path
    }

    /// An IP address.
    #[must_use]
    pub fn address(&mut self, name: &'static str) -> Option<IpAddr> {
        let text = self.text(name)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.fault(name, format!("`{name}` is `{text}`, which is not an IP address"));
        }
        address
    }

    /// An address with a port; `None` where it is absent or empty.
    #[must_use]
    pub fn listen(&mut self, name: &'static str) -> Option<SocketAddr> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        let address = text.parse().ok();
        if address.is_none() {
            let message =
                format!("`{name}` is `{text}`; it must be an address and a port, `127.0.0.1:9100`");
            self.fault(name, message);
        }
        address
    }

    /// The texts of a list; `None` where it is absent.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.raw(name)? {
            (_, Raw::List(texts)) => Some(texts),
            (_, Raw::Text(_) | Raw::Integer(_) | Raw::Switch(_)) => None,
        }
    }
}
