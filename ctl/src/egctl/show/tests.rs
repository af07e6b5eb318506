//! What is printed for each kind of answer, with texts that would move a cursor.

use eg_proto::control::Verb;
use serde_json::{Value, json};

use super::super::screen::{Look, Screen};
use super::{Shown, answer};

/// Would clear the screen, turn the writing around and begin another line.
const BAD: &str = "x\u{1b}[2J\u{202e}\ny";

fn shown(verb: Verb, value: &Value) -> String {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, Look::PLAIN);
    let body = serde_json::to_vec(value).unwrap();
    match answer(&mut screen, verb, &body, false).unwrap() {
        Shown::Whole => {}
        Shown::Foreign(fault) => panic!("{verb:?}: {fault}"),
    }
    let text = String::from_utf8(out).unwrap();
    assert!(text.chars().all(|letter| letter == '\n' || letter == '\t' || !letter.is_control()));
    assert!(!text.contains('\u{202e}'), "{text}");
    text
}

fn matched(explained: &Value) -> Value {
    json!({
        "uri": format!("http://a.test/{BAD}"), "canonical": "http://a.test/x", "matched": true,
        "code": 300, "rule_id": 7, "rule_name": "games", "action": "deny", "reason": BAD,
        "category": "games", "pattern": "match-domain a.test", "explained": explained,
    })
}

