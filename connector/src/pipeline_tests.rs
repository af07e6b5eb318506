//! Lines and answers through the whole pipeline; the clock is a variable.

use eg_proto::{
    Action, Answer as WireAnswer, AnswerWriter, DecisionId, FailureToken, FrameBuffer, FrameKind,
    Query, Retry, Routes, Tls,
};

use super::*;
use crate::config::{Answer, FailAction, TlsFailAction};
use crate::inflight::SLOTS_MAX;

#[path = "hedging_tests.rs"]
mod hedging;

const TIMEOUT: Duration = Duration::from_millis(2_000);
const TAIL: &str = "192.0.2.7 40000 - GET - - - - -";

struct Bench {
    pipeline: Pipeline,
    now: Instant,
}

impl Bench {
    fn new(fail_action: FailAction) -> Self {
        Self::of(Role::rewrite(Answer::Note, fail_action))
    }

    fn of(role: Role) -> Self {
        Self { pipeline: Pipeline::new(role, TIMEOUT), now: Instant::now() }
    }

    fn feed(&mut self, text: &str) {
        self.feed_bytes(text.as_bytes());
    }

    fn feed_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = self.pipeline.input();
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.pipeline.take_input(count, self.now);
        }
    }

    fn link_up(&mut self) -> Report {
        self.link_up_to(engine(0))
    }

    fn link_up_to(&mut self, link: LinkNumber) -> Report {
        let token = |&cause: &FailureCause| FailureToken { cause, token: cause.word().to_owned() };
        let terms = Terms {
            base_url: "http://portal.test".to_owned(),
            routes: Routes::default(),
            redirect_status: 302,
            engine: "test".to_owned(),
            keepalive_ms: 5_000,
            in_flight_max: 1_000,
            tokens: FailureCause::ALL.iter().map(token).collect(),
        };
        self.pipeline.link_up(link, &terms)
    }

    /// The id, retry mark and URI of every query that is written now.
    fn ask(&mut self, asked_max: usize) -> Vec<(u64, Retry, String)> {
        let mut out = Vec::new();
        let mut before = None;
        while before.replace(out.len()) != Some(out.len()) {
            self.pipeline.write_queries(engine(0), &mut out, asked_max, self.now).unwrap();
        }
        queries_of(out)
    }

    fn ids(&mut self) -> Vec<u64> {
        self.ask(usize::MAX).into_iter().map(|(id, ..)| id).collect()
    }

    fn answer(&mut self, answers: &[(u64, Action, &str)]) {
        self.answer_from(engine(0), answers);
    }

    fn answer_from(&mut self, link: LinkNumber, answers: &[(u64, Action, &str)]) {
        let mut out = Vec::new();
        let mut writer = AnswerWriter::begin(&mut out);
        for &(id, action, token) in answers {
            let decision = DecisionId::new(1, id);
            let answer =
                WireAnswer { id, action, decision, token: token.as_bytes(), tag: b"", tls: None };
            assert_eq!(writer.push(&answer), Ok(Pushed::Taken));
        }
        writer.finish().unwrap();
        self.pipeline.take_answers(link, &out[eg_proto::limits::FRAME_HEAD_BYTES..]).unwrap();
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
        self.pipeline.expire(self.now);
    }

    /// The answers so far, without what changes from run to run.
    fn said(&mut self) -> Vec<String> {
        let text = String::from_utf8(self.pipeline.output().to_vec()).unwrap();
        self.pipeline.written();
        let short = |line: &str| line.split(" eg_code_").next().unwrap_or(line).to_owned();
        text.lines().map(short).collect()
    }
}

/// The queries of some frames.
fn queries_of(mut out: Vec<u8>) -> Vec<(u64, Retry, String)> {
    let mut frames = FrameBuffer::new();
    let mut seen = Vec::new();
    while !out.is_empty() {
        let spare = frames.spare();
        let count = spare.len().min(out.len());
        spare[..count].copy_from_slice(&out[..count]);
        out.drain(..count);
        frames.filled(count);
        while let Some(frame) = frames.next().unwrap() {
            assert_eq!(frame.kind, FrameKind::Queries);
            for query in eg_proto::queries(frame.body).unwrap() {
                let Query { id, retry, uri, .. } = query.unwrap();
                seen.push((id, retry, String::from_utf8_lossy(uri).into_owned()));
            }
        }
    }
    seen
}

