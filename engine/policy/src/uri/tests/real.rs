//! Real URLs, with the `url` crate beside ours. It is an oracle for ordinary hosts and no judge: where
//! the two differ, the class of the difference must be one that is written down here.

use std::collections::BTreeMap;
use std::io::Read as _;

use crate::real_data::folder_or_skip;
use crate::uri::{CanonicalUri, Form, UriBuffer};

const OURS: &str = include_str!("../../../../../tests/data/urls.txt");

/// What the two say about the host of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The same host.
    Same,
    /// Both refuse the request.
    BothRefuse,
    /// The crate keeps a trailing dot; Squid drops it.
    TrailingDot,
    /// The crate keeps a mapped address as IPv6; Squid makes it IPv4.
    MappedAddress,
    /// The crate takes quotes and the like for parts of a name; no DNS name of a site holds them.
    OddCharacter,
    /// The crate decodes `%` in a host; Squid does not, so it is malformed.
    EscapedHost,
    /// The crate takes any byte for a part of the user-info, and `\` for `/`.
    Backslash,
    /// The crate makes up for slashes that Squid misses.
    Slashes,
    /// The crate takes names of any length, and an empty label in the middle.
    NameShape,
    /// The crate takes an empty port, and port 0.
    Port,
    /// The scheme is none of ours.
    OtherScheme,
    /// None of these: a fault of ours until shown otherwise.
    Unexplained,
}

fn class_of(buffer: &mut UriBuffer, raw: &[u8]) -> Class {
    let text = String::from_utf8_lossy(raw);
    let theirs = url::Url::parse(&text);
    let ours = CanonicalUri::parse(buffer, Form::Absolute, raw);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let host = theirs.host_str().unwrap_or_default();
            if ours.host_text() == host {
                Class::Same
            } else if ours.host_text() == host.trim_end_matches('.') {
                Class::TrailingDot
            } else if host.starts_with("[::ffff:") {
                Class::MappedAddress
            } else if text.contains('\\') {
                Class::Backslash
            } else {
                Class::Unexplained
            }
        }
        (Err(_), Err(_)) => Class::BothRefuse,
        (Ok(_), Err(_)) => Class::Unexplained,
        (Err(fault), Ok(_)) => match fault.word() {
            "host-character" => Class::OddCharacter,
            "host-escape" => Class::EscapedHost,
            "slashes" => Class::Slashes,
            "empty-label" | "label-too-long" | "name-too-long" => Class::NameShape,
            "port" => Class::Port,
            "scheme" => Class::OtherScheme,
            _ => Class::Unexplained,
        },
    }
}

fn count(lines: &[Vec<u8>]) -> BTreeMap<Class, usize> {
    let mut buffer = UriBuffer::default();
    let mut counts = BTreeMap::new();
    for line in lines {
        let class = class_of(&mut buffer, line);
        *counts.entry(class).or_insert(0) += 1;
        assert_ne!(class, Class::Unexplained, "{}", line.escape_ascii());
    }
    counts
}

/// Asserts that no class but `Same` and `BothRefuse` holds more than its bound.
#[track_caller]
fn assert_bounds(counts: &BTreeMap<Class, usize>, bounds: &[(Class, usize)]) {
    for (class, found) in counts {
        let bound = bounds.iter().find(|(bounded, _)| bounded == class).map(|(_, bound)| *bound);
        let bound = bound.unwrap_or(match class {
            Class::Same | Class::BothRefuse => usize::MAX,
            _ => 0,
        });
        assert!(*found <= bound, "{class:?}: {found} rows, at most {bound} expected; {counts:?}");
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn well_known_urls_have_the_host_that_everybody_reads() {
    let counts = count(&lines(OURS).map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&Class::Same]);
    assert!(counts.values().sum::<usize>() >= 200);
}

#[test]
fn well_known_urls_are_canonical_already() {
    let mut buffer = UriBuffer::default();
    for line in lines(OURS) {
        let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, line.as_bytes()).unwrap();
        let path = line.splitn(4, '/').last().and_then(|rest| rest.split('?').next()).unwrap();
        let folded = path.contains("//");
        // The crate leaves escapes and slashes alone, and escapes quotes in queries.
        if !line.contains(['%', '"', '\'', '|']) && !folded {
            assert_eq!(uri.text(), url::Url::parse(line).unwrap().as_str().as_bytes(), "{line}");
        }
        let one_view = path.is_ascii() && !line.contains(['%', ';']) && !folded;
        assert!(!one_view || uri.views().count() == 1, "{line}");
    }
}

#[test]
fn recorded_requests_differ_from_the_oracle_in_known_ways_only() {
    let Some(folder) = folder_or_skip("uri: recorded requests beside the oracle") else { return };
    // The first column of each row, below a heading; UT1's URLs come without a scheme.
    let table = |name: &str| -> Vec<Vec<u8>> {
        let file = std::fs::File::open(folder.join(name)).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        let rows = bytes.split(|byte| *byte == b'\n').skip(1).filter(|row| !row.is_empty());
        rows.map(|row| {
            let url = row.split(|byte| *byte == b'\t').next().unwrap();
            let whole = url.windows(3).any(|three| three == b"://");
            if whole { url.to_vec() } else { [b"http://", url].concat() }
        })
        .collect()
    };

    let counts = count(&table("urls/requests.tsv.gz"));
    assert_eq!(counts.values().sum::<usize>(), 114_791);
    assert_bounds(&counts, &[(Class::TrailingDot, 3), (Class::OddCharacter, 117)]);

    let counts = count(&table("urls/listed-urls.tsv.gz"));
    assert_eq!(counts.values().sum::<usize>(), 214_365);
    assert_bounds(&counts, &[(Class::TrailingDot, 1), (Class::Port, 1)]);
}
