//! `monitor`, `enabled`, `category` and strict JSON (SPEC 3).

use eg_policy::diagnostic::Severity;
use eg_policy::syntax::{parse, print};
use eg_policy::verdict::{Action, Verdict};

use super::bench::{ask, one, refuses};

/// What came, and what would have come.
fn said(verdict: &Verdict<'_>) -> String {
    let monitored = verdict.monitored.map_or_else(
        || "-".to_owned(),
        |rule| format!("{} {} {}", rule.id, rule.action, rule.name),
    );
    format!("{} {}, {monitored}", verdict.action, verdict.rule_name())
}

#[test]
fn a_rule_that_monitors_is_noted_and_evaluation_goes_on() {
    let text = "m: {\n match-domain: a.test\n monitor: true\n}
n: {\n match-domain: a.test\n monitor: true\n action: warn\n}
p: {\n match-domain: p.a.test\n action: permit\n}
d: {\n match-domain: d.a.test\n}
late: {\n match-domain: late.test, d.a.test\n monitor: true\n}";
    let rules = one(text).ruleset();
    for (line, expected) in [
        ("request http://a.test/", "permit default-permit, 1 deny m"),
        ("request http://p.a.test/", "permit p, 1 deny m"),
        ("request http://d.a.test/", "deny d, 1 deny m"),
        ("request http://b.test/", "permit default-permit, -"),
        ("request http://late.test/", "permit default-permit, 5 deny late"),
        ("connect a.test:443", "permit default-permit, 1 deny m"),
    ] {
        assert_eq!(ask(&rules, line, said), expected, "{line}");
    }
    let rules = one(text).default(Action::Deny).ruleset();
    assert_eq!(ask(&rules, "request http://a.test/", said), "deny default-deny, 1 deny m");
    // A rule behind the one that decides is not looked at.
    let rules = one("d: {\n match-port: 80\n}\nm: {\n match-port: 80\n monitor: true\n}").ruleset();
    assert_eq!(ask(&rules, "request http://a.test/", said), "deny d, -");
}

#[test]
fn a_rule_that_monitors_defers_nothing_and_answers_no_tls() {
    let rule = |line| format!("m: {{\n match-domain: a.test\n {line}\n monitor: true\n}}");
    for line in
        ["match-uri: a.test/x", "match-method: POST", "except-uri: a.test/x", "match-sni: a.test"]
    {
        let rules = one(&rule(line)).ruleset();
        for tunnel in ["decrypted", "peeked"] {
            let asked = format!("connect a.test:443 | tunnel={tunnel}");
            assert_eq!(ask(&rules, &asked, said), "permit default-permit, -", "{line}");
        }
    }
    let rules = one(&rule("except-uri: a.test/x")).ruleset();
    let asked = "connect a.test:443";
    assert_eq!(ask(&rules, asked, said), "permit default-permit, 1 deny m");
    let text = "m: {\n match-domain: a.test\n tls: terminate\n monitor: true\n}";
    let (rules, faults) = one(text).load();
    assert!(rules.is_some());
    assert_eq!((faults[0].code.id(), faults[0].severity), ("EGP070", Severity::Warning));
    one(text).answers(&[("hello a.test:443 | tunnel=peeked | sni=a.test", "splice default")]);
    one(&format!("{text}\nd: {{\n match-domain: a.test\n}}"))
        .answers(&[("hello a.test:443 | tunnel=peeked | sni=a.test", "bump deny d")]);
}

#[test]
fn a_monitored_rule_matches_like_any_other() {
    let text = "m: {\n match-domain: a.test\n match-user: ada\n except-port: 8080\n monitor: true\n \
                time-window: thu 00:00-01:00\n}";
    let rules = one(text).ruleset();
    for (line, expected) in [
        ("request http://a.test/ | user=ada", "permit default-permit, 1 deny m"),
        ("request http://a.test/ | user=eve", "permit default-permit, -"),
        ("request http://a.test:8080/ | user=ada", "permit default-permit, -"),
        ("request http://a.test/ | user=ada | at=1970-01-02T00:00:00Z", "permit default-permit, -"),
    ] {
        assert_eq!(ask(&rules, line, said), expected, "{line}");
    }
    refuses(&[
        ("m: {\n match-port: 80\n monitor: yes\n}", "EGP032@3"),
        ("m: {\n match-port: 80\n monitor: [true, false]\n}", "EGP032@3"),
        ("m: {\n match-port: 80\n monitor: [\n true\n false ]\n}", "EGP026@3"),
        ("m: {\n monitor: true\n}", "EGP022@1"),
    ]);
}

