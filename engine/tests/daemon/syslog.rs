//! `type = "syslog"` against a socket that stands for `/dev/log`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::{Engine, Home, PATIENCE};

fn heard(socket: &UnixDatagram, part: &str) -> String {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count =
            socket.recv(&mut bytes).map_err(|fault| format!("no `{part}`: {fault}")).unwrap();
        let line = std::str::from_utf8(bytes.get(..count).unwrap()).unwrap().to_owned();
        if line.contains(part) {
            return line;
        }
    }
}

#[test]
fn lines_go_to_the_facility_daemon_under_our_name() {
    let home = Home::new();
    let bind = || {
        let socket = UnixDatagram::bind(home.path("log.sock")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    let text = text.replace("type = \"console\"", "type = \"syslog\"\nsocket = \"log.sock\"");
    home.write("engine.conf", &text, 0o640);
    let socket = bind();
    let log = home.path("stderr");
    let file = fs::File::create(&log).unwrap();
    let child = home.command(&[]).stderr(file).stdin(Stdio::null()).spawn().unwrap();
    let engine = Engine { child, log };
    let line = heard(&socket, "ready listening=");
    let number = engine.child.id();
    assert!(line.starts_with("<29>"), "daemon.notice: {line}");
    assert!(line.contains(&format!(" enforcegate-engine[{number}]: daemon: ready ")), "{line}");
    assert!(!line.contains('\n'), "{line}");

    // The system's syslog is restarted; a fault comes through the new one.
    drop(socket);
    fs::remove_file(home.path("log.sock")).unwrap();
    let socket = bind();
    home.write("rules.d/bad.policy", "bad: {\n  match-urii: x\n}\n", 0o640);
    engine.signal(Signal::SIGHUP);
    let line = heard(&socket, "EGP020");
    assert!(line.starts_with("<27>"), "daemon.err: {line}");
    assert!(line.contains("help="), "what to do: {line}");
    assert_eq!(engine.stop(), "", "standard error stays quiet");
}
