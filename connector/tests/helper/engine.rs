//! An engine made of the test: real TLS, the real proof, and a script for what it answers.

use super::*;

/// A query as the test's engine saw it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) retry: Retry,
    pub(super) uri: String,
}

/// What a script does with the queries of one frame.
pub(super) enum Then {
    Answer(Vec<(u64, Action, &'static str)>),
    Nothing,
    /// Says nothing any more, not even to a ping, as a stopped process.
    Stop,
    HangUp,
    Garbage,
    /// Says something without an end, and no answer.
    Flood,
}

pub(super) type Script = Box<dyn FnMut(&[Asked]) -> Then + Send>;

pub(super) struct Keys(SharedKey);

impl Admission for Keys {
    fn key(&self, _hello: &Hello) -> Result<&SharedKey, RefusedReason> {
        Ok(&self.0)
    }

    fn terms(&self, _hello: &Hello) -> Result<Terms, RefusedReason> {
        let token = |&cause: &FailureCause| FailureToken { cause, token: cause.word().to_owned() };
        Ok(Terms {
            base_url: "http://portal.test".to_owned(),
            routes: Routes::default(),
            redirect_status: 302,
            engine: "test".to_owned(),
            keepalive_ms: 5_000,
            in_flight_max: 1_000,
            tokens: FailureCause::ALL.iter().map(token).collect(),
        })
    }
}

/// An engine on a free port. Each accepted connection is told over `sessions` once it is welcomed,
/// or once it has failed.
pub(super) struct Engine {
    pub(super) port: u16,
    pub(super) cert_pem: String,
    pub(super) sessions: Receiver<Result<(), String>>,
}

impl Engine {
    pub(super) fn start(key: &str, script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self::start_on(move || Ok(listener.accept()?.0), port, key, script)
    }

    /// The standard library's stream reads and writes any socket; only its name says TCP.
    pub(super) fn start_at(path: &Path, key: &str, script: Script) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        let accept = move || Ok(TcpStream::from(OwnedFd::from(listener.accept()?.0)));
        Self::start_on(accept, 0, key, script)
    }

    pub(super) fn start_on(
        accept: impl FnMut() -> std::io::Result<TcpStream> + Send + 'static,
        port: u16,
        key: &str,
        script: Script,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["engine".to_owned()]).unwrap();
        let key_der = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key_der))
            .unwrap();
        let (sender, sessions) = sync_channel(64);
        let keys = Keys(SharedKey::parse(key).unwrap());
        thread::spawn(move || accept_all(accept, &Arc::new(config), &keys, script, &sender));
        Self { port, cert_pem: made.cert.pem(), sessions }
    }

    pub(super) fn welcomed(&self) {
        assert_eq!(self.sessions.recv_timeout(PATIENCE), Ok(Ok(())));
    }
}

pub(super) fn accept_all(
    mut accept: impl FnMut() -> std::io::Result<TcpStream>,
    config: &Arc<ServerConfig>,
    keys: &Keys,
    mut script: Script,
    sessions: &SyncSender<Result<(), String>>,
) {
    while let Ok(stream) = accept() {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let tls = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        // A test that is over no longer listens; the engine goes on until the process ends.
        let _ = match welcome(&mut stream, keys) {
            Ok(frames) => {
                let told = sessions.try_send(Ok(()));
                serve(&mut stream, frames, &mut script);
                told
            }
            Err(fault) => sessions.try_send(Err(fault)),
        };
    }
}

pub(super) type Tls = StreamOwned<ServerConnection, TcpStream>;

pub(super) fn read_some(stream: &mut Tls, frames: &mut FrameBuffer) -> Result<(), String> {
    match stream.read(frames.spare()) {
        Ok(0) => Err("ended".to_owned()),
        Ok(count) => {
            frames.filled(count);
            Ok(())
        }
        Err(fault) => Err(fault.to_string()),
    }
}

pub(super) fn welcome(stream: &mut Tls, keys: &Keys) -> Result<FrameBuffer, String> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|fault| fault.to_string())?;
    }
    let exporter = stream.conn.export_keying_material([0_u8; 32], EXPORTER_LABEL, None).unwrap();
    let mut handshake = EngineHandshake::new([7; 32], exporter);
    let mut frames = FrameBuffer::new();
    loop {
        let mut out = Vec::new();
        let next = frames.next().map_err(|fault| fault.to_string())?;
        let progress = next.map(|frame| handshake.feed(frame, keys, &mut out));
        stream.write_all(&out).and_then(|()| stream.flush()).map_err(|fault| fault.to_string())?;
        match progress {
            Some(Ok(EngineProgress::Done(_))) => return Ok(frames),
            Some(Ok(EngineProgress::Continue)) => {}
            Some(Err(fault)) => return Err(fault.to_string()),
            None => read_some(stream, &mut frames)?,
        }
    }
}

pub(super) fn serve(stream: &mut Tls, mut frames: FrameBuffer, script: &mut Script) {
    loop {
        let mut out = Vec::new();
        let mut asked = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            match frame.kind {
                FrameKind::Queries => {
                    for query in eg_proto::queries(frame.body).unwrap() {
                        let query = query.unwrap();
                        asked.push(Asked {
                            id: query.id,
                            retry: query.retry,
                            uri: String::from_utf8_lossy(query.uri).into_owned(),
                        });
                    }
                }
                FrameKind::Ping => {
                    let number = eg_proto::session::read_number(frame.body).unwrap();
                    eg_proto::session::write_pong(&mut out, number).unwrap();
                }
                FrameKind::Close => return,
                _ => {}
            }
        }
        if !asked.is_empty() {
            match script(&asked) {
                Then::Answer(answers) => write_answers(&mut out, &answers),
                Then::Nothing => {}
                Then::Stop => loop {
                    thread::park();
                },
                Then::HangUp => return,
                Then::Flood => {
                    let mut pongs = Vec::new();
                    while pongs.len() < 64 * 1024 {
                        eg_proto::session::write_pong(&mut pongs, 0).unwrap();
                    }
                    while stream.write_all(&pongs).and_then(|()| stream.flush()).is_ok() {}
                    return;
                }
                Then::Garbage => out.extend_from_slice(&[0xff; 64]),
            }
        }
        if stream.write_all(&out).and_then(|()| stream.flush()).is_err() {
            return;
        }
        if read_some(stream, &mut frames).is_err() {
            return;
        }
    }
}

pub(super) fn write_answers(out: &mut Vec<u8>, answers: &[(u64, Action, &'static str)]) {
    let mut writer = AnswerWriter::begin(out);
    for &(id, action, token) in answers {
        let decision = DecisionId::new(1, id);
        let answer = Answer { id, action, decision, token: token.as_bytes(), tag: b"", tls: None };
        writer.push(&answer).unwrap();
    }
    writer.finish().unwrap();
}

pub(super) fn by_host(asked: &[Asked]) -> Then {
    let verdict = |asked: &Asked| match asked.uri.contains("bad") {
        true => (asked.id, Action::Deny, "tok"),
        false => (asked.id, Action::Permit, ""),
    };
    Then::Answer(asked.iter().map(verdict).collect())
}
