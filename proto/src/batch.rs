//! A frame that holds a batch of records: a count, then each record behind its length.
//!
//! What a record is stands in `query` and `answer`; here is only how they are packed, once for both.

use crate::frame::{FrameFault, FrameKind, FrameWriter};
use crate::limits::{BATCH_MAX, FRAME_BYTES_MAX};

/// Whether a record went into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is in.
    Taken,
    /// The frame is full; finish it, begin another and push again.
    Full,
}

/// Writes a frame of records.
#[derive(Debug)]
pub(crate) struct BatchWriter<'o> {
    frame: FrameWriter<'o>,
    count: u16,
}

impl<'o> BatchWriter<'o> {
    /// Begins a frame behind what `out` holds.
    pub(crate) fn begin(out: &'o mut Vec<u8>, kind: FrameKind) -> Self {
        let mut frame = FrameWriter::begin(out, kind);
        frame.body().extend_from_slice(&[0, 0]);
        Self { frame, count: 0 }
    }

    /// Appends a record of exactly `record` bytes, which `write` puts behind what is there.
    pub(crate) fn push(&mut self, record: usize, write: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        let whole = self.frame.body_len() + 4 + record;
        let Ok(length) = u32::try_from(record) else { return Pushed::Full };
        if usize::from(self.count) >= BATCH_MAX || whole > FRAME_BYTES_MAX {
            return Pushed::Full;
        }
        let body = self.frame.body();
        body.reserve(4 + record);
        body.extend_from_slice(&length.to_be_bytes());
        write(body);
        self.count += 1;
        Pushed::Taken
    }

    /// How many records the frame holds.
    pub(crate) const fn count(&self) -> u16 {
        self.count
    }

    /// How long the frame's body is by now.
    pub(crate) const fn body_bytes(&self) -> usize {
        self.frame.body_len()
    }

    /// Ends the frame and gives the number of its records; an empty one leaves nothing.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub(crate) fn finish(mut self) -> Result<u16, FrameFault> {
        if self.count == 0 {
            return Ok(0);
        }
        self.frame.patch_u16(0, self.count);
        self.frame.finish()?;
        Ok(self.count)
    }
}
