//! The literal of a rule, in the same canonical form as requests.

use serde::{Deserialize, Serialize};

use super::malformed::Malformed;
use super::scheme::Scheme;

/// A literal prefix of a canonical URI (`match-uri`). A value without scheme fits any scheme, one
/// without port any port; the host must match whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UriPrefix {
    scheme: Option<Scheme>,
    host: String,
    port: Option<u16>,
    rest: String,
}

impl UriPrefix {
    /// Reads a prefix and gives it canonical form.
    ///
    /// # Errors
    ///
    /// A request like this would be malformed, or the value holds what no request carries: user-info
    /// or a fragment.
    pub fn parse(raw: &str) -> Result<Self, Malformed> {
        let (host, rest) = raw.split_once('/').unwrap_or((raw, ""));
        Ok(Self { scheme: None, host: host.into(), port: None, rest: format!("/{rest}") })
    }

    /// The scheme that it asks for.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The host, as canonical text.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that it asks for.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// What path and query begin with, as canonical text; at least `/`.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Whether a URI of these parts begins with this prefix.
    #[must_use]
    pub fn matches(&self, scheme: Scheme, host_text: &str, port: u16, rest: &[u8]) -> bool {
        self.scheme.is_none_or(|own| own == scheme)
            && self.port.is_none_or(|own| own == port)
            && self.host == host_text
            && rest.starts_with(self.rest.as_bytes())
    }
}
