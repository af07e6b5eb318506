//! The operator's tools. `egpolicy` checks and formats policy files without an engine.

pub mod egpolicy;
pub mod exit;
pub mod forms;
pub mod render;
