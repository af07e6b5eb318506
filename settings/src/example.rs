//! A small description for this crate's tests, with one of everything.

use crate::key::{Description, Environment, Fallback, Family, Key, Kind, Rivals, ShortName, key};
use crate::log::{file_key, format_key, level_key, socket_key, type_key};
use Fallback::{Nothing, Value};

/// The family.
pub(crate) const CONNECTORS: &str = "connectors.<name>";

/// The description.
pub(crate) const EXAMPLE: Description = Description {
    keys: KEYS,
    families: &[Family { section: CONNECTORS, noun: "a connector" }],
    rivals: &[Rivals { section: CONNECTORS, keys: ["key", "key_file"] }],
    environment: Some(Environment {
        prefix: "ENFORCEGATE_",
        short: &[
            ShortName { name: "ENGINE_CONTROL_API_IP", section: "control", key: "ip" },
            ShortName { name: "ENGINE_LICENSE_PASSWORD", section: "license", key: "password" },
        ],
        others: &["ENFORCEGATE_SSL_INSPECT"],
    }),
};

#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    key("", "diagnostic_file", Kind::Path, Value("/d.json"), "where a cause goes").later(),
    key("global", "threads", Kind::Integer { least: 1, most: 256 }, Value("4"), "workers"),
    key(CONNECTORS, "port", Kind::Integer { least: 1, most: 65535 }, Value("11224"), "the port"),
    key(CONNECTORS, "key", Kind::Secret, Nothing("exactly one"), "the key"),
    key(CONNECTORS, "key_file", Kind::Path, Nothing("exactly one"), "its file").reread(),
    key(CONNECTORS, "peers", Kind::Networks, Nothing("loopback"), "who may speak"),
    key("license", "password", Kind::Secret, Nothing("none"), "never shown").later(),
    key("policy", "path", Kind::Path, Value(""), "where rules are"),
    key("policy", "watch", Kind::Switch, Value("false"), "reload by itself").later_but(&["false"]),
    key("control", "ip", Kind::Address, Value("127.0.0.1"), "where it is bound"),
    key("control", "port", Kind::Integer { least: 1, most: 65535 }, Value("11225"), "the port"),
    type_key("console", "where lines go"),
    file_key(Nothing("none"), "the log file"),
    socket_key(),
    level_key("error"),
    format_key(),
];
