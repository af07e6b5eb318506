//! What is explained is what is decided; and what stands in an explanation.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Explanation, Kind, ListEntry, Whose, explain};
use crate::check::{
    AddressPattern, AddressRange, Application, ConditionKind, Conditions, ListExpression,
    ListIndex, ListKind, Mode, PortRange, TimeWindow, UserPattern, Validity,
};
use crate::client::{Known, Tunnel};
use crate::decide::{Outcome, Scratch, decide};
use crate::matcher::properties::{ask, moment, sketch};
use crate::matcher::testing::{Ask, More, Sketch, Twins, domains, patterns, prefixes};
use crate::moment::Moment;
use crate::tunnel::tls_for;
use crate::uri::ViewName;
use crate::verdict::{Action, Cause};

const NOW: Moment = Moment::from_unix_micros(0);

/// Explains and hands over what came of it.
fn with<T>(twins: &Twins, ask: &Ask, look: impl FnOnce(&Explanation<'_>) -> T) -> T {
    let mut scratch = Scratch::new(&twins.ruleset);
    ask.with(|request| look(&explain(&twins.ruleset, &mut scratch, request, NOW))).unwrap()
}

/// Each rule as `id outcome: attribute=value@whose/view ...`, and the place of the one that settles it.
fn told(twins: &Twins, ask: &Ask) -> Vec<String> {
    with(twins, ask, |explained| {
        let rule = |(at, trial): (usize, &super::RuleTrial<'_>)| {
            let steps = trial.steps.iter().map(|step| {
                let fits = step.fits.iter().map(|fit| {
                    let whose = fit.whose.map_or("", Whose::word);
                    let view = fit.view.map_or("", ViewName::word);
                    let entry = match &fit.entry {
                        None => String::new(),
                        Some(ListEntry::Name(name)) => format!("<{name}>"),
                        Some(ListEntry::Holds(address)) => format!("<{address}>"),
                        Some(ListEntry::User(name) | ListEntry::Expression(name)) => {
                            format!("<{name}>")
                        }
                        Some(ListEntry::Url { host, rest }) => format!("<{host}{rest}>"),
                    };
                    format!("{}={}{entry}@{whose}/{view}", fit.attribute, fit.value)
                });
                let fits: Vec<_> = fits.collect();
                let said = match step.outcome {
                    Outcome::Holds => "",
                    Outcome::Unknown(_) => "?",
                    Outcome::Fails => "!",
                };
                format!("{said}{}[{}]", step.kind.attribute(), fits.join(" "))
            });
            let steps: Vec<_> = steps.collect();
            let mark = if explained.settled == Some(at) { "*" } else { "" };
            format!("{mark}{} {}", trial.rule.id, steps.join(" "))
        };
        explained.trials.iter().enumerate().map(|(at, trial)| rule((at, trial))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The verdict is `decide`'s, the matches are those of the naive twin, the steps together are the
    /// rule's outcome, and whatever holds has a value that is the reason.
    #[test]
    fn an_explanation_is_the_decision(sketch in sketch(), asks in vec((ask(), moment()), 1..12)) {
        let twins = sketch.build();
        let mut scratch = Scratch::new(&twins.ruleset);
        for (ask, now) in asks {
            ask.with(|request| {
                let decided = decide(&twins.ruleset, &mut scratch, request, now);
                let tls = tls_for(&twins.ruleset, &mut scratch, request, now);
                let explained = explain(&twins.ruleset, &mut scratch, request, now);
                prop_assert_eq!(explained.verdict, decided, "{:?}", request);
                prop_assert_eq!(explained.verdict, twins.naive.decide(request, now));
                prop_assert!(explained.tls.is_none_or(|said| said == tls));
                let ids: Vec<_> = explained.matches().map(|trial| trial.rule.id).collect();
                prop_assert_eq!(ids, twins.naive.holding(request, now), "{:?}", request);
                let settled = explained.settled.and_then(|at| explained.trials.get(at));
                match (decided.cause, settled) {
                    (Cause::Rule { rule, .. }, Some(trial)) => {
                        prop_assert_eq!(rule.id, trial.rule.id);
                        let mut enforced =
                            explained.matches().filter(|trial| trial.rule.mode == Mode::Enforce);
                        prop_assert_eq!(enforced.next().map(|first| first.rule.id), Some(rule.id));
                    }
                    (Cause::Deferred, Some(trial)) => {
                        prop_assert!(matches!(trial.outcome, Outcome::Unknown(_)));
                    }
                    (Cause::Default, None) => {}
                    (cause, settled) => prop_assert!(false, "{cause:?} {settled:?}"),
                }
                for trial in &explained.trials {
                    let steps = trial.steps.iter().map(|step| step.outcome);
                    let all = steps.fold(Outcome::Holds, |all, step| all.and(|| step));
                    prop_assert_eq!(all, trial.outcome, "{:?} {:?}", trial, request);
                    for step in &trial.steps {
                        // An exception is told where it spares the request.
                        let tells = match step.kind {
                            Kind::Exceptions => Outcome::Fails,
                            _ => Outcome::Holds,
                        };
                        let reason = step.outcome != tells || !step.fits.is_empty();
                        prop_assert!(reason, "{:?} {:?}", trial, request);
                    }
                }
                Ok(())
            }).unwrap_or(Ok(()))?;
        }
    }
}

#[test]
fn which_value_fits_on_what() {
    let asked = |texts: &[&str]| Conditions { domains: domains(texts), ..Conditions::default() };
    let range = |first: &str, last: &str| {
        AddressPattern::Range(AddressRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
        })
    };
    let listed = Conditions { domain_lists: vec![ListIndex(0)], ..Conditions::default() };
    let from = |values| Conditions { sources: values, ..Conditions::default() };
    let twins = Sketch::default()
        .list(ListKind::Domains, "example.com\n=www.example.com\n")
        .list(ListKind::Addresses, "10.0.0.0/8\n")
        .rule(Action::Deny, asked(&["other.net"]))
        .rule(
            Action::Deny,
            Conditions { application: Application::Https, ..asked(&["example.com"]) },
        )
        .rule(Action::Deny, listed)
        .rule(Action::Warn, asked(&["=www.example.com", "example.com"]))
        .rule(Action::Deny, from(vec![range("192.0.2.0", "192.0.2.255")]))
        .rule(
            Action::Deny,
            from(vec![range("10.0.0.0", "10.0.0.255"), AddressPattern::List(ListIndex(1))]),
        )
        .rule(
            Action::Deny,
            Conditions { uri_regexes: patterns(&["/never", r"\.com/a"]), ..Conditions::default() },
        )
        .build();
    assert_eq!(
        told(&twins, &Ask::get("http://www.example.com/a")),
        [
            "1 !match-domain[]",
            "2 !application[]",
            "*3 match-domain[match-domain-list=lists/list-0.txt<=www.example.com>@host/]",
            "4 match-domain[match-domain==www.example.com@host/ match-domain=example.com@host/]",
            "5 !match-source[]",
            "6 match-source[match-source=10.0.0.0/24@/ match-source=lists/list-1.txt<10.0.0.7>@/]",
            "7 match-uri-regex[match-uri-regex=\\.com/a@/canonical]",
        ]
    );
}

#[test]
fn a_permit_that_does_not_fit_every_view_says_where_it_fits() {
    let asked = Conditions { uri: prefixes(&["example.com/a/"]), ..Conditions::default() };
    let twins =
        Sketch::default().rule(Action::Permit, asked.clone()).rule(Action::Deny, asked).build();
    assert_eq!(
        told(&twins, &Ask::get("http://example.com/a/..%2fb")),
        [
            "1 !match-uri[match-uri=example.com/a/@host/canonical]",
            "*2 match-uri[match-uri=example.com/a/@host/canonical]",
        ]
    );
}

#[test]
fn what_the_verdict_waits_for() {
    let asked = Conditions { uri: prefixes(&["https://example.com/a"]), ..Conditions::default() };
    let twins = Sketch::default().rule(Action::Deny, asked).build();
    let ask = Ask::connect("example.com:443", Tunnel::Decrypted);
    assert_eq!(told(&twins, &ask), ["*1 ?match-uri[match-uri=https://example.com/a@host/]"]);
    let opaque = Ask::connect("example.com:443", Tunnel::Opaque);
    assert_eq!(told(&twins, &opaque), ["1 ?match-uri[match-uri=https://example.com/a@host/]"]);
}

#[test]
fn what_is_compared_is_told() {
    let twins = Sketch::default().build();
    let mut ask = Ask::get("http://example.com/x/../y?q");
    ask.earlier = None;
    with(&twins, &ask, |explained| {
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Domains)), "example.com");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Uri)), "http://example.com/y?q");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Sources)), "10.0.0.7");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Sni)), "none");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Anomalies)), "none");
        assert_eq!(explained.views.first().unwrap().1, "http://example.com/y?q");
        assert!(explained.trials.is_empty() && explained.settled.is_none());
    });
    let hello = Ask::hello("example.com:443", Tunnel::Peeked, Known::Is("b.test"));
    with(&twins, &hello, |explained| {
        assert_eq!(
            explained.seen_by(Kind::Asked(ConditionKind::Domains)),
            "example.com, server name b.test"
        );
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Application)), "https, by CONNECT");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Anomalies)), "sni-mismatch");
        assert!(explained.tls.is_some());
    });
}

