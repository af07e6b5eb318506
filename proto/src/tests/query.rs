//! Queries there and back, batches at their bounds, and records that cannot be read.

use crate::limits::{BATCH_MAX, FRAME_BYTES_MAX};
use proptest::prelude::*;

use super::*;
use crate::frame::{Frame, FrameBuffer};
use crate::limits::FRAME_HEAD_BYTES;

/// A query with texts of its own.
#[derive(Debug, Clone)]
struct Owned {
    id: u64,
    marks: (bool, bool, u8),
    method: Vec<u8>,
    uri: Vec<u8>,
    client: IpAddr,
    client_port: u16,
    sni: (bool, Option<Vec<u8>>),
    texts: [Option<Vec<u8>>; 4],
}

impl Owned {
    fn query(&self) -> Query<'_> {
        let [user, user_agent, referer, tag] =
            [0, 1, 2, 3].map(|at: usize| self.texts[at].as_deref());
        Query {
            id: self.id,
            retry: if self.marks.0 { Retry::Again } else { Retry::First },
            role: if self.marks.1 { Role::Acl } else { Role::Rewrite },
            phase: Phase::from_number(self.marks.2).unwrap(),
            method: &self.method,
            uri: &self.uri,
            client: self.client,
            client_port: self.client_port,
            user,
            sni: match &self.sni {
                (false, _) => Sni::Unknown,
                (true, None) => Sni::Absent,
                (true, Some(name)) => Sni::Name(name),
            },
            user_agent,
            referer,
            tag,
        }
    }
}

fn any_text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn any_query() -> impl Strategy<Value = Owned> {
    let head = (any::<u64>(), (any::<bool>(), any::<bool>(), 0..3_u8), any_text(33), any_text(300));
    let client = (any::<IpAddr>(), any::<u16>());
    let name = prop::collection::vec(any::<u8>(), 1..40);
    let sni = (any::<bool>(), prop::option::of(name));
    let texts = [(); 4].map(|()| prop::option::of(any_text(100)));
    (head, client, sni, texts).prop_map(|(head, client, sni, texts)| Owned {
        id: head.0,
        marks: head.1,
        method: head.2,
        uri: head.3,
        client: client.0,
        client_port: client.1,
        sni,
        texts,
    })
}

fn simple(uri: &[u8]) -> Query<'_> {
    Query {
        id: 7,
        retry: Retry::First,
        role: Role::Rewrite,
        phase: Phase::Request,
        method: b"GET",
        uri,
        client: [192, 0, 2, 1].into(),
        client_port: 40_000,
        user: None,
        sni: Sni::Unknown,
        user_agent: None,
        referer: None,
        tag: None,
    }
}

