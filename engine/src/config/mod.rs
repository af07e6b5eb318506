//! The configuration: validated once, immutable afterwards (SPEC 2).
//!
//! The way of a setting: `file` reads TOML into settings with their places, `env` and `args` lay
//! what overrides them on top, `settle` turns the sum into a [`Config`] or into every fault at once.
//! `v1` is the one description of all keys, from which the manual's table is checked too.

mod types;

pub use types::{
    Aaa, AckKey, AuditConfig, BackendChoice, CaptivePortal, Cluster, Config, ConnectorConfig,
    Control, Database, GitMode, Global, Identities, Learning, Level, License, LogFormat, LogType,
    Logging, Metrics, OnFailure, PolicyConfig, RedactQuery, RedirectStatus, Switch, TimeZoneChoice,
    Transport, Verdicts,
};
