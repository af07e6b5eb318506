//! Where lines come from: a person at a terminal, or a program.

use std::io;

use crate::session::Talk;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// `?` behind this part of a line, which stays.
    Help(String),
    /// Nothing: the line was given up.
    Nothing,
    /// The end of input.
    End,
}

/// Gives lines.
pub(super) trait Reader {
    /// The next one.
    ///
    /// # Errors
    ///
    /// What the terminal says; the shell ends then.
    fn next(&mut self, prompt: &str, talk: &mut dyn Talk) -> io::Result<Typed>;
}

/// Plain lines without prompt, colour or history, up to the end of input.
#[derive(Debug)]
pub(super) struct Plain;

impl Reader for Plain {
    fn next(&mut self, _prompt: &str, talk: &mut dyn Talk) -> io::Result<Typed> {
        let Some(line) = talk.line("")? else { return Ok(Typed::End) };
        // There are no keys here, so that a `?` at the end is the question.
        let is_question = !line.starts_with('#')
            && (line.trim() == "?" || line.ends_with(" ?") || is_word_and_mark(&line));
        match line.strip_suffix('?') {
            Some(before) if is_question => Ok(Typed::Help(before.to_owned())),
            Some(_) | None => Ok(Typed::Line(line)),
        }
    }
}

/// `sho?`, and not the query of a URL.
fn is_word_and_mark(line: &str) -> bool {
    line.ends_with('?') && !is_literal(line.strip_suffix('?').unwrap_or(line))
}

/// Whether a `?` behind this is a letter: inside quotes, and in a URL.
pub(super) fn is_literal(before: &str) -> bool {
    let line = crate::egctl::split(before);
    if line.open.is_some() {
        return true;
    }
    let is_in_word = before.chars().next_back().is_some_and(|letter| !letter.is_whitespace());
    let last = line.words.last().filter(|_| is_in_word);
    last.is_some_and(|word| word.text.contains(['/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Scripted;

    #[test]
    fn a_question_mark_in_a_url_is_a_letter() {
        for (before, expected) in [
            ("", false),
            ("show ", false),
            ("sho", false),
            ("show policy match http://a/", true),
            ("show policy match http://a/ ", false),
            ("show policy match a.test:443", true),
            ("show policy match \"a b", true),
            ("show policy match \"a b\" ", false),
        ] {
            assert_eq!(is_literal(before), expected, "{before}");
        }
    }

    #[test]
    fn plain_lines_end_with_the_input() {
        let mut talk =
            Scripted::input(&["show ?", "sho?", "?", "show policy match http://a/?", "a"]);
        let mut next = || Plain.next("host> ", &mut talk).unwrap();
        assert_eq!(next(), Typed::Help("show ".to_owned()));
        assert_eq!(next(), Typed::Help("sho".to_owned()));
        assert_eq!(next(), Typed::Help(String::new()));
        assert_eq!(next(), Typed::Line("show policy match http://a/?".to_owned()));
        assert_eq!(next(), Typed::Line("a".to_owned()));
        assert_eq!(next(), Typed::End);
        assert_eq!(talk.said, "");
    }
}
