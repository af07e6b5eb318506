//! The tests of the URL Standard: `urltestdata.json` and `setters_tests.json` of web-platform-tests.
//!
//! A browser resolves what a page says and sends the outcome to the proxy, so each `href` must be read
//! here as the standard reads it: the same host and port, and the path that a plain walk over its
//! `pathname` gives. The raw `input` is asked too: what a browser would have put right must come out as
//! the same or be refused, and where it is not, the table says why.
//!
//! Not asked: user-info, fragments, `protocol`, and the setters of other schemes, which say nothing here.

use serde_json::{Map, Value};

use super::table::{Class, Findings};
use super::{Extent, Parts, cases, read_uri};
use crate::uri::Scheme;

/// Why a URL is read otherwise on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Relative,
    ForeignScheme,
    Slashes,
    WhiteSpace,
    Backslash,
    HostCharacter,
    HostEscape,
    NameShape,
    TrailingDots,
    MappedAddress,
    Port,
    Number,
    Raw,
    Nul,
    InWhole,
}

impl Class for Why {
    const ALL: &'static [Self] = &[
        Self::Relative,
        Self::ForeignScheme,
        Self::Slashes,
        Self::WhiteSpace,
        Self::Backslash,
        Self::HostCharacter,
        Self::HostEscape,
        Self::NameShape,
        Self::TrailingDots,
        Self::MappedAddress,
        Self::Port,
        Self::Number,
        Self::Raw,
        Self::Nul,
        Self::InWhole,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Relative => "relative",
            Self::ForeignScheme => "foreign-scheme",
            Self::Slashes => "slashes",
            Self::WhiteSpace => "white-space",
            Self::Backslash => "backslash",
            Self::HostCharacter => "host-character",
            Self::HostEscape => "host-escape",
            Self::NameShape => "name-shape",
            Self::TrailingDots => "trailing-dots",
            Self::MappedAddress => "mapped-address",
            Self::Port => "port",
            Self::Number => "number",
            Self::Raw => "raw",
            Self::Nul => "nul",
            Self::InWhole => "in-whole",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Relative => "a proxy is asked for whole URLs and has no base to resolve against",
            Self::ForeignScheme => "only http, https and ftp are let through; all else is refused",
            Self::Slashes => "only `//` begins an authority for Squid; other numbers are refused",
            Self::WhiteSpace => {
                "the standard deletes white space around and within; raw it is refused"
            }
            Self::Backslash => {
                "a backslash is no slash to Squid, which ends the host at `/`, `?`, `#`"
            }
            Self::HostCharacter => "a host holds letters, digits, `-` and `_` only (SPEC 4)",
            Self::HostEscape => {
                "Squid decodes no escape in a host, so that a host with one is malformed"
            }
            Self::NameShape => {
                "empty labels, labels over 63 and names over 253 bytes are malformed"
            }
            Self::TrailingDots => "all dots at the end of a name are dropped, as Squid does",
            Self::MappedAddress => "an IPv4 address in IPv6 is that IPv4 address, as Squid has it",
            Self::Port => "an empty port and port 0 are refused",
            Self::Number => {
                "a host that ends in a number and is no address to `inet_aton`, as Squid calls it, is malformed"
            }
            Self::Raw => {
                "what a browser escapes and RFC 3986 has no place for stays as it was sent"
            }
            Self::Nul => "a NUL in a path, escaped or not, is malformed (SPEC 4)",
            Self::InWhole => {
                "a setter refuses user-info or a port where a whole URL may have them, also in the standard"
            }
        }
    }
}

/// What the standard says of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Theirs {
    /// It is none.
    Failure,
    /// Of a scheme that is not ours; the scheme.
    Foreign(String),
    /// Its parts.
    Parts(Parts),
}

impl Theirs {
    fn shown(&self) -> String {
        match self {
            Self::Failure => "<failure>".to_owned(),
            Self::Foreign(scheme) => format!("<{scheme}>"),
            Self::Parts(parts) => parts.shown(),
        }
    }
}

fn field<'v>(case: &'v Map<String, Value>, name: &str) -> &'v str {
    case.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no `{name}` in {case:?}"))
}

fn theirs(case: &Map<String, Value>) -> Theirs {
    if case.contains_key("failure") {
        return Theirs::Failure;
    }
    let word = field(case, "protocol").trim_end_matches(':');
    let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.word() == word) else {
        return Theirs::Foreign(word.to_owned());
    };
    let port = field(case, "port");
    // An empty query shows in the whole URL alone.
    let whole = field(case, "href").split('#').next().unwrap();
    let query = if whole.ends_with('?') { "?" } else { field(case, "search") };
    Theirs::Parts(Parts {
        scheme: word.to_owned(),
        host: field(case, "hostname").to_owned(),
        port: if port.is_empty() { scheme.default_port() } else { port.parse().unwrap() },
        rest: plain_rest(field(case, "pathname"), query),
    })
}

