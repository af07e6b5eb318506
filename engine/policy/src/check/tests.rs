//! What each attribute takes and refuses, what a fault does to its file, and how faults are drawn.

use super::*;
use crate::diagnostic::{Diagnostic, Severity};
use crate::sources::SourceFile;
use crate::verdict::Tls;

pub(super) fn one(text: &str) -> (CheckedPolicy, Vec<Diagnostic>) {
    check(&[(SourceFile::new("rules.d/10-test.policy", text), Trust::Operator)])
}

pub(super) fn codes(faults: &[Diagnostic]) -> Vec<&'static str> {
    faults.iter().map(|fault| fault.code.id()).collect()
}

/// The only rule of a block with these lines.
#[track_caller]
pub(super) fn rule(lines: &str) -> CheckedRule {
    let (policy, faults) = one(&format!("a: {{\n{lines}\n}}\n"));
    assert_eq!(codes(&faults), Vec::<&str>::new(), "{lines}");
    policy.rules.into_iter().next().unwrap()
}

#[track_caller]
pub(super) fn refused(lines: &str, expected: &[&str]) {
    let (_, faults) = one(&format!("a: {{\n{lines}\n}}\n"));
    assert_eq!(codes(&faults), expected, "{lines}");
}

pub(super) fn tree(name: &str) -> DomainPattern {
    DomainPattern { name: name.to_owned(), scope: Scope::Tree }
}

fn host(name: &str) -> DomainPattern {
    DomainPattern { name: name.to_owned(), scope: Scope::Host }
}

#[test]
fn domains_become_canonical() {
    let domains = |lines| rule(lines).conditions.domains;
    let two = vec![tree("a.example"), tree("b.example")];
    assert_eq!(domains("match-domain: A.Example., *.b.example"), two);
    assert_eq!(domains("match-domain: .a.example\nmatch-domain: b.example"), two);
    assert_eq!(domains("match-domain: [\n a.example # c\n b.example,\n]"), two);
    assert_eq!(domains("match-domain: =a.example"), [host("a.example")]);
    assert_eq!(domains("match-domain: b\u{fc}cher.example"), [tree("xn--bcher-kva.example")]);
    assert_eq!(domains("match-domain: 192.0.2.1"), [host("192.0.2.1")]);
    assert_eq!(domains("match-domain: blogspot.com"), [tree("blogspot.com")]);
    assert_eq!(domains("match-domain: =co.uk"), [host("co.uk")]);
    assert_eq!(rule("match-sni: a.example").conditions.sni, [SniPattern::Name(tree("a.example"))]);
}

#[test]
fn tls_takes_one_of_three_words() {
    for (word, expected) in
        [("splice", Tls::Splice), ("bump", Tls::Bump), ("terminate", Tls::Terminate)]
    {
        assert_eq!(rule(&format!("match-domain: a.example\ntls: {word}")).tls, Some(expected));
    }
    assert_eq!(rule("match-domain: a.example").tls, None);
    for word in ["bmup", "Bump", "deny", "splice, bump", "off", "\"\""] {
        let expected = if word == "\"\"" { "EGP009" } else { "EGP060" };
        refused(&format!("match-domain: a.example\ntls: {word}"), &[expected]);
    }
    refused("match-domain: a.example\ntls: bump\ntls: bump", &["EGP026"]);
    refused("tls: bump", &["EGP022"]);
}

#[test]
fn anomalies_by_their_words() {
    for anomaly in Anomaly::ALL {
        let (policy, faults) = one(&format!("a: {{\n match-anomaly: {}\n}}", anomaly.word()));
        let expected = if anomaly == Anomaly::Ech { vec!["EGP062"] } else { vec![] };
        assert_eq!(codes(&faults), expected);
        assert_eq!(policy.rules[0].conditions.anomalies, [anomaly]);
    }
    let two = rule("match-anomaly: no-sni, sni-mismatch").conditions.anomalies;
    assert_eq!(two, [Anomaly::NoSni, Anomaly::SniMismatch]);
    refused("match-anomaly: no_sni", &["EGP061"]);
    refused("match-anomaly: fronting", &["EGP061"]);
}

