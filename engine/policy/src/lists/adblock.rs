//! Lines of a filter list for ad blockers, of which only `||name^` speaks of a whole host.

use super::collect::Collector;
use super::report::RefusedLine;

/// Marks of rules that hide or change parts of a page.
const COSMETIC: [&[u8]; 5] = [b"##", b"#@#", b"#?#", b"#$#", b"#%#"];

/// A line longer than this has no host.
const LINE_BYTES_MAX: usize = 16_384;

pub(super) fn line(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    let line = raw.trim_ascii();
    if is_comment(line) {
        return Ok(());
    }
    if line.len() > LINE_BYTES_MAX {
        return Err(RefusedLine::TooLong);
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(RefusedLine::Control);
    }
    if line.starts_with(b"@@") {
        list.report.exception();
        return Ok(());
    }
    if COSMETIC.iter().any(|mark| line.windows(mark.len()).any(|part| part == *mark)) {
        return Err(RefusedLine::AdblockCosmetic);
    }
    match host(line) {
        Some((name, b"")) => list.tree(name),
        Some((_, [b'$', ..])) => Err(RefusedLine::AdblockOptions),
        Some(_) | None => Err(RefusedLine::AdblockPattern),
    }
}

/// Whether a line speaks of a whole host.
pub(super) fn has_shape(line: &[u8]) -> bool {
    host(line).is_some_and(|(name, rest)| !name.is_empty() && rest.is_empty())
}

/// Whether a line is the first of a filter list.
pub(super) fn is_head(line: &[u8]) -> bool {
    line.len() < LINE_BYTES_MAX && line.to_ascii_lowercase().starts_with(b"[adblock")
}

/// The part between `||` and `^`, and what follows.
fn host(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"||")?;
    let end = rest.iter().position(|byte| matches!(byte, b'^' | b'/' | b'$' | b'*' | b'|'))?;
    let (name, rest) = rest.split_at(end);
    Some((name, rest.strip_prefix(b"^")?))
}

fn is_comment(line: &[u8]) -> bool {
    matches!(line, [] | [b'!', ..] | [b'#'] | [b'#', b' ' | b'\t', ..])
        || (line.starts_with(b"[") && line.ends_with(b"]"))
}
