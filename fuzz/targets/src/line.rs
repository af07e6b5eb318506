//! What Squid writes: lines however the bytes arrive, a request or a fault out of each, and nothing that
//! a client chooses becomes a field of its own.

use eg_connector::acl;
use eg_connector::helper::{Field, FieldKind, Question, split_channel};
use eg_connector::lines::{Line, LineBuffer};
use eg_connector::rewrite;
use eg_proto::{Pushed, QueryWriter, Retry};

use crate::feed::Feed;

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    match feed.byte() & 1 {
        0 => raw(&mut feed),
        _ => encoded(&mut feed),
    }
}

/// Any bytes.
fn raw(feed: &mut Feed<'_>) {
    let step = usize::from(feed.byte()) + 1;
    let whole = lines(feed.rest(), usize::MAX);
    assert_eq!(lines(feed.rest(), step), whole, "pieces of {step} bytes are other lines");
    let mut question = Question::default();
    for (_, line) in whole {
        let (_, rest) = split_channel(&line);
        for read in [rewrite::read, acl::read] {
            if read(&mut question, rest).is_ok() {
                crosses(&question);
            }
        }
    }
}

/// The kind and the bytes of every line.
fn lines(mut bytes: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
    let mut buffer = LineBuffer::default();
    let mut found = Vec::new();
    let keep = |line: Line<'_>| match line {
        Line::Whole(line) => (0, line.to_vec()),
        Line::Overlong(line) => (1, line.to_vec()),
        Line::Unfinished(line) => (2, line.to_vec()),
    };
    loop {
        while let Some(line) = buffer.next() {
            found.push(keep(line));
        }
        if bytes.is_empty() {
            found.extend(buffer.finish().map(keep));
            return found;
        }
        let spare = buffer.spare();
        assert!(!spare.is_empty(), "there is no room for the next bytes");
        let (now, later) = bytes.split_at(bytes.len().min(step).min(spare.len()));
        spare.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        buffer.filled(now.len());
        bytes = later;
    }
}

/// What was read fits into a frame.
fn crosses(question: &Question) {
    let query = question.query(1, Retry::First);
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    if let Ok(pushed) = writer.push(&query) {
        assert_eq!(pushed, Pushed::Taken, "one query fills a frame");
    }
}

/// Headers that a client chose, encoded as Squid's `%#` encodes them.
fn encoded(feed: &mut Feed<'_>) {
    let mut text = || {
        let count = usize::from(feed.byte());
        feed.take(count)
    };
    let (agent, referer, user) = (text(), text(), text());
    let mut line = b"http://example.net/ ".to_vec();
    fields(&rewrite::FIELDS, b"GET", [agent, referer, user], &mut line);
    let mut question = Question::default();
    assert!(rewrite::read(&mut question, &line).is_ok(), "no request: {}", line.escape_ascii());
    let query = question.query(1, Retry::First);
    assert_eq!(query.uri, b"http://example.net/");
    assert_eq!(query.method, b"GET");
    assert_eq!(query.user_agent, expected(agent));
    assert_eq!(query.referer, expected(referer));
    assert_eq!(query.user, expected(user));
    crosses(&question);
    line.clear();
    fields(&acl::FIELDS, b"CONNECT", [agent, referer, user], &mut line);
    line.extend_from_slice(b" -");
    assert!(acl::read(&mut question, &line).is_ok(), "no question: {}", line.escape_ascii());
    let query = question.query(1, Retry::First);
    assert_eq!(query.uri, TARGET);
    assert_eq!(query.user, expected(user));
    crosses(&question);
}

/// The host and port of the CONNECT.
const TARGET: &[u8] = b"example.net:443";

/// The fields of a line, as Squid writes them.
fn fields(fields: &[Field], method: &[u8], [agent, referer, user]: [&[u8]; 3], line: &mut Vec<u8>) {
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            line.push(b' ');
        }
        match field.kind {
            FieldKind::Client => line.extend_from_slice(b"192.0.2.7"),
            FieldKind::ClientPort => line.extend_from_slice(b"4711"),
            FieldKind::Method => line.extend_from_slice(method),
            FieldKind::Target => line.extend_from_slice(TARGET),
            FieldKind::User => encode(user, line),
            FieldKind::UserAgent => encode(agent, line),
            FieldKind::Referer => encode(referer, line),
            FieldKind::HelloVersion | FieldKind::Sni | FieldKind::Tag => line.push(b'-'),
        }
    }
}

/// Squid writes `-` for nothing and for itself.
fn expected(text: &[u8]) -> Option<&[u8]> {
    (!matches!(text, b"" | b"-")).then_some(text)
}

/// As Squid: what is not a plain printable character is escaped, the percent sign too.
fn encode(text: &[u8], line: &mut Vec<u8>) {
    if text.is_empty() {
        line.push(b'-');
    }
    for byte in text {
        if byte.is_ascii_graphic() && !b"%\"<>'\\".contains(byte) {
            line.push(*byte);
        } else {
            line.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}
