//! The real connector as a child process, as Squid would start it, and an engine made of this test.
//!
//! The engine speaks real TLS and the real proof; what it answers is each test's script. No test
//! sleeps: each waits for a line or for a message of its engine, with a bound on both.

#![expect(clippy::unwrap_used, reason = "all of this file is test; what fails here fails a test")]

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use eg_proto::handshake::EXPORTER_LABEL;
use eg_proto::{
    Action, Admission, Answer, AnswerWriter, DecisionId, EngineHandshake, EngineProgress,
    FailureCause, FailureToken, FrameBuffer, FrameKind, Hello, RefusedReason, Retry, Routes,
    SharedKey, Terms,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[path = "helper/engine.rs"]
mod engine;
#[path = "helper/several.rs"]
mod several;

use engine::*;

const KEY: &str = "q7Rk2LxV9bTzN4mWc8PdHs3FgJy6Ea5U";
const OTHER_KEY: &str = "Z1Rk2LxV9bTzN4mWc8PdHs3FgJy6Ea5U";
const TAIL: &str = "192.0.2.7 40000 - GET - - - - -";
const PATIENCE: Duration = Duration::from_secs(20);

/// The connector under test.
struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: Receiver<String>,
    _folder: tempfile::TempDir,
}

struct Settings<'a> {
    key: &'a str,
    pin: Option<&'a str>,
    connector: &'a str,
}

const PLAIN: Settings<'static> = Settings { key: KEY, pin: None, connector: "" };

fn write_config(folder: &Path, ports: &[u16], settings: &Settings<'_>) -> PathBuf {
    let mut text = String::new();
    for (count, port) in ports.iter().enumerate() {
        let key = settings.key;
        text +=
            &format!("[engine.e{count}]\nhost = \"127.0.0.1\"\nport = {port}\nkey = \"{key}\"\n");
        if let Some(pem) = settings.pin {
            std::fs::write(folder.join("pin.pem"), pem).unwrap();
            text += "cert = \"pin.pem\"\n";
        }
    }
    text += &format!("[connector]\nname = \"squid\"\n{}\n", settings.connector);
    let path = folder.join("squid-connector.conf");
    std::fs::write(&path, text).unwrap();
    path
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_enforcegate-squid-connector"))
}

/// The lines of a pipe. Those that nobody takes are dropped, so that the pipe never fills.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(10_000);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let _ = sender.try_send(line.unwrap());
        }
    });
    lines
}

impl Helper {
    fn start(ports: &[u16], settings: &Settings<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = write_config(folder.path(), ports, settings);
        Self::start_with(&config, folder)
    }

    fn start_with(config: &Path, folder: tempfile::TempDir) -> Self {
        let mut child = command()
            .arg("-c")
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let log = lines_of(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, lines, log, _folder: folder }
    }