#[test]
fn ranges_are_written_as_rules_write_them() {
    for (first, last, expected) in [
        ("10.0.0.0", "10.255.255.255", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("10.0.0.0", "10.0.2.255", "10.0.0.0-10.0.2.255"),
        ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ("2001:db8::", "2001:db8::ffff", "2001:db8::/112"),
    ] {
        let range = AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() };
        assert_eq!(range.to_string(), expected);
        assert_eq!(crate::check::parse_range(expected), Ok(range), "{expected}");
    }
}

#[test]
fn what_few_rules_ask_is_told() {
    let thursday = TimeWindow { from: 3 * 1440, until: 3 * 1440 + 480 };
    let friday = TimeWindow { from: 4 * 1440 + 480, until: 4 * 1440 + 1050 };
    let name = |name: &str| UserPattern::Name(name.to_owned());
    let ports = vec![PortRange { first: 80, last: 90 }, PortRange { first: 443, last: 443 }];
    let none = Conditions::default;
    let named = || Conditions { domains: domains(&["example.com"]), ..none() };
    let listed = UserPattern::List(ListIndex(0));
    let past = Validity { from: None, until: Some(NOW) };
    let except = Conditions { ports: ports.clone(), users: vec![name("eve")], ..none() };
    let twins = Sketch::default()
        .list(ListKind::Users, "ada\neve\n")
        .rule(Action::Deny, Conditions { users: vec![name("eve"), listed], ..none() })
        .rule(Action::Deny, Conditions { methods: vec!["get".to_owned()], ports, ..none() })
        .rule(Action::Permit, Conditions { methods: vec!["get".to_owned()], ..none() })
        .rule(Action::Deny, Conditions { windows: vec![friday, thursday], ..none() })
        .rule(Action::Deny, Conditions { windows: vec![friday], ..none() })
        .rule(Action::Deny, named())
        .with(More { validity: past, ..More::default() })
        .rule(Action::Deny, named())
        .with(More { except, ..More::default() })
        .rule(Action::Deny, named())
        .with(More { mode: Mode::Monitor, ..More::default() })
        .build();
    let ask = Ask { user: Some("ada"), ..Ask::get("http://example.com/") };
    assert_eq!(
        told(&twins, &ask),
        [
            "*1 match-user[match-user=lists/list-0.txt<ada>@/]",
            "2 match-port[match-port=80-90@/] match-method[match-method=get@/]",
            "3 !match-method[]",
            "4 time-window[time-window=thu 00:00-08:00@/]",
            "5 !time-window[]",
            "6 !valid-until[valid-until=1970-01-01T00:00:00Z@/]",
            "7 match-domain[match-domain=example.com@host/] !except[match-port=80-90@/]",
            "8 match-domain[match-domain=example.com@host/]",
        ]
    );
    with(&twins, &ask, |explained| {
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Windows)), "thu 00:00 (UTC)");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Users)), "ada");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Methods)), "GET");
        assert_eq!(explained.seen_by(Kind::Asked(ConditionKind::Ports)), "80");
    });
}

