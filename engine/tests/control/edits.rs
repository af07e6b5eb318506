//! Policy files over the control socket: taken, committed, refused, confirmed, rolled back.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::ask::{Answer, get, load, post, trail_of};
use crate::{Home, snapshot};

fn text(name: &str, host: &str) -> String {
    format!("{name}: {{\n    match-domain: {host}\n    action: deny\n}}\n")
}

/// A home with two rules, each in a file of its name.
fn home() -> Home {
    let home = Home::new();
    for name in ["a", "b"] {
        let text = text(name, &format!("{name}.example"));
        home.write(&format!("rules.d/{name}.policy"), &text, 0o640);
    }
    home
}

fn base(home: &Home) -> String {
    let files = get(home, "policy/files");
    assert_eq!(files.status, 200, "{files:?}");
    files.body.get("base").and_then(Value::as_str).unwrap().to_owned()
}

/// A commit with the newest base.
fn commit(home: &Home, edits: Value, more: Value) -> Answer {
    let mut body: serde_json::Map<String, Value> = serde_json::from_value(more).unwrap();
    body.insert("base".to_owned(), base(home).into());
    body.insert("edits".to_owned(), edits);
    post(home, "policy/commit", &Value::Object(body).to_string())
}

fn edit(name: &str, text: &str) -> Value {
    json!({ "name": name, "text": text })
}

fn rules(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    snapshot(&home.path("rules.d")).into_iter().filter(|(path, _)| !is_git(path)).collect()
}

fn is_git(path: &std::path::Path) -> bool {
    path.components().any(|part| part.as_os_str() == ".git")
}

fn detail(answer: &Answer) -> &str {
    answer.body.get("detail").and_then(Value::as_str).unwrap()
}

#[test]
fn files_are_taken_changed_added_and_removed() {
    let home = home();
    let engine = home.start();
    assert_eq!(post(&home, "policy/git-init", "").status, 200);
    let files = get(&home, "policy/files").body;
    assert_eq!(files["files"][0]["name"], "a.policy");
    assert_eq!(
        (&files["files"][0]["rules"], &files["files"].as_array().unwrap().len()),
        (&json!(1), &2)
    );
    assert_eq!(files["editors"], json!([]), "whoever asks is not among them");
    let taken = get(&home, "policy/file?name=a.policy").body;
    assert_eq!((&taken["text"], &taken["base"]), (&json!(text("a", "a.example")), &files["base"]));
    for (name, status) in
        [("z.policy", 404), ("../engine.conf", 400), ("", 400), (".git%2Fa.policy", 400)]
    {
        assert_eq!(get(&home, &format!("policy/file?name={name}")).status, status, "{name}");
    }
    assert_eq!(get(&home, "policy/file").status, 400);
    assert_eq!(get(&home, "policy/file?nome=a.policy").status, 400);

    let edits = json!([
        edit("a.policy", &text("a", "other.example")),
        { "name": "b.policy", "text": null },
        edit("sites/new.policy", &text("new", "new.example")),
    ]);
    let before = rules(&home);
    let check = json!({ "check": true, "comment": "look" });
    let looked = commit(&home, edits.clone(), check);
    assert_eq!(looked.status, 200, "{looked:?}");
    assert_eq!(looked.body["reload"]["outcome"], "dry-run");
    assert_eq!(rules(&home), before, "nothing was written");
    assert_eq!(get(&home, "policy").body["revision"], looked.body["reload"]["revision"]);

    let done = commit(&home, edits, json!({ "comment": "the new site" }));
    assert_eq!(done.status, 200, "{done:?}");
    for (field, names) in
        [("added", "sites/new.policy"), ("changed", "a.policy"), ("removed", "b.policy")]
    {
        assert_eq!(done.body[field], json!([names]), "{field}");
        assert_eq!(done.body[field], looked.body[field], "{field}");
    }
    assert_eq!(done.body["base"], looked.body["base"]);
    assert_eq!(done.body["base"], json!(base(&home)));
    assert_eq!(done.body["unconfirmed"], Value::Null);
    let reload = &done.body["reload"];
    assert_eq!((&reload["outcome"], &reload["reason"]), (&json!("live"), &json!("the new site")));
    assert_eq!(reload["digest"], get(&home, "policy").body["digest"]);
    assert_eq!(reload["digest"], looked.body["reload"]["digest"]);
    assert!(reload["snapshot"].is_string() && reload["commit"].is_string(), "{reload}");
    assert!(!home.path("rules.d/b.policy").exists());
    let log = get(&home, "policy/log").body;
    assert_eq!(log["commits"][0]["reason"], "the new site");
    assert!(log["commits"][0]["author"].as_str().unwrap().starts_with("local:"));
    let entries = trail_of(&home, "commit", 2);
    let outcomes: Vec<&str> = entries.iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["dry-run", "done"]);
    // What is the same already changes no file, and is loaded.
    let again = commit(&home, json!([edit("a.policy", &text("a", "other.example"))]), json!({}));
    assert_eq!((again.status, &again.body["changed"]), (200, &json!([])), "{again:?}");
    engine.stop();
}

