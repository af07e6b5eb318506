//! A configuration file, with what overrides it, to a [`Config`].

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::fault::{ConfigFault, ConfigFaults, Origin};
use super::settings::{Given, Raw, find};
use super::types::Config;
use super::{env, file, settle};

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
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Overrides, names that match no key, files that others can read.
    pub warnings: Vec<String>,
}

/// Reads the configuration in `path`.
///
/// # Errors
///
/// Every fault of the file and of what overrides it, at once.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, ConfigFaults> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match text_of(&path) {
        Ok(text) => load_text(path, &text, overrides),
        Err(message) => {
            let fault = ConfigFault { origin: Origin::Absent, message };
            Err(ConfigFaults::new(path, vec![fault]))
        }
    }
}

/// The whole file, or a sentence on why not.
fn text_of(path: &Path) -> Result<String, String> {
    let facts = fs::metadata(path).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "; `-c PATH` names another one",
            _ => "",
        };
        format!("cannot read the configuration: {error}{hint}")
    })?;
    if !facts.is_file() {
        return Err("the configuration is not a file".to_owned());
    }
    if facts.len() > CONFIG_BYTES_MAX {
        return Err(format!("the configuration is larger than {CONFIG_BYTES_MAX} bytes"));
    }
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read the configuration: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        format!("the configuration is not UTF-8 at byte {}", error.utf8_error().valid_up_to())
    })
}

/// Reads a configuration's text as if it stood in `path`.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(path: PathBuf, text: &str, overrides: &Overrides) -> Result<Loaded, ConfigFaults> {
    let (mut settings, mut faults) = file::read(text);
    let (mut warnings, more) = env::overlay(&mut settings, &overrides.variables);
    faults.extend(more);
    let flags =
        [("--loglevel", "level", &overrides.log_level), ("--logtype", "type", &overrides.log_type)];
    for (flag, name, value) in flags {
        if let (Some(value), Some(key)) = (value, find("logging", name)) {
            let given = Given { raw: Raw::Text(value.clone()), origin: Origin::Flag(flag) };
            settings.override_with(None, key, given);
        }
    }
    match settle::settle(&settings, path.clone(), faults) {
        Ok((config, more)) => {
            warnings.extend(more);
            Ok(Loaded { config, warnings })
        }
        Err(faults) => Err(ConfigFaults::new(path, faults)),
    }
}