fn engine(at: usize) -> LinkNumber {
    LinkNumber::first(8).nth(at).unwrap()
}

fn line(id: u64) -> String {
    format!("{id} http://host{id}.test/ {TAIL}\n")
}

#[test]
fn answers_come_in_any_order_to_the_line_they_belong_to() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    bench.feed(&(line(10) + &line(11) + &line(12)));
    let asked = bench.ask(usize::MAX);
    let uris: Vec<&str> = asked.iter().map(|(_, _, uri)| uri.as_str()).collect();
    assert_eq!(uris, ["http://host10.test/", "http://host11.test/", "http://host12.test/"]);
    let ids: Vec<u64> = asked.iter().map(|(id, ..)| *id).collect();
    bench.answer(&[(ids[2], Action::Permit, ""), (ids[0], Action::Deny, "tok")]);
    bench.answer(&[(ids[1], Action::Warn, "tok")]);
    assert_eq!(
        bench.said(),
        [
            "12 OK eg_verdict_=permit",
            "10 OK eg_verdict_=deny eg_token_=tok",
            "11 OK eg_verdict_=warn eg_token_=tok"
        ]
    );
    assert_eq!(bench.pipeline.outstanding(), 0);
}

#[test]
fn unknown_late_and_repeated_answers_are_counted_and_dropped() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    bench.feed(&line(1));
    let ids = bench.ids();
    bench.answer(&[(ids[0] + 1, Action::Permit, ""), (0, Action::Permit, "")]);
    assert!(bench.said().is_empty());
    bench.later(TIMEOUT);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=deny eg_token_=timeout"]);
    bench.answer(&[(ids[0], Action::Permit, "")]);
    assert!(bench.said().is_empty());
    assert_eq!(bench.pipeline.counters().late, 3);
}

#[test]
fn an_answer_to_what_was_never_asked_is_dropped() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    bench.feed(&line(1));
    let ids = bench.ids();
    bench.pipeline.link_down(engine(0));
    bench.link_up();
    bench.answer(&[(ids[0], Action::Permit, "")]);
    assert!(bench.said().is_empty(), "on this link it was not asked yet");
}

#[test]
fn each_failure_has_its_cause() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.feed(&line(1));
    bench.later(TIMEOUT - Duration::from_millis(1));
    assert!(bench.said().is_empty());
    bench.later(Duration::from_millis(1));
    assert_eq!(bench.said(), ["1 OK eg_verdict_=deny eg_token_=-"], "no engine was ever met");
    bench.link_up();
    bench.feed(&(line(2) + &line(3)));
    assert_eq!(bench.ask(1).len(), 1);
    bench.later(TIMEOUT);
    assert_eq!(
        bench.said(),
        ["2 OK eg_verdict_=deny eg_token_=timeout", "3 OK eg_verdict_=deny eg_token_=overload"]
    );
    bench.feed(&line(4));
    bench.pipeline.link_down(engine(0));
    bench.later(TIMEOUT);
    assert_eq!(bench.said(), ["4 OK eg_verdict_=deny eg_token_=no-engine"]);
    bench.link_up();
    bench.feed(&line(5));
    let ids = bench.ids();
    bench.answer(&[(ids[0], Action::Deny, "not base64url")]);
    assert_eq!(bench.said(), ["5 OK eg_verdict_=deny eg_token_=broken-answer"]);
    let counters = bench.pipeline.counters();
    let counts = FailureCause::ALL.iter().map(|&cause| counters.fallbacks.of(cause));
    assert_eq!(counts.collect::<Vec<_>>(), [2, 1, 1, 0, 1]);
}

#[test]
fn a_new_engine_is_told_what_was_done_alone_once() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.feed(&line(1));
    bench.later(TIMEOUT);
    assert_eq!(bench.link_up().fallbacks_used, [(FailureCause::NoEngine, 1)]);
    bench.feed(&line(2));
    assert_eq!(bench.ids().len(), 1);
    bench.pipeline.link_down(engine(0));
    let report = bench.link_up();
    assert_eq!((report.fallbacks_used.len(), report.asked_again), (0, 1));
    let asked = bench.ask(usize::MAX);
    assert_eq!((asked.len(), asked[0].1), (1, Retry::Again));
    assert_eq!(bench.link_up(), Report::default());
}

