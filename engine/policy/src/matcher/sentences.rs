//! The sentences of SPEC 3 and 4 about verdicts, one test each; and each verdict is the twin's, too.

use crate::build::BuildFault;
use crate::check::{
    AddressClass, AddressPattern, AddressRange, Application, Conditions, ListIndex, ListKind,
    SniPattern,
};
use crate::client::{Known, Tunnel};
use crate::decide::{Scratch, decide};
use crate::digest::Digest;
use crate::matcher::testing::{Ask, Sketch, Twins, domains, prefixes};
use crate::moment::Moment;
use crate::verdict::Action;

/// The verdict as `rule-1 deny`, or with the list behind it.
fn verdict(twins: &Twins, ask: &Ask) -> String {
    let now = Moment::from_unix_micros(0);
    let mut scratch = Scratch::new(&twins.ruleset);
    ask.with(|request| {
        let fast = decide(&twins.ruleset, &mut scratch, request, now);
        assert_eq!(fast, twins.naive.decide(request, now), "{ask:?}");
        let list = fast.list().map(|list| format!(" by {list}")).unwrap_or_default();
        format!("{} {}{list}", fast.rule_name(), fast.action)
    })
    .unwrap_or_else(|| "malformed".into())
}

/// Asks for each URI and compares.
fn check(sketch: &Sketch, expected: &[(&str, &str)]) {
    let twins = sketch.build();
    for (uri, verdict_expected) in expected {
        assert_eq!(verdict(&twins, &Ask::get(uri)), *verdict_expected, "{uri}");
    }
}

fn one(action: Action, conditions: Conditions) -> Sketch {
    Sketch::default().rule(action, conditions)
}

fn of_domains(names: &[&str]) -> Conditions {
    Conditions { domains: domains(names), ..Conditions::default() }
}

fn of_uri(texts: &[&str]) -> Conditions {
    Conditions { uri: prefixes(texts), ..Conditions::default() }
}

fn of_lists(lists: &[u32]) -> Conditions {
    let domain_lists = lists.iter().copied().map(ListIndex).collect();
    Conditions { domain_lists, ..Conditions::default() }
}

fn of_sni(names: &[&str]) -> Conditions {
    let sni = domains(names).into_iter().map(SniPattern::Name).collect();
    Conditions { sni, ..Conditions::default() }
}

fn of_agent(text: &str) -> Conditions {
    Conditions { user_agents: vec![text.into()], ..Conditions::default() }
}

#[test]
fn the_lowest_id_wins_on_every_match_path() {
    let source = AddressPattern::Range(AddressRange {
        first: "10.0.0.0".parse().unwrap(),
        last: "10.255.255.255".parse().unwrap(),
    });
    let kinds = [
        of_domains(&["example.com"]),
        of_uri(&["example.com"]),
        of_lists(&[0]),
        of_agent("mozilla"),
        Conditions { sources: vec![source], ..Conditions::default() },
        Conditions { application: Application::Http, ..Conditions::default() },
    ];
    for first in &kinds {
        for second in &kinds {
            let sketch = Sketch::default()
                .rule(Action::Warn, first.clone())
                .rule(Action::Deny, second.clone())
                .list(ListKind::Domains, "example.com\n");
            let twins = sketch.build();
            let given = verdict(&twins, &Ask::get("http://www.example.com/"));
            let given = given.split(" by ").next().unwrap_or_default();
            let prefix_of_other_host = *first == kinds[1];
            let expected = match (prefix_of_other_host, *second == kinds[1]) {
                (true, true) => "default-permit permit",
                (true, false) => "rule-2 deny",
                (false, _) => "rule-1 warn",
            };
            assert_eq!(given, expected, "{first:?} {second:?}");
        }
    }
}

#[test]
fn a_name_covers_what_is_below_it_and_an_equals_sign_the_host_alone() {
    check(
        &one(Action::Deny, of_domains(&["tree.test", "=host.test"])),
        &[
            ("http://tree.test/", "rule-1 deny"),
            ("http://a.b.tree.test./", "rule-1 deny"),
            ("http://nottree.test/", "default-permit permit"),
            ("http://tree.test.evil.com/", "default-permit permit"),
            ("http://HOST.test/", "rule-1 deny"),
            ("http://www.host.test/", "default-permit permit"),
        ],
    );
}

