//! A hand-made connector for the tests of the data plane: TLS, the proof, batches.

use super::*;

/// Takes any certificate: the proof is bound to the connection, which is the point.
#[derive(Debug)]
pub(super) struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

pub(super) struct Client {
    pub(super) tls: StreamOwned<ClientConnection, TcpStream>,
    pub(super) frames: FrameBuffer,
}

/// One answer, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) id: u64,
    pub(super) action: Action,
    pub(super) decision: String,
    pub(super) token: String,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &rustls::version::TLS13)
    }

    pub(super) fn connect_with(
        address: SocketAddr,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Self {
        Self::over(TcpStream::connect(address).unwrap(), version)
    }

    /// The standard library's stream reads and writes any socket; only its name says TCP.
    pub(super) fn connect_path(path: &std::path::Path) -> Self {
        let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        let socket = TcpStream::from(std::os::fd::OwnedFd::from(stream));
        Self::over(socket, &rustls::version::TLS13)
    }

    fn over(mut socket: TcpStream, version: &'static rustls::SupportedProtocolVersion) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        let name = ServerName::try_from("engine").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        Self { tls: StreamOwned::new(connection, socket), frames: FrameBuffer::new() }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.tls.write_all(bytes).unwrap();
        self.tls.flush().unwrap();
    }

    /// The next frame; `None` once the engine has ended the connection.
    pub(super) fn next(&mut self) -> Option<(FrameKind, Vec<u8>)> {
        loop {
            if let Some(frame) = self.frames.next().unwrap() {
                return Some((frame.kind, frame.body.to_vec()));
            }
            match self.tls.read(self.frames.spare()) {
                Ok(0) => return None,
                Ok(count) => self.frames.filled(count),
                Err(fault) => panic!("the engine ended without a farewell: {fault}"),
            }
        }
    }

    pub(super) fn prove(&mut self, name: &str, key: &str) -> Result<Terms, HandshakeFault> {
        let exporter = self.tls.conn.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap();
        let (name, key) = (ConnectorName::parse(name).unwrap(), SharedKey::parse(key).unwrap());
        let mut out = Vec::new();
        let run = RunId(77);
        let mut proof =
            ConnectorHandshake::start(&key, &name, run, Inspect::Off, [5; 32], exporter, &mut out)?;
        loop {
            self.send(&out);
            out.clear();
            let (kind, body) = self.next().expect("an answer to the handshake");
            match proof.feed(eg_proto::Frame { kind, body: &body }, &mut out)? {
                ConnectorProgress::Continue => {}
                ConnectorProgress::Done(terms) => return Ok(*terms),
            }
        }
    }

    pub(super) fn refusal(&mut self, name: &str, key: &str) -> RefusedReason {
        match self.prove(name, key) {
            Err(HandshakeFault::Refused { reason, .. }) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(super) fn read_answers(&mut self) -> Vec<Said> {
        let (kind, body) = self.next().expect("answers");
        assert_eq!(kind, FrameKind::Answers);
        answers(&body)
            .unwrap()
            .map(|answer| {
                let answer = answer.unwrap();
                Said {
                    id: answer.id,
                    action: answer.action,
                    decision: answer.decision.to_string(),
                    token: String::from_utf8(answer.token.to_vec()).unwrap(),
                }
            })
            .collect()
    }

    pub(super) fn ask(&mut self, asked: &[Query<'_>]) -> Vec<Said> {
        self.send(&batch(asked));
        let mut said = Vec::new();
        while said.len() < asked.len() {
            said.extend(self.read_answers());
        }
        said
    }

    pub(super) fn farewell(&mut self) -> CloseReason {
        let (kind, body) = self.next().expect("a farewell");
        assert_eq!(kind, FrameKind::Close);
        let reason = Close::read(&body).unwrap().reason;
        assert_eq!(self.next(), None, "nothing follows a farewell");
        reason
    }
}
