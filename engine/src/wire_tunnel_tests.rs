//! Tunnels over the wire: the second question, what waits for it, and the tag that comes back.

use eg_policy::check::{Application, SniPattern};
use eg_policy::uri::UriPrefix;
use eg_policy::verdict::Tls as Says;
use eg_proto::Tls;

use super::*;

fn says(mut rule: CheckedRule, tls: Says) -> CheckedRule {
    rule.tls = Some(tls);
    rule
}

fn with(id: u32, name: &str, action: Asks, conditions: Conditions) -> CheckedRule {
    CheckedRule { conditions, ..rule(id, name, action, "unused.example") }
}

fn prefix(text: &str) -> Conditions {
    Conditions { uri: vec![UriPrefix::parse(text).unwrap()], ..Conditions::default() }
}

fn rules() -> Vec<CheckedRule> {
    let names = |name: &str| DomainPattern { name: name.into(), scope: Scope::Tree };
    let sni = vec![SniPattern::Name(names("by-sni.example"))];
    // The agent rule needs the server name too, so that a CONNECT cannot decide it.
    let fine = vec![SniPattern::Name(names("fine.example"))];
    let by_agent =
        Conditions { user_agents: vec!["badbot".to_owned()], sni: fine, ..Conditions::default() };
    let only = vec![SniPattern::Name(names("web-only.example"))];
    let application = Application::Connect;
    let tunnels = Conditions { application, sni: only, ..Conditions::default() };
    vec![
        rule(1, "games", Asks::Deny, "games.example"),
        says(rule(2, "worst", Asks::Deny, "worst.example"), Says::Terminate),
        says(rule(3, "bank", Asks::Permit, "bank.example"), Says::Splice),
        says(with(4, "path", Asks::Deny, prefix("deep.example/secret")), Says::Bump),
        with(5, "deaf", Asks::Deny, prefix("plain.example/secret")),
        with(6, "name", Asks::Deny, Conditions { sni, ..Conditions::default() }),
        with(7, "agent", Asks::Deny, by_agent),
        with(8, "tunnels", Asks::Deny, tunnels),
    ]
}

fn start() -> Engine {
    Engine::start_rules(vec![guest("squid", KEY, "127.0.0.1/32")], rules())
}

fn client(engine: &Engine, inspect: Inspect) -> Client {
    let mut client = Client::connect(engine.address());
    client.prove_as("squid", KEY, inspect).unwrap();
    client
}

fn connect(id: u64, uri: &str) -> Query<'_> {
    Query { phase: Phase::Connect, method: b"CONNECT", ..query(id, uri) }
}

fn hello<'a>(id: u64, uri: &'a str, sni: &'a str) -> Query<'a> {
    let sni = if sni.is_empty() { Sni::Absent } else { Sni::Name(sni.as_bytes()) };
    Query { phase: Phase::Hello, sni, ..connect(id, uri) }
}

fn acl<'a>(id: u64, uri: &'a str, sni: &'a str) -> Query<'a> {
    Query { role: Role::Acl, ..hello(id, uri, sni) }
}

#[test]
fn the_second_question_is_answered_with_a_word() {
    let engine = start();
    let cases = [
        // host, SNI, the word where Squid peeks and where it decrypts
        ("fine.example:443", "fine.example", Tls::Splice, Tls::Bump),
        ("fine.example:443", "", Tls::Splice, Tls::Bump),
        ("bank.example:443", "bank.example", Tls::Splice, Tls::Splice),
        ("deep.example:443", "deep.example", Tls::Bump, Tls::Bump),
        ("plain.example:443", "plain.example", Tls::Splice, Tls::Bump),
        // what blocks is shown inside, unless the rule has another word
        ("games.example:443", "games.example", Tls::Bump, Tls::Bump),
        ("fine.example:443", "GAMES.example.", Tls::Bump, Tls::Bump),
        ("fine.example:443", "by-sni.example", Tls::Bump, Tls::Bump),
        ("bank.example:443", "games.example", Tls::Bump, Tls::Bump),
        ("fine.example:443", "worst.example", Tls::Terminate, Tls::Terminate),
        // what cannot be read
        ("fine.example:443", "ga%6des.example", Tls::Terminate, Tls::Terminate),
        ("fine.example:443", "192.0.2.1", Tls::Terminate, Tls::Terminate),
        ("a@fine.example:443", "fine.example", Tls::Terminate, Tls::Terminate),
    ];
    for (inspect, pick) in [(Inspect::Peek, 0), (Inspect::Bump, 1)] {
        let mut client = client(&engine, inspect);
        for (host, sni, peek, bump) in cases {
            let said = client.ask(&[acl(1, host, sni)]).remove(0);
            let expected = [peek, bump][pick];
            assert_eq!(said.tls, Some(expected), "{host} {sni} {inspect:?}");
            let ended = expected == Tls::Terminate;
            assert_eq!(said.action == Action::Deny, ended, "{host} {sni}");
            assert_eq!((said.token.as_str(), said.tag.is_empty()), ("", ended), "{host} {sni}");
        }
    }
    // Before the first message of TLS nothing can be said but no.
    let early = Query { role: Role::Acl, ..connect(1, "fine.example:443") };
    assert_eq!(client(&engine, Inspect::Bump).ask(&[early])[0].tls, Some(Tls::Terminate));
    // An answer to the first question has no word.
    assert_eq!(client(&engine, Inspect::Peek).ask(&[connect(1, "bank.example:443")])[0].tls, None);
    let trail = engine.stop();
    let rules: Vec<_> = trail.iter().map(|line| line["rule"].as_str().unwrap()).collect();
    let once = ["worst", "invalid-request", "invalid-request", "invalid-request"];
    assert_eq!(rules, [&once[..], &once, &["invalid-request"]].concat());
    for line in &trail {
        assert_eq!((&line["tls"], &line["status"]), (&"terminate".into(), &().into()), "{line}");
    }
}

