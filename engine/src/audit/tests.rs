//! The trail as its users see it: what is written, and what a verdict becomes when it cannot be.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_policy::ruleset::Rule;
use eg_policy::uri::Malformed;
use eg_policy::verdict::{Action, Cause, RuleId, Verdict};

use super::syncer::Handle;
use super::writer::Sink;
use super::{
    Asked, AskedBy, Audit, AuditThread, Event, Facts, Recorded, Recorder, SessionRef, TrailEnd,
};
use crate::config::{AuditConfig, Identities, OnFailure, RedactQuery, RedirectStatus, Verdicts};

#[path = "tests_monitored.rs"]
mod monitored;

/// What a sink does with the next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mood {
    /// Takes them.
    Well,
    /// The disk is full.
    Full,
    /// Takes one byte at a time.
    Slow,
    /// Never comes back, until it is well again.
    Stuck,
    /// Takes them, and cannot bring them to the disk.
    Unsynced,
    /// Takes them, and needs until it is well again to bring them to the disk.
    Busy,
}

/// A file in memory, with moods.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    mood: Arc<AtomicU8>,
}

impl Memory {
    fn new() -> Self {
        Self { bytes: Arc::default(), mood: Arc::new(AtomicU8::new(Mood::Well as u8)) }
    }

    fn feel(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }

    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.bytes.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Sink for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.is(Mood::Stuck) {
            std::thread::yield_now();
        }
        if self.is(Mood::Full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = if self.is(Mood::Slow) { 1 } else { bytes.len() };
        self.bytes.lock().unwrap().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn handle(&self) -> Handle {
        let memory = self.clone();
        Box::new(move || {
            while memory.is(Mood::Busy) {
                std::thread::yield_now();
            }
            match memory.is(Mood::Unsynced) {
                true => Err(io::Error::other("the disk is dying")),
                false => Ok(()),
            }
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.bytes.lock().unwrap().clear();
        Ok(())
    }
}

fn config(verdicts: Verdicts, on_failure: OnFailure) -> AuditConfig {
    AuditConfig {
        path: "unused".into(),
        verdicts,
        on_failure,
        retention_days: None,
        redact_query: RedactQuery::Hash,
        sync: Duration::from_secs(1),
        identities: Identities::Clear,
    }
}

/// A trail that ends in memory.
pub(crate) fn audit_to_memory() -> (Audit, AuditThread, Memory) {
    trail(Verdicts::Blocked, OnFailure::Deny)
}

fn trail(verdicts: Verdicts, on_failure: OnFailure) -> (Audit, AuditThread, Memory) {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let config = config(verdicts, on_failure);
    let (audit, thread) = Audit::start_with(&config, memory.clone(), folder.path()).unwrap();
    (audit, thread, memory)
}

const DENY: Verdict<'static> = Verdict::new(Action::Deny, Cause::Default);
const WARN: Verdict<'static> = Verdict::new(Action::Warn, Cause::Default);
const PERMIT: Verdict<'static> = Verdict::new(Action::Permit, Cause::Default);

fn ask(
    recorder: &mut Recorder,
    verdict: Verdict<'static>,
    query: u64,
    asked: Asked,
) -> Recorded<'static> {
    let facts = Facts {
        tls: None,
        anomaly: None,
        query,
        asked,
        phase: "request",
        client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user: Some(b"al\"ice"),
        method: b"GET",
        url: b"http://a.example/x?secret=1",
        received: Instant::now(),
    };
    let session = SessionRef { connector: "squid", number: 3, run: 77 };
    let now = Moment::from_unix_micros(1_790_000_000_000_001);
    recorder.record(verdict, "0123", &facts, &session, now)
}

/// Waits until the writer has done what the condition asks for.
fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "the writer did not come so far");
        std::thread::yield_now();
    }
}