#[test]
fn what_is_faulty_changes_nothing() {
    let home = home();
    let engine = home.start();
    let (before, live) = (rules(&home), get(&home, "policy").body);
    let faulty = json!([
        edit("a.policy", &text("a", "other.example")),
        edit("new/c.policy", "c: {\n    match-urii: x\n}\n"),
    ]);
    for more in
        [json!({}), json!({ "check": true }), json!({ "force": true, "confirm_minutes": 5 })]
    {
        let refused = commit(&home, faulty.clone(), more);
        assert_eq!(refused.status, 422, "{refused:?}");
        let fault = &refused.body["diagnostics"][0];
        assert!(fault["file"].as_str().unwrap().ends_with("rules.d/new/c.policy"), "{fault}");
        assert_eq!((&fault["code"], &fault["line"]), (&json!("EGP020"), &json!(2)));
        assert_eq!((rules(&home), get(&home, "policy").body), (before.clone(), live.clone()));
    }
    // The guard of rules stands here as well, and so does force.
    let gone = json!([{ "name": "b.policy", "text": null }]);
    let guarded = commit(&home, gone.clone(), json!({}));
    assert_eq!(guarded.status, 422, "{guarded:?}");
    assert_eq!((rules(&home), get(&home, "policy").body), (before, live));
    let forced = commit(&home, gone, json!({ "force": true }));
    assert_eq!((forced.status, &forced.body["reload"]["rules"]), (200, &json!(1)), "{forced:?}");
    engine.stop();
}

#[test]
fn names_and_texts_have_bounds() {
    let home = home();
    let engine = home.start();
    let before = rules(&home);
    let plain = text("x", "x.example");
    for name in [
        "../x.policy",
        "/etc/x.policy",
        ".git/x.policy",
        "x",
        "",
        "a//x.policy",
        "x.policy/",
        "a\n.policy",
    ] {
        let refused = commit(&home, json!([edit(name, &plain)]), json!({}));
        assert_eq!(refused.status, 400, "{name:?}: {refused:?}");
    }
    for (body, status) in [
        (json!([edit("x.policy", &plain), edit("x.policy", &plain)]), 400),
        (json!([{ "name": "z.policy", "text": null }]), 400),
        (json!([edit("a.policy/x.policy", &plain)]), 400),
        (json!([edit("x.policy", &"#".repeat((8 << 20) + 1))]), 413),
        (json!([edit("x.policy", &"#".repeat(17 << 20))]), 413),
    ] {
        let refused = commit(&home, body, json!({}));
        assert_eq!(refused.status, status, "{refused:?}");
    }
    for more in [
        json!({ "confirm_minutes": 0 }),
        json!({ "confirm_minutes": 1441 }),
        json!({ "chek": true }),
    ] {
        assert_eq!(commit(&home, json!([]), more.clone()).status, 400, "{more}");
    }
    let bad_base = json!({ "base": "x", "edits": [] }).to_string();
    assert_eq!(post(&home, "policy/commit", &bad_base).status, 400);
    assert_eq!(rules(&home), before);
    // Larger than what other paths take, with lines that grow in JSON.
    let large = format!("{}\n{plain}", "#\"\n".repeat(100_000));
    let done = commit(&home, json!([edit("x.policy", &large)]), json!({}));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(fs::read_to_string(home.path("rules.d/x.policy")).unwrap(), large);
    engine.stop();
}

