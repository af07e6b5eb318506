//! The way in: bounds and characters are looked at first, then the file is parsed.

use super::ast::Ast;
use super::parse::{FILE_BYTES_MAX, Parser};
use super::span::{Lines, Span};
use crate::diagnostic::{Code, Diagnostic, Faults};

/// Reads a policy file; `file` is what the faults call it.
#[must_use]
pub fn parse(file: &str, text: &str) -> (Ast, Vec<Diagnostic>) {
    let mut faults = Faults::default();
    let ast = parse_into(&Lines::new(file, text), &mut faults);
    (ast, faults.into_diagnostics())
}

/// Reads a policy file and adds its faults to others.
pub(crate) fn parse_into(lines: &Lines<'_>, faults: &mut Faults) -> Ast {
    let text = lines.text(0..usize::MAX);
    if text.len() > FILE_BYTES_MAX {
        let message =
            format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        faults.report_file(lines.file(), Code::FileTooLarge, message);
        return Ast::default();
    }
    for (at, letter) in text.char_indices().filter(|(_, letter)| is_forbidden(*letter)) {
        let span = Span::new(at, at.saturating_add(letter.len_utf8()));
        let message = format!("the character U+{:04X} has no place in a policy", u32::from(letter));
        faults.report(lines, Code::ControlCharacter, span, message, None);
    }
    Parser::new(text, lines, faults).file()
}

/// Control characters, and those that let a line read otherwise than it is.
pub(crate) fn is_forbidden(letter: char) -> bool {
    (letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
