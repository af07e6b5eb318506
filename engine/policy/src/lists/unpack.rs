//! The bytes of a list, out of gzip where it is that. A bomb ends at a bound.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;

use super::report::ListFault;

/// A list has at most this many bytes: some 100 million names.
pub const UNPACKED_BYTES_MAX: u64 = 2 << 30;

/// Lists shrink to a third or a fifth; what shrinks far more is broken or a bomb.
const RATIO_MAX: u64 = 200;

/// Small files may shrink more.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// The bytes that `bytes` stand for, without a byte order mark.
pub(super) fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ListFault> {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        if packed > UNPACKED_BYTES_MAX {
            return Err(ListFault::TooLarge { max: UNPACKED_BYTES_MAX });
        }
        return Ok(Cow::Borrowed(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)));
    }
    let max =
        packed.saturating_mul(RATIO_MAX).saturating_add(RATIO_FREE_BYTES).min(UNPACKED_BYTES_MAX);
    let mut unpacked = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(max.saturating_add(1));
    decoder.read_to_end(&mut unpacked).map_err(ListFault::Gzip)?;
    if u64::try_from(unpacked.len()).unwrap_or(u64::MAX) > max {
        return Err(ListFault::TooLarge { max });
    }
    if unpacked.starts_with(b"\xef\xbb\xbf") {
        unpacked.drain(..3);
    }
    Ok(Cow::Owned(unpacked))
}