#[test]
fn permit_lets_pass_while_alone() {
    let mut bench = Bench::new(FailAction::Permit);
    bench.feed(&(line(1) + "2 http://a/ nonsense\n"));
    bench.later(TIMEOUT);
    assert_eq!(bench.said(), ["2 OK eg_verdict_=deny eg_token_=-", "1 OK eg_verdict_=permit"]);
}

#[test]
fn bad_lines_are_refused_where_an_id_can_be_read() {
    let long = format!("3 http://a/{} {TAIL}\n", "x".repeat(20_000));
    let cases = [
        ("1 \n", Some("1")),
        ("2 http://a/ b c d\n", Some("2")),
        (long.as_str(), Some("3")),
        ("4 http://a/\0 192.0.2.7 1 - GET - - - - -\n", Some("4")),
        ("5\n", Some("5")),
        ("\n", None),
        ("-1 http://a/ x\n", None),
        ("99999999999999999999999 http://a/ x\n", None),
        ("http://a/ 192.0.2.7 1 - GET - - - - -\n", None),
    ];
    for (text, id) in cases {
        let mut bench = Bench::new(FailAction::Deny);
        bench.link_up();
        bench.feed(&line(90));
        bench.feed(text);
        bench.feed(&line(91));
        let expected: Vec<String> = id
            .map(|id| format!("{id} OK eg_verdict_=deny eg_token_=unreadable-line"))
            .into_iter()
            .collect();
        assert_eq!(bench.said(), expected, "{}", text.escape_debug());
        assert_eq!(bench.pipeline.outstanding(), 2);
        let counters = bench.pipeline.counters();
        assert_eq!((counters.bad_lines, counters.unanswerable), (1, u64::from(id.is_none())));
    }
}

#[test]
fn an_unfinished_last_line_is_refused() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.feed(&format!("7 http://a/ {TAIL}"));
    assert_eq!(bench.pipeline.outstanding(), 0);
    bench.pipeline.end_input(bench.now);
    bench.pipeline.end_input(bench.now);
    assert_eq!(bench.said(), ["7 OK eg_verdict_=deny eg_token_=-"]);
}

#[test]
fn a_repeated_channel_is_refused_once_and_never_permitted() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    bench.feed(&line(7));
    let ids = bench.ids();
    bench.feed(&line(7));
    assert_eq!(bench.said(), ["7 OK eg_verdict_=deny eg_token_=unreadable-line"]);
    bench.answer(&[(ids[0], Action::Permit, "")]);
    assert!(bench.said().is_empty());
    assert_eq!(bench.pipeline.counters().repeated, 1);
    bench.feed(&line(7));
    assert_eq!(bench.pipeline.outstanding(), 1, "the channel is free again");
}

#[test]
fn the_old_form_takes_one_line_at_a_time() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    bench.feed("http://a/ 10.0.3.68/- - GET\nhttp://b/ 10.0.3.68/- - GET\nhttp://c/ x\n");
    let first = bench.ask(usize::MAX);
    assert_eq!((first.len(), first[0].2.as_str()), (1, "http://a/"));
    assert!(!bench.pipeline.wants_input());
    bench.answer(&[(first[0].0, Action::Permit, "")]);
    bench.pipeline.take_lines(bench.now);
    let second = bench.ask(usize::MAX);
    assert_eq!((second.len(), second[0].2.as_str()), (1, "http://b/"));
    bench.later(TIMEOUT);
    bench.pipeline.take_lines(bench.now);
    assert_eq!(
        bench.said(),
        [
            "OK eg_verdict_=permit",
            "OK eg_verdict_=deny eg_token_=timeout",
            "OK eg_verdict_=deny eg_token_=unreadable-line"
        ]
    );
    assert!(bench.pipeline.wants_input());
}

#[test]
fn a_full_table_stops_reading_and_goes_on_later() {
    let mut bench = Bench::new(FailAction::Deny);
    bench.link_up();
    let most = u64::try_from(SLOTS_MAX).unwrap();
    for id in 0..most {
        assert!(bench.pipeline.wants_input());
        bench.feed(&line(id));
    }
    assert!(!bench.pipeline.wants_input());
    bench.feed(&line(most));
    assert_eq!(bench.pipeline.outstanding(), SLOTS_MAX);
    let ids = bench.ids();
    assert_eq!(ids.len(), SLOTS_MAX);
    bench.answer(&[(ids[5], Action::Permit, "")]);
    bench.pipeline.take_lines(bench.now);
    assert_eq!(bench.pipeline.outstanding(), SLOTS_MAX);
    assert_eq!(bench.ids().len(), 1);
}

