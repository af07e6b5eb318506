//! Benches that are commands: each measures ours beside a rival in the same run.

pub mod chain;
