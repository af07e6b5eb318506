//! What keeps a session honest between batches: pings, and a farewell with a reason.

use crate::frame::{FrameFault, FrameKind, FrameWriter};
use crate::limits::TEXT_BYTES_MAX;
use crate::wire::{Reader, cut_text, plain_text, put_long};

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The sender is ending in good order.
    Draining,
    /// A frame or batch could not be read, or passed a bound.
    Broken,
    /// A frame that does not belong here.
    Unexpected,
    /// More queries without an answer than agreed; reserved, this version's engine does not say it.
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
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameFault> {
        let mut frame = FrameWriter::begin(out, FrameKind::Close);
        frame.body().push(self.reason.number());
        put_long(frame.body(), cut_text(&self.text, TEXT_BYTES_MAX).as_bytes());
        frame.finish()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When the body is not a farewell.
    pub fn read(body: &[u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let reason = reader.u8().and_then(CloseReason::from_number);
        let text = reader.long().and_then(|text| plain_text(text, TEXT_BYTES_MAX));
        match (reason, text, reader.skip_fields()) {
            (Some(reason), Some(text), Some(())) => Ok(Self { reason, text: text.to_owned() }),
            (None, _, _) | (_, None, _) | (_, _, None) => Err(FrameFault::Unreadable),
        }
    }
}

/// Appends a ping; the peer sends the number back in a pong.
///
/// # Errors
/// Never in practice; the frame's bound.
pub fn write_ping(out: &mut Vec<u8>, number: u64) -> Result<(), FrameFault> {
    write_number(out, FrameKind::Ping, number)
}

/// Appends the pong to a ping of this number.
///
/// # Errors
/// Never in practice; the frame's bound.
pub fn write_pong(out: &mut Vec<u8>, number: u64) -> Result<(), FrameFault> {
    write_number(out, FrameKind::Pong, number)
}

fn write_number(out: &mut Vec<u8>, kind: FrameKind, number: u64) -> Result<(), FrameFault> {
    let mut frame = FrameWriter::begin(out, kind);
    frame.body().extend_from_slice(&number.to_be_bytes());
    frame.finish()
}

/// The number in the body of a ping or a pong.
///
/// # Errors
/// When the body is neither.
pub fn read_number(body: &[u8]) -> Result<u64, FrameFault> {
    body.try_into().map(u64::from_be_bytes).map_err(|_| FrameFault::BadLength)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::FrameBuffer;

    fn body_of(bytes: &[u8], kind: FrameKind) -> Vec<u8> {
        let mut buffer = FrameBuffer::new();
        buffer.spare()[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
        let frame = buffer.next().unwrap().unwrap();
        assert_eq!(frame.kind, kind);
        frame.body.to_vec()
    }

    #[test]
    fn a_farewell_arrives() {
        for reason in CloseReason::ALL {
            let close = Close { reason: *reason, text: "so long".to_owned() };
            let mut out = Vec::new();
            close.write(&mut out).unwrap();
            assert_eq!(Close::read(&body_of(&out, FrameKind::Close)), Ok(close));
        }
    }

    #[test]
    fn a_farewell_is_cut_and_cleaned() {
        let close = Close { reason: CloseReason::Broken, text: "a\n".repeat(TEXT_BYTES_MAX) };
        let mut out = Vec::new();
        close.write(&mut out).unwrap();
        let read = Close::read(&body_of(&out, FrameKind::Close)).unwrap();
        assert_eq!(read.text, "a".repeat(TEXT_BYTES_MAX));
    }

    #[test]
    fn a_faulty_farewell_is_refused() {
        let faulty: [&[u8]; 6] =
            [b"", b"\x01", b"\x63\0\0", b"\x01\0\x02a", b"\x01\0\x01\n", b"\x01\0\0\x05\0\0"];
        for body in faulty {
            assert_eq!(Close::read(body), Err(FrameFault::Unreadable), "{body:?}");
        }
        assert!(Close::read(b"\x01\0\0\x80\0\x01x").is_ok(), "a field to skip");
    }

    #[test]
    fn pings_and_pongs_carry_their_number() {
        let mut out = Vec::new();
        write_ping(&mut out, 7).unwrap();
        assert_eq!(read_number(&body_of(&out, FrameKind::Ping)), Ok(7));
        out.clear();
        write_pong(&mut out, u64::MAX).unwrap();
        assert_eq!(read_number(&body_of(&out, FrameKind::Pong)), Ok(u64::MAX));
        assert!(read_number(b"1234567").is_err());
        assert!(read_number(b"123456789").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_survived(body: Vec<u8>) {
            let _ = Close::read(&body);
            let _ = read_number(&body);
        }
    }
}
