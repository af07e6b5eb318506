//! `enforcegate-squid-connector`: Squid's helper.
//!
//! Squid writes a line for every request; the connector asks an engine over Defendr and answers
//! with one of two shapes. One thread, one `poll`; every request is answered within its deadline,
//! by an engine or without one (`fallback`).
//!
//! The way of a request: `lines`, `rewrite::line`, `pipeline` with its table `inflight`, `link`,
//! back through `pipeline`, `rewrite::reply`. `run` moves the bytes, `squid_conf` prints what Squid
//! has to be told.

mod args;
pub mod config;
pub mod fallback;
pub mod inflight;
pub mod lines;
pub mod link;
pub mod pipeline;
mod program;
pub mod rewrite;
pub mod run;
mod squid_conf;

pub use program::{Ended, main_with};