#[test]
fn an_entry_holds_what_the_specification_names() {
    let (audit, thread, memory) = trail(Verdicts::Blocked, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::SeeOther);
    let recorded = ask(&mut recorder, DENY, 1, Asked::First);
    ask(&mut recorder, PERMIT, 2, Asked::First);
    recorder.commit();
    thread.finish();
    let lines = memory.lines();
    assert_eq!(lines.len(), 1, "a permit is not recorded");
    let line = &lines[0];
    assert_eq!(line["id"], recorded.decision().to_string());
    for (field, expected) in [
        ("kind", serde_json::json!("verdict")),
        ("time", serde_json::json!("2026-09-21T14:13:20.000001Z")),
        ("client", serde_json::json!("127.0.0.1")),
        ("user", serde_json::json!("al\"ice")),
        ("method", serde_json::json!("GET")),
        ("url", serde_json::json!("http://a.example/x")),
        ("code", serde_json::json!(300)),
        ("action", serde_json::json!("deny")),
        ("rule_id", serde_json::Value::Null),
        ("rule", serde_json::json!("default-deny")),
        ("ruleset", serde_json::json!("0123")),
        ("status", serde_json::json!(303)),
        ("session", serde_json::json!({"connector": "squid", "number": 3})),
    ] {
        assert_eq!(line[field], expected, "{field}");
    }
    assert_eq!(line["query_hash"].as_str().unwrap().len(), 32);
    assert!(line["latency_us"].is_u64());
    assert!(!line.to_string().contains("secret"));
}

#[test]
fn the_setting_says_which_verdicts_are_recorded() {
    for (verdicts, expected) in [(Verdicts::All, 3), (Verdicts::Blocked, 2), (Verdicts::None, 0)] {
        let (audit, thread, memory) = trail(verdicts, OnFailure::Deny);
        let mut recorder = audit.recorder(RedirectStatus::Found);
        for (number, verdict) in [DENY, PERMIT, WARN].into_iter().enumerate() {
            ask(&mut recorder, verdict, number as u64, Asked::First);
        }
        recorder.commit();
        thread.finish();
        assert_eq!(memory.lines().len(), expected, "{verdicts:?}");
    }
}

#[test]
fn a_retry_is_the_same_entry_unless_it_is_decided_otherwise() {
    let (audit, thread, memory) = trail(Verdicts::Blocked, OnFailure::Deny);
    let mut first = audit.recorder(RedirectStatus::Found);
    let mut other = audit.recorder(RedirectStatus::Found);
    let recorded = ask(&mut first, DENY, 1, Asked::First);
    let again = ask(&mut other, DENY, 1, Asked::Again);
    assert_eq!(again.decision(), recorded.decision(), "the page shows the entry's id");
    ask(&mut other, WARN, 1, Asked::Again);
    ask(&mut other, DENY, 2, Asked::Again);
    first.commit();
    other.commit();
    thread.finish();
    assert_eq!(memory.lines().len(), 3);
}

#[test]
fn a_full_disk_denies_what_must_be_recorded_and_recovers() {
    let (audit, thread, memory) = trail(Verdicts::Blocked, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Full);
    ask(&mut recorder, DENY, 1, Asked::First);
    recorder.commit();
    until(|| !audit.is_writing());
    let refused = ask(&mut recorder, WARN, 2, Asked::First);
    assert_eq!(refused.verdict().cause, Cause::AuditUnavailable);
    assert_eq!(refused.verdict().action, Action::Deny);
    let permitted = ask(&mut recorder, PERMIT, 3, Asked::First);
    assert_eq!(permitted.verdict().action, Action::Permit, "no entry is due");
    memory.feel(Mood::Well);
    until(|| audit.is_writing());
    let fine = ask(&mut recorder, DENY, 4, Asked::First);
    assert_eq!(fine.verdict().cause, Cause::Default);
    recorder.commit();
    thread.finish();
    assert_eq!(memory.lines().len(), 2, "what was accepted before the failure is not lost");
}

#[test]
fn a_sync_that_fails_is_a_failure_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let config = AuditConfig { sync: Duration::ZERO, ..config(Verdicts::Blocked, OnFailure::Deny) };
    let (audit, thread) = Audit::start_with(&config, memory.clone(), folder.path()).unwrap();
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Unsynced);
    ask(&mut recorder, DENY, 1, Asked::First);
    recorder.commit();
    until(|| !audit.is_writing());
    let refused = ask(&mut recorder, WARN, 2, Asked::First);
    assert_eq!(refused.verdict().cause, Cause::AuditUnavailable);
    // Appending still works; that alone is no recovery.
    audit.event(&Event::Stop, Moment::from_unix_micros(0));
    until(|| memory.lines().len() == 2);
    assert!(!audit.is_writing());
    memory.feel(Mood::Well);
    until(|| audit.is_writing());
    assert_eq!(
        ask(&mut recorder, DENY, 3, Asked::First).verdict().cause,
        Cause::Default,
        "without another entry to write, the sync was tried again"
    );
    thread.finish();
}

