//! The part of a line that counts: trimmed, its comment cut.

/// A line longer than this has no entry; names end at 253 characters.
const LINE_BYTES_MAX: usize = 1_024;

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Nothing, or a comment.
    Nothing,
    /// Something that may be an entry.
    Entry(&'a [u8]),
    /// More than an entry can be.
    TooLong,
}

/// The lines of a file; one that ends with a line end has no empty line after it.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let is_empty = bytes.is_empty();
    bytes.split(|byte| *byte == b'\n').filter(move |_| !is_empty)
}

/// What `line` holds, up to [`LINE_BYTES_MAX`]. A `#` starts a comment at the start of a line or after white space only: in
/// `name##.banner` it means something else, and the name alone must not be taken.
pub(super) fn content(line: &[u8]) -> Content<'_> {
    content_up_to(line, LINE_BYTES_MAX)
}

/// The same with another bound.
pub(super) fn content_up_to(line: &[u8], bytes_max: usize) -> Content<'_> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Content::Nothing;
    }
    let comment = line.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'#']));
    let entry = match comment {
        Some(at) => line.get(..at).unwrap_or_default().trim_ascii_end(),
        None => line,
    };
    if entry.len() > bytes_max { Content::TooLong } else { Content::Entry(entry) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_a_line_counts() {
        let check = |line: &str, expected| assert_eq!(content(line.as_bytes()), expected, "{line}");
        check("a.example", Content::Entry(b"a.example"));
        check("\t a.example \r", Content::Entry(b"a.example"));
        check("a.example # why", Content::Entry(b"a.example"));
        check("a.example\t#why # more", Content::Entry(b"a.example"));
        check("a.example##.banner", Content::Entry(b"a.example##.banner"));
        check("# a.example", Content::Nothing);
        check("  \r", Content::Nothing);
        check(&"x".repeat(1_000_000), Content::TooLong);
        check(&format!("a.example # {}", "x".repeat(1_000_000)), Content::Entry(b"a.example"));
    }

    #[test]
    fn lines_are_counted_as_editors_do() {
        assert_eq!(lines(b"").count(), 0);
        assert_eq!(lines(b"a").count(), 1);
        assert_eq!(lines(b"a\n").count(), 1);
        assert_eq!(lines(b"a\n\nb\n").count(), 3);
    }
}
