//! The bytes of a list, out of gzip or zstd where it is that. A bomb ends at a bound.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::report::ListFault;

/// A list has at most this many bytes: some 100 million names.
pub const UNPACKED_BYTES_MAX: u64 = 2 << 30;

/// Lists shrink to a third or a fifth; what shrinks far more is broken or a bomb.
const RATIO_MAX: u64 = 200;

/// Small files may shrink more.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// A zstd file of lists has one frame, or one for each file that was joined; more is a bomb of headers.
const FRAMES_MAX: usize = 10_000;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The bytes that `bytes` stand for, without a byte order mark.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ListFault> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let max =
        packed.saturating_mul(RATIO_MAX).saturating_add(RATIO_FREE_BYTES).min(UNPACKED_BYTES_MAX);
    let mut unpacked = if bytes.starts_with(GZIP) {
        let mut unpacked = Vec::new();
        let mut decoder = MultiGzDecoder::new(bytes).take(max.saturating_add(1));
        decoder.read_to_end(&mut unpacked).map_err(ListFault::Gzip)?;
        unpacked
    } else if is_zstd(bytes) {
        zstd(bytes, max).map_err(ListFault::Zstd)?
    } else {
        if packed > UNPACKED_BYTES_MAX {
            return Err(ListFault::TooLarge { max: UNPACKED_BYTES_MAX });
        }
        return Ok(Cow::Borrowed(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)));
    };
    if u64::try_from(unpacked.len()).unwrap_or(u64::MAX) > max {
        return Err(ListFault::TooLarge { max });
    }
    if unpacked.starts_with(b"\xef\xbb\xbf") {
        unpacked.drain(..3);
    }
    Ok(Cow::Owned(unpacked))
}

/// Whether a frame of zstd begins here, or one that is to be skipped (RFC 8878 section 3.1.2).
fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(ZSTD) || skippable(bytes).is_some()
}

/// What follows the magic of a frame that is to be skipped.
const fn skippable(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// All frames, one after another, until there is more than `max`.
fn zstd(mut bytes: &[u8], max: u64) -> io::Result<Vec<u8>> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut unpacked = Vec::new();
    for _ in 0..FRAMES_MAX {
        let found = u64::try_from(unpacked.len()).unwrap_or(u64::MAX);
        if bytes.is_empty() || found > max {
            return Ok(unpacked);
        }
        if let Some(rest) = skippable(bytes) {
            let (length, rest) =
                rest.split_first_chunk::<4>().ok_or_else(|| broken("cut short"))?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            bytes = rest.get(length..).ok_or_else(|| broken("cut short"))?;
            continue;
        }
        if !bytes.starts_with(ZSTD) {
            return Err(broken("something else follows the data"));
        }
        let decoder = StreamingDecoder::new(&mut bytes);
        let mut decoder = decoder.map_err(|fault| broken(&fault.to_string()))?;
        let left = max.saturating_sub(found).saturating_add(1);
        decoder.by_ref().take(left).read_to_end(&mut unpacked)?;
        let frame = decoder.into_frame_decoder();
        if frame.is_finished() && frame.get_checksum_from_data() != frame.get_calculated_checksum()
        {
            // A frame need not have a checksum.
            if frame.get_checksum_from_data().is_some() {
                return Err(broken("its checksum is wrong"));
            }
        }
    }
    Err(broken("too many frames"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies exactly at the bound is whole, and one byte more is not cut off without a word.
    #[test]
    fn frames_behind_the_bound_are_not_forgotten() {
        // 128 KiB of one byte (RFC 8878 section 3.1.1.2.2).
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x02, 0x00, 0x03, 0x00, 0x10, b'a'];
        let (one, two) = (frame.to_vec(), frame.repeat(2));
        let max = 128 << 10;
        assert_eq!(zstd(&one, max).unwrap().len(), 128 << 10);
        assert!(zstd(&two, max).unwrap().len() > 128 << 10);
        assert_eq!(zstd(&two, 2 * max).unwrap().len(), 256 << 10);
        assert!(zstd(&[one.as_slice(), b"rest"].concat(), max).is_err());
    }
}
