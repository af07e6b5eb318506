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
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// The line that is being read.
    pub(super) const fn line(&self) -> u64 {
        self.line
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
        let left = self.rest.split('\n').next().unwrap_or_default().trim_start();
        !left.is_empty() && !left.starts_with('#')
    }

    fn quoted(&mut self) -> Word {
        let line = self.line;
        self.rest = self.rest.get(1..).unwrap_or_default();
        let mut text = String::new();
        let mut escaped = false;
        let mut end = self.rest.len();
        for (at, c) in self.rest.char_indices() {
            match c {
                '\n' => self.line += 1,
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '"' if !escaped => {
                    end = at + 1;
                    break;
                }
                _ => {}
            }
            escaped = false;
            text.push(c);
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
