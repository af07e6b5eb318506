//! The steps of the mutual proof, and everything that must break it.

use proptest::prelude::*;

use super::*;
use crate::frame::FrameBuffer;
use crate::hello::{FailureCause, FailureToken, Routes};
use crate::limits::{BASE_URL_BYTES_MAX, FAILURE_TOKEN_BYTES_MAX, FAILURE_TOKENS_MAX};

const EXPORTER: [u8; 32] = [3; 32];

fn key(text: &str) -> SharedKey {
    SharedKey::parse(text).unwrap()
}

fn good_key() -> SharedKey {
    key("0123456789abcdef-the-key")
}

fn name() -> ConnectorName {
    ConnectorName::parse("squid-1").unwrap()
}

fn terms() -> Terms {
    Terms {
        base_url: "https://portal.example/".to_owned(),
        routes: Routes::default(),
        redirect_status: 302,
        engine: "2026.47.0.0".to_owned(),
        keepalive_ms: 5_000,
        in_flight_max: 8_192,
        tokens: vec![
            FailureToken { cause: FailureCause::NoEngine, token: "abc".to_owned() },
            FailureToken { cause: FailureCause::Timeout, token: "d-_".to_owned() },
        ],
    }
}

/// An engine that knows one connector.
struct Door {
    key: SharedKey,
    terms: Result<Terms, RefusedReason>,
}

impl Door {
    fn good() -> Self {
        Self { key: good_key(), terms: Ok(terms()) }
    }
}

impl Admission for Door {
    fn key(&self, hello: &Hello) -> Result<&SharedKey, RefusedReason> {
        if hello.connector == name() { Ok(&self.key) } else { Err(RefusedReason::UnknownConnector) }
    }

    fn terms(&self, _hello: &Hello) -> Result<Terms, RefusedReason> {
        self.terms.clone()
    }
}

/// The one frame that these bytes are.
fn frame(bytes: &[u8]) -> (FrameKind, Vec<u8>) {
    let mut buffer = FrameBuffer::for_handshake();
    let mut rest = bytes;
    loop {
        if let Some(frame) = buffer.next().unwrap() {
            let found = (frame.kind, frame.body.to_vec());
            assert!(rest.is_empty() && buffer.next().unwrap().is_none(), "one frame");
            return found;
        }
        let spare = buffer.spare();
        let count = spare.len().min(rest.len());
        assert!(count > 0, "a whole frame");
        spare[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        buffer.filled(count);
    }
}

struct Connector(ConnectorHandshake);

impl Connector {
    fn start(nonce: u8, exporter: [u8; 32]) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        let side = ConnectorHandshake::start(
            &good_key(),
            &name(),
            RunId(42),
            Inspect::Peek,
            [nonce; 32],
            exporter,
            &mut out,
        );
        (Self(side.unwrap()), out)
    }

    fn feed(&mut self, bytes: &[u8]) -> (Result<ConnectorProgress, HandshakeFault>, Vec<u8>) {
        let (kind, body) = frame(bytes);
        let mut out = Vec::new();
        let progress = self.0.feed(Frame { kind, body: &body }, &mut out);
        (progress, out)
    }

    fn proof(&mut self, challenge: &[u8]) -> Vec<u8> {
        let (progress, out) = self.feed(challenge);
        assert!(matches!(progress, Ok(ConnectorProgress::Continue)), "{progress:?}");
        out
    }
}

struct EngineSide(EngineHandshake, Door);

impl EngineSide {
    fn new(nonce: u8, exporter: [u8; 32], door: Door) -> Self {
        Self(EngineHandshake::new([nonce; 32], exporter), door)
    }

    fn feed(&mut self, bytes: &[u8]) -> (Result<EngineProgress, HandshakeFault>, Vec<u8>) {
        let (kind, body) = frame(bytes);
        let mut out = Vec::new();
        let progress = self.0.feed(Frame { kind, body: &body }, &self.1, &mut out);
        (progress, out)
    }

    fn challenge(&mut self, hello: &[u8]) -> Vec<u8> {
        let (progress, out) = self.feed(hello);
        assert!(matches!(progress, Ok(EngineProgress::Continue)), "{progress:?}");
        out
    }

