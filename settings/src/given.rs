//! The settings as they were given, each with its origin, before anybody knows whether they make
//! sense together; and the layers: flag beats environment beats file.

use std::collections::BTreeMap;

use crate::fault::Origin;
use crate::key::{Description, Key, Kind};

/// A value of the right type; whether it is a right value is settled later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
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
pub(crate) struct Given {
    /// The value.
    pub(crate) raw: Raw,
    /// Its place.
    pub(crate) origin: Origin,
}

/// The settings of one section.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Where its header stands; `None` where only the environment names it.
    pub(crate) header: Option<Origin>,
    /// What was given, by key.
    pub(crate) values: BTreeMap<&'static str, Given>,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The sections that exist once; the top is `""`.
    pub(crate) sections: BTreeMap<&'static str, Section>,
    /// Those of families, in file order.
    pub(crate) named: Vec<Named>,
}

/// One section of a family.
#[derive(Debug)]
pub(crate) struct Named {
    /// The family, `connectors.<name>`.
    pub(crate) family: &'static str,
    /// Its own name.
    pub(crate) name: String,
    /// Its settings.
    pub(crate) section: Section,
}

impl Settings {
    /// Lays a value over what a lower layer said; `name` is that of a family's section. Of two keys
    /// that exclude each other the higher layer's takes the lower one's away.
    pub(crate) fn override_with(
        &mut self,
        description: &Description,
        name: Option<&str>,
        key: &Key,
        given: Given,
    ) {
        let section = match name {
            None => self.sections.entry(key.section).or_default(),
            Some(name) => {
                let same = |named: &&mut Named| named.family == key.section && named.name == name;
                match self.named.iter_mut().find(same) {
                    Some(named) => &mut named.section,
                    None => return,
                }
            }
        };
        if let Some(rival) = description.rival(key) {
            section.values.remove(rival);
        }
        section.values.insert(key.name, given);
    }
}

/// A text out of the environment, a flag or the table of defaults as a value of `kind`.
///
/// # Errors
///
/// What the text should have been.
pub(crate) fn read_text(kind: Kind, text: &str) -> Result<Raw, String> {
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
