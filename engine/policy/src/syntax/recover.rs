//! Looks ahead after a fault, so that one fault is one report and the lines around it are not blamed.
//!
//! Nothing is consumed here: each function gets a copy of the parser's cursor.
//!
//! INVARIANT: a look passes white space, comments and one key, or a line that is read as a whole next,
//! so a file takes linear time whatever it holds.

use std::net::IpAddr;

use super::lex::{Cursor, before_comment};
use super::span::Span;

/// Whether `name: value` or `name: {` starts here.
pub(super) fn starts_entry(mut cursor: Cursor<'_>) -> bool {
    let token = cursor.rest().split([',', '}', ' ', '\t', '\n']).next().unwrap_or_default();
    let address = token.split('/').next().unwrap_or_default();
    address.parse::<IpAddr>().is_err() && pass_key(&mut cursor)
}

/// Whether an attribute starts here: `key: value`, and no block.
pub(super) fn starts_attribute_line(mut cursor: Cursor<'_>) -> bool {
    if !pass_key(&mut cursor) {
        return false;
    }
    if cursor.skip_blanks() || cursor.peek() == Some('\n') {
        pass_comments(&mut cursor);
    }
    cursor.peek() != Some('{')
}

/// Whether a block is still open here, as what follows can only be a part of it: an attribute, or more
/// closing braces than the `around` ones that others wait for.
pub(super) fn goes_on(mut cursor: Cursor<'_>, around: usize) -> bool {
    let mut braces = 0_usize;
    loop {
        pass_comments(&mut cursor);
        match cursor.peek() {
            Some('}') if braces >= around => return true,
            Some('}') => braces = braces.saturating_add(1),
            Some(',') => {}
            Some(_) => return braces == 0 && starts_attribute_line(cursor),
            None => return false,
        }
        cursor.bump();
    }
}

/// Whether nothing but a comment is left of the line, and an attribute stands below.
pub(super) fn attribute_below(mut cursor: Cursor<'_>) -> bool {
    cursor.skip_blanks();
    let is_last = cursor.peek() == Some('\n') || cursor.is_comment();
    pass_comments(&mut cursor);
    is_last && starts_attribute_line(cursor)
}

/// Where a name may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Nothing but a block starts here.
    File,
    /// An attribute is what starts here, so that only a colon before the brace tells.
    Block,
}

/// The name of `my rule: {`, which is no name, and where the text goes on behind the brace; without
/// the colon only where the line ends there.
pub(super) fn spaced_name(cursor: &Cursor<'_>, within: Within) -> Option<(Span, usize)> {
    let line = before_comment(cursor.line());
    let (front, tail) = line.split_once('{')?;
    let front_text = front.trim_end();
    let name = match front_text.strip_suffix(':') {
        Some(name) => name.trim_end(),
        None if within == Within::File && tail.trim().is_empty() => front_text,
        None => return None,
    };
    let behind = cursor.at().saturating_add(front.len()).saturating_add(1);
    let span = Span::new(cursor.at(), cursor.at().saturating_add(name.len()));
    (!name.is_empty() && !name.contains('}')).then_some((span, behind))
}

/// Passes a key and its colon, if they are here.
fn pass_key(cursor: &mut Cursor<'_>) -> bool {
    if cursor.peek() == Some('"') {
        cursor.quoted();
        cursor.skip_space();
    } else {
        cursor.bare_key();
        cursor.skip_blanks();
    }
    let is_colon = cursor.peek() == Some(':');
    cursor.bump();
    is_colon
}

/// Passes white space, line ends and comments.
fn pass_comments(cursor: &mut Cursor<'_>) {
    loop {
        cursor.skip_space();
        if cursor.comment().is_none() {
            return;
        }
    }
}
