//! The configuration: validated once, immutable afterwards (SPEC 2).
//!
//! The way of a setting: `file` reads TOML into settings with their places, `env` and the flags lay
//! what overrides them on top, `settle` turns the sum into a [`Config`] or into every fault at once.
//! `v1` is the one description of all keys, from which the manual's table is checked too.

mod args;
mod load;

mod connectors;
mod env;
mod fault;
mod file;
mod notices;
mod secret;
mod settings;
mod settle;
mod table;
mod types;

pub mod v1;

pub use args::{Args, Mode, Shown, version};
pub use fault::{ConfigFault, ConfigFaults, Origin, nearest};
pub use load::{Loaded, Overrides, load, load_text};
pub use notices::{Weakening, weakenings};
pub use types::{
    Aaa, AckKey, AuditConfig, BackendChoice, CaptivePortal, Cluster, Config, ConnectorConfig,
    Control, Database, GitMode, Global, Identities, Learning, Level, License, LogFormat, LogType,
    Logging, Metrics, OnFailure, PolicyConfig, RedactQuery, RedirectStatus, Switch, TimeZoneChoice,
    Transport, Verdicts,
};

#[cfg(test)]
mod tests;
