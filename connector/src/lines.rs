//! Bytes from Squid cut into lines, in place and bounded.

/// The longest line that is read: Squid's own bound of 9,216 bytes (`MAX_URL` + 1024), and room for
/// a channel-ID in front.
pub const LINE_BYTES_MAX: usize = 9_216 + CHANNEL_BYTES_MAX;

/// The longest channel-ID with its blank.
const CHANNEL_BYTES_MAX: usize = 21;

/// One read takes what a pipe holds.
const BUFFER_BYTES: usize = 64 * 1024;

/// What stands next in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end.
    Whole(&'a [u8]),
    /// The front of a line that is too long; the rest will be left out.
    Overlong(&'a [u8]),
    /// The last bytes of an input that ended within a line.
    Unfinished(&'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Reading,
    /// Inside a line that was already reported as too long.
    Swallowing,
}

/// Where bytes from Squid become lines.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    mode: Mode,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES], start: 0, end: 0, mode: Mode::Reading }
    }
}

impl LineBuffer {
    /// Where the next bytes go. Not empty once `next` has given `None`.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says how many bytes of `spare` were written.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    /// The next line, `None` where more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "it lends, which `Iterator` cannot")]
    pub fn next(&mut self) -> Option<Line<'_>> {
        loop {
            let held = self.bytes.get(self.start..self.end).unwrap_or_default();
            let end = held.iter().position(|&byte| byte == b'\n');
            match (self.mode, end) {
                (Mode::Swallowing, Some(end)) => {
                    self.start += end + 1;
                    self.mode = Mode::Reading;
                }
                (Mode::Swallowing, None) => {
                    self.start = self.end;
                    return None;
                }
                (Mode::Reading, Some(end)) => {
                    let from = self.start;
                    self.start += end + 1;
                    let line = self.bytes.get(from..from + end).unwrap_or_default();
                    return Some(match line.get(..LINE_BYTES_MAX) {
                        Some(front) if line.len() > LINE_BYTES_MAX => Line::Overlong(front),
                        Some(_) | None => Line::Whole(line),
                    });
                }
                (Mode::Reading, None) if held.len() > LINE_BYTES_MAX => {
                    let from = self.start;
                    self.start = self.end;
                    self.mode = Mode::Swallowing;
                    let front = self.bytes.get(from..from + LINE_BYTES_MAX);
                    return Some(Line::Overlong(front.unwrap_or_default()));
                }
                (Mode::Reading, None) => return None,
            }
        }
    }

    /// The input has ended: what is left of it, once.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        self.start = self.end;
        match self.mode {
            Mode::Reading if !held.is_empty() => Some(Line::Unfinished(held)),
            Mode::Reading | Mode::Swallowing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(buffer: &mut LineBuffer, mut bytes: &[u8], seen: &mut Vec<(char, usize)>) {
        loop {
            let spare = buffer.spare();
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            buffer.filled(count);
            bytes = &bytes[count..];
            while let Some(line) = buffer.next() {
                seen.push(match line {
                    Line::Whole(line) => ('w', line.len()),
                    Line::Overlong(front) => ('o', front.len()),
                    Line::Unfinished(rest) => ('u', rest.len()),
                });
            }
            if bytes.is_empty() {
                return;
            }
        }
    }

    fn check(pieces: &[&[u8]], expected: &[(char, usize)]) {
        let (mut buffer, mut seen) = (LineBuffer::default(), Vec::new());
        for piece in pieces {
            feed(&mut buffer, piece, &mut seen);
        }
        if let Some(Line::Unfinished(rest)) = buffer.finish() {
            seen.push(('u', rest.len()));
        }
        assert_eq!(buffer.finish(), None);
        assert_eq!(seen, expected);
    }

    #[test]
    fn cuts_lines_wherever_the_reads_end() {
        check(&[b"ab\ncd\n"], &[('w', 2), ('w', 2)]);
        check(&[b"a", b"b\n\nc", b"", b"d"], &[('w', 2), ('w', 0), ('u', 2)]);
        check(&[], &[]);
    }

    #[test]
    fn an_overlong_line_is_seen_once_and_swallowed() {
        let most = [b'x'; LINE_BYTES_MAX];
        let over = [b'x'; LINE_BYTES_MAX + 1];
        let huge = vec![b'x'; 300_000];
        check(&[&most, b"\n"], &[('w', LINE_BYTES_MAX)]);
        check(&[&over, b"\nab\n"], &[('o', LINE_BYTES_MAX), ('w', 2)]);
        check(&[&over, b"yy", b"y\nab\n"], &[('o', LINE_BYTES_MAX), ('w', 2)]);
        check(&[&huge, b"\nab\n"], &[('o', LINE_BYTES_MAX), ('w', 2)]);
        check(&[&huge], &[('o', LINE_BYTES_MAX)]);
    }

    #[test]
    fn a_full_buffer_of_short_lines_is_cut() {
        let many = b"abc\n".repeat(40_000);
        check(&[&many], &vec![('w', 3); 40_000]);
    }
}
