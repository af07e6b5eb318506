//! Who may ask, and how much.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::ask::{get, load, parsed, post, raw, trail, trail_of};
use crate::{Home, PATIENCE};

#[test]
fn only_the_engines_user_can_open_the_socket() {
    let home = Home::new();
    let engine = home.start();
    let mode = fs::metadata(home.path("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(get(&home, "policy").status, 200);
    engine.stop();
}

/// Who asks in the process of another user, below.
const ASK_AS_ANOTHER: &str = "EG_TEST_ASK_AS_ANOTHER";

#[test]
fn another_user_is_not_let_in() {
    if let Some(socket) = std::env::var_os(ASK_AS_ANOTHER) {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(b"GET /api/v1/policy HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let answer = parsed(&text);
        assert_eq!((answer.status, &answer.body["title"]), (403, &"not allowed".into()), "{text}");
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        // Only root can become another user.
        return;
    }
    let home = Home::new();
    let engine = home.start();
    // As where somebody has opened folder and socket to everybody; and a program that everybody can run.
    let open = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(home.folder.path(), 0o755);
    open(&home.path("control.sock"), 0o666);
    let program = home.path("asks");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(&program, 0o755);
    let output = Command::new(&program)
        .args(["--exact", "control::bounds::another_user_is_not_let_in"])
        .env(ASK_AS_ANOTHER, home.path("control.sock"))
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    let entries = trail_of(&home, "refused", 1);
    assert_eq!(entries[0]["outcome"], "not-the-engines-user");
    assert!(entries[0]["peer"].as_str().unwrap().starts_with("unix:user=65534"), "{entries:?}");
    engine.stop();
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let home = Home::new();
    let engine = home.start();
    let before = get(&home, "policy").body;
    for (body, expected) in [
        ("{\"dryrun\":true}", "unknown field `dryrun`"),
        ("{\"force\":\"yes\"}", "boolean"),
        ("[]", "is not what this path takes"),
        ("{", "is not what this path takes"),
        ("\0", "is not what this path takes"),
        ("{\"reason\":\"a\\nb\"}", "a reason is one line"),
    ] {
        let answer = load(&home, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.body["type"], "urn:enforcegate:problem:bad-request");
        assert!(answer.body["detail"].as_str().unwrap().contains(expected), "{answer:?}");
    }
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(1025));
    assert_eq!(load(&home, &long).status, 400);
    assert_eq!(get(&home, "policy/reload").status, 405);
    assert_eq!(post(&home, "policy", "").status, 405);
    for path in ["", "nowhere", "policy/", "policy/reload/1/2", "../v1/policy"] {
        assert_eq!(get(&home, path).status, 404, "{path}");
    }
    assert_eq!(parsed(&raw(&home, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status, 404);
    assert_eq!(get(&home, "policy").body, before, "nothing of it was a reload");
    engine.stop();
}

#[test]
fn what_is_too_large_is_refused() {
    let home = Home::new();
    let engine = home.start();
    let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(64 * 1024));
    let answer = load(&home, &body);
    assert_eq!((answer.status, &answer.body["status"]), (413, &413.into()), "{answer:?}");
    // The length is not believed either.
    let chunk = "x".repeat(70_000);
    let request = format!(
        "POST /api/v1/policy/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    assert_eq!(parsed(&raw(&home, request.as_bytes())).status, 413);
    let head = format!("GET /api/v1/policy HTTP/1.1\r\nHost: x\r\nX: {chunk}\r\n\r\n");
    let text = raw(&home, head.as_bytes());
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
    assert_eq!(get(&home, "policy").status, 200);
    engine.stop();
}

#[test]
fn who_is_slow_is_cut_off_and_holds_up_nobody() {
    let home = Home::new();
    let engine = home.start();
    let connect = |text: &[u8]| {
        let mut stream = UnixStream::connect(home.path("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text).unwrap();
        stream
    };
    let began = Instant::now();
    let mut silent: Vec<UnixStream> = (0..20).map(|_| connect(b"GET /api")).collect();
    let mut body = connect(
        b"POST /api/v1/policy/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"for",
    );
    assert_eq!(get(&home, "policy").status, 200);
    assert!(began.elapsed() < Duration::from_secs(4), "others are served meanwhile");
    for stream in &mut silent {
        let mut text = String::new();
        drop(stream.read_to_string(&mut text));
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    }
    let mut text = String::new();
    body.read_to_string(&mut text).unwrap();
    assert_eq!(parsed(&text).status, 408, "{text}");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(30), "{took:?}");
    assert!(trail(&home, "reload").is_empty());
    engine.stop();
}

#[test]
fn a_socket_that_cannot_be_had_ends_no_start() {
    let home = Home::new();
    home.write("control.sock", "a letter", 0o600);
    let mut engine = home.start();
    engine.wait_for("there is no control socket");
    assert_eq!(fs::read_to_string(home.path("control.sock")).unwrap(), "a letter");
    engine.stop();
    fs::remove_file(home.path("control.sock")).unwrap();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    home.write("engine.conf", &text.replace("\"control.sock\"", "\"\""), 0o640);
    home.start().stop();
    assert!(!home.path("control.sock").exists());
}
