//! The operator's tools. `egpolicy` checks and formats policy files without an engine, and has an engine
//! load them; `egctl` asks an engine and tells it what to do, by commands or in a shell.

pub mod egpolicy;
pub mod egctl;
pub mod shell;
pub mod session;
pub mod client;
pub mod config;
pub mod exit;
pub mod forms;
pub mod receipt;
pub mod render;
