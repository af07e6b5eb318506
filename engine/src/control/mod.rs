//! The Control API: what operators' tools ask of the engine, as HTTP/1.1 with JSON (SPEC 10).
//!
//! One table of routes (`routes`) for every door, and one way of serving (`serving`). The door of this
//! machine is a UNIX socket (`local`): who may open it can replace the engine anyway, so the system's word
//! on who connects is enough. The door for other machines (`remote`) has TLS and accounts.
//!
//! INVARIANT: a handler that acts takes an [`operator::Operator`], and only a door makes one.
//! INVARIANT: nothing of this runs on a thread that serves connectors.

mod accounts;
mod answer;
pub(crate) mod auth;
mod doors;
mod edit;
mod editors;
mod explain;
pub(crate) mod faults;
mod guard;
mod health;
mod hidden;
mod history;
mod local;
mod log_tail;
mod machine;
mod neighbor;
mod openapi;
mod operator;
mod places;
mod policy;
mod remote;
mod routes;
mod rules;
mod serving;
pub(crate) mod shape;
mod system;
mod told;

pub(crate) use doors::{Control, ControlParts};
pub(crate) use system::System;
