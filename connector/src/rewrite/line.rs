//! A line for `url_rewrite_program`, as bytes, to a [`Question`].
//!
//! Two forms are read: ours, with the fields of [`FIELDS`] behind the URL, and Squid's default
//! extras (`ip/fqdn ident method myip=... myport=...`).

use eg_proto::Role;

use super::fields::FIELDS;
use crate::helper::{BadLine, Question, Words, address};

/// Reads what stands behind the channel-ID. After an error the question means nothing.
///
/// # Errors
/// When the line has neither form.
pub fn read(question: &mut Question, line: &[u8]) -> Result<(), BadLine> {
    question.begin(Role::Rewrite);
    if line.is_empty() {
        return Err(BadLine::Empty);
    }
    let mut words = line.split(|&byte| byte == b' ');
    let uri = words.next().unwrap_or_default();
    if uri.is_empty() {
        return Err(BadLine::FieldCount);
    }
    if uri.contains(&0) {
        return Err(BadLine::Control);
    }
    let extras = line.get(uri.len()..).unwrap_or_default();
    if extras.iter().any(u8::is_ascii_control) {
        return Err(BadLine::Control);
    }
    question.set_uri(uri);
    let first = words.clone().next().ok_or(BadLine::FieldCount)?;
    // Ours begins with a bare address, Squid's default with `address/name`.
    if first.contains(&b'/') {
        return read_default(question, &mut words);
    }
    question.read_fields(&FIELDS, &mut words)?;
    match words.next() {
        Some(_) => Err(BadLine::FieldCount),
        None => Ok(()),
    }
}

/// `ip/fqdn ident method`, then any number of `key=value`.
fn read_default(question: &mut Question, words: Words<'_, '_>) -> Result<(), BadLine> {
    let mut next = || match words.next() {
        Some(word) if !word.is_empty() => Ok(word),
        Some(_) | None => Err(BadLine::FieldCount),
    };
    let (client, user, method) = (next()?, next()?, next()?);
    for word in words {
        if !word.contains(&b'=') {
            return Err(BadLine::FieldCount);
        }
    }
    let bare = client.split(|&byte| byte == b'/').next().unwrap_or_default();
    // Plain `%un` and `%>rm` are not encoded, so they are not decoded either.
    question.set_unencoded(address(bare)?, (user != b"-").then_some(user), method);
    question.settle_phase()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
