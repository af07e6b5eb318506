//! The canonical request: the one form of a URI that matchers accept (SPEC 4, ADR 0008).
//!
//! It works on bytes and is total: a canonical request, or `Malformed` with its reason. It reads the
//! same host as Squid does; no general URL library decides here.
