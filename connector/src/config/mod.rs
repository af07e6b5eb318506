//! `squid-connector.conf`: validated once, immutable afterwards.
//!
//! `keys` describes every setting; eg-settings reads the file by it and lays the flags on top; `settle`
//! turns the sum into a [`Config`] or into every fault at once.

mod keys;

mod settle;

mod types;

pub use keys::CONNECTOR_CONF;
pub use settle::Loaded;
pub use types::{
    Answer, Config, ConnectorSettings, EngineAddress, EngineConfig, FailAction, Pin, TlsFailAction,
    Weakening,
};
