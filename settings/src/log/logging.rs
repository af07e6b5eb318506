//! The section `[logging]`, the same in every program but for its defaults.

use std::path::{Path, PathBuf};

use super::level::Level;
use crate::key::{Fallback, Key, Kind, key};
use crate::table::Table;

/// `[logging]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Where lines go.
    pub kind: LogType,
    /// The least severe level that is logged.
    pub level: Level,
    /// What a line looks like.
    pub format: LogFormat,
}

/// `[logging] type`, with its `file`. Never standard output, which may belong to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogType {
    /// A file that can be reopened.
    File(PathBuf),
    /// Standard error.
    Console,
    /// The syslog that listens on this datagram socket.
    Syslog(PathBuf),
}

/// Where syslog listens on every Linux system; also what a program falls back to.
const SYSLOG_SOCKET: &str = "/dev/log";

/// `[logging] format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// The words of `[logging] type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    File,
    Console,
    Syslog,
}

const WORDS: &[(&str, Word)] =
    &[("file", Word::File), ("console", Word::Console), ("syslog", Word::Syslog)];

/// The key `type`.
#[must_use]
pub const fn type_key(default: &'static str, meaning: &'static str) -> Key {
    let kind = Kind::Word(&["file", "console", "syslog"]);
    key("logging", "type", kind, Fallback::Value(default), meaning)
}

/// The key `socket`.
#[must_use]
pub const fn socket_key() -> Key {
    let meaning = "where syslog listens, for `type = \"syslog\"`";
    key("logging", "socket", Kind::Path, Fallback::Value(SYSLOG_SOCKET), meaning)
}

/// The key `file`.
#[must_use]
pub const fn file_key(default: Fallback, meaning: &'static str) -> Key {
    key("logging", "file", Kind::Path, default, meaning)
}

/// The key `level`.
#[must_use]
pub const fn level_key(default: &'static str) -> Key {
    let kind = Kind::Word(&[
        "emergency",
        "alert",
        "critical",
        "error",
        "warning",
        "warn",
        "notice",
        "info",
        "debug",
    ]);
    let meaning = "the least severe level that is logged; only `debug` speaks of single requests";
    key("logging", "level", kind, Fallback::Value(default), meaning)
}

/// The key `format`.
#[must_use]
pub const fn format_key() -> Key {
    let kind = Kind::Word(&["text", "json"]);
    key("logging", "format", kind, Fallback::Value("text"), "what a line looks like")
}

impl Logging {
    /// Takes the section out of its table; a value that is wrong is a fault there.
    pub fn settle(table: &mut Table<'_>) -> Option<Self> {
        let word = table.choice("type", WORDS);
        let file = table.optional_path("file");
        let emptied = table.text("file").is_some() && file.is_none();
        if emptied {
            table.fault("file", "`file` in `[logging]` must not be empty".to_owned());
        }
        let socket = table.optional_path("socket");
        let level = table.choice("level", Level::WORDS);
        let format =
            table.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
        let kind = match (word?, file) {
            (Word::Console, _) => LogType::Console,
            (Word::File, Some(path)) => LogType::File(path),
            (Word::File, None) if emptied => return None,
            (Word::File, None) => {
                let message = "`type` is `file`, which needs `file`: a path that the program may \
                               write";
                table.fault("type", message.to_owned());
                return None;
            }
            (Word::Syslog, _) => {
                LogType::Syslog(socket.unwrap_or_else(|| Path::new(SYSLOG_SOCKET).to_path_buf()))
            }
        };
        Some(Self { kind, level: level?, format: format? })
    }
}
