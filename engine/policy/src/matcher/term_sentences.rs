//! What the tables do for users, methods, ports, times and exceptions: what is found, what is looked at,
//! and what the digest covers. The sentences of SPEC 3 about them are in `tests/spec`.

use super::testing::{Ask, More, Sketch, Twins, domains, prefixes};
use crate::check::{
    Conditions, ListIndex, ListKind, Mode, PortRange, TimeWindow, UserPattern, Validity,
};
use crate::client::Tunnel;
use crate::decide::{Scratch, decide};
use crate::moment::Moment;
use crate::verdict::Action;

/// The verdict and how many rules were looked at, and the twin says the same.
fn verdict(twins: &Twins, ask: &Ask, now: Moment) -> String {
    let mut scratch = Scratch::new(&twins.ruleset);
    let said = ask.with(|request| {
        let fast = decide(&twins.ruleset, &mut scratch, request, now);
        assert_eq!(fast, twins.naive.decide(request, now), "{ask:?}");
        fast.rule_name().to_owned()
    });
    said.unwrap_or_default()
}

const NOON: Moment = Moment::from_unix_micros(12 * 3_600_000_000);

fn user(name: &str) -> Conditions {
    Conditions { users: vec![UserPattern::Name(name.to_owned())], ..Conditions::default() }
}

fn port(first: u16, last: u16) -> Conditions {
    Conditions { ports: vec![PortRange { first, last }], ..Conditions::default() }
}

#[test]
fn ten_thousand_rules_that_differ_by_user_or_port_are_not_walked() {
    let all = (0..10_000).fold(Sketch::default(), |sketch, number| {
        sketch.rule(Action::Deny, user(&format!("user-{number}")))
    });
    let twins = all.build();
    let mut ask = Ask::get("http://a.test/");
    assert_eq!(twins.ruleset.candidates(&ask), 0);
    ask.user = Some("user-4711");
    assert_eq!(twins.ruleset.candidates(&ask), 1);
    assert_eq!(verdict(&twins, &ask, NOON), "rule-4712");
    let all = (1..=10_000)
        .fold(Sketch::default(), |sketch, number| sketch.rule(Action::Deny, port(number, number)));
    let twins = all.build();
    assert_eq!(twins.ruleset.candidates(&Ask::get("http://a.test/")), 1);
    assert_eq!(twins.ruleset.candidates(&Ask::get("http://a.test:10001/")), 0);
    assert_eq!(verdict(&twins, &Ask::get("http://a.test:8080/"), NOON), "rule-8080");
    // A name that all of them share does not find them.
    let all = (0..10_000).fold(Sketch::default(), |sketch, number| {
        let asked = Conditions { domains: domains(&["a.test"]), ..user(&format!("user-{number}")) };
        sketch.rule(Action::Deny, asked)
    });
    assert_eq!(all.build().ruleset.candidates(&Ask::get("http://a.test/")), 0);
}

#[test]
fn rules_over_lists_of_users_are_found_by_the_users() {
    let listed = |list| Conditions {
        users: vec![UserPattern::List(ListIndex(list))],
        ..Conditions::default()
    };
    let sketch = Sketch::default()
        .rule(Action::Deny, listed(0))
        .rule(Action::Warn, listed(1))
        .list(ListKind::Users, "ada\neve\n")
        .list(ListKind::Users, "bob\neve\n");
    let twins = sketch.build();
    for (user, candidates, expected) in [
        (None, 0, "default-permit"),
        (Some("ada"), 1, "rule-1"),
        (Some("bob"), 1, "rule-2"),
        (Some("eve"), 2, "rule-1"),
        (Some("Eve"), 0, "default-permit"),
    ] {
        let ask = Ask { user, ..Ask::get("http://a.test/") };
        assert_eq!(twins.ruleset.candidates(&ask), candidates);
        assert_eq!(verdict(&twins, &ask, NOON), expected);
    }
}

#[test]
fn a_rule_of_one_method_waits_for_the_method_inside() {
    let methods = vec!["POST".to_owned()];
    let twins = Sketch::default()
        .rule(Action::Deny, Conditions { methods, ..Conditions::default() })
        .build();
    let connect = |tunnel| Ask::connect("a.test:443", tunnel);
    assert_eq!(twins.ruleset.candidates(&connect(Tunnel::Opaque)), 0);
    assert_eq!(twins.ruleset.candidates(&connect(Tunnel::Decrypted)), 1);
    assert_eq!(verdict(&twins, &connect(Tunnel::Decrypted), NOON), "default-deferred");
    assert_eq!(twins.ruleset.candidates(&Ask::get("http://a.test/")), 0);
    let post = Ask { method: "post", ..Ask::get("http://a.test/") };
    assert_eq!(verdict(&twins, &post, NOON), "rule-1");
}

