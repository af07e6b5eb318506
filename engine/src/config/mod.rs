//! The configuration: validated once, immutable afterwards (SPEC 2).
//!
//! `keys` describes every setting; eg-settings reads the file by it and lays the environment and the
//! flags on top; `settle` turns the sum into a [`Config`] or into every fault at once.

mod args;
mod keys;

mod settle;

mod connectors;
mod notices;
mod types;

pub use args::{Args, Ground, Mode, Shown, version};
pub use keys::ENGINE_CONF;
pub use notices::{Weakening, weakenings};
pub use settle::{Loaded, diagnostic_file, load, load_text};
pub use types::{
    Aaa, AckKey, AuditConfig, BackendChoice, CaptivePortal, Cluster, Config, ConnectorConfig,
    Control, Database, GitMode, Global, Identities, Learning, License, Metrics, OnFailure,
    PolicyConfig, RedactQuery, RedirectStatus, RegexBackend, TimeZoneChoice, Transport, Verdicts,
};

#[cfg(test)]
mod tests;
