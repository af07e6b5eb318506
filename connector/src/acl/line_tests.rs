//! Lines as Squid 5.7 writes them at step 2 (recorded), and lines that it never writes.

use std::net::IpAddr;

use eg_proto::limits::METHOD_BYTES_MAX;
use eg_proto::{Phase, Query, Retry, Sni};
use proptest::prelude::*;

use super::*;
use crate::helper::split_channel;

fn check(line: &[u8], check: impl Fn(Query<'_>)) {
    let mut question = Question::default();
    assert_eq!(read(&mut question, line), Ok(()), "{}", line.escape_ascii());
    check(question.query(1, Retry::First));
}

fn refuses(line: &str, fault: BadLine) {
    let mut question = Question::default();
    assert_eq!(read(&mut question, line.as_bytes()), Err(fault), "{line}");
}

#[test]
fn reads_step_two() {
    let line = b"127.0.0.1 49636 us%20er CONNECT good.test:39781 TLS/1.0 GOOD.test. \
                 connect%20UA%2050%25 T62-1 -";
    check(line, |query| {
        assert_eq!((query.role, query.phase), (Role::Acl, Phase::Hello));
        assert_eq!((query.uri, query.method), (&b"good.test:39781"[..], &b"CONNECT"[..]));
        assert_eq!((query.client, query.client_port), (IpAddr::from([127, 0, 0, 1]), 49636));
        assert_eq!(query.user, Some(&b"us er"[..]));
        assert_eq!(query.sni, Sni::Name(b"GOOD.test."));
        assert_eq!(query.user_agent, Some(&b"connect UA 50%"[..]));
        assert_eq!((query.referer, query.tag), (None, Some(&b"T62-1"[..])));
    });
}

#[test]
fn knows_what_is_known() {
    for (hello, sni, phase, expected) in [
        ("TLS/1.0", "foo.test", Phase::Hello, Sni::Name(b"foo.test")),
        ("TLS/1.0", "-", Phase::Hello, Sni::Absent),
        // Asked at step 1, by lines that are not ours.
        ("-", "-", Phase::Connect, Sni::Unknown),
        ("-", "foo.test", Phase::Hello, Sni::Name(b"foo.test")),
    ] {
        let line = format!("::1 1 - CONNECT a%2520b:443 {hello} {sni} - - -");
        check(line.as_bytes(), |query| {
            assert_eq!((query.phase, query.sni), (phase, expected), "{line}");
            assert_eq!(query.uri, b"a%20b:443");
            assert_eq!((query.user, query.user_agent, query.tag), (None, None, None));
        });
    }
}

#[test]
fn refuses_what_squid_never_writes() {
    let long_method = "X".repeat(METHOD_BYTES_MAX + 1);
    for (line, fault) in [
        ("", BadLine::Empty),
        (" ", BadLine::FieldCount),
        ("127.0.0.1", BadLine::FieldCount),
        // The form of the other role.
        ("a.test:443 127.0.0.1 1 - CONNECT TLS/1.0 a.test - - -", BadLine::Client),
        // Without what Squid appends, with more than it appends, and with arguments of an acl.
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test - -", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test - - - -", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test - - x", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test - - ", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test a b t -", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT  TLS/1.0 a.test - - -", BadLine::FieldCount),
        ("127.0.0.1 1 - CONNECT - TLS/1.0 a.test - - -", BadLine::Target),
        ("127.0.0.1 1 - - a.test:443 TLS/1.0 a.test - - -", BadLine::Method),
        ("127.0.0.1 1 - GET a.test:443 TLS/1.0 a.test - - -", BadLine::Method),
        ("127.0.0.1 1 - connect a.test:443 TLS/1.0 a.test - - -", BadLine::Method),
        ("localhost 1 - CONNECT a.test:443 TLS/1.0 a.test - - -", BadLine::Client),
        ("- 1 - CONNECT a.test:443 TLS/1.0 a.test - - -", BadLine::Client),
        ("127.0.0.1 65536 - CONNECT a.test:443 TLS/1.0 a.test - - -", BadLine::ClientPort),
        ("127.0.0.1 1 - CONNECT a\t.test:443 TLS/1.0 a.test - - -", BadLine::Control),
        ("127.0.0.1 1 - CONNECT a.test:443 TLS/1.0 a.test - - -\r", BadLine::Control),
        ("127.0.0.1 1 - CONNECT a\0.test:443 TLS/1.0 a.test - - -", BadLine::Control),
        (&format!("127.0.0.1 1 - {long_method} a.test:443 - - - - -"), BadLine::Method),
    ] {
        refuses(line, fault);
    }
}

#[test]
fn a_bad_line_leaves_nothing_for_the_next() {
    let mut question = Question::default();
    assert!(read(&mut question, b"127.0.0.1 1 user CONNECT a:443 TLS/1.0 sni ua tag x").is_err());
    assert_eq!(read(&mut question, b"127.0.0.1 1 - CONNECT b:443 TLS/1.0 - - - -"), Ok(()));
    let query = question.query(1, Retry::Again);
    assert_eq!((query.uri, query.sni, query.user), (&b"b:443"[..], Sni::Absent, None));
    assert_eq!((query.user_agent, query.tag), (None, None));
}

proptest! {
    #[test]
    fn never_panics(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (_, rest) = split_channel(&line);
        let mut question = Question::default();
        if read(&mut question, rest).is_ok() {
            prop_assert_eq!(question.query(1, Retry::First).role, Role::Acl);
        }
    }

    #[test]
    fn no_field_ever_moves_another(agent in "[ -~]{1,40}", target in "[ -~]{1,20}") {
        let encode = |text: &str| -> String {
            text.bytes().map(|byte| match byte {
                b' ' | b'%' | b'"' => format!("%{byte:02x}"),
                _ => char::from(byte).to_string(),
            }).collect()
        };
        prop_assume!(target != "-" && agent != "-");
        let (agent_word, target_word) = (encode(&agent), encode(&target));
        let line = format!("::1 1 - CONNECT {target_word} TLS/1.0 s {agent_word} - -");
        let mut question = Question::default();
        prop_assert_eq!(read(&mut question, line.as_bytes()), Ok(()));
        let query = question.query(1, Retry::First);
        prop_assert_eq!(query.uri, target.as_bytes());
        prop_assert_eq!(query.user_agent, Some(agent.as_bytes()));
        prop_assert_eq!(query.sni, Sni::Name(b"s"));
    }
}
