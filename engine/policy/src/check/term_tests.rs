//! What users, methods, ports, times, exceptions and switches take and refuse.

use super::tests::{codes, one, refused, rule, tree};
use super::*;
use crate::moment::Moment;

#[test]
fn users_methods_ports_and_times() {
    let asked = |lines: &str| rule(lines).conditions;
    let name = |name: &str| UserPattern::Name(name.to_owned());
    let users = asked(
        "match-user: ada\nmatch-user: \"John Smith\"\nmatch-user: [\n DOMAIN\\eve # she\n @who.txt\n]",
    );
    let expected =
        [name("ada"), name("John Smith"), name("DOMAIN\\eve"), UserPattern::List(ListIndex(0))];
    assert_eq!(users.users, expected);
    assert_eq!(
        asked("match-method: GET, post\nmatch-method: M-SEARCH").methods,
        ["GET", "post", "M-SEARCH"]
    );
    let range = |first, last| PortRange { first, last };
    let ports = asked("match-port: 80, 8000-8080\nmatch-port: [ 443 ]").ports;
    assert_eq!(ports, [range(80, 80), range(8000, 8080), range(443, 443)]);
    let day = 1440;
    let window = |from, until| TimeWindow { from, until };
    let windows = asked("match-port: 1\ntime-window: tue 01:00-02:00, mon 22:00-02:00\ntime-window: tue 01:30-03:00").windows;
    assert_eq!(windows, [window(22 * 60, day + 3 * 60)]);
    let (policy, faults) = one("a: {\n match-user: @lists/who.txt\n}\n");
    assert_eq!(codes(&faults), Vec::<&str>::new());
    assert_eq!(policy.lists[0].kind, ListKind::Users);
    assert_eq!(policy.lists[0].path, "rules.d/lists/who.txt");
    for (lines, expected) in [
        ("match-user: @", "EGP035"),
        ("match-method: G(ET", "EGP064"),
        ("match-method: *", "EGP064"),
        ("match-port: 0", "EGP065"),
        ("match-port: 443-80", "EGP065"),
        ("match-port: http", "EGP065"),
        ("match-port: 1\ntime-window: mon", "EGP066"),
        ("match-port: 1\nvalid-from: 2026-01-01", "EGP067"),
        ("match-port: 1\nvalid-until: soon", "EGP067"),
        ("match-port: 1\nmonitor: perhaps", "EGP032"),
        ("match-port: 1\nmonitor: true\nmonitor: true", "EGP026"),
        ("match-port: 1\nvalid-from: [ ]", "EGP009"),
        ("time-window: mon 08:00-09:00", "EGP022"),
        ("valid-from: 2026-01-01T00:00:00Z", "EGP022"),
        ("except-user: ada", "EGP022"),
    ] {
        refused(lines, &[expected]);
    }
    refused(&format!("match-user: {}", "x".repeat(257)), &["EGP063"]);
    refused("match-user: ada, \"John Smith\"", &["EGP063"]);
    refused("match-port: x, 80, 99999\nmatch-user: ada", &["EGP065", "EGP065"]);
}

#[test]
fn exceptions_take_what_the_attributes_take() {
    let rule = rule(
        "match-domain: a.example\nexcept-domain: =b.a.example\nexcept-uri: a.example/ok/\n\
         except-uri-regex: x$\nexcept-sni: c.example\nexcept-source: 10.0.0.0/8\n\
         except-destination: loopback\nexcept-anomaly: no-sni\nexcept-user: ada\n\
         except-user-agent: Bot\nexcept-method: GET\nexcept-port: 80\n\
         except-time-window: mon 00:00-01:00\nexcept-referer-regex: y\nexcept-sni-regex: z\n\
         except-user-agent-regex: w\nexcept-domain-list: l.txt",
    );
    assert_eq!(
        rule.conditions,
        Conditions { domains: vec![tree("a.example")], ..Conditions::default() }
    );
    let except = rule.except.unwrap();
    for kind in ConditionKind::ALL {
        // A domain and a list of domains are one kind; an application is no exception.
        let expected = match kind {
            ConditionKind::Application => 0,
            ConditionKind::Domains => 2,
            _ => 1,
        };
        assert_eq!(except.count(kind), expected, "{kind:?}");
    }
    for (lines, expected) in [
        ("except-domain: *\nallow-broad: true", "EGP069"),
        ("except-domain: *", "EGP034"),
        ("except-domain: com", "EGP034"),
        ("except-uri-regex: .*", "EGP056"),
        ("except-time-window: 00:00-24:00", "EGP069"),
        ("except-time-window: [ mon-wed 00:00-24:00\n thu-sun 00:00-24:00 ]", "EGP069"),
        ("except-domian: a.example", "EGP020"),
        ("except-source: loopback", "EGP030"),
        ("except-uri: a.example/x;y", "EGP045"),
        ("match-uri: a.example/x;y\naction: permit", "EGP045"),
    ] {
        refused(&format!("match-domain: a.example\n{lines}"), &[expected]);
    }
    // What need not fit every view is no matter.
    for lines in ["match-uri: a.example/x;y", "except-uri: a.example/x;y\naction: permit"] {
        refused(&format!("match-domain: a.example\n{lines}"), &[]);
    }
}

#[test]
fn a_rule_counts_from_and_until() {
    let both = |from: &str, until: &str| {
        format!("match-port: 1\nvalid-from: {from}\nvalid-until: {until}")
    };
    let at = |micros| Some(Moment::from_unix_micros(micros));
    let validity = rule(&both("1970-01-01T00:00:00Z", "1970-01-01T01:00:01+01:00")).validity;
    assert_eq!(validity, Validity { from: at(0), until: at(1_000_000) });
    let covers = |micros| validity.covers(Moment::from_unix_micros(micros));
    assert_eq!([-1, 0, 999_999, 1_000_000].map(covers), [false, true, true, false]);
    refused(&both("1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00"), &["EGP068"]);
    refused(&both("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), &["EGP068"]);
    assert_eq!(rule("match-port: 1").validity, Validity::ALWAYS);
}

#[test]
fn a_rule_that_monitors_has_no_word() {
    assert_eq!(rule("match-port: 1\nmonitor: true").mode, Mode::Monitor);
    assert_eq!(rule("match-port: 1\nmonitor: false").mode, Mode::Enforce);
    let (policy, faults) = one("a: {\n match-port: 1\n monitor: true\n tls: bump\n}");
    assert_eq!((codes(&faults), policy.rules.len()), (vec!["EGP070"], 1));
    refused("match-port: 1\nmonitor: false\ntls: bump", &[]);
}
