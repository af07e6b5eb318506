//! Below a service manager, which is a datagram socket here: what it is told and when, and listeners
//! that come from it.

use std::fs;
use std::io::IoSliceMut;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};

use crate::{Engine, Home, PATIENCE};

/// The service manager.
pub(crate) struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    pub(crate) fn of(home: &Home) -> Self {
        let path = home.path("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, name: path.to_str().unwrap().to_owned() }
    }

    /// The next message, with the descriptor that came with it.
    fn hear(&self) -> (String, Option<OwnedFd>) {
        let mut bytes = [0; 512];
        let mut space = nix::cmsg_space!([RawFd; 4]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let number = self.socket.as_raw_fd();
        let got = recvmsg::<UnixAddr>(number, &mut parts, Some(&mut space), flags);
        let got = got.unwrap();
        let count = got.bytes;
        let numbers: Vec<RawFd> = got
            .cmsgs()
            .unwrap()
            .filter_map(|message| match message {
                ControlMessageOwned::ScmRights(numbers) => Some(numbers),
                _ => None,
            })
            .flatten()
            .collect();
        assert!(numbers.len() <= 1);
        #[expect(unsafe_code, reason = "descriptors come as numbers")]
        // SAFETY: the system has just opened it for this process, and nobody else knows of it.
        let descriptor = numbers.first().map(|number| unsafe { OwnedFd::from_raw_fd(*number) });
        (String::from_utf8(bytes.get(..count).unwrap().to_vec()).unwrap(), descriptor)
    }

    /// Hears messages until one has `part`.
    pub(crate) fn hear_until(&self, part: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear().0);
            if heard.last().is_some_and(|text| text.contains(part)) {
                return heard;
            }
        }
    }

    /// Forgets what it was told so far and has not heard.
    pub(crate) fn forget(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 512]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Starts an engine below it. A listener stands as descriptor 3, with this name.
    pub(crate) fn start(
        &self,
        home: &Home,
        more: &[(&str, &str)],
        socket: Option<OwnedFd>,
    ) -> Engine {
        let log = home.path("stderr");
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        let engine = home.command(&[]);
        let mut command = match socket {
            None => engine,
            Some(socket) => {
                let mut shell = Command::new("/bin/sh");
                let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; \
                              exec \"$0\" -c \"$1\" --loglevel info";
                shell.arg("-c").arg(script).arg(engine.get_program()).arg(home.path("engine.conf"));
                shell.env_clear().stdin(Stdio::from(socket));
                shell
            }
        };
        command.env("NOTIFY_SOCKET", &self.name).envs(more.iter().copied()).stderr(file);
        let child: Child = command.spawn().unwrap();
        Engine { child, log }
    }
}

#[test]
fn it_is_told_when_the_engine_can_answer_loads_and_ends() {
    let home = Home::new();
    home.list("ads", 10);
    home.rule("ads", "ads");
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], None);
    let (text, listener) = manager.hear();
    assert_eq!(text, "FDSTORE=1\nFDNAME=defendr");
    let listener = TcpListener::from(listener.unwrap());
    assert_eq!(listener.local_addr().unwrap().port(), home.port);
    assert_eq!(manager.hear().0, "READY=1");
    engine.wait_for("ready listening=");
    engine.signal(Signal::SIGHUP);
    assert!(manager.hear().0.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(manager.hear().0, "READY=1");
    engine.wait_for("policy reloaded");
    home.write("rules.d/bad.policy", "bad: {\n", 0o640);
    engine.signal(Signal::SIGHUP);
    assert!(manager.hear().0.starts_with("RELOADING=1\n"));
    assert_eq!(manager.hear().0, "READY=1", "the old policy goes on");
    engine.signal(Signal::SIGTERM);
    assert_eq!(manager.hear().0, "STOPPING=1");
    engine.stop();
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let home = Home::new();
    home.write("rules.d/bad.policy", "bad: {\n", 0o640);
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], None);
    assert_eq!(engine.child.wait().unwrap().code(), Some(1));
    manager.socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 512];
    while let Ok(count) = manager.socket.recv(&mut bytes) {
        assert!(!bytes[..count].starts_with(b"READY"));
    }
}

