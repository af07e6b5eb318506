//! Requests that a filter must not be fooled by, by the ids of the corpus, groups A, B, C, D and G.
//!
//! Views are written with bytes beyond printable ASCII escaped (`\xfc`). A request that is malformed is
//! denied, whatever the rules say.

use std::net::IpAddr;

use super::views;
use crate::check::IsConnect;
use crate::uri::{CanonicalUri, Form, Host, PathKnown, UriBuffer, View};

/// The id, the request, and its views or the word of its fault.
type Row<'a> = (&'a str, &'a str, Result<&'a [&'a str], &'static str>);

#[track_caller]
fn check(form: Form, rows: &[Row<'_>]) {
    for (id, raw, expected) in rows {
        let expected = expected.map(|texts| texts.iter().map(ToString::to_string).collect());
        assert_eq!(views(form, raw.as_bytes()), expected, "{id}: {raw}");
    }
}

#[test]
fn a_authority() {
    check(
        Form::Absolute,
        &[
            ("A01", "http://BLOCKED.Test/a", Ok(&["http://blocked.test/a"])),
            ("A02", "HTTP://blocked.test/a", Ok(&["http://blocked.test/a"])),
            ("A04", "http://blocked.test../a", Ok(&["http://blocked.test/a"])),
            ("A05", "http://.blocked.test/a", Err("empty-label")),
            ("A05", "http://blocked..test/a", Err("empty-label")),
            ("A06", "http://www.blocked.test/a", Ok(&["http://www.blocked.test/a"])),
            ("A08", "http://blocked.test.evil.test/a", Ok(&["http://blocked.test.evil.test/a"])),
            ("A09", "http://good.test@blocked.test/a", Ok(&["http://blocked.test/a"])),
            ("A09", "https://u:p@good.test@blocked.test/a", Ok(&["https://blocked.test/a"])),
            ("A09", "ftp://u:p@blocked.test/a", Ok(&["ftp://blocked.test/a"])),
            ("A10", "http://good.test:80@blocked.test/a", Ok(&["http://blocked.test/a"])),
            ("A12", "http://good.test\\@blocked.test/a", Ok(&["http://blocked.test/a"])),
            ("A13", "http://blocked.test\\@good.test/a", Ok(&["http://good.test/a"])),
            ("A14", "http://good.test#@blocked.test/a", Ok(&["http://good.test/"])),
            ("A14", "http://good.test?@blocked.test/a", Ok(&["http://good.test/?@blocked.test/a"])),
            ("A16", "http://bl%6fcked.test/a", Err("host-escape")),
            ("A17", "http://blocked%2etest/a", Err("host-escape")),
            ("A18", "http://blocked.test%00.good.test/a", Err("host-escape")),
            ("A18", "http://blocked.test\0.good.test/a", Err("nul")),
            ("A20", "http://blocked.test\t:80/a", Err("host-character")),
            ("A20", "http://blocked.test :80/a", Err("host-character")),
            ("A20", " http://blocked.test/a", Err("scheme")),
            ("A21", "http://blocked.test:0080/a", Ok(&["http://blocked.test/a"])),
            ("A21", "http://blocked.test:08080/a", Ok(&["http://blocked.test:8080/a"])),
            ("A22", "http://blocked.test:80abc/a", Err("port")),
            ("A22", "http://blocked.test:+80/a", Err("port")),
            ("A24", "http://blocked.test:/a", Err("port")),
            ("A24", "http://blocked.test:0/a", Err("port")),
            ("A24", "http://blocked.test:65536/a", Err("port")),
            ("A24", "http://blocked.test:99999/a", Err("port")),
            ("A25", "http://blocked.test\\a", Err("host-character")),
            ("A25", "http://blocked.test\\/a", Err("host-character")),
            ("A26", "http:/blocked.test/a", Err("slashes")),
            ("A26", "http:blocked.test/a", Err("slashes")),
            ("A26", "http:\\\\blocked.test/a", Err("slashes")),
            ("A26", "http:///blocked.test/a", Err("empty-host")),
            ("A30", "/a", Err("scheme")),
            ("A32", "https://blocked.test/a", Ok(&["https://blocked.test/a"])),
            ("A33", "ws://blocked.test/", Err("scheme")),
            ("A33", "gopher://blocked.test/", Err("scheme")),
            ("A33", "urn:blocked.test", Err("scheme")),
            ("A34", "/squid-internal-mgr/", Err("scheme")),
            ("A--", "", Err("scheme")),
            ("A--", "http", Err("scheme")),
            ("A--", "http://", Err("empty-host")),
            ("A--", "http://@/", Err("empty-host")),
            ("A--", "http://blocked.test", Ok(&["http://blocked.test/"])),
            ("A--", "https://blocked.test:443/", Ok(&["https://blocked.test/"])),
            ("A--", "https://blocked.test:80/", Ok(&["https://blocked.test:80/"])),
            ("A--", "ftp://blocked.test:21/", Ok(&["ftp://blocked.test/"])),
            ("A--", "http://blocked.test:65535/", Ok(&["http://blocked.test:65535/"])),
            ("A--", "http://blocked.test:1/", Ok(&["http://blocked.test:1/"])),
        ],
    );
}

#[test]
fn a34_pages_of_the_proxy_itself() {
    check(
        Form::Absolute,
        &[
            ("A34", "cache_object://blocked.test/", Err("proxy-internal")),
            ("A34", "Cache_Object://127.0.0.1/info", Err("proxy-internal")),
            ("A34", "http://good.test/squid-internal-mgr/info", Err("proxy-internal")),
            ("A34", "http://good.test/squid-internal-mgr", Err("proxy-internal")),
            ("A34", "http://good.test/SQUID-internal-mgr?x", Err("proxy-internal")),
            ("A34", "http://good.test//squid-internal-mgr/", Err("proxy-internal")),
            ("A34", "http://good.test/x/..%2fsquid-internal-mgr/", Err("proxy-internal")),
            ("A34", "http://good.test/%2573quid-internal-mgr/", Err("proxy-internal")),
            ("A34", "http://good.test/%73quid-internal-mgr/", Err("proxy-internal")),
            (
                "A34",
                "http://good.test/squid-internal-mgrs",
                Ok(&["http://good.test/squid-internal-mgrs"]),
            ),
            (
                "A34",
                "http://good.test/x/squid-internal-mgr/",
                Ok(&["http://good.test/x/squid-internal-mgr/"]),
            ),
        ],
    );
}

#[test]
fn b_international_names() {
    check(
        Form::Absolute,
        &[
            ("B01", "http://b\u{fc}cher.test/", Ok(&["http://xn--bcher-kva.test/"])),
            ("B02", "http://xn--bcher-kva.test/", Ok(&["http://xn--bcher-kva.test/"])),
            ("B03", "http://XN--BCHER-KVA.test/", Ok(&["http://xn--bcher-kva.test/"])),
            ("B06", "http://blocked\u{3002}test/", Ok(&["http://blocked.test/"])),
            ("B06", "http://blocked\u{ff0e}test/", Ok(&["http://blocked.test/"])),
            ("B06", "http://blocked\u{ff61}test\u{ff61}/", Ok(&["http://blocked.test/"])),
            ("B07", "http://\u{ff42}\u{ff4c}ocked.test/", Ok(&["http://blocked.test/"])),
            ("B07", "http://\u{24d1}locked.test/", Ok(&["http://blocked.test/"])),
            ("B09", "http://xn--a.test/", Err("international")),
            ("B10", "http://bu\u{308}cher.test/", Ok(&["http://xn--bcher-kva.test/"])),
            ("B11", "http://stra\u{df}e.test/", Ok(&["http://xn--strae-oqa.test/"])),
            ("B11", "http://strasse.test/", Ok(&["http://strasse.test/"])),
            ("B14", "http://_x.blocked.test/", Ok(&["http://_x.blocked.test/"])),
            ("B--", "http://\u{ff05}36.test/", Err("host-escape")),
            ("B--", "http://a\u{ff0f}b.test/", Err("host-character")),
        ],
    );
    assert_eq!(views(Form::Absolute, b"http://b\xfccher.test/"), Err("international"), "B05");
}

#[test]
fn c_addresses() {
    let loopback: &[&str] = &["http://127.0.0.1/"];
    let zero: &[&str] = &["http://0.0.0.0/"];
    check(
        Form::Absolute,
        &[
            ("C01", "http://127.0.0.1./", Ok(loopback)),
            ("C03", "http://2130706433/", Ok(loopback)),
            ("C04", "http://0x7f000001/", Ok(loopback)),
            ("C04", "http://0x7f.1/", Ok(loopback)),
            ("C04", "http://0X7F.1:80/", Ok(loopback)),
            ("C05", "http://0177.0.0.1/", Ok(loopback)),
            ("C05", "http://017700000001/", Ok(loopback)),
            ("C05", "http://127.0.0.01/", Ok(loopback)),
            ("C07", "http://0.0.0.0/", Ok(zero)),
            ("C08", "http://0x0/", Ok(zero)),
            ("C08", "http://00.0/", Ok(zero)),
            ("C08", "http://0/", Ok(zero)),
            ("C09", "http://[::ffff:127.0.0.1]/", Ok(loopback)),
            ("C09", "http://[::ffff:7f00:1]/", Ok(loopback)),
            ("C09", "http://[0:0:0:0:0:FFFF:7f00:0001]:80/", Ok(loopback)),
            ("C11", "http://::1/", Err("ipv6")),
            ("C12", "http://[fe80::1%25eth0]/", Err("ipv6")),
            ("C12", "http://fe80::1%25eth0/", Err("port")),
            ("C13", "http://[::1]blocked.test/", Err("ipv6")),
            ("C15", "http://127.255.255.254/", Ok(&["http://127.255.255.254/"])),
            ("C16", "http://169.254.169.254/x", Ok(&["http://169.254.169.254/x"])),
            ("C16", "http://localhost/", Ok(&["http://localhost/"])),
            ("C17", "http://127.0.0.1.nip.example/", Ok(&["http://127.0.0.1.nip.example/"])),
            ("C--", "http://\u{ff11}\u{ff12}\u{ff17}.1/", Ok(loopback)),
            ("C--", "http://127\u{3002}0\u{3002}0\u{3002}1/", Ok(loopback)),
            ("C--", "http://[2001:DB8:0:0::1]:8080/", Ok(&["http://[2001:db8::1]:8080/"])),
            ("C--", "http://[::]/", Ok(&["http://[::]/"])),
            ("C--", "http://256.1.1.1/", Err("ipv4")),
            ("C--", "http://1.2.3.4.5/", Err("ipv4")),
            ("C--", "http://08.0.0.1/", Err("ipv4")),
            ("C--", "http://4294967296/", Err("ipv4")),
            ("C--", "http://0x/", Err("ipv4")),
            ("C--", "http://a.0x7f/", Err("ipv4")),
            ("C--", "http://[127.0.0.1]/", Err("ipv6")),
            ("C--", "http://[blocked.test]/", Err("ipv6")),
        ],
    );
    let mut buffer = UriBuffer::default();
    let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, b"http://0x7f.1/").unwrap();
    assert_eq!(uri.host(), Host::Address(IpAddr::from([127, 0, 0, 1])));
}