#[test]
fn the_names_of_a_tunnel_are_compared_inside_it() {
    let engine = start();
    let mut client = client(&engine, Inspect::Bump);
    let tag = client.ask(&[connect(1, "fine.example:443")]).remove(0).tag;
    let named = Query { tag: Some(tag.as_bytes()), ..acl(2, "fine.example:443", "fine.example") };
    let known = client.ask(&[named]).remove(0).tag;
    assert!(!known.is_empty() && known != tag);
    let inside = |id, uri: &'static str, tag| Query { tag: Some(tag), ..query(id, uri) };
    let said = client.ask(&[
        inside(3, "https://fine.example/a", known.as_bytes()),
        inside(4, "https://games.example/a", known.as_bytes()),
        query(5, "https://games.example/a"),
    ]);
    let actions: Vec<_> = said.iter().map(|answer| answer.action).collect();
    assert_eq!(actions, [Action::Permit, Action::Deny, Action::Deny]);
    assert!(said.iter().all(|answer| answer.tag.is_empty()), "a request inside starts nothing");
    // Denied by the CONNECT that it came through, though it names another host.
    let tag = client.ask(&[connect(6, "elsewhere.example:443")]).remove(0).tag;
    let sni =
        Query { tag: Some(tag.as_bytes()), ..acl(7, "elsewhere.example:443", "games.example") };
    let known = client.ask(&[sni]).remove(0).tag;
    let said = client.ask(&[inside(8, "https://elsewhere.example/", known.as_bytes())]);
    assert_eq!(said[0].action, Action::Deny);
    let trail = engine.stop();
    let anomalies: Vec<_> = trail.iter().map(|line| line["anomaly"].as_str()).collect();
    assert_eq!(anomalies, [Some("host-mismatch"), None, Some("sni-mismatch")]);
}

