//! The shell on plain lines, before an engine that says what a test wants.

use std::sync::Mutex;

use eg_proto::control::ProblemKind;
use serde_json::{Value, json};

use super::hints::Hints;
use super::reader::Plain;
use super::run::Shell;
use crate::client::Door;
use crate::client::fake::{Fake, Reply, Request, refusal};
use crate::egctl::{Egctl, Look, Meant, Progress};
use crate::exit::Exit;
use crate::session::{Scripted, Settings, Surroundings};

const FILE: &str = "a: {\n    match-domain: a.test\n}\n";

fn receipt() -> Value {
    json!({
        "reload": 1, "outcome": "live", "by": "local:root", "reason": null, "force": false,
        "revision": 2, "digest": "0123456789abcdef0", "rules": 1, "entries": 0, "lists": [],
        "changes": {
            "added": {"count": 0, "names": []}, "removed": {"count": 0, "names": []},
            "changed": {"count": 0, "names": []}, "reordered": false,
            "lists": {"count": 0, "names": []},
        },
        "regexes": {"patterns": 0, "lowered": 0, "fallback": 0, "compiled": 0},
        "warnings": [], "notes": [], "steps": [], "took_us": 1,
    })
}

/// An engine with one policy file, which takes commits of its newest base alone.
fn engine(level: &'static str) -> Fake {
    let state = Mutex::new((1_u32, FILE.to_owned()));
    Fake::socket(move |asked: &Request| -> Reply {
        let mut state = state.lock().unwrap();
        let ok = |value: Value| (200, value.to_string());
        let base = format!("b{}", state.0);
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "session") => {
                ok(json!({"user": "ada", "level": level, "by": "local", "must": null}))
            }
            ("GET", "version") => {
                ok(json!({"engine": "1", "defendr": [1], "store": "s", "scanner": "x"}))
            }
            ("GET", "policy/files") => ok(json!({
                "base": base,
                "files": [{"name": "10-a.policy", "bytes": 1, "rules": 1}],
                "editors": [{"user": "eve", "since": "t"}],
            })),
            ("GET", "policy/file?name=10-a.policy") => {
                ok(json!({"name": "10-a.policy", "text": state.1, "base": base}))
            }
            ("POST", "policy/commit") => {
                let sent: Value = serde_json::from_str(&asked.body).unwrap();
                // Somebody else is quicker by a moment.
                if sent["comment"] == json!("race") {
                    state.0 += 1;
                    state.1 = format!("# theirs\n{FILE}");
                    return refusal(ProblemKind::Conflict, "eve has committed at 10:00");
                }
                if sent["base"] != json!(base) {
                    return refusal(ProblemKind::Conflict, "eve has committed at 10:00");
                }
                if sent["check"] == json!(false) {
                    state.0 += 1;
                    if let Some(text) = sent["edits"][0]["text"].as_str() {
                        state.1 = text.to_owned();
                    }
                }
                ok(json!({
                    "added": [], "changed": ["10-a.policy"], "removed": [],
                    "base": format!("b{}", state.0), "reload": receipt(), "unconfirmed": null,
                }))
            }
            ("POST", "policy/confirm") => ok(json!({"detail": "kept"})),
            ("GET", _) => refusal(ProblemKind::NotFound, "nothing there"),
            _ => refusal(ProblemKind::Forbidden, "not you"),
        }
    })
}

struct Ran {
    out: String,
    said: String,
    exit: Exit,
    lines: Vec<String>,
}

fn run_at(fake: &Fake, mut talk: Scripted, editor: &str) -> Ran {
    let Door::Socket(socket) = fake.door.clone() else { panic!() };
    let settings = Settings { socket, ..Settings::default() };
    let editor = Some(editor.to_owned());
    let mut egctl = Egctl {
        settings,
        around: Surroundings { editor, ..Surroundings::default() },
        talk: &mut talk,
        progress: Progress::Hidden,
        meant: Meant::Perhaps,
        session: None,
    };
    let mut out = Vec::new();
    let mut shell = Shell::begin(&mut egctl, Hints::new(), Look::PLAIN).unwrap();
    let exit = shell.until_the_end(&mut Plain, &mut out).unwrap();
    let lines = fake.lines();
    Ran { out: String::from_utf8(out).unwrap(), said: talk.said, exit, lines }
}