    fn say(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next answer, cut before the decision id.
    fn hear(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        line.split(" eg_code_").next().unwrap_or(&line).to_owned()
    }

    /// The next line of the log that says this.
    fn logged(&self, what: &str, patience: Duration) -> String {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).unwrap();
            if line.contains(what) {
                return line;
            }
        }
    }

    fn hear_sorted(&self, count: usize) -> Vec<String> {
        let mut heard: Vec<String> = (0..count).map(|_| self.hear()).collect();
        heard.sort();
        heard
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    fn end(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.input.take());
        let rest = self.lines.iter().collect();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Already gone where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(id: usize, host: &str) -> String {
    format!("{id} http://{host}/ {TAIL}\n")
}

#[test]
fn permits_and_denies_in_both_forms() {
    let engine = Engine::start(KEY, Box::new(by_host));
    let pin = engine.cert_pem.clone();
    let mut helper = Helper::start(&[engine.port], &Settings { pin: Some(&pin), ..PLAIN });
    helper.say(&(line(1, "good.test") + &line(2, "bad.test")));
    let expected = ["1 OK eg_verdict_=permit", "2 OK eg_verdict_=deny eg_token_=tok"];
    assert_eq!(helper.hear_sorted(2), expected);
    let (status, rest) = helper.end();
    assert_eq!((status.code(), rest.len()), (Some(0), 0));

    let mut old = Helper::start(&[engine.port], &PLAIN);
    old.say("http://good.test/ 10.0.3.68/- - GET\nhttp://bad.test/ 10.0.3.68/- - GET\n");
    assert_eq!(old.hear(), "OK eg_verdict_=permit");
    assert_eq!(old.hear(), "OK eg_verdict_=deny eg_token_=tok");
}

#[test]
fn many_lines_answered_backwards_with_strangers_between() {
    let script: Script = Box::new(|asked| {
        let stranger = (u64::MAX, Action::Permit, "");
        let backwards = asked.iter().rev().map(|asked| (asked.id, Action::Permit, ""));
        Then::Answer([stranger].into_iter().chain(backwards).chain([stranger]).collect())
    });
    let engine = Engine::start(KEY, script);
    let mut helper = Helper::start(&[engine.port], &PLAIN);
    let lines: String = (0..900).map(|id| line(id, "good.test")).collect();
    helper.say(&lines);
    let mut expected: Vec<String> =
        (0..900).map(|id| format!("{id} OK eg_verdict_=permit")).collect();
    expected.sort();
    assert_eq!(helper.hear_sorted(900), expected);
}

#[test]
fn no_engine_no_answer_and_wrong_engines_refuse_in_time() {
    let quick = "answer_timeout_ms = 300";
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    let silent = Engine::start(KEY, Box::new(|_| Then::Nothing));
    let honest = Engine::start(KEY, Box::new(by_host));
    let other = Engine::start(OTHER_KEY, Box::new(by_host));
    let pin = other.cert_pem.clone();
    let bare = "1 OK eg_verdict_=deny eg_token_=-";
    for (what, port, pin, expected) in [
        // It is bound and listens, but nobody ever accepts: the hand of a stopped engine.
        ("stopped", port, None, bare),
        ("silent", silent.port, None, "1 OK eg_verdict_=deny eg_token_=timeout"),
        ("wrong certificate", honest.port, Some(pin.as_str()), bare),
        ("wrong key", other.port, None, bare),
    ] {
        let settings = Settings { pin, connector: quick, ..PLAIN };
        let mut helper = Helper::start(&[port], &settings);
        if what == "silent" {
            silent.welcomed();
        }
        let begun = Instant::now();
        helper.say(&line(1, "good.test"));
        assert_eq!(helper.hear(), expected, "{what}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{what}: {:?}", begun.elapsed());
    }
    let mut permits = Helper::start(
        &[port],
        &Settings { connector: "answer_timeout_ms = 300\nfail_action = \"permit\"", ..PLAIN },
    );
    permits.say(&line(1, "bad.test"));
    assert_eq!(permits.hear(), "1 OK eg_verdict_=permit");
}

#[test]
fn a_lost_link_and_garbage_are_survived_by_asking_again() {
    let mut turn = 0;
    let script: Script = Box::new(move |asked| {
        turn += 1;
        match turn {
            1 => Then::HangUp,
            2 => Then::Garbage,
            _ => {
                assert!(asked.iter().all(|asked| asked.retry == Retry::Again), "{asked:?}");
                by_host(asked)
            }
        }
    });
    let engine = Engine::start(KEY, script);
    let mut helper = Helper::start(&[engine.port], &PLAIN);
    helper.say(&line(1, "bad.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=deny eg_token_=tok");
    for _ in 0..3 {
        engine.welcomed();
    }
}

#[test]
fn the_next_engine_is_asked_when_the_first_is_silent() {
    let silent = Engine::start(KEY, Box::new(|_| Then::Stop));
    let good = Engine::start(KEY, Box::new(by_host));
    let mut helper = Helper::start(&[silent.port, good.port], &PLAIN);
    silent.welcomed();
    // One line and nothing after it: no other event wakes the connector before the deadline.
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
}

#[test]
fn the_next_engine_is_asked_when_the_first_hangs_up() {
    let leaving = Engine::start(KEY, Box::new(|_| Then::HangUp));
    let good = Engine::start(KEY, Box::new(by_host));
    let mut helper = Helper::start(&[leaving.port, good.port], &PLAIN);
    leaving.welcomed();
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
}

#[test]
fn an_only_engine_that_is_silent_is_given_up_after_one_timeout() {
    let silent = Engine::start(KEY, Box::new(|_| Then::Stop));
    let quick = "answer_timeout_ms = 300\n[logging]\nlevel = \"notice\"";
    let mut helper = Helper::start(&[silent.port], &Settings { connector: quick, ..PLAIN });
    silent.welcomed();
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=deny eg_token_=timeout");
    // Long before the keepalive would notice, which takes 15 s.
    helper.logged("nothing was heard for", Duration::from_secs(5));
}

#[test]
fn the_end_of_input_drains() {
    let engine = Engine::start(KEY, Box::new(by_host));
    let mut helper = Helper::start(&[engine.port], &PLAIN);
    helper.say(&(line(1, "good.test") + &line(2, "bad.test") + "3 http://good.test/ unfinished"));
    let (status, mut rest) = helper.end();
    rest.sort();
    let verdicts: Vec<&str> =
        rest.iter().map(|line| line.split([' ', '=']).nth(3).unwrap()).collect();
    assert_eq!((status.code(), verdicts), (Some(0), vec!["permit", "deny", "deny"]));
}

#[test]
fn the_last_line_of_the_log_names_each_counter() {
    let engine = Engine::start(KEY, Box::new(by_host));
    let told = Settings { connector: "[logging]\nlevel = \"notice\"", ..PLAIN };
    let mut helper = Helper::start(&[engine.port], &told);
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
    helper.say("2 unreadable\n");
    drop(helper.input.take());
    let ended = helper.logged("ended", PATIENCE);
    for field in ["lines=2", "bad_lines=1", "answers=1", "asked_again=0", "late=0", "broken=0"] {
        assert!(ended.contains(&format!(" {field}")), "{field}: {ended}");
    }
    for &cause in FailureCause::ALL {
        let count = u8::from(cause == FailureCause::UnreadableLine);
        assert!(ended.contains(&format!(" {}={count}", cause.word())), "{ended}");
    }
    assert!(!ended.contains('{'), "{ended}");
}

#[test]
fn syslog_hears_it_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let socket = std::os::unix::net::UnixDatagram::bind(folder.path().join("log")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let conf = folder.path().join("c.conf");
    let text = format!(
        "[engine.a]\nhost = \"127.0.0.1\"\nport = 1\nkey = \"{KEY}\"\n[connector]\nname = \"squid\"\n\
         [logging]\nsocket = \"log\"\nlevel = \"notice\"\n"
    );
    std::fs::write(&conf, text).unwrap();
    let mut program = command();
    program.arg("-c").arg(&conf).args(["--logtype", "syslog"]).stdin(Stdio::null());
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let number = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    let mut bytes = [0; 1024];
    for end in ["ready", "ended lines=0"] {
        let line = loop {
            let count = socket.recv(&mut bytes).unwrap();
            let line = String::from_utf8_lossy(bytes.get(..count).unwrap()).into_owned();
            if line.starts_with("<29>") {
                break line;
            }
        };
        let named = format!(" enforcegate-squid-connector[{number}]: {end}");
        assert!(line.contains(&named), "`{named}` is not in: {line}");
    }
}

#[test]
fn sigterm_drains() {
    let (asked_sender, asked_seen) = sync_channel(10);
    let (go, wait) = sync_channel::<()>(0);
    let script: Script = Box::new(move |asked| {
        asked_sender.send(()).unwrap();
        wait.recv().unwrap();
        by_host(asked)
    });
    let engine = Engine::start(KEY, script);
    let mut helper = Helper::start(&[engine.port], &PLAIN);
    helper.say(&line(1, "good.test"));
    asked_seen.recv_timeout(PATIENCE).unwrap();
    helper.signal(Signal::SIGTERM);
    go.send(()).unwrap();
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
    assert_eq!(helper.child.wait().unwrap().code(), Some(0));
}

#[test]
fn garbage_on_stdin_harms_nobody() {
    let engine = Engine::start(KEY, Box::new(by_host));
    let mut helper = Helper::start(&[engine.port], &PLAIN);
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
    let long = "x".repeat(200_000);
    helper.say(&format!("\n\0\n-3 x\n99999999999999999999 http://a/ {TAIL}\n2 {long}\n{long}\n"));
    assert_eq!(helper.hear(), "2 OK eg_verdict_=deny eg_token_=unreadable-line");
    helper.say(&line(3, "good.test"));
    assert_eq!(helper.hear(), "3 OK eg_verdict_=permit");
}

#[test]
fn prints_squids_lines_and_refuses_what_is_not_there_yet() {
    let engine = Engine::start(KEY, Box::new(by_host));
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), &[engine.port], &PLAIN);
    let run = |arguments: &[&str]| {
        let out = command().arg("-c").arg(&config).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        (out.status.code(), text, String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, asked, fault) = run(&["--squid-conf"]);
    assert_eq!(code, Some(0), "{fault}");
    assert!(asked.contains(
        "deny_info 302:http://portal.test/blocked?v=1&p=@Squid{%note{eg_token_}} eg_deny"
    ));
    let (code, given, _) = run(&["--squid-conf", "--base-url", "http://portal.test"]);
    assert_eq!((code, given), (Some(0), asked));
    let (code, _, fault) = run(&["--doctor"]);
    assert_eq!(code, Some(1));
    assert!(fault.contains("not in this version"), "{fault}");
    assert_eq!(run(&["--acl", "--squid-conf"]).0, Some(2), "one of the two");
    for flag in ["-v", "--version"] {
        let expected = format!("enforcegate-squid-connector {}\n", eg_settings::version());
        assert_eq!(run(&[flag]), (Some(2), expected, String::new()));
    }
    for flag in ["-h", "--help"] {
        assert_eq!(run(&[flag]).0, Some(2));
    }
    std::fs::write(&config, "[connector]\nnam = 1\n").unwrap();
    let (code, _, fault) = run(&[]);
    assert_eq!(code, Some(1));
    assert!(
        fault.contains("squid-connector.conf:2:1: unknown key `nam` in `[connector]`"),
        "{fault}"
    );
}