#[test]
fn a_parent_in_a_list_names_the_host_and_the_list_is_reported() {
    let sketch = one(Action::Deny, of_lists(&[0, 1]))
        .rule(Action::Warn, of_lists(&[2]))
        .list(ListKind::Domains, "bad.test\n")
        .list(ListKind::Domains, "bad.test\nworse.test\n=only.test\n")
        .list(ListKind::Domains, "worse.test\nodd.test\n");
    check(
        &sketch,
        &[
            ("http://www.bad.test/", "rule-1 deny by lists/list-0.txt"),
            ("http://a.b.worse.test/", "rule-1 deny by lists/list-1.txt"),
            ("http://odd.test/", "rule-2 warn by lists/list-2.txt"),
            ("http://only.test/", "rule-1 deny by lists/list-1.txt"),
            ("http://www.only.test/", "default-permit permit"),
            ("http://good.test/", "default-permit permit"),
        ],
    );
}

#[test]
fn the_host_part_of_a_prefix_matches_whole() {
    check(
        &one(Action::Deny, of_uri(&["https://a.example", "b.example:8080/x"])),
        &[
            ("https://a.example/any", "rule-1 deny"),
            ("https://a.example:444/any", "rule-1 deny"),
            ("http://a.example/any", "default-permit permit"),
            ("https://a.example.evil.com/", "default-permit permit"),
            ("https://www.a.example/", "default-permit permit"),
            ("http://b.example:8080/xyz", "rule-1 deny"),
            ("https://b.example:8080/x", "rule-1 deny"),
            ("http://b.example/x", "default-permit permit"),
            ("http://b.example:8080/y", "default-permit permit"),
        ],
    );
}

#[test]
fn a_rule_that_blocks_holds_in_any_view() {
    check(
        &one(Action::Deny, of_uri(&["a.test/b"])),
        &[
            ("http://a.test/b", "rule-1 deny"),
            ("http://a.test/x/../b", "rule-1 deny"),
            ("http://a.test/%2562", "rule-1 deny"),
            ("http://a.test/x\\..\\b", "rule-1 deny"),
            ("http://a.test/c", "default-permit permit"),
        ],
    );
}

#[test]
fn a_rule_that_permits_holds_only_in_every_view() {
    let sketch = one(Action::Permit, of_uri(&["a.test/b"])).rule(Action::Deny, of_uri(&["a.test"]));
    check(
        &sketch,
        &[
            ("http://a.test/b", "rule-1 permit"),
            ("http://a.test/%2562", "rule-2 deny"),
            ("http://a.test/b\\..\\c", "rule-2 deny"),
            ("http://a.test/b/..%2fc", "rule-2 deny"),
        ],
    );
}

#[test]
fn an_sni_is_a_second_name_of_the_host() {
    for (action, host, sni, expected) in [
        (Action::Deny, "good.test", "bad.test", "rule-1 deny"),
        (Action::Deny, "bad.test", "good.test", "rule-1 deny"),
        (Action::Deny, "192.0.2.1", "www.bad.test", "rule-1 deny"),
        (Action::Deny, "good.test", "good.test", "default-permit permit"),
        (Action::Permit, "bad.test", "bad.test", "rule-1 permit"),
        (Action::Permit, "bad.test", "good.test", "default-permit permit"),
        (Action::Permit, "good.test", "bad.test", "default-permit permit"),
    ] {
        let twins = one(action, of_domains(&["bad.test"])).build();
        let ask = Ask::hello(&format!("{host}:443"), Tunnel::Opaque, Known::Is(sni));
        assert_eq!(verdict(&twins, &ask), expected, "{action} {host} {sni}");
    }
}

#[test]
fn an_unknown_defers_only_where_the_tunnel_is_decrypted() {
    let sketch =
        one(Action::Deny, of_uri(&["a.test/b"])).rule(Action::Warn, of_domains(&["a.test"]));
    let twins = sketch.build();
    for (tunnel, expected) in
        [(Tunnel::Decrypted, "default-deferred permit"), (Tunnel::Opaque, "rule-2 warn")]
    {
        assert_eq!(verdict(&twins, &Ask::connect("a.test:443", tunnel)), expected);
        let hello = Ask::hello("a.test:443", tunnel, Known::Is("a.test"));
        assert_eq!(verdict(&twins, &hello), expected);
        let other = Ask::connect("other.test:443", tunnel);
        assert_eq!(verdict(&twins, &other), "default-permit permit");
    }
}

#[test]
fn a_yes_before_the_unknown_decides() {
    let sketch =
        one(Action::Warn, of_domains(&["a.test"])).rule(Action::Deny, of_uri(&["a.test/b"]));
    let ask = Ask::connect("a.test:443", Tunnel::Decrypted);
    assert_eq!(verdict(&sketch.build(), &ask), "rule-1 warn");
}

