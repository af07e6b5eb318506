//! The shapes of answers, and what must never stand in one.

use eg_proto::{DecisionId, Routes};

use super::*;
use crate::helper::ChannelId;

fn terms(base_url: &str, redirect_status: u16) -> Terms {
    Terms {
        base_url: base_url.to_owned(),
        routes: Routes::default(),
        redirect_status,
        engine: String::new(),
        keepalive_ms: 5_000,
        in_flight_max: 100,
        tokens: Vec::new(),
    }
}

fn answer<'a>(action: Action, token: &'a str, tag: &'a str) -> Answer<'a> {
    let decision = DecisionId::new(1, 2);
    Answer { id: 9, action, decision, token: token.as_bytes(), tag: tag.as_bytes(), tls: None }
}

fn said(replies: &Replies, channel: Channel, answer: &Answer<'_>) -> Result<String, BadAnswer> {
    let mut out = Vec::new();
    let done = replies.answer(&mut out, channel, answer);
    let text = String::from_utf8(out).unwrap();
    assert!(done.is_ok() || text.is_empty(), "a refused answer left `{text}`");
    done.map(|()| text)
}

const SEVEN: Channel = Channel::Numbered(ChannelId(7));

#[test]
fn a_note_has_two_shapes() {
    let replies = Replies::new(config::Answer::Note);
    let id = DecisionId::new(1, 2).to_string();
    for (channel, action, token, tag, expected) in [
        (SEVEN, Action::Permit, "", "", "7 OK eg_verdict_=permit eg_code_=200 eg_id_=ID\n"),
        (SEVEN, Action::Permit, "ignored", "", "7 OK eg_verdict_=permit eg_code_=200 eg_id_=ID\n"),
        (
            Channel::Only,
            Action::Deny,
            "aZ0-_",
            "",
            "OK eg_verdict_=deny eg_token_=aZ0-_ eg_code_=300 eg_id_=ID\n",
        ),
        (
            SEVEN,
            Action::Warn,
            "t",
            "g",
            "7 OK eg_verdict_=warn eg_token_=t eg_code_=310 eg_id_=ID clt_conn_tag=g\n",
        ),
        (SEVEN, Action::Aup, "t", "", "7 OK eg_verdict_=aup eg_token_=t eg_code_=320 eg_id_=ID\n"),
    ] {
        let expected = expected.replace("ID", &id);
        assert_eq!(said(&replies, channel, &answer(action, token, tag)), Ok(expected));
    }
}

#[test]
fn refuses_a_token_or_tag_that_squid_could_misread() {
    let replies = Replies::new(config::Answer::Note);
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    for token in ["", "a b", "a\nb", "a\r", "a\"b", "a=b", "a%20", "a+b", "a/b", "\u{e9}", &long] {
        let told = said(&replies, SEVEN, &answer(Action::Deny, token, ""));
        assert_eq!(told, Err(BadAnswer::Token), "{token}");
    }
    for tag in ["a b", "a\n8 OK eg_verdict_=permit", "=", "\""] {
        let told = said(&replies, SEVEN, &answer(Action::Permit, "", tag));
        assert_eq!(told, Err(BadAnswer::Tag), "{tag}");
    }
}

#[test]
fn a_redirect_is_quoted_and_a_permit_is_err() {
    let fail_url = Some("http://portal.test/down".to_owned());
    let mut replies = Replies::new(config::Answer::Redirect { fail_url });
    assert_eq!(said(&replies, SEVEN, &answer(Action::Permit, "", "")), Ok("7 ERR\n".to_owned()));
    let unknown = said(&replies, SEVEN, &answer(Action::Deny, "t", ""));
    assert_eq!(unknown, Err(BadAnswer::NoPortal));
    let mut out = Vec::new();
    replies.refuse(&mut out, SEVEN, Some("t"));
    assert_eq!(out, b"7 OK status=302 url=\"http://portal.test/down\"\n");
    replies.learn(Portal::of(&terms("https://portal.test/", 307)).unwrap());
    for (action, page) in
        [(Action::Deny, "blocked"), (Action::Warn, "warned"), (Action::Aup, "aup")]
    {
        let expected = format!("7 OK status=307 url=\"https://portal.test/{page}?v=1&p=t\"\n");
        assert_eq!(said(&replies, SEVEN, &answer(action, "t", "")), Ok(expected));
    }
    out.clear();
    replies.refuse(&mut out, Channel::Only, Some("t"));
    assert_eq!(out, b"OK status=307 url=\"https://portal.test/blocked?v=1&p=t\"\n");
    out.clear();
    replies.refuse(&mut out, Channel::Only, Some("no token"));
    assert_eq!(out, b"OK status=302 url=\"http://portal.test/down\"\n");
}

#[test]
fn a_refusal_of_our_own_has_no_code() {
    let replies = Replies::new(config::Answer::Note);
    for (token, expected) in [
        (None, "7 OK eg_verdict_=deny eg_token_=-\n"),
        (Some("a b"), "7 OK eg_verdict_=deny eg_token_=-\n"),
        (Some("abc"), "7 OK eg_verdict_=deny eg_token_=abc\n"),
    ] {
        let mut out = Vec::new();
        replies.refuse(&mut out, SEVEN, token);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn knows_an_address_that_can_be_quoted() {
    for (url, expected) in [
        ("http://a/", true),
        ("https://a/?v=1&p=%41", true),
        ("http://", false),
        ("ftp://a/", false),
        ("javascript:x", false),
        ("http://a/\"", false),
        ("http://a/\\", false),
        ("http://a/ b", false),
        ("http://a/\n", false),
        ("http://\u{e9}/", false),
    ] {
        assert_eq!(is_redirect_target(url), expected, "{url}");
    }
    assert_eq!(Portal::of(&terms("http://a/\"", 302)), None);
    assert_eq!(Portal::of(&terms("http://a/", 301)), None);
}