#[test]
fn a_rule_that_monitors_holds_and_does_not_settle() {
    let asked = || Conditions { domains: domains(&["example.com"]), ..Conditions::default() };
    let twins = Sketch::default()
        .rule(Action::Deny, asked())
        .with(More { mode: Mode::Monitor, ..More::default() })
        .rule(Action::Warn, asked())
        .build();
    let fits = "match-domain[match-domain=example.com@host/]";
    let ask = Ask::get("http://example.com/");
    assert_eq!(told(&twins, &ask), [format!("1 {fits}"), format!("*2 {fits}")]);
}

#[test]
fn urls_and_expressions_of_lists_are_told() {
    let pattern = patterns(&["/ads[0-9]"]).remove(0);
    let expression = ListExpression { list: ListIndex(1), pattern };
    let twins = Sketch::default()
        .list(ListKind::Urls, "example.com/a\n")
        .list(ListKind::Expressions, "")
        .rule(
            Action::Deny,
            Conditions { domain_lists: vec![ListIndex(0)], ..Conditions::default() },
        )
        .rule(
            Action::Deny,
            Conditions { list_expressions: vec![expression], ..Conditions::default() },
        )
        .build();
    assert_eq!(
        told(&twins, &Ask::get("http://example.com/a/ads1")),
        [
            "*1 match-domain[match-domain-list=lists/list-0.txt<example.com/a/ads1>@host/canonical]",
            "2 match-domain[match-domain-list=lists/list-1.txt</ads[0-9]>@/canonical]",
        ]
    );
}

#[test]
fn windows_and_ports_are_written_so_that_a_person_reads_them() {
    for (from, until, expected) in [
        (480, 1050, "mon 08:00-17:30"),
        (0, 1440, "mon 00:00-24:00"),
        (6 * 1440 + 60, 7 * 1440, "sun 01:00-24:00"),
        (1320, 1440 + 120, "mon 22:00-02:00+1"),
        (0, 5 * 1440, "mon 00:00-24:00+4"),
    ] {
        assert_eq!(TimeWindow { from, until }.to_string(), expected);
    }
    assert_eq!(PortRange { first: 80, last: 80 }.to_string(), "80");
}
