//! Loads: each has its own receipt, a dry one changes nothing, a refused one says why.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::ask::{Answer, get, load, trail_of};
use crate::{Home, PATIENCE, snapshot};

/// A home with rules of these names on one list each.
fn home(names: &[&str]) -> Home {
    let home = Home::new();
    for name in names {
        home.list(name, 100);
        home.rule(name, name);
    }
    home
}

#[test]
fn loads_that_come_at_once_each_get_their_own_receipt() {
    let home = home(&["ads"]);
    let engine = home.start();
    home.list("games", 50);
    home.rule("games", "games");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = |number: usize| {
            let home = &home;
            scope.spawn(move || load(home, &format!("{{\"reason\":\"load {number}\"}}")))
        };
        let asked: Vec<_> = (0..6).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let field = |name: &str| -> BTreeSet<String> {
        answers.iter().map(|answer| answer.body[name].to_string()).collect()
    };
    for answer in &answers {
        assert_eq!((answer.status, answer.kind.as_str()), (200, "application/json"), "{answer:?}");
        assert_eq!(answer.body["rules"], 2);
        assert_eq!(answer.body["outcome"], "live");
    }
    // Every one is a reload of its own, one after the other.
    for name in ["reload", "revision", "reason"] {
        assert_eq!(field(name).len(), 6, "{name}");
    }
    let added: Vec<u64> =
        answers.iter().map(|one| one.body["changes"]["added"]["count"].as_u64().unwrap()).collect();
    assert_eq!(added.iter().sum::<u64>(), 1, "only the first found something new: {added:?}");
    let entries = trail_of(&home, "reload", 6);
    let comments: BTreeSet<&str> =
        entries.iter().map(|entry| entry["comment"].as_str().unwrap()).collect();
    assert_eq!(comments.len(), 6);
    assert!(entries.iter().all(|entry| entry["by"].as_str().unwrap().starts_with("local:")));
    engine.stop();
}

#[test]
fn a_receipt_says_what_differs() {
    let home = home(&["ads", "games"]);
    let engine = home.start();
    home.list("games", 110);
    let text = "games: {\n    match-domain-list: ../lists/games\n    action: warn\n}\n\
                more: {\n    match-domain: more.example\n}\n";
    home.write("rules.d/games.policy", text, 0o640);
    let receipt = load(&home, "{}").body;
    let changes = &receipt["changes"];
    assert_eq!(changes["added"]["names"], serde_json::json!(["more"]));
    assert_eq!(changes["changed"]["names"], serde_json::json!(["games"]));
    assert_eq!(changes["removed"]["count"], 0);
    let lists = receipt["lists"].as_array().unwrap();
    let list = |name: &str| {
        let found = |list: &&serde_json::Value| list["path"].as_str().unwrap().ends_with(name);
        lists.iter().find(found).unwrap()
    };
    let games = list("/games");
    assert_eq!((&games["entries"], &games["before"]), (&110.into(), &100.into()));
    assert_eq!(games["state"], "parsed");
    assert_eq!(list("/ads")["state"], "unchanged");
    let steps: Vec<&str> =
        receipt["steps"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(steps.first(), Some(&"wait"));
    assert!(steps.contains(&"store"), "{steps:?}");
    assert!(receipt["memory"]["resident"].as_u64().unwrap() > 1 << 20);
    let live = get(&home, "policy").body;
    assert_eq!(live["revision"], receipt["revision"]);
    assert_eq!(live["digest"], receipt["digest"]);
    assert_eq!((&live["rules"], &live["names"]), (&3.into(), &210.into()));
    engine.stop();
}

#[test]
fn a_dry_run_changes_nothing() {
    let home = home(&["ads"]);
    let engine = home.start();
    let before = get(&home, "policy").body;
    let state = snapshot(&home.path("state/sets"));
    home.list("games", 50);
    home.rule("games", "games");
    let rules = snapshot(&home.path("rules.d"));
    let answer = load(&home, "{\"dry_run\":true,\"reason\":\"look\"}");
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &"dry-run".into()), "{answer:?}");
    assert_eq!((&answer.body["rules"], &answer.body["entries"]), (&2.into(), &150.into()));
    assert_eq!(answer.body["revision"], before["revision"]);
    assert_ne!(answer.body["digest"], before["digest"]);
    assert_eq!(get(&home, "policy").body, before);
    assert_eq!(snapshot(&home.path("state/sets")), state);
    assert_eq!(snapshot(&home.path("rules.d")), rules);
    let entries = trail_of(&home, "reload", 1);
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry["outcome"], &entry["comment"]), (&"dry-run".into(), &"look".into()));
    // What it said comes true.
    assert_eq!(load(&home, "").body["digest"], answer.body["digest"]);
    engine.stop();
}

