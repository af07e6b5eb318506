//! Benches that are commands: ours beside a rival in the same run, or ours in good times and bad.

pub mod chain;
pub mod control_flood;
pub mod failover;
pub mod regex;
pub mod reload;
pub mod reload_under_load;