#[test]
fn a_busy_disk_denies_nobody_until_it_takes_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let config = AuditConfig { sync: Duration::ZERO, ..config(Verdicts::All, OnFailure::Deny) };
    let (audit, thread) = Audit::start_with(&config, memory.clone(), folder.path()).unwrap();
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Busy);
    // Far more than a worker has buffers, each of them in the file before the next.
    for query in 0..100 {
        let recorded = ask(&mut recorder, PERMIT, query, Asked::First);
        assert_eq!(recorded.verdict().action, Action::Permit, "{query}");
        recorder.commit();
        until(|| memory.lines().len() as u64 == query + 1);
    }
    let mut query = 100;
    until(|| {
        query += 1;
        let recorded = ask(&mut recorder, PERMIT, query, Asked::First);
        recorder.commit();
        recorded.verdict().cause == Cause::AuditUnavailable
    });
    assert!(!audit.is_writing());
    memory.feel(Mood::Well);
    until(|| audit.is_writing());
    let fine = ask(&mut recorder, PERMIT, 0, Asked::First);
    assert_eq!(fine.verdict().action, Action::Permit);
    thread.finish();
}

#[test]
fn the_operator_may_choose_to_go_on_without_the_record() {
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Continue);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Full);
    ask(&mut recorder, DENY, 1, Asked::First);
    recorder.commit();
    until(|| !audit.is_writing());
    let verdict = *ask(&mut recorder, PERMIT, 2, Asked::First).verdict();
    assert_eq!((verdict.action, verdict.cause), (Action::Permit, Cause::Default));
    memory.feel(Mood::Well);
    thread.finish();
}

#[test]
fn a_stuck_disk_holds_back_once_and_then_denies() {
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Stuck);
    for query in 0..8 {
        let recorded = ask(&mut recorder, PERMIT, query, Asked::First);
        assert_eq!(recorded.verdict().action, Action::Permit);
        recorder.commit();
    }
    let begun = Instant::now();
    let refused = ask(&mut recorder, PERMIT, 8, Asked::First);
    let waited = begun.elapsed();
    assert_eq!(refused.verdict().cause, Cause::AuditUnavailable);
    assert!(waited >= Duration::from_millis(200), "{waited:?}");
    let begun = Instant::now();
    for query in 9..1009 {
        ask(&mut recorder, PERMIT, query, Asked::First);
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "it waits once, not for each");
    // Another worker has room of its own.
    let mut other = audit.recorder(RedirectStatus::Found);
    assert_eq!(ask(&mut other, PERMIT, 1, Asked::First).verdict().action, Action::Permit);
    other.commit();
    memory.feel(Mood::Well);
    until(|| ask(&mut recorder, PERMIT, 2000, Asked::First).verdict().action == Action::Permit);
    recorder.commit();
    thread.finish();
    assert_eq!(memory.lines().len(), 10);
}

#[test]
fn lines_stay_whole_when_the_file_takes_a_byte_at_a_time() {
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Slow);
    for query in 0..20 {
        ask(&mut recorder, DENY, query, Asked::First);
    }
    recorder.commit();
    thread.finish();
    assert_eq!(memory.lines().len(), 20);
}

#[test]
fn a_batch_larger_than_a_block_is_recorded_whole() {
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    for query in 0..4096 {
        let recorded = ask(&mut recorder, DENY, query, Asked::First);
        assert_eq!(recorded.verdict().cause, Cause::Default);
    }
    recorder.commit();
    thread.finish();
    let lines = memory.lines();
    assert_eq!(lines.len(), 4096);
    let ids: std::collections::BTreeSet<_> =
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 4096, "each decision has an id of its own");
}

