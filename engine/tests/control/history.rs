//! Snapshots, rollbacks and git over the control socket.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::ask::{Answer, get, load, post, trail_of};
use crate::{Home, snapshot};

fn rule(home: &Home, name: &str, host: &str) {
    let text = format!("{name}: {{\n    match-domain: {host}\n    action: deny\n}}\n");
    home.write(&format!("rules.d/{name}.policy"), &text, 0o640);
}

/// The rows of the list of generations, each as its number and note.
fn generations(home: &Home) -> Vec<(u64, String)> {
    let found = get(home, "policy/backups");
    assert_eq!(found.status, 200, "{found:?}");
    let row = |row: &Value| {
        (row["generation"].as_u64().unwrap(), row["note"].as_str().unwrap().to_owned())
    };
    found.body.get("backups").and_then(Value::as_array).unwrap().iter().map(row).collect()
}

fn rollback(home: &Home, body: &str) -> Answer {
    post(home, "policy/rollback", body)
}

fn rules(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    snapshot(&home.path("rules.d"))
}

#[test]
fn each_change_is_a_generation_and_can_be_gone_back_to() {
    let home = Home::new();
    rule(&home, "a", "one.example");
    let engine = home.start();
    assert_eq!(generations(&home), [(1, "(currently applied)".to_owned())]);
    let first = (rules(&home), get(&home, "policy").body["digest"].clone());
    rule(&home, "a", "two.example");
    rule(&home, "b", "b.example");
    let loaded = load(&home, "{\"reason\":\"more\"}");
    assert!(loaded.body["snapshot"].is_string(), "{loaded:?}");
    let second = (rules(&home), get(&home, "policy").body["digest"].clone());
    // What changes nothing makes no generation.
    assert!(load(&home, "{}").body["snapshot"].is_null());
    let notes = generations(&home);
    assert_eq!((notes.len(), notes[1].1.as_str()), (2, "start"));

    let dry = rollback(&home, "{\"generation\":2,\"dry_run\":true}");
    assert_eq!(dry.status, 200, "{dry:?}");
    assert_eq!(dry.body["removed"], json!(["b.policy"]));
    assert_eq!(dry.body["overwritten"], json!(["a.policy"]));
    assert_eq!(dry.body["restored"], json!([]));
    assert!(dry.body["reload"].is_null());
    assert_eq!((rules(&home), get(&home, "policy").body["digest"].clone()), second);
    assert_eq!(generations(&home).len(), 2);
    let listed = get(&home, "policy/diff/2").body["text"].as_str().unwrap().to_owned();
    assert_eq!(listed, "added since: b.policy\nedited since: a.policy\n");

    // Half of the rules go, which the guard does not let pass by itself; the files stay.
    let guarded = rollback(&home, "{\"generation\":2}");
    assert_eq!(guarded.status, 422, "{guarded:?}");
    let detail = guarded.body["detail"].as_str().unwrap();
    assert!(detail.contains("as they were before the rollback"), "{detail}");
    assert_eq!((rules(&home), get(&home, "policy").body["digest"].clone()), second);

    let at = |wanted: &str| {
        let found = generations(&home);
        found.iter().find(|(_, note)| note == wanted).unwrap_or_else(|| panic!("{found:?}")).0
    };
    let body = format!("{{\"generation\":{},\"force\":true,\"reason\":\"too much\"}}", at("start"));
    let back = rollback(&home, &body);
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(back.body["reload"]["outcome"], "live");
    assert_eq!((rules(&home), get(&home, "policy").body["digest"].clone()), first);
    // A rollback can be rolled back.
    let mut looked = 0;
    let before = generations(&home).iter().map(|(number, _)| *number).find(|number| {
        looked += 1;
        let plan = rollback(&home, &format!("{{\"generation\":{number},\"dry_run\":true}}"));
        plan.body["restored"] == json!(["b.policy"])
    });
    let body = format!("{{\"generation\":{}}}", before.unwrap());
    assert_eq!(rollback(&home, &body).status, 200);
    assert_eq!((rules(&home), get(&home, "policy").body["digest"].clone()), second);

    // Two rollbacks, one that was refused, and the dry ones.
    let dry = 1 + looked;
    let entries = trail_of(&home, "rollback", 3 + dry);
    let outcomes: Vec<&str> = entries.iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "refused").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "done").count(), 2, "{outcomes:?}");
    assert!(entries.iter().all(|entry| entry["by"].as_str().unwrap().starts_with("local:")));
    engine.stop();
}

