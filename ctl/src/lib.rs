//! The operator's tools. `egpolicy` checks and formats policy files without an engine, and has an engine
//! load them.

pub mod egpolicy;
pub mod client;
pub mod config;
pub mod exit;
pub mod forms;
pub mod receipt;
pub mod render;
