//! What keeps a session honest between batches: pings, and a farewell with a reason.

use crate::frame::FrameFault;

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The sender is ending in good order.
    Draining,
    /// A frame or batch could not be read, or passed a bound.
    Broken,
    /// A frame that does not belong here.
    Unexpected,
    /// More queries without an answer than agreed.
    InFlight,
    /// Nothing was heard for too long.
    Silent,
    /// An operator ended it.
    Teardown,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Draining,
        Self::Broken,
        Self::Unexpected,
        Self::InFlight,
        Self::Silent,
        Self::Teardown,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Draining => 1,
            Self::Broken => 2,
            Self::Unexpected => 3,
            Self::InFlight => 4,
            Self::Silent => 5,
            Self::Teardown => 6,
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
            Self::Draining => "draining",
            Self::Broken => "broken",
            Self::Unexpected => "unexpected",
            Self::InFlight => "in-flight",
            Self::Silent => "silent",
            Self::Teardown => "teardown",
        }
    }
}

/// The end of a session, said aloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub reason: CloseReason,
    /// For the log.
    pub text: String,
}

impl Close {
    /// Appends the whole frame; a long text is cut.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn write(&self, _out: &mut Vec<u8>) -> Result<(), FrameFault> {
        Ok(())
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When the body is not a farewell.
    pub fn read(_body: &[u8]) -> Result<Self, FrameFault> {
        Err(FrameFault::BadLength)
    }
}

/// Appends a ping; the peer sends the number back in a pong.
///
/// # Errors
/// Never in practice; the frame's bound.
pub fn write_ping(_out: &mut Vec<u8>, _number: u64) -> Result<(), FrameFault> {
    Ok(())
}

/// Appends the pong to a ping of this number.
///
/// # Errors
/// Never in practice; the frame's bound.
pub fn write_pong(_out: &mut Vec<u8>, _number: u64) -> Result<(), FrameFault> {
    Ok(())
}

/// The number in the body of a ping or a pong.
///
/// # Errors
/// When the body is neither.
pub fn read_number(_body: &[u8]) -> Result<u64, FrameFault> {
    Err(FrameFault::BadLength)
}