#[test]
fn it_hears_again_and_again_that_the_engine_is_alive() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let engine = manager.start(&home, &[("WATCHDOG_USEC", "900000")], None);
    manager.hear_until("READY=1");
    for _ in 0..5 {
        assert_eq!(manager.hear().0, "WATCHDOG=1");
    }
    assert!(!engine.text().contains("no progress"), "{}", engine.text());
    engine.stop();
    let home = Home::new();
    let manager = Manager::of(&home);
    let more = [("WATCHDOG_USEC", "900000"), ("WATCHDOG_PID", "1")];
    let engine = manager.start(&home, &more, None);
    manager.hear_until("READY=1");
    engine.signal(Signal::SIGTERM);
    assert_eq!(manager.hear().0, "STOPPING=1", "another process is watched");
    engine.stop();
}

#[test]
fn a_listener_of_a_socket_unit_is_used() {
    let home = Home::new();
    let manager = Manager::of(&home);
    // Open in this process all the while: the engine could not bind it a second time.
    let listener = TcpListener::bind(("127.0.0.1", home.port)).unwrap();
    let more = [("LISTEN_FDNAMES", "anything")];
    let early = TcpStream::connect(("127.0.0.1", home.port)).unwrap();
    let mut engine = manager.start(&home, &more, Some(listener.try_clone().unwrap().into()));
    assert_eq!(manager.hear_until("READY=1"), ["READY=1"], "what systemd has it need not keep");
    engine.wait_for("the listener was kept for this start");
    engine.wait_for(&format!("ready listening=127.0.0.1:{}", home.port));
    // Who came before the engine is served by it: a client that goes away is a line of its log.
    drop(early);
    engine.stop();
}

#[test]
fn a_unix_socket_of_a_socket_unit_is_used() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let port = format!("port = {}\n", home.port);
    let text = text.replace(&port, "net = \"socket\"\npath = \"squid.sock\"\n");
    home.write("engine.conf", &text, 0o640);
    let path = home.path("squid.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], Some(listener.try_clone().unwrap().into()));
    manager.hear_until("READY=1");
    engine.wait_for("the listener was kept for this start");
    assert!(UnixStream::connect(&path).is_ok());
    engine.stop();
}

#[test]
fn a_kept_unix_socket_whose_path_is_gone_is_made_anew() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let port = format!("port = {}\n", home.port);
    let text = text.replace(&port, "net = \"socket\"\npath = \"squid.sock\"\n");
    home.write("engine.conf", &text, 0o640);
    let path = home.path("squid.sock");
    let manager = Manager::of(&home);
    let listener = UnixListener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut engine = manager.start(&home, &[], Some(listener.into()));
    // The service manager's store holds it no more.
    let heard = manager.hear_until("READY=1");
    assert_eq!(heard, ["FDSTOREREMOVE=1\nFDNAME=defendr", "FDSTORE=1\nFDNAME=defendr", "READY=1"]);
    engine.wait_for("is gone from its path");
    UnixStream::connect(&path).unwrap();
    // The same by a restart in place; and a file that has taken its place ends the next run aloud.
    fs::remove_file(&path).unwrap();
    engine.signal(Signal::SIGUSR2);
    manager.hear_until("READY=1");
    UnixStream::connect(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    engine.signal(Signal::SIGUSR2);
    assert_eq!(engine.child.wait().unwrap().code(), Some(1));
    assert!(engine.text().contains("there is a file that is no socket"), "{}", engine.text());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_listener_that_nobody_asked_for_is_closed_with_a_warning() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let stray = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stray.local_addr().unwrap();
    let mut engine = manager.start(&home, &[("LISTEN_FDNAMES", "stray")], Some(stray.into()));
    // What the store holds is replaced by what is wanted now.
    let heard = manager.hear_until("READY=1");
    assert_eq!(heard, ["FDSTOREREMOVE=1\nFDNAME=defendr", "FDSTORE=1\nFDNAME=defendr", "READY=1"]);
    engine.wait_for("a socket was handed over that no `[connectors.<name>]` asks for");
    assert!(TcpStream::connect(address).is_err(), "it is closed");
    assert!(TcpStream::connect(("127.0.0.1", home.port)).is_ok());
    engine.stop();
}