proptest::proptest! {
    #[test]
    fn every_readable_id_gets_one_answer(
        lines in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), 0..30)
    ) {
        let mut bench = Bench::new(FailAction::Deny);
        bench.link_up();
        bench.feed(&line(1_000));
        for (id, garbage) in lines.iter().enumerate() {
            bench.feed(&format!("{id} "));
            let clean: Vec<u8> = garbage.iter().copied().filter(|&byte| byte != b'\n').collect();
            bench.feed_bytes(&clean);
            bench.feed("\n");
        }
        bench.later(TIMEOUT);
        let mut seen: Vec<usize> = bench.said().iter()
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        seen.sort_unstable();
        let expected: Vec<usize> = (0..lines.len()).chain([1_000]).collect();
        proptest::prop_assert_eq!(seen, expected);
    }
}

/// Answers of the second role; `None` says nothing of TLS.
fn answer_tls(bench: &mut Bench, answers: &[(u64, Option<Tls>)]) {
    let mut out = Vec::new();
    let mut writer = AnswerWriter::begin(&mut out);
    for &(id, tls) in answers {
        let decision = DecisionId::new(1, id);
        let (action, token) = (Action::Permit, b"".as_slice());
        let answer = WireAnswer { id, action, decision, token, tag: b"", tls };
        assert_eq!(writer.push(&answer), Ok(Pushed::Taken));
    }
    writer.finish().unwrap();
    bench.pipeline.take_answers(engine(0), &out[eg_proto::limits::FRAME_HEAD_BYTES..]).unwrap();
}

fn hello_line(id: u64) -> String {
    format!("{id} 192.0.2.7 40000 - CONNECT host{id}.test:443 TLS/1.0 host{id}.test - - -\n")
}

#[test]
fn the_second_role_has_lines_and_words_of_its_own() {
    let mut bench = Bench::of(Role::Acl { fail_action: TlsFailAction::Terminate });
    bench.link_up();
    bench.feed(&(1..=4).map(hello_line).collect::<String>());
    bench.feed(&line(5));
    assert_eq!(bench.said(), ["5 OK eg_tls_=terminate"], "a line of the other role");
    let asked = bench.ask(usize::MAX);
    let uris: Vec<&str> = asked.iter().map(|(_, _, uri)| uri.as_str()).collect();
    assert_eq!(uris, ["host1.test:443", "host2.test:443", "host3.test:443", "host4.test:443"]);
    let ids: Vec<u64> = asked.iter().map(|(id, ..)| *id).collect();
    answer_tls(
        &mut bench,
        &[
            (ids[3], None),
            (ids[2], Some(Tls::Terminate)),
            (ids[1], Some(Tls::Bump)),
            (ids[0], Some(Tls::Splice)),
        ],
    );
    let words: Vec<String> =
        bench.said().iter().map(|said| said.chars().take(16).collect()).collect();
    assert_eq!(
        words,
        ["4 OK eg_tls_=ter", "3 OK eg_tls_=ter", "2 OK eg_tls_=bum", "1 OK eg_tls_=spl"]
    );
    assert_eq!(bench.pipeline.counters().broken, 1, "an answer that says nothing of TLS");
}

#[test]
fn the_second_role_without_an_engine_says_what_is_configured() {
    use TlsFailAction::{Bump, Splice, Terminate};
    for (fail_action, word) in [(Terminate, "terminate"), (Splice, "splice"), (Bump, "bump")] {
        let mut bench = Bench::of(Role::Acl { fail_action });
        bench.feed(&hello_line(1));
        bench.later(TIMEOUT - Duration::from_millis(1));
        assert!(bench.said().is_empty());
        bench.later(Duration::from_millis(1));
        assert_eq!(bench.said(), [format!("1 OK eg_tls_={word}")]);
        bench.link_up();
        bench.feed(&hello_line(2));
        let ids = bench.ids();
        answer_tls(&mut bench, &[(ids[0], None)]);
        assert_eq!(bench.said(), [format!("2 OK eg_tls_={word}")], "a broken answer");
    }
}