fn run(fake: &Fake, lines: &[&str]) -> Ran {
    run_at(fake, Scripted::input(lines), "true")
}

#[test]
fn plain_lines_are_done_until_the_input_ends() {
    let fake = engine("administrator");
    let ran = run(&fake, &["# a comment", "", "sh ver", "show version | include Engine"]);
    assert_eq!(ran.exit, Exit::Done);
    assert!(ran.out.starts_with("Engine:  1\nDefendr: 1\n"), "{}", ran.out);
    assert!(ran.out.ends_with("Engine:  1\n") && ran.said.is_empty(), "{}{}", ran.out, ran.said);
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains("> "), "{}", ran.out);
}

#[test]
fn output_goes_through_pipes() {
    let fake = engine("administrator");
    let ran = run(&fake, &["show version | count", "show version | json | include engine"]);
    assert_eq!(ran.out, "Count: 5 lines\n  \"engine\": \"1\",\n");
    let ran = run(&fake, &["show version | compare", "show version | nothing"]);
    assert_eq!((ran.out.as_str(), ran.exit), ("", Exit::Usage));
}

#[test]
fn a_fault_is_told_and_the_shell_goes_on() {
    let fake = engine("administrator");
    let ran = run(&fake, &["shwo version", "show p", "show \"open", "show status", "show version"]);
    for part in [
        "egctl: `shwo` is no word here; did you mean `show`?",
        "something has to follow",
        "the quote \" is not closed",
        "egctl: not found: nothing there",
    ] {
        assert!(ran.said.contains(part), "{part}: {}", ran.said);
    }
    assert!(ran.out.contains("Engine:"), "{}", ran.out);
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(run(&fake, &["show status"]).exit, Exit::Failed);
    assert_eq!(run(&fake, &["en", "request user remove x"]).exit, Exit::Refused);
}

#[test]
fn modes_are_entered_and_left() {
    let fake = engine("administrator");
    let ran = run(
        &fake,
        &[
            "request policy reload",
            "configure",
            "enable",
            "conf",
            "end",
            "exit",
            "quit",
            "show version",
        ],
    );
    assert!(ran.said.contains("`request` is no word here"), "{}", ran.said);
    assert!(ran.said.contains("`configure` is no word here"), "{}", ran.said);
    assert!(ran.said.contains("eve edits too, since t"), "{}", ran.said);
    assert_eq!(ran.out, "");
    // Whoever may not enable is not offered it.
    let ran = run(&engine("monitoring"), &["enable", "request user passwd"]);
    assert!(ran.said.contains("`enable` is no word here"), "{}", ran.said);
    assert!(ran.said.contains("`user` is missing"), "{}", ran.said);
}

#[test]
fn a_question_mark_lists_what_can_come() {
    let fake = engine("administrator");
    let ran = run(&fake, &["show ?", "sh pol ?", "show policy match ?"]);
    assert!(ran.out.contains("  status   "), "{}", ran.out);
    assert!(ran.out.contains("  backups  the snapshots of the policy files"), "{}", ran.out);
    assert!(ran.out.contains("URL  http://host/path"), "{}", ran.out);
}

