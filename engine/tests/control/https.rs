//! The HTTPS door: who is let in, what it says to strangers, and what they cannot take from others.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::ask::parsed;
use super::tls::{TLS12, TLS13, ask, connect_from, over, raw, request, tls};
use crate::{Home, PATIENCE};

fn problem(kind: &str) -> Value {
    format!("urn:enforcegate:problem:{kind}").into()
}

#[test]
fn strangers_are_told_to_log_in_over_either_tls() {
    let home = Home::new();
    let engine = home.start();
    for version in [TLS12, TLS13] {
        for headers in [
            "",
            "Authorization: Bearer nonsense\r\n",
            "Authorization: \u{e4}\r\n",
            "Authorization:\r\n",
        ] {
            let tls = over(&home, connect_from(&home, 1).unwrap(), version).unwrap();
            let text = raw(tls, request("GET", "/api/v1/status", headers, "").as_bytes());
            let answer = parsed(&text);
            assert_eq!((answer.status, &answer.body["type"]), (401, &problem("unauthorized")));
            assert_eq!(answer.kind, "application/problem+json");
            for header in [
                "www-authenticate: Bearer",
                "strict-transport-security: max-age=31536000",
                "x-content-type-options: nosniff",
                "cache-control: no-store",
            ] {
                assert!(text.contains(header), "{header}: {text}");
            }
        }
    }
    let answer = ask(&home, "POST", "/api/v1/policy/reload", "");
    assert_eq!(answer.status, 401, "{answer:?}");
    engine.stop();
}

#[test]
fn what_is_for_everybody_needs_no_login() {
    let home = Home::new();
    let engine = home.start();
    for headers in ["", "Authorization: Bearer old\r\n"] {
        for path in ["/healthz", "/readyz"] {
            let answer = ask(&home, "GET", path, headers);
            assert_eq!((answer.status, &answer.body["status"]), (200, &"ok".into()), "{answer:?}");
        }
        let answer = ask(&home, "GET", "/api/v1/openapi.json", headers);
        assert_eq!((answer.status, &answer.body["openapi"]), (200, &"3.1.0".into()));
    }
    engine.stop();
}

#[test]
fn what_is_not_there_is_a_problem_too() {
    let home = Home::new();
    let engine = home.start();
    for path in
        ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/nowhere", "/healthz/", "/api/v2/status"]
    {
        let answer = ask(&home, "GET", path, "");
        assert_eq!((answer.status, &answer.body["type"]), (404, &problem("not-found")), "{path}");
        assert_eq!(answer.kind, "application/problem+json");
    }
    for (method, path) in
        [("PATCH", "/api/v1/status"), ("DELETE", "/healthz"), ("OPTIONS", "/api/v1/policy/reload")]
    {
        let text = raw(tls(&home), request(method, path, "", "").as_bytes());
        let answer = parsed(&text);
        assert_eq!((answer.status, &answer.body["type"]), (405, &problem("method-not-allowed")));
        assert!(text.to_ascii_lowercase().contains("\nallow: "), "{text}");
    }
    engine.stop();
}

#[test]
fn what_is_no_request_is_a_problem_too() {
    let home = Home::new();
    let engine = home.start();
    let many: String = (0..100).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    let path = format!("/{}", "y".repeat(70_000));
    for (text, expected) in [
        ("nonsense\r\n\r\n".to_owned(), [400, 400]),
        ("GET / HTTP/1.1\r\nBad Header\r\n\r\n".to_owned(), [400, 400]),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"), [431, 431]),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{long}\r\n"), [431, 431]),
        (format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"), [414, 431]),
        ("GET /api/v1/neighbors/%ff HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), [400, 401]),
    ] {
        let answer = raw(tls(&home), text.as_bytes());
        let answer = parsed(&answer);
        let shown: String = text.chars().take(60).collect();
        assert!(expected.contains(&answer.status), "{shown}: {answer:?}");
        assert_eq!(answer.body["status"], answer.status, "{shown}");
        assert_eq!(answer.kind, "application/problem+json", "{shown}");
    }
    engine.stop();
}

