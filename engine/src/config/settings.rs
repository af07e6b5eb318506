//! The settings as they were given, each with its origin, before anybody knows whether they make
//! sense together; and the layers: flag beats environment beats file.

use std::collections::BTreeMap;

use super::fault::Origin;
use super::v1::{CONNECTORS, KEYS, Key, Kind};

/// A value of the right type; whether it is a right value is settled later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// Words, paths, addresses, secrets.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Switch(bool),
    /// A list of texts.
    List(Vec<String>),
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// The settings of one section.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Where its header stands; `None` where only the environment names it.
    pub(super) header: Option<Origin>,
    pub(super) values: BTreeMap<&'static str, Given>,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// The sections that exist once; the top is `""`.
    pub(super) sections: BTreeMap<&'static str, Section>,
    /// The connectors in file order.
    pub(super) connectors: Vec<(String, Section)>,
}

impl Settings {
    /// Lays a value over what a lower layer said. Of two keys that exclude each other the higher
    /// layer's takes the lower one's away.
    pub(super) fn override_with(&mut self, connector: Option<&str>, key: &Key, given: Given) {
        let section = match connector {
            None => self.sections.entry(key.section).or_default(),
            Some(name) => match self.connectors.iter_mut().find(|(known, _)| known == name) {
                Some((_, section)) => section,
                None => return,
            },
        };
        if let Some(rival) = rival(key) {
            section.values.remove(rival);
        }
        section.values.insert(key.name, given);
    }
}

/// The key that must not stand beside this one.
fn rival(key: &Key) -> Option<&'static str> {
    match (key.section, key.name) {
        (CONNECTORS, "key") => Some("key_file"),
        (CONNECTORS, "key_file") => Some("key"),
        ("captive_portal", "secret") => Some("secret_file"),
        ("captive_portal", "secret_file") => Some("secret"),
        _ => None,
    }
}

/// The key `name` of `section`.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// A text out of the environment, a flag or the table of defaults as a value of `kind`.
///
/// # Errors
///
/// What the text should have been.
pub(super) fn read_text(kind: Kind, text: &str) -> Result<Raw, String> {
    match kind {
        Kind::Switch => match text {
            "true" => Ok(Raw::Switch(true)),
            "false" => Ok(Raw::Switch(false)),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        },
        Kind::Integer { .. } | Kind::Number(_) => text
            .trim()
            .parse()
            .map(Raw::Integer)
            .map_err(|_| format!("`{text}` is not a whole number")),
        Kind::Word(_)
        | Kind::Path
        | Kind::Address
        | Kind::Listen
        | Kind::Url
        | Kind::Zone
        | Kind::Text
        | Kind::Secret => Ok(Raw::Text(text.to_owned())),
        Kind::Networks => Err("a list cannot be given in the environment".to_owned()),
    }
}