const SECRET: &[&str] = &["http://s.test/secret"];

const PATHS: &[Row<'_>] = &[
    ("D01", "http://s.test/SECRET", Ok(&["http://s.test/SECRET"])),
    ("D03", "http://s.test//secret", Ok(&["http://s.test/secret", "http://s.test//secret"])),
    ("D03", "http://s.test///secret", Ok(&["http://s.test/secret", "http://s.test///secret"])),
    ("D04", "http://s.test/./secret", Ok(SECRET)),
    ("D05", "http://s.test/x/../secret", Ok(SECRET)),
    ("D05", "http://s.test/../../secret", Ok(SECRET)),
    (
        "D07",
        "http://s.test/x/..%2fsecret",
        Ok(&["http://s.test/x/..%2Fsecret", "http://s.test/secret"]),
    ),
    ("D08", "http://s.test/%2e/secret", Ok(SECRET)),
    ("D08", "http://s.test/x/%2E%2e/secret", Ok(SECRET)),
    ("D09", "http://s.test/s%65cret", Ok(SECRET)),
    ("D09", "http://s.test/%73%65%63%72%65%74", Ok(SECRET)),
    ("D11", "http://s.test/s%c1%a5cret", Ok(&["http://s.test/s%C1%A5cret"])),
    ("D12", "http://s.test/s%u0065cret", Ok(&["http://s.test/s%u0065cret"])),
    ("D13", "http://s.test/%zz/../secret", Ok(SECRET)),
    ("D13", "http://s.test/%zz/s%65cret", Ok(&["http://s.test/%zz/secret"])),
    ("D15", "http://s.test/secret%00.html", Err("nul")),
    ("D15", "http://s.test/%00/secret", Err("nul")),
    ("D15", "http://s.test/%2500/secret", Err("nul")),
    ("D15", "http://s.test/%252500/secret", Err("nul")),
    ("D15", "http://s.test/secret\0", Err("nul")),
    ("D15", "http://s.test/?secret\0", Err("nul")),
    ("D16", "http://s.test/secret;x=1", Ok(&["http://s.test/secret;x=1", "http://s.test/secret"])),
    (
        "D16",
        "http://s.test/x/..;/secret",
        Ok(&["http://s.test/x/..;/secret", "http://s.test/secret"]),
    ),
    ("D17", "http://s.test/secret?x", Ok(&["http://s.test/secret?x"])),
    (
        "D17",
        "http://s.test/secret%3fx",
        Ok(&["http://s.test/secret%3Fx", "http://s.test/secret?x"]),
    ),
    ("D19", "http://s.test/#/secret", Ok(&["http://s.test/"])),
    ("D19", "http://s.test?/secret", Ok(&["http://s.test/?/secret"])),
    ("D19", "http://s.test/;/secret", Ok(&["http://s.test/;/secret", "http://s.test/secret"])),
    ("D20", "http://s.test/\\secret", Ok(&["http://s.test/\\\\secret", "http://s.test/secret"])),
    (
        "D20",
        "http://s.test/x\\..\\secret",
        Ok(&["http://s.test/x\\\\..\\\\secret", "http://s.test/secret"]),
    ),
];

