//! Which format a list has, by its first lines that one of the formats could use.
//!
//! The formats that are told apart by themselves share no line, so each such line is a vote for one. A
//! list whose votes are not clearly for one format is refused, with the word that forces it: what is left
//! out by a guess would not be blocked.

use super::collect::{foreign, plain_name};
use super::line::{Content, content, lines};
use super::report::{ListFault, ListFormat};
use super::{adblock, dnsmasq, hosts, rpz};
use crate::uri::{Domain, parse_address};

/// So many votes are enough.
const VOTES_MAX: u64 = 1_000;

/// So many lines are looked at for them: filter lists begin with thousands that speak of no host.
const LINES_MAX: usize = 100_000;

/// A format is taken where it has more than this many times the votes of the next one.
const CLEARLY: u64 = 2;

/// The formats that are recognised.
const FORMATS: [ListFormat; 5] = [
    ListFormat::Plain,
    ListFormat::Hosts,
    ListFormat::Dnsmasq,
    ListFormat::Adblock,
    ListFormat::Rpz,
];

/// The format of unpacked bytes.
pub(super) fn detect(bytes: &[u8]) -> Result<ListFormat, ListFault> {
    let mut votes = [0_u64; FORMATS.len()];
    let mut buffer = String::new();
    for line in lines(bytes).take(LINES_MAX) {
        if adblock::is_head(line.trim_ascii()) {
            return Ok(ListFormat::Adblock);
        }
        let Some(format) = vote(line, &mut buffer) else { continue };
        let own = FORMATS.iter().zip(&mut votes).find(|(other, _)| **other == format);
        if let Some((_, count)) = own {
            *count = count.saturating_add(1);
        }
        if votes.iter().sum::<u64>() >= VOTES_MAX {
            break;
        }
    }
    let mut ranked: Vec<(u64, ListFormat)> = votes.into_iter().zip(FORMATS).collect();
    // Stable: without any vote the list is plain.
    ranked.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    match ranked.as_slice() {
        [(first_lines, first), (second_lines, second), ..]
            if *second_lines > 0 && second_lines.saturating_mul(CLEARLY) >= *first_lines =>
        {
            Err(ListFault::Ambiguous {
                first: *first,
                first_lines: *first_lines,
                second: *second,
                second_lines: *second_lines,
            })
        }
        [(_, first), ..] => Ok(*first),
        [] => Ok(ListFormat::Plain),
    }
}

/// Whether the bytes are a page for people: the first line that says anything begins a tag.
pub(super) fn is_web_page(bytes: &[u8]) -> bool {
    let mut lines = lines(bytes).take(LINES_MAX).map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty()).is_some_and(|line| line.starts_with(b"<"))
}

/// The format that could use a line, if any.
fn vote(line: &[u8], buffer: &mut String) -> Option<ListFormat> {
    if adblock::has_shape(line.trim_ascii()) {
        return Some(ListFormat::Adblock);
    }
    if rpz::has_shape(line) {
        return Some(ListFormat::Rpz);
    }
    let Content::Entry(entry) = content(line) else { return None };
    if hosts::has_shape(entry) {
        return Some(ListFormat::Hosts);
    }
    if dnsmasq::has_shape(entry) {
        return Some(ListFormat::Dnsmasq);
    }
    is_plain(entry, buffer).then_some(ListFormat::Plain)
}

/// Whether a plain list could use an entry.
fn is_plain(entry: &[u8], buffer: &mut String) -> bool {
    if plain_name(entry).is_some() {
        return true;
    }
    if entry.starts_with(b"!") || foreign(entry).is_some() {
        return false;
    }
    let name = entry.strip_prefix(b"=").or_else(|| entry.strip_prefix(b"*."));
    let name = name.or_else(|| entry.strip_prefix(b".")).unwrap_or(entry);
    match parse_address(name) {
        Some(address) => address.is_ok(),
        None => Domain::parse(buffer, name).is_ok(),
    }
}
