//! Benches that are commands: each measures ours, where there is one beside a rival in the same run.

pub mod chain;

pub mod regex;