const BLANKS_AND_KEYWORDS: &[Row<'_>] = &[
    (
        "D21",
        "http://s.test/sec\tret",
        Ok(&["http://s.test/sec%09ret", "http://s.test/sec\\tret", "http://s.test/secret"]),
    ),
    (
        "D21",
        "http://s.test/sec ret",
        Ok(&["http://s.test/sec%20ret", "http://s.test/sec ret", "http://s.test/secret"]),
    ),
    (
        "D21",
        "http://s.test/%6\t5",
        Ok(&["http://s.test/%6%095", "http://s.test/%6\\t5", "http://s.test/e"]),
    ),
    ("D23", "http://s.test/secret%20", Ok(&["http://s.test/secret%20", "http://s.test/secret"])),
    ("D23", "http://s.test/secret.", Ok(&["http://s.test/secret."])),
    ("D24", "http://s.test/%2fsecret", Ok(&["http://s.test/%2Fsecret", "http://s.test/secret"])),
    (
        "D25",
        "http://s.test/secret%0d%0aX:1",
        Ok(&["http://s.test/secret%0D%0AX:1", "http://s.test/secretX:1"]),
    ),
    ("D27", "http://s.test/?q=ca+sino", Ok(&["http://s.test/?q=ca+sino"])),
    (
        "D27",
        "http://s.test/?q=ca%20sino",
        Ok(&["http://s.test/?q=ca%20sino", "http://s.test/?q=casino"]),
    ),
    ("D28", "http://s.test/c%61sino", Ok(&["http://s.test/casino"])),
    ("D28", "http://s.test/ca%73%69no", Ok(&["http://s.test/casino"])),
    ("D28", "http://s.test/%zz/c%61sino", Ok(&["http://s.test/%zz/casino"])),
    ("D29", "http://s.test/c%2561sino", Ok(&["http://s.test/c%2561sino", "http://s.test/casino"])),
    ("D29", "http://s.test/c%00asino", Err("nul")),
    ("D29", "http://s.test/?c%00asino", Ok(&["http://s.test/?c%00asino", "http://s.test/?casino"])),
    ("D31", "http://s.test/warez", Ok(&["http://s.test/warez"])),
    ("D32", "http://s.test/%2fwarez/", Ok(&["http://s.test/%2Fwarez/", "http://s.test/warez/"])),
    ("D32", "http://s.test/warez%2f", Ok(&["http://s.test/warez%2F", "http://s.test/warez/"])),
    ("D32", "http://s.test/./warez/./", Ok(&["http://s.test/warez/"])),
    ("D32", "http://s.test//warez//", Ok(&["http://s.test/warez/", "http://s.test//warez//"])),
    ("D33", "http://s.test/t?u=http://b.test//x", Ok(&["http://s.test/t?u=http://b.test//x"])),
    ("D35", "http://s.test/?u=aHR0cDovL2I=", Ok(&["http://s.test/?u=aHR0cDovL2I="])),
    ("D40", "http://s.test/a\"b{}^`<>|", Ok(&["http://s.test/a\\\"b{}^`<>|"])),
    ("D40", "http://s.test/a\\b", Ok(&["http://s.test/a\\\\b", "http://s.test/a/b"])),
];

