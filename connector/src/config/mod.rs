//! `squid-connector.conf`: from TOML to a [`Config`] that cannot be wrong.
//!
//! Every fault of a file is reported at once, with its line and column. Nothing here touches the
//! network, and a fault never prints a key.

mod reader;
mod settings;

pub use reader::{ConfigFaults, Fault};
pub use settings::{
    Answer, Config, ConnectorSettings, EngineConfig, FailAction, LogFormat, LogLevel, LogSettings,
    LogType, Pin, TlsFailAction, Weakening,
};
