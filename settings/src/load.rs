//! A configuration file, with what overrides it, to a program's own `Config`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{ConfigFault, ConfigFaults, Origin};
use crate::given::{Given, Named, Raw, Section, Settings};
use crate::key::{Description, label};
use crate::regular::read_regular;
use crate::table::Table;
use crate::{env, file, not_yet};

/// A configuration is a page or two of text; what is larger is the wrong file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What overrides the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The environment; only our names count.
    pub variables: Vec<(String, String)>,
    /// `--loglevel`
    pub log_level: Option<String>,
    /// `--logtype`
    pub log_type: Option<String>,
}

impl Overrides {
    /// The environment of this process. A variable that is not UTF-8 cannot be one of ours.
    #[must_use]
    pub fn from_environment() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables, log_level: None, log_type: None }
    }
}

/// A configuration and what its operator should be warned about.
#[derive(Debug)]
pub struct Loaded<C> {
    /// The configuration.
    pub config: C,
    /// Overrides, names that match no key, files that others can read.
    pub warnings: Vec<String>,
    /// Where each setting stands, for faults that show only later.
    pub places: Places,
}

/// Where the settings that were given stand.
#[derive(Debug)]
pub struct Places {
    file: PathBuf,
    origins: BTreeMap<(String, &'static str), Origin>,
}

impl Places {
    fn of(file: PathBuf, settings: &Settings) -> Self {
        let once = settings.sections.iter().map(|(name, section)| (label(name, None), section));
        let named = settings.named.iter();
        let named = named.map(|named| (label(named.family, Some(&named.name)), &named.section));
        let origins = once.chain(named).flat_map(|(label, section)| {
            let values = section.values.iter();
            values.map(move |(key, given)| ((label.clone(), *key), given.origin.clone()))
        });
        let origins = origins.collect();
        Self { file, origins }
    }

    /// A fault of what `key` of the section `[label]` asks for, with the place where it was asked.
    #[must_use]
    pub fn fault(&self, label: &str, key: &'static str, message: String) -> ConfigFaults {
        let origin = self.origins.get(&(label.to_owned(), key)).cloned().unwrap_or(Origin::Absent);
        ConfigFaults::new(self.file.clone(), vec![ConfigFault { origin, message }])
    }
}

/// Settings on their way to a configuration.
#[derive(Debug)]
pub struct Settling<'s> {
    description: &'s Description,
    settings: &'s Settings,
    file: &'s Path,
    faults: Vec<ConfigFault>,
    warnings: Vec<String>,
}

impl<'s> Settling<'s> {
    /// The section `name`, as something to read values from.
    pub fn table(&mut self, name: &'static str) -> Table<'_> {
        self.section(name, label(name, None), self.settings.sections.get(name))
    }

    /// The names of a family's sections, such as `connectors.<name>`, in file order.
    #[must_use]
    pub fn names(&self, family: &str) -> Vec<&'s str> {
        let named = self.settings.named.iter().filter(|named| named.family == family);
        named.map(|named| named.name.as_str()).collect()
    }

    /// The section `name` of a family.
    pub fn named(&mut self, family: &'static str, name: &str) -> Table<'_> {
        let same = |named: &&Named| named.family == family && named.name == name;
        let given = self.settings.named.iter().find(same).map(|named| &named.section);
        self.section(family, label(family, Some(name)), given)
    }

    fn section<'t>(
        &'t mut self,
        section: &'static str,
        label: String,
        given: Option<&'t Section>,
    ) -> Table<'t> {
        let folder = self.file.parent().unwrap_or(self.file);
        let description = self.description;
        let (faults, warnings) = (&mut self.faults, &mut self.warnings);
        Table { description, section, label, given, folder, faults, warnings }
    }

    /// The file that is read.
    #[must_use]
    pub const fn file(&self) -> &'s Path {
        self.file
    }

    /// Adds a fault that belongs to no key.
    pub fn fault(&mut self, message: String) {
        self.faults.push(ConfigFault { origin: Origin::Absent, message });
    }

    /// The settings that were given, differ from the default, and have no effect in this version.
    #[must_use]
    pub fn not_yet(&self) -> Vec<String> {
        not_yet::not_yet(self.description, self.settings)
    }
}