#[test]
fn a_body_has_a_bound_and_a_kind() {
    let home = Home::new();
    let engine = home.start();
    let large = format!("{{\"user\":\"{}\"}}", "x".repeat(70_000));
    let answer = parsed(&raw(tls(&home), request("POST", "/api/v1/login", "", &large).as_bytes()));
    // Until there are accounts nobody can log in at all.
    assert!([413, 404].contains(&answer.status), "{answer:?}");
    let other = "Content-Type: text/plain\r\n";
    let answer = parsed(&raw(tls(&home), request("POST", "/api/v1/login", other, "{}").as_bytes()));
    assert!([415, 404].contains(&answer.status), "{answer:?}");
    engine.stop();
}

#[test]
fn one_connection_has_several_requests() {
    let home = Home::new();
    let engine = home.start();
    let mut tls = tls(&home);
    for _ in 0..3 {
        tls.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"{\"status\":\"ok\"}") {
            let mut chunk = [0; 1024];
            let count = tls.read(&mut chunk).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&chunk[..count]);
        }
    }
    // And is closed once nothing more comes.
    let began = Instant::now();
    let mut rest = Vec::new();
    drop(tls.read_to_end(&mut rest));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    engine.stop();
}

#[test]
fn who_is_slow_is_cut_off() {
    let home = Home::new();
    let engine = home.start();
    let began = Instant::now();
    // Without a handshake, with half a request, and with a drop now and then.
    let mut silent = connect_from(&home, 1).unwrap();
    let mut half = tls(&home);
    half.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    let mut drops = tls(&home);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for letter in b"GET /healthz HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx" {
                if drops.write_all(&[*letter]).and_then(|()| drops.flush()).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let mut text = String::new();
        drop(half.read_to_string(&mut text));
        let answer = parsed(&text);
        assert_eq!((answer.status, &answer.body["type"]), (408, &problem("too-slow")));
        drop(silent.read_to_end(&mut Vec::new()));
        assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    });
    let began = Instant::now();
    drop(drops.read_to_end(&mut Vec::new()));
    assert!(began.elapsed() < Duration::from_secs(10), "the drops did not keep it open");
    engine.stop();
}

#[test]
fn one_source_leaves_places_for_others() {
    let home = Home::new();
    let mut engine = home.start();
    let mut held: Vec<_> = (0..32).map(|_| connect_from(&home, 1).unwrap()).collect();
    // One more is closed at once, and not after the handshake's time.
    let began = Instant::now();
    let mut more = connect_from(&home, 1).unwrap();
    assert_eq!(more.read(&mut [0]).unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let other = over(&home, connect_from(&home, 2).unwrap(), TLS13).unwrap();
    let answer = parsed(&raw(other, request("GET", "/healthz", "", "").as_bytes()));
    assert_eq!(answer.status, 200, "another address gets in");
    engine.wait_for("this source has as many connections as one may");
    // A flood of them is told of ten times, and those that hold places lose them.
    for _ in 0..200 {
        drop(connect_from(&home, 1));
    }
    for stream in &mut held {
        drop(stream.read(&mut [0]));
    }
    drop(held);
    let began = Instant::now();
    loop {
        let again = connect_from(&home, 1).and_then(|stream| over(&home, stream, TLS13));
        if let Ok(again) = again {
            let text = raw(again, request("GET", "/healthz", "", "").as_bytes());
            assert_eq!(parsed(&text).status, 200);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the places are not given back");
        std::thread::yield_now();
    }
    let text = engine.stop();
    let lines = text.matches("as many connections as one may").count();
    assert!((1..=10).contains(&lines), "{lines}");
}

#[test]
fn a_taken_port_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind(("127.0.0.1", home.control)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    home.refused(&[], &[&address, "`[control]`", "cannot be listened on", "engine.conf"]);
    assert!(!home.path("state").exists(), "nothing was touched");
}

#[test]
fn nobody_is_refused_over_a_restart_in_place() {
    let home = Home::new();
    let mut engine = home.start();
    engine.signal(Signal::SIGUSR2);
    let began = Instant::now();
    let runs = |text: &str| text.matches("ready listening=").count();
    let mut asked = 0;
    while runs(&engine.text()) < 2 {
        // It may be cut off where the old run took it, but it is never turned away.
        connect_from(&home, 1).expect("nobody is refused");
        asked += 1;
        assert!(began.elapsed() < PATIENCE, "{}", engine.text());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(asked > 0);
    engine.wait_until("the next run", |text| runs(text) == 2);
    let began = Instant::now();
    // Those that were left open above hold places for a moment.
    while connect_from(&home, 3).and_then(|stream| over(&home, stream, TLS13)).is_err() {
        assert!(began.elapsed() < PATIENCE);
    }
    engine.stop();
}
