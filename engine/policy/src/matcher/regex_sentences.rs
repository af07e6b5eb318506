//! The sentences of SPEC 3 and 4 about regular expressions; each verdict is the twin's, too, and the
//! same on both scanners.

use super::testing::{Ask, Sketch, Twins, domains, patterns};
use crate::build::BuildFault;
use crate::check::Conditions;
use crate::client::{Known, Tunnel};
use crate::decide::{Scratch, decide};
use crate::moment::Moment;
use crate::regex::{Backend, Comparer, Field, compile_all};
use crate::verdict::Action;

fn verdict_of(twins: &Twins, scratch: &mut Scratch, ask: &Ask) -> String {
    let now = Moment::from_unix_micros(0);
    ask.with(|request| {
        let fast = decide(&twins.ruleset, scratch, request, now);
        assert_eq!(fast, twins.naive.decide(request, now), "{ask:?}");
        format!("{} {}", fast.rule_name(), fast.action)
    })
    .unwrap_or_else(|| "malformed".into())
}

/// Asks for each and compares, on both scanners.
fn check(sketch: &Sketch, expected: &[(Ask, &str)]) {
    for backend in [Backend::built_in(), Backend::Regex] {
        let twins = sketch.build_for(backend).unwrap();
        let mut scratch = Scratch::new(&twins.ruleset);
        for (ask, verdict_expected) in expected {
            let verdict = verdict_of(&twins, &mut scratch, ask);
            assert_eq!(verdict, *verdict_expected, "{backend:?} {ask:?}");
        }
    }
}

fn of_uri(texts: &[&str]) -> Conditions {
    Conditions { uri_regexes: patterns(texts), ..Conditions::default() }
}

fn of_sni(texts: &[&str]) -> Conditions {
    Conditions { sni_regexes: patterns(texts), ..Conditions::default() }
}

fn of_agent(texts: &[&str]) -> Conditions {
    Conditions { user_agent_regexes: patterns(texts), ..Conditions::default() }
}

fn of_referer(texts: &[&str]) -> Conditions {
    Conditions { referer_regexes: patterns(texts), ..Conditions::default() }
}

fn agent(text: &str) -> Ask {
    Ask { user_agent: Known::Is(text.into()), ..Ask::get("http://h.example/") }
}

fn referer(text: &str) -> Ask {
    Ask { referer: Known::Is(text.into()), ..Ask::get("http://h.example/") }
}

const DEFAULT: &str = "default-permit permit";

#[test]
fn any_of_a_kind_and_all_kinds() {
    let conditions =
        Conditions { user_agent_regexes: patterns(&["^curl/"]), ..of_uri(&["/ads/", "banner"]) };
    let sketch = Sketch::default().rule(Action::Deny, conditions);
    let curl = |uri: &str| Ask { user_agent: Known::Is("curl/8".into()), ..Ask::get(uri) };
    check(
        &sketch,
        &[
            (curl("http://h.example/ads/x"), "rule-1 deny"),
            (curl("http://h.example/Banner.gif"), "rule-1 deny"),
            (curl("http://h.example/x"), DEFAULT),
            (Ask::get("http://h.example/ads/x"), DEFAULT),
        ],
    );
}

#[test]
fn the_lowest_id_wins() {
    let sketch = Sketch::default()
        .rule(Action::Warn, of_uri(&["second"]))
        .rule(Action::Deny, of_uri(&["first"]))
        .rule(Action::Aup, Conditions { domains: domains(&["h.example"]), ..of_uri(&["first"]) });
    check(
        &sketch,
        &[
            (Ask::get("http://h.example/first/second"), "rule-1 warn"),
            (Ask::get("http://h.example/first"), "rule-2 deny"),
            (Ask::get("http://h.example/"), DEFAULT),
        ],
    );
}