/// The same policy in the language's own form and as strict JSON.
const BOTH: [&str; 2] = [
    "a: {
    match-user: ada, eve
    match-port: 443, 8000-8080
    except-method: [
        GET
        HEAD
    ]
    time-window: mon-fri 08:00-17:30
    time-window: sat 22:00-02:00
    valid-from: 2026-01-01T00:00:00Z
    monitor: false
    enabled: true
    allow-broad: false
    action: deny
    category: work
    description: not at work
}
b: { \"match-uri-regex\": \"\\\\.exe$\", \"except-user\": \"adm\", \"action\": \"warn\" }
",
    r#"{
    "a": {
        "match-user": ["ada", "eve"],
        "match-port": [443, "8000-8080"],
        "except-method": ["GET", "HEAD"],
        "time-window": ["mon-fri 08:00-17:30", "sat 22:00-02:00"],
        "valid-from": "2026-01-01T00:00:00Z",
        "monitor": false,
        "enabled": true,
        "allow-broad": false,
        "action": "deny",
        "category": "work",
        "description": "not at work"
    },
    "b": { "match-uri-regex": "\\.exe$", "except-user": "adm", "action": "warn" }
}
"#,
];

const ASKED: [(&str, &str); 8] = [
    ("connect a.test:443 | user=ada | at=2026-11-27T08:00:00Z", "deny a"),
    ("connect a.test:443 | user=ada | at=2026-11-27T17:30:00Z", "default"),
    ("connect a.test:443 | user=eve | at=2026-11-29T01:59:00Z", "deny a"),
    ("connect a.test:443 | user=eve | at=2025-12-31T08:00:00Z", "default"),
    ("request https://a.test/ | user=ada | at=2026-11-27T08:00:00Z", "default"),
    ("request https://a.test/ | user=ada | method=PUT | at=2026-11-27T08:00:00Z", "deny a"),
    ("request http://a.test/x.exe | user=adm", "default"),
    ("request http://a.test/x.exe", "warn b"),
];

#[test]
fn strict_json_is_the_same_policy() {
    for text in BOTH {
        one(text).decides(&ASKED);
    }
    let rules = one(BOTH[1]).ruleset();
    let line = ASKED[0].0;
    assert_eq!(
        ask(&rules, line, |verdict| verdict.category().map(str::to_owned)).as_deref(),
        Some("work")
    );
    assert_eq!(ask(&rules, line, |verdict| verdict.reason().to_owned()), "not at work");
}

#[test]
fn what_fmt_writes_decides_the_same() {
    for text in BOTH {
        let (ast, faults) = parse("10-test.policy", text);
        assert!(faults.is_empty(), "{faults:?}");
        let printed = print(&ast);
        one(&printed).decides(&ASKED);
        assert_eq!(print(&parse("10-test.policy", &printed).0), printed);
    }
}

#[test]
fn a_rule_that_is_not_enabled_is_checked_and_takes_no_part() {
    one("a: {\n match-user: ada\n enabled: false\n}\nb: {\n match-port: 80\n action: warn\n}")
        .decides(&[("request http://a.test/ | user=ada", "warn b")]);
    refuses(&[
        ("a: {\n match-port: 99999\n enabled: false\n}", "EGP065@2"),
        ("a: {\n match-user: @missing\n enabled: false\n}", ""),
        ("a: {\n match-port: 80\n enabled: maybe\n}", "EGP032@3"),
    ]);
}

#[test]
fn what_an_exception_covers_must_say_so_too() {
    let rule = |line: &str| format!("a: {{\n match-port: 80\n {line}\n}}");
    let cases = [
        ("except-domain: com", "EGP034@3"),
        ("except-sni: *", "EGP034@3"),
        ("except-uri: https://co.uk/", "EGP034@3"),
        ("except-uri-regex: .", "EGP056@3"),
        ("except-domain: com\n allow-broad: true", ""),
        ("except-sni: *\n allow-broad: true", ""),
        ("except-domain: *\n allow-broad: true", "EGP069@3"),
    ];
    let cases = cases.map(|(line, faults)| (rule(line), faults));
    refuses(&cases.each_ref().map(|(text, faults)| (text.as_str(), *faults)));
}
