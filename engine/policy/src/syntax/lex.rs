//! The characters of a policy file: white space, comments, quoted texts, bare keys and values.
//!
//! What a character means depends on where it stands (a bare value keeps its braces), so there is no
//! stream of tokens: the parser asks for what may come next.

use super::ast::{Comment, CommentKind, Word};
use super::shape::Shape;
use super::span::Span;

/// A place in a text, moving forward.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// What ended a quoted text or a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its closing mark.
    Closed,
    /// The end of the line or file.
    Unclosed,
}

/// A quoted text as found.
pub(super) struct Quoted {
    pub(super) word: Word,
    pub(super) ending: Ending,
    /// Escapes that JSON does not know.
    pub(super) bad_escapes: Vec<Span>,
}

/// A bare value as found.
pub(super) struct Bare {
    pub(super) word: Word,
    /// A brace at its end that seems meant to close the block.
    pub(super) brace: Option<Span>,
}

impl<'t> Cursor<'t> {
    /// The start of `text`, after a byte order mark.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Span {
        let start = self.at;
        self.at = start.saturating_add(self.peek().map_or(0, char::len_utf8));
        Span::new(start, self.at)
    }

    const fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Goes on to a place further behind.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = self.at.max(at);
    }

    /// What is left of the line, without its end.
    pub(super) fn line(&self) -> &'t str {
        self.rest().split('\n').next().unwrap_or_default()
    }

    /// Goes to the end of the line and gives what was passed, trimmed.
    pub(super) fn skip_line(&mut self) -> Span {
        let line = self.line();
        let span = Span::new(self.at, self.at.saturating_add(line.trim_end().len()));
        self.advance(line.len());
        span
    }

    /// Passes white space within the line; says whether there was any.
    pub(super) fn skip_blanks(&mut self) -> bool {
        let rest = self.rest();
        let tail = rest.trim_start_matches(is_blank);
        let blanks = rest.len().saturating_sub(tail.len());
        self.advance(blanks);
        blanks > 0
    }

    /// Passes white space and line ends; gives the number of line ends.
    pub(super) fn skip_space(&mut self) -> usize {
        let rest = self.rest();
        let blanks = rest.len().saturating_sub(rest.trim_start().len());
        self.advance(blanks);
        rest.get(..blanks).unwrap_or_default().matches('\n').count()
    }

    /// Whether a comment starts here.
    pub(super) fn is_comment(&self) -> bool {
        comment_kind(self.rest()).is_some()
    }

    /// The comment that starts here.
    pub(super) fn comment(&mut self) -> Option<(Comment, Ending)> {
        let kind = comment_kind(self.rest())?;
        let start = self.at;
        let (text, length, ending) = match kind {
            CommentKind::Hash => (self.line().get(1..), self.line().len(), Ending::Closed),
            CommentKind::Slashes => (self.line().get(2..), self.line().len(), Ending::Closed),
            CommentKind::Enclosed => {
                let inner = self.rest().get(2..).unwrap_or_default();
                match inner.find("*/") {
                    Some(end) => (inner.get(..end), end.saturating_add(4), Ending::Closed),
                    None => (Some(inner), self.rest().len(), Ending::Unclosed),
                }
            }
        };
        let text = text.unwrap_or_default();
        let text = match kind {
            CommentKind::Hash | CommentKind::Slashes => text.trim_end(),
            CommentKind::Enclosed => text,
        };
        self.advance(length);
        Some((Comment { kind, text: text.to_owned(), span: Span::new(start, self.at) }, ending))
    }

    /// The bare key that starts here.
    pub(super) fn bare_key(&mut self) -> Option<Word> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|letter| !is_key_letter(letter)).unwrap_or(rest.len());
        self.advance(end);
        (end > 0).then(|| self.word(start, self.at))
    }

    /// The quoted text that starts here, at its opening quote.
    pub(super) fn quoted(&mut self) -> Quoted {
        let start = self.at;
        self.bump();
        let (mut text, mut bad_escapes) = (String::new(), Vec::new());
        let ending = loop {
            match self.peek() {
                None | Some('\n') => break Ending::Unclosed,
                Some('"') => {
                    self.bump();
                    break Ending::Closed;
                }
                Some('\\') => {
                    let from = self.at;
                    self.bump();
                    if let Some(letter) = self.escape() {
                        text.push(letter);
                    } else {
                        text.push('\\');
                        // The letter belongs to it, where there is one on this line.
                        let letter = self.peek().filter(|letter| *letter != '\n');
                        let length = letter.map_or(0, char::len_utf8);
                        bad_escapes.push(Span::new(from, self.at.saturating_add(length)));
                    }
                }
                Some(letter) => {
                    text.push(letter);
                    self.bump();
                }
            }
        };
        if ending == Ending::Unclosed {
            text.truncate(text.trim_end().len());
        }
        Quoted { word: Word { text, span: Span::new(start, self.at) }, ending, bad_escapes }
    }

    /// What the escape after a backslash stands for; nothing is passed if it is unknown.
    fn escape(&mut self) -> Option<char> {
        let letter = match self.peek()? {
            letter @ ('"' | '\\' | '/') => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            _ => return None,
        };
        self.bump();
        Some(letter)
    }

    /// `u` and four digits, and the second half of a surrogate pair.
    fn unicode_escape(&mut self) -> Option<char> {
        let high = hex4(self.rest().get(1..)?)?;
        if let Some(letter) = char::from_u32(high) {
            self.advance(5);
            return Some(letter);
        }
        let low = hex4(self.rest().get(5..)?.strip_prefix("\\u")?)?;
        if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.advance(11);
        let pair = ((high & 0x3ff) << 10) | (low & 0x3ff);
        char::from_u32(pair.saturating_add(0x1_0000))
    }

    /// The bare value that starts here and runs to the end of the line.
    pub(super) fn bare_value(&mut self, opened: Opened) -> Bare {
        let start = self.at;
        if let Some(length) = literal(self.rest()) {
            self.advance(length);
            return Bare { word: self.word(start, self.at), brace: None };
        }
        let line = self.line();
        let value = strip_commas(before_comment(line));
        let (kept, brace) = closing_brace(value, opened);
        self.advance(kept.len());
        let brace = brace.map(|at| {
            Span::new(start.saturating_add(at), start.saturating_add(at).saturating_add(1))
        });
        Bare { word: self.word(start, self.at), brace }
    }

    /// The bare entry of a list that starts here.
    pub(super) fn bare_element(&mut self, shape: Shape) -> Word {
        let start = self.at;
        let text = match shape {
            Shape::Commas => element(self.rest()),
            Shape::Whole => {
                let text = strip_commas(before_comment(self.line()));
                match text.strip_suffix(']') {
                    Some(front) if front.is_empty() || front.ends_with(char::is_whitespace) => {
                        strip_commas(front)
                    }
                    Some(_) | None => text,
                }
            }
        };
        self.advance(text.len());
        self.word(start, self.at)
    }

    /// Whether the `[` here opens a list; in a text it may be a part of the text.
    pub(super) fn opens_list(&self, shape: Shape) -> bool {
        let mut letters = self.rest().chars();
        if letters.next() != Some('[') {
            return false;
        }
        match shape {
            Shape::Commas => true,
            Shape::Whole => {
                letters.next().is_none_or(|next| next.is_whitespace() || matches!(next, '"' | ']'))
            }
        }
    }

    fn word(&self, start: usize, end: usize) -> Word {
        let text = self.text.get(start..end).unwrap_or_default().to_owned();
        Word { text, span: Span::new(start, end) }
    }
}