fn objects(bytes: &[u8]) -> Vec<Map<String, Value>> {
    let Value::Array(values) = serde_json::from_slice(bytes).unwrap() else { panic!("no array") };
    values.into_iter().filter_map(|value| value.as_object().cloned()).collect()
}

#[test]
fn urls_are_read_as_the_standard_has_them() {
    let (bytes, extent) = cases("urltestdata.json", "urltestdata.json", "urls-sample.json");
    let (mut findings, mut hrefs) = (Findings::default(), 0);
    for case in objects(&bytes) {
        let theirs = theirs(&case);
        let base = case.get("base").and_then(Value::as_str);
        let about = base.map_or_else(String::new, |base| format!(" against {base}"));
        let input = field(&case, "input");
        take(&mut findings, &format!("{input}{about}"), input, &theirs);
        if matches!(theirs, Theirs::Parts(_)) {
            hrefs += 1;
            let href = field(&case, "href");
            take(&mut findings, &format!("href {href}"), href, &theirs);
        }
    }
    let (least, least_hrefs) = match extent {
        Extent::Whole => (900, 200),
        Extent::Sample => (50, 15),
    };
    assert!(findings.count() > least && hrefs > least_hrefs, "{} {hrefs}", findings.count());
    findings.assert_as_listed::<Why>("differences-urls.tsv", extent);
}

#[test]
fn parts_that_are_set_are_read_as_the_standard_has_them() {
    let (bytes, extent) = cases("setters_tests.json", "setters_tests.json", "setters-sample.json");
    let Value::Object(setters) = serde_json::from_slice(&bytes).unwrap() else {
        panic!("no object")
    };
    let mut findings = Findings::default();
    for (part, tests) in &setters {
        for test in tests.as_array().unwrap().iter().filter_map(Value::as_object) {
            take_set(&mut findings, part, test);
        }
    }
    let least = match extent {
        Extent::Whole => 150,
        Extent::Sample => 30,
    };
    assert!(findings.count() > least, "{}", findings.count());
    findings.assert_as_listed::<Why>("differences-setters.tsv", extent);
}

/// A setter's test: the outcome as a whole, and the new value put into a URL as it is. Of the latter only
/// the part that is set is compared.
fn take_set(findings: &mut Findings, part: &str, test: &Map<String, Value>) {
    let Some(Value::Object(expected)) = test.get("expected") else { return };
    let (before, value) = (field(test, "href"), field(test, "new_value"));
    let Some(was) = parts_of(before) else { return };
    let mut due = was.clone();
    match expected.get("href").and_then(Value::as_str) {
        Some(after) => {
            let Some(now) = parts_of(after) else { return };
            due = now;
            take(findings, &format!("href {after}"), after, &Theirs::Parts(due.clone()));
        }
        None => {
            let port = field(expected, "port");
            let own = Scheme::ALL.into_iter().find(|scheme| scheme.word() == due.scheme).unwrap();
            due.port = if port.is_empty() { own.default_port() } else { port.parse().unwrap() };
        }
    }
    let refusable = due == was;
    let Parts { scheme, host, port, rest } = &due;
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (raw, rest) = match part {
        "host" | "hostname" => (format!("{scheme}://{value}/"), None),
        "port" => (format!("{scheme}://{host}:{value}/"), None),
        "pathname" if !value.contains(['?', '#']) => {
            let slash = if value.starts_with('/') { "" } else { "/" };
            (format!("{scheme}://{host}:{port}{slash}{value}"), Some(path.to_owned()))
        }
        "search" if !value.contains('#') && !query.is_empty() => {
            let value = value.strip_prefix('?').unwrap_or(value);
            (format!("{scheme}://{host}:{port}/?{value}"), Some(format!("/{query}")))
        }
        _ => return,
    };
    let ours = read_uri(&raw);
    match (rest, &ours) {
        (Some(rest), _) => due.rest = rest,
        (None, Ok(ours)) => due.rest.clone_from(&ours.rest),
        (None, Err(_)) => {}
    }
    // A port stays when a host without one is set, and is the scheme's when it is read.
    if let ("host" | "hostname", Ok(ours)) = (part, &ours) {
        due.port = ours.port;
    }
    // A setter that refuses leaves everything as it was.
    let refused = refusable && ours.as_ref() != Ok(&due);
    let theirs = if refused { Theirs::Failure } else { Theirs::Parts(due) };
    take(findings, &format!("{part} {value} in {before}"), &raw, &theirs);
}

/// The parts of a URL that is in the standard's own form; nothing where the scheme is not ours.
fn parts_of(href: &str) -> Option<Parts> {
    let url = url::Url::parse(href).unwrap_or_else(|fault| panic!("{href}: {fault}"));
    let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.word() == url.scheme())?;
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    Some(Parts {
        scheme: url.scheme().to_owned(),
        host: url.host_str()?.to_owned(),
        port: url.port().unwrap_or_else(|| scheme.default_port()),
        rest: plain_rest(url.path(), &query),
    })
}

