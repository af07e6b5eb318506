//! Requests and answers of HTTP/1.1 as bytes, and the one exchange of a connection.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{ANSWER_BYTES_MAX, BASE, Secret};

/// How long the engine may take to take a request.
pub(super) const WRITE_MAX: Duration = Duration::from_secs(10);

/// Head of an answer at most, in bytes, beside [`ANSWER_BYTES_MAX`] for its body.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Headers of an answer at most.
const HEADERS_MAX: usize = 64;

/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection to an engine.
pub(super) trait Stream: Read + Write {
    /// How long the next read may take.
    fn wait_at_most(&self, left: Duration) -> io::Result<()>;
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: HttpMethod,
    /// Below [`BASE`].
    pub(super) path: &'a str,
    /// HTTP wants a host; a UNIX socket has none and says `localhost`.
    pub(super) host: &'a str,
    pub(super) bearer: Option<&'a Secret>,
    /// JSON; `None` where there is no body.
    pub(super) body: Option<&'a [u8]>,
}

impl Asked<'_> {
    /// As it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { method, path, host, bearer, body } = self;
        let method = method.word();
        let mut head =
            format!("{method} {BASE}/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if let Some(bearer) = bearer {
            head.push_str(&format!("Authorization: Bearer {}\r\n", bearer.expose()));
        }
        if let Some(body) = body {
            let length = body.len();
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(body.unwrap_or_default());
        bytes
    }
}

/// Sends a request and reads the answer whole.
pub(super) fn exchange(
    stream: &mut dyn Stream,
    request: &[u8],
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    // Whoever refuses without reading may close before all is written; the answer is there all the same.
    let written = stream.write_all(request).and_then(|()| stream.flush());
    let mut bytes = Vec::new();
    let mut buffer = [0; READ_BYTES];
    let mut length = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.wait_at_most(left)?;
        let read = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            // TLS that ends without saying so; whether all is there is said by the length.
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(fault) if bytes.is_empty() => return Err(written.err().unwrap_or(fault)),
            Err(fault) => return Err(fault),
        };
        bytes.extend(buffer.get(..read).unwrap_or_default());
        if bytes.len() > HEAD_BYTES_MAX.saturating_add(ANSWER_BYTES_MAX) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer has no end"));
        }
        length = length.or_else(|| whole_length(&bytes));
        if length.is_some_and(|length| bytes.len() >= length) {
            break;
        }
    }
    if bytes.is_empty() {
        written?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// How many bytes the answer has that begins so; `None` where that is not known yet.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    let head = head(bytes).ok()?;
    head.length.checked_add(head.body)
}

/// What the head of an answer says.
struct Head {
    status: u16,
    length: usize,
    body: usize,
}

fn head(bytes: &[u8]) -> Result<Head, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes).map_err(|fault| fault.to_string())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Err("it is cut off".to_owned()),
    };
    let status = head.code.ok_or("it has no status")?;
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    if header("transfer-encoding").is_some() {
        return Err("its length is not said".to_owned());
    }
    let body: usize = header("content-length")
        .and_then(|value| value.parse().ok())
        .ok_or("its length is not said")?;
    Ok(Head { status, length, body })
}

/// Status and body of an answer.
pub(super) fn split(bytes: &[u8]) -> Result<(u16, &[u8]), String> {
    let Head { status, length, body: said } = head(bytes)?;
    let body = bytes.get(length..).unwrap_or_default();
    if body.len() != said {
        return Err(format!("it has {} bytes of {said}", body.len()));
    }
    Ok((status, body))
}

/// A text as a part of a path or a query (RFC 3986, section 2.3): what is not plain is `%` and digits.
#[must_use]
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_encoded() {
        for (text, expected) in [
            ("a-Z_0.~", "a-Z_0.~"),
            ("a/b c?", "a%2Fb%20c%3F"),
            ("\u{e9}%\r\n", "%C3%A9%25%0D%0A"),
            ("..", ".."),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn a_request_has_its_headers() {
        let secret = Secret::new("t".to_owned());
        let mut asked = Asked {
            method: HttpMethod::Put,
            path: "users/a/level",
            host: "h:1",
            bearer: Some(&secret),
            body: Some(b"{}"),
        };
        let text = String::from_utf8(asked.bytes()).unwrap();
        assert_eq!(
            text,
            "PUT /api/v1/users/a/level HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\
             Authorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
        asked = Asked { method: HttpMethod::Delete, bearer: None, body: None, ..asked };
        let text = String::from_utf8(asked.bytes()).unwrap();
        assert_eq!(
            text,
            "DELETE /api/v1/users/a/level HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"
        );
    }
}