#[test]
fn a_candidate_is_changed_compared_and_committed() {
    let fake = engine("administrator");
    let ran = run(
        &fake,
        &[
            "enable",
            "configure",
            "show",
            "commit",
            "set rule a action permit",
            "set rule b match-uri-regex ^/x|y \\.z$",
            "edit policy 10-a.policy",
            "set rule b match-uri-regex ^/x|y \\.z$",
            "show",
            "show | compare",
            "commit check",
            "commit comment because of it",
            "show | compare",
            "delete rule b",
            "commit confirmed 5 comment again",
            "confirm",
            "do show version | count",
            "do configure",
            "end",
        ],
    );
    assert!(ran.out.contains("+    match-uri-regex: ^/x|y \\.z$\n"), "{}", ran.out);
    assert!(ran.out.contains("--- a/10-a.policy\n+++ b/10-a.policy\n@@ "), "{}", ran.out);
    assert!(ran.out.contains("file changed: 10-a.policy\nlive: revision 2"), "{}", ran.out);
    assert!(ran.out.contains("kept\n") && ran.out.contains("Count: 5 lines\n"), "{}", ran.out);
    assert!(ran.said.contains("nothing is changed"), "{}", ran.said);
    assert!(ran.said.contains("no file has a rule `b`"), "{}", ran.said);
    assert!(ran.said.contains("`end` leaves the configuration"), "{}", ran.said);
    let sent: Vec<Value> = ran
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("POST policy/commit "))
        .map(|body| serde_json::from_str(body).unwrap())
        .collect();
    let [check, first, second] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((&check["check"], &check["base"]), (&json!(true), &json!("b1")));
    assert_eq!((&first["comment"], &first["base"]), (&json!("because of it"), &json!("b1")));
    assert_eq!((&second["confirm_minutes"], &second["base"]), (&json!(5), &json!("b2")));
    let text = second["edits"][0]["text"].as_str().unwrap();
    assert_eq!(text, "a: {\n    match-domain: a.test\n    action: permit\n}\n");
}

#[test]
fn two_who_edit_at_once_hear_of_each_other() {
    let fake = engine("administrator");
    let ran = run(
        &fake,
        &[
            "en",
            "conf",
            "set rule a action permit",
            "commit comment race",
            "commit",
            "show | compare",
            "update",
            "revert policy 10-a.policy",
            "update",
            "set rule a tls bump",
            "commit",
        ],
    );
    assert!(ran.out.contains("eve has committed at 10:00"), "{}", ran.out);
    assert!(ran.said.contains("your changes are kept; `update` takes"), "{}", ran.said);
    assert!(ran.out.contains("+    action: permit\n"), "{}", ran.out);
    assert!(ran.said.contains("nothing was taken: 10-a.policy"), "{}", ran.said);
    assert!(ran.said.contains("your changes stand on the files as they are now"), "{}", ran.said);
    assert!(ran.out.contains("live: revision 2"), "{}", ran.out);
    let last = ran.lines.last().unwrap();
    assert!(last.contains("# theirs\\na: {") && last.contains("tls: bump"), "{last}");
}

#[test]
fn what_was_not_committed_is_named_at_the_end() {
    let fake = engine("administrator");
    for end in [&["end"][..], &["quit"], &[]] {
        let lines = [&["en", "conf", "set rule a action permit"][..], end].concat();
        let ran = run(&fake, &lines);
        assert!(ran.said.contains("dropped what was not committed: 10-a.policy"), "{}", ran.said);
    }
}

#[test]
fn leaving_with_changes_asks_a_person() {
    let fake = engine("administrator");
    let lines = ["en", "conf", "set rule a action permit", "end", "n", "commit", "end", "quit"];
    let ran = run_at(&fake, Scripted::terminal(&lines), "true");
    assert!(ran.said.contains("Drop what is not committed (10-a.policy)?"), "{}", ran.said);
    assert!(ran.out.contains("live: revision 2"), "{}", ran.out);
}

#[test]
fn a_file_is_changed_in_the_editor() {
    let fake = engine("administrator");
    let lines = [
        "en",
        "conf",
        "edit policy 10-a.policy",
        "edit",
        "show | compare",
        "revert",
        "edit policy new.policy",
        "show",
    ];
    let ran = run_at(&fake, Scripted::input(&lines), "sed -i s/a.test/b.test/");
    assert!(
        ran.out.contains("-    match-domain: a.test\n+    match-domain: b.test\n"),
        "{}",
        ran.out
    );
    assert!(ran.said.contains("dropped") && ran.said.contains("new.policy is new"), "{}", ran.said);
}