#[test]
fn what_is_broad_must_say_so() {
    for lines in [
        "match-domain: com",
        "match-domain: *.co.uk",
        "match-domain: *",
        "match-sni: com",
        "match-uri: https://co.uk/",
        "match-sni: *",
    ] {
        refused(lines, &["EGP034"]);
    }
    let broad = |lines: &str| rule(&format!("{lines}\nallow-broad: true")).conditions;
    assert_eq!(broad("match-domain: com").domains, [tree("com")]);
    assert_eq!(broad("match-domain: *, a.example"), Conditions::default());
    assert_eq!(broad("match-sni: *").sni, [SniPattern::Any]);
    refused("match-sni: =*\nallow-broad: true", &["EGP034"]);
    refused("match-domain: com\nallow-broad: false", &["EGP034"]);
}

#[test]
fn an_sni_is_stored_readably() {
    let stored = |pattern: SniPattern, expected: &str| {
        assert_eq!(serde_json::to_string(&pattern).unwrap(), expected);
        assert_eq!(serde_json::from_str::<SniPattern>(expected).unwrap(), pattern);
    };
    stored(SniPattern::Any, r#""any""#);
    stored(SniPattern::Name(tree("any")), r#"{"name":"any","scope":"tree"}"#);
    assert!(serde_json::from_str::<SniPattern>(r#""some""#).is_err());
}

#[test]
fn an_address_in_an_odd_spelling_is_named() {
    let said = |value: &str| {
        let (policy, faults) = one(&format!("a: {{\n match-domain: {value}\n}}"));
        assert_eq!(policy.rules.len(), 1, "{value}");
        let said = faults.iter().map(|fault| {
            assert_eq!(fault.severity, Severity::Warning, "{value}");
            format!("{} {}", fault.code.id(), fault.message)
        });
        said.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(said("5"), "EGP044 `5` is read as the address `0.0.0.5`");
    assert_eq!(said("=0x7f.1"), "EGP044 `=0x7f.1` is read as the address `127.0.0.1`");
    assert_eq!(said("a.example, 010.1.2.3"), "EGP044 `010.1.2.3` is read as the address `8.1.2.3`");
    for usual in ["192.0.2.1", "2001:db8::1", "\"[2001:db8::1]\"", "=192.0.2.1", "a5", "5.example"]
    {
        assert_eq!(said(usual), "", "{usual}");
    }
}

#[test]
fn a_prefix_that_permits_nothing_is_named() {
    let uri = "match-uri: https://a.test/x/a%20b/";
    for action in ["deny", "warn", "aup"] {
        refused(&format!("{uri}\n action: {action}"), &[]);
    }
    refused("match-uri: https://a.test/x/caf%C3%A9/\n action: permit", &[]);
    for lines in [format!("{uri}\n action: permit"), format!("action: accept\n {uri}")] {
        let (policy, faults) = one(&format!("a: {{\n {lines}\n}}"));
        assert_eq!((policy.rules.len(), codes(&faults)), (1, vec!["EGP045"]));
        let fault = faults.into_iter().next().unwrap();
        assert_eq!(fault.severity, Severity::Warning);
        let expected =
            "`https://a.test/x/a%20b/` permits nothing: no fully decoded request holds `%20`";
        assert_eq!(fault.message, expected);
        assert_eq!(fault.help.as_deref(), Some("permit the folder above, `https://a.test/x/`"));
    }
}

#[test]
fn domains_that_are_none() {
    for text in [
        "a..example",
        "http://a.example",
        "a.example:80",
        "a b",
        "a_%41.example",
        "-",
        "=*.a.example",
        "1.2.3.300",
        "a*.example",
    ] {
        if text == "-" {
            continue;
        }
        refused(&format!("match-domain: {text}"), &["EGP029"]);
    }
    refused("match-sni: 192.0.2.1", &["EGP029"]);
    refused("match-domain: \",\"", &["EGP009"]);
    refused("match-domain: \"a.example\\u0000\"", &["EGP011"]);
}

#[test]
fn addresses_ranges_classes_and_lists() {
    let (policy, faults) =
        one("a: {\n match-source: 10.0.0.0/8, 192.0.2.1-192.0.2.9, lists/office.txt\n\
        match-destination: loopback, any-literal\n match-destination: [2001:db8::1]\n}");
    assert_eq!(codes(&faults), Vec::<&str>::new());
    let conditions = &policy.rules[0].conditions;
    assert_eq!(conditions.sources.len(), 3);
    assert_eq!(conditions.sources[2], AddressPattern::List(ListIndex(0)));
    assert_eq!(policy.lists[0].path, "rules.d/lists/office.txt");
    assert_eq!(policy.lists[0].kind, ListKind::Addresses);
    assert_eq!(policy.lists[0].mention.line, 2);
    assert_eq!(policy.lists[0].mention.column, 49);
    assert_eq!(conditions.destinations[0], AddressPattern::Class(AddressClass::Loopback));
    assert_eq!(conditions.destinations.len(), 3);
    for lines in [
        "match-source: loopback",
        "match-source: 10.0.0.300",
        "match-source: office",
        "match-source: 010.0.0.1",
        "match-destination: loopbak",
        "match-source: 10.0.0.0/99",
    ] {
        refused(lines, &["EGP030"]);
    }
}

#[test]
fn texts_and_words() {
    let found = rule(
        "match-user-agent: Curl/8, and more\napplication: https\naction: warn\n\
        description: why, in # words\ncategory: tools",
    );
    assert_eq!(found.conditions.user_agents, ["curl/8, and more"]);
    assert_eq!(found.conditions.application, Application::Https);
    assert_eq!(found.action, crate::verdict::Action::Warn);
    assert_eq!(found.description.as_deref(), Some("why, in"));
    assert_eq!(found.category.as_deref(), Some("tools"));
    refused("match-domain: a.example\napplication: htps", &["EGP031"]);
    refused("match-domain: a.example\ncategory: two words", &["EGP033"]);
    refused("match-domain: a.example\nenabled: no", &["EGP032"]);
    refused("match-domain: a.example\naction: deny\naction: permit", &["EGP026"]);
    refused("match-domain: a.example\naction: [\ndeny\n permit ]", &["EGP026"]);
    refused(&format!("match-user-agent: {}", "x".repeat(2_001)), &["EGP042"]);
}

#[test]
fn actions_and_a_mistyped_one() {
    use crate::verdict::Action;
    for (word, action) in [
        ("permit", Action::Permit),
        ("accept", Action::Permit),
        ("deny", Action::Deny),
        ("block", Action::Deny),
        ("warn", Action::Warn),
        ("aup", Action::Aup),
    ] {
        assert_eq!(rule(&format!("match-domain: a.example\naction: {word}")).action, action);
    }
    assert_eq!(rule("match-domain: a.example").action, Action::Deny);
    let (policy, faults) = one("a: {\n match-domain: a.example\n action: alow\n}");
    assert_eq!(policy.rules[0].action, Action::Deny);
    assert_eq!((codes(&faults), faults[0].severity), (vec!["EGP027"], Severity::Warning));
}

#[test]
fn keys() {
    refused("match-domian: a.example", &["EGP020"]);
    refused("colour: red", &["EGP022", "EGP020"]);
    refused("action: deny", &["EGP022"]);
    refused("", &["EGP022"]);
    for (key, support) in attributes::table() {
        match support {
            Support::Evaluated(_) => {}
            Support::Excepted(_) | Support::Unknown => panic!("{key} is in the table otherwise"),
        }
    }
    for key in ["except-application", "except-action", "except-enabled", "match-time-window"] {
        refused(&format!("match-domain: a.example\n{key}: x"), &["EGP020"]);
    }
    refused("match-source: ./x.txt as hosts", &["EGP035"]);
    refused("match-domain-list: x.txt as hots", &["EGP035"]);
}

#[test]
fn names() {
    let named = |name: &str| codes(&one(&format!("{name}: {{\n match-domain: a.example\n}}")).1);
    assert_eq!(named("A-b_c.9"), Vec::<&str>::new());
    assert_eq!(named(&"x".repeat(129)), ["EGP023"]);
    assert_eq!(named("\"a b\""), ["EGP023"]);
    assert_eq!(named("\"\""), ["EGP023"]);
    for name in
        ["default-deny", "default-x", "invalid-request", "audit-unavailable", "engine-unavailable"]
    {
        assert_eq!(named(name), ["EGP024"], "{name}");
    }
    let (_, faults) = one("a: {\n match-domain: a.example\n}\na: {\n match-domain: b.example\n}");
    assert_eq!(codes(&faults), ["EGP025"]);
    let near = |name: &str| {
        let (_, faults) = one(&format!("{name}: {{\n match-domain: a.example\n}}"));
        faults.into_iter().next().and_then(|fault| fault.help)
    };
    assert_eq!(near("my rule").as_deref(), Some("write `my-rule`"));
    assert_eq!(near("\" a / b! \"").as_deref(), Some("write `a-b`"));
    for none in ["\"\"".to_owned(), "\"!\"".to_owned(), "default deny".to_owned(), "x".repeat(129)]
    {
        assert_eq!(near(&none), None, "{none}");
    }
}

#[test]
fn faults_come_in_the_order_of_their_lines() {
    let (_, faults) = one("a: {\n match-domian: x\n match-domain: y\n}\nb:\n match-domain: z\n}");
    assert_eq!(codes(&faults), ["EGP020", "EGP002"]);
    let (_, faults) = one("a: {\n match-domian: x\n match-domain y\n}");
    assert_eq!(codes(&faults), ["EGP020", "EGP003"]);
}

#[test]
fn ids_follow_the_load_order_and_disabled_rules_hold_none() {
    let text = "a: {\n match-domain: a.example\n}\nb: {\n match-domain-list: missing\n enabled: false\n}\nc: {\n match-domain: a.example\n}";
    let files = [(SourceFile::new("1", text), Trust::Operator)];
    let (policy, faults) = check_with(&files, |_| Err("not there".to_owned()));
    assert_eq!(codes(&faults), Vec::<&str>::new());
    let ids: Vec<_> = policy.rules.iter().map(|rule| (rule.id.0, rule.name.as_str())).collect();
    assert_eq!(ids, [(1, "a"), (2, "c")]);
    // A disabled rule is checked all the same.
    refused("match-domain: a..example\nenabled: false", &["EGP029"]);
}

#[test]
fn a_faulty_shared_file_is_left_out_whole() {
    let good = |name: &str| format!("{name}: {{\n match-domain-list: lists/{name}\n}}\n");
    let files = [
        (SourceFile::new("own/1.policy", good("a")), Trust::Operator),
        (SourceFile::new("shared/1.policy", good("b") + &good("a")), Trust::Shared),
        (SourceFile::new("shared/2.policy", good("gone") + &good("c")), Trust::Shared),
        (SourceFile::new("shared/3.policy", good("b") + &good("d")), Trust::Shared),
        (
            SourceFile {
                fault: Some("no UTF-8".to_owned()),
                ..SourceFile::new("shared/4.policy", "")
            },
            Trust::Shared,
        ),
    ];
    let mut asked = Vec::new();
    let (policy, faults) = check_with(&files, |list| {
        asked.push(list.path.clone());
        if list.path.ends_with("gone") { Err("no such file".to_owned()) } else { Ok(()) }
    });
    let names: Vec<_> = policy.rules.iter().map(|rule| (rule.id.0, rule.name.as_str())).collect();
    assert_eq!(names, [(1, "a"), (2, "b"), (3, "d")]);
    let lists: Vec<_> = policy.lists.iter().map(|list| list.path.as_str()).collect();
    assert_eq!(lists, ["own/lists/a", "shared/lists/b", "shared/lists/d"]);
    assert_eq!(policy.rules[2].conditions.domain_lists, [ListIndex(2)]);
    assert!(faults.iter().all(|fault| fault.severity == Severity::Warning));
    assert_eq!(codes(&faults), ["EGP025", "EGP039", "EGP036", "EGP039", "EGP013", "EGP039"]);
    assert_eq!(asked.iter().filter(|path| path.ends_with("/b")).count(), 1);
}

#[test]
fn a_fault_of_the_operator_is_an_error() {
    let files = [(SourceFile::new("1", "a: {\n match-domain-list: /x\n}"), Trust::Operator)];
    let (_, faults) = check_with(&files, |_| Err("no such file".to_owned()));
    assert_eq!((codes(&faults), faults[0].severity), (vec!["EGP036"], Severity::Error));
}

#[test]
fn list_paths_start_at_the_policy_file() {
    let path = |text: &str| {
        let (policy, _) = one(&format!("a: {{\n match-domain-list: {text}\n}}"));
        policy.lists.first().map(|list| list.path.clone())
    };
    assert_eq!(path("lists/a.txt").as_deref(), Some("rules.d/lists/a.txt"));
    assert_eq!(path("./lists/a.txt").as_deref(), Some("rules.d/lists/a.txt"));
    assert_eq!(path("../x/a.txt").as_deref(), Some("rules.d/../x/a.txt"));
    assert_eq!(path("/srv/a, b.txt").as_deref(), Some("/srv/a, b.txt"));
    assert_eq!(path("/srv/a.txt as plain").as_deref(), Some("/srv/a.txt"));
    assert_eq!(path("/srv/a.txt as hosts").as_deref(), Some("/srv/a.txt"));
    assert_eq!(path("/srv/ads/").as_deref(), Some("/srv/ads"));
    assert_eq!(path("/ as plain"), None);
}

#[track_caller]
fn drawn(text: &str) -> String {
    let (_, faults) = one(text);
    faults.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n\n")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of pictures")]
fn faults_are_drawn_with_their_line() {
    let block = |lines: &str| drawn(&format!("a: {{\n    {lines}\n}}\n"));
    insta::assert_snapshot!(block("match-domian: a.example"), @r#"
    error[EGP020]: unknown attribute `match-domian`
     --> rules.d/10-test.policy:2:5
      |
    2 |     match-domian: a.example
      |     ^^^^^^^^^^^^
      |
      = help: did you mean `match-domain`?
    "#);
    insta::assert_snapshot!(block("match-method: G/T"), @r#"
    error[EGP064]: `G/T` is no method
     --> rules.d/10-test.policy:2:19
      |
    2 |     match-method: G/T
      |                   ^^^
      |
      = help: A method is a token such as `GET`, `POST` or `CONNECT`.
    "#);
    insta::assert_snapshot!(block("match-port: 1\n    time-window: mon-fri 08:00-17:30, monday 8-9"), @r#"
    error[EGP066]: `monday 8-9` is no time window: it has no times
     --> rules.d/10-test.policy:3:39
      |
    3 |     time-window: mon-fri 08:00-17:30, monday 8-9
      |                                       ^^^^^^^^^^
      |
      = help: write days and times, such as `mon-fri 08:00-17:30`; a whole day is `00:00-24:00`
    "#);
    insta::assert_snapshot!(block("match-uri-regex: /img/(?!new)"), @r#"
    error[EGP051]: `(?!` looks at text that it does not take: nothing here backtracks on what a client sends
     --> rules.d/10-test.policy:2:22
      |
    2 |     match-uri-regex: /img/(?!new)
      |                      ^^^^^^^^^^^^
      |
      = help: Look-around needs an engine that backtracks, and a client could make that run for ever. Write only what must match, and put what must not into an exception of the rule, such as `except-uri-regex`.
    "#);
    insta::assert_snapshot!(block("match-domain: a.example\n    action: dney"), @r#"
    warning[EGP027]: `dney` is no action; the rule denies
     --> rules.d/10-test.policy:3:13
      |
    3 |     action: dney
      |             ^^^^
      |
      = help: did you mean `deny`?
    "#);
    insta::assert_snapshot!(block("match-domain: a.example\n    application: htps"), @r#"
    error[EGP031]: `htps` is no application
     --> rules.d/10-test.policy:3:18
      |
    3 |     application: htps
      |                  ^^^^
      |
      = help: did you mean `https`?
    "#);
    insta::assert_snapshot!(block("match-domain: a.example, co.uk"), @r#"
    error[EGP034]: `co.uk` covers a whole public suffix
     --> rules.d/10-test.policy:2:30
      |
    2 |     match-domain: a.example, co.uk
      |                              ^^^^^
      |
      = help: Name the domains that are meant. If the whole suffix is meant, say `allow-broad: true` in the rule.
    "#);
    insta::assert_snapshot!(block("match-domain: https://a.example/x"), @r#"
    error[EGP029]: `https://a.example/x` is no domain name: the host name holds a character that no host name can hold
     --> rules.d/10-test.policy:2:19
      |
    2 |     match-domain: https://a.example/x
      |                   ^^^^^^^^^^^^^^^^^^^
      |
      = help: a domain has no scheme and no path: write `a.example`, or use `match-uri`
    "#);
    insta::assert_snapshot!(block("match-source: 10.0.0.0/8, 0x7f.1"), @r#"
    error[EGP030]: `0x7f.1` is no address: an unusual spelling of 127.0.0.1; write it so
     --> rules.d/10-test.policy:2:31
      |
    2 |     match-source: 10.0.0.0/8, 0x7f.1
      |                               ^^^^^^
      |
      = help: Write an address, a CIDR such as `10.0.0.0/8`, a range such as `10.0.0.1-10.0.0.9`, or the path of a list of them.
    "#);
    insta::assert_snapshot!(block("match-destination: loopbak"), @r#"
    error[EGP030]: `loopbak` is no address: not an address, a CIDR or a range
     --> rules.d/10-test.policy:2:24
      |
    2 |     match-destination: loopbak
      |                        ^^^^^^^
      |
      = help: did you mean `loopback`?
    "#);
    insta::assert_snapshot!(drawn("a: {\n    action: deny\n}\n"), @r#"
    error[EGP022]: the rule `a` matches nothing
     --> rules.d/10-test.policy:1:1
      |
    1 | a: {
      | ^
      |
      = help: Say what the rule matches, with at least one `match-...` attribute.
    "#);
    insta::assert_snapshot!(drawn("a: {\n    match-domain: a.example\n\nb: {\n    match-domain: b.example\n}\n"), @r#"
    error[EGP004]: the block `a` is not closed before the block `b` starts in line 4
     --> rules.d/10-test.policy:1:1
      |
    1 | a: {
      | ^
      |
      = help: Put a `}` on a line of its own after the block's last attribute.
    "#);
    insta::assert_snapshot!(drawn("a: { match-domain: a.example }\n"), @r#"
    error[EGP010]: a bare value runs to the end of its line
     --> rules.d/10-test.policy:1:30
      |
    1 | a: { match-domain: a.example }
      |                              ^
      |
      = help: A bare value runs to the end of its line. Put the `}` on a line of its own, or quote the value.
    "#);
    insta::assert_snapshot!(drawn("default-deny: {\n    match-domain: a.example\n}\n"), @r#"
    error[EGP024]: the name `default-deny` is the engine's own
     --> rules.d/10-test.policy:1:1
      |
    1 | default-deny: {
      | ^^^^^^^^^^^^
      |
      = help: The engine uses this name for its own verdicts; choose another.
    "#);
    insta::assert_snapshot!(drawn("a: {\n match-domain: a.example\n}\na: {\n match-domain: b.example\n}\n"), @r#"
    error[EGP025]: the name `a` is taken
     --> rules.d/10-test.policy:4:1
      |
    4 | a: {
      | ^
      |
      = help: the other rule is in `rules.d/10-test.policy`, line 1; rename one of the two
    "#);
}
