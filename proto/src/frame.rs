//! Frames: what crosses the wire in one piece, and a buffer that hands them out without a copy.
//!
//! A frame is a `u32` length of its body (big-endian), a `u8` kind, and the body.
//!
//! INVARIANT: a `FrameBuffer` never holds more than one frame head and the longest body; a longer
//! announced length is a fault before any of the body is kept.

use crate::limits::{
    FRAME_BUFFER_BYTES_START, FRAME_BYTES_MAX, FRAME_HEAD_BYTES, HANDSHAKE_FRAME_BYTES_MAX,
};

/// What a frame's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Connector: who I am, which versions I speak.
    Hello = 1,
    /// Engine: the version chosen, a nonce.
    Challenge = 2,
    /// Connector: the proof of the key.
    Proof = 3,
    /// Engine: its own proof, and what the connector needs when it is alone.
    Welcome = 4,
    /// Engine: no, and why.
    Refused = 5,
    /// Connector: what it had to do alone since the last session.
    Report = 6,
    /// Connector: a batch of queries.
    Queries = 16,
    /// Engine: a batch of answers.
    Answers = 17,
    /// Either: are you there?
    Ping = 32,
    /// Either: yes.
    Pong = 33,
    /// Either: the session ends, and why.
    Close = 34,
}

impl FrameKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Hello,
        Self::Challenge,
        Self::Proof,
        Self::Welcome,
        Self::Refused,
        Self::Report,
        Self::Queries,
        Self::Answers,
        Self::Ping,
        Self::Pong,
        Self::Close,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Challenge,
            3 => Self::Proof,
            4 => Self::Welcome,
            5 => Self::Refused,
            6 => Self::Report,
            16 => Self::Queries,
            17 => Self::Answers,
            32 => Self::Ping,
            33 => Self::Pong,
            34 => Self::Close,
            _ => return None,
        })
    }
}

/// Why bytes are not a frame, or a body not a batch. The session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The announced body is longer than the bound.
    #[error("a frame of {announced} bytes is longer than the {allowed} that are allowed")]
    TooLong {
        /// What the head says.
        announced: u64,
        /// What is allowed at this point.
        allowed: u64,
    },
    /// No kind has this number.
    #[error("no frame has the kind {0}")]
    UnknownKind(u8),
    /// The body ends before what it announces, or goes on behind it.
    #[error("the body of a frame does not have the length that it says")]
    BadLength,
    /// The body of a message holds what it must not.
    #[error("the body of a frame cannot be read")]
    Unreadable,
    /// More records than a batch may have, or none.
    #[error("a batch of {0} records is empty or larger than allowed")]
    BadCount(u32),
}

/// One frame, borrowed from the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: FrameKind,
    /// Its body.
    pub body: &'a [u8],
}

/// Where received bytes become frames, without a copy.
///
/// Read into `spare`, say `filled`, then take frames with `next` until there is none.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    body_max: usize,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuffer {
    /// A buffer for a session whose peer has proved itself.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, body_max: FRAME_BYTES_MAX }
    }

    /// A buffer for a peer that has not proved anything yet: `HANDSHAKE_FRAME_BYTES_MAX`.
    #[must_use]
    pub const fn for_handshake() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, body_max: HANDSHAKE_FRAME_BYTES_MAX }
    }

    /// Allows frames of `FRAME_BYTES_MAX` from now on: the peer has proved the key.
    pub const fn widen(&mut self) {
        self.body_max = FRAME_BYTES_MAX;
    }

    /// Where the next bytes go. Never empty after `next` has given `None`.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.start > 0 && self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let whole = FRAME_HEAD_BYTES + self.body_max;
        if self.end == self.bytes.len() && self.bytes.len() < whole {
            // PERF: doubled as bytes arrive, so an announced length alone takes no memory.
            let doubled = (self.bytes.len() * 2).clamp(FRAME_BUFFER_BYTES_START, whole);
            self.bytes.resize(doubled, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says how many bytes of `spare` were written; more than there were counts as all.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    /// The next whole frame, `None` where more bytes are needed.
    ///
    /// # Errors
    /// When the head announces too long a body or a kind that does not exist; the session is over.
    #[expect(clippy::should_implement_trait, reason = "it lends, which `Iterator` cannot")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FrameFault> {
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Some((head, rest)) = held.split_first_chunk::<FRAME_HEAD_BYTES>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind] = *head;
        let announced = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > self.body_max {
            let allowed = u64::try_from(self.body_max).unwrap_or(u64::MAX);
            return Err(FrameFault::TooLong { announced: u64::from(announced), allowed });
        }
        let kind = FrameKind::from_number(kind).ok_or(FrameFault::UnknownKind(kind))?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        self.start += FRAME_HEAD_BYTES + length;
        Ok(Some(Frame { kind, body }))
    }
}

