//! The daemon `enforcegate-engine`: everything of it that touches the world.
//!
//! The pure half, rules and verdicts, is `eg-policy`; the wire is `eg-proto`. This crate alone knows
//! both, and in it only `convert` names both.
//!
//! INVARIANT: the request path touches neither disk nor DuckDB, and only `store` knows DuckDB.

pub mod config;

// -- the data plane, in the order in which a request meets it
mod answer;
pub mod audit;
mod convert;
pub mod handshake;
mod link;
pub mod listener;
pub mod portal_link;
pub mod refusals;
mod session;
pub mod view;
mod worker;
