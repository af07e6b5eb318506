//! Lines as Squid 5.7 writes them (recorded), and lines that it never writes.

use proptest::prelude::*;

use std::net::IpAddr;

use eg_proto::limits::METHOD_BYTES_MAX;
use eg_proto::{Phase, Query, Retry, Sni};

use super::*;
use crate::helper::{ChannelId, split_channel};

const TAIL: &str = "192.0.2.7 40000 - GET - - - - -";

fn ours(url: &str, tail: &str) -> Vec<u8> {
    format!("{url} {tail}").into_bytes()
}

fn check(line: &[u8], check: impl Fn(Query<'_>)) {
    let mut request = Question::default();
    assert_eq!(read(&mut request, line), Ok(()), "{}", line.escape_ascii());
    check(request.query(1, Retry::First));
}

fn refuses(line: &[u8], fault: BadLine) {
    let mut request = Question::default();
    assert_eq!(read(&mut request, line), Err(fault), "{}", line.escape_ascii());
}

#[test]
fn splits_the_channel_id() {
    for (line, id, rest) in [
        ("7 http://a/ x", Some(7), "http://a/ x"),
        ("0 x", Some(0), "x"),
        ("18446744073709551615 x", Some(u64::MAX), "x"),
        ("18446744073709551616 x", None, "18446744073709551616 x"),
        ("-1 x", None, "-1 x"),
        ("+1 x", None, "+1 x"),
        ("1a x", None, "1a x"),
        ("7", Some(7), ""),
        ("7 ", Some(7), ""),
        ("7  x", Some(7), " x"),
        ("", None, ""),
        (" 7 x", None, " 7 x"),
        ("http://a/ x", None, "http://a/ x"),
    ] {
        let expected = (id.map(ChannelId), rest.as_bytes());
        assert_eq!(split_channel(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn reads_plain_http() {
    let tail = "127.0.0.1 47584 us%20er GET - - x%20sni=good.test%20100%2520%20a%09b h%2541 t_-1";
    check(&ours("http://127.0.0.1:39200/%41?q", tail), |query| {
        assert_eq!(query.uri, b"http://127.0.0.1:39200/%41?q");
        assert_eq!(query.method, b"GET");
        assert_eq!(query.phase, Phase::Request);
        assert_eq!(query.role, Role::Rewrite);
        assert_eq!(query.client, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(query.client_port, 47584);
        assert_eq!(query.user, Some(&b"us er"[..]));
        assert_eq!(query.sni, Sni::Absent);
        assert_eq!(query.user_agent, Some(&b"x sni=good.test 100%20 a\tb"[..]));
        assert_eq!(query.referer, Some(&b"h%41"[..]));
        assert_eq!(query.tag, Some(&b"t_-1"[..]));
    });
}

#[test]
fn knows_the_three_phases() {
    let host = "foo.test:443";
    for (tail, phase, sni) in [
        ("192.0.2.1 1 - CONNECT - - curl - -", Phase::Connect, Sni::Unknown),
        ("192.0.2.1 1 - CONNECT TLS/1.0 foo.test. - - t", Phase::Hello, Sni::Name(b"foo.test.")),
        ("192.0.2.1 1 - CONNECT TLS/1.0 - - - t", Phase::Hello, Sni::Absent),
        ("192.0.2.1 1 - CONNECT - foo.test - - -", Phase::Hello, Sni::Name(b"foo.test")),
        ("192.0.2.1 1 - GET TLS/1.0 foo.test - - t", Phase::Request, Sni::Name(b"foo.test")),
        ("192.0.2.1 1 - GET - - - - -", Phase::Request, Sni::Absent),
        ("192.0.2.1 1 - connect - - - - -", Phase::Request, Sni::Absent),
    ] {
        check(&ours(host, tail), |query| {
            assert_eq!((query.phase, query.sni), (phase, sni), "{tail}");
        });
    }
}

#[test]
fn reads_squids_default_extras() {
    for tail in ["10.0.3.68/- - GET", "10.0.3.68/pc.test gurr GET myip=10.0.0.1 myport=3128"] {
        check(&ours("http://elite.test/a b".replace(' ', "%20").as_str(), tail), |query| {
            assert_eq!(query.client, IpAddr::from([10, 0, 3, 68]));
            assert_eq!(query.phase, Phase::Request);
            assert_eq!(query.sni, Sni::Unknown);
        });
    }
    check(b"foo.test:443 2001:db8::1/- - CONNECT", |query| assert_eq!(query.phase, Phase::Connect));
    check(b"http://a/ 192.0.2.1/- us%20er GET", |query| {
        assert_eq!(query.user, Some(&b"us%20er"[..]));
    });
}

#[test]
fn keeps_bytes_that_are_no_text() {
    let mut line = b"http://b\xfccher.test/\x80\xff ".to_vec();
    line.extend_from_slice(TAIL.as_bytes());
    check(&line, |query| assert_eq!(query.uri, b"http://b\xfccher.test/\x80\xff"));
}

#[test]
fn what_is_no_escape_stays() {
    let tail = "192.0.2.7 1 - GET - - %zz%4%%41 %00%ff% -";
    check(&ours("http://a/", tail), |query| {
        assert_eq!(query.user_agent, Some(&b"%zz%4%A"[..]));
        assert_eq!(query.referer, Some(&b"\x00\xff%"[..]));
    });
}

#[test]
fn refuses_what_squid_never_writes() {
    let many = " x".repeat(40);
    let long_method = format!("192.0.2.7 1 - {} - - - - -", "X".repeat(METHOD_BYTES_MAX + 1));
    for (line, fault) in [
        ("", BadLine::Empty),
        (" ", BadLine::FieldCount),
        ("http://a/", BadLine::FieldCount),
        ("http://a/ ", BadLine::FieldCount),
        ("http://a/ b 192.0.2.7 1 - GET - - - - -", BadLine::Client),
        ("http://a/  192.0.2.7 1 - GET - - - - -", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 1 - GET - - - -", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 1 - GET - - - - - x", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 1 - GET - - - - ", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 1  GET - - - - -", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 1 - GET - - x sni=good.test user=admin - -", BadLine::FieldCount),
        ("http://a/ 192.0.2.7 65536 - GET - - - - -", BadLine::ClientPort),
        ("http://a/ 192.0.2.7 -1 - GET - - - - -", BadLine::ClientPort),
        ("http://a/ 192.0.2.256 1 - GET - - - - -", BadLine::Client),
        ("http://a/ - 1 - GET - - - - -", BadLine::Client),
        ("http://a/ 192.0.2.7 1 - - - - - - -", BadLine::Method),
        ("http://a/ 192.0.2.7 1 - GET - - a\tb - -", BadLine::Control),
        ("http://a/ 192.0.2.7 1 - GET - - - - -\r", BadLine::Control),
        ("http://a/\0 192.0.2.7 1 - GET - - - - -", BadLine::Control),
        ("http://a/ 192.0.2.7/-", BadLine::FieldCount),
        ("http://a/ 192.0.2.7/- - GET x", BadLine::FieldCount),
        ("http://a/ nobody/- - GET", BadLine::Client),
        ("http://a/ 192.0.2.7/- - -", BadLine::Method),
        (&format!("http://a/ 192.0.2.7 1 - GET - -{many}"), BadLine::FieldCount),
        (&format!("http://a/ {long_method}"), BadLine::Method),
    ] {
        refuses(line.as_bytes(), fault);
    }
}

#[test]
fn a_bad_line_leaves_nothing_for_the_next() {
    let mut request = Question::default();
    assert!(read(&mut request, b"http://a/ 192.0.2.7 1 user GET - sni agent ref tag x").is_err());
    assert_eq!(read(&mut request, &ours("http://b/", TAIL)), Ok(()));
    let query = request.query(1, Retry::Again);
    assert_eq!(
        (query.uri, query.user, query.user_agent, query.tag),
        (&b"http://b/"[..], None, None, None)
    );
}

proptest! {
    #[test]
    fn never_panics(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (_, rest) = split_channel(&line);
        let mut request = Question::default();
        if read(&mut request, rest).is_ok() {
            prop_assert!(!request.query(1, Retry::First).uri.is_empty());
        }
    }

    #[test]
    fn no_field_ever_moves_another(agent in "[ -~]{0,40}", user in "[ -~]{1,20}") {
        // What `%#` does to a value; a value of one dash is written like none.
        let encode = |text: &str| -> String {
            text.bytes().map(|byte| match byte {
                b' ' | b'%' | b'"' => format!("%{byte:02x}"),
                _ => char::from(byte).to_string(),
            }).collect()
        };
        let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { encode(text) };
        let line = format!("http://a/ 192.0.2.7 1 {} GET - - {} - -", shown(&user), shown(&agent));
        let mut request = Question::default();
        prop_assert_eq!(read(&mut request, line.as_bytes()), Ok(()));
        let query = request.query(1, Retry::First);
        let expected = |text: &str| (!text.is_empty() && text != "-").then(|| text.as_bytes().to_vec());
        prop_assert_eq!(query.user_agent.map(<[u8]>::to_vec), expected(&agent));
        prop_assert_eq!(query.user.map(<[u8]>::to_vec), expected(&user));
        prop_assert_eq!(query.method, b"GET");
    }
}
