//! What the live policy says to a request, and its rules, over the control socket.

use serde_json::{Value, json};

use super::ask::{get, load, post};
use crate::Home;

fn ask(home: &Home, body: &Value) -> Value {
    let answer = post(home, "policy/match", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn home() -> Home {
    let home = Home::new();
    home.list("games", 10);
    home.write(
        "rules.d/10-a.policy",
        "# staff\nstaff: {\n    match-domain: games.example\n    match-source: 192.0.2.0/24\n    action: permit\n}\n\
         games: {\n    match-domain-list: ../lists/games\n    action: deny\n    description: no games\n    category: games\n}\n\
         all: { \"match-domain\": \"example\", \"action\": \"warn\" }\n\
         old: {\n    match-domain: old.example\n    valid-until: 2030-01-01T00:00:00Z\n}\n",
        0o640,
    );
    home
}

#[test]
fn a_match_is_what_clients_get_with_every_other_rule() {
    let home = home();
    let engine = home.start();
    let told = ask(&home, &json!({ "url": "http://n3.games.example/x" }));
    assert_eq!(
        (&told["rule_name"], &told["code"], &told["matched"]),
        (&json!("games"), &json!(300), &json!(true))
    );
    assert_eq!((&told["action"], &told["category"]), (&json!("deny"), &json!("games")));
    assert_eq!(told["canonical"], "http://n3.games.example/x");
    assert!(told["pattern"].as_str().unwrap().contains("match-domain-list"), "{told}");
    let explained = &told["explained"];
    let names = |field: &str| -> Vec<String> {
        let rules = explained[field].as_array().unwrap();
        rules.iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (names("matches"), names("before")),
        (vec!["games".to_owned(), "all".to_owned()], vec!["staff".to_owned()])
    );
    let fit = &explained["matches"][0]["fits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fit| !fit["entry"].is_null())
        .unwrap()
        .clone();
    assert_eq!(
        (&fit["entry"], &fit["entry_line"]),
        (&json!("n3.games.example"), &json!(4)),
        "{fit}"
    );
    assert_eq!(explained["before"][0]["failed"]["attribute"], "match-source");
    let staff = ask(&home, &json!({ "url": "http://games.example/", "source": "192.0.2.7" }));
    assert_eq!((&staff["rule_name"], &staff["rule_id"]), (&json!("staff"), &json!(1)));
    let none = ask(&home, &json!({ "url": "other.test:443" }));
    assert_eq!(
        (&none["matched"], &none["rule_id"], &none["pattern"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    let invalid = ask(&home, &json!({ "url": "http://a%00.test/" }));
    assert_eq!(
        (&invalid["rule_name"], &invalid["canonical"]),
        (&json!("invalid-request"), &Value::Null)
    );
    for (at, rule) in [
        ("2029-12-31T23:59:59Z", "old"),
        ("2029-12-31 23:00", "old"),
        ("2030-01-01T00:00:00Z", "all"),
    ] {
        // A rule behind `all` decides nothing; whether it counts is told.
        let told = ask(&home, &json!({ "url": "http://old.example/", "at": at }));
        let matches = told["explained"]["matches"].as_array().unwrap();
        let last = matches.last().unwrap()["name"].as_str().unwrap();
        assert_eq!(last, rule, "{at}");
    }
    // A list that was changed since tells no line, and says so.
    home.list("games", 9);
    let told = ask(&home, &json!({ "url": "http://n3.games.example/" }));
    assert_eq!(told["rule_name"], "games");
    let fits = told["explained"]["matches"][0]["fits"].to_string();
    assert!(fits.contains("\"entry_line\":null"), "{fits}");
    assert!(
        told["explained"]["notes"].to_string().contains("has changed since it was loaded"),
        "{told}"
    );
    engine.stop();
}

#[test]
fn what_means_nothing_is_refused() {
    let home = home();
    let engine = home.start();
    for body in [
        json!({}),
        json!({ "url": "a.example/x" }),
        json!({ "url": "http://a.example/", "source": "here" }),
        json!({ "url": "http://a.example/", "at": "soon" }),
        json!({ "url": "http://a.example/", "sourc": "192.0.2.1" }),
    ] {
        assert_eq!(post(&home, "policy/match", &body.to_string()).status, 400, "{body}");
    }
    engine.stop();
}

#[test]
fn rules_are_listed_and_shown_as_they_are_written() {
    let home = home();
    let engine = home.start();
    let list = get(&home, "policy/rules").body;
    let names: Vec<&str> =
        list["rules"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!((names, &list["count"]), (vec!["staff", "games", "all", "old"], &json!(4)));
    let cut = get(&home, "policy/rules?limit=1").body;
    assert_eq!((cut["rules"].as_array().unwrap().len(), &cut["count"]), (1, &json!(4)));
    for bad in ["limit=0", "limit=x", "limit=100001", "most=1"] {
        assert_eq!(get(&home, &format!("policy/rules?{bad}")).status, 400, "{bad}");
    }
    let games = get(&home, "policy/rules/games").body;
    assert_eq!(get(&home, "policy/rules/2").body, games);
    assert_eq!((&games["description"], &games["changed"]), (&json!("no games"), &json!(false)));
    let text = games["text"].as_str().unwrap();
    assert!(
        text.starts_with("games: {") && text.contains("match-domain-list: ../lists/games"),
        "{text}"
    );
    assert!(get(&home, "policy/rules/all").body["text"].as_str().unwrap().contains("action: warn"));
    for none in ["0", "5", "none", "games%2F"] {
        assert_eq!(get(&home, &format!("policy/rules/{none}")).status, 404, "{none}");
    }
    home.write("rules.d/10-a.policy", "b: {\n    match-domain: b.example\n}\n", 0o640);
    let gone = get(&home, "policy/rules/games").body;
    assert_eq!((&gone["text"], &gone["changed"]), (&Value::Null, &json!(true)));
    assert_eq!(load(&home, "{\"force\":true}").status, 200);
    assert_eq!(get(&home, "policy/rules/b").body["changed"], false);
    engine.stop();
}
