//! Lines of a hosts file: an address and the names that it is given.
//!
//! Only names that lead to nowhere or to the machine itself are taken. The names that every machine
//! has for itself are passed over, whatever stands in front of them.

use std::net::IpAddr;

use super::collect::Collector;
use super::line::{Content, content};
use super::report::RefusedLine;
use crate::uri::parse_address;

/// What machines call themselves and their networks in their own hosts files.
const LOCAL_NAMES: [&[u8]; 16] = [
    b"localhost",
    b"localhost.localdomain",
    b"localhost4",
    b"localhost4.localdomain4",
    b"localhost6",
    b"localhost6.localdomain6",
    b"local",
    b"localdomain",
    b"broadcasthost",
    b"ip6-localhost",
    b"ip6-loopback",
    b"ip6-localnet",
    b"ip6-mcastprefix",
    b"ip6-allnodes",
    b"ip6-allrouters",
    b"ip6-allhosts",
];

pub(super) fn line(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    let entry = match content(raw) {
        Content::Nothing => return Ok(()),
        Content::TooLong => return Err(RefusedLine::TooLong),
        Content::Entry(entry) => entry,
    };
    if entry.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(RefusedLine::Control);
    }
    let mut words = words(entry);
    let (Some(front), Some(first)) = (words.next(), words.next()) else {
        return Err(RefusedLine::NotHosts);
    };
    let address = address(front).ok_or(RefusedLine::NotHosts)?;
    let mut outcome = Ok(());
    for name in std::iter::once(first).chain(words) {
        let taken = if is_local(name) {
            list.report.local_names = list.report.local_names.saturating_add(1);
            Ok(())
        } else if is_sink(address) {
            list.tree(name)
        } else {
            Err(RefusedLine::LeadsElsewhere)
        };
        outcome = outcome.and(taken);
    }
    outcome
}

/// Whether a line has the shape of a hosts file.
pub(super) fn has_shape(entry: &[u8]) -> bool {
    let mut words = words(entry);
    words.next().and_then(address).is_some() && words.next().is_some()
}

fn words(entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The address in front; a zone such as `%lo0` is no part of it. Only the usual spelling is one here.
fn address(word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok()
}

/// Whether an address leads to nowhere, or to the machine itself.
pub(super) fn is_sink(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || address.is_loopback()
}

/// Whether a name is the machine's own, or no name but an address.
fn is_local(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    LOCAL_NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
        || parse_address(name).is_some_and(|address| address.is_ok())
}
