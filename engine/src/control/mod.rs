//! The Control API: what operators' tools ask of the engine, as HTTP/1.1 with JSON (SPEC 10).
//!
//! One table of routes (`routes`) for every door. The door of this machine is a UNIX socket (`local`):
//! who may open it can replace the engine anyway, so the system's word on who connects is enough. The
//! door for other machines, with TLS and accounts, will serve the same routes.
//!
//! INVARIANT: a handler that acts takes an [`operator::Operator`], and only a door makes one.
//! INVARIANT: nothing of this runs on a thread that serves connectors.

mod answer;
pub(crate) mod auth;
mod edit;
mod editors;
mod explain;
pub(crate) mod faults;
mod history;
mod local;
mod operator;
mod policy;
mod routes;
mod rules;
pub(crate) mod shape;
mod told;

pub(crate) use local::{Control, ControlParts};