#[test]
fn two_who_edit_at_once_hear_of_each_other() {
    let home = home();
    let engine = home.start();
    let first = base(&home);
    let late = |host: &str| {
        let edits = json!([edit("a.policy", &text("a", host))]);
        post(&home, "policy/commit", &json!({ "base": first, "edits": edits }).to_string())
    };
    let done = commit(
        &home,
        json!([edit("b.policy", &text("b", "x.example"))]),
        json!({ "comment": "was faster" }),
    );
    assert_eq!(done.status, 200);
    let after = rules(&home);
    let refused = late("late.example");
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (409, &json!("urn:enforcegate:problem:conflict"))
    );
    assert!(detail(&refused).contains("local:"), "{refused:?}");
    assert!(detail(&refused).contains(": was faster"), "{refused:?}");
    // By hand, and not loaded.
    home.write("rules.d/b.policy", &text("b", "hand.example"), 0o640);
    assert!(detail(&late("late.example")).contains("changed by hand"));
    assert_ne!(rules(&home), after);
    // By hand, and loaded.
    assert_eq!(load(&home, "{\"reason\":\"by hand\"}").status, 200);
    assert!(detail(&late("late.example")).contains(": by hand"));
    engine.stop();
    // Another run knows it from its snapshots.
    let engine = home.start();
    let refused = late("late.example");
    assert!(detail(&refused).contains("by hand)"), "{refused:?}");
    engine.stop();
}

#[test]
fn a_commit_that_is_confirmed_stays() {
    let home = home();
    let engine = home.start();
    assert_eq!(post(&home, "policy/confirm", "").status, 409);
    let edits = |host: &str| json!([edit("a.policy", &text("a", host))]);
    let done = commit(&home, edits("one.example"), json!({ "confirm_minutes": 5 }));
    let waits = &done.body["unconfirmed"];
    assert!(waits["by"].as_str().unwrap().starts_with("local:"), "{done:?}");
    assert!((290..=300).contains(&waits["left_s"].as_u64().unwrap()), "{done:?}");
    let note = home.path("backups/.unconfirmed.json");
    assert!(note.exists());
    let confirmed = post(&home, "policy/confirm", "");
    assert_eq!(
        (confirmed.status, &confirmed.body["commit"]["snapshot"]),
        (200, &waits["snapshot"])
    );
    assert!(!note.exists());
    assert_eq!(post(&home, "policy/confirm", "").status, 409);
    // A second one keeps what was confirmed last as what it goes back to.
    let first = commit(&home, edits("two.example"), json!({ "confirm_minutes": 5 }));
    let second = commit(&home, edits("three.example"), json!({ "confirm_minutes": 5 }));
    let to = |answer: &Answer| answer.body["unconfirmed"]["snapshot"].clone();
    assert_eq!(to(&first), to(&second));
    // One that is refused leaves the wait as it was.
    let bad = json!([edit("a.policy", "a: {\n}\n")]);
    assert_eq!(commit(&home, bad, json!({})).status, 422);
    assert!(note.exists());
    // A plain one confirms.
    let plain = commit(&home, edits("four.example"), json!({}));
    assert_eq!((plain.status, &plain.body["unconfirmed"]), (200, &Value::Null), "{plain:?}");
    assert!(plain.body["reload"]["notes"].to_string().contains("is confirmed"), "{plain:?}");
    assert!(!note.exists());
    engine.stop();
}

#[test]
fn a_start_after_the_deadline_rolls_back_at_once() {
    let home = home();
    let engine = home.start();
    let (before, live) = (rules(&home), get(&home, "policy").body["digest"].clone());
    let edits = json!([
        edit("a.policy", &text("a", "lost.example")),
        edit("c.policy", &text("c", "c.example"))
    ]);
    let done = commit(&home, edits, json!({ "confirm_minutes": 60 }));
    assert_eq!(done.status, 200, "{done:?}");
    engine.signal(Signal::SIGKILL);
    drop(engine);
    // It is still waited for after a start before the deadline.
    let engine = home.start();
    assert_ne!(get(&home, "policy").body["digest"], live);
    assert!(!engine.text().contains("was not confirmed"));
    engine.signal(Signal::SIGKILL);
    drop(engine);
    let note = home.path("backups/.unconfirmed.json");
    let mut waits: Value = serde_json::from_str(&fs::read_to_string(&note).unwrap()).unwrap();
    waits["until_us"] = json!(1_000_000);
    fs::write(&note, waits.to_string()).unwrap();
    let mut engine = home.start();
    engine.wait_for("a commit was not confirmed in time");
    assert_eq!(rules(&home), before);
    assert_eq!(get(&home, "policy").body["digest"], live);
    assert!(!note.exists());
    let entries = trail_of(&home, "commit-confirmed", 1);
    assert_eq!(entries[0]["outcome"], "done");
    engine.stop();
}
