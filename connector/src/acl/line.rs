//! A line for `external_acl_type`, as bytes, to a [`Question`].

use eg_proto::Role;

use super::fields::FIELDS;
use crate::helper::{BadLine, Question};

/// What Squid writes for the arguments of an `acl` line that has none.
const NO_ARGUMENTS: &[u8] = b"-";

/// Reads what stands behind the channel-ID. After an error the question means nothing.
///
/// # Errors
/// When the line does not have the fields that `--squid-conf` prints, or is not about a tunnel: Squid
/// asks `ssl_bump` about nothing else.
pub fn read(question: &mut Question, line: &[u8]) -> Result<(), BadLine> {
    question.begin(Role::Acl);
    if line.is_empty() {
        return Err(BadLine::Empty);
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(BadLine::Control);
    }
    let mut words = line.split(|&byte| byte == b' ');
    question.read_fields(&FIELDS, &mut words)?;
    match (words.next(), words.next()) {
        (Some(NO_ARGUMENTS), None) => {}
        (Some(_) | None, _) => return Err(BadLine::FieldCount),
    }
    if question.is_connect() { Ok(()) } else { Err(BadLine::Method) }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