#[test]
fn d_paths() {
    check(Form::Absolute, PATHS);
    check(Form::Absolute, BLANKS_AND_KEYWORDS);
}

#[test]
fn d_lengths_and_bytes() {
    let of_length = |bytes: usize| format!("http://s.test/{}", "x".repeat(bytes - 14));
    let long = format!("http://s.test/{}", "x".repeat(7000));
    let raw = format!("{long}/c%61sino");
    assert_eq!(views(Form::Absolute, raw.as_bytes()), Ok(vec![format!("{long}/casino")]), "D36");
    for length in [8_100, 8_192, 8_193, 65_536] {
        let raw = of_length(length);
        assert_eq!(views(Form::Absolute, raw.as_bytes()), Ok(vec![raw.clone()]), "D37");
    }
    assert_eq!(views(Form::Absolute, of_length(65_537).as_bytes()), Err("too-long"), "D37");
    assert_eq!(
        views(Form::Absolute, b"http://s.test/\x80\xff?\xfe"),
        Ok(vec!["http://s.test/%80%FF?%FE".into(), "http://s.test/\\x80\\xff?\\xfe".into(),]),
        "D39"
    );
}

#[test]
fn slashes_dots_and_escapes_together() {
    check(
        Form::Absolute,
        &[
            (
                "folded",
                "http://s.test/x//../secret",
                Ok(&["http://s.test/x/secret", "http://s.test/secret"]),
            ),
            (
                "dots",
                "http://s.test/a/b/../../..//c/.",
                Ok(&["http://s.test/c/", "http://s.test/a/b/../../..//c/."]),
            ),
            ("end", "http://s.test/a/b/..", Ok(&["http://s.test/a/"])),
            ("end", "http://s.test/a/.", Ok(&["http://s.test/a/"])),
            ("hidden", "http://s.test/.well-known/x", Ok(&["http://s.test/.well-known/x"])),
            ("three", "http://s.test/.../x", Ok(&["http://s.test/.../x"])),
            ("query", "http://s.test/x?a/../b//c;d\\e", Ok(&["http://s.test/x?a/../b//c;d\\\\e"])),
            (
                "query",
                "http://s.test/x?%41%2f%c3%bc?#y",
                Ok(&["http://s.test/x?A%2F%C3%BC?", "http://s.test/x?A/%C3%BC?"]),
            ),
            ("empty", "http://s.test/x?", Ok(&["http://s.test/x?"])),
            ("utf8", "http://s.test/%d0%BF", Ok(&["http://s.test/%D0%BF"])),
            ("stray", "http://s.test/100%", Ok(&["http://s.test/100%"])),
            ("stray", "http://s.test/%%36%35", Ok(&["http://s.test/%%365", "http://s.test/e"])),
            ("stray", "http://s.test/%4%31", Ok(&["http://s.test/%4%31", "http://s.test/A"])),
            (
                "nested",
                "http://s.test/%25252e%25252e/x",
                Ok(&["http://s.test/%25252e%25252e/x", "http://s.test/x"]),
            ),
            (
                "both",
                "http://s.test/x/..%5c%2573ecret;y",
                Ok(&["http://s.test/x/..%5C%2573ecret;y", "http://s.test/secret"]),
            ),
        ],
    );
}

