//! Places in a policy file: byte spans while parsing, line and column once a fault is reported.

use std::ops::Range;

use crate::diagnostic::Place;

/// The bytes of a file that something stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The same as a range.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// How much of a line is kept with a fault. A file may be one line of many megabytes.
const LINE_BYTES_MAX: usize = 800;

/// How much of a cut line stands before the fault.
const LINE_LEAD_BYTES: usize = 200;

/// A line of a file, or the part of it around a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The text, without its end of line.
    pub text: String,
    /// Which bytes of it are meant.
    pub mark: Range<usize>,
}

/// Where the lines of a file begin.
#[derive(Debug, Clone)]
pub struct Lines<'t> {
    file: &'t str,
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// The lines of `text`, which is called `file`.
    #[must_use]
    pub fn new(file: &'t str, text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at.saturating_add(1))).collect();
        Self { file, text, starts }
    }

    /// What the file is called.
    #[must_use]
    pub const fn file(&self) -> &'t str {
        self.file
    }

    /// A part of the text; a range that passes the end stops there.
    #[must_use]
    pub fn text(&self, range: Range<usize>) -> &'t str {
        self.text.get(range.start..range.end.min(self.text.len())).unwrap_or_default()
    }

    /// The number of the line, from 0, that holds the byte `at`.
    #[must_use]
    pub fn index(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The number of the line, from 1.
    #[must_use]
    pub fn number(&self, at: usize) -> u32 {
        u32::try_from(self.index(at)).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Line and column of a span.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        let start = self.line_start(span.start);
        let before = self.text.get(start..span.start).unwrap_or_default();
        Place {
            file: self.file.to_owned(),
            line: self.number(span.start),
            column: u32::try_from(before.chars().count()).unwrap_or(u32::MAX).saturating_add(1),
            span: span.range(),
        }
    }

    /// The line that a span starts in, cut around the span where it is very long.
    #[must_use]
    pub fn source_line(&self, span: Span) -> SourceLine {
        let start = self.line_start(span.start);
        let end = self.text.get(start..).and_then(|rest| rest.find('\n'));
        let end = end.map_or(self.text.len(), |length| start.saturating_add(length));
        let (from, to) = if end.saturating_sub(start) <= LINE_BYTES_MAX {
            (start, end)
        } else {
            let from = start.max(span.start.saturating_sub(LINE_LEAD_BYTES));
            (from, end.min(from.saturating_add(LINE_BYTES_MAX)))
        };
        let (from, to) = (self.boundary(from), self.boundary(to));
        let text = self.text.get(from..to).unwrap_or_default();
        let (clean, mark) =
            tame(text, span.start.saturating_sub(from)..span.end.saturating_sub(from));
        SourceLine { text: clean, mark }
    }

    fn line_start(&self, at: usize) -> usize {
        self.starts.get(self.index(at)).copied().unwrap_or(0)
    }

    /// The next character boundary from `at` on.
    fn boundary(&self, at: usize) -> usize {
        (at..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.text.len())
    }
}

/// Replaces what would move a terminal's cursor or turn its text around, and trims the line's end;
/// the marked bytes move along.
fn tame(text: &str, mark: Range<usize>) -> (String, Range<usize>) {
    let mut clean = String::with_capacity(text.len());
    let (mut start, mut end) = (None, None);
    for (at, letter) in text.trim_end().char_indices() {
        if at >= mark.start && start.is_none() {
            start = Some(clean.len());
        }
        if at >= mark.end && end.is_none() {
            end = Some(clean.len());
        }
        match letter {
            '\t' => clean.push(' '),
            letter if is_unprintable(letter) => clean.push('?'),
            letter => clean.push(letter),
        }
    }
    let start = start.unwrap_or(clean.len());
    (clean.clone(), start..end.unwrap_or(clean.len()).max(start))
}

/// Control characters, and those that change the direction of writing.
#[must_use]
pub fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters() {
        let lines = Lines::new("f", "one\nd\u{e9}j\u{e0} vu\n");
        let place = lines.place(Span::new(11, 13));
        assert_eq!((place.line, place.column), (2, 6));
        assert_eq!(lines.source_line(Span::new(11, 13)).mark, 7..9);
    }

    #[test]
    fn a_long_line_is_cut_around_its_fault() {
        let text = format!("{}X{}", "\u{e9}".repeat(5_000), "b".repeat(5_000));
        let line = Lines::new("f", &text).source_line(Span::new(10_000, 10_001));
        assert!(line.text.len() <= LINE_BYTES_MAX + 4);
        assert_eq!(line.text.get(line.mark), Some("X"));
    }

    #[test]
    fn nothing_reaches_the_terminal_that_moves_its_cursor() {
        let line = Lines::new("f", "a\u{1b}[2J\u{202e}b\r\n").source_line(Span::new(0, 1));
        assert_eq!(line.text, "a?[2J?b");
    }

    #[test]
    fn the_end_of_a_file_is_a_place() {
        let lines = Lines::new("f", "a\n");
        assert_eq!(lines.place(Span::new(2, 2)).line, 2);
        assert_eq!(lines.source_line(Span::new(2, 2)).text, "");
    }
}
