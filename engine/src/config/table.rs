//! One section's settings as typed values: what was given, or the default, checked against the key's
//! bounds. A value that is wrong becomes a fault, and the reading goes on.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::{ConfigFault, Origin};
use super::settings::{Given, Raw, Section, find, read_text};
use super::types::Switch;
use super::v1::{Fallback, Kind};

/// A section that is being read.
pub(super) struct Table<'a> {
    /// The section's name in the description of keys.
    pub(super) section: &'static str,
    /// How messages call it, `[control]`.
    pub(super) label: String,
    /// What was given; `None` where the section is absent.
    pub(super) given: Option<&'a Section>,
    /// Where relative paths start.
    pub(super) folder: &'a Path,
    /// Where faults go.
    pub(super) faults: &'a mut Vec<ConfigFault>,
}

impl Table<'_> {
    /// Adds a fault about `name`, or about the section where `name` is not given.
    pub(super) fn fault(&mut self, name: &str, message: String) {
        let origin = self.origin(name);
        self.faults.push(ConfigFault { origin, message });
    }

    /// Where `name` stands, else its section.
    pub(super) fn origin(&self, name: &str) -> Origin {
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
        let key = find(self.section, name)?;
        if let Some(Given { raw, .. }) = self.given.and_then(|section| section.values.get(name)) {
            return Some((key.kind, raw.clone()));
        }
        match key.default {
            Fallback::Value(text) => read_text(key.kind, text).ok().map(|raw| (key.kind, raw)),
            Fallback::Nothing(_) => None,
        }
    }

    /// A text as it stands.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.raw(name)? {
            (_, Raw::Text(text)) => Some(text),
            (_, Raw::Integer(_) | Raw::Switch(_) | Raw::List(_)) => None,
        }
    }

    /// A text that has to be there; the fault says what the key is for.
    pub(super) fn required_text(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name).filter(|text| !text.is_empty());
        if text.is_none() {
            let message = format!("`{name}` in `{}` is required and must not be empty", self.label);
            self.fault(name, message);
        }
        text
    }

    /// A whole number within the key's bounds.
    pub(super) fn integer(&mut self, name: &'static str) -> Option<i64> {
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
    pub(super) fn number<N: TryFrom<i64>>(&mut self, name: &'static str) -> Option<N> {
        self.integer(name).and_then(|number| N::try_from(number).ok())
    }

    /// A number of seconds.
    pub(super) fn seconds(&mut self, name: &'static str) -> Option<Duration> {
        self.number(name).map(Duration::from_secs)
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, name: &str) -> Option<Switch> {
        match self.raw(name)? {
            (_, Raw::Switch(true)) => Some(Switch::On),
            (_, Raw::Switch(false)) => Some(Switch::Off),
            (_, Raw::Text(_) | Raw::Integer(_) | Raw::List(_)) => None,
        }
    }

    /// One of the words or numbers, as what it stands for.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
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
    pub(super) fn optional_path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        Some(self.folder.join(text))
    }

    /// A path that must not be empty.
    pub(super) fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.optional_path(name);
        if path.is_none() {
            self.fault(name, format!("`{name}` in `{}` must not be empty", self.label));
        }
        path
    }

    /// An IP address.
    pub(super) fn address(&mut self, name: &'static str) -> Option<IpAddr> {
        let text = self.text(name)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.fault(name, format!("`{name}` is `{text}`, which is not an IP address"));
        }
        address
    }

    /// An address with a port; `None` where it is absent or empty.
    pub(super) fn listen(&mut self, name: &'static str) -> Option<SocketAddr> {
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
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.raw(name)? {
            (_, Raw::List(texts)) => Some(texts),
            (_, Raw::Text(_) | Raw::Integer(_) | Raw::Switch(_)) => None,
        }
    }
}
