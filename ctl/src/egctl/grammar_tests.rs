//! The grammar holds for every row of the table, in every form.

use eg_proto::control::verbs::{Arg, ArgKind, Front, Need, TABLE};
use eg_proto::control::{Level, Verb};
use serde_json::json;

use super::entries::{Does, ENTRIES, Entry};
use super::grammar::{Call, Given, GrammarFault, Short, parse};
use super::request::request;
use super::words::{Word, split};

fn all() -> Vec<&'static Entry> {
    ENTRIES.iter().collect()
}

fn said(line: &str, short: Short) -> Result<Call<'static>, GrammarFault> {
    parse(&all(), &split(line).words, short)
}

/// As a shell hands words over: quotes are gone.
fn argv(words: &[&str]) -> Result<Call<'static>, GrammarFault> {
    let words: Vec<Word> = words.iter().map(|word| Word::plain(*word)).collect();
    parse(&all(), &words, Short::Never)
}

/// A value of an argument's kind.
fn value(arg: &Arg) -> &'static str {
    match arg.kind {
        ArgKind::Number | ArgKind::Session | ArgKind::Generation => "7",
        ArgKind::Switch => "true",
        ArgKind::Level => "standard",
        ArgKind::Address => "192.0.2.7",
        ArgKind::Text
        | ArgKind::Url
        | ArgKind::Network
        | ArgKind::Moment
        | ArgKind::Rule
        | ArgKind::User
        | ArgKind::Neighbor
        | ArgKind::Revision
        | ArgKind::KeyPrefix
        | ArgKind::File
        | ArgKind::Secret => "x/y",
    }
}

#[test]
fn every_row_is_said_in_every_form() {
    for entry in ENTRIES.iter() {
        let name = entry.name();
        let spaced = entry.words.join(" ");
        let places: String = entry.required().map(|arg| format!(" {}", value(arg))).collect();
        let named = |form: &dyn Fn(&str, &str) -> String| -> String {
            entry.optional().map(|arg| format!(" {}", form(arg.name, value(arg)))).collect()
        };
        let plain = named(&|name, value| format!("{name} {value}"));
        let dashes = named(&|name, value| format!("--{name} {value}"));
        let equals = named(&|name, value| format!("--{name}={value}"));
        let calls: Vec<Call<'_>> = [
            format!("{name}{places}{plain}"),
            format!("{spaced}{places}{plain}"),
            format!("{spaced}{places}{dashes}"),
            format!("{spaced}{dashes}{places}"),
            format!("{name}{equals}{places}"),
        ]
        .iter()
        .flat_map(|line| {
            [Short::Never, Short::Allowed]
                .map(|short| said(line, short).unwrap_or_else(|fault| panic!("{line}: {fault}")))
        })
        .collect();
        for call in &calls {
            assert_eq!(call.entry, entry);
            assert!(call.missing.is_empty(), "{name}");
            let expected = entry.args.iter().filter(|arg| arg.need != Need::Prompted).count();
            assert_eq!(call.given.len(), expected, "{name}");
        }
        // The shortest words that are unambiguous, in the shell alone.
        if entry.required().next().is_some() {
            let call = said(&spaced, Short::Allowed).unwrap();
            assert!(matches!(call.whole(), Err(GrammarFault::Missing { .. })), "{name}");
        }
    }
}

#[test]
fn what_programs_ask_for_on_the_way_cannot_be_said() {
    for row in TABLE.iter().filter(|row| row.front == Front::Api) {
        let same = ENTRIES.iter().find(|entry| entry.words == row.words);
        assert!(same.is_none_or(|entry| matches!(entry.does, Does::Own(_))), "{}", row.name());
    }
}

#[test]
fn secrets_are_never_taken_from_words() {
    for entry in ENTRIES.iter() {
        for arg in entry.args.iter().filter(|arg| arg.need == Need::Prompted) {
            let places: String = entry.required().map(|arg| format!(" {}", value(arg))).collect();
            for form in [format!("--{}=x", arg.name), format!("--{} x", arg.name)] {
                let line = format!("{}{places} {form}", entry.name());
                assert_eq!(
                    said(&line, Short::Never).unwrap_err(),
                    GrammarFault::Secret(arg.name.to_owned()),
                    "{line}"
                );
            }
            let line = format!("{}{places} {} x", entry.name(), arg.name);
            assert!(said(&line, Short::Never).is_err(), "{line}");
        }
    }
}

#[test]
fn faults_say_what_is_wrong() {
    for (line, expected) in [
        ("show polcy match http://a/", "did you mean `policy`?"),
        ("shwo status", "did you mean `show`?"),
        ("show policy", "something has to follow: summary, list, rule, match"),
        ("", "something has to follow: show"),
        ("show status more", "`more` is no word here"),
        ("show policy match http://a/ sorce 1.2.3.4", "did you mean `source`?"),
        ("show policy match http://a/ --sorce 1.2.3.4", "did you mean `source`?"),
        ("show policy match http://a/ source", "`source` needs a value: the client's address"),
        ("show policy match http://a/ source ten", "`ten` is no value of `source`"),
        ("show policy match http://a/ source 1.2.3.4 source 1.2.3.4", "`source` is said twice"),
        ("request policy reload --force --force", "`force` is said twice"),
        ("request policy reload force maybe", "`maybe` is no word here"),
        ("request policy reload --force=maybe", "it takes true or false"),
        ("request policy rollback one", "it takes a whole number"),
        ("request policy rollback -1", "it takes a whole number"),
        ("request user level ada 4", "it takes disabled, monitoring"),
        ("show pol ba", "`pol` is no word here"),
        ("show policy match \"\"", "it must not be empty"),
    ] {
        let told = said(line, Short::Never).unwrap_err().to_string();
        assert!(told.contains(expected), "{line}: {told}");
    }
    let told = said("show policy match", Short::Never).unwrap().whole().unwrap_err().to_string();
    assert!(told.starts_with("`url` is missing: show policy match URL [source SOURCE]"), "{told}");
}