#[test]
fn what_cannot_be_gone_back_to_is_said() {
    let home = Home::new();
    rule(&home, "a", "one.example");
    let engine = home.start();
    for (body, status) in [
        ("{\"generation\":2}", 404),
        ("{\"generation\":0}", 404),
        ("{}", 400),
        ("{\"generation\":\"1\"}", 400),
        ("{\"generation\":1,\"dryrun\":true}", 400),
    ] {
        let answer = rollback(&home, body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    // To what is there: nothing changes, and it is loaded.
    assert_eq!(rollback(&home, "{\"generation\":1}").status, 200);
    assert_eq!(generations(&home).len(), 1);
    engine.stop();
}

#[test]
fn without_a_snapshot_nothing_goes_live() {
    let home = Home::new();
    rule(&home, "a", "one.example");
    let engine = home.start();
    fs::remove_dir_all(home.path("backups")).unwrap();
    fs::write(home.path("backups"), "a letter").unwrap();
    let before = get(&home, "policy").body;
    rule(&home, "a", "two.example");
    let refused = load(&home, "{}");
    assert_eq!(refused.status, 500, "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("nothing goes live"), "{refused:?}");
    assert_eq!(get(&home, "policy").body, before);
    assert_eq!(load(&home, "{\"dry_run\":true}").status, 200, "a dry run needs none");
    fs::remove_file(home.path("backups")).unwrap();
    assert_eq!(load(&home, "{}").status, 200);
    engine.stop();
}

#[test]
fn each_reload_is_a_commit_with_its_author_and_reason() {
    let home = Home::new();
    rule(&home, "a", "one.example");
    let engine = home.start();
    for (path, expected) in [("policy/log", 409), ("policy/blame/a", 409), ("policy/diff/v1", 409)]
    {
        assert_eq!(get(&home, path).status, expected, "{path}");
    }
    assert_eq!(post(&home, "policy/tag", "{\"name\":\"v1\"}").status, 409);
    let begun = post(&home, "policy/git-init", "");
    assert_eq!(begun.status, 200, "{begun:?}");
    assert!(begun.body["commit"].is_string());
    assert_eq!(post(&home, "policy/git-init", "").status, 409);
    assert_eq!(post(&home, "policy/tag", "{\"name\":\"v1\"}").status, 200);
    assert_eq!(post(&home, "policy/tag", "{\"name\":\"v1\"}").status, 409);
    assert_eq!(post(&home, "policy/tag", "{\"name\":\"a b\"}").status, 400);

    let text = "a: {\n    match-domain: one.example\n    action: warn\n}\n\n\
                b: {\n    match-domain: b.example\n}\n";
    home.write("rules.d/a.policy", text, 0o640);
    let loaded = load(&home, "{\"reason\":\"warn first\"}");
    let commit = loaded.body["commit"].as_str().unwrap().to_owned();
    // Nothing new is no commit.
    assert!(load(&home, "{}").body["commit"].is_null());

    let log = get(&home, "policy/log").body;
    let commits = log["commits"].as_array().unwrap();
    assert_eq!(commits.len(), 2, "{log}");
    assert_eq!((&commits[0]["id"], &commits[0]["reason"]), (&commit.into(), &"warn first".into()));
    assert!(commits[0]["author"].as_str().unwrap().starts_with("local:"), "{log}");
    assert_eq!(commits[1]["tags"], json!(["v1"]));

    let blame = get(&home, "policy/blame/a").body;
    let lines = blame["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 4, "{blame}");
    let reason = |at: usize| lines[at]["commit"]["reason"].as_str().unwrap();
    assert_eq!((reason(0), reason(2)), ("the history begins", "warn first"), "{blame}");
    assert_eq!(lines[2]["text"], "    action: warn");
    assert_eq!(get(&home, "policy/blame/none").status, 404);

    let diff = get(&home, "policy/diff/v1").body["text"].as_str().unwrap().to_owned();
    assert!(diff.contains("+    action: warn"), "{diff}");
    assert_eq!(get(&home, "policy/diff/none").status, 404);
    for kind in ["git-init", "tag"] {
        let count = if kind == "tag" { 4 } else { 2 };
        let entries = trail_of(&home, kind, count);
        let outcomes: Vec<Value> = entries.iter().map(|entry| entry["outcome"].clone()).collect();
        assert!(
            outcomes.contains(&json!("done")) && outcomes.contains(&json!("refused")),
            "{kind}"
        );
    }
    engine.stop();
}

#[test]
fn a_history_that_cannot_be_written_stops_no_policy() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let forced = text.replace("[policy]\n", "[policy]\ngit_mode = \"force-on\"\n");
    home.write("engine.conf", &forced, 0o640);
    rule(&home, "a", "one.example");
    let engine = home.start();
    assert!(engine.text().contains("critical"), "{}", engine.text());
    assert!(engine.text().contains("has no `.git`"), "{}", engine.text());
    assert_eq!(post(&home, "policy/git-init", "").status, 200);
    rule(&home, "a", "two.example");
    home.write("rules.d/.git/index.lock", "", 0o600);
    let loaded = load(&home, "{}");
    assert_eq!((loaded.status, &loaded.body["commit"]), (200, &Value::Null), "{loaded:?}");
    assert!(loaded.body["notes"].to_string().contains("was not committed"), "{loaded:?}");
    fs::remove_file(home.path("rules.d/.git/index.lock")).unwrap();
    assert!(load(&home, "{}").body["commit"].is_string(), "the next one commits it");
    engine.stop();
}

#[test]
fn a_pipe_in_place_of_a_policy_file_holds_up_nobody() {
    let home = Home::new();
    rule(&home, "a", "one.example");
    let engine = home.start();
    assert_eq!(post(&home, "policy/git-init", "").status, 200);
    fs::remove_file(home.path("rules.d/a.policy")).unwrap();
    nix::unistd::mkfifo(&home.path("rules.d/a.policy"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    // As many as there are threads that read files, and one more.
    for _ in 0..5 {
        let refused = get(&home, "policy/blame/a");
        assert_eq!(refused.status, 500, "{refused:?}");
        assert!(refused.body["detail"].to_string().contains("not a regular file"), "{refused:?}");
    }
    assert_eq!(load(&home, "{}").status, 422);
    assert_eq!(get(&home, "policy/diff/1").status, 200);
    engine.stop();
}