#[test]
fn events_stand_beside_verdicts() {
    let (audit, thread, memory) = trail(Verdicts::None, OnFailure::Deny);
    let now = Moment::from_unix_micros(0);
    let peer = crate::transport::Peer::Tcp("192.0.2.1:4711".parse().unwrap());
    audit.event(&Event::Start { version: "1", ruleset: "ab", rules: 1 }, now);
    audit.event(&Event::Weakening { setting: "verdicts none" }, now);
    audit
        .event(&Event::Refused { peer, connector: Some("x"), reason: "wrong-key", others: 2 }, now);
    let asked_by = AskedBy { by: "local:root", comment: Some("a\nb"), force: true };
    audit.event(&Event::Reload { ruleset: "cd", revision: 2, rules: 3, asked_by }, now);
    let asked_by = AskedBy { by: "signal", comment: None, force: false };
    audit.event(&Event::ReloadRefused { ruleset: "cd", reason: "no", asked_by }, now);
    let (field, pattern, outcome) = ("uri", "^a.*b", "missed");
    let disagreement = Event::RegexDisagreement { ruleset: "cd", field, pattern, outcome };
    audit.event(&disagreement, now);
    audit.event(&Event::Stop, now);
    thread.finish();
    let kinds: Vec<_> = memory.lines().iter().map(|line| line["kind"].clone()).collect();
    let expected =
        ["start", "weakening", "refused", "reload", "reload", "regex-disagreement", "stop"];
    assert_eq!(kinds, expected);
    assert_eq!(
        memory.lines()[3],
        serde_json::json!({
            "kind": "reload", "time": "1970-01-01T00:00:00Z", "ruleset": "cd", "revision": 2,
            "rules": 3, "by": "local:root", "comment": "a\nb", "force": true, "outcome": "live"
        })
    );
    assert_eq!(
        memory.lines()[4],
        serde_json::json!({
            "kind": "reload", "time": "1970-01-01T00:00:00Z", "ruleset": "cd", "by": "signal",
            "outcome": "refused", "reason": "no"
        })
    );
    assert_eq!(
        memory.lines()[5],
        serde_json::json!({
            "kind": "regex-disagreement", "time": "1970-01-01T00:00:00Z", "ruleset": "cd",
            "field": "uri", "pattern": "^a.*b", "outcome": "missed"
        })
    );
    assert_eq!(
        memory.lines()[2],
        serde_json::json!({
            "kind": "refused", "time": "1970-01-01T00:00:00Z", "peer": "192.0.2.1:4711",
            "connector": "x", "outcome": "wrong-key", "others": 2
        })
    );
}

#[test]
fn a_sync_that_never_comes_back_is_noticed_while_nothing_more_is_appended() {
    for sync in [Duration::ZERO, Duration::from_millis(100)] {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new();
        let config = AuditConfig { sync, ..config(Verdicts::All, OnFailure::Deny) };
        let (audit, thread) = Audit::start_with(&config, memory.clone(), folder.path()).unwrap();
        let mut recorder = audit.recorder(RedirectStatus::Found);
        memory.feel(Mood::Busy);
        ask(&mut recorder, PERMIT, 1, Asked::First);
        recorder.commit();
        until(|| !audit.is_writing());
        let refused = ask(&mut recorder, PERMIT, 2, Asked::First);
        assert_eq!(refused.verdict().cause, Cause::AuditUnavailable);
        memory.feel(Mood::Well);
        until(|| audit.is_writing());
        assert_eq!(thread.finish(), TrailEnd::Whole);
        assert_eq!(memory.lines().len(), 1);
    }
}

#[test]
fn a_disk_that_never_comes_back_holds_up_no_end() {
    for mood in [Mood::Stuck, Mood::Busy] {
        let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
        memory.feel(mood);
        audit.event(&Event::Stop, Moment::from_unix_micros(0));
        let began = Instant::now();
        assert_eq!(thread.finish_within(Duration::from_millis(200)), TrailEnd::Stuck, "{mood:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{mood:?}");
        memory.feel(Mood::Well);
    }
}

