//! Asks the engine of this machine: one request of HTTP/1.1 a connection, over its control socket. Plain
//! and blocking; the head of an answer is read by httparse.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_proto::control::{ANSWER_BYTES_MAX, BASE, Problem, RELOAD_WAIT_S};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the engine may be silent: it waits for a receipt itself, and some for reading and writing.
const SILENCE_MAX: Duration = Duration::from_secs(RELOAD_WAIT_S + 30);

/// How long the engine may take to take a request.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Head of an answer at most, in bytes, beside [`ANSWER_BYTES_MAX`] for its body.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Headers of an answer at most.
const HEADERS_MAX: usize = 64;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// Nobody answers there.
    #[error(
        "cannot reach the engine at `{}`; does it run, and are you its user or root? `[global] socket` \
         in egpolicy.conf must be `[control] socket` of engine.conf", path.display()
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("the engine at `{}` did not answer; its log says what became of the request", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What came is not an answer of an engine.
    #[error("`{}` gave no answer of an engine: {what}; is it another program's socket, or another version?", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The engine says no.
    #[error("{}: {}", .0.title, .0.detail)]
    Refused(Box<Problem>),
}

/// An engine.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// An answer that is no problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, 200 to 299.
    pub status: u16,
    /// The JSON.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value that it holds.
    ///
    /// # Errors
    ///
    /// Where it is none of this kind.
    pub fn value<T: DeserializeOwned>(&self, client: &Client) -> Result<T, ClientFault> {
        serde_json::from_slice(&self.body).map_err(|fault| client.broken(fault.to_string()))
    }
}

impl Client {
    /// The engine behind this socket.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf() }
    }

    /// `GET` of a path below [`BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn get(&self, path: &str) -> Result<Answer, ClientFault> {
        self.ask(&format!("GET {BASE}/{path} HTTP/1.1\r\n{COMMON}\r\n").into_bytes())
    }

    /// `POST` of a value to a path below [`BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn post(&self, path: &str, value: &impl Serialize) -> Result<Answer, ClientFault> {
        let body = serde_json::to_vec(value).map_err(|fault| self.broken(fault.to_string()))?;
        let mut request = format!(
            "POST {BASE}/{path} HTTP/1.1\r\n{COMMON}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        self.ask(&request)
    }

    fn ask(&self, request: &[u8]) -> Result<Answer, ClientFault> {
        let unreachable = |source| ClientFault::Unreachable { path: self.socket.clone(), source };
        let no_answer = |source| ClientFault::NoAnswer { path: self.socket.clone(), source };
        let mut stream = UnixStream::connect(&self.socket).map_err(unreachable)?;
        stream.set_write_timeout(Some(WRITE_MAX)).map_err(unreachable)?;
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(unreachable)?;
        // Whoever refuses without reading may close before all is written; the answer is there all the same.
        let written = stream.write_all(request);
        let mut bytes = Vec::new();
        let most = (HEAD_BYTES_MAX + ANSWER_BYTES_MAX) as u64;
        let read = (&mut stream).take(most).read_to_end(&mut bytes);
        if bytes.is_empty() {
            written.map_err(no_answer)?;
            read.map_err(no_answer)?;
            return Err(no_answer(io::ErrorKind::UnexpectedEof.into()));
        }
        let (status, body) = split(&bytes).map_err(|what| self.broken(what))?;
        if (200..300).contains(&status) {
            return Ok(Answer { status, body: body.to_vec() });
        }
        let problem = serde_json::from_slice::<Problem>(body)
            .map_err(|fault| self.broken(format!("status {status}, and {fault}")))?;
        Err(ClientFault::Refused(Box::new(problem)))
    }

    fn broken(&self, what: String) -> ClientFault {
        ClientFault::Broken { path: self.socket.clone(), what }
    }
}

/// The headers of every request. HTTP wants a host, and a UNIX socket has none.
const COMMON: &str = "Host: localhost\r\nConnection: close\r\n";

/// Status and body of an answer.
fn split(bytes: &[u8]) -> Result<(u16, &[u8]), String> {
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
    let said: usize = header("content-length")
        .and_then(|value| value.parse().ok())
        .ok_or("its length is not said")?;
    let body = bytes.get(length..).unwrap_or_default();
    if body.len() != said {
        return Err(format!("it has {} bytes of {said}", body.len()));
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use eg_proto::control::ProblemKind;

    use super::*;

    /// What a client makes of an engine that says `answer`.
    fn asked(answer: &'static str) -> Result<Answer, ClientFault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let got = Client::new(&path).post("policy/reload", &serde_json::json!({"force": true}));
        let request = engine.join().unwrap();
        assert!(request.starts_with("POST /api/v1/policy/reload HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\nContent-Length: 14\r\n\r\n{\"force\":true}"), "{request}");
        got
    }

    #[test]
    fn a_whole_answer_is_read() {
        let got = asked("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!(got, Answer { status: 202, body: b"{}".to_vec() });
    }

    #[test]
    fn a_problem_is_a_refusal() {
        let got = asked(
            "HTTP/1.1 503 x\r\ncontent-length: 83\r\n\r\n\
             {\"type\":\"urn:enforcegate:problem:busy\",\"title\":\"t\",\"status\":503,\"detail\":\"d\",\"x\":1}",
        );
        let Err(ClientFault::Refused(problem)) = got else { panic!("{got:?}") };
        assert_eq!((problem.kind, problem.detail.as_str()), (ProblemKind::Busy, "d"));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", "2 bytes of 3"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}", "2 bytes of 1"),
            ("HTTP/1.1 200 OK\r\n\r\n{}", "length is not said"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                "length is not said",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-le", "cut off"),
            ("SSH-2.0-OpenSSH\r\n", "no answer of an engine"),
            ("HTTP/1.1 500 x\r\ncontent-length: 2\r\n\r\n{}", "status 500"),
        ] {
            let fault = asked(answer).unwrap_err().to_string();
            assert!(fault.contains(expected), "`{expected}` is not in: {fault}");
        }
        assert!(matches!(asked(""), Err(ClientFault::NoAnswer { .. })));
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let gone = Client::new(&path).get("policy");
        assert!(matches!(gone, Err(ClientFault::Unreachable { .. })));
        drop(UnixListener::bind(&path).unwrap());
        let stale = Client::new(&path).get("policy");
        assert!(matches!(stale, Err(ClientFault::Unreachable { .. })));
    }
}
