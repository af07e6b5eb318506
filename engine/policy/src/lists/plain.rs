//! Lines of plain lists and of ufdbGuard's tables.

use super::collect::Collector;
use super::line::{Content, content};
use super::report::RefusedLine;
use super::urls;

/// One name a line.
pub(super) fn line(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    match content(raw) {
        Content::Nothing => Ok(()),
        Content::TooLong => Err(RefusedLine::TooLong),
        Content::Entry(entry) => list.entry(entry),
    }
}

/// One name or one URL a line.
pub(super) fn name_or_url(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    match content(raw) {
        Content::Entry(entry) if !entry.iter().any(|byte| matches!(byte, b'/' | b'?')) => {
            list.entry(entry)
        }
        Content::Nothing | Content::TooLong | Content::Entry(_) => urls::line(list, raw),
    }
}
