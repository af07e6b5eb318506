//! Users, methods, ports, exceptions and monitoring over the wire: what a query says reaches the rules, and what
//! a monitored rule would have done reaches the trail.

use eg_policy::check::{Mode, PortRange, UserPattern, Validity};
use eg_policy::moment::Moment;

use super::*;

fn rules() -> Vec<CheckedRule> {
    let with = |id, name: &str, conditions| CheckedRule {
        conditions,
        ..rule(id, name, Asks::Deny, "unused.example")
    };
    let users = vec![UserPattern::Name("ada".to_owned())];
    let methods = vec!["POST".to_owned()];
    let ports = vec![PortRange { first: 8000, last: 8999 }];
    let tried = rule(1, "tried", Asks::Warn, "tried.example");
    let over = rule(5, "over", Asks::Deny, "over.example");
    vec![
        CheckedRule { mode: Mode::Monitor, ..tried },
        with(2, "user", Conditions { users: users.clone(), ..Conditions::default() }),
        CheckedRule {
            except: Some(Box::new(Conditions {
                users,
                ports: ports.clone(),
                ..Conditions::default()
            })),
            ..with(3, "method", Conditions { methods, ..Conditions::default() })
        },
        with(4, "port", Conditions { ports, ..Conditions::default() }),
        CheckedRule {
            validity: Validity { from: None, until: Some(Moment::from_unix_micros(1)) },
            ..over
        },
    ]
}

#[test]
fn what_a_query_says_reaches_the_rules_and_the_trail() {
    let engine = Engine::start_rules(vec![guest("squid", KEY, "127.0.0.1/32")], rules());
    let mut client = engine.client();
    let asked = [
        Query { user: Some(b"ada"), ..query(1, "http://a.example/") },
        Query { user: Some(b"Ada"), ..query(2, "http://a.example/") },
        Query { method: b"post", ..query(3, "http://a.example/") },
        Query { method: b"POST", ..query(4, "http://a.example:8080/") },
        query(5, "http://a.example:9000/"),
        query(6, "http://over.example/"),
        query(7, "http://tried.example/"),
        Query { method: b"POST", ..query(8, "http://tried.example/") },
    ];
    let actions: Vec<_> = client.ask(&asked).iter().map(|answer| answer.action).collect();
    let (permit, deny) = (Action::Permit, Action::Deny);
    assert_eq!(actions, [deny, permit, deny, deny, permit, permit, permit, deny]);
    let trail = engine.stop();
    let told: Vec<_> = trail
        .iter()
        .map(|line| (line["rule"].as_str().unwrap(), line["monitored"]["rule"].as_str()))
        .collect();
    let tried = Some("tried");
    let expected = [
        ("user", None),
        ("method", None),
        ("port", None),
        ("default-permit", tried),
        ("method", tried),
    ];
    assert_eq!(told, expected);
}
