//! The file's shape: the one description of `squid-connector.conf`. Reader, suggestions and the
//! manual's table come from it; nothing else lists keys.

use Fallback::{Nothing, Value};
use eg_settings::log::{file_key, format_key, level_key, socket_key, type_key};
use eg_settings::{Description, Fallback, Family, Key, Kind, Rivals, key};

/// The section of which there is one for each engine.
pub(super) const ENGINES: &str = "engine.<name>";

/// What `squid-connector.conf` may say.
pub const CONNECTOR_CONF: Description = Description {
    keys: KEYS,
    families: &[Family { section: ENGINES, noun: "an engine" }],
    rivals: &[Rivals { section: ENGINES, keys: ["key", "key_file"] }],
    // Squid starts the connector; what Squid's environment holds is not the operator's word.
    environment: None,
};

/// Every key, in the manual's order. Below 50 ms for an answer a busy machine would refuse everything;
/// above 30 s no browser waits any more.
#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    // -- [engine.<name>]
    key(ENGINES, "host", Kind::Text, Nothing("required with `tcp`"),
        "name or address; the first engine in the file is asked first, the next stands by"),
    key(ENGINES, "port", Kind::Integer { least: 1, most: 65535 }, Value("11224"),
        "the engine's Defendr port, with `tcp`"),
    key(ENGINES, "net", Kind::Word(&["tcp", "socket"]), Value("tcp"),
        "how the engine is reached: over the network, or by a UNIX socket of this machine"),
    key(ENGINES, "path", Kind::Path, Nothing("`/run/enforcegate/<name>.sock`"),
        "the UNIX socket, with `socket`; the name is that of `[connector]`, as on the engine"),
    key(ENGINES, "key", Kind::Secret, Nothing("exactly one of `key` and `key_file`"),
        "the key of this connector in engine.conf, 16 to 128 characters"),
    key(ENGINES, "key_file", Kind::Path, Nothing("exactly one of `key` and `key_file`"),
        "file that holds the key"),
    key(ENGINES, "cert", Kind::Path, Nothing("none"),
        "the engine's certificate in PEM; its public key must be the engine's. Without it a key worth less than 128 bits is refused"),
    // -- [connector]
    key("connector", "name", Kind::Text, Nothing("required"),
        "the table `[connectors.<name>]` in engine.conf"),
    key("connector", "answer", Kind::Word(&["note", "redirect"]), Value("note"),
        "how a verdict is told to Squid; `redirect` only where squid.conf cannot have the gate"),
    key("connector", "fail_action", Kind::Word(&["deny", "permit"]), Value("deny"),
        "what a request gets while no engine can judge it; what cannot be read is denied in either case"),
    key("connector", "fail_url", Kind::Url, Nothing("none"),
        "where clients go while no engine answers; only for `redirect`, needed there with `deny`"),
    key("connector", "answer_timeout_ms", Kind::Integer { least: 50, most: 30_000 }, Value("2000"),
        "how long a request may take; Squid's own timeout must be longer, and the printed one is"),
    key("connector", "inspect", Kind::Word(&["off", "peek", "bump"]), Value("off"),
        "what Squid does with TLS; the engine is told, and `--squid-conf` prints the lines"),
    // -- [ssl_bump_acl]
    key("ssl_bump_acl", "fail_action", Kind::Word(&["terminate", "splice", "bump"]), Value("terminate"),
        "what the role `--acl` says while no engine answers; a line that cannot be read is terminated in either case"),
    // -- [logging]
    type_key("console", "where lines go; `console` is standard error, which Squid copies into cache.log, `syslog` the facility daemon; never standard output"),
    file_key(Nothing("required where `type` is `file`"), "the log file; Squid's user must be able to write it"),
    socket_key(),
    level_key("error"),
    format_key(),
];
