//! `-D` and `--pidfile`: the caller waits for the word, the daemon holds the lock and lets go of
//! everything else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

use crate::{Home, PATIENCE};

/// A daemon of which only the pid file tells; it is ended with the test.
pub(crate) struct Daemon {
    pub(crate) pid: Pid,
    pid_file: PathBuf,
}

impl Daemon {
    /// Starts one, whose start must succeed.
    pub(crate) fn start(home: &Home) -> Self {
        home.log_to_file();
        let pid_file = home.path("engine.pid");
        let output = home.output(&["-D", "--pidfile", pid_file.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}{}", home.log());
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{text}");
        let number = fs::read_to_string(&pid_file).unwrap();
        Self { pid: Pid::from_raw(number.trim().parse().unwrap()), pid_file }
    }

    fn is_running(&self) -> bool {
        // One that nobody has buried yet has ended all the same.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    }

    fn stop(self) {
        kill(self.pid, Signal::SIGTERM).unwrap();
        let began = Instant::now();
        while self.is_running() {
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
        assert!(!self.pid_file.exists(), "the pid file goes with its owner");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

#[test]
fn the_caller_returns_once_the_daemon_can_answer() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    // The log has a thread of its own, which may be a moment behind.
    home.wait_for_log(|log| log.contains("ready listening="));
    assert!(std::net::TcpStream::connect(("127.0.0.1", home.port)).is_ok());
    let entry = |name: &str| fs::read_link(format!("/proc/{}/{name}", daemon.pid)).unwrap();
    for number in 0..3 {
        assert_eq!(entry(&format!("fd/{number}")), PathBuf::from("/dev/null"));
    }
    assert_eq!(entry("cwd"), PathBuf::from("/"));
    let session = getsid(Some(daemon.pid)).unwrap();
    assert_ne!(session, getsid(None).unwrap());
    assert_ne!(session, daemon.pid, "it cannot get a terminal");
    assert_eq!(fs::metadata(home.path("engine.pid")).unwrap().mode() & 0o777, 0o644);
    daemon.stop();
    assert!(home.log().contains("ended"), "{}", home.log());
}

#[test]
fn a_second_engine_is_told_who_the_first_is() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let other = Home::new();
    let pid_file = home.path("engine.pid");
    let pid_file = pid_file.to_str().unwrap();
    let named = format!("an engine runs already as process {}: it holds `{pid_file}`", daemon.pid);
    // In the foreground as well, whatever else differs.
    other.refused(&["--pidfile", pid_file], &[&named]);
    other.log_to_file();
    other.refused(&["-D", "--pidfile", pid_file], &[&named]);
    assert!(daemon.is_running());
    assert_eq!(fs::read_to_string(pid_file).unwrap(), format!("{}\n", daemon.pid));
    daemon.stop();
}

#[test]
fn what_a_killed_daemon_left_stops_nobody() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    kill(daemon.pid, Signal::SIGKILL).unwrap();
    let began = Instant::now();
    while daemon.is_running() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(home.path("engine.pid").exists());
    let next = Daemon::start(&home);
    assert_ne!(next.pid, daemon.pid);
    next.stop();
}

#[test]
fn a_start_that_fails_is_told_to_the_caller() {
    let home = Home::new();
    home.log_to_file();
    home.write("rules.d/10-bad.policy", "bad: {\n    match-urii: x\n}\n", 0o640);
    let pid_file = home.path("engine.pid");
    home.refused(&["-D", "--pidfile", pid_file.to_str().unwrap()], &["10-bad.policy:2", "EGP020"]);
    assert!(!pid_file.exists());
    assert!(home.log().contains("the engine cannot run"), "{}", home.log());
}

#[test]
fn a_daemon_without_a_log_is_refused() {
    let home = Home::new();
    home.refused(&["-D"], &["`[logging] type` must be `file` or `syslog`"]);
    home.log_to_file();
    home.refused(&["-D", "--logtype", "console"], &["`[logging] type` must be"]);
}