/// Whether a block was opened on the line that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was.
    Here,
    /// On an earlier one.
    Earlier,
}

/// Whether a letter may be part of a bare key.
pub(super) fn is_key_letter(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control() && !":{}[],\"".contains(letter)
}

/// How the comment at the start of `text` is written.
pub(super) fn comment_kind(text: &str) -> Option<CommentKind> {
    if text.starts_with('#') {
        Some(CommentKind::Hash)
    } else if text.starts_with("//") {
        Some(CommentKind::Slashes)
    } else if text.starts_with("/*") {
        Some(CommentKind::Enclosed)
    } else {
        None
    }
}

/// White space within a line.
fn is_blank(letter: char) -> bool {
    letter != '\n' && letter.is_whitespace()
}

/// An entry of a list where commas separate: up to a comma, a bracket, a comment or the line's end.
fn element(text: &str) -> &str {
    let mut in_brackets = text.starts_with('[');
    let mut after_blank = false;
    for (at, letter) in text.char_indices() {
        let is_end = match letter {
            '\n' | ',' => true,
            ']' => !std::mem::take(&mut in_brackets),
            '#' | '/' if after_blank => {
                text.get(at..).is_some_and(|rest| comment_kind(rest).is_some())
            }
            _ => false,
        };
        if is_end {
            return text.get(..at).unwrap_or_default().trim_end();
        }
        after_blank = letter.is_whitespace();
    }
    text.trim_end()
}

