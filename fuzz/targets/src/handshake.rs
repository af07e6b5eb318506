//! The handshake from either end: whoever does not hold the key gets nowhere, whatever is sent.

use eg_proto::{
    Admission, ConnectorHandshake, ConnectorName, ConnectorProgress, EngineHandshake,
    EngineProgress, Frame, FrameBuffer, FrameKind, Hello, Inspect, RefusedReason, RunId, SharedKey,
    Terms,
};

use crate::feed::Feed;
use crate::wire::frames;

/// What the one connector and its engine share; the fuzzer would have to guess a proof with it.
const KEY: &str = "dGhlIGZ1enplciBkb2VzIG5vdCBrbm93";

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let engine = feed.byte() & 1 == 0;
    let (found, _) = frames(FrameBuffer::for_handshake(), feed.rest(), feed.rest().len().max(1));
    let (Ok(key), Ok(name)) = (SharedKey::parse(KEY), ConnectorName::parse("squid")) else {
        return;
    };
    if engine {
        at_engine(&found, &Door(key));
    } else {
        at_connector(&found, &key, &name);
    }
}

fn at_engine(found: &[(FrameKind, Vec<u8>)], door: &Door) {
    let mut handshake = EngineHandshake::new([7; 32], [9; 32]);
    for (kind, body) in found {
        let mut out = Vec::new();
        let frame = Frame { kind: *kind, body };
        match handshake.feed(frame, door, &mut out) {
            Ok(EngineProgress::Continue) => assert!(!out.is_empty(), "nothing is answered"),
            Ok(EngineProgress::Done(hello)) => admitted(&hello),
            Err(_) => {
                let (refusal, fault) = frames(FrameBuffer::for_handshake(), &out, out.len().max(1));
                assert_eq!(fault, None, "the refusal is no frame");
                assert!(refusal.iter().all(|(kind, _)| *kind == FrameKind::Refused));
                return;
            }
        }
    }
}

fn at_connector(found: &[(FrameKind, Vec<u8>)], key: &SharedKey, name: &ConnectorName) {
    let mut out = Vec::new();
    let started =
        ConnectorHandshake::start(key, name, RunId(3), Inspect::Peek, [5; 32], [9; 32], &mut out);
    assert!(started.is_ok(), "it cannot say hello");
    let Ok(mut handshake) = started else { return };
    for (kind, body) in found {
        match handshake.feed(Frame { kind: *kind, body }, &mut out) {
            Ok(ConnectorProgress::Continue) => (),
            Ok(ConnectorProgress::Done(terms)) => admitted(&terms),
            Err(_) => return,
        }
    }
}

#[expect(clippy::panic, reason = "it is how a target says that something does not hold")]
fn admitted(whom: &impl std::fmt::Debug) {
    panic!("admitted without the key: {whom:?}");
}

/// Knows one connector.
struct Door(SharedKey);

impl Admission for Door {
    fn key(&self, hello: &Hello) -> Result<&SharedKey, RefusedReason> {
        if hello.connector.as_str() == "squid" {
            Ok(&self.0)
        } else {
            Err(RefusedReason::UnknownConnector)
        }
    }

    fn terms(&self, _hello: &Hello) -> Result<Terms, RefusedReason> {
        Err(RefusedReason::Draining)
    }
}