#[test]
fn a_match_says_what_the_specification_lists() {
    let text = shown(Verb::ShowPolicyMatch, &matched(&Value::Null));
    insta::assert_snapshot!(text, @r"
    URI:       http://a.test/x?[2J??y
    Matched:   yes
    Code:      300
    Rule ID:   7
    Rule name: games
    Action:    deny
    Reason:    x?[2J??y
    Pattern:   match-domain a.test
    Category:  games
    Canonical: http://a.test/x
    ");
}

#[test]
fn a_match_is_explained() {
    let rule = |id: u32, name: &str, outcome: &str, fits: Value, failed: Value| {
        json!({
            "id": id, "name": name, "action": "deny", "mode": "enforce", "file": "/r/10-a.policy",
            "line": 3, "outcome": outcome, "fits": fits, "failed": failed,
        })
    };
    let fit = json!([{
        "attribute": "match-domain-list", "value": "games.txt", "on": "host", "view": "canonical",
        "entry": BAD, "entry_file": "/r/games.txt", "entry_line": 12,
    }]);
    let failed = json!({
        "attribute": "match-source", "asks": ["10.0.0.0/8"], "more": 2, "seen": "192.0.2.1",
        "lacks": null, "in_part": false,
    });
    let explained = json!({
        "verdict": {
            "action": "deny", "code": 300, "rule": "games", "id": 7, "file": "/r/10-a.policy",
            "line": 3, "reason": "r", "category": null, "list": "games.txt", "monitored": null,
        },
        "tls": null,
        "views": [{"view": "canonical", "uri": "http://a.test/x"}],
        "unknown": [],
        "matches": [rule(7, "games", "holds", fit, Value::Null), rule(9, "rest", "holds", json!([]), Value::Null)],
        "waits_for": null,
        "before": [rule(1, "first", "fails", json!([]), failed)],
        "disabled": [],
        "left_out": [BAD],
        "rules": 12,
    });
    let text = shown(Verb::ShowPolicyMatch, &matched(&explained));
    let (_, text) = text.split_once("Canonical: http://a.test/x\n").unwrap();
    insta::assert_snapshot!(text, @r"
    File:      /r/10-a.policy:3
    List:      games.txt
    View:      canonical: http://a.test/x
    Beware:    x?[2J??y

    The rules that match, the first one decides:
          7  deny   games  /r/10-a.policy:3
             match-domain-list /r/games.txt:12 has `x?[2J??y` (host, view canonical)
          9  deny   rest  /r/10-a.policy:3

    Why the rules before do not hold:
      1 rules stopped by match-source 1; `all` tells each
    ");
}

#[test]
fn the_engine_is_shown() {
    let unconfirmed =
        json!({"by": "ada", "until": "2026-11-27T10:00:00Z", "left_s": 90, "snapshot": "s1"});
    let status = json!({
        "engine": "running", "uptime_s": 3700, "pid": 7, "resident": 5 << 20, "store": "open",
        "api": ["unix:/run/x", "https://127.0.0.1:11225"], "api_connections": 1,
        "api_connections_max": 64, "sessions": 2, "sessions_max": 128, "revision": 3,
        "digest": "abc", "rules": 12, "names": 1000, "since": "2026-11-27T09:00:00Z",
        "unconfirmed": unconfirmed, "audit": "recording", "weakenings": [BAD],
    });
    insta::assert_snapshot!(shown(Verb::ShowStatus, &status), @r"
    Engine:      running for 1 h 1 min, process 7, 5.0 MiB
    Store:       open
    Control API: unix:/run/x, https://127.0.0.1:11225
    Connections: 1 of 64
    Sessions:    2 of 128
    Policy:      revision 3, 12 rules, 1000 names
    Digest:      abc
    Live since:  2026-11-27T09:00:00Z
    Audit:       recording
    Unconfirmed: the commit of ada rolls back to s1 at 2026-11-27T10:00:00Z, in 1 min 30 s, unless it is confirmed: request policy confirm
    Weakening:   x?[2J??y
    ");
    let clock = json!({
        "local": "l", "utc": "u", "zone": "Europe/Zurich", "time_window_tz": "local",
        "synchronised": null,
    });
    assert!(shown(Verb::ShowClock, &clock).contains("Synchronised:   not known\n"));
    let log = json!({"file": "/f", "lines": ["one", BAD]});
    assert_eq!(shown(Verb::ShowLog, &log), "one\nx?[2J??y\n");
    let threads = json!({"threads": [
        {"id": 1, "name": BAD, "state": "S", "cpu_ms": 1234, "processor": 0},
    ]});
    insta::assert_snapshot!(shown(Verb::ShowSystemThreads, &threads), @r"
    Id  Thread    State  Processor time  On
    1   x?[2J??y  S      1.234 s         0
    ");
    let uri = json!({
        "domain_backend": "hashset", "names": 10, "name_bytes": 160, "regex_backend": "hyperscan",
        "regex_version": "5.4", "patterns": 5, "lowered": 1, "fallback": 0, "shards": 1,
        "compared": 9, "differed": 0,
    });
    assert!(shown(Verb::ShowSystemUriEngine, &uri).contains("160 B, 16 bytes a name"));
    let store = json!({
        "file": "/f", "state": "open", "version": "1", "schema": 2, "bytes": 1, "wal_bytes": 0,
        "tables": [{"name": "rules", "rows": 3}], "sets": {"files": 1, "bytes": 2},
    });
    assert!(shown(Verb::ShowDatabaseStatus, &store).contains("rules  3"));
}

#[test]
fn connectors_are_shown() {
    let work = json!({
        "requests": 10, "batches": 2, "permit": 7, "deny": 3, "warn": 0, "aup": 0,
        "latency": {"p50_us": 120, "p95_us": 900, "p99_us": 1500, "max_us": 2000},
    });
    let summary = json!({
        "neighbors": [
            {"name": BAD, "sessions": 1, "uptime_s": 61, "work": work},
            {"name": "b", "sessions": 0, "uptime_s": null, "work": work},
        ],
        "refused": [{"reason": "wrong key", "count": 4}],
        "sessions": 1, "sessions_max": 128,
    });
    insta::assert_snapshot!(shown(Verb::ShowNeighborSummary, &summary), @r"
    Sessions: 1 of 128
    Neighbor  Sessions  Uptime     Requests  Permit  Deny  Warn  Aup  p50     p99
    x?[2J??y  1         1 min 1 s  10        7       3     0     0    120 us  1.5 ms
    b         0         -          10        7       3     0     0    120 us  1.5 ms

    Refused because of  Attempts
    wrong key           4
    ");
    let detail = json!({
        "name": "a", "peers": ["127.0.0.0/8"], "listener": "tcp:127.0.0.1:11224",
        "sessions": [{
            "session": 5, "peer": "127.0.0.1:5000", "inspect": BAD, "defendr": 2,
            "uptime_s": 5, "idle_s": 1, "work": work,
        }],
    });
    let text = shown(Verb::ShowNeighborDetail, &detail);
    assert!(text.contains("Session 5\nPeer:      127.0.0.1:5000\n"), "{text}");
    assert!(text.contains("Verdicts:  7 permit, 3 deny, 0 warn, 0 aup"), "{text}");
}

#[test]
fn accounts_are_shown() {
    let user = json!({
        "name": "ada", "level": "administrator", "number": 10, "created": "c", "comment": BAD,
        "totp": true, "logins": 1, "keys": 0, "last_login": null,
    });
    let text = shown(Verb::ShowUsers, &json!({"users": [user]}));
    insta::assert_snapshot!(text, @r"
    User  Level               TOTP  Logins  Keys  Last login  Made  Comment
    ada   Administrator (10)  on    1       0     -           c     x?[2J??y
    ");
    let key = json!({
        "key": "egk_1_secret",
        "row": {"prefix": "egk_1", "created": "c", "expires": "e", "sources": [], "last_used": null},
    });
    let text = shown(Verb::RequestUserAdd, &json!({"user": user, "key": key}));
    assert!(text.starts_with("made ada, Administrator\nKey:  egk_1_secret\n"), "{text}");
    let text = shown(
        Verb::RequestUserTotp,
        &json!({
            "on": true, "secret": null, "url": null, "recovery_codes": ["a-b"],
        }),
    );
    assert!(text.contains("is on") && text.contains("  a-b\n"), "{text}");
    assert_eq!(shown(Verb::RequestUserRemove, &json!({"detail": BAD})), "x?[2J??y\n");
}

#[test]
fn the_policy_is_shown() {
    let rule = json!({
        "id": 1, "name": "a", "action": "deny", "mode": "monitor", "category": null,
        "file": "10-a.policy", "line": 2,
    });
    let text = shown(Verb::ShowPolicyList, &json!({"rules": [rule], "count": 3}));
    insta::assert_snapshot!(text, @r"
    Id  Rule  Action  Mode     Category  File
    1   a     deny    monitor            10-a.policy:2
    1 of 3 rules; `limit` shows more
    ");
    let detail = json!({
        "rule": rule, "description": BAD, "text": "match-uri-regex: a\u{1b}\n\tb", "changed": true,
    });
    let text = shown(Verb::ShowPolicyRule, &detail);
    assert!(text.contains("beware") && text.ends_with("match-uri-regex: a?\n\tb\n"), "{text}");
    let text = shown(Verb::ShowPolicyBackups, &json!({"backups": []}));
    assert_eq!(text, "no snapshots yet\n");
    let text = shown(Verb::ShowPolicyDiff, &json!({"from": "1", "text": "-a\n+b\u{1b}\n"}));
    assert_eq!(text, "-a\n+b?\n");
    let text = shown(Verb::ShowPolicyDiff, &json!({"from": "1", "text": ""}));
    assert!(text.contains("as they were"), "{text}");
    let commit =
        json!({"id": "0123456789abcdef", "when": "w", "author": BAD, "reason": "r", "tags": ["t"]});
    let text = shown(Verb::ShowPolicyLog, &json!({"commits": [commit]}));
    assert!(text.contains("0123456789  w     x?[2J??y  r    t"), "{text}");
    let blame = json!({"rule": "a", "file": "f", "lines": [
        {"line": 1, "text": "a: {", "commit": commit}, {"line": 2, "text": BAD, "commit": null},
    ]});
    assert!(shown(Verb::ShowPolicyBlame, &blame).contains("not committed"));
    let rollback = json!({
        "generation": 2, "snapshot": "s", "removed": ["a"], "overwritten": [], "restored": ["b"],
        "unchanged": 4, "reload": null,
    });
    let text = shown(Verb::RequestPolicyRollback, &rollback);
    assert!(text.contains("removed: a\nrestored: b\n") && text.contains("dry run"), "{text}");
}

#[test]
fn an_answer_of_another_kind_is_told_apart() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, Look::PLAIN);
    let found = answer(&mut screen, Verb::ShowStatus, b"{\"a\":1}", false).unwrap();
    assert!(matches!(found, Shown::Foreign(_)));
}
