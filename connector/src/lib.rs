//! `enforcegate-squid-connector`: Squid's helper, in one of two roles.
//!
//! Squid writes a line for every request, or for every `ClientHello`; the connector asks an engine over
//! Defendr and answers in one of few shapes. One thread, one `poll`; every line is answered within its
//! deadline, by an engine or without one (`fallback`).
//!
//! The way of a request: `lines`, `role` (`rewrite::line` or `acl::line`, to a `helper::Question`),
//! `pipeline` with its table `inflight` and its books `ledger`, `link`, back through `pipeline`,
//! `rewrite::reply` or `acl::reply`. `run` moves the bytes, `squid_conf` prints what Squid has to be
//! told.

pub mod acl;
mod args;
pub mod config;
pub mod fallback;
pub mod helper;
pub mod inflight;
pub mod ledger;
pub mod lines;
pub mod link;
pub mod pipeline;
mod program;
pub mod rewrite;
pub mod role;
pub mod run;
mod squid_conf;

pub use program::{Ended, main_with};
