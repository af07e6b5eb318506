//! An engine for tests: it answers each request as a test says, over a socket or TLS, and keeps what it
//! was asked.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::door::{Door, Https};
use super::pin::{Fingerprint, Pin};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Below the front of all paths.
    pub(crate) path: String,
    pub(crate) bearer: Option<String>,
    pub(crate) body: String,
}

/// Status and JSON.
pub(crate) type Reply = (u16, String);

pub(crate) struct Fake {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) door: Door,
    pub(crate) pem: String,
    pub(crate) fingerprint: Fingerprint,
    asked: Arc<Mutex<Vec<Request>>>,
}

type Answers = dyn Fn(&Request) -> Reply + Send + Sync;

impl Fake {
    /// Over a socket.
    pub(crate) fn socket(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let asked = Arc::default();
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&mut stream.unwrap(), &answers, &kept).unwrap();
            }
        });
        let (door, fingerprint) = (Door::Socket(path), Fingerprint::of(b""));
        Self { folder, door, pem: String::new(), fingerprint, asked }
    }

    /// Over TLS, with a certificate of its own.
    pub(crate) fn tls(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["engine".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let (pem, fingerprint) = (made.cert.pem(), Fingerprint::of(&certificate));
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::default();
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                // Whoever does not like the certificate goes away.
                drop(serve(&mut stream, &answers, &kept));
            }
        });
        let pin = Pin::remembered(fingerprint, folder.path());
        let door = Door::Https(Https { host: "127.0.0.1".to_owned(), port, pin });
        Self { folder, door, pem, fingerprint, asked }
    }

    /// The port of one over TLS.
    pub(crate) fn port(&self) -> u16 {
        match &self.door {
            Door::Https(https) => https.port,
            Door::Socket(_) => panic!("it has no port"),
        }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was asked, a line a request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |asked: &Request| {
            format!("{} {} {}", asked.method, asked.path, asked.body).trim().to_owned()
        };
        self.asked().iter().map(line).collect()
    }
}

/// A problem as an answer.
pub(crate) fn refusal(kind: eg_proto::control::ProblemKind, detail: &str) -> Reply {
    let problem = eg_proto::control::Problem::new(kind, detail);
    (problem.status, serde_json::to_string(&problem).unwrap())
}

fn serve(
    stream: &mut (impl Read + Write),
    answers: &Answers,
    kept: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let (mut buffer, mut whole) = ([0; 4096], None);
    while whole.is_none_or(|whole: usize| bytes.len() < whole) {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            whole = Some(end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()));
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut first = head.split(' ');
    let method = first.next().unwrap().to_owned();
    let path = first.next().unwrap().strip_prefix("/api/v1/").unwrap().to_owned();
    let bearer = head.lines().find_map(|line| line.strip_prefix("Authorization: Bearer "));
    let (bearer, body) = (bearer.map(str::to_owned), body.to_owned());
    let request = Request { method, path, bearer, body };
    kept.lock().unwrap().push(request.clone());
    let (status, json) = answers(&request);
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{json}", json.len());
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}
