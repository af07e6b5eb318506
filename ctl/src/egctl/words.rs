//! A line of the shell as words. Quotes keep spaces, `|` and `?` together; everything else is as it is,
//! so that URLs and regexes need no quotes unless they hold spaces.

use std::ops::Range;

/// How a word was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// In quotes, at least in part: never a keyword.
    Quoted,
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, without quotes.
    pub text: String,
    /// How it was written.
    pub form: Form,
    /// Its bytes in the line, with quotes.
    pub span: Range<usize>,
}

impl Word {
    /// A word that stands alone, such as an argument of the command line.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        let span = 0..text.len();
        Self { text, form: Form::Plain, span }
    }
}

/// The words of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In order.
    pub words: Vec<Word>,
    /// The quote that is not closed.
    pub open: Option<char>,
}

/// Splits a line. `"` keeps `\"` and `\\` as escapes, `'` keeps everything.
#[must_use]
pub fn split(line: &str) -> Line {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let open = word.get_or_insert_with(|| Word {
            text: String::new(),
            form: Form::Plain,
            span: at..at,
        });
        open.span.end = at.saturating_add(letter.len_utf8());
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                open.form = Form::Quoted;
            }
            (Some(own), _) if own == letter => quote = None,
            (Some('"'), '\\') => {
                let next = letters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                let (at, kept) = next.unwrap_or((at, '\\'));
                open.text.push(kept);
                open.span.end = at.saturating_add(kept.len_utf8());
            }
            (_, letter) => open.text.push(letter),
        }
    }
    words.extend(word);
    Line { words, open: quote }
}

/// A word as it has to be written to be one.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text != "|"
        && !text.chars().any(|letter| letter.is_whitespace() || matches!(letter, '"' | '\''));
    if plain {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_and_quotes() {
        for (line, expected) in [
            ("", vec![]),
            ("  a\tb  ", vec!["a", "b"]),
            ("a \"b c\" d", vec!["a", "b c", "d"]),
            ("a 'b \"c' d", vec!["a", "b \"c", "d"]),
            (r#"a "b\"c\\d\e""#, vec!["a", r#"b"c\d\e"#]),
            ("a=\"b c\"", vec!["a=b c"]),
            ("\"\"", vec![""]),
            ("http://x/?q=a|b\\d", vec!["http://x/?q=a|b\\d"]),
        ] {
            assert_eq!(texts(line), expected, "{line}");
        }
        assert_eq!(split("a \"b").open, Some('"'));
        assert_eq!(split("a 'b\"").open, Some('\''));
        assert_eq!(split("a").open, None);
    }

    #[test]
    fn a_word_knows_where_it_stands_and_how_it_was_written() {
        let line = split("ab \"c d\" e");
        let found: Vec<_> = line.words.iter().map(|word| (word.span.clone(), word.form)).collect();
        assert_eq!(found, [(0..2, Form::Plain), (3..8, Form::Quoted), (9..10, Form::Plain)]);
    }

    #[test]
    fn what_is_quoted_comes_back() {
        for text in ["a", "", "a b", "a\"b", "|", "a\\b c", "it's"] {
            assert_eq!(texts(&quoted(text)), [text], "{text}");
        }
    }
}