/// A block holds in any view, a permit only in every one.
#[test]
fn views_of_a_request() {
    let sneaky = "http://h.example/x/..%2fadmin/";
    let block = Sketch::default().rule(Action::Deny, of_uri(&["example/admin"]));
    let permit = |texts: &[&str]| {
        let mut sketch = Sketch::default().rule(Action::Permit, of_uri(texts));
        sketch.default_action = Some(Action::Deny);
        sketch
    };
    check(
        &block,
        &[
            (Ask::get(sneaky), "rule-1 deny"),
            (Ask::get("http://h.example/%61dmin"), "rule-1 deny"),
            (Ask::get("http://h.example/x/%2e%2e/admin"), "rule-1 deny"),
            (Ask::get("http://h.example/x/"), DEFAULT),
        ],
    );
    check(
        &permit(&["example/x/"]),
        &[
            (Ask::get("http://h.example/x/y"), "rule-1 permit"),
            (Ask::get(sneaky), "default-deny deny"),
        ],
    );
    // Other values may fit other views: what must fit in every view is the kind.
    check(&permit(&["example/x/", "example/admin"]), &[(Ask::get(sneaky), "rule-1 permit")]);
}

#[test]
fn a_tunnel_is_known_to_its_slash() {
    let rules = |text: &str| Sketch::default().rule(Action::Deny, of_uri(&[text]));
    let connect = |tunnel| Ask::connect("ads.example:443", tunnel);
    let hello = |tunnel| Ask::hello("ads.example:443", tunnel, Known::Is("ads.example"));
    for (text, opaque, decrypted) in [
        (r"^https://ads\.example/", "rule-1 deny", "rule-1 deny"),
        (r"ads\.example(/|$)", "rule-1 deny", "rule-1 deny"),
        (r"ads\.example/$", DEFAULT, "default-deferred permit"),
        (r"\.exe$", DEFAULT, "default-deferred permit"),
        ("^https://other/", DEFAULT, "default-deferred permit"),
    ] {
        check(
            &rules(text),
            &[
                (connect(Tunnel::Opaque), opaque),
                (hello(Tunnel::Opaque), opaque),
                (connect(Tunnel::Decrypted), decrypted),
                (hello(Tunnel::Decrypted), decrypted),
            ],
        );
    }
}

#[test]
fn a_server_name_is_known_after_the_hello() {
    let sketch = Sketch::default().rule(Action::Deny, of_sni(&[r"(^|\.)ads\.example$", "^x.*y$"]));
    let hello = |sni| Ask::hello("h.example:443", Tunnel::Decrypted, sni);
    check(
        &sketch,
        &[
            (hello(Known::Is("ads.example")), "rule-1 deny"),
            (hello(Known::Is("a.b.ads.example")), "rule-1 deny"),
            (hello(Known::Is("ADS.Example.")), "rule-1 deny"),
            (hello(Known::Is("xaby")), "rule-1 deny"),
            (hello(Known::Is("bads.example")), DEFAULT),
            (hello(Known::Is("ads.example.org")), DEFAULT),
            (hello(Known::Absent), DEFAULT),
            (hello(Known::Unknown), "default-deferred permit"),
            (Ask::connect("ads.example:443", Tunnel::Decrypted), "default-deferred permit"),
            (Ask::connect("ads.example:443", Tunnel::Opaque), DEFAULT),
        ],
    );
}

#[test]
fn headers_are_known_where_they_are_sent() {
    let agents = Sketch::default().rule(Action::Deny, of_agent(&["bot\\b", "(?-i)Evil"]));
    let hello = Ask::hello("h.example:443", Tunnel::Decrypted, Known::Absent);
    let connect = Ask::connect("h.example:443", Tunnel::Decrypted);
    check(
        &agents,
        &[
            (agent("GoogleBot/2"), "rule-1 deny"),
            (agent("Evil"), "rule-1 deny"),
            (agent("evil robots"), DEFAULT),
            (Ask { user_agent: Known::Absent, ..agent("") }, DEFAULT),
            (hello.clone(), "default-deferred permit"),
            (Ask { user_agent: Known::Is("bot".into()), ..connect.clone() }, "rule-1 deny"),
        ],
    );
    let referers = Sketch::default().rule(Action::Deny, of_referer(&["^https?://ads\\."]));
    check(
        &referers,
        &[
            (referer("https://ADS.example/x"), "rule-1 deny"),
            (referer("https://h.example/?https://ads.example"), DEFAULT),
            (Ask::get("http://ads.example/"), DEFAULT),
            (Ask { referer: Known::Unknown, ..Ask::get("http://h.example/") }, DEFAULT),
            (
                Ask { referer: Known::Is("https://ads.x".into()), ..hello },
                "default-deferred permit",
            ),
            (
                Ask { referer: Known::Is("https://ads.x".into()), ..connect },
                "default-deferred permit",
            ),
        ],
    );
}

