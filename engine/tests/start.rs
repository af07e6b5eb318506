//! The real binary: what a bad start looks like, and that it destroys nothing; what a good one does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail a test as the tests themselves do")]

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod control;
mod daemon;

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A whole installation below one folder.
struct Home {
    folder: tempfile::TempDir,
    port: u16,
    /// Of the Control API.
    control: u16,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The ports are free now; whoever takes one meanwhile makes the test fail, not hang.
        let [one, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, control] = [one, other].map(|free| free.local_addr().unwrap().port());
        let home = Self { folder, port, control };
        fs::create_dir(home.path("rules.d")).unwrap();
        home.write("key", "0123456789abcdef0123456789abcdef\n", 0o400);
        home.write("secret", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", 0o640);
        home.configure("");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        if path.exists() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes the configuration with `extra` at its end.
    fn configure(&self, extra: &str) {
        let text = format!(
            "[connectors.squid]\nport = {}\nkey_file = \"key\"\n\
             [database]\ndatabase_file = \"state/engine.db\"\n\
             [policy]\npath = \"rules.d\"\nshared_path = \"\"\nbackup_path = \"backups\"\n\
             [captive_portal]\nsecret_file = \"secret\"\n\
             [control]\nip = \"127.0.0.1\"\nport = {}\nkey = \"ssl/key.pem\"\n\
             cert = \"ssl/cert.pem\"\n\
             socket = \"control.sock\"\n\
             [aaa]\npasswd = \"passwd\"\nmaster_key_file = \"master.key\"\n\
             [audit]\npath = \"audit\"\n\
             [logging]\ntype = \"console\"\nlevel = \"notice\"\n{extra}",
            self.port, self.control
        );
        self.write("engine.conf", &text, 0o640);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_enforcegate-engine"));
        command.arg("-c").arg(self.path("engine.conf")).args(arguments);
        command.env_clear().stdin(Stdio::null());
        command.env("ENGINE_APM_DIAGNOSTIC_FILE", self.path("last-error.json"));
        command
    }

    /// Runs the engine to its end, which must come by itself.
    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the engine, which must fail with all of `parts` in what it says.
    fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let output = self.output(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }

    /// Has the log written to `engine.log`.
    fn log_to_file(&self) {
        let text = fs::read_to_string(self.path("engine.conf")).unwrap();
        let text = text.replace("type = \"console\"", "type = \"file\"\nfile = \"engine.log\"");
        self.write("engine.conf", &text, 0o640);
    }

    /// What is in that file.
    fn log(&self) -> String {
        fs::read_to_string(self.path("engine.log")).unwrap_or_default()
    }

    fn wait_for_log(&self, holds: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !holds(&self.log()) {
            assert!(began.elapsed() < PATIENCE, "not there: {}", self.log());
            std::thread::yield_now();
        }
    }

    fn start(&self) -> Engine {
        self.start_with(&[])
    }

    fn start_with(&self, arguments: &[&str]) -> Engine {
        let log = self.path("stderr");
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        file.set_len(0).unwrap();
        let child = self.command(arguments).stderr(file).spawn().unwrap();
        let mut engine = Engine { child, log };
        engine.wait_for("ready");
        engine
    }

    fn rule(&self, name: &str, list: &str) {
        let text =
            format!("{name}: {{\n    match-domain-list: ../lists/{list}\n    action: deny\n}}\n");
        self.write(&format!("rules.d/{name}.policy"), &text, 0o640);
    }

    fn list(&self, name: &str, names: usize) {
        fs::create_dir_all(self.path("lists")).unwrap();
        let text: String = (0..names).map(|number| format!("n{number}.{name}.example\n")).collect();
        self.write(&format!("lists/{name}"), &text, 0o640);
    }
}

/// A running engine; it is ended with the test.
struct Engine {
    child: Child,
    log: PathBuf,
}

impl Engine {
    fn text(&self) -> String {
        let mut text = String::new();
        fs::File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until the log holds `part`.
    fn wait_for(&mut self, part: &str) {
        self.wait_until(part, |text| text.contains(part));
    }

    fn wait_until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !holds(&self.text()) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended before `{what}`: {}", self.text());
            assert!(began.elapsed() < PATIENCE, "no `{what}` in: {}", self.text());
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn stop(self) -> String {
        self.signal(Signal::SIGTERM);
        self.stopped()
    }

    /// Waits for an orderly end.
    fn stopped(mut self) -> String {
        let status = self.child.wait().unwrap();
        let text = self.text();
        assert!(status.success(), "{text}");
        text
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every file below a folder with its bytes.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn help_and_version_leave_with_two() {
    let home = Home::new();
    for flag in ["-h", "--help", "-v", "--version"] {
        let output = home.output(&[flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{flag}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_its_neighbour() {
    let home = Home::new();
    home.configure("[global]\nthread = 2\n");
    let parts = ["engine.conf:27:1: unknown key `thread` in `[global]`", "`threads`"];
    home.refused(&[], &parts);
    home.refused(&["--check"], &parts);
}

#[test]
fn every_fault_of_a_configuration_comes_at_once() {
    let home = Home::new();
    home.configure("[global]\nthreads = 0\n[globl]\n[audit2]\n");
    home.refused(&[], &["`threads` is 0; it must be 1 to 256", "[globl]", "[audit2]"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let home = Home::new();
    fs::remove_file(home.path("engine.conf")).unwrap();
    home.refused(&[], &["engine.conf", "cannot read the configuration"]);
}

#[test]
fn a_secret_of_the_wrong_length_is_refused() {
    let home = Home::new();
    home.write("secret", "MDEyMzQ1Njc4OWFiY2RlZg==\n", 0o640);
    home.refused(&[], &["engine.conf:11:1", "secret", "32"]);
}

#[test]
fn a_key_of_the_wrong_length_or_mode_is_refused() {
    let home = Home::new();
    home.write("key", "short\n", 0o400);
    home.refused(&[], &["engine.conf:3:1", "16"]);
    home.write("key", "0123456789abcdef\n", 0o644);
    home.refused(&[], &["engine.conf:3:1", "0644", "chmod"]);
}

#[test]
fn a_missing_path_ends_the_start() {
    let home = Home::new();
    fs::remove_dir(home.path("rules.d")).unwrap();
    home.refused(&[], &["engine.conf:7:", "rules.d", "[policy] path"]);
    home.refused(&["--check"], &["engine.conf:7:", "rules.d", "[policy] path"]);
}

#[test]
fn a_faulty_policy_is_shown_with_file_and_line() {
    let home = Home::new();
    let text = "good: {\n    match-uri: http://a.example/\n}\nbad: {\n    match-urii: x\n}\n";
    home.write("rules.d/10-bad.policy", text, 0o640);
    let before = snapshot(&home.path("rules.d"));
    home.refused(&["--check"], &["10-bad.policy:5", "EGP020"]);
    home.refused(&[], &["10-bad.policy", "5", "EGP020"]);
    assert_eq!(snapshot(&home.path("rules.d")), before);
}

#[test]
fn a_missing_list_is_shown_where_it_is_named() {
    let home = Home::new();
    home.rule("ads", "ads");
    home.refused(&["--check"], &["ads.policy:2", "EGP036"]);
    home.refused(&[], &["ads.policy", "EGP036"]);
}

#[test]
fn a_store_that_is_something_else_is_left_alone() {
    let home = Home::new();
    fs::create_dir(home.path("state")).unwrap();
    home.write("state/engine.db", "a letter to my grandmother\n", 0o600);
    home.refused(&[], &["engine.conf:5:", "engine.db", "not a DuckDB file"]);
    let bytes = fs::read(home.path("state/engine.db")).unwrap();
    assert_eq!(bytes, b"a letter to my grandmother\n");
    assert_eq!(fs::read_dir(home.path("state")).unwrap().count(), 1);
}

#[test]
fn a_port_in_use_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind(("127.0.0.1", home.port)).unwrap();
    let address = format!("127.0.0.1:{}", home.port);
    home.refused(&[], &["engine.conf:2:", &address, "[connectors.squid]"]);
    drop(taken);
}

#[test]
fn a_store_in_use_is_named() {
    let home = Home::new();
    let engine = home.start();
    let other = Home::new();
    let text = fs::read_to_string(other.path("engine.conf")).unwrap();
    let database = home.path("state/engine.db");
    other.write("engine.conf", &text.replace("state/engine.db", database.to_str().unwrap()), 0o640);
    other.refused(&[], &["engine.db", "in use by another process"]);
    engine.stop();
}

#[test]
fn the_environment_beats_the_file_and_says_so() {
    let home = Home::new();
    let output = home
        .command(&["--check"])
        .env("ENFORCEGATE_POLICY_PATH", "elsewhere")
        .env("ENFORCEGATE_GLOBAL_THREAD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["ENFORCEGATE_POLICY_PATH", "ENFORCEGATE_GLOBAL_THREADS", "elsewhere"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_start_fills_the_store_and_the_next_one_reads_no_policy() {
    let home = Home::new();
    home.list("ads", 100);
    home.rule("ads", "ads");
    let engine = home.start();
    let text = engine.stop();
    assert!(text.contains("policy compiled from the files"), "{text}");
    assert!(text.contains("rules=1") && text.contains("names=100"), "{text}");
    assert!(text.contains("made a self-signed TLS pair"), "{text}");

    // A file that is now faulty is not read, and said to be newer.
    home.write("rules.d/ads.policy", "broken", 0o640);
    let text = home.start().stop();
    assert!(text.contains("policy loaded from the store"), "{text}");
    assert!(text.contains("is newer than the compiled policy"), "{text}");
    assert!(!text.contains("made a self-signed TLS pair"), "{text}");
}

#[test]
fn set_files_that_are_lost_are_made_again() {
    let home = Home::new();
    home.list("ads", 100);
    home.rule("ads", "ads");
    home.start().stop();
    let before = snapshot(&home.path("state/sets"));
    assert_eq!(before.len(), 2, "a list and the index");
    fs::remove_dir_all(home.path("state/sets")).unwrap();
    let text = home.start().stop();
    assert!(text.contains("policy loaded from the store"), "{text}");
    assert!(text.contains("names=100"), "{text}");
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(names(&snapshot(&home.path("state/sets"))), names(&before));
}

#[test]
fn a_reload_takes_all_or_nothing() {
    let home = Home::new();
    home.list("ads", 100);
    home.rule("ads", "ads");
    let mut engine = home.start();

    home.list("games", 50);
    home.rule("games", "games");
    engine.signal(Signal::SIGHUP);
    engine.wait_for("policy reloaded");
    let text = engine.text();
    assert!(text.contains("rules=2 lists=2 parsed=1 names=150"), "{text}");
    let sets = snapshot(&home.path("state/sets"));

    home.write("rules.d/games.policy", "games: {\n", 0o640);
    engine.signal(Signal::SIGHUP);
    engine.wait_for("the policy was not reloaded; the running one stays");
    assert_eq!(snapshot(&home.path("state/sets")), sets);

    fs::remove_file(home.path("rules.d/games.policy")).unwrap();
    engine.signal(Signal::SIGHUP);
    engine.wait_for("shrink from 2 to 1 rules");

    home.rule("games", "games");
    home.list("games", 10);
    engine.signal(Signal::SIGHUP);
    engine.wait_for("shrank from 50 to 10 entries");
    engine.wait_until("a second reload", |text| text.matches("policy reloaded").count() == 2);
    let text = engine.stop();
    assert!(text.contains("draining") && text.contains("ended"), "{text}");
}

#[test]
fn the_trail_tells_the_life_of_the_engine() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let weak = text.replace("path = \"audit\"", "path = \"audit\"\nverdicts = \"none\"");
    home.write("engine.conf", &weak, 0o640);
    let mut engine = home.start();
    home.list("ads", 3);
    home.rule("ads", "ads");
    engine.signal(Signal::SIGHUP);
    engine.wait_for("policy reloaded");
    home.write("rules.d/ads.policy", "ads: {\n", 0o640);
    engine.signal(Signal::SIGHUP);
    engine.wait_for("the policy was not reloaded");
    engine.stop();
    let text = fs::read_to_string(home.path("audit/audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "weakening", "reload", "reload", "stop"]);
    let [start, weakening, live, refused, _] = lines.as_slice() else { panic!("{text}") };
    assert!(start["version"].is_string() && start["rules"] == 0, "{start}");
    assert!(weakening["setting"].as_str().unwrap().contains("verdicts"), "{weakening}");
    assert!(live["outcome"] == "live" && live["rules"] == 1 && live["revision"].is_u64(), "{live}");
    assert_ne!(live["ruleset"], start["ruleset"]);
    assert_eq!(refused["outcome"], "refused");
    assert!(refused["reason"].as_str().unwrap().contains("fault"), "{refused}");
    assert_eq!(refused["ruleset"], live["ruleset"], "the old one stays live");
}

#[test]
fn an_empty_folder_is_a_legal_start() {
    let home = Home::new();
    let text = home.start().stop();
    assert!(text.contains("rules=0"), "{text}");
    assert!(text.contains("ready listening="), "{text}");
}

#[test]
fn the_log_file_is_opened_again_on_sighup() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let text = text.replace("type = \"console\"", "type = \"file\"\nfile = \"engine.log\"");
    home.write("engine.conf", &text, 0o640);
    let log = home.path("engine.log");
    fs::write(&log, "").unwrap();
    let child = home.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    let mut engine = Engine { child, log };
    engine.wait_for("ready");
    fs::rename(home.path("engine.log"), home.path("engine.log.1")).unwrap();
    fs::write(home.path("engine.log"), "").unwrap();
    engine.signal(Signal::SIGHUP);
    engine.wait_for("policy reloaded");
    engine.stop();
}

#[test]
fn a_broken_store_is_moved_aside_only_once_the_files_have_replaced_it() {
    let home = Home::new();
    home.list("ads", 3);
    home.rule("ads", "ads");
    home.start().stop();
    let store = home.path("state/engine.db");
    let mut bytes = fs::read(&store).unwrap();
    for byte in bytes.iter_mut().skip(16) {
        *byte ^= 0x5a;
    }
    fs::write(&store, &bytes).unwrap();

    // The files are of no use: nothing is moved.
    home.write("rules.d/bad.policy", "bad: {\n  match-uri\n", 0o640);
    home.refused(&[], &["the store is broken", "bad.policy"]);
    assert_eq!(fs::read(&store).unwrap(), bytes);
    let names = || -> Vec<String> {
        let found = fs::read_dir(home.path("state")).unwrap();
        let mut names: Vec<String> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["engine.db", "sets"]);

    fs::remove_file(home.path("rules.d/bad.policy")).unwrap();
    let text = home.start().stop();
    assert!(text.contains("moved aside"), "{text}");
    let names = names();
    let [new, aside, _sets] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!(new, "engine.db");
    assert!(aside.starts_with("engine.db.broken-"));
    assert_eq!(fs::read(home.path("state").join(aside)).unwrap(), bytes);
    let text = home.start().stop();
    assert!(text.contains("policy loaded from the store"), "{text}");
}

#[test]
fn a_store_that_cannot_be_opened_is_left_alone() {
    let home = Home::new();
    home.start().stop();
    let store = home.path("state/engine.db");
    let bytes = fs::read(&store).unwrap();
    // A folder in the place of the log stops DuckDB whoever runs the test.
    fs::create_dir(home.path("state/engine.db.wal")).unwrap();
    home.refused(&[], &["engine.db"]);
    assert_eq!(fs::read(&store).unwrap(), bytes);
    assert_eq!(fs::read_dir(home.path("state")).unwrap().count(), 3);
}

#[test]
fn what_the_store_makes_is_for_its_owner_alone() {
    let home = Home::new();
    home.list("ads", 3);
    home.rule("ads", "ads");
    let engine = home.start();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.path("state")), 0o700);
    assert!(home.path("state/engine.db.wal").exists(), "the log is the file that matters here");
    for entry in fs::read_dir(home.path("state")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(path.clone()) & 0o077, 0, "{}", path.display());
    }
    engine.stop();
}

#[test]
fn compiled_regexes_live_from_one_run_to_the_next() {
    let home = Home::new();
    let rule = |pattern: &str| format!("a: {{\n    match-uri-regex: {pattern}\n}}\n");
    home.write("rules.d/a.policy", &rule("/ads[0-9]+/"), 0o640);
    let checked = home.output(&["--check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("1 regex(es), 0 of them"), "{said}");
    assert!(!home.path("state").exists(), "a check keeps nothing");
    let scanned = |compiled: usize| {
        format!(
            "regexes=1 domains=0 exact_hosts=0 uri_hosts=0 literals=0 scanned=1 scanned_literals=0 \
             fallback=0 shards_compiled={compiled}"
        )
    };
    let first = home.start().stop();
    assert!(first.contains(&scanned(1)), "{first}");
    let mut again = home.start();
    again.wait_for(&scanned(0));
    home.write("rules.d/a.policy", &rule("(?=/ads)/"), 0o640);
    again.signal(Signal::SIGHUP);
    again.wait_for("the running one stays");
    assert!(again.text().contains("EGP051"), "{}", again.text());
    home.write("rules.d/a.policy", &rule("/ads[0-9]+x/"), 0o640);
    again.signal(Signal::SIGHUP);
    again.wait_for("policy reloaded");
    let text = again.stop();
    assert!(text.contains(&scanned(1)), "{text}");
    assert!(text.contains("regexes compared in the shadow"), "{text}");
}
