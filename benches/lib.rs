//! Benches that are commands: ours beside a rival in the same run, or ours in good times and bad.

pub mod chain;
pub mod failover;
pub mod regex;
pub mod reload;
