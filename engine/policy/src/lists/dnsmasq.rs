//! Lines of a dnsmasq configuration: `address=/name/`, `server=/name/`, `local=/name/`.
//!
//! A name is taken where dnsmasq would give no address of its own, or one that leads to nowhere.

use std::net::IpAddr;

use super::collect::Collector;
use super::hosts::is_sink;
use super::line::{Content, content};
use super::report::RefusedLine;

/// What an option does with its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It gives nothing, or an address that leads to nowhere.
    Nowhere,
    /// It asks the usual servers: an exception.
    Usual,
    /// It leads somewhere else.
    Elsewhere,
}

pub(super) fn line(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    let entry = match content(raw) {
        Content::Nothing => return Ok(()),
        Content::TooLong => return Err(RefusedLine::TooLong),
        Content::Entry(entry) => entry,
    };
    if entry.iter().any(u8::is_ascii_control) {
        return Err(RefusedLine::Control);
    }
    let (names, answer) = option(entry).ok_or(RefusedLine::DnsmasqOption)?;
    match answer {
        Answer::Elsewhere => return Err(RefusedLine::LeadsElsewhere),
        Answer::Usual => {
            list.report.exception();
            return Ok(());
        }
        Answer::Nowhere => {}
    }
    let mut outcome = Ok(());
    for name in names.split(|byte| *byte == b'/') {
        let taken = match name {
            b"" => Err(RefusedLine::NotAName),
            b"#" => Err(RefusedLine::Everything),
            _ => list.tree(name.strip_prefix(b".").unwrap_or(name)),
        };
        outcome = outcome.and(taken);
    }
    outcome
}

/// Whether a line has the shape of such an option.
pub(super) fn has_shape(entry: &[u8]) -> bool {
    option(entry).is_some()
}

/// The names of an option, with slashes between them, and what it does with them.
fn option(entry: &[u8]) -> Option<(&[u8], Answer)> {
    let equals = entry.iter().position(|byte| *byte == b'=')?;
    let (key, value) = entry.split_at(equals);
    let value = value.strip_prefix(b"=")?.trim_ascii().strip_prefix(b"/")?;
    let slash = value.iter().rposition(|byte| *byte == b'/')?;
    let (names, target) = value.split_at(slash);
    let target = target.strip_prefix(b"/")?;
    let answer = match (key.trim_ascii(), target) {
        (b"address" | b"server" | b"local", b"") | (b"address", b"#") => Answer::Nowhere,
        (b"server" | b"local", b"#") => Answer::Usual,
        (b"address", _) => {
            let address = std::str::from_utf8(target).ok().and_then(|text| text.parse().ok());
            match address.is_some_and(|address: IpAddr| is_sink(address)) {
                true => Answer::Nowhere,
                false => Answer::Elsewhere,
            }
        }
        (b"server" | b"local", _) => Answer::Elsewhere,
        _ => return None,
    };
    Some((names, answer))
}