    /// Feeds, and expects a refusal of this reason that the connector can read.
    fn refuses(&mut self, bytes: &[u8], expected: RefusedReason) {
        let (progress, out) = self.feed(bytes);
        match progress {
            Err(HandshakeFault::Refused { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
        let (mut connector, _) = Connector::start(1, EXPORTER);
        match connector.feed(&out).0 {
            Err(HandshakeFault::Refused { reason, text }) => {
                assert_eq!((reason, text.as_str()), (expected, expected.sentence()));
            }
            other => panic!("{other:?}"),
        }
        // An ended handshake stays ended.
        let (again, _) = self.feed(bytes);
        assert!(matches!(
            again,
            Err(HandshakeFault::Refused { reason: RefusedReason::Malformed, .. })
        ));
    }
}

fn refused(reason: RefusedReason, progress: &Result<ConnectorProgress, HandshakeFault>) {
    match progress {
        Err(HandshakeFault::Refused { reason: found, .. }) => assert_eq!(*found, reason),
        other => panic!("{other:?}"),
    }
}

/// A handshake up to the engine's welcome.
fn up_to_welcome(door: Door) -> (Connector, Vec<u8>) {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let mut engine = EngineSide::new(2, EXPORTER, door);
    let proof = connector.proof(&engine.challenge(&hello));
    let (progress, welcome) = engine.feed(&proof);
    match progress {
        Ok(EngineProgress::Done(hello)) => {
            assert_eq!(
                (hello.connector, hello.run, hello.inspect),
                (name(), RunId(42), Inspect::Peek)
            );
        }
        other => panic!("{other:?}"),
    }
    (connector, welcome)
}

#[test]
fn both_sides_prove_themselves() {
    let (mut connector, welcome) = up_to_welcome(Door::good());
    match connector.feed(&welcome).0 {
        Ok(ConnectorProgress::Done(agreed)) => {
            assert_eq!(*agreed, terms());
            assert_eq!(agreed.token(FailureCause::Timeout), Some("d-_"));
            assert_eq!(agreed.token(FailureCause::Overload), None);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(connector.feed(&welcome).0, Err(HandshakeFault::Malformed)), "only once");
}

#[test]
fn another_key_is_refused() {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let mut engine =
        EngineSide::new(2, EXPORTER, Door { key: key("0123456789abcdef-another"), ..Door::good() });
    let proof = connector.proof(&engine.challenge(&hello));
    engine.refuses(&proof, RefusedReason::WrongKey);
}

#[test]
fn a_relay_between_two_tls_connections_is_refused() {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let mut engine = EngineSide::new(2, [4; 32], Door::good());
    let proof = connector.proof(&engine.challenge(&hello));
    engine.refuses(&proof, RefusedReason::WrongKey);
}

#[test]
fn a_replayed_proof_is_refused() {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let mut engine = EngineSide::new(2, EXPORTER, Door::good());
    let proof = connector.proof(&engine.challenge(&hello));
    assert!(engine.feed(&proof).0.is_ok());
    // The same bytes to an engine that drew another nonce.
    let mut later = EngineSide::new(5, EXPORTER, Door::good());
    later.challenge(&hello);
    later.refuses(&proof, RefusedReason::WrongKey);
}

#[test]
fn a_reflected_proof_proves_no_engine() {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let mut engine = EngineSide::new(2, EXPORTER, Door::good());
    let (_, mac) = frame(&connector.proof(&engine.challenge(&hello)));
    let mut welcome = Vec::new();
    let terms = terms().body().unwrap();
    write_frame(&mut welcome, FrameKind::Welcome, &[&mac, &terms]).unwrap();
    assert!(matches!(connector.feed(&welcome).0, Err(HandshakeFault::EngineUnproven)));
}

#[test]
fn a_replayed_welcome_proves_no_engine() {
    let (_, welcome) = up_to_welcome(Door::good());
    let (mut connector, hello) = Connector::start(6, EXPORTER);
    connector.proof(&EngineSide::new(2, EXPORTER, Door::good()).challenge(&hello));
    assert!(matches!(connector.feed(&welcome).0, Err(HandshakeFault::EngineUnproven)));
}

#[test]
fn altered_terms_prove_no_engine() {
    let (_, welcome) = up_to_welcome(Door::good());
    for at in 5..welcome.len() {
        let (mut connector, _) = up_to_welcome(Door::good());
        let mut altered = welcome.clone();
        altered[at] ^= 1;
        assert!(connector.feed(&altered).0.is_err(), "byte {at}");
    }
}

#[test]
fn every_byte_of_the_hello_is_proven() {
    let (_, hello) = Connector::start(1, EXPORTER);
    for at in 5..hello.len() {
        let (mut connector, _) = Connector::start(1, EXPORTER);
        let mut engine = EngineSide::new(2, EXPORTER, Door::good());
        let mut altered = hello.clone();
        altered[at] ^= 1;
        // Either it cannot be read, or its name or version are unknown, or the proof fails.
        let (progress, challenge) = engine.feed(&altered);
        if progress.is_ok() {
            engine.refuses(&connector.proof(&challenge), RefusedReason::WrongKey);
        }
    }
}

#[test]
fn an_unknown_version_is_refused() {
    let hello = Hello {
        versions: vec![2, 900],
        connector: name(),
        run: RunId(0),
        nonce: [0; 32],
        inspect: Inspect::Off,
    };
    let mut out = Vec::new();
    let connector = ConnectorHandshake::start_with(&good_key(), hello, EXPORTER, &mut out).unwrap();
    EngineSide::new(2, EXPORTER, Door::good()).refuses(&out, RefusedReason::Version);
    // And an engine that chooses what was not offered gets no proof.
    let mut challenge = Vec::new();
    let body = Challenge { version: 1, nonce: [2; 32] }.body();
    write_frame(&mut challenge, FrameKind::Challenge, &[&body]).unwrap();
    let (progress, sent) = Connector(connector).feed(&challenge);
    assert!(matches!(progress, Err(HandshakeFault::Version(1))));
    assert!(sent.is_empty());
}

#[test]
fn the_door_may_refuse() {
    let (mut connector, hello) = Connector::start(1, EXPORTER);
    let door = Door { terms: Err(RefusedReason::SessionLimit), ..Door::good() };
    let mut engine = EngineSide::new(2, EXPORTER, door);
    let proof = connector.proof(&engine.challenge(&hello));
    let (_, refusal) = engine.feed(&proof);
    refused(RefusedReason::SessionLimit, &connector.feed(&refusal).0);

    let stranger = Hello {
        versions: vec![1],
        connector: ConnectorName::parse("stranger").unwrap(),
        run: RunId(0),
        nonce: [0; 32],
        inspect: Inspect::Off,
    };
    let mut out = Vec::new();
    ConnectorHandshake::start_with(&good_key(), stranger, EXPORTER, &mut out).unwrap();
    EngineSide::new(2, EXPORTER, Door::good()).refuses(&out, RefusedReason::UnknownConnector);
}

#[test]
fn messages_at_the_wrong_moment_are_refused() {
    let (_, hello) = Connector::start(1, EXPORTER);
    let mut proof = Vec::new();
    write_frame(&mut proof, FrameKind::Proof, &[&[0; 32]]).unwrap();
    let mut batch = Vec::new();
    write_frame(&mut batch, FrameKind::Queries, &[&[0; 8]]).unwrap();
    EngineSide::new(2, EXPORTER, Door::good()).refuses(&proof, RefusedReason::Malformed);
    EngineSide::new(2, EXPORTER, Door::good()).refuses(&batch, RefusedReason::Malformed);
    let mut engine = EngineSide::new(2, EXPORTER, Door::good());
    engine.challenge(&hello);
    engine.refuses(&hello, RefusedReason::Malformed);

    let (mut connector, _) = Connector::start(1, EXPORTER);
    let (_, welcome) = up_to_welcome(Door::good());
    let (progress, sent) = connector.feed(&welcome);
    assert!(matches!(progress, Err(HandshakeFault::Malformed)), "a welcome before the challenge");
    assert!(sent.is_empty());
}

#[test]
fn truncated_and_oversized_messages_are_refused() {
    let (kind, hello) = frame(&Connector::start(1, EXPORTER).1);
    for length in 0..hello.len() {
        let mut cut = Vec::new();
        write_frame(&mut cut, kind, &[&hello[..length]]).unwrap();
        EngineSide::new(2, EXPORTER, Door::good()).refuses(&cut, RefusedReason::Malformed);
    }
    let (_, welcome) = up_to_welcome(Door::good());
    let (kind, body) = frame(&welcome);
    for length in 0..body.len() {
        let (mut connector, _) = up_to_welcome(Door::good());
        let mut cut = Vec::new();
        write_frame(&mut cut, kind, &[&body[..length]]).unwrap();
        assert!(connector.feed(&cut).0.is_err(), "{length}");
    }
    // A body past the bound of the handshake, even where the buffer was made too wide.
    let large = vec![0; HANDSHAKE_FRAME_BYTES_MAX + 1];
    let mut out = Vec::new();
    let fault = EngineHandshake::new([2; 32], EXPORTER)
        .feed(Frame { kind: FrameKind::Hello, body: &large }, &Door::good(), &mut out)
        .unwrap_err();
    assert!(matches!(fault, HandshakeFault::Refused { reason: RefusedReason::Malformed, .. }));
}

#[test]
fn a_hello_may_carry_more_than_this_version_knows() {
    let (_, mut body) = frame(&Connector::start(1, EXPORTER).1);
    body.extend_from_slice(&[128, 0, 2, 1, 2]);
    assert!(Hello::read(&body).is_some(), "a field to skip");
    body.extend_from_slice(&[127, 0, 0]);
    assert!(Hello::read(&body).is_none(), "a field that must be known");
}

#[test]
fn terms_that_squid_could_not_use_are_neither_sent_nor_taken() {
    let alter: [fn(&mut Terms); 12] = [
        |terms| terms.base_url = "portal.example".to_owned(),
        |terms| terms.base_url = "http://portal.example/\" status=200".to_owned(),
        |terms| terms.base_url = format!("http://{}", "a".repeat(BASE_URL_BYTES_MAX)),
        |terms| terms.redirect_status = 301,
        |terms| terms.routes.aup = "aup".to_owned(),
        |terms| terms.routes.aup = "/a b".to_owned(),
        |terms| terms.engine = "a\nb".to_owned(),
        |terms| terms.keepalive_ms = 0,
        |terms| terms.in_flight_max = 0,
        |terms| terms.tokens[0].token = String::new(),
        |terms| terms.tokens[0].token = "a b".to_owned(),
        |terms| terms.tokens[0].token = "a".repeat(FAILURE_TOKEN_BYTES_MAX + 1),
    ];
    for (at, alter) in alter.into_iter().enumerate() {
        let mut bad = terms();
        alter(&mut bad);
        assert!(bad.body().is_err(), "{at}");
        let (mut connector, hello) = Connector::start(1, EXPORTER);
        let mut engine = EngineSide::new(2, EXPORTER, Door { terms: Ok(bad), ..Door::good() });
        let proof = connector.proof(&engine.challenge(&hello));
        let (progress, sent) = engine.feed(&proof);
        assert!(matches!(progress, Err(HandshakeFault::Terms(_))), "{at}: {progress:?}");
        assert!(sent.is_empty());
    }
    // The largest terms still fit a frame of the handshake.
    let mut large = terms();
    large.base_url = format!("http://{}", "a".repeat(BASE_URL_BYTES_MAX - 7));
    let token = "a".repeat(FAILURE_TOKEN_BYTES_MAX);
    large.tokens = vec![FailureToken { cause: FailureCause::Overload, token }; FAILURE_TOKENS_MAX];
    let (mut connector, welcome) = up_to_welcome(Door { terms: Ok(large), ..Door::good() });
    assert!(connector.feed(&welcome).0.is_ok());
}

#[test]
fn nothing_shows_the_key() {
    let (connector, _) = Connector::start(1, EXPORTER);
    let engine = EngineHandshake::new([2; 32], EXPORTER);
    assert_eq!(format!("{:?}", connector.0), "ConnectorHandshake { stage: AwaitChallenge, .. }");
    assert_eq!(format!("{engine:?}"), "EngineHandshake { stage: \"AwaitHello\", .. }");
}

#[test]
fn the_documented_vector_holds() {
    // docs/defendr.md lets a third party check its own proof with these numbers.
    let transcript = Transcript { exporter: [1; 32], hello: [2; 32], challenge: [3; 32] };
    let key = key("0123456789abcdef");
    let hex = |mac: Hmac<Sha256>| {
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let document = include_str!("../../../docs/defendr.md");
    for expected in
        [hex(transcript.connector_proof(&key)), hex(transcript.engine_proof(&key, b"terms"))]
    {
        assert!(document.contains(&expected), "docs/defendr.md lacks {expected}");
    }
}

proptest! {
    #[test]
    fn arbitrary_frames_are_survived(number in 0..40_u8, body: Vec<u8>, proven: bool) {
        let Some(kind) = FrameKind::from_number(number) else { return Ok(()) };
        let (mut connector, hello) = Connector::start(1, EXPORTER);
        let mut engine = EngineSide::new(2, EXPORTER, Door::good());
        if proven {
            connector.proof(&engine.challenge(&hello));
        }
        let mut out = Vec::new();
        let fed = connector.0.feed(Frame { kind, body: &body }, &mut out);
        prop_assert!(!matches!(fed, Ok(ConnectorProgress::Done(_))));
        let fed = engine.0.feed(Frame { kind, body: &body }, &engine.1, &mut out);
        prop_assert!(!matches!(fed, Ok(EngineProgress::Done(_))));
        let _ = crate::hello::Report::read(&body);
    }

    #[test]
    fn a_hello_arrives(run: u128, nonce: [u8; 32], versions in prop::collection::vec(any::<u16>(), 1..16)) {
        let hello = Hello { versions, connector: name(), run: RunId(run), nonce, inspect: Inspect::Bump };
        prop_assert_eq!(Hello::read(&hello.body()), Some(hello));
    }

    #[test]
    fn a_report_arrives(asked_again: u64, late: u64, used: [u64; 5]) {
        let fallbacks_used = FailureCause::ALL.iter().copied().zip(used).collect();
        let report = crate::hello::Report { fallbacks_used, asked_again, late };
        let mut out = Vec::new();
        report.write(&mut out).unwrap();
        let (kind, body) = frame(&out);
        prop_assert_eq!(kind, FrameKind::Report);
        prop_assert_eq!(crate::hello::Report::read(&body), Ok(report));
    }
}