/// One frame in the making, at the end of the caller's bytes. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct FrameWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Finished,
}

impl<'o> FrameWriter<'o> {
    /// Starts a frame behind what `out` holds.
    pub fn begin(out: &'o mut Vec<u8>, kind: FrameKind) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, kind.number()]);
        Self { out, start, stage: Stage::Open }
    }

    /// The bytes to append the body to. What stands there must not be changed.
    pub const fn body(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// How long the body is by now.
    #[must_use]
    pub const fn body_len(&self) -> usize {
        self.out.len().saturating_sub(self.start + FRAME_HEAD_BYTES)
    }

    /// Overwrites two bytes of the body, for a count that is known last.
    pub(crate) fn patch_u16(&mut self, at: usize, value: u16) {
        let at = self.start + FRAME_HEAD_BYTES + at;
        if let Some(place) = self.out.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Writes the length into the head.
    ///
    /// # Errors
    /// When the body is longer than a frame may be; the frame is taken back.
    pub fn finish(mut self) -> Result<(), FrameFault> {
        let length = self.body_len();
        let too_long = FrameFault::TooLong {
            announced: u64::try_from(length).unwrap_or(u64::MAX),
            allowed: u64::try_from(FRAME_BYTES_MAX).unwrap_or(u64::MAX),
        };
        if length > FRAME_BYTES_MAX {
            return Err(too_long);
        }
        let announced = u32::try_from(length).map_err(|_| too_long)?;
        if let Some(place) = self.out.get_mut(self.start..self.start + 4) {
            place.copy_from_slice(&announced.to_be_bytes());
        }
        self.stage = Stage::Finished;
        Ok(())
    }
}

impl Drop for FrameWriter<'_> {
    fn drop(&mut self) {
        if self.stage == Stage::Open {
            self.out.truncate(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(kind: FrameKind, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut frame = FrameWriter::begin(&mut out, kind);
        frame.body().extend_from_slice(body);
        frame.finish().unwrap();
        out
    }

    /// Feeds the bytes in pieces of these sizes, round and round, and collects what comes out.
    fn fed(bytes: &[u8], pieces: &[usize]) -> Result<Vec<(FrameKind, Vec<u8>)>, FrameFault> {
        let mut buffer = FrameBuffer::new();
        let mut found = Vec::new();
        let mut rest = bytes;
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let spare = buffer.spare();
            assert!(!spare.is_empty(), "there is always room for the next bytes");
            let count = spare.len().min(rest.len()).min(*piece);
            spare[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            buffer.filled(count);
            while let Some(frame) = buffer.next()? {
                found.push((frame.kind, frame.body.to_vec()));
            }
            assert!(buffer.bytes.len() <= FRAME_HEAD_BYTES + FRAME_BYTES_MAX);
        }
        Ok(found)
    }

    #[test]
    fn kinds_and_numbers_agree() {
        for kind in FrameKind::ALL {
            assert_eq!(FrameKind::from_number(kind.number()), Some(*kind));
        }
        let known = (0..=u8::MAX).filter(|number| FrameKind::from_number(*number).is_some());
        assert_eq!(known.count(), FrameKind::ALL.len());
    }

    #[test]
    fn the_bytes_of_a_frame() {
        assert_eq!(written(FrameKind::Ping, b"12345678"), b"\0\0\0\x08\x2012345678");
        assert_eq!(written(FrameKind::Close, b""), b"\0\0\0\0\x22");
    }

    #[test]
    fn the_longest_frame_passes_and_a_longer_one_does_not() {
        let body = vec![7; FRAME_BYTES_MAX];
        let whole = written(FrameKind::Queries, &body);
        for piece in [1_000, 16_384, 1 << 21] {
            assert_eq!(fed(&whole, &[piece]), Ok(vec![(FrameKind::Queries, body.clone())]));
        }
        let mut out = b"kept".to_vec();
        let mut frame = FrameWriter::begin(&mut out, FrameKind::Queries);
        frame.body().resize(4 + FRAME_HEAD_BYTES + FRAME_BYTES_MAX + 1, 0);
        assert!(matches!(frame.finish(), Err(FrameFault::TooLong { .. })));
        assert_eq!(out, b"kept", "a frame that is too long leaves nothing");
    }

    #[test]
    fn a_long_announcement_is_a_fault_at_once() {
        let mut buffer = FrameBuffer::new();
        let mut head = written(FrameKind::Queries, b"");
        head[..4].copy_from_slice(&(u32::try_from(FRAME_BYTES_MAX).unwrap() + 1).to_be_bytes());
        buffer.spare()[..head.len()].copy_from_slice(&head);
        buffer.filled(head.len());
        assert_eq!(
            buffer.next(),
            Err(FrameFault::TooLong { announced: 1_048_577, allowed: 1_048_576 })
        );
        assert!(buffer.bytes.len() <= FRAME_BUFFER_BYTES_START, "an announcement takes no memory");
    }

    #[test]
    fn a_stranger_gets_little() {
        let mut buffer = FrameBuffer::for_handshake();
        let mut head = written(FrameKind::Hello, b"");
        let length = u32::try_from(HANDSHAKE_FRAME_BYTES_MAX).unwrap() + 1;
        head[..4].copy_from_slice(&length.to_be_bytes());
        buffer.spare()[..head.len()].copy_from_slice(&head);
        buffer.filled(head.len());
        assert!(matches!(buffer.next(), Err(FrameFault::TooLong { .. })));
        buffer.widen();
        assert_eq!(buffer.next(), Ok(None));
    }

    #[test]
    fn an_unknown_kind_is_a_fault() {
        assert_eq!(fed(b"\0\0\0\0\x63", &[5]), Err(FrameFault::UnknownKind(99)));
    }

    #[test]
    fn an_unfinished_frame_leaves_nothing() {
        let mut out = b"kept".to_vec();
        let mut frame = FrameWriter::begin(&mut out, FrameKind::Queries);
        frame.body().extend_from_slice(b"lost");
        assert_eq!(frame.body_len(), 4);
        drop(frame);
        assert_eq!(out, b"kept");
    }

    #[test]
    fn more_than_all_is_all() {
        let mut buffer = FrameBuffer::new();
        buffer.filled(10);
        assert_eq!(buffer.end, 0);
        let room = buffer.spare().len();
        buffer.filled(usize::MAX);
        assert_eq!(buffer.end, room);
    }

    proptest! {
        #[test]
        fn frames_may_be_split_at_any_byte(
            bodies in prop::collection::vec((0..11_usize, prop::collection::vec(any::<u8>(), 0..3_000)), 0..20),
            pieces in prop::collection::vec(1..5_000_usize, 1..8),
        ) {
            let frames: Vec<(FrameKind, Vec<u8>)> =
                bodies.into_iter().map(|(kind, body)| (FrameKind::ALL[kind], body)).collect();
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(kind, body)| written(*kind, body)).collect();
            prop_assert_eq!(fed(&bytes, &pieces), Ok(frames.clone()));
            prop_assert_eq!(fed(&bytes, &[1]), Ok(frames));
        }

        #[test]
        fn arbitrary_bytes_are_survived(bytes: Vec<u8>, pieces in prop::collection::vec(1..50_usize, 1..4)) {
            let _ = fed(&bytes, &pieces);
        }
    }
}
