//! The ways to the engines: a link each, over TLS, driven by hand, and the choice among them.
//!
//! `links` holds them all; `choice` and `backoff` say which are tried and asked, and when; `route` is
//! the way to one engine, `resolve` finds its addresses, `session` speaks with it.
//! Left out on purpose: what is asked and answered, which is `pipeline`'s.

mod number;
mod links;
mod choice;
mod backoff;
mod route;
mod resolve;
mod stream;
mod session;
mod tls;

pub use choice::Ranked;
pub use links::{Links, Load, ask_again_after};
pub use number::{ENGINES_MAX, LinkNumber, LinkSet};
pub use route::{Identity, LinkEvent, LinkFault, Route};