#[test]
fn exceptions_have_tables_and_find_nothing() {
    let except = Conditions {
        domains: domains(&["ok.test"]),
        uri: prefixes(&["a.test/ok/"]),
        ..user("ada")
    };
    let twins = Sketch::default()
        .rule(Action::Deny, port(80, 80))
        .with(More { except, ..More::default() })
        .rule(Action::Warn, port(81, 81))
        .build();
    for (uri, user, candidates, expected) in [
        ("http://a.test/", None, 1, "rule-1"),
        ("http://a.test/ok/", None, 1, "default-permit"),
        ("http://www.ok.test/", None, 1, "default-permit"),
        ("http://a.test/", Some("ada"), 1, "default-permit"),
        ("http://ok.test:82/", Some("ada"), 0, "default-permit"),
        ("http://ok.test:81/", Some("ada"), 1, "rule-2"),
    ] {
        let ask = Ask { user, ..Ask::get(uri) };
        assert_eq!(twins.ruleset.candidates(&ask), candidates, "{uri}");
        assert_eq!(verdict(&twins, &ask, NOON), expected, "{uri}");
    }
}

#[test]
fn a_scratch_keeps_the_clock_of_a_moment_and_of_no_other_ruleset() {
    let windows = vec![TimeWindow { from: 3 * 1440 + 12 * 60, until: 3 * 1440 + 13 * 60 }];
    let mut sketch = Sketch::default().rule(Action::Deny, Conditions { windows, ..port(80, 80) });
    let utc = sketch.build();
    sketch.zone = Some("Asia/Tokyo");
    let tokyo = sketch.build();
    let mut scratch = Scratch::new(&utc.ruleset);
    let ask = Ask::get("http://a.test/");
    let mut asked = |twins: &Twins, now, fit: bool| {
        if fit {
            scratch.fit(&twins.ruleset);
        }
        ask.with(|request| decide(&twins.ruleset, &mut scratch, request, now).action).unwrap()
    };
    let hour = |hour: i64| Moment::from_unix_micros(hour * 3_600_000_000);
    assert_eq!(asked(&utc, hour(12), false), Action::Deny);
    assert_eq!(asked(&utc, hour(12), false), Action::Deny);
    assert_eq!(asked(&utc, hour(13), false), Action::Permit);
    assert_eq!(asked(&tokyo, hour(13), true), Action::Permit);
    assert_eq!(asked(&tokyo, hour(3), false), Action::Deny);
    assert_eq!(asked(&utc, hour(3), true), Action::Permit);
    // The zone decides, so it is part of what the digest covers, where a rule asks for it.
    assert_ne!(utc.ruleset.digest(), tokyo.ruleset.digest());
    let mut plain = Sketch::default().rule(Action::Deny, port(80, 80));
    let before = plain.build().ruleset.digest();
    plain.zone = Some("Asia/Tokyo");
    assert_eq!(plain.build().ruleset.digest(), before);
}

#[test]
fn a_digest_covers_exceptions_validity_and_mode() {
    let sketch = || Sketch::default().rule(Action::Deny, port(80, 80));
    let plain = sketch().build().ruleset.digest();
    let digest = |more| sketch().with(more).build().ruleset.digest();
    assert_eq!(digest(More::default()), plain);
    let from = Some(Moment::from_unix_micros(0));
    for more in [
        More { except: user("ada"), ..More::default() },
        More { validity: Validity { from, until: None }, ..More::default() },
        More { validity: Validity { from: None, until: from }, ..More::default() },
        More { mode: Mode::Monitor, ..More::default() },
    ] {
        assert_ne!(digest(more.clone()), plain, "{more:?}");
    }
    // What a rule asks and what it excepts are told apart.
    let asked = Sketch::default()
        .rule(Action::Deny, Conditions { ports: vec![], ..user("ada") })
        .with(More { except: port(80, 80), ..More::default() });
    let other = sketch().with(More { except: user("ada"), ..More::default() });
    assert_ne!(asked.build().ruleset.digest(), other.build().ruleset.digest());
}
