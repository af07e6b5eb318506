//! The messages before the first query: who speaks, what is agreed, and what a connector needs when
//! it is alone. Their bytes are written and read in `greeting`, the proof is made in `handshake`.

use std::fmt;

use crate::answer::Route;
use crate::key::ConnectorName;
use crate::limits::{
    BASE_URL_BYTES_MAX, ENGINE_BYTES_MAX, FAILURE_TOKEN_BYTES_MAX, FAILURE_TOKENS_MAX,
    ROUTE_BYTES_MAX,
};
use crate::wire::{is_base64url, plain_text};

/// A number drawn at random when a connector starts; with a query's id it names one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub u128);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// How the connector's Squid looks into TLS: its `inspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Inspect {
    /// Not at all.
    #[default]
    Off,
    /// The SNI only; what is permitted stays private.
    Peek,
    /// Tunnels are decrypted, and their requests are asked about.
    Bump,
}

impl Inspect {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Peek => 1,
            Self::Bump => 2,
        }
    }

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Off,
            1 => Self::Peek,
            2 => Self::Bump,
            _ => return None,
        })
    }
}

/// What a connector says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The versions that it speaks, best first.
    pub versions: Vec<u16>,
    /// Its name, which chooses the key.
    pub connector: ConnectorName,
    /// The number of this run.
    pub run: RunId,
    /// 32 random bytes.
    pub nonce: [u8; 32],
    /// How its Squid looks into TLS.
    pub inspect: Inspect,
}

/// What the engine says to a name that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The version that both speak from here on.
    pub version: u16,
    /// 32 random bytes.
    pub nonce: [u8; 32],
}

/// The connector's proof of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// HMAC-SHA256; see `handshake`.
    pub mac: [u8; 32],
}

/// What the engine tells a connector that proved itself: all it needs when it is alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Where the portal is.
    pub base_url: String,
    /// The portal's pages below it.
    pub routes: Routes,
    /// 302, 303 or 307.
    pub redirect_status: u16,
    /// The engine's version, for logs.
    pub engine: String,
    /// After so many milliseconds without a byte a side pings; after three times as many it closes.
    pub keepalive_ms: u32,
    /// How many queries may be without an answer.
    pub in_flight_max: u32,
    /// Sealed tokens for the connector's own failures.
    pub tokens: Vec<FailureToken>,
}

/// Terms that no connector could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the terms for connectors cannot be sent: {0}")]
pub struct BadTerms(pub &'static str);

impl Terms {
    /// Whether a connector can use these: both ends ask, since they go into lines for Squid.
    ///
    /// # Errors
    /// Says which part cannot be used.
    pub fn check(&self) -> Result<(), BadTerms> {
        let scheme = self.base_url.starts_with("http://") || self.base_url.starts_with("https://");
        if !scheme || self.base_url.len() > BASE_URL_BYTES_MAX || !is_address(&self.base_url) {
            return Err(BadTerms("base_url is no http or https URL of at most 400 bytes"));
        }
        for route in Route::ALL {
            let path = self.routes.path(*route);
            if !path.starts_with('/') || path.len() > ROUTE_BYTES_MAX || !is_address(path) {
                return Err(BadTerms("a route is no path of at most 64 bytes"));
            }
        }
        if !matches!(self.redirect_status, 302 | 303 | 307) {
            return Err(BadTerms("redirect_status is none of 302, 303 and 307"));
        }
        if plain_text(self.engine.as_bytes(), ENGINE_BYTES_MAX).is_none() {
            return Err(BadTerms("the engine's version is longer than 64 bytes or not plain"));
        }
        if self.keepalive_ms == 0 || self.in_flight_max == 0 {
            return Err(BadTerms("keepalive and in-flight bound must not be 0"));
        }
        let fits = |token: &FailureToken| {
            let bytes = token.token.as_bytes();
            !bytes.is_empty() && bytes.len() <= FAILURE_TOKEN_BYTES_MAX && is_base64url(bytes)
        };
        if self.tokens.len() > FAILURE_TOKENS_MAX || !self.tokens.iter().all(fits) {
            return Err(BadTerms("a failure token is empty, too long or not base64url"));
        }
        Ok(())
    }

    /// The token for a cause, where the engine sent one.
    #[must_use]
    pub fn token(&self, cause: FailureCause) -> Option<&str> {
        self.tokens.iter().find(|token| token.cause == cause).map(|token| token.token.as_str())
    }
}

/// Whether a text can stand in a URL and in a line for Squid as it is.
fn is_address(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>'))
}

/// The portal's pages as paths below `base_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// For deny.
    pub blocked: String,
    /// For warn.
    pub warned: String,
    /// For aup.
    pub aup: String,
}

