//! Where in a list file an entry stands. A set keeps no lines, so whoever explains looks in the file.

use std::net::IpAddr;

use super::line::lines;
use super::part::ListPart;
use super::raw::RawList;
use super::read::{entries_of_line, format_of};
use super::report::{ListFormat, ListReport};
use super::{expressions, read_addresses, unpack::unpack};
use crate::check::DomainPattern;
use crate::users::read_users;

/// An entry of a list. A set knows no lines; the tools look them up in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// This name of a list of names.
    Name(DomainPattern),
    /// What of a list of addresses holds this one.
    Holds(IpAddr),
    /// This name of a list of users.
    User(String),
    /// What of a list of URLs this host and rest begin with.
    Url {
        /// The host.
        host: String,
        /// Path and query.
        rest: String,
    },
    /// This expression of a list.
    Expression(String),
}

/// The file of a list, and the first line of it, from 1, that gives this entry; nothing where none does
/// by itself, as in a zone whose origin stands elsewhere. `said` is the format that a rule says.
#[must_use]
pub fn line_of_entry(
    list: &RawList,
    said: Option<ListFormat>,
    entry: &ListEntry,
) -> Option<(ListPart, u64)> {
    list.parts().iter().find_map(|(part, bytes)| {
        let bytes = unpack(bytes).ok()?;
        let line = match entry {
            ListEntry::Holds(address) => line_of_address(&bytes, *address),
            ListEntry::User(name) => {
                first(&bytes, |line| read_users(line).is_ok_and(|(users, _)| users.contains(name)))
            }
            ListEntry::Name(_) | ListEntry::Url { .. } | ListEntry::Expression(_) => {
                line_of_text(*part, &bytes, format_of(*part, &bytes, said).ok()?, entry)
            }
        };
        line.map(|line| (*part, line))
    })
}

/// The line of a name, a URL or an expression.
fn line_of_text(
    part: ListPart,
    bytes: &[u8],
    format: ListFormat,
    entry: &ListEntry,
) -> Option<u64> {
    if format == ListFormat::Expressions {
        let ListEntry::Expression(wanted) = entry else { return None };
        return first(bytes, |line| {
            let found = expressions::read(line, &mut ListReport::new(part, format));
            found.patterns().iter().any(|own| own.as_str() == wanted)
        });
    }
    let gives = |line: &[u8]| {
        let Some((names, urls)) = entries_of_line(part, line, format) else { return false };
        match entry {
            ListEntry::Name(own) => {
                names.iter().any(|(name, scope)| name == own.name && scope == own.scope)
            }
            ListEntry::Url { host, rest } => {
                urls.iter().any(|(own, begins)| own == host && rest.starts_with(begins))
            }
            ListEntry::Holds(_) | ListEntry::User(_) | ListEntry::Expression(_) => false,
        }
    };
    let text = match entry {
        ListEntry::Name(own) => own.name.as_bytes(),
        ListEntry::Url { host, .. } => host.as_bytes(),
        ListEntry::Holds(_) | ListEntry::User(_) | ListEntry::Expression(_) => return None,
    };
    // PERF: nearly every entry is written as it is kept, and to look for its letters is far cheaper than
    // to read each of millions of lines.
    let written = |line: &[u8]| {
        line.windows(text.len().max(1)).any(|part| part.eq_ignore_ascii_case(text)) && gives(line)
    };
    first(bytes, written).or_else(|| first(bytes, gives))
}

/// The first line that holds this address.
fn line_of_address(bytes: &[u8], address: IpAddr) -> Option<u64> {
    first(bytes, |line| {
        read_addresses(line)
            .is_ok_and(|(ranges, _)| ranges.iter().any(|range| range.holds(address)))
    })
}

fn first(bytes: &[u8], gives: impl Fn(&[u8]) -> bool) -> Option<u64> {
    let found = lines(bytes).zip(1_u64..).find(|(line, _)| gives(line));
    found.map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Scope;

    fn raw(bytes: &[u8]) -> RawList {
        RawList::file(bytes.to_vec())
    }

    #[test]
    fn the_line_that_gives_an_entry() {
        let list = "# games\nnotgames.example\nGames.Example. # lessons\ngames.example\n\
                    =games.example\nb\u{fc}cher.test\n0x7f.1\n";
        let check = |name: &str, scope, expected: Option<u64>| {
            let entry = DomainPattern { name: name.into(), scope };
            let text = entry.to_string();
            let found = line_of_entry(&raw(list.as_bytes()), None, &ListEntry::Name(entry));
            assert_eq!(found, expected.map(|line| (ListPart::Whole, line)), "{text}");
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
        let check = |text: &str, expected: Option<u64>| {
            let entry = ListEntry::Holds(text.parse().unwrap());
            let found = line_of_entry(&raw(list), None, &entry);
            assert_eq!(found, expected.map(|line| (ListPart::Whole, line)), "{text}");
        };
        check("10.255.0.1", Some(1));
        check("192.0.2.9", Some(3));
        check("198.51.100.7", Some(4));
        check("2001:db8::1", None);
    }

    #[test]
    fn each_part_and_format_by_its_own_reader() {
        let name =
            |name: &str| ListEntry::Name(DomainPattern { name: name.into(), scope: Scope::Tree });
        let url = |host: &str, rest: &str| ListEntry::Url { host: host.into(), rest: rest.into() };
        let folder = RawList::folder(vec![
            (ListPart::Domains, b"a.test\nb.test\n".to_vec()),
            (ListPart::Urls, b"# urls\nc.test/x\nc.test/x/y\n".to_vec()),
            (ListPart::Expressions, b"# all\n/ads[0-9]\n".to_vec()),
        ]);
        let check = |list: &RawList, entry: &ListEntry, expected| {
            assert_eq!(line_of_entry(list, None, entry), expected, "{entry:?}");
        };
        check(&folder, &name("b.test"), Some((ListPart::Domains, 2)));
        check(&folder, &url("c.test", "/x/y/z"), Some((ListPart::Urls, 2)));
        check(&folder, &url("c.test", "/y"), None);
        let expression = ListEntry::Expression("/ads[0-9]".into());
        check(&folder, &expression, Some((ListPart::Expressions, 2)));
        let hosts = raw(b"# x\n0.0.0.0 a.test\n0.0.0.0 b.test\n");
        check(&hosts, &name("b.test"), Some((ListPart::Whole, 3)));
        check(&raw(b"||a.test^\n||b.test^\n"), &name("b.test"), Some((ListPart::Whole, 2)));
        check(
            &raw(b"# who\nada\neve # x\n"),
            &ListEntry::User("eve".into()),
            Some((ListPart::Whole, 3)),
        );
    }
}
