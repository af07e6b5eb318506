//! The messages before the first query: who speaks, what is agreed, and what a connector needs when
//! it is alone. The proof itself is made in `handshake`.

use std::fmt;

use crate::answer::Route;
use crate::key::ConnectorName;

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

impl Report {
    /// Appends the whole frame.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn write(&self, _out: &mut Vec<u8>) -> Result<(), crate::frame::FrameFault> {
        Ok(())
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When the body is not a report.
    pub fn read(_body: &[u8]) -> Result<Self, crate::frame::FrameFault> {
        Ok(Self::default())
    }
}
