//! Where in a list file an entry stands. A set keeps no lines, so whoever explains looks in the file.

use std::net::IpAddr;

use super::line::lines;
use super::{read_addresses, read_names, unpack::unpack};
use crate::check::DomainPattern;

/// The first line, from 1, that gives this entry; nothing where none does, or the file cannot be read.
#[must_use]
pub fn line_of_name(bytes: &[u8], entry: &DomainPattern) -> Option<u64> {
    let gives = |line: &[u8]| {
        read_names(line).is_ok_and(|(names, _)| {
            names.iter().any(|(name, scope)| name == entry.name && scope == entry.scope)
        })
    };
    // PERF: nearly every entry is written as it is kept, and to look for its letters is far cheaper than
    // to read each of millions of lines.
    let name = entry.name.as_bytes();
    let written = |line: &[u8]| {
        line.windows(name.len().max(1)).any(|part| part.eq_ignore_ascii_case(name)) && gives(line)
    };
    first(bytes, written).or_else(|| first(bytes, gives))
}

/// The first line, from 1, that holds this address.
#[must_use]
pub fn line_of_address(bytes: &[u8], address: IpAddr) -> Option<u64> {
    first(bytes, |line| {
        read_addresses(line)
            .is_ok_and(|(ranges, _)| ranges.iter().any(|range| range.holds(address)))
    })
}

fn first(bytes: &[u8], gives: impl Fn(&[u8]) -> bool) -> Option<u64> {
    let text = unpack(bytes).ok()?;
    let found = lines(&text).zip(1_u64..).find(|(line, _)| gives(line));
    found.map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Scope;

    #[test]
    fn the_line_that_gives_an_entry() {
        let list = "# games\nnotgames.example\nGames.Example. # lessons\ngames.example\n\
                    =games.example\nb\u{fc}cher.test\n0x7f.1\n";
        let check = |name: &str, scope, expected| {
            let entry = DomainPattern { name: name.into(), scope };
            assert_eq!(line_of_name(list.as_bytes(), &entry), expected, "{entry}");
        };
        check("games.example", Scope::Tree, Some(3));
        check("games.example", Scope::Host, Some(5));
        check("notgames.example", Scope::Tree, Some(2));
        check("xn--bcher-kva.test", Scope::Tree, Some(6));
        check("127.0.0.1", Scope::Host, Some(7));
        check("example", Scope::Tree, None);
    }

    #[test]
    fn the_line_that_holds_an_address() {
        let list = b"10.0.0.0/8\n# office\n192.0.2.1-192.0.2.9\n::ffff:198.51.100.0/120\n";
        let check = |text: &str, expected| {
            assert_eq!(line_of_address(list, text.parse().unwrap()), expected, "{text}");
        };
        check("10.255.0.1", Some(1));
        check("192.0.2.9", Some(3));
        check("198.51.100.7", Some(4));
        check("2001:db8::1", None);
    }
}