impl Routes {
    /// The path of a route.
    #[must_use]
    pub fn path(&self, route: Route) -> &str {
        match route {
            Route::Blocked => &self.blocked,
            Route::Warned => &self.warned,
            Route::Aup => &self.aup,
        }
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            blocked: Route::Blocked.path().to_owned(),
            warned: Route::Warned.path().to_owned(),
            aup: Route::Aup.path().to_owned(),
        }
    }
}

/// The engine's proof and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// HMAC-SHA256; see `handshake`.
    pub mac: [u8; 32],
    /// What is agreed.
    pub terms: Terms,
}

/// Why a connector had to answer without an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureCause {
    /// No engine could be reached.
    NoEngine,
    /// No answer came in time.
    Timeout,
    /// The answer could not be read.
    BrokenAnswer,
    /// Squid's line could not be read.
    UnreadableLine,
    /// More requests than the connector may hold.
    Overload,
}

impl FailureCause {
    /// Every cause.
    pub const ALL: &'static [Self] =
        &[Self::NoEngine, Self::Timeout, Self::BrokenAnswer, Self::UnreadableLine, Self::Overload];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::NoEngine => 1,
            Self::Timeout => 2,
            Self::BrokenAnswer => 3,
            Self::UnreadableLine => 4,
            Self::Overload => 5,
        }
    }

    /// The cause of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.number() == number)
    }

    /// The word for counters and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoEngine => "no-engine",
            Self::Timeout => "timeout",
            Self::BrokenAnswer => "broken-answer",
            Self::UnreadableLine => "unreadable-line",
            Self::Overload => "overload",
        }
    }

    /// The sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoEngine => "the filter could not be reached",
            Self::Timeout => "the filter did not answer in time",
            Self::BrokenAnswer => "the filter's answer could not be read",
            Self::UnreadableLine => "the proxy's question could not be read",
            Self::Overload => "more requests came at once than the filter may hold",
        }
    }
}

/// A token for one cause, sealed like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureToken {
    /// When to show it.
    pub cause: FailureCause,
    /// The token, base64url.
    pub token: String,
}

/// Why the engine refuses a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedReason {
    /// No table has this name.
    UnknownConnector,
    /// The source address is not among the connector's `peers`.
    AddressNotAllowed,
    /// The proof does not hold.
    WrongKey,
    /// No version in common.
    Version,
    /// The message cannot be read, or came at the wrong moment.
    Malformed,
    /// As many sessions as are allowed are open.
    SessionLimit,
    /// The engine is ending.
    Draining,
}

impl RefusedReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::UnknownConnector,
        Self::AddressNotAllowed,
        Self::WrongKey,
        Self::Version,
        Self::Malformed,
        Self::SessionLimit,
        Self::Draining,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::UnknownConnector => 1,
            Self::AddressNotAllowed => 2,
            Self::WrongKey => 3,
            Self::Version => 4,
            Self::Malformed => 5,
            Self::SessionLimit => 6,
            Self::Draining => 7,
        }
    }

    /// The reason of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.number() == number)
    }

    /// The word for counters and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownConnector => "unknown-connector",
            Self::AddressNotAllowed => "address-not-allowed",
            Self::WrongKey => "wrong-key",
            Self::Version => "version",
            Self::Malformed => "malformed",
            Self::SessionLimit => "session-limit",
            Self::Draining => "draining",
        }
    }

    /// The sentence for people: what is wrong and what to do.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::UnknownConnector => {
                "the engine knows no connector of this name; add its table to engine.conf"
            }
            Self::AddressNotAllowed => {
                "this address may not speak as this connector; see its `peers` in engine.conf"
            }
            Self::WrongKey => {
                "the proof of the key does not hold: the keys differ, or somebody stands between"
            }
            Self::Version => "the two ends speak no version in common; update the older one",
            Self::Malformed => "the message cannot be read or came at the wrong moment",
            Self::SessionLimit => "as many sessions as are allowed are open",
            Self::Draining => "the engine is ending",
        }
    }
}

/// The engine's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// For the log.
    pub text: String,
}

/// What a connector did alone since its last session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many answers it gave out of its own tokens, by cause.
    pub fallbacks_used: Vec<(FailureCause, u64)>,
    /// How many queries it asked a second engine.
    pub asked_again: u64,
    /// How many answers came after their deadline.
    pub late: u64,
}
