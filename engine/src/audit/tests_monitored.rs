//! What the trail says of rules that only monitor.

use eg_policy::check::{Conditions, Mode, Validity};

use super::*;

/// A rule that only monitors.
pub(super) fn monitored(action: Action) -> &'static Rule {
    Box::leak(Box::new(Rule {
        id: RuleId(7),
        name: "tried".to_owned(),
        file: String::new(),
        line: 1,
        action,
        description: None,
        category: None,
        tls: None,
        conditions: Conditions::default(),
        except: None,
        validity: Validity::ALWAYS,
        mode: Mode::Monitor,
    }))
}

#[test]
fn what_a_monitored_rule_would_have_done_is_recorded() {
    let blocks = PERMIT.noting(Some(monitored(Action::Warn)));
    let permits = PERMIT.noting(Some(monitored(Action::Permit)));
    let denied = DENY.noting(Some(monitored(Action::Permit)));
    for (verdicts, expected) in [
        (Verdicts::All, &[1, 2, 3, 4][..]),
        (Verdicts::Blocked, &[1, 3][..]),
        (Verdicts::None, &[][..]),
    ] {
        let (audit, thread, memory) = trail(verdicts, OnFailure::Deny);
        let mut recorder = audit.recorder(RedirectStatus::Found);
        for (query, verdict) in (1..).zip([blocks, permits, denied, PERMIT]) {
            let recorded = ask(&mut recorder, verdict, query, Asked::First);
            assert_eq!(*recorded.verdict(), verdict);
        }
        recorder.commit();
        thread.finish();
        let lines = memory.lines();
        assert_eq!(lines.len(), expected.len(), "{verdicts:?}");
        for (line, query) in lines.iter().zip(expected) {
            let would = match query {
                1 => serde_json::json!({"rule_id": 7, "rule": "tried", "action": "warn"}),
                2 | 3 => serde_json::json!({"rule_id": 7, "rule": "tried", "action": "permit"}),
                _ => serde_json::Value::Null,
            };
            assert_eq!(line["monitored"], would);
            assert_eq!(line["action"], if *query == 3 { "deny" } else { "permit" });
        }
    }
}

#[test]
fn a_monitored_rule_stops_nobody_by_its_record() {
    let (audit, thread, memory) = trail(Verdicts::Blocked, OnFailure::Deny);
    memory.feel(Mood::Full);
    let mut recorder = audit.recorder(RedirectStatus::Found);
    ask(&mut recorder, DENY, 1, Asked::First);
    recorder.commit();
    until(|| audit.shared.failing.load(Ordering::Acquire));
    let permit = PERMIT.noting(Some(monitored(Action::Deny)));
    assert_eq!(*ask(&mut recorder, permit, 2, Asked::First).verdict(), permit);
    let denied = ask(&mut recorder, WARN, 3, Asked::First);
    assert_eq!(*denied.verdict(), Verdict::audit_unavailable());
    thread.finish();
}
