//! The words of a squidGuard.conf, one after the other, with their lines.
//!
//! squidGuard knows its block words only at the begin of a line and cuts words out of certain characters
//! alone; this reader takes any line and any word, since what is read here is checked by name later.

use super::conf::Word;

/// What a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Bang,
    /// `,`, or the `=` of ufdbGuard's options.
    Mark,
    Word(Word),
    /// In quotes.
    Quoted(Word),
}

/// Hands out one token at a time.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    line: u64,
    /// The line of the first quoted word that goes on over its line's end: what it swallows would be lost.
    unclosed: Option<u64>,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, unclosed: None }
    }

    /// The line that is being read.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// The line of the first quoted word that is not closed on its line.
    pub(super) const fn unclosed_quote(&self) -> Option<u64> {
        self.unclosed
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Option<Token> {
        let (rest, line) = (self.rest, self.line);
        let token = self.next();
        (self.rest, self.line) = (rest, line);
        token
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        self.skip();
        let first = self.rest.chars().next()?;
        let line = self.line;
        let token = match first {
            '{' => Token::Open,
            '}' => Token::Close,
            '!' => Token::Bang,
            ',' | '=' => Token::Mark,
            '"' => return Some(Token::Quoted(self.quoted())),
            _ => {
                let text = self.take(|c| !(c.is_whitespace() || "{}!,\"#".contains(c)));
                return Some(Token::Word(Word { text, line }));
            }
        };
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or_default();
        Some(token)
    }

    /// The next run of characters without white space, whatever they are: URLs hold every mark.
    pub(super) fn run(&mut self) -> Option<Word> {
        self.skip();
        if self.rest.starts_with('"') {
            return Some(self.quoted());
        }
        let line = self.line;
        let text = self.take(|c| !c.is_whitespace());
        (!text.is_empty()).then_some(Word { text, line })
    }

    /// What is left of the line.
    pub(super) fn rest_of_line(&mut self) -> Word {
        let line = self.line;
        let text = self.take(|c| c != '\n').trim().to_owned();
        Word { text, line }
    }

    /// What is left of the line before a `}`.
    pub(super) fn rest_of_part(&mut self) -> Word {
        let line = self.line;
        let text = self.take(|c| c != '\n' && c != '}').trim().to_owned();
        Word { text, line }
    }

    /// Whether more stands on this line than white space and a comment.
    pub(super) fn line_goes_on(&self) -> bool {
        // PERF: no more is looked at than white space, since a line may be as long as the file.
        let first = self.rest.chars().find(|c| *c == '\n' || !c.is_whitespace());
        first.is_some_and(|first| !matches!(first, '\n' | '#'))
    }

    fn quoted(&mut self) -> Word {
        let line = self.line;
        self.rest = self.rest.get(1..).unwrap_or_default();
        let mut text = String::new();
        let mut escaped = false;
        let mut end = self.rest.len();
        let mut closed = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                // The line's end stays, and is counted with the white space.
                '\n' => {
                    end = at;
                    break;
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '"' if !escaped => {
                    end = at + 1;
                    closed = true;
                    break;
                }
                _ => {}
            }
            escaped = false;
            text.push(c);
        }
        if !closed {
            self.unclosed = self.unclosed.or(Some(line));
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        Word { text, line }
    }

    fn skip(&mut self) {
        loop {
            let white = self.take(char::is_whitespace);
            self.line += u64::try_from(white.matches('\n').count()).unwrap_or_default();
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(|c| c != '\n');
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken.to_owned()
    }
}
