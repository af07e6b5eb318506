//! Asks an engine: one request of HTTP/1.1 a connection, over its control socket or over TLS. Plain and
//! blocking; the head of an answer is read by httparse, TLS is rustls.
//!
//! INVARIANT: nothing is sent over TLS before the engine's certificate was compared with a pin.

mod ask;
mod fault;
mod door;
mod http;
mod pin;
mod known;
#[cfg(test)]
pub(crate) mod fake;

pub use ask::{Answer, Client};
pub use door::{Door, Https, seen};
pub use fault::ClientFault;
pub(crate) use http::encoded;
pub use known::{KnownEngines, KnownFault};
pub use pin::{Fingerprint, Pin, PinFault};

/// Installs the one TLS provider of the process. Every `main` calls it first; a second call in a
/// process changes nothing.
pub fn install_provider() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
