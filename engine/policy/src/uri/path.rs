//! The canonical path and query.
//!
//! Escapes first, then dot segments as RFC 3986 section 5.2.4 has them, then repeated slashes. An
//! escape that is none (`%zz`) stays as it is and switches nothing off.

use super::malformed::Malformed;

/// Which of the two is read; they differ in what `/`, `\`, `;` and NUL mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// From the first `/` to the first `?`.
    Path,
    /// From the first `?` on.
    Query,
}

/// Which other views a canonical text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traits {
    /// It differs from what was sent by more than RFC 3986 calls equivalent.
    pub(super) unlike_sent: bool,
    /// A lenient origin may read it otherwise.
    pub(super) ambiguous: bool,
}

/// What was sent, cut into its parts; without the fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    /// Empty, or from the first `/` on.
    pub(super) path: &'a [u8],
    /// What follows the `?`, where there is one.
    pub(super) query: Option<&'a [u8]>,
}

impl<'a> Sent<'a> {
    /// Cuts what follows an authority.
    pub(super) fn cut(rest: &'a [u8]) -> Self {
        let rest = rest.split(|byte| *byte == b'#').next().unwrap_or_default();
        match rest.iter().position(|byte| *byte == b'?') {
            None => Self { path: rest, query: None },
            Some(mark) => {
                let (path, query) = rest.split_at(mark);
                Self { path, query: query.strip_prefix(b"?") }
            }
        }
    }

    /// Appends it as it came, but for an empty path.
    pub(super) fn append(self, text: &mut Vec<u8>) {
        text.extend_from_slice(if self.path.is_empty() { b"/" } else { self.path });
        if let Some(query) = self.query {
            text.push(b'?');
            text.extend_from_slice(query);
        }
    }
}

/// Whether the rest of a URI is canonical as it stands, and has one view only.
///
/// PERF: two loops without a branch, which the compiler turns into vector code. They also stop at some
/// queries that are fine; the long way finds the same for those.
pub(super) fn ordinary(rest: &[u8]) -> bool {
    let odd = rest.iter().fold(false, |odd, byte| {
        odd | (*byte <= b' ')
            | (*byte >= 0x7f)
            | (*byte == b'%')
            | (*byte == b'#')
            | (*byte == b';')
            | (*byte == b'\\')
    });
    !odd && !has_slash_pair(rest)
}

/// Whether a `/` is followed by another one or by a dot.
fn has_slash_pair(path: &[u8]) -> bool {
    let following = path.get(1..).unwrap_or_default();
    path.iter().zip(following).fold(false, |found, (first, second)| {
        found | ((*first == b'/') & ((*second == b'/') | (*second == b'.')))
    })
}

/// Appends the canonical path and query to `text`; `scratch` is memory.
pub(super) fn canonical(
    sent: Sent<'_>,
    text: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<Traits, Malformed> {
    let mut traits = Traits::default();
    let start = text.len();
    if sent.path.is_empty() {
        text.push(b'/');
    } else {
        escapes(Part::Path, sent.path, text, &mut traits)?;
        if has_slash_pair(text.get(start..).unwrap_or_default()) {
            segments(start, text, scratch, &mut traits);
        }
    }
    if let Some(query) = sent.query {
        text.push(b'?');
        escapes(Part::Query, query, text, &mut traits)?;
    }
    Ok(traits)
}

/// Takes dot segments and repeated slashes out of the path that begins at `start`.
fn segments(start: usize, text: &mut Vec<u8>, scratch: &mut Vec<u8>, traits: &mut Traits) {
    scratch.clear();
    scratch.extend(text.drain(start..));
    // Where slashes and dots meet, it matters which of them goes first.
    traits.ambiguous |= scratch.windows(2).any(|pair| pair == b"//")
        && scratch.windows(2).any(|pair| pair == b"/.");
    resolve(EmptySegments::Count, scratch, text);

    scratch.clear();
    scratch.extend(text.drain(start..));
    for byte in scratch {
        if *byte == b'/' && text.len() > start && text.ends_with(b"/") {
            traits.unlike_sent = true;
        } else {
            text.push(*byte);
        }
    }
}

/// Whether `..` takes back an empty segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptySegments {
    /// It does, as RFC 3986 has it.
    Count,
    /// They are dropped first.
    Dropped,
}