/// What is looked up is known, and means the same, wherever it would be if it were scanned for.
#[test]
fn patterns_in_disguise_hold_in_every_phase_and_for_every_name() {
    let host = &[r"^https?://([^/]+\.)?ads\.example/"];
    let block = Sketch::default().rule(Action::Deny, of_uri(host));
    let mut permit = Sketch::default().rule(Action::Permit, of_uri(host));
    permit.default_action = Some(Action::Deny);
    let connect = |authority: &str| Ask::connect(authority, Tunnel::Opaque);
    let hello = |sni| Ask::hello("cdn.example:443", Tunnel::Opaque, Known::Is(sni));
    let earlier = |host: &str, port| Some((host.to_owned(), port, Known::Absent, Known::Absent));
    let inside = |host: &str, port| Ask {
        tunnel: Tunnel::Decrypted,
        earlier: earlier(host, port),
        ..Ask::get("https://cdn.example/x")
    };
    let own = |port| Ask {
        tunnel: Tunnel::Decrypted,
        earlier: earlier("ads.example", port),
        ..Ask::get("https://ads.example/x")
    };
    check(
        &block,
        &[
            (connect("ads.example:443"), "rule-1 deny"),
            (connect("x.y.ADS.example.:443"), "rule-1 deny"),
            (connect("badads.example:443"), DEFAULT),
            // The port stands between the name and the slash.
            (connect("ads.example:8443"), DEFAULT),
            (hello("www.ads.example"), "rule-1 deny"),
            (hello("ads.example.org"), DEFAULT),
            (inside("ads.example", 443), "rule-1 deny"),
            (inside("ads.example", 8443), DEFAULT),
            (inside("other.example", 443), DEFAULT),
            (own(443), "rule-1 deny"),
            (own(8443), "rule-1 deny"),
            (Ask::get("ftp://ads.example/"), DEFAULT),
            (Ask::get("http://h.example/?https://ads.example/"), DEFAULT),
        ],
    );
    check(
        &permit,
        &[
            (connect("ads.example:443"), "rule-1 permit"),
            (own(443), "rule-1 permit"),
            (own(8443), "default-deny deny"),
            (inside("ads.example", 443), "default-deny deny"),
        ],
    );
    // A literal with an end is unknown in a tunnel, one with a start is known.
    let ends = Sketch::default()
        .rule(Action::Deny, of_uri(&[r"\.exe$", r"example/$"]))
        .rule(Action::Warn, of_uri(&["^https://ads"]));
    check(
        &ends,
        &[
            (connect("ads.example:443"), "rule-2 warn"),
            (connect("h.example:443"), DEFAULT),
            (Ask::connect("ads.example:443", Tunnel::Decrypted), "default-deferred permit"),
            (Ask::get("https://ads.example/"), "rule-1 deny"),
            (Ask::get("https://ads.example/x/..%2f"), "rule-1 deny"),
            (Ask::get("https://h.example/a.EXE"), "rule-1 deny"),
            (Ask::get("https://h.example/a.exe?"), DEFAULT),
        ],
    );
}