/// Reads the configuration in `path`; `settle` makes the program's own out of it. It reads every
/// section whole before it gives up, and gives `None` only where it left a fault behind.
///
/// # Errors
///
/// Every fault of the file and of what overrides it, at once.
pub fn load<C>(
    description: &Description,
    path: &Path,
    overrides: &Overrides,
    settle: impl FnOnce(&mut Settling<'_>) -> Option<C>,
) -> Result<Loaded<C>, ConfigFaults> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match text_of(&path) {
        Ok(text) => load_text(description, path, &text, overrides, settle),
        Err(message) => {
            let fault = ConfigFault { origin: Origin::Absent, message };
            Err(ConfigFaults::new(path, vec![fault]))
        }
    }
}

/// The whole file, or a sentence on why not.
fn text_of(path: &Path) -> Result<String, String> {
    let bytes = read_regular(path, CONFIG_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => "the configuration is not a file".to_owned(),
        io::ErrorKind::FileTooLarge => {
            format!("the configuration is larger than {CONFIG_BYTES_MAX} bytes")
        }
        io::ErrorKind::NotFound => {
            format!("cannot read the configuration: {error}; `-c PATH` names another one")
        }
        _ => format!("cannot read the configuration: {error}"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        format!("the configuration is not UTF-8 at byte {}", error.utf8_error().valid_up_to())
    })
}