#[test]
fn words_may_be_shortened_in_the_shell() {
    for (line, expected) in [
        ("sh pol ba", "show-policy-backups"),
        ("sho sys u", "show-system-uri-engine"),
        ("req eng re", "request-engine-restart"),
        ("show user keys a", "show-user-keys"),
        ("show users", "show-users"),
        ("sh-pol-ba", ""),
    ] {
        match said(line, Short::Allowed) {
            Ok(call) => assert_eq!(call.entry.name(), expected, "{line}"),
            Err(fault) => assert_eq!(expected, "", "{line}: {fault}"),
        }
    }
    let told = said("show policy s", Short::Allowed);
    assert!(told.is_err() || told.is_ok_and(|call| call.entry.name() == "show-policy-summary"));
    assert_eq!(
        said("request user totp a", Short::Allowed).unwrap().entry.name(),
        "request-user-totp"
    );
    let fault = said("show p l", Short::Allowed).unwrap_err();
    let GrammarFault::Ambiguous { candidates, .. } = &fault else { panic!("{fault:?}") };
    assert_eq!(candidates.join(","), "list,log");
    let call = said("show policy match http://a/ so 1.2.3.4 user- x", Short::Allowed).unwrap();
    assert_eq!(call.text("source"), Some("1.2.3.4"));
    assert_eq!(call.text("user-agent"), Some("x"));
}

#[test]
fn quotes_make_words_of_anything() {
    let call = said(
        "show policy match \"http://a/ b\" user-agent 'x \"y\"' user \"source\"",
        Short::Never,
    );
    let call = call.unwrap();
    assert_eq!(call.text("url"), Some("http://a/ b"));
    assert_eq!(call.text("user-agent"), Some("x \"y\""));
    assert_eq!(call.text("user"), Some("source"));
    let call = argv(&["show", "policy", "match", "--user-agent=x y", "--", "--odd"]).unwrap();
    assert_eq!(call.text("user-agent"), Some("x y"));
    assert_eq!(call.text("url"), Some("--odd"));
    assert!(argv(&["show", "status", "--", "--json"]).is_err());
    let call = said("request policy reload reason ran out of time force", Short::Allowed).unwrap();
    assert_eq!(call.text("reason"), Some("ran out of time"));
    assert!(call.is_on("force"));
    assert!(said("request policy reload reason ran out", Short::Never).is_err());
}

#[test]
fn calls_become_requests() {
    for (line, method, path, body) in [
        ("show status", "GET", "status", None),
        ("show log lines 5", "GET", "log?lines=5", None),
        ("show policy rule a/b", "GET", "policy/rules/a%2Fb", None),
        (
            "show policy match http://a/?x source 1.2.3.4 user-agent x check all",
            "POST",
            "policy/match",
            Some(json!({"url": "http://a/?x", "source": "1.2.3.4", "user_agent": "x"})),
        ),
        (
            "request policy reload force dry-run reason r wait-s 5",
            "POST",
            "policy/reload",
            Some(json!({"force": true, "dry_run": true, "reason": "r", "wait_s": 5})),
        ),
        (
            "request policy reload force false",
            "POST",
            "policy/reload",
            Some(json!({"force": false})),
        ),
        ("request policy rollback 2", "POST", "policy/rollback", Some(json!({"generation": 2}))),
        ("request user remove ada", "DELETE", "users/ada", None),
        (
            "request user level ada 10",
            "PUT",
            "users/ada/level",
            Some(json!({"level": "administrator"})),
        ),
        (
            "request user key-add bot sources 10.0.0.0/8 sources ::1 days 9",
            "POST",
            "users/bot/keys",
            Some(json!({"sources": ["10.0.0.0/8", "::1"], "days": 9})),
        ),
        (
            "request neighbor teardown squid session 4",
            "POST",
            "neighbors/squid/teardown",
            Some(json!({"session": 4})),
        ),
        ("request policy git-init", "POST", "policy/git-init", Some(json!({}))),
    ] {
        let call = said(line, Short::Never).unwrap();
        let Does::Ask(row) = call.entry.does else { panic!("{line}") };
        let made = request(row, &call, &[]);
        assert_eq!(
            (made.method.word(), made.path.as_str(), made.body),
            (method, path, body),
            "{line}"
        );
    }
    // What is sent is what the engine's own types read.
    let call = said("request user add ada 1 comment x", Short::Never).unwrap();
    let Does::Ask(row) = call.entry.does else { panic!() };
    let secret = eg_proto::control::Secret::new("correct horse".to_owned());
    let made = request(row, &call, &[("password", secret)]);
    let read: eg_proto::control::user::UserAddRequest =
        serde_json::from_value(made.body.unwrap()).unwrap();
    assert_eq!((read.name.as_str(), read.level), ("ada", Level::Monitoring));
    assert_eq!(row.verb, Verb::RequestUserAdd);
    assert_eq!(call.value("level"), Some(&Given::Level(Level::Monitoring)));
}