/// What denied a tunnel may not be there any more inside: that it is a CONNECT, its user agent.
#[test]
fn what_is_denied_by_its_hello_stays_denied_inside() {
    let engine = start();
    let mut client = client(&engine, Inspect::Peek);
    for (host, sni, agent, refused) in [
        ("web-only.example:443", "web-only.example", &b"curl"[..], true),
        ("elsewhere.example:443", "web-only.example", b"curl", true),
        ("fine.example:443", "fine.example", b"BadBot/1.0", true),
        ("fine.example:443", "fine.example", b"curl", false),
    ] {
        let first = Query { user_agent: Some(agent), ..connect(1, host) };
        let tag = client.ask(&[first]).remove(0).tag;
        let said = client.ask(&[Query { tag: Some(tag.as_bytes()), ..acl(2, host, sni) }]);
        let expected = if refused { Tls::Bump } else { Tls::Splice };
        assert_eq!(said[0].tls, Some(expected), "{host} {sni}");
        let tag = said[0].tag.as_bytes();
        let inner = Query {
            tag: Some(tag),
            user_agent: Some(b"curl"),
            ..query(3, "https://fine.example/")
        };
        let through = Query { tag: Some(tag), user_agent: None, ..hello(4, host, "fine.example") };
        for query in [inner, through] {
            let denied = client.ask(&[query]).remove(0).action == Action::Deny;
            assert!(denied || !refused, "{host} {sni} {query:?}");
        }
    }
    let trail = engine.stop();
    let rules: Vec<_> = trail.iter().map(|line| line["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"invalid-request"), "{rules:?}");
}

#[test]
fn a_scheme_that_a_tunnel_cannot_have_is_refused() {
    let engine = start();
    let mut client = client(&engine, Inspect::Bump);
    let tag = client.ask(&[connect(1, "fine.example:443")]).remove(0).tag;
    for (uri, action) in [
        ("https://fine.example/", Action::Permit),
        ("http://fine.example/", Action::Deny),
        ("ftp://fine.example/", Action::Deny),
    ] {
        let inner = Query { tag: Some(tag.as_bytes()), ..query(2, uri) };
        assert_eq!(client.ask(&[inner])[0].action, action, "{uri}");
        assert_eq!(client.ask(&[query(3, uri)])[0].action, Action::Permit, "{uri}");
    }
    engine.stop();
}

#[test]
fn the_portal_is_let_through_and_its_neighbours_are_not() {
    let rules = vec![rule(1, "portal-host", Asks::Deny, "portal.example")];
    let engine = Engine::start_rules(vec![guest("squid", KEY, "127.0.0.1/32")], rules);
    let said = engine.client().ask(&[
        query(1, "http://portal.example/blocked?v=1&p=abc"),
        query(2, "http://portal.example/"),
        query(3, "http://portal.example:8080/blocked"),
        connect(4, "portal.example:443"),
        Query { user_agent: Some(b"any"), ..query(5, "http://portal.example/style.css") },
    ]);
    let actions: Vec<_> = said.iter().map(|answer| answer.action).collect();
    let (permit, deny) = (Action::Permit, Action::Deny);
    assert_eq!(actions, [permit, deny, deny, deny, permit]);
    engine.stop();
}

#[test]
fn what_waits_for_a_later_question() {
    let engine = start();
    for (inspect, host, expected) in [
        (Inspect::Off, "deep.example:443", "default-permit"),
        // Rule 6 lacks the SNI and denies, and is looked at again with the `ClientHello`.
        (Inspect::Peek, "fine.example:443", "default-permit"),
        (Inspect::Peek, "games.example:443", "games"),
        (Inspect::Peek, "deep.example:443", "default-deferred"),
        (Inspect::Bump, "plain.example:443", "default-deferred"),
    ] {
        let mut client = client(&engine, inspect);
        let said = client.ask(&[connect(1, host)]).remove(0);
        let permits = expected.starts_with("default");
        assert_eq!(said.action == Action::Permit, permits, "{host} {inspect:?}");
        assert_eq!(said.tag.is_empty(), !permits, "{host} {inspect:?}");
        let waits = expected == "default-deferred";
        assert_eq!(said.tls, waits.then_some(Tls::Bump), "{host} {inspect:?}");
    }
    engine.stop();
}

#[test]
fn a_tag_brings_back_what_the_connect_knew() {
    let engine = start();
    let mut client = client(&engine, Inspect::Peek);
    let agents = [(None, ""), (Some(&b"A BadBot/1.0"[..]), "agent"), (Some(b"curl"), "")];
    for (agent, rule) in agents {
        let at_connect = Query { user_agent: agent, ..connect(1, "fine.example:443") };
        let tag = client.ask(&[at_connect]).remove(0).tag;
        for (told, expected) in [(Some(tag.as_bytes()), rule), (None, "")] {
            let hello = hello(2, "fine.example:443", "fine.example");
            let said = client.ask(&[
                Query { tag: told, ..hello },
                Query { tag: told, role: Role::Acl, ..hello },
            ]);
            let blocked = expected == "agent";
            assert_eq!(said[0].action == Action::Deny, blocked, "{agent:?}");
            let tls = if blocked { Tls::Bump } else { Tls::Splice };
            assert_eq!(said[1].tls, Some(tls), "{agent:?}");
        }
        // It is of this client and of no other, and a changed one is none.
        let mut changed = tag.clone().into_bytes();
        changed[40] ^= 1;
        for (told, from) in [(tag.as_bytes(), [10, 0, 0, 6]), (&changed, [10, 0, 0, 5])] {
            let hello = hello(3, "fine.example:443", "fine.example");
            let foreign = Query { tag: Some(told), client: IpAddr::from(from), ..hello };
            assert_eq!(client.ask(&[foreign])[0].action, Action::Permit, "{agent:?}");
        }
    }
    engine.stop();
}

/// Squid passes a tunnel through where the helper of the second question dies: the first question is
/// then asked with the server name, and refuses what was not to be passed through.
#[test]
fn a_tunnel_that_was_to_be_decrypted_is_not_passed_through() {
    let engine = start();
    let cases = [
        // host, SNI, whether it may be passed through where Squid looks nowhere, peeks, decrypts
        ("fine.example:443", "fine.example", [true, true, false]),
        ("fine.example:443", "", [true, true, false]),
        ("bank.example:443", "bank.example", [true, true, true]),
        ("deep.example:443", "deep.example", [true, false, false]),
        ("plain.example:443", "plain.example", [true, true, false]),
        ("fine.example:443", "worst.example", [false, false, false]),
        ("fine.example:443", "by-sni.example", [false, false, false]),
    ];
    for (index, inspect) in [Inspect::Off, Inspect::Peek, Inspect::Bump].into_iter().enumerate() {
        let mut client = client(&engine, inspect);
        for (host, sni, passes) in cases {
            let said = client.ask(&[hello(1, host, sni)]).remove(0);
            assert_eq!(said.action == Action::Permit, passes[index], "{host} {sni} {inspect:?}");
            assert_eq!(said.tls, None, "{host} {sni} {inspect:?}");
        }
    }
    engine.stop();
}
