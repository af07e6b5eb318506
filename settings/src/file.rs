//! TOML text to settings with their places: known keys of the right type, and every fault at once.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::fault::{ConfigFault, Origin, nearest};
use crate::given::{Given, Named, Raw, Section, Settings};
use crate::key::{Description, Family, Key, Kind};

/// Reads the file's text: what it gives, and every fault of single keys.
///
/// # Errors
///
/// Where it is no TOML: what a broken file seems to say is not worth a second list of faults.
pub(crate) fn read(
    description: &Description,
    text: &str,
) -> Result<(Settings, Vec<ConfigFault>), Vec<ConfigFault>> {
    let mut reader =
        Reader { description, text, settings: Settings::default(), faults: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let origin = error.span().map_or(Origin::Absent, |span| reader.origin(span.start));
        reader.fault(origin, format!("not TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return Err(reader.faults);
    }
    reader.document(document.get_ref());
    Ok((reader.settings, reader.faults))
}

struct Reader<'t> {
    description: &'t Description,
    text: &'t str,
    settings: Settings,
    faults: Vec<ConfigFault>,
}

impl Reader<'_> {
    fn fault(&mut self, origin: Origin, message: String) {
        self.faults.push(ConfigFault { origin, message });
    }

    /// The place of a byte.
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or(before);
        Origin::File { line, column: last.chars().count() + 1 }
    }

    fn document(&mut self, document: &DeTable<'_>) {
        let mut top = Section::default();
        for (name, value) in in_file_order(document) {
            let origin = self.origin(name.span().start);
            match value.get_ref() {
                DeValue::Table(table) => match self.description.family(name.get_ref()) {
                    Some(family) => self.family(family, table),
                    None => self.section(name.get_ref(), origin, table),
                },
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => self.entry("", name, value, &mut top),
            }
        }
        self.settings.sections.insert("", top);
    }

    fn section(&mut self, name: &str, origin: Origin, table: &DeTable<'_>) {
        let description = self.description;
        let single = || {
            let sections = description.keys.iter().map(|key| key.section);
            sections.filter(|section| !section.is_empty() && !description.is_family(section))
        };
        let Some(known) = single().find(|known| *known == name) else {
            let sections = single().chain(description.families.iter().map(Family::table));
            let near = near(nearest(name, sections).map(|section| format!("[{section}]")));
            self.fault(origin, format!("unknown section `[{name}]`{near}"));
            return;
        };
        let mut section = Section { header: Some(origin), ..Section::default() };
        for (key, value) in in_file_order(table) {
            self.entry(known, key, value, &mut section);
        }
        self.settings.sections.insert(known, section);
    }

    fn family(&mut self, family: &'static Family, table: &DeTable<'_>) {
        for (name, value) in in_file_order(table) {
            let origin = self.origin(name.span().start);
            let DeValue::Table(keys) = value.get_ref() else {
                let message = format!(
                    "`{}` is not a table; {} is written `[{}]`",
                    name.get_ref(),
                    family.noun,
                    family.section
                );
                self.fault(origin, message);
                continue;
            };
            let mut section = Section { header: Some(origin), ..Section::default() };
            for (key, value) in in_file_order(keys) {
                self.entry(family.section, key, value, &mut section);
            }
            let name = name.get_ref().to_string();
            self.settings.named.push(Named { family: family.section, name, section });
        }
    }

    fn entry(
        &mut self,
        section: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        into: &mut Section,
    ) {
        let origin = self.origin(name.span().start);
        let Some(key) = self.description.find(section, name.get_ref()) else {
            let message = unknown_key(self.description, section, name.get_ref());
            self.fault(origin, message);
            return;
        };
        match typed(key, value.get_ref()) {
            Ok(raw) => {
                into.values.insert(key.name, Given { raw, origin });
            }
            Err(wanted) => {
                let message = format!(
                    "`{}` takes {wanted}, not a value of type {}",
                    key.name,
                    value.get_ref().type_str()
                );
                let origin = self.origin(value.span().start);
                self.fault(origin, message);
            }
        }
    }
}

/// The message on a key that `section` does not have.
fn unknown_key(description: &Description, section: &str, name: &str) -> String {
    let place = match section {
        "" => "at the top".to_owned(),
        section => format!("in `[{section}]`"),
    };
    let own = description.keys.iter().filter(|key| key.section == section).map(|key| key.name);
    let own = nearest(name, own);
    let elsewhere = description.keys.iter().find(|key| key.name == name);
    match (own, elsewhere) {
        (_, Some(key)) if key.section.is_empty() => {
            format!("unknown key `{name}` {place}; it belongs to the top, before the first section")
        }
        (_, Some(key)) => {
            format!("unknown key `{name}` {place}; it belongs to `[{}]`", key.section)
        }
        (own, None) => {
            let near = near(own.map(str::to_owned));
            format!("unknown key `{name}` {place}{near}")
        }
    }
}

