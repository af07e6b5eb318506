//! Defendr's frames: how bytes arrive changes nothing, and what can be read is written the same again.

use eg_proto::session::{read_number, write_ping, write_pong};
use eg_proto::{
    AnswerWriter, Close, Frame, FrameBuffer, FrameFault, FrameKind, Pushed, QueryWriter, Report,
    answers, queries,
};

use crate::feed::Feed;

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let (buffer, step) = (feed.byte(), usize::from(feed.byte()) + 1);
    let buffer = if buffer & 1 == 0 { FrameBuffer::new } else { FrameBuffer::for_handshake };
    let whole = frames(buffer(), feed.rest(), feed.rest().len().max(1));
    let pieces = frames(buffer(), feed.rest(), step);
    assert_eq!(whole, pieces, "pieces of {step} bytes arrive as something else");
    for (kind, body) in &whole.0 {
        message(*kind, body);
    }
}

/// The frames of these bytes, given piece by piece, and the fault that ended them.
pub(crate) fn frames(
    mut buffer: FrameBuffer,
    mut bytes: &[u8],
    step: usize,
) -> (Vec<(FrameKind, Vec<u8>)>, Option<FrameFault>) {
    let mut found = Vec::new();
    loop {
        loop {
            match buffer.next() {
                Ok(Some(Frame { kind, body })) => found.push((kind, body.to_vec())),
                Ok(None) => break,
                Err(fault) => return (found, Some(fault)),
            }
        }
        if bytes.is_empty() {
            return (found, None);
        }
        let spare = buffer.spare();
        assert!(!spare.is_empty(), "there is no room for the next bytes");
        let (now, later) = bytes.split_at(bytes.len().min(step).min(spare.len()));
        spare.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        buffer.filled(now.len());
        bytes = later;
    }
}

/// The one frame that `write` makes.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    let (mut found, fault) = frames(FrameBuffer::new(), &out, out.len().max(1));
    assert_eq!((found.len(), fault), (1, None), "what was written is not one frame");
    found.pop().map(|(_, body)| body).unwrap_or_default()
}

fn message(kind: FrameKind, body: &[u8]) {
    match kind {
        FrameKind::Queries => read_queries(body),
        FrameKind::Answers => read_answers(body),
        FrameKind::Report => {
            if let Ok(report) = Report::read(body) {
                let again = written(|out| assert!(report.write(out).is_ok()));
                assert_eq!(Report::read(&again), Ok(report));
            }
        }
        FrameKind::Close => {
            if let Ok(close) = Close::read(body) {
                let again = written(|out| assert!(close.write(out).is_ok()));
                assert_eq!(Close::read(&again), Ok(close));
            }
        }
        FrameKind::Ping | FrameKind::Pong => {
            if let Ok(number) = read_number(body) {
                let ping = written(|out| assert!(write_ping(out, number).is_ok()));
                let pong = written(|out| assert!(write_pong(out, number).is_ok()));
                assert_eq!((ping.as_slice(), pong.as_slice()), (body, body));
            }
        }
        // A handshake knows what it expects: `handshake` is about those.
        FrameKind::Hello
        | FrameKind::Challenge
        | FrameKind::Proof
        | FrameKind::Welcome
        | FrameKind::Refused => (),
    }
}

fn read_queries(body: &[u8]) {
    let Ok(found) = queries(body) else { return };
    for query in found.flatten() {
        let again = written(|out| {
            let mut writer = QueryWriter::begin(out);
            assert_eq!(writer.push(&query), Ok(Pushed::Taken), "{query:?}");
            assert!(writer.finish().is_ok());
        });
        let again: Vec<_> = queries(&again).into_iter().flatten().collect();
        assert_eq!(again, [Ok(query)]);
    }
}

fn read_answers(body: &[u8]) {
    let Ok(found) = answers(body) else { return };
    for answer in found.flatten() {
        let again = written(|out| {
            let mut writer = AnswerWriter::begin(out);
            assert_eq!(writer.push(&answer), Ok(Pushed::Taken), "{answer:?}");
            assert!(writer.finish().is_ok());
        });
        let again: Vec<_> = answers(&again).into_iter().flatten().collect();
        assert_eq!(again, [Ok(answer)]);
    }
}