#[test]
fn a_no_beside_the_unknown_does_not_defer() {
    let conditions = Conditions { domains: domains(&["b.test"]), ..of_agent("bot") };
    let twins = one(Action::Deny, conditions).build();
    let ask = Ask::hello("a.test:443", Tunnel::Decrypted, Known::Absent);
    assert_eq!(verdict(&twins, &ask), "default-permit permit");
    let ask = Ask::hello("b.test:443", Tunnel::Decrypted, Known::Absent);
    assert_eq!(verdict(&twins, &ask), "default-deferred permit");
}

#[test]
fn a_prefix_without_a_path_decides_a_connect() {
    for (prefix, expected) in [
        ("https://a.test/", "rule-1 deny"),
        ("a.test", "rule-1 deny"),
        ("a.test:443", "rule-1 deny"),
        ("a.test:444", "default-permit permit"),
        ("http://a.test/", "default-permit permit"),
        ("b.test", "default-permit permit"),
    ] {
        let twins = one(Action::Deny, of_uri(&[prefix])).build();
        for tunnel in [Tunnel::Opaque, Tunnel::Decrypted] {
            let ask = Ask::connect("a.test:443", tunnel);
            assert_eq!(verdict(&twins, &ask), expected, "{prefix}");
        }
    }
}

#[test]
fn any_sni_is_known_and_not_absent() {
    // Found by nothing, and by another attribute beside a name of its own.
    let any = vec![SniPattern::Any];
    let alone = Conditions { sni: any.clone(), ..Conditions::default() };
    let sni = of_sni(&["c.test"]).sni.into_iter().chain(any).collect();
    let beside = Conditions { sni, ..of_domains(&["a.test"]) };
    for conditions in [alone, beside] {
        let twins = one(Action::Deny, conditions).build();
        let hello = |sni| verdict(&twins, &Ask::hello("a.test:443", Tunnel::Decrypted, sni));
        assert_eq!(hello(Known::Is("a.test")), "rule-1 deny");
        assert_eq!(hello(Known::Is("b.test")), "rule-1 deny");
        assert_eq!(hello(Known::Absent), "default-permit permit");
        let connect = |tunnel| verdict(&twins, &Ask::connect("a.test:443", tunnel));
        assert_eq!(connect(Tunnel::Decrypted), "default-deferred permit");
        assert_eq!(connect(Tunnel::Opaque), "default-permit permit");
    }
}

#[test]
fn an_sni_is_unknown_before_the_hello_and_may_be_absent_after_it() {
    let twins = one(Action::Deny, of_sni(&["a.test"])).build();
    let connect = |tunnel| verdict(&twins, &Ask::connect("a.test:443", tunnel));
    assert_eq!(connect(Tunnel::Decrypted), "default-deferred permit");
    assert_eq!(connect(Tunnel::Opaque), "default-permit permit");
    let hello = |sni| verdict(&twins, &Ask::hello("a.test:443", Tunnel::Decrypted, sni));
    assert_eq!(hello(Known::Is("www.a.test")), "rule-1 deny");
    assert_eq!(hello(Known::Is("b.test")), "default-permit permit");
    assert_eq!(hello(Known::Absent), "default-permit permit");
}

#[test]
fn a_user_agent_is_lost_in_the_hello() {
    let twins = one(Action::Deny, of_agent("mozilla/5")).build();
    assert_eq!(verdict(&twins, &Ask::connect("a.test:443", Tunnel::Opaque)), "rule-1 deny");
    let hello = |tunnel| verdict(&twins, &Ask::hello("a.test:443", tunnel, Known::Absent));
    assert_eq!(hello(Tunnel::Decrypted), "default-deferred permit");
    assert_eq!(hello(Tunnel::Opaque), "default-permit permit");
    assert_eq!(verdict(&twins, &Ask::get("http://a.test/")), "rule-1 deny");
}

#[test]
fn destinations_are_addresses_in_any_spelling_and_never_names() {
    let class = |class| Conditions {
        destinations: vec![AddressPattern::Class(class)],
        ..Conditions::default()
    };
    for (of, uri, expected) in [
        (AddressClass::Loopback, "http://2130706433/", "rule-1 deny"),
        (AddressClass::Loopback, "http://0/", "rule-1 deny"),
        (AddressClass::Loopback, "http://[::1]/", "rule-1 deny"),
        (AddressClass::Loopback, "http://[::ffff:127.0.0.1]/", "rule-1 deny"),
        (AddressClass::Loopback, "http://localhost/", "default-permit permit"),
        (AddressClass::Private, "http://0xc0.0250.1/", "rule-1 deny"),
        (AddressClass::Private, "http://[fd00::1]/", "rule-1 deny"),
        (AddressClass::LinkLocal, "http://169.254.169.254/", "rule-1 deny"),
        (AddressClass::LinkLocal, "http://[fe80::1]/", "rule-1 deny"),
        (AddressClass::AnyLiteral, "http://198.51.100.7/", "rule-1 deny"),
        (AddressClass::AnyLiteral, "http://name.test/", "default-permit permit"),
    ] {
        check(&one(Action::Deny, class(of)), &[(uri, expected)]);
    }
}