/// The end of a message that names what was perhaps meant.
fn near(word: Option<String>) -> String {
    word.map_or_else(String::new, |word| format!("; the nearest is `{word}`"))
}

/// The value as the key's type, or what the key takes.
fn typed(key: &Key, value: &DeValue<'_>) -> Result<Raw, &'static str> {
    match key.kind {
        Kind::Switch => value.as_bool().map(Raw::Switch).ok_or("`true` or `false`"),
        Kind::Integer { .. } | Kind::Number(_) => value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
            .map(Raw::Integer)
            .ok_or("a whole number"),
        Kind::Word(_)
        | Kind::Path
        | Kind::Address
        | Kind::Listen
        | Kind::Url
        | Kind::Zone
        | Kind::Text
        | Kind::Secret => {
            value.as_str().map(|text| Raw::Text(text.to_owned())).ok_or("a text in quotes")
        }
        Kind::Networks => value
            .as_array()
            .and_then(texts)
            .map(Raw::List)
            .ok_or("a list of texts such as `[\"10.0.0.0/8\"]`"),
    }
}

/// The texts of an array that holds nothing else.
fn texts(array: &DeArray<'_>) -> Option<Vec<String>> {
    array.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned)).collect()
}

/// A table's entries in the order of the file; the parser sorts them by name.
fn in_file_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::EXAMPLE;

    /// The faults of `text`, as `line:column message`.
    fn faults(text: &str) -> Vec<String> {
        let faults = read(&EXAMPLE, text).map_or_else(|faults| faults, |(_, faults)| faults);
        faults
            .into_iter()
            .map(|fault| match fault.origin {
                Origin::File { line, column } => format!("{line}:{column} {}", fault.message),
                other => format!("{other:?} {}", fault.message),
            })
            .collect()
    }

    #[test]
    fn what_is_unknown_is_named_with_its_place_and_its_neighbour() {
        for (text, expected) in [
            (
                "[global]\nthread = 4\n",
                "2:1 unknown key `thread` in `[global]`; the nearest is `threads`",
            ),
            ("[globl]\nthreads = 4\n", "1:2 unknown section `[globl]`; the nearest is `[global]`"),
            ("[zzz]\n", "1:2 unknown section `[zzz]`"),
            ("[connector]\n", "1:2 unknown section `[connector]`; the nearest is `[connectors]`"),
            ("threads = 4\n", "1:1 unknown key `threads` at the top; it belongs to `[global]`"),
            (
                "[control]\ndiagnostic_file = \"x\"\n",
                "2:1 unknown key `diagnostic_file` in `[control]`; it belongs to the top, before the first section",
            ),
            (
                "[connectors.a]\nkeyfile = \"x\"\n",
                "2:1 unknown key `keyfile` in `[connectors.<name>]`; the nearest is `key_file`",
            ),
            (
                "[connectors]\nkey = \"x\"\n",
                "2:1 `key` is not a table; a connector is written `[connectors.<name>]`",
            ),
        ] {
            assert_eq!(faults(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        for (text, expected) in [
            (
                "[global]\nthreads = \"4\"\n",
                "2:11 `threads` takes a whole number, not a value of type string",
            ),
            (
                "[global]\nthreads = 4.5\n",
                "2:11 `threads` takes a whole number, not a value of type float",
            ),
            (
                "[policy]\nwatch = 1\n",
                "2:9 `watch` takes `true` or `false`, not a value of type integer",
            ),
            (
                "[policy]\npath = 1\n",
                "2:8 `path` takes a text in quotes, not a value of type integer",
            ),
            (
                "[connectors.a]\npeers = [1]\n",
                "2:9 `peers` takes a list of texts such as `[\"10.0.0.0/8\"]`, not a value of type array",
            ),
        ] {
            assert_eq!(faults(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_faults_come_at_once_in_the_order_of_the_file() {
        let found = faults("[zeta]\n[global]\nthread = 1\nthreads = true\n");
        assert_eq!(found.len(), 3, "{found:?}");
        let broken = faults("[global\nthreads = = 4\n");
        assert!(
            broken.len() >= 2 && broken.iter().all(|line| line.contains("not TOML")),
            "{broken:?}"
        );
    }

    #[test]
    fn a_key_given_twice_is_a_fault() {
        let found = faults("[global]\nthreads = 1\nthreads = 2\n");
        assert!(matches!(found.as_slice(), [one] if one.starts_with("3:1 not TOML")), "{found:?}");
    }

    #[test]
    fn connectors_keep_the_order_of_the_file() {
        let (settings, faults) =
            read(&EXAMPLE, "[connectors.z]\n[connectors.a]\nport = 0x10\n").unwrap();
        assert_eq!(faults, []);
        let names: Vec<_> = settings.named.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names, ["z", "a"]);
    }
}
