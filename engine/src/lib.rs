//! The daemon `enforcegate-engine`: everything of it that touches the world.
//!
//! The pure half, rules and verdicts, is `eg-policy`; the wire is `eg-proto`. This crate alone knows
//! both, and in it only `convert` names both.
//!
//! INVARIANT: the request path touches neither disk nor DuckDB, and only `store` knows DuckDB.

pub mod start;
mod prompt;

pub mod daemon;
pub mod policy_thread;
mod asks;
mod policy_desk;
mod policy_history;
mod policy_commit;
mod policy_confirm;
mod policy_log;
mod watch;

pub mod config;
pub mod process;
pub mod tls;

// -- the data plane, in the order in which a request meets it
pub mod bind;
pub mod transport;
pub mod listener;
mod worker;
mod link;
pub mod handshake;
mod session;
mod answer;
mod convert;
pub mod view;
pub mod audit;
pub mod portal_link;
mod tags;
pub mod refusals;
mod neighbors;
pub mod shadow;

// -- the policy's life cycle
pub mod sources;
mod stamp;
mod edits;

pub mod reload;
pub mod backup;
pub mod git;
mod watch_files;

// -- the control plane
mod control;

// -- state at rest
pub mod store;
