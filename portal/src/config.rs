//! `portal.conf`: read once at start, every fault with its line, then immutable.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use eg_proto::{Opener, PortalSecret, SecretFault};
use serde::Deserialize;

/// Where the portal listens behind a TLS terminator (SPEC 1).
const LISTEN_DEFAULT: &str = "0.0.0.0:8000";

/// The portal's settings, checked.
#[derive(Debug)]
pub struct Config {
    /// The address of the plain listener.
    pub listen: SocketAddr,
    /// Opens what redirects carry, under the current secret and the one before it.
    pub opener: Opener,
    /// The lowest level that is logged.
    pub level: tracing::Level,
    /// Keys that are set and whose feature this version does not have.
    pub not_yet: Vec<&'static str>,
}

/// Why `portal.conf` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// A file that cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key or a value of the wrong type; the source names line and column.
    #[error("`{path}` line {line}, column {column}: {message}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// Neither or both of two keys of which exactly one must be set.
    #[error("`{path}`: set exactly one of `secret` and `secret_file` in [portal]")]
    SecretCount {
        /// The file.
        path: PathBuf,
    },
    /// A secret that is not 32 bytes in base64.
    #[error("`{path}`: `{key}` is no portal secret; it must be 32 bytes in base64")]
    Secret {
        /// The file that holds it.
        path: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// Why.
        #[source]
        source: SecretFault,
    },
    /// An address to listen on that is none.
    #[error(
        "`{path}`: `listen` is `{value}`, which is no address with a port such as `127.0.0.1:8000`"
    )]
    Listen {
        /// The file.
        path: PathBuf,
        /// What it says.
        value: String,
    },
    /// A level that is none.
    #[error("`{path}`: `level` is `{value}`; use error, warning, notice, info or debug")]
    Level {
        /// The file.
        path: PathBuf,
        /// What it says.
        value: String,
    },
}

/// The file's shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    portal: PortalTable,
    #[serde(default)]
    logging: LoggingTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortalTable {
    listen: Option<String>,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    previous_secret_file: Option<PathBuf>,
    engine: Option<String>,
    engine_cert: Option<PathBuf>,
    relay_key_file: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    content: Option<PathBuf>,
    report_mistakes: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingTable {
    level: Option<String>,
}

impl Config {
    /// Reads the file at `path`; relative paths in it start at its folder.
    ///
    /// # Errors
    ///
    /// [`ConfigFault`]; nothing is written anywhere.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let text = read_text(path)?;
        let file: File = toml::from_str(&text).map_err(|fault| shape(path, &text, &fault))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let opener = opener(path, folder, &file.portal)?;
        let listen = file.portal.listen.as_deref().unwrap_or(LISTEN_DEFAULT);
        let listen = listen
            .parse()
            .map_err(|_| ConfigFault::Listen { path: path.to_owned(), value: listen.to_owned() })?;
        let level = level(path, file.logging.level.as_deref().unwrap_or("notice"))?;
        Ok(Self { listen, opener, level, not_yet: not_yet(&file.portal) })
    }
}

fn opener(path: &Path, folder: &Path, table: &PortalTable) -> Result<Opener, ConfigFault> {
    let current = match (&table.secret, &table.secret_file) {
        (Some(text), None) => parse_secret(path, "secret", text)?,
        (None, Some(file)) => read_secret(&folder.join(file), "secret_file")?,
        (None, None) | (Some(_), Some(_)) => {
            return Err(ConfigFault::SecretCount { path: path.to_owned() });
        }
    };
    let previous = match &table.previous_secret_file {
        Some(file) => Some(read_secret(&folder.join(file), "previous_secret_file")?),
        None => None,
    };
    Ok(Opener::new(current, previous))
}

fn read_secret(path: &Path, key: &'static str) -> Result<PortalSecret, ConfigFault> {
    parse_secret(path, key, &read_text(path)?)
}

fn parse_secret(path: &Path, key: &'static str, text: &str) -> Result<PortalSecret, ConfigFault> {
    PortalSecret::parse(text.trim()).map_err(|source| ConfigFault::Secret {
        path: path.to_owned(),
        key,
        source,
    })
}

fn read_text(path: &Path) -> Result<String, ConfigFault> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigFault::Read { path: path.to_owned(), source })
}

fn level(path: &Path, word: &str) -> Result<tracing::Level, ConfigFault> {
    match word {
        "emergency" | "alert" | "critical" | "error" => Ok(tracing::Level::ERROR),
        "warning" | "warn" => Ok(tracing::Level::WARN),
        "notice" | "info" => Ok(tracing::Level::INFO),
        "debug" => Ok(tracing::Level::DEBUG),
        other => Err(ConfigFault::Level { path: path.to_owned(), value: other.to_owned() }),
    }
}

/// Settings that are accepted and do nothing yet, so that the log can say so at start.
fn not_yet(table: &PortalTable) -> Vec<&'static str> {
    [
        ("engine", table.engine.is_some()),
        ("engine_cert", table.engine_cert.is_some()),
        ("relay_key_file", table.relay_key_file.is_some()),
        ("tls_cert", table.tls_cert.is_some()),
        ("tls_key", table.tls_key.is_some()),
        ("ca_file", table.ca_file.is_some()),
        ("content", table.content.is_some()),
        ("report_mistakes", table.report_mistakes.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, set)| set.then_some(key))
    .collect()
}

/// A fault of the TOML reader with its place in `text`.
fn shape(path: &Path, text: &str, fault: &toml::de::Error) -> ConfigFault {
    let start = fault.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    ConfigFault::Shape {
        path: path.to_owned(),
        line,
        column,
        message: fault.message().replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portal.conf");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        Config::read(&path)
            .map_err(|fault| fault.to_string().replace(folder.path().to_str().unwrap(), "FOLDER"))
    }

    #[test]
    fn the_smallest_file_listens_on_8000() {
        let config = read("[portal]\nsecret_file = \"secret\"\n").unwrap();
        assert_eq!(config.listen.port(), 8000);
        assert!(config.not_yet.is_empty());
    }

    #[test]
    fn settings_of_later_versions_are_named() {
        let text = format!("[portal]\nsecret = \"{SECRET}\"\ncontent = \"pages\"\n");
        assert_eq!(read(&text).unwrap().not_yet, ["content"]);
    }

    #[test]
    fn faults_name_file_and_line() {
        for (text, expected) in [
            (
                "[portal]\nsecrets = \"x\"\n",
                "`FOLDER/portal.conf` line 2, column 1: unknown field `secrets`",
            ),
            (
                "[portal]\n",
                "`FOLDER/portal.conf`: set exactly one of `secret` and `secret_file` in [portal]",
            ),
            (
                "[portal]\nsecret = \"c2hvcnQ=\"\n",
                "`FOLDER/portal.conf`: `secret` is no portal secret; it must be 32 bytes in base64",
            ),
            ("[portal]\nsecret_file = \"absent\"\n", "cannot read `FOLDER/absent`"),
            (
                "[portal]\nsecret_file = \"secret\"\nlisten = \"8000\"\n",
                "`FOLDER/portal.conf`: `listen` is `8000`",
            ),
            (
                "[portal]\nsecret_file = \"secret\"\n[logging]\nlevel = \"loud\"\n",
                "`FOLDER/portal.conf`: `level` is `loud`",
            ),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }
}
