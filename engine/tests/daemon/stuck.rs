//! A thread that serves and is stuck, which is here one that the test holds by ptrace while all others
//! run: the service manager hears no sign of life any more, and the engine ends all the same.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::supervised::Manager;
use crate::{Engine, Home, PATIENCE};

/// A thread of the engine that goes on no more.
struct Held(Pid);

impl Held {
    /// Holds the first thread of this name.
    fn hold(engine: &Engine, name: &str) -> Self {
        let threads = format!("/proc/{}/task", engine.child.id());
        let is_it = |number: &String| {
            let found = fs::read_to_string(format!("{threads}/{number}/comm")).unwrap_or_default();
            found.trim_end() == name
        };
        let find = || {
            let entries = fs::read_dir(&threads).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).find(is_it)
        };
        let began = Instant::now();
        let number = loop {
            // A thread gives itself its name, which may take it a moment.
            if let Some(number) = find() {
                break number;
            }
            assert!(began.elapsed() < PATIENCE, "no thread `{name}`");
            std::thread::yield_now();
        };
        let thread = Pid::from_raw(number.parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
        Self(thread)
    }

    /// Waits until it has gone with the process; it never goes on.
    fn bury(self) {
        let began = Instant::now();
        loop {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
            match waitpid(self.0, Some(flags)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return,
                Ok(_) => assert!(began.elapsed() < PATIENCE, "the process does not end"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn it_is_not_alive_and_ends_all_the_same() {
    for name in ["defendr-front", "defendr-0"] {
        let home = Home::new();
        let manager = Manager::of(&home);
        let mut engine = manager.start(&home, &[("WATCHDOG_USEC", "900000")], None);
        manager.hear_until("READY=1");
        manager.hear_until("WATCHDOG=1");
        let held = Held::hold(&engine, name);
        engine.wait_for("threads that serve make no progress threads=1");
        manager.forget();
        // Looks go on, and none of them finds it alive.
        engine.wait_until("two looks more", |text| text.matches("no progress").count() >= 3);
        engine.signal(Signal::SIGTERM);
        assert_eq!(manager.hear_until("STOPPING=1"), ["STOPPING=1"], "{name}");
        held.bury();
        let text = engine.stopped();
        assert!(text.contains("threads are left behind"), "{name}: {text}");
        assert!(text.contains("ended"), "{name}: {text}");
        let trail = fs::read_to_string(home.path("audit/audit.jsonl")).unwrap();
        assert!(trail.lines().last().unwrap().contains("\"stop\""), "{name}: {trail}");
    }
}

#[test]
fn a_restart_in_place_sets_it_right() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[("WATCHDOG_USEC", "30000000")], None);
    manager.hear_until("READY=1");
    let held = Held::hold(&engine, "defendr-0");
    engine.signal(Signal::SIGUSR2);
    // The system executes nothing before the test has let its thread go.
    held.bury();
    engine.wait_until("another run", |text| text.matches("ready listening=").count() == 2);
    engine.stop();
}
