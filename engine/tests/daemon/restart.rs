//! SIGUSR2: the program executes itself anew, with its listeners and its pid file.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::background::Daemon;
use super::supervised::Manager;
use crate::{Home, PATIENCE};

/// How often the log said that the engine can answer.
fn ready_count(text: &str) -> usize {
    text.matches("daemon: ready listening=").count()
}

#[test]
fn process_pid_file_and_listener_stay_and_nobody_is_refused() {
    let home = Home::new();
    let pid_file = home.path("engine.pid");
    let arguments = ["--pidfile", pid_file.to_str().unwrap(), "--loglevel", "info"];
    let mut engine = home.start_with(&arguments);
    let number = format!("{}\n", engine.child.id());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            let mut count = 0_usize;
            while !over.load(Ordering::Acquire) {
                TcpStream::connect(("127.0.0.1", home.port)).expect("nobody is refused");
                count += 1;
                // The queue of a listener has an end, and nobody reads it for a moment.
                std::thread::sleep(Duration::from_millis(1));
            }
            count
        });
        for runs in 2..5 {
            engine.signal(Signal::SIGUSR2);
            engine.wait_until("another run", |text| ready_count(text) == runs);
            assert_eq!(fs::read_to_string(&pid_file).unwrap(), number);
            home.refused(&arguments, &["an engine runs already as process", number.trim()]);
        }
        over.store(true, Ordering::Release);
        assert!(connecting.join().unwrap() > 0);
    });
    let text = engine.stop();
    assert_eq!(text.matches("the listener was kept for this start").count(), 3, "{text}");
    assert!(!pid_file.exists());
}

#[test]
fn a_new_configuration_takes_effect() {
    let home = Home::new();
    let mut engine = home.start();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let deny = text.replace("[policy]\n", "[policy]\ndefault_action = \"deny\"\n");
    home.write("engine.conf", &deny, 0o640);
    engine.signal(Signal::SIGUSR2);
    engine.wait_for("`default_action` is now `deny`");
    engine.wait_until("another run", |text| ready_count(text) == 2);
    engine.stop();
}

#[test]
fn a_port_that_is_not_wanted_any_more_is_closed() {
    let home = Home::new();
    let mut engine = home.start();
    let other = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let text = text.replace(&home.port.to_string(), &other.port.to_string());
    home.write("engine.conf", &text, 0o640);
    engine.signal(Signal::SIGUSR2);
    engine.wait_until("another run", |text| ready_count(text) == 2);
    engine.wait_for("a socket was handed over that no `[connectors.<name>]` asks for");
    assert!(TcpStream::connect(("127.0.0.1", home.port)).is_err());
    assert!(TcpStream::connect(("127.0.0.1", other.port)).is_ok());
    engine.stop();
}

#[test]
fn a_faulty_configuration_stops_no_engine() {
    let home = Home::new();
    let mut engine = home.start();
    home.configure("[global]\nthread = 2\n");
    engine.signal(Signal::SIGUSR2);
    engine.wait_for("the engine was not restarted and goes on");
    let text = engine.text();
    assert!(text.contains("unknown key `thread`") && !text.contains("draining"), "{text}");
    assert!(TcpStream::connect(("127.0.0.1", home.port)).is_ok());
    home.configure("");
    engine.signal(Signal::SIGUSR2);
    engine.wait_until("another run", |text| ready_count(text) == 2);
    engine.stop();
}

#[test]
fn a_next_run_that_fails_ends_with_its_cause() {
    let home = Home::new();
    let mut engine = home.start();
    fs::remove_dir(home.path("rules.d")).unwrap();
    engine.signal(Signal::SIGUSR2);
    assert_eq!(engine.child.wait().unwrap().code(), Some(1));
    let told = fs::read_to_string(home.path("last-error.json")).unwrap();
    assert!(told.contains("\"policy-files\""), "{told}");
}

#[test]
fn the_end_that_is_asked_for_meanwhile_comes() {
    let home = Home::new();
    let mut engine = home.start();
    engine.signal(Signal::SIGUSR2);
    engine.signal(Signal::SIGTERM);
    let status = engine.child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{}", engine.text());
}

#[test]
fn a_daemon_stays_one() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", daemon.pid)).unwrap().count();
    let before = descriptors();
    for runs in 2..5 {
        kill(daemon.pid, Signal::SIGUSR2).unwrap();
        home.wait_for_log(|text| ready_count(text) == runs);
    }
    // The store may still be closing a file of its own.
    let began = Instant::now();
    while descriptors() > before {
        assert!(began.elapsed() < PATIENCE, "each run leaves some: {} of {before}", descriptors());
        std::thread::yield_now();
    }
    let number = fs::read_to_string(home.path("engine.pid")).unwrap();
    assert_eq!(number, format!("{}\n", daemon.pid));
    let error = fs::read_link(format!("/proc/{}/fd/2", daemon.pid)).unwrap();
    assert_eq!(error.to_str(), Some("/dev/null"));
}

#[test]
fn the_service_manager_is_told() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let engine = manager.start(&home, &[], None);
    manager.hear_until("READY=1");
    engine.signal(Signal::SIGUSR2);
    let heard = manager.hear_until("READY=1");
    let [alive, reloading, ready] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((alive.as_str(), ready.as_str()), ("WATCHDOG=1", "READY=1"));
    assert!(reloading.starts_with("RELOADING=1\n"), "{reloading}");
    engine.stop();
}
