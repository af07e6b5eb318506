//! The three schemes that a request may have. Every other one is malformed: what we do not know, we do
//! not let through.

use serde::{Deserialize, Serialize};

/// How the origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`, and every CONNECT
    Https,
    /// `ftp://`
    Ftp,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Ftp];

    /// The scheme as it stands before `://`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ftp => "ftp",
        }
    }

    /// The port that a canonical text leaves out.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Ftp => 21,
        }
    }

    /// The scheme that these bytes spell, in any case.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| bytes.eq_ignore_ascii_case(scheme.word().as_bytes()))
    }
}