#[test]
fn a_flood_of_events_takes_no_room_from_verdicts() {
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    memory.feel(Mood::Stuck);
    for _ in 0..10_000 {
        audit.event(&Event::Stop, Moment::from_unix_micros(0));
    }
    for query in 0..8 {
        let recorded = ask(&mut recorder, DENY, query, Asked::First);
        assert_eq!(recorded.verdict().cause, Cause::Default);
        recorder.commit();
    }
    memory.feel(Mood::Well);
    thread.finish();
    let verdicts = memory.lines().iter().filter(|line| line["kind"] == "verdict").count();
    assert_eq!(verdicts, 8);
    assert!(memory.lines().len() < 300);
}

#[test]
fn an_unreadable_request_is_an_entry_too() {
    let (audit, thread, memory) = trail(Verdicts::Blocked, OnFailure::Deny);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    ask(&mut recorder, Verdict::invalid_request(Malformed::Nul), 1, Asked::First);
    recorder.commit();
    thread.finish();
    assert_eq!(memory.lines()[0]["rule"], "invalid-request");
}

#[test]
fn a_folder_that_cannot_be_made_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut config = config(Verdicts::All, OnFailure::Deny);
    config.path = file.join("audit");
    let fault = Audit::start(&config).unwrap_err();
    assert!(fault.to_string().contains("file/audit"), "{fault}");
}

#[test]
fn the_file_is_for_its_owner_and_group_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(Verdicts::All, OnFailure::Deny);
    config.path = folder.path().join("audit");
    let (audit, thread) = Audit::start(&config).unwrap();
    audit.event(&Event::Stop, Moment::from_unix_micros(0));
    thread.finish();
    let mode = |name: &str| {
        std::fs::metadata(config.path.join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("audit.jsonl") & 0o137, 0);
    assert_eq!(mode("query.key"), 0o600);
}

#[test]
fn the_manual_has_every_field_and_kind() {
    let page = std::fs::read_to_string(eg_settings::in_tree("docs/manual/engine.md").unwrap());
    let page = page.unwrap();
    let (_, section) = page.split_once("\n## The audit trail\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (audit, thread, memory) = trail(Verdicts::All, OnFailure::Deny);
    let facts = Facts {
        tls: Some("terminate"),
        anomaly: Some("sni-mismatch"),
        query: 1,
        asked: Asked::First,
        phase: "hello",
        client: None,
        user: None,
        method: b"CONNECT",
        url: b"https://a.example/",
        received: Instant::now(),
    };
    let session = SessionRef { connector: "squid", number: 3, run: 77 };
    let now = Moment::from_unix_micros(0);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    let denied = DENY.noting(Some(monitored::monitored(Action::Warn)));
    recorder.record(denied, "0123", &facts, &session, now);
    recorder.commit();
    let (ruleset, reason) = ("0123", "x");
    let asked_by = AskedBy { by: "x", comment: Some("x"), force: true };
    for event in [
        Event::Start { version: "1", ruleset, rules: 1 },
        Event::Stop,
        Event::Reload { ruleset, revision: 1, rules: 1, asked_by },
        Event::DryRun { ruleset, rules: 1, asked_by },
        Event::ReloadRefused { ruleset, reason, asked_by },
        Event::Policy { what: "rollback", outcome: "done", detail: reason, asked_by },
        Event::Policy { what: "git-init", outcome: "done", detail: reason, asked_by },
        Event::Policy { what: "tag", outcome: "done", detail: reason, asked_by },
        Event::Weakening { setting: "x" },
        Event::RegexDisagreement { ruleset, field: "x", pattern: "x", outcome: "missed" },
        Event::Refused {
            peer: crate::transport::Peer::Tcp((Ipv4Addr::LOCALHOST, 1).into()),
            connector: Some("x"),
            reason,
            others: 1,
        },
    ] {
        audit.event(&event, now);
    }
    thread.finish();
    let lines = memory.lines();
    assert_eq!(lines.len(), 12);
    for line in &lines {
        let kind = format!("`{}`", line["kind"].as_str().unwrap());
        for name in line.as_object().unwrap().keys().map(|key| format!("`{key}`")).chain([kind]) {
            assert!(section.contains(&name), "{name} is not in the manual");
        }
    }
}