/// Appends a path, which begins with `/`, without its dot segments.
pub(super) fn resolve(empty: EmptySegments, path: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let path = path.strip_prefix(b"/").unwrap_or(path);
    out.push(b'/');
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    // Whatever has been written ends with `/` when a segment begins.
    while let Some(segment) = segments.next() {
        match (segment, empty) {
            (b".", EmptySegments::Count | EmptySegments::Dropped)
            | (b"", EmptySegments::Dropped) => {}
            (b"..", EmptySegments::Count | EmptySegments::Dropped) => {
                let written = out.get(start..).unwrap_or_default();
                let inner = written.strip_suffix(b"/").unwrap_or(written);
                let parent = inner.iter().rposition(|byte| *byte == b'/').map_or(1, |at| at + 1);
                out.truncate(start + parent);
            }
            (_, EmptySegments::Count | EmptySegments::Dropped) => {
                out.extend_from_slice(segment);
                if segments.peek().is_some() {
                    out.push(b'/');
                }
            }
        }
    }
}

/// Appends `from` with its escapes in canonical form.
fn escapes(
    part: Part,
    mut from: &[u8],
    text: &mut Vec<u8>,
    traits: &mut Traits,
) -> Result<(), Malformed> {
    loop {
        let plain = from.iter().position(|byte| special(part, *byte)).unwrap_or(from.len());
        let (head, tail) = from.split_at(plain);
        text.extend_from_slice(head);
        from = match tail {
            [] => return Ok(()),
            [b'%', high, low, after @ ..] if let Some(byte) = octet(*high, *low) => {
                escape(part, byte, text, traits)?;
                after
            }
            [0, ..] => return Err(Malformed::Nul),
            [byte @ (b'%' | b';' | b'\\'), after @ ..] => {
                traits.ambiguous = true;
                text.push(*byte);
                after
            }
            [byte, after @ ..] => {
                traits.unlike_sent = true;
                traits.ambiguous |= byte.is_ascii();
                push_escape(*byte, text);
                after
            }
        };
    }
}

/// Appends one escaped byte: itself where it is unreserved, else the escape in upper case.
fn escape(part: Part, byte: u8, text: &mut Vec<u8>, traits: &mut Traits) -> Result<(), Malformed> {
    match (byte, part) {
        (0, Part::Path) => return Err(Malformed::Nul),
        (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~', _) => {
            // Next to a stray percent sign, a digit would make an escape that nobody sent.
            if byte.is_ascii_hexdigit() && ends_in_stray(text) {
                traits.ambiguous = true;
                push_escape(byte, text);
            } else {
                text.push(byte);
            }
        }
        (_, Part::Path | Part::Query) => {
            traits.ambiguous |= byte.is_ascii();
            push_escape(byte, text);
        }
    }
    Ok(())
}

/// Whether `text` ends in a percent sign of no escape, or in one and a digit.
fn ends_in_stray(text: &[u8]) -> bool {
    // Escapes are complete here, so that a percent sign among the last two bytes belongs to none.
    match text {
        [.., b'%'] => true,
        [.., b'%', digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Whether a byte is not simply copied.
const fn special(part: Part, byte: u8) -> bool {
    match byte {
        0..=b' ' | 0x7f..=0xff | b'%' => true,
        b';' | b'\\' => matches!(part, Part::Path),
        _ => false,
    }
}

/// The byte of an escape.
pub(super) fn octet(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Appends an escape in upper case.
pub(super) fn push_escape(byte: u8, text: &mut Vec<u8>) {
    let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    text.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
}