/// The length of a JSON `true`, `false`, `null` or number at the start of `text`, where what follows
/// on its line can only be more JSON.
pub(super) fn literal(text: &str) -> Option<usize> {
    let end =
        text.find(|letter: char| !matches!(letter, 'a'..='z' | '0'..='9' | '.' | '-' | '+' | 'E'));
    let (word, tail) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let is_number = word.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && word.len() < 64
        && word.parse::<f64>().is_ok();
    if !is_number && !matches!(word, "true" | "false" | "null") {
        return None;
    }
    let tail = tail.trim_start_matches(is_blank);
    if !tail.is_empty() && !tail.starts_with(['\n', ',', '}', ']']) {
        return None;
    }
    let next = tail.trim_start_matches(|letter: char| is_blank(letter) || ",}]".contains(letter));
    (next.is_empty() || next.starts_with(['\n', '"'])).then_some(word.len())
}

/// A line up to a comment, which must follow white space.
pub(super) fn before_comment(line: &str) -> &str {
    let mut after_blank = false;
    for (at, letter) in line.char_indices() {
        if after_blank && line.get(at..).is_some_and(|rest| comment_kind(rest).is_some()) {
            return line.get(..at).unwrap_or_default();
        }
        after_blank = letter.is_whitespace();
    }
    line
}

/// Without white space and commas at the end.
fn strip_commas(text: &str) -> &str {
    text.trim_end_matches(|letter: char| letter.is_whitespace() || letter == ',')
}

/// Splits off braces at the end of a bare value that cannot be a part of it: after white space, or
/// unbalanced in a block that was opened on the same line. Gives where the first of them stands.
fn closing_brace(value: &str, opened: Opened) -> (&str, Option<usize>) {
    let (mut kept, mut first) = (value, None);
    let mut surplus = match opened {
        Opened::Earlier => 0,
        Opened::Here => value.matches('}').count().saturating_sub(value.matches('{').count()),
    };
    loop {
        let run = kept.trim_end_matches(['}', ',']);
        if run.len() == kept.len() || !(run.is_empty() || run.ends_with(char::is_whitespace)) {
            break;
        }
        surplus = surplus.saturating_sub(kept.len().saturating_sub(run.len()));
        first = Some(run.len());
        kept = strip_commas(run);
    }
    while let (Some(front), 1..) = (kept.strip_suffix('}'), surplus) {
        surplus = surplus.saturating_sub(1);
        first = Some(front.len());
        kept = strip_commas(front);
    }
    (kept, first)
}

fn hex4(text: &str) -> Option<u32> {
    let digits =
        text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}