#[test]
fn decoding_ends_after_sixteen_rounds() {
    let nested = |rounds: usize| format!("http://s.test/%{}2e%2e/secret", "25".repeat(rounds - 1));
    let found = views(Form::Absolute, nested(16).as_bytes()).unwrap();
    assert_eq!(found.get(1).map(String::as_str), Some("http://s.test/secret"));
    assert_eq!(views(Form::Absolute, nested(17).as_bytes()), Err("over-encoded"));
    let query = format!("http://s.test/?%{}41", "25".repeat(16));
    assert_eq!(views(Form::Absolute, query.as_bytes()), Err("over-encoded"));
}

#[test]
fn g_connect() {
    let blocked: &[&str] = &["https://blocked.test/"];
    let loopback: &[&str] = &["https://127.0.0.1/"];
    check(
        Form::Connect,
        &[
            ("G01", "blocked.test:443", Ok(blocked)),
            ("G01", "BLOCKED.test.:0443", Ok(blocked)),
            ("G01", "blocked.test:8443", Ok(&["https://blocked.test:8443/"])),
            ("G03", "good.test@blocked.test:443", Err("user-info")),
            ("G04", "blocked.test", Ok(blocked)),
            ("G05", "http://blocked.test:443/", Err("port")),
            ("G05", "http:443", Err("scheme-as-host")),
            ("G05", "HTTPS:443", Err("scheme-as-host")),
            ("G05", "ftp", Err("scheme-as-host")),
            ("G07", "2130706433:443", Ok(loopback)),
            ("G07", "0x7f.1:443", Ok(loopback)),
            ("G07", "[::ffff:7f00:1]:443", Ok(loopback)),
            ("G08", "0:443", Ok(&["https://0.0.0.0/"])),
            ("G09", "bl%6fcked.test:443", Err("host-escape")),
            ("G--", "[2001:db8::1]:80", Ok(&["https://[2001:db8::1]:80/"])),
            ("G--", "2001:db8::1", Err("ipv6")),
            ("G--", "blocked.test:", Err("port")),
            ("G--", "blocked.test:0", Err("port")),
            ("G--", "blocked.test/x", Err("host-character")),
            ("G--", "blocked.test:443/", Err("port")),
            ("G--", "blocked.test?x", Err("host-character")),
            ("G--", "", Err("empty-host")),
            ("G--", ":443", Err("empty-host")),
        ],
    );
    check(Form::Absolute, &[("G01", "blocked.test:443", Err("scheme"))]);
}

#[test]
fn g_what_a_connect_says() {
    let mut buffer = UriBuffer::default();
    let uri = CanonicalUri::parse(&mut buffer, Form::Connect, b"Blocked.test:8443").unwrap();
    assert_eq!((uri.is_connect(), uri.path_known()), (IsConnect::Connect, PathKnown::Unknown));
    assert_eq!((uri.scheme().word(), uri.host_text(), uri.port()), ("https", "blocked.test", 8443));
    assert_eq!(uri.views().next().map(View::rest), Some(b"/".as_slice()));

    let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, b"http://A.test?q").unwrap();
    assert_eq!((uri.is_connect(), uri.path_known()), (IsConnect::Other, PathKnown::Known));
    assert_eq!((uri.scheme().word(), uri.host_text(), uri.port()), ("http", "a.test", 80));
    assert_eq!(uri.views().next().map(View::rest), Some(b"/?q".as_slice()));
}
