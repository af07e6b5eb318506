//! The diagnostic file: each way a start fails has its reason there, and a good start removes it.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::Home;

impl Home {
    /// What the diagnostic file says.
    fn last_error(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("last-error.json")).unwrap()).unwrap()
    }
}

/// Breaks an installation. What it returns is held meanwhile.
type Break = fn(&Home) -> Option<TcpListener>;

#[test]
fn each_failure_has_its_reason() {
    let cases: [(&str, &str, Break); 10] = [
        ("configuration", "unknown key `thread`", |home| {
            home.configure("[global]\nthread = 2\n");
            None
        }),
        ("configuration", "cannot read the configuration", |home| {
            fs::remove_file(home.path("engine.conf")).unwrap();
            None
        }),
        ("listen", "[connectors.squid]", |home| {
            Some(TcpListener::bind(("127.0.0.1", home.port)).unwrap())
        }),
        ("store-foreign", "not a DuckDB file", |home| {
            fs::create_dir(home.path("state")).unwrap();
            home.write("state/engine.db", "a letter to my grandmother\n", 0o600);
            None
        }),
        ("policy-files", "rules.d", |home| {
            fs::remove_dir(home.path("rules.d")).unwrap();
            None
        }),
        ("policy-faults", "the policy has 2 fault(s)", |home| {
            let text = "bad: {\n    match-urii: x\n}\nworse: {\n    match-urii: x\n}\n";
            home.write("rules.d/10-bad.policy", text, 0o640);
            None
        }),
        ("tls-pair", "ssl", |home| {
            fs::create_dir(home.path("ssl")).unwrap();
            home.write("ssl/key.pem", "no key", 0o600);
            None
        }),
        ("audit", "audit", |home| {
            home.write("audit", "a file where a folder should be", 0o640);
            None
        }),
        ("log", "engine.log", |home| {
            home.log_to_file();
            fs::create_dir(home.path("engine.log")).unwrap();
            None
        }),
        ("store", "engine.db", |home| {
            home.start().stop();
            fs::create_dir(home.path("state/engine.db.wal")).unwrap();
            None
        }),
    ];
    for (reason, part, harm) in cases {
        let home = Home::new();
        let held = harm(&home);
        home.refused(&[], &[part]);
        drop(held);
        let told = home.last_error();
        assert_eq!(told["reason"], reason, "{told}");
        assert_eq!((&told["form"], &told["program"]), (&1.into(), &"enforcegate-engine".into()));
        let message = told["message"].as_str().unwrap();
        assert!(message.contains(part), "`{part}` is not in: {told}");
        assert!(told["time"].as_str().unwrap().ends_with('Z'), "{told}");
        let beside = fs::read_dir(home.path(".")).unwrap();
        let beside = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(beside.filter(|name| name.contains("last-error")).eq(["last-error.json"]));
    }
}

#[test]
fn every_fault_is_listed_and_a_good_start_removes_the_file() {
    let home = Home::new();
    let text = "bad: {\n    match-urii: x\n}\nworse: {\n    match-urii: x\n}\n";
    home.write("rules.d/10-bad.policy", text, 0o640);
    home.refused(&[], &["EGP020"]);
    let told = home.last_error();
    let details: Vec<&str> =
        told["details"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    for (line, part) in [(2, "10-bad.policy:2:"), (5, "10-bad.policy:5:")] {
        let found = details.iter().any(|detail| detail.contains(part) && detail.contains("EGP020"));
        assert!(found, "line {line}: {told}");
    }
    fs::remove_file(home.path("rules.d/10-bad.policy")).unwrap();
    home.start().stop();
    assert!(!home.path("last-error.json").exists());
}

#[test]
fn a_check_leaves_no_trace() {
    let home = Home::new();
    home.configure("[global]\nthread = 2\n");
    home.refused(&["--check"], &["unknown key"]);
    assert!(!home.path("last-error.json").exists());
}

#[test]
fn a_folder_for_the_file_is_not_made() {
    let home = Home::new();
    home.configure("[global]\nthread = 2\n");
    let path = home.path("missing/last-error.json");
    let output = home.command(&[]).env("ENGINE_APM_DIAGNOSTIC_FILE", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!home.path("missing").exists());
}

#[test]
fn what_no_service_manager_hands_over_is_refused() {
    for (set, part) in [
        ("LISTEN_FDS=x", "`LISTEN_FDS` is `x`"),
        ("LISTEN_FDS=1", "descriptor 3 was not left open"),
        (
            "LISTEN_FDS=1; exec 3</dev/null",
            "descriptor 3 (`unknown`) is no listening stream socket",
        ),
    ] {
        let home = Home::new();
        let engine = home.command(&[]);
        let mut shell = Command::new("/bin/sh");
        let script =
            format!("export LISTEN_PID=$$ LISTEN_FDNAMES=unknown {set}; exec \"$0\" -c \"$1\"");
        shell.arg("-c").arg(script).arg(engine.get_program()).arg(home.path("engine.conf"));
        shell.env_clear().env("ENGINE_APM_DIAGNOSTIC_FILE", home.path("last-error.json"));
        let output = shell.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(part), "`{part}` is not in: {text}");
        assert_eq!(home.last_error()["reason"], "handed-sockets");
    }
}