/// Reads a configuration's text as if it stood in `path`.
///
/// # Errors
///
/// As [`load`].
pub fn load_text<C>(
    description: &Description,
    path: PathBuf,
    text: &str,
    overrides: &Overrides,
    settle: impl FnOnce(&mut Settling<'_>) -> Option<C>,
) -> Result<Loaded<C>, ConfigFaults> {
    let (mut settings, mut faults) = match file::read(description, text) {
        Ok(read) => read,
        Err(faults) => return Err(ConfigFaults::new(path, faults)),
    };
    let (warnings, more) = env::overlay(description, &mut settings, &overrides.variables);
    faults.extend(more);
    let flags =
        [("--loglevel", "level", &overrides.log_level), ("--logtype", "type", &overrides.log_type)];
    for (flag, name, value) in flags {
        if let (Some(value), Some(key)) = (value, description.find("logging", name)) {
            let given = Given { raw: Raw::Text(value.clone()), origin: Origin::Flag(flag) };
            settings.override_with(description, None, key, given);
        }
    }
    let mut settling = Settling { description, settings: &settings, file: &path, faults, warnings };
    let config = settle(&mut settling);
    let Settling { faults, warnings, .. } = settling;
    match config {
        Some(config) if faults.is_empty() => {
            Ok(Loaded { config, warnings, places: Places::of(path, &settings) })
        }
        // INVARIANT: a section that is not settled has left a fault behind.
        Some(_) | None => Err(ConfigFaults::new(path, faults)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::example::{CONNECTORS, EXAMPLE};
    use crate::log::{Level, LogType, Logging};

    fn logging(text: &str, overrides: &Overrides) -> Result<Logging, String> {
        let settle = |settling: &mut Settling<'_>| Logging::settle(&mut settling.table("logging"));
        load_text(&EXAMPLE, PathBuf::from("/etc/x/a.conf"), text, overrides, settle)
            .map(|loaded| loaded.config)
            .map_err(|faults| faults.to_string())
    }

    #[test]
    fn flag_beats_environment_beats_file() {
        let mut overrides = Overrides::default();
        let file = "[logging]\nlevel = \"info\"\ntype = \"file\"\nfile = \"a.log\"\n";
        let settled = logging(file, &overrides).unwrap();
        assert_eq!(settled.level, Level::Info);
        assert_eq!(settled.kind, LogType::File(PathBuf::from("/etc/x/a.log")));
        overrides.variables = vec![("ENFORCEGATE_LOGGING_LEVEL".to_owned(), "notice".to_owned())];
        assert_eq!(logging(file, &overrides).unwrap().level, Level::Notice);
        overrides.log_level = Some("warn".to_owned());
        overrides.log_type = Some("console".to_owned());
        let settled = logging(file, &overrides).unwrap();
        assert_eq!((settled.level, settled.kind), (Level::Warning, LogType::Console));
    }

    #[test]
    fn a_fault_that_shows_later_still_has_its_place() {
        let settle = |settling: &mut Settling<'_>| Logging::settle(&mut settling.table("logging"));
        let text = "[logging]\n[connectors.a]\nport = 1\n";
        let path = PathBuf::from("/etc/x/a.conf");
        let places = load_text(&EXAMPLE, path, text, &Overrides::default(), settle).unwrap().places;
        let told = |label, key| places.fault(label, key, "taken".to_owned()).to_string();
        assert_eq!(told("[connectors.a]", "port"), "/etc/x/a.conf:3:1: taken");
        assert_eq!(told("[logging]", "level"), "/etc/x/a.conf: taken");
    }

    #[test]
    fn a_file_that_is_no_toml_is_blamed_for_nothing_else() {
        let found = logging("[logging]\nlevel = \n", &Overrides::default()).unwrap_err();
        assert_eq!(found.lines().count(), 1, "{found}");
        assert!(found.contains("a.conf:2:") && found.contains("not TOML"), "{found}");
    }

    #[test]
    fn what_cannot_be_logged_to_is_refused() {
        for (text, expected) in [
            ("[logging]\ntype = \"file\"\n", "a.conf:2:1: `type` is `file`, which needs `file`"),
            ("[logging]\nfile = \"\"\n", "a.conf:2:1: `file` in `[logging]` must not be empty"),
            ("[logging]\ntype = \"journal\"\n", "a.conf:2:1: `type` is `journal`; it must be"),
            ("[logging]\nlevel = \"loud\"\n", "a.conf:2:1: `level` is `loud`; it must be"),
        ] {
            let found = logging(text, &Overrides::default()).unwrap_err();
            assert!(found.contains(expected), "`{expected}` is not in: {found}");
        }
        let overrides = Overrides { log_type: Some("file".to_owned()), ..Overrides::default() };
        let found = logging("", &overrides).unwrap_err();
        assert!(found.starts_with("flag `--logtype`: `type` is `file`, which needs"), "{found}");
    }

    #[test]
    fn what_has_no_effect_is_named_where_it_is_not_the_default() {
        let text = "diagnostic_file = \"/else\"\n[policy]\nwatch = true\n[license]\n\
                    password = \"p\"\n[connectors.a]\nport = 1\n";
        let settle = |settling: &mut Settling<'_>| {
            assert_eq!(settling.names(CONNECTORS), ["a"]);
            assert_eq!(settling.named(CONNECTORS, "a").number::<u16>("port"), Some(1));
            Some(settling.not_yet())
        };
        let path = PathBuf::from("/a.conf");
        let loaded = load_text(&EXAMPLE, path, text, &Overrides::default(), settle).unwrap();
        assert_eq!(loaded.config, ["diagnostic_file", "[license] password", "[policy] watch"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_fault() {
        let folder = tempfile::tempdir().unwrap();
        let read = |path: &Path| load(&EXAMPLE, path, &Overrides::default(), |_| Some(()));
        let found = read(&folder.path().join("none")).unwrap_err().to_string();
        assert!(found.contains("`-c PATH` names another one"), "{found}");
        let found = read(folder.path()).unwrap_err().to_string();
        assert!(found.ends_with("the configuration is not a file"), "{found}");
        let path = folder.path().join("latin.conf");
        fs::write(&path, b"x = \"\xe9\"\n").unwrap();
        let found = read(&path).unwrap_err().to_string();
        assert!(found.ends_with("the configuration is not UTF-8 at byte 5"), "{found}");
    }
}