#[test]
fn a_refused_policy_answers_with_every_fault() {
    let home = home(&["ads"]);
    let engine = home.start();
    let before = get(&home, "policy").body;
    home.write("rules.d/x.policy", "x: {\n    match-urii: a\n}\ny: {\n}\n", 0o640);
    for body in ["{}", "{\"dry_run\":true}", "{\"force\":true}"] {
        let answer = load(&home, body);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.kind, "application/problem+json");
        assert_eq!(answer.body["type"], "urn:enforcegate:problem:policy-refused");
        let faults = answer.body["diagnostics"].as_array().unwrap();
        let codes: Vec<&str> = faults.iter().map(|f| f["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"EGP020") && codes.len() >= 2, "{codes:?}");
        let first = &faults[0];
        assert!(first["file"].as_str().unwrap().ends_with("rules.d/x.policy"));
        assert_eq!((&first["line"], &first["severity"]), (&2.into(), &"error".into()));
        assert!(!first["help"].as_str().unwrap().is_empty());
        assert_eq!(get(&home, "policy").body, before);
    }
    let entries = trail_of(&home, "reload", 3);
    assert!(entries.iter().all(|entry| entry["outcome"] == "refused"));
    assert_eq!(entries[2]["force"], true);
    engine.stop();
}

#[test]
fn force_goes_past_the_guards() {
    let home = home(&["ads", "games", "malware"]);
    let engine = home.start();
    fs::remove_file(home.path("rules.d/games.policy")).unwrap();
    home.list("ads", 10);
    let refused = load(&home, "{}");
    assert_eq!(refused.status, 422);
    assert!(refused.body["detail"].as_str().unwrap().contains("reload with force"), "{refused:?}");
    let forced = load(&home, "{\"force\":true,\"reason\":\"the feed is gone\"}");
    assert_eq!((forced.status, &forced.body["force"]), (200, &true.into()), "{forced:?}");
    assert_eq!((&forced.body["rules"], &forced.body["entries"]), (&2.into(), &110.into()));
    assert!(forced.body["notes"].to_string().contains("it was taken by force"), "{forced:?}");
    let entries = trail_of(&home, "reload", 2);
    assert_eq!(entries.iter().filter(|entry| entry["force"] == true).count(), 1);
    let text = engine.stop();
    assert!(text.contains("force=true"), "{text}");
}

#[test]
fn a_list_that_shrinks_is_kept_without_force() {
    let home = home(&["ads"]);
    let engine = home.start();
    home.list("ads", 10);
    let kept = load(&home, "{}").body;
    assert_eq!((&kept["entries"], &kept["lists"][0]["state"]), (&100.into(), &"kept".into()));
    assert!(kept["notes"].to_string().contains("its old entries stay"));
    engine.stop();
}

#[test]
fn who_does_not_wait_gets_a_number() {
    let home = home(&["ads"]);
    let engine = home.start();
    let answer = load(&home, "{\"wait_s\":0}");
    let began = Instant::now();
    let receipt = match answer.status {
        // It may be done before the wait of no time is over.
        200 => answer,
        202 => loop {
            let found = get(&home, &format!("policy/reload/{}", answer.body["reload"]));
            if found.status == 200 {
                break found;
            }
            assert_eq!(found.status, 202);
            assert!(began.elapsed() < PATIENCE);
        },
        other => panic!("{other}"),
    };
    assert_eq!((&receipt.body["reload"], &receipt.body["outcome"]), (&1.into(), &"live".into()));
    assert_eq!(get(&home, "policy/reload/1").body, receipt.body);
    for unknown in ["0", "2", "-1", "x", "18446744073709551616"] {
        assert_eq!(get(&home, &format!("policy/reload/{unknown}")).status, 404, "{unknown}");
    }
    engine.stop();
}

/// A list that takes a while to parse.
fn long_list(home: &Home, names: usize) {
    let mut text = String::new();
    for number in 0..names {
        writeln!(text, "host{}.site{number}.example", number % 7).unwrap();
    }
    home.write("lists/long", &text, 0o640);
}

#[test]
fn those_who_wait_are_told_when_the_engine_ends() {
    let home = home(&["ads"]);
    let engine = home.start();
    long_list(&home, 1_500_000);
    home.rule("long", "long");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(20));
                scope.spawn(|| load(&home, "{}"))
            })
            .collect();
        engine.signal(Signal::SIGTERM);
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let mut ended = 0;
    for answer in &answers {
        match answer.status {
            200 => {}
            503 => {
                assert_eq!(answer.body["type"], "urn:enforcegate:problem:ending", "{answer:?}");
                ended += 1;
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(ended >= 3, "{answers:?}");
    let text = engine.stopped();
    assert!(!text.contains("has not read the answer"), "{text}");
    // What was given up left no trace.
    let text = home.start().stop();
    assert!(text.contains("policy loaded from the store"), "{text}");
}

#[test]
fn a_ruleset_that_has_no_room_is_refused() {
    let home = home(&["ads"]);
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let small = text.replace("[policy]\n", "[policy]\nmemory_max_mb = 16\n");
    home.write("engine.conf", &small, 0o640);
    // A first policy is taken all the same: there is none that could go on.
    let engine = home.start();
    assert!(engine.text().contains("it may have 16 MiB"), "{}", engine.text());
    let before = get(&home, "policy").body;
    home.list("games", 50);
    home.rule("games", "games");
    for body in ["{}", "{\"force\":true}"] {
        let refused = load(&home, body);
        assert_eq!(refused.status, 422, "{refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("MiB beside the") && detail.contains("have 16 MiB"), "{detail}");
    }
    assert_eq!(get(&home, "policy").body, before);
    engine.stop();
}

#[test]
fn the_estimate_is_near_what_a_million_names_take() {
    let home = home(&["ads"]);
    let engine = home.start();
    long_list(&home, 1_000_000);
    home.rule("long", "long");
    let process = format!("/proc/{}", engine.child.id());
    // The kernel's highest mark of resident memory begins anew.
    fs::write(format!("{process}/clear_refs"), "5").unwrap();
    let receipt = load(&home, "{}").body;
    assert_eq!(receipt["entries"], 1_000_100, "{receipt}");
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let highest: u64 = line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
    let highest = highest * 1024;
    let number = |name: &str| receipt["memory"][name].as_u64().unwrap();
    let (resident, estimate) = (number("resident"), number("estimate"));
    let grown = highest.saturating_sub(resident);
    // It must not be less than what is really taken, and not so much more that it refuses what fits.
    assert!(grown <= estimate, "grown by {grown}, estimate {estimate}");
    assert!(estimate <= 2 * grown, "grown by {grown}, estimate {estimate}");
    engine.stop();
}