#[test]
fn after_a_crash_the_kept_listener_goes_on() {
    let home = Home::new();
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], None);
    let (text, kept) = manager.hear();
    assert!(text.starts_with("FDSTORE=1"), "{text}");
    manager.hear_until("READY=1");
    engine.child.kill().unwrap();
    engine.child.wait().unwrap();
    // Nobody serves, and nobody is refused.
    let meanwhile = TcpStream::connect(("127.0.0.1", home.port)).unwrap();
    let mut engine = manager.start(&home, &[("LISTEN_FDNAMES", "defendr")], kept);
    manager.hear_until("READY=1");
    engine.wait_for("the listener was kept for this start");
    drop(meanwhile);
    engine.stop();
}

#[test]
fn the_end_does_not_wait_for_a_reload() {
    let home = Home::new();
    home.list("ads", 3);
    home.rule("ads", "ads");
    let manager = Manager::of(&home);
    let engine = manager.start(&home, &[], None);
    manager.hear_until("READY=1");
    // A reload of a second or more on any machine that runs this.
    home.list("ads", 1_000_000);
    engine.signal(Signal::SIGHUP);
    manager.hear_until("RELOADING=1");
    engine.signal(Signal::SIGTERM);
    manager.hear_until("STOPPING=1");
    let text = engine.stop();
    assert!(text.contains("given up") && !text.contains("policy reloaded"), "{text}");
    assert!(text.contains("ended"), "{text}");
    let text = home.start().stop();
    assert!(text.contains("policy loaded from the store"), "{text}");
    assert!(text.contains("names=3"), "what was live still is: {text}");
}

#[test]
fn a_reload_that_is_asked_for_too_early_comes_later() {
    let home = Home::new();
    home.list("ads", 100_000);
    home.rule("ads", "ads");
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], None);
    manager.hear_until("FDSTORE=1");
    // Before it can answer; it may have read the files already.
    engine.signal(Signal::SIGHUP);
    assert_eq!(manager.hear().0, "READY=1");
    assert!(manager.hear().0.starts_with("RELOADING=1"));
    assert_eq!(manager.hear().0, "READY=1");
    engine.wait_for("policy reloaded");
    engine.stop();
}

#[test]
fn a_reload_that_a_restart_gives_up_is_done_by_the_next_run() {
    let home = Home::new();
    home.list("ads", 3);
    home.rule("ads", "ads");
    let manager = Manager::of(&home);
    let mut engine = manager.start(&home, &[], None);
    manager.hear_until("READY=1");
    home.list("ads", 1_000_000);
    engine.signal(Signal::SIGHUP);
    manager.hear_until("RELOADING=1");
    engine.signal(Signal::SIGUSR2);
    engine.wait_for("the reload is given up");
    engine.wait_for("names=1000000");
    engine.wait_for("policy reloaded");
    engine.stop();
}

#[test]
fn the_end_does_not_wait_for_the_start() {
    let home = Home::new();
    home.list("ads", 1_000_000);
    home.rule("ads", "ads");
    let manager = Manager::of(&home);
    let engine = manager.start(&home, &[], None);
    manager.hear_until("FDSTORE=1");
    engine.signal(Signal::SIGTERM);
    assert_eq!(manager.hear().0, "STOPPING=1");
    let text = engine.stop();
    assert!(text.contains("the start is given up") && !text.contains("ready"), "{text}");
    let text = home.start().stop();
    assert!(text.contains("names=1000000"), "{text}");
}
