//! The two hands of the codec: a reader that cannot overrun, and writers of counted texts.
//!
//! All numbers are big-endian. Three shapes return everywhere: a text behind its length, *fields*
//! (`u8` tag, `u16` length, value) at the end of a message, and *records* (`u32` length, content) in
//! a batch.
//!
//! INVARIANT: `Reader` never looks behind the slice it was made with; what is missing is `None`.

use crate::frame::FrameFault;
use crate::limits::BATCH_MAX;

/// Fields with this tag or a higher one may be skipped by who does not know them.
pub(crate) const FIELD_SKIPPABLE: u8 = 128;

/// Takes numbers and slices from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A slice behind a one-byte length.
    pub(crate) fn short(&mut self) -> Option<&'a [u8]> {
        let count = self.u8()?;
        self.take(usize::from(count))
    }

    /// A slice behind a two-byte length.
    pub(crate) fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.u16()?;
        self.take(usize::from(count))
    }

    /// A slice behind a four-byte length.
    pub(crate) fn vast(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        self.take(count)
    }
}

/// The bytes end inside a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndsEarly;

/// One field at the end of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next field; `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>, EndsEarly> {
        if self.is_empty() {
            return Ok(None);
        }
        let tag = self.u8().ok_or(EndsEarly)?;
        let value = self.long().ok_or(EndsEarly)?;
        Ok(Some(Field { tag, value }))
    }

    /// Whether all that is left are fields that may be skipped.
    pub(crate) fn skip_fields(&mut self) -> Option<()> {
        while let Some(field) = self.field().ok()? {
            if field.tag < FIELD_SKIPPABLE {
                return None;
            }
        }
        Some(())
    }
}

/// Appends a slice behind a one-byte length; a longer one is cut, so check before.
pub(crate) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

/// Appends a slice behind a two-byte length; a longer one is cut, so check before.
pub(crate) fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

/// Appends a field; a longer value than `u16` says is cut, so check before.
pub(crate) fn put_field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    put_long(out, value);
}

/// What a field takes on the wire.
pub(crate) const fn field_bytes(value: &[u8]) -> usize {
    3 + value.len()
}

/// The records of a batch. Their lengths were checked when it was made.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    rest: Reader<'a>,
    left: usize,
}

impl<'a> Records<'a> {
    /// Checks count and lengths of a whole batch: `u16` count, then the records, then nothing.
    pub(crate) fn check(body: &'a [u8]) -> Result<Self, FrameFault> {
        let mut reader = Reader::new(body);
        let count = reader.u16().ok_or(FrameFault::BadLength)?;
        let left = usize::from(count);
        if left == 0 || left > BATCH_MAX {
            return Err(FrameFault::BadCount(u32::from(count)));
        }
        let rest = reader;
        for _ in 0..left {
            reader.vast().ok_or(FrameFault::BadLength)?;
        }
        if reader.is_empty() { Ok(Self { rest, left }) } else { Err(FrameFault::BadLength) }
    }

    pub(crate) const fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.rest.vast()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Whether every byte belongs to the alphabet of base64url (RFC 4648 section 5, without padding).
#[must_use]
pub fn is_base64url(bytes: &[u8]) -> bool {
    // PERF: no early exit and no table, so that the compiler looks at many bytes at once; a token
    // has some 500, and with a branch a byte this was a fifth of the connector's work.
    let strange = |byte: u8| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        u8::from(!(letter | digit | (byte == b'-') | (byte == b'_')))
    };
    bytes.iter().fold(0, |found, byte| found | strange(*byte)) == 0
}

/// A text of a peer that may go to a log: UTF-8, bounded, no control character.
pub(crate) fn plain_text(bytes: &[u8], bytes_max: usize) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= bytes_max && !text.chars().any(char::is_control)).then_some(text)
}

/// The text, or the longest head of it that has at most so many bytes, without control characters.
pub(crate) fn cut_text(text: &str, bytes_max: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if kept.len() + letter.len_utf8() > bytes_max {
            break;
        }
        kept.push(letter);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_the_one_of_rfc_4648() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        assert!(is_base64url(alphabet) && is_base64url(b""));
        for byte in 0..=u8::MAX {
            assert_eq!(is_base64url(&[b'a', byte, b'a']), alphabet.contains(&byte), "{byte}");
        }
    }
}
