//! Accounts with the real program: the first one from the command line, before and beside a running engine.

use std::io::Write as _;
use std::process::{Output, Stdio};

use super::ask::{get, post, trail_of};
use crate::Home;

/// `--add-admin NAME` with this on standard input.
fn add(home: &Home, name: &str, input: &str) -> Output {
    let mut command = home.command(&["--add-admin", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses the name does not read.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

#[test]
fn administrators_are_made_on_the_machine_before_and_beside_the_engine() {
    let home = Home::new();
    let made = add(&home, "first", "correct horse battery\n");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(String::from_utf8_lossy(&made.stdout).contains("level 11"));
    for (name, input, expected) in [
        ("first", "correct horse battery\n", "already"),
        ("Second", "correct horse battery\n", "a name is"),
        ("second", "short\n", "12 characters"),
        ("second", "", "no password came"),
    ] {
        let refused = add(&home, name, input);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains(expected) && told.contains("engine.conf:"), "{told}");
        assert!(!told.contains("horse"), "{told}");
    }
    let _engine = home.start();
    let names = |home: &Home| -> Vec<String> {
        let users = get(home, "users").body["users"].clone();
        let rows = users.as_array().unwrap().clone();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&home), ["first"]);
    assert!(add(&home, "second", "another password\n").status.success());
    assert_eq!(names(&home), ["first", "second"]);
    let ask = "{\"name\":\"ci\",\"level\":\"service-account\"}";
    let made = post(&home, "users", ask);
    assert_eq!(made.status, 200, "{made:?}");
    assert!(made.body["key"]["key"].as_str().unwrap().starts_with("eg_"));
    assert_eq!(names(&home), ["ci", "first", "second"]);
    let entries = trail_of(&home, "account", 1);
    assert_eq!(entries[0]["account"], "ci");
    assert!(entries[0]["by"].as_str().unwrap().starts_with("local:"));
}
