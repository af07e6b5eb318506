//! The file's shape: the one description of `portal.conf`. Reader, suggestions and the manual's table
//! come from it; nothing else lists keys.

use Fallback::{Nothing, Value};
use eg_settings::log::{file_key, format_key, level_key, socket_key, type_key};
use eg_settings::{Description, Fallback, Key, Kind, Rivals, key};

/// What `portal.conf` may say.
pub const PORTAL_CONF: Description = Description {
    keys: KEYS,
    families: &[],
    rivals: &[Rivals { section: "portal", keys: ["secret", "secret_file"] }],
    environment: None,
};

/// Every key, in the manual's order.
#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    // -- [portal]
    key("portal", "listen", Kind::Listen, Value("0.0.0.0:8000"),
        "the plain listener, meant to stand behind a TLS terminator"),
    key("portal", "secret", Kind::Secret, Nothing("exactly one of `secret` and `secret_file`"),
        "32 bytes in base64, the same as the engine's"),
    key("portal", "secret_file", Kind::Path, Nothing("exactly one of `secret` and `secret_file`"),
        "file that holds the secret"),
    key("portal", "previous_secret_file", Kind::Path, Nothing("none"),
        "also opens payloads, while a secret is changed"),
    key("portal", "engine", Kind::Url, Nothing("none"),
        "the engine's Control API, for acknowledgements").later(),
    key("portal", "engine_cert", Kind::Path, Nothing("none"),
        "the certificate that the Control API must have").later(),
    key("portal", "relay_key_file", Kind::Path, Nothing("none"),
        "what the portal shows to the Control API").later(),
    key("portal", "tls_cert", Kind::Path, Nothing("none"),
        "certificate for browsers").later(),
    key("portal", "tls_key", Kind::Path, Nothing("none"),
        "its private key").later(),
    key("portal", "ca_file", Kind::Path, Nothing("none"),
        "the inspection CA that visitors may install").later(),
    key("portal", "content", Kind::Path, Nothing("none"),
        "folder that replaces texts and templates").later(),
    key("portal", "report_mistakes", Kind::Switch, Value("false"),
        "whether a visitor may report a mistake").later(),
    // -- [logging]
    type_key("console", "where lines go; `console` is standard error, `syslog` the facility daemon"),
    file_key(Nothing("required where `type` is `file`"), "the log file"),
    socket_key(),
    level_key("notice"),
    format_key(),
];
