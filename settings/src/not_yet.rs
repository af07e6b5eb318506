//! Settings that are right and have no effect in this version; a start says so.

use crate::given::{Raw, Section, Settings, read_text};
use crate::key::{Built, Description, Fallback, Key, label};

/// The settings that were given, differ from the default, and have no effect in this version.
pub(crate) fn not_yet(description: &Description, settings: &Settings) -> Vec<String> {
    let once = settings
        .sections
        .iter()
        .flat_map(|(name, section)| idle(description, name, section).map(Key::full_name));
    let named = settings.named.iter().flat_map(|named| {
        let label = label(named.family, Some(&named.name));
        idle(description, named.family, &named.section)
            .map(move |key| format!("{label} {}", key.name))
    });
    once.chain(named).collect()
}

/// The keys of a section that were set to something without effect.
fn idle<'s>(
    description: &'s Description,
    name: &'s str,
    section: &'s Section,
) -> impl Iterator<Item = &'static Key> + use<'s> {
    section.values.iter().filter_map(move |(key, given)| {
        let key = description.find(name, key)?;
        let differs = given.origin.is_given() && !is_default(key, &given.raw);
        let acted_on = match key.built {
            Built::Now => true,
            Built::Later => false,
            Built::LaterBut(values) => values.contains(&written(&given.raw).as_str()),
        };
        (differs && !acted_on).then_some(key)
    })
}

fn is_default(key: &Key, raw: &Raw) -> bool {
    match key.default {
        Fallback::Value(text) => read_text(key.kind, text).as_ref() == Ok(raw),
        Fallback::Nothing(_) => *raw == Raw::Text(String::new()),
    }
}

/// A value as the description of keys writes it.
fn written(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.clone(),
        Raw::Integer(number) => number.to_string(),
        Raw::Switch(switch) => switch.to_string(),
        Raw::List(texts) => texts.join(", "),
    }
}
