//! The way to an engine: one link at a time, over TLS, driven by hand.
//!
//! `rotation` says which engine and when, `resolve` finds its addresses, `session` speaks with it.
//! Left out on purpose: what is asked and answered, which is `pipeline`'s.

mod resolve;
mod rotation;
mod route;
mod session;
mod tls;

pub use route::{Identity, Link, LinkEvent, LinkFault, Load};
