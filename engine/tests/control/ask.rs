//! One request over the control socket, by hand, so that nothing of ours reads what ours has written.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Home, PATIENCE};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) body: Value,
}

/// Sends these bytes and reads the answer to its end.
pub(super) fn raw(home: &Home, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(home.path("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(60))).unwrap();
    // An engine that refuses early need not read everything.
    drop(stream.write_all(bytes));
    let mut text = Vec::new();
    drop(stream.read_to_end(&mut text));
    String::from_utf8(text).unwrap()
}

/// Reads status and JSON of an answer.
pub(super) fn parsed(text: &str) -> Answer {
    assert!(text.starts_with("HTTP/1.1 "), "no answer: {text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    let body = serde_json::from_str(body).unwrap();
    Answer { status, kind: kind.unwrap_or_default().to_owned(), body }
}

pub(super) fn get(home: &Home, path: &str) -> Answer {
    let request = format!("GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    parsed(&raw(home, request.as_bytes()))
}

pub(super) fn post(home: &Home, path: &str, body: &str) -> Answer {
    let request = format!(
        "POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    parsed(&raw(home, request.as_bytes()))
}

/// Loads the policy; what came of it.
pub(super) fn load(home: &Home, body: &str) -> Answer {
    post(home, "policy/reload", body)
}

/// The entries of the trail of this kind.
pub(super) fn trail(home: &Home, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.path("audit/audit.jsonl")).unwrap();
    // The last line may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["kind"] == kind)
        .collect()
}

/// The entries of this kind once there are `count`: an answer does not wait for its entry.
pub(super) fn trail_of(home: &Home, kind: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let entries = trail(home, kind);
        if entries.len() >= count {
            assert_eq!(entries.len(), count, "{entries:?}");
            return entries;
        }
        assert!(began.elapsed() < PATIENCE, "fewer than {count}: {entries:?}");
        std::thread::yield_now();
    }
}
