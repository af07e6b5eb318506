//! The canonical request: the one form of a URI that matchers accept (SPEC 4, ADR 0008).
//!
//! It works on bytes and is total: a canonical request, or `Malformed` with its reason. It reads the
//! same host as Squid does; no general URL library decides here.
//!
//! ```text
//! authority.rs   user-info, host, port        host.rs     names to A-labels
//! path.rs        the canonical path and query address.rs  every spelling of an address
//! aggressive.rs  the view of a lenient origin request.rs  all of it: CanonicalUri and its views
//! prefix.rs      the literal of a rule        suffix.rs   public suffixes
//! ```
//!
//! INVARIANT: the canonical text, parsed again, is itself; a request that cannot be read is never
//! guessed at.

mod address;
mod aggressive;
mod authority;
mod host;
mod malformed;
mod path;
mod prefix;
mod request;
mod scheme;
mod suffix;

pub use address::parse_address;
pub use host::{Domain, Host, Parents};
pub use malformed::Malformed;
pub use prefix::UriPrefix;
pub(crate) use request::write_authority;
pub use request::{CanonicalUri, Form, PathKnown, URI_BYTES_MAX, UriBuffer, View, ViewName};
pub use scheme::Scheme;
pub use suffix::{SuffixKind, public_suffix};

#[cfg(test)]
mod tests;