#[test]
fn https_is_https_and_connect_alike() {
    let conditions = |application| Conditions { application, ..of_domains(&["a.test"]) };
    for (application, get, connect) in [
        (Application::Https, "default-permit permit", "rule-1 deny"),
        (Application::Http, "rule-1 deny", "default-permit permit"),
        (Application::Connect, "default-permit permit", "rule-1 deny"),
        (Application::Any, "rule-1 deny", "rule-1 deny"),
    ] {
        let twins = one(Action::Deny, conditions(application)).build();
        assert_eq!(verdict(&twins, &Ask::get("http://a.test/")), get);
        let ask = Ask::connect("a.test:443", Tunnel::Opaque);
        assert_eq!(verdict(&twins, &ask), connect);
    }
}

#[test]
fn kinds_are_anded_and_the_default_action_has_its_own_name() {
    let conditions = Conditions { user_agents: vec!["bot".into()], ..of_domains(&["a.test"]) };
    let mut sketch = one(Action::Deny, conditions);
    check(&sketch, &[("http://a.test/", "default-permit permit")]);
    for (action, expected) in
        [(Action::Deny, "default-deny deny"), (Action::Warn, "default-warn warn")]
    {
        sketch.default_action = Some(action);
        check(&sketch, &[("http://a.test/", expected)]);
    }
}

#[test]
fn ten_thousand_rules_are_not_walked() {
    let shared = (0..10_000).fold(Sketch::default(), |sketch, number: u32| {
        let address = std::net::IpAddr::from((0x0b00_0000_u32 + number).to_be_bytes());
        let range = AddressRange { first: address, last: address };
        let sources = vec![AddressPattern::Range(range)];
        sketch.rule(Action::Deny, Conditions { sources, ..of_lists(&[0]) })
    });
    let twins = shared.list(ListKind::Domains, "bad.test\n").build();
    let mut ask = Ask::get("http://www.bad.test/");
    assert_eq!(twins.ruleset.candidates(&ask), 0);
    ask.client = "11.0.0.9".parse().unwrap();
    assert_eq!(twins.ruleset.candidates(&ask), 1);
    assert_eq!(verdict(&twins, &ask), "rule-10 deny by lists/list-0.txt");
}

#[test]
fn rules_are_found_by_their_names() {
    let twins = one(Action::Deny, of_domains(&["a.test"]))
        .rule(Action::Deny, of_domains(&["b.test"]))
        .build();
    assert_eq!(twins.ruleset.find("rule-2").map(|rule| rule.id.0), Some(2));
    assert_eq!(twins.ruleset.find("rule-3"), None);
}

#[test]
fn a_digest_covers_what_decides_and_nothing_else() {
    let twins =
        one(Action::Deny, of_domains(&["a.test"])).list(ListKind::Domains, "b.test\n").build();
    let same = |change: fn(&mut crate::compile::CompiledPolicy)| {
        let mut other = twins.compiled.clone();
        change(&mut other);
        other.digest() == twins.ruleset.digest()
    };
    assert!(same(|_| ()));
    assert!(same(|other| other.rules[0].line = 99));
    assert!(same(|other| other.lists[0].source = Digest::of(b"other")));
    assert!(!same(|other| other.rules[0].action = Action::Permit));
    assert!(!same(|other| other.rules[0].name = "other".into()));
    assert!(!same(|other| other.rules[0].conditions.domains.clear()));
    assert!(!same(|other| other.lists[0].set = Digest::of(b"other")));
    assert!(!same(|other| other.default_action = Action::Deny));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let fault = |sketch: Sketch| sketch.try_build().err();
    let missing = Some(BuildFault::NoSuchList { rule: "rule-1".into(), index: 4 });
    assert_eq!(fault(one(Action::Deny, of_lists(&[4]))), missing);
    let wrong_kind = one(Action::Deny, of_lists(&[0])).list(ListKind::Addresses, "192.0.2.1\n");
    let missing = Some(BuildFault::NoSuchList { rule: "rule-1".into(), index: 0 });
    assert_eq!(fault(wrong_kind), missing);
    let sources = vec![AddressPattern::List(ListIndex(7))];
    let missing = Some(BuildFault::NoSuchList { rule: "rule-1".into(), index: 7 });
    assert_eq!(fault(one(Action::Deny, Conditions { sources, ..Conditions::default() })), missing);
}
