//! The aggressive view: what the most lenient origin might make of a request.
//!
//! Decoding is repeated until nothing changes; `\` is `/`; white space and controls go; path
//! parameters are cut; repeated slashes are folded, and then dot segments resolved. Bytes beyond ASCII
//! are escaped again in the end, so that an ordinary UTF-8 path has no second view.

use super::malformed::Malformed;
use super::path::{EmptySegments, Part, Sent, octet, push_escape, resolve};

/// How often a request may be decoded. Links that carry links nest three or four deep.
const ROUNDS_MAX: usize = 16;

/// Memory for one view.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    near: Vec<u8>,
    far: Vec<u8>,
}

/// Appends the aggressive reading of what was sent.
pub(super) fn append(
    sent: Sent<'_>,
    text: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Result<(), Malformed> {
    decode(Part::Path, sent.path, scratch)?;
    scratch.far.clear();
    without_parameters(&scratch.near, &mut scratch.far);
    scratch.near.clear();
    resolve(EmptySegments::Dropped, &scratch.far, &mut scratch.near);
    push_ascii(&scratch.near, text);
    if let Some(query) = sent.query {
        text.push(b'?');
        decode(Part::Query, query, scratch)?;
        push_ascii(&scratch.near, text);
    }
    Ok(())
}

/// Leaves `from`, decoded until nothing changes, in `scratch.near`.
fn decode(part: Part, from: &[u8], scratch: &mut Scratch) -> Result<(), Malformed> {
    scratch.near.clear();
    scratch.near.extend_from_slice(from);
    for _ in 0..=ROUNDS_MAX {
        scratch.far.clear();
        let round = decode_once(part, &scratch.near, &mut scratch.far)?;
        std::mem::swap(&mut scratch.near, &mut scratch.far);
        match round {
            Round::Stable => return Ok(()),
            Round::Changed => {}
        }
    }
    Err(Malformed::OverEncoded)
}

/// What a round of decoding did.
enum Round {
    Changed,
    Stable,
}

/// Decodes every escape once; white space and controls are left out on the way.
fn decode_once(part: Part, mut from: &[u8], to: &mut Vec<u8>) -> Result<Round, Malformed> {
    let mut round = Round::Stable;
    loop {
        let plain = from.iter().position(|byte| *byte == b'%' || is_blank(*byte));
        let (head, tail) = from.split_at(plain.unwrap_or(from.len()));
        to.extend_from_slice(head);
        let (byte, after) = match tail {
            [] => return Ok(round),
            [b'%', high, low, after @ ..] if let Some(byte) = octet(*high, *low) => (byte, after),
            [b'%', after @ ..] => {
                to.push(b'%');
                from = after;
                continue;
            }
            [byte, after @ ..] => (*byte, after),
        };
        round = Round::Changed;
        from = after;
        match (byte, part) {
            (0, Part::Path) => return Err(Malformed::Nul),
            (_, Part::Path | Part::Query) if is_blank(byte) => {}
            (_, Part::Path | Part::Query) => to.push(byte),
        }
    }
}

/// White space and controls.
const fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Appends a path with `\` as `/` and without what follows a `;` in each segment.
fn without_parameters(path: &[u8], to: &mut Vec<u8>) {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    for (nth, segment) in path.split(is_slash).enumerate() {
        if nth > 0 {
            to.push(b'/');
        }
        to.extend_from_slice(segment.split(|byte| *byte == b';').next().unwrap_or_default());
    }
}

/// Appends bytes, those beyond ASCII as escapes.
fn push_ascii(mut from: &[u8], text: &mut Vec<u8>) {
    loop {
        let plain = from.iter().position(|byte| !byte.is_ascii()).unwrap_or(from.len());
        let (head, tail) = from.split_at(plain);
        text.extend_from_slice(head);
        let [byte, after @ ..] = tail else { return };
        push_escape(*byte, text);
        from = after;
    }
}