/// A rule that has another attribute is not found by its pattern, and ten thousand that share their
/// client are.
#[test]
fn few_rules_are_looked_at() {
    let mut sketch = Sketch::default();
    for number in 0..2_000 {
        let text = format!("/path{number}x");
        let conditions = Conditions {
            sources: vec![crate::check::AddressPattern::Range(crate::check::AddressRange {
                first: "10.0.0.0".parse().unwrap(),
                last: "10.255.255.255".parse().unwrap(),
            })],
            ..of_uri(&[&text])
        };
        sketch = sketch.rule(Action::Deny, conditions);
    }
    let twins = sketch.build();
    assert_eq!(twins.ruleset.candidates(&Ask::get("http://h.example/path77x")), 1);
    assert_eq!(twins.ruleset.candidates(&Ask::get("http://h.example/")), 0);
    let mut scratch = Scratch::new(&twins.ruleset);
    let ask = Ask::get("http://h.example/path77x");
    assert_eq!(verdict_of(&twins, &mut scratch, &ask), "rule-78 deny");
}

/// Where no scanner can tell, rules that block hold and rules that permit do not.
#[test]
fn what_cannot_be_scanned_is_stopped() {
    let sketch = Sketch::default()
        .rule(Action::Permit, of_uri(&["good"]))
        .rule(Action::Deny, of_uri(&["evil"]));
    let twins = sketch.build_for(Backend::Regex).unwrap();
    let mut scratch = Scratch::new(&twins.ruleset);
    let now = Moment::from_unix_micros(0);
    let ask = Ask::get("http://h.example/good");
    assert_eq!(verdict_of(&twins, &mut scratch, &ask), "rule-1 permit");
    scratch.lose_memory();
    let stopped = ask
        .with(|request| decide(&twins.ruleset, &mut scratch, request, now).rule_name().to_owned());
    assert_eq!(stopped.as_deref(), Some("rule-2"));
    scratch.fit(&twins.ruleset);
    assert_eq!(verdict_of(&twins, &mut scratch, &ask), "rule-1 permit");
}

#[test]
fn a_ruleset_without_its_shards_is_not_built() {
    let twins = Sketch::default().rule(Action::Deny, of_uri(&["ads"])).build();
    let other = Sketch::default().rule(Action::Deny, of_uri(&["other"])).build();
    let index =
        || std::sync::Arc::new(super::DomainIndex::open(super::write_index(&[], 1)).unwrap());
    for regexes in [Vec::new(), compile_all(&other.compiled, Backend::Regex).unwrap()] {
        let loaded = crate::build::Loaded {
            index: index(),
            addresses: Vec::new(),
            regexes,
            users: Vec::new(),
            zone: crate::zone::Zone::utc(),
        };
        let fault = crate::build::build(&twins.compiled, loaded).unwrap_err();
        assert!(matches!(fault, BuildFault::NoSuchShard { patterns: 1, .. }), "{fault}");
        assert!(fault.to_string().contains("match-uri-regex"), "{fault}");
    }
}

#[test]
fn a_comparer_agrees_with_what_is_right_and_catches_what_is_not() {
    let texts: Vec<String> = (0..50).map(|number| format!("ads{number}x")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let twins = Sketch::default()
        .rule(Action::Deny, of_uri(&texts))
        .rule(Action::Deny, of_sni(&[r"(^|\.)ads\.example$", "^ads"]))
        .build();
    let mut comparer = Comparer::new();
    for round in 0..20 {
        let text = format!("http://h.example/ads{round}x");
        assert_eq!(comparer.compare(&twins.ruleset, Field::Uri, text.as_bytes()), []);
        assert_eq!(comparer.compare(&twins.ruleset, Field::Sni, b"a.ads.example"), []);
        assert_eq!(comparer.compare(&twins.ruleset, Field::Referer, b"ads1x"), []);
    }
    // A shard that lost its memory says nothing, which the comparer notices in every pattern it takes.
    let twins = Sketch::default().rule(Action::Deny, of_uri(&texts)).build_for(Backend::Regex);
    let twins = twins.unwrap();
    let mut comparer = Comparer::new();
    assert_eq!(comparer.compare(&twins.ruleset, Field::Uri, b"x"), []);
    comparer.lose_memory();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..7 {
        let found = comparer.compare(&twins.ruleset, Field::Uri, b"ads7x");
        assert!((1..=8).contains(&found.len()), "{found:?}");
        seen.extend(found.into_iter().map(|one| one.pattern));
    }
    // Every pattern has had its turn.
    assert_eq!(seen.len(), 50);
}
