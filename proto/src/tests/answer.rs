//! Answers there and back, and what an engine must not be able to say.

use crate::limits::FRAME_BYTES_MAX;
use proptest::prelude::*;

use super::*;
use crate::limits::FRAME_HEAD_BYTES;

fn denied<'a>(token: &'a [u8], tag: &'a [u8]) -> Answer<'a> {
    Answer { id: 7, action: Action::Deny, decision: DecisionId::new(1, 2), token, tag, tls: None }
}

fn batch(all: &[Answer<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = AnswerWriter::begin(&mut out);
    for answer in all {
        assert_eq!(writer.push(answer), Ok(Pushed::Taken));
    }
    assert_eq!(usize::from(writer.finish().unwrap()), all.len());
    out.split_off(FRAME_HEAD_BYTES)
}

fn read_record(record: &[u8]) -> Result<u64, BadAnswer> {
    let mut body = vec![0, 1];
    body.extend_from_slice(&u32::try_from(record.len()).unwrap().to_be_bytes());
    body.extend_from_slice(record);
    let read = answers(&body).unwrap().next().unwrap();
    read.map(|answer| answer.id)
}

#[test]
fn codes_words_and_pages() {
    let check = |action: Action, code, word: &str, path: Option<&str>| {
        assert_eq!((action.code(), action.word()), (code, word));
        assert_eq!(Action::from_code(code), Some(action));
        assert_eq!(action.route().map(Route::path), path);
        assert_eq!(action.route().map(Route::action), path.map(|_| action));
    };
    check(Action::Permit, 200, "permit", None);
    check(Action::Deny, 300, "deny", Some("/blocked"));
    check(Action::Warn, 310, "warn", Some("/warned"));
    check(Action::Aup, 320, "aup", Some("/aup"));
    let known = (0..=u16::MAX).filter(|code| Action::from_code(*code).is_some());
    assert_eq!(known.count(), 4);
}

#[test]
fn the_bytes_of_an_answer() {
    let expected = b"\0\x01\0\0\0\x21\
        \0\0\0\0\0\0\0\x07\x01\x2c\0\0\0\0\x01\0\0\0\0\0\0\0\x02\
        \x01\0\x02ab\x02\0\x02cd";
    assert_eq!(batch(&[denied(b"ab", b"cd")]), expected);
}

#[test]
fn a_frame_takes_its_bytes_and_no_more() {
    let token = vec![b'a'; TOKEN_BYTES_MAX];
    let mut out = Vec::new();
    let mut writer = AnswerWriter::begin(&mut out);
    let mut taken = 0;
    while writer.push(&denied(&token, b"")) == Ok(Pushed::Taken) {
        taken += 1;
    }
    assert_eq!(writer.finish(), Ok(taken));
    assert!(out.len() <= FRAME_HEAD_BYTES + FRAME_BYTES_MAX);
    assert_eq!(answers(&out[FRAME_HEAD_BYTES..]).unwrap().left(), usize::from(taken));
    let mut out = b"kept".to_vec();
    assert_eq!(AnswerWriter::begin(&mut out).finish(), Ok(0));
    assert_eq!(out, b"kept");
}

#[test]
fn what_the_wire_cannot_carry_is_told_before() {
    let long = vec![b'a'; FIELD_BYTES_MAX + 1];
    let mut out = Vec::new();
    let mut writer = AnswerWriter::begin(&mut out);
    assert_eq!(writer.push(&denied(&long, b"")).unwrap_err().what, "token");
    assert_eq!(writer.push(&denied(b"", &long)).unwrap_err().what, "tag");
    assert_eq!(writer.count(), 0);
}

#[test]
fn a_faulty_record_keeps_its_id() {
    let good = batch(&[denied(b"", b"")]).split_off(6);
    assert_eq!(read_record(&good), Ok(7));
    let check = |what, alter: fn(&mut Vec<u8>)| {
        let mut record = good.clone();
        alter(&mut record);
        assert_eq!(read_record(&record), Err(BadAnswer { id: Some(7), what }));
    };
    check("unknown code", |record| record[9] = 0);
    check("it ends too early", |record| record.truncate(22));
    check("it ends too early", |record| record.push(1));
    check("a field comes twice", |record| record.extend_from_slice(b"\x01\0\x01a\x01\0\x01a"));
    check("a field is empty or too long", |record| record.extend_from_slice(&[1, 0, 0]));
    check("it holds a field that this version does not know", |record| {
        record.extend_from_slice(&[9, 0, 0]);
    });
    check("the field of TLS is not one byte", |record| record.extend_from_slice(&[3, 0, 0]));
    check("unknown word for a TLS connection", |record| record.extend_from_slice(&[3, 0, 1, 3]));
    check("a field comes twice", |record| record.extend_from_slice(&[3, 0, 1, 0, 3, 0, 1, 1]));
    check("a permit with a token contradicts itself", |record| {
        record[8..10].copy_from_slice(&200_u16.to_be_bytes());
        record.extend_from_slice(b"\x01\0\x01a");
    });
    let mut longer = good.clone();
    longer.extend_from_slice(&[128, 0, 1, 0]);
    assert_eq!(read_record(&longer), Ok(7), "a field of a newer version is skipped");
    for length in 0..8 {
        assert_eq!(read_record(&good[..length]).unwrap_err().id, None);
    }
}

#[test]
fn no_answer_writes_a_second_word_for_squid() {
    for byte in 0..=u8::MAX {
        for (tag, plain) in [(1_u8, *b"ab"), (2, *b"cd")] {
            let mut record = batch(&[denied(b"", b"")]).split_off(6);
            record.extend_from_slice(&[tag, 0, 3, plain[0], byte, plain[1]]);
            let allowed = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert_eq!(read_record(&record).is_ok(), allowed, "{byte}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        all in prop::collection::vec(
            (any::<u64>(), 0..4_usize, any::<u64>(), any::<u64>(), "[A-Za-z0-9_-]{0,99}", "[A-Za-z0-9_-]{0,99}"),
            1..20,
        ),
    ) {
        let all: Vec<Answer<'_>> = all.iter().map(|(id, action, run, count, token, tag)| {
            let action = [Action::Permit, Action::Deny, Action::Warn, Action::Aup][*action];
            let token = if action == Action::Permit { "" } else { token };
            let decision = DecisionId::new(*run, *count);
            Answer { id: *id, action, decision, token: token.as_bytes(), tag: tag.as_bytes(), tls: None }
        }).collect();
        let body = batch(&all);
        let read: Vec<Answer<'_>> = answers(&body).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read, all);
    }

    #[test]
    fn arbitrary_bytes_are_survived(body: Vec<u8>) {
        if let Ok(all) = answers(&body) {
            all.for_each(drop);
        }
        let _ = read_record(&body);
    }
}

#[test]
fn the_word_for_a_tls_connection_comes_back() {
    for &tls in Tls::ALL {
        let sent = Answer { tls: Some(tls), ..denied(b"", b"") };
        let body = batch(&[sent]);
        assert_eq!(answers(&body).unwrap().next(), Some(Ok(sent)));
    }
    assert_eq!(Tls::from_number(3), None);
}