fn take(findings: &mut Findings, case: &str, raw: &str, theirs: &Theirs) {
    let ours = read_uri(raw);
    // That both refuse is agreement, whatever each calls it.
    let pair = match (theirs, &ours) {
        (Theirs::Failure, Err(_)) => (String::new(), String::new()),
        (theirs, Ok(ours)) => (theirs.shown(), ours.shown()),
        (theirs, Err(word)) => (theirs.shown(), format!("<{word}>")),
    };
    findings.take(case, pair, || class_of(raw, theirs, &ours));
}

fn class_of(raw: &str, theirs: &Theirs, ours: &Result<Parts, &str>) -> Option<Why> {
    let white = raw.starts_with(|letter| letter <= ' ')
        || raw.ends_with(|letter| letter <= ' ')
        || raw.contains(['\t', '\n', '\r']);
    let colon = raw.split_once(':').map_or("", |(word, _)| word);
    let whole = colon.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && colon.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let theirs = match (theirs, ours) {
        (Theirs::Failure, Ok(ours)) => {
            let whole = url::Url::parse(raw).ok().and_then(|_| parts_of(raw));
            return (whole.as_ref() == Some(ours)).then_some(Why::InWhole);
        }
        (Theirs::Failure, Err(_)) => return None,
        (Theirs::Foreign(_), Ok(_)) => return None,
        (Theirs::Foreign(_), Err("scheme")) if whole => return Some(Why::ForeignScheme),
        (Theirs::Parts(_) | Theirs::Foreign(_), Err(_)) if white => return Some(Why::WhiteSpace),
        (Theirs::Parts(_) | Theirs::Foreign(_), Err("scheme")) if !whole => {
            return Some(Why::Relative);
        }
        (Theirs::Foreign(_), Err(_)) => return None,
        (Theirs::Parts(parts), Ok(_) | Err(_)) => parts,
    };
    match ours {
        Err("slashes") => Some(Why::Slashes),
        Err("host-escape") => Some(Why::HostEscape),
        Err("host-character" | "port" | "ipv6" | "empty-host") if raw.contains('\\') => {
            Some(Why::Backslash)
        }
        Err("host-character") => Some(Why::HostCharacter),
        Err("empty-label" | "label-too-long" | "name-too-long") => Some(Why::NameShape),
        Err("port") => Some(Why::Port),
        Err("empty-host") if theirs.host.bytes().all(|byte| byte == b'.') => {
            Some(Why::TrailingDots)
        }
        Err("ipv4") => Some(Why::Number),
        Err("nul") => Some(Why::Nul),
        Err(_) => None,
        Ok(_) if white => Some(Why::WhiteSpace),
        Ok(_) if raw.contains('\\') => Some(Why::Backslash),
        Ok(ours) if theirs.host == ours.host => {
            let same = loosened(&theirs.rest) == loosened(&ours.rest);
            (same && theirs.port == ours.port).then_some(Why::Raw)
        }
        Ok(ours) if theirs.host.trim_end_matches('.') == ours.host => Some(Why::TrailingDots),
        Ok(_) if theirs.host.starts_with("[::ffff:") => Some(Why::MappedAddress),
        Ok(_) => None,
    }
}

/// A path and query in which a browser's own escapes are taken back.
fn loosened(rest: &str) -> String {
    ["\"", "'", "<", ">", "`", "{", "}", "^", "|"].into_iter().fold(
        rest.to_owned(),
        |rest, letter| {
            let byte = letter.as_bytes()[0];
            rest.replace(&format!("%{byte:02X}"), letter)
        },
    )
}

/// Path and query in canonical form, the slow and obvious way: the twin of `uri/path.rs`.
fn plain_rest(path: &str, query: &str) -> String {
    let mut path = plain_escapes(path.as_bytes());
    // RFC 3986 section 5.2.4, on segments.
    let mut kept: Vec<String> = Vec::new();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(&path).split('/').collect();
    for (place, segment) in segments.iter().enumerate() {
        let last = place + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other.to_owned());
                continue;
            }
        }
        if last {
            kept.push(String::new());
        }
    }
    path = format!("/{}", kept.join("/"));
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path + &plain_escapes(query.as_bytes())
}

/// Unreserved escapes decoded, other ones in upper case, what must be escaped escaped.
fn plain_escapes(mut from: &[u8]) -> String {
    let mut out = String::new();
    while let Some((first, tail)) = from.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped =
            digits.filter(|two| *first == b'%' && two.bytes().all(|d| d.is_ascii_hexdigit()));
        let escaped = escaped.map(|two| u8::from_str_radix(two, 16).unwrap());
        match escaped {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None if *first > b' ' && *first < 0x7f => out.push(char::from(*first)),
            None => out.push_str(&format!("%{first:02X}")),
        }
        from = if escaped.is_some() { &tail[2..] } else { tail };
    }
    out
}
