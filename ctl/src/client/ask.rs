//! An engine, and what is asked of it.

use std::path::Path;
use std::time::{Duration, Instant};

use eg_proto::control::verbs::HttpMethod;
use eg_proto::control::{Problem, RELOAD_WAIT_S, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::door::Door;
use super::fault::ClientFault;
use super::http::{Asked, exchange, split};

/// How long an answer may take: the engine waits for a receipt itself, and some for reading and writing.
const PATIENCE: Duration = Duration::from_secs(RELOAD_WAIT_S + 30);

/// An engine.
#[derive(Debug, Clone)]
pub struct Client {
    door: Door,
    bearer: Option<Secret>,
    patience: Duration,
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
        Self::at(Door::Socket(socket.to_path_buf()))
    }

    /// The engine behind this door.
    #[must_use]
    pub const fn at(door: Door) -> Self {
        Self { door, bearer: None, patience: PATIENCE }
    }

    /// The same, shown this token or key.
    #[must_use]
    pub fn bearing(self, bearer: Option<Secret>) -> Self {
        Self { bearer, ..self }
    }

    /// The same, which waits no longer than this.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where it is asked.
    #[must_use]
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// `GET` of a path below [`eg_proto::control::BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn get(&self, path: &str) -> Result<Answer, ClientFault> {
        self.ask(HttpMethod::Get, path, None)
    }

    /// `POST` of a value to a path below [`eg_proto::control::BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn post(&self, path: &str, value: &impl Serialize) -> Result<Answer, ClientFault> {
        self.send(HttpMethod::Post, path, value)
    }

    /// `PUT` of a value to a path below [`eg_proto::control::BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn put(&self, path: &str, value: &impl Serialize) -> Result<Answer, ClientFault> {
        self.send(HttpMethod::Put, path, value)
    }

    /// `DELETE` of a path below [`eg_proto::control::BASE`].
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn delete(&self, path: &str) -> Result<Answer, ClientFault> {
        self.ask(HttpMethod::Delete, path, None)
    }

    /// Any method with a value.
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn send(
        &self,
        method: HttpMethod,
        path: &str,
        value: &impl Serialize,
    ) -> Result<Answer, ClientFault> {
        let body = serde_json::to_vec(value).map_err(|fault| self.broken(fault.to_string()))?;
        let body = zeroize::Zeroizing::new(body);
        self.ask(method, path, Some(&body))
    }

    /// Any method, with or without a body.
    ///
    /// # Errors
    ///
    /// [`ClientFault`]
    pub fn ask(
        &self,
        method: HttpMethod,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Answer, ClientFault> {
        let deadline = Instant::now() + self.patience;
        let host = self.door.host();
        let asked = Asked { method, path, host: &host, bearer: self.bearer.as_ref(), body };
        let request = zeroize::Zeroizing::new(asked.bytes());
        let mut stream = self.door.open(deadline)?;
        let bytes = exchange(stream.as_mut(), &request, deadline)
            .map_err(|source| ClientFault::NoAnswer { place: self.door.place(), source })?;
        let (status, body) = split(&bytes).map_err(|what| self.broken(what))?;
        if (200..300).contains(&status) {
            return Ok(Answer { status, body: body.to_vec() });
        }
        let problem = serde_json::from_slice::<Problem>(body)
            .map_err(|fault| self.broken(format!("status {status}, and {fault}")))?;
        Err(ClientFault::Refused(Box::new(problem)))
    }

    pub(crate) fn broken(&self, what: String) -> ClientFault {
        ClientFault::Broken { place: self.door.place(), what }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use eg_proto::control::ProblemKind;

    use super::super::door::{Https, seen};
    use super::super::fake::{Fake, refusal};
    use super::super::pin::{Fingerprint, Pin};
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

    #[test]
    fn an_engine_that_says_nothing_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _silent = UnixListener::bind(&path).unwrap();
        let client = Client::new(&path).patient(Duration::from_millis(20));
        assert!(matches!(client.get("policy"), Err(ClientFault::NoAnswer { .. })));
    }

    #[test]
    fn a_pinned_engine_is_asked_over_tls_and_shown_the_token() {
        let fake = Fake::tls(|_| (200, "{\"a\":1}".to_owned()));
        let client = Client::at(fake.door.clone()).bearing(Some(Secret::new("tok".to_owned())));
        let got = client.put("users/a/level", &serde_json::json!({"level": "standard"})).unwrap();
        assert_eq!((got.status, got.body.as_slice()), (200, b"{\"a\":1}".as_slice()));
        client.delete("users/a").unwrap();
        let expected = ["PUT users/a/level {\"level\":\"standard\"}", "DELETE users/a"];
        assert_eq!(fake.lines(), expected);
        assert!(fake.asked().iter().all(|asked| asked.bearer.as_deref() == Some("tok")));
        // A long answer comes in many records.
        let long = format!("\"{}\"", "x".repeat(300_000));
        let fake = Fake::tls(move |_| (200, long.clone()));
        assert_eq!(Client::at(fake.door).get("a").unwrap().body.len(), 300_002);
    }

    #[test]
    fn another_certificate_is_refused_before_anything_is_sent() {
        let fake = Fake::tls(|_| (200, "{}".to_owned()));
        let Door::Https(https) = fake.door.clone() else { panic!() };
        let pin = Pin::remembered(Fingerprint::of(b"other"), fake.folder.path());
        let client = Client::at(Door::Https(Https { pin, ..https.clone() }))
            .bearing(Some(Secret::new("tok".to_owned())));
        let fault = client.get("status").unwrap_err();
        let ClientFault::OtherCertificate { shown, .. } = &fault else { panic!("{fault:?}") };
        assert_eq!(*shown, fake.fingerprint);
        let told = fault.to_string();
        for fingerprint in [fake.fingerprint, Fingerprint::of(b"other")] {
            assert!(told.contains(&fingerprint.to_string()), "{told}");
        }
        assert!(fake.asked().is_empty());
        // The file of another engine's certificate pins that one.
        let other = Fake::tls(|_| (200, "{}".to_owned()));
        let path = fake.folder.path().join("cert.pem");
        fs::write(&path, &other.pem).unwrap();
        let pin = Pin::of_file(&path).unwrap();
        let client = Client::at(Door::Https(Https { pin, ..https.clone() }));
        assert!(matches!(client.get("a"), Err(ClientFault::OtherCertificate { .. })));
        fs::write(&path, &fake.pem).unwrap();
        let pin = Pin::of_file(&path).unwrap();
        Client::at(Door::Https(Https { pin, ..https })).get("a").unwrap();
    }

    #[test]
    fn a_certificate_is_seen_without_a_word() {
        let fake = Fake::tls(|_| (200, "{}".to_owned()));
        assert_eq!(seen("127.0.0.1", fake.port()).unwrap(), fake.fingerprint);
        assert!(fake.asked().is_empty());
        let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = plain.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = plain.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        assert!(matches!(seen("127.0.0.1", port), Err(ClientFault::Tls { .. })));
        server.join().unwrap();
        assert!(matches!(seen("127.0.0.1", port), Err(ClientFault::Unreachable { .. })));
    }

    #[test]
    fn refusals_say_how_a_command_ends() {
        use crate::exit::Exit;
        let fake = Fake::socket(|asked| match asked.path.as_str() {
            "a" => refusal(ProblemKind::Forbidden, "no"),
            "b" => refusal(ProblemKind::Unauthorized, "no"),
            _ => refusal(ProblemKind::Conflict, "no"),
        });
        let client = Client::at(fake.door);
        for (path, exit) in [("a", Exit::Refused), ("b", Exit::Refused), ("c", Exit::Failed)] {
            assert_eq!(client.get(path).unwrap_err().exit(), exit, "{path}");
        }
    }
}