fn batch(all: &[Query<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    for query in all {
        assert_eq!(writer.push(query), Ok(Pushed::Taken));
    }
    assert_eq!(usize::from(writer.finish().unwrap()), all.len());
    out.split_off(FRAME_HEAD_BYTES)
}

/// The one record of a batch, altered and put back with the right lengths.
fn altered(query: &Query<'_>, alter: impl FnOnce(&mut Vec<u8>)) -> Result<u64, BadQuery> {
    let mut record = batch(&[*query]).split_off(6);
    alter(&mut record);
    let mut body = vec![0, 1];
    body.extend_from_slice(&u32::try_from(record.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&record);
    let read = queries(&body).unwrap().next().unwrap();
    read.map(|query| query.id)
}

#[test]
fn the_bytes_of_a_query() {
    let query = Query {
        retry: Retry::Again,
        phase: Phase::Hello,
        role: Role::Acl,
        sni: Sni::Absent,
        user: Some(b"u"),
        ..simple(b"a:443")
    };
    let expected = b"\0\x01\0\0\0\x26\
        \0\0\0\0\0\0\0\x07\x01\x01\x01\x04\xc0\0\x02\x01\x9c\x40\x03GET\0\0\0\x05a:443\
        \x01\0\x01u\x02\0\0";
    assert_eq!(batch(&[query]), expected);
}

#[test]
fn a_frame_takes_a_batch_and_no_more() {
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    for _ in 0..BATCH_MAX {
        assert_eq!(writer.push(&simple(b"http://a.example/")), Ok(Pushed::Taken));
    }
    assert_eq!(writer.push(&simple(b"http://a.example/")), Ok(Pushed::Full));
    assert_eq!(usize::from(writer.finish().unwrap()), BATCH_MAX);
    assert_eq!(queries(&out[FRAME_HEAD_BYTES..]).unwrap().count(), BATCH_MAX);
}

#[test]
fn a_frame_takes_its_bytes_and_no_more() {
    let uri = vec![b'a'; URI_BYTES_MAX];
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    let mut taken = 0;
    while writer.push(&simple(&uri)) == Ok(Pushed::Taken) {
        taken += 1;
    }
    assert_eq!(writer.finish(), Ok(taken));
    assert_eq!(taken, 15, "1 MiB less 33 bytes each");
    assert!(out.len() <= FRAME_HEAD_BYTES + FRAME_BYTES_MAX);
    assert!(queries(&out[FRAME_HEAD_BYTES..]).unwrap().all(|read| read.is_ok()));
}

#[test]
fn an_empty_batch_is_no_frame() {
    let mut out = b"kept".to_vec();
    assert_eq!(QueryWriter::begin(&mut out).finish(), Ok(0));
    assert_eq!(out, b"kept");
}

#[test]
fn what_the_wire_cannot_carry_is_told_before() {
    let (long, uri) = (vec![b'a'; FIELD_BYTES_MAX + 1], vec![b'a'; URI_BYTES_MAX + 1]);
    let faulty = [
        (Query { method: &long, ..simple(b"u") }, "method"),
        (simple(&uri), "URI"),
        (Query { user: Some(&long), ..simple(b"u") }, "user"),
        (Query { sni: Sni::Name(&long), ..simple(b"u") }, "SNI"),
        (Query { user_agent: Some(&long), ..simple(b"u") }, "user agent"),
        (Query { referer: Some(&long), ..simple(b"u") }, "referer"),
        (Query { tag: Some(&long), ..simple(b"u") }, "tag"),
    ];
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    for (query, what) in &faulty {
        assert_eq!(writer.push(query).unwrap_err().what, *what);
    }
    assert_eq!(writer.push(&simple(b"u")), Ok(Pushed::Taken));
    assert_eq!(writer.finish(), Ok(1));
    assert_eq!(queries(&out[FRAME_HEAD_BYTES..]).unwrap().collect::<Vec<_>>(), [Ok(simple(b"u"))]);
}

#[test]
fn a_batch_whose_lengths_do_not_fit_is_refused_whole() {
    let good = batch(&[simple(b"a"), simple(b"b")]);
    for length in 0..good.len() {
        assert!(queries(&good[..length]).is_err(), "{length}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(queries(&longer).err(), Some(FrameFault::BadLength));
    assert_eq!(queries(&[0, 0]).err(), Some(FrameFault::BadCount(0)));
    assert_eq!(queries(&[0x10, 0x01]).err(), Some(FrameFault::BadCount(4_097)));
    let mut huge = good;
    huge[2] = 0xff;
    assert_eq!(queries(&huge).err(), Some(FrameFault::BadLength));
}

#[test]
fn a_faulty_record_keeps_its_id() {
    let check = |what, alter: fn(&mut Vec<u8>)| {
        assert_eq!(altered(&simple(b"uri"), alter), Err(BadQuery { id: Some(7), what }));
    };
    check("unknown retry mark", |record| record[8] = 2);
    check("unknown role", |record| record[9] = 2);
    check("unknown phase", |record| record[10] = 3);
    check("unknown family of the client's address", |record| record[11] = 5);
    check("the method is too long", |record| {
        record[18] = 33;
        record.splice(19..19, [b'G'; 30]);
    });
    check("it ends too early", |record| record[18] = 255);
    check("it ends too early", |record| record[22] = 255);
    check("it ends too early", |record| record.push(1));
    check("it ends too early", |record| record.extend_from_slice(&[1, 0, 9, b'a']));
    check("a field comes twice", |record| record.extend_from_slice(&[1, 0, 0, 1, 0, 0]));
    check("a field comes twice", |record| record.extend_from_slice(&[2, 0, 0, 2, 0, 0]));
    check("it holds a field that this version does not know", |record| {
        record.extend_from_slice(&[127, 0, 0]);
    });
    check("a field is too long", |record| {
        record.extend_from_slice(&[1, 0x24, 0x01]);
        record.extend_from_slice(&[b'a'; 9_217]);
    });
    for length in 8..29 {
        let read = altered(&simple(b"uri"), |record| record.truncate(length));
        assert_eq!(read, Err(BadQuery { id: Some(7), what: "it ends too early" }), "{length}");
    }
    assert_eq!(altered(&simple(b"uri"), |record| record.truncate(29)), Ok(7));
    for length in 0..8 {
        let read = altered(&simple(b"uri"), |record| record.truncate(length));
        assert_eq!(read.unwrap_err().id, None);
    }
}

#[test]
fn a_field_of_a_newer_version_is_skipped() {
    let read = altered(&simple(b"uri"), |record| {
        record.extend_from_slice(&[128, 0, 1, 9, 255, 0, 0, 128, 0, 0]);
    });
    assert_eq!(read, Ok(7));
}

#[test]
fn a_uri_past_the_bound_keeps_its_id() {
    let read = altered(&simple(b""), |record| {
        let bytes = URI_BYTES_MAX + 1;
        let at = record.len() - 4;
        record[at..].copy_from_slice(&u32::try_from(bytes).unwrap().to_be_bytes());
        record.resize(record.len() + bytes, b'a');
    });
    assert_eq!(read, Err(BadQuery { id: Some(7), what: "the URI is too long" }));
}

#[test]
fn a_faulty_record_spoils_no_other() {
    let mut body = batch(&[simple(b"a"), simple(b"b"), simple(b"c")]);
    let record = (body.len() - 2) / 3;
    body[2 + record + 4 + 9] = 9;
    let read: Vec<bool> = queries(&body).unwrap().map(|read| read.is_ok()).collect();
    assert_eq!(read, [true, false, true]);
}

#[test]
fn nothing_is_allocated_after_warm_up() {
    let query = Query { user_agent: Some(b"agent"), ..simple(b"http://a.example/b") };
    let mut out = Vec::new();
    let write = |out: &mut Vec<u8>| {
        out.clear();
        let mut writer = QueryWriter::begin(out);
        for _ in 0..64 {
            writer.push(&query).unwrap();
        }
        writer.finish().unwrap();
    };
    write(&mut out);
    let (at, room) = (out.as_ptr(), out.capacity());
    let mut buffer = FrameBuffer::new();
    for _ in 0..50 {
        write(&mut out);
        assert_eq!((out.as_ptr(), out.capacity()), (at, room));
        buffer.spare()[..out.len()].copy_from_slice(&out);
        buffer.filled(out.len());
        let Some(Frame { kind: FrameKind::Queries, body }) = buffer.next().unwrap() else {
            panic!("a frame of queries");
        };
        assert!(queries(body).unwrap().all(|read| read == Ok(query)));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(all in prop::collection::vec(any_query(), 1..20)) {
        let all: Vec<Query<'_>> = all.iter().map(Owned::query).collect();
        let body = batch(&all);
        let read = queries(&body).unwrap();
        prop_assert_eq!(read.left(), all.len());
        let read: Vec<Query<'_>> = read.map(Result::unwrap).collect();
        prop_assert_eq!(read, all);
    }

    #[test]
    fn arbitrary_bytes_are_survived(body: Vec<u8>) {
        if let Ok(all) = queries(&body) {
            all.for_each(drop);
        }
    }

    #[test]
    fn arbitrary_records_are_survived(record: Vec<u8>) {
        let _ = altered(&simple(b"u"), |bytes| *bytes = record);
    }

    #[test]
    fn one_altered_byte_is_survived(query in any_query(), at: prop::sample::Index, to: u8) {
        let mut body = batch(&[query.query()]);
        let at = at.index(body.len());
        body[at] = to;
        if let Ok(all) = queries(&body) {
            all.for_each(drop);
        }
    }
}
