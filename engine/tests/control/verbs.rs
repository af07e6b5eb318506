//! The verbs of the engine itself and of its connectors, over the socket.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ask::{get, parsed, post, raw, trail_of};
use crate::{Home, PATIENCE};

/// The fields of an answer, in the order of their names.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_status_says_what_there_is() {
    let home = Home::new();
    home.list("bad", 3);
    home.rule("no", "bad");
    let engine = home.start();
    let answer = get(&home, "status");
    assert_eq!(answer.status, 200, "{answer:?}");
    let status = answer.body;
    for (field, expected) in [
        ("engine", Value::from("running")),
        ("pid", engine.child.id().into()),
        ("store", "open".into()),
        ("audit", "recording".into()),
        ("api_connections", 1.into()),
        ("api_connections_max", (256 + 32).into()),
        ("sessions", 0.into()),
        ("sessions_max", 1024.into()),
        ("revision", 1.into()),
        ("rules", 1.into()),
        ("names", 3.into()),
        ("unconfirmed", Value::Null),
        ("weakenings", Value::Array(Vec::new())),
    ] {
        assert_eq!(status[field], expected, "{field}: {status}");
    }
    assert_eq!(status["api"][0], format!("https://127.0.0.1:{}", home.control));
    assert!(status["api"][1].as_str().unwrap().starts_with("unix:/"), "{status}");
    assert!(status["resident"].as_u64().unwrap() > 1 << 20, "{status}");
    let since: jiff::Timestamp = status["since"].as_str().unwrap().parse().unwrap();
    assert!(since <= jiff::Timestamp::now());
    assert_eq!(status["digest"], get(&home, "policy").body["digest"]);
    engine.stop();
}

#[test]
fn versions_and_clock() {
    let home = Home::new();
    let engine = home.start();
    let version = get(&home, "version").body;
    assert_eq!(version["defendr"], Value::from(vec![1]), "{version}");
    assert_eq!(version["engine"].as_str().unwrap().split('.').count(), 4, "{version}");
    assert!(version["store"].as_str().unwrap().starts_with("DuckDB 1."), "{version}");
    assert!(version["scanner"].as_str().unwrap().starts_with("hyperscan 5.4."), "{version}");
    let clock = get(&home, "clock").body;
    assert_eq!(fields(&clock), ["local", "synchronised", "time_window_tz", "utc", "zone"]);
    let utc: jiff::Timestamp = clock["utc"].as_str().unwrap().parse().unwrap();
    let local: jiff::Timestamp = clock["local"].as_str().unwrap().parse().unwrap();
    assert_eq!(utc, local);
    assert!(jiff::Timestamp::now().duration_since(utc) < jiff::SignedDuration::from_mins(2));
    engine.stop();
}

#[test]
fn the_store_says_what_is_in_it() {
    let home = Home::new();
    home.list("bad", 3);
    home.rule("no", "bad");
    let engine = home.start();
    let answer = get(&home, "database");
    assert_eq!(answer.status, 200, "{answer:?}");
    let database = answer.body;
    assert_eq!((&database["state"], &database["schema"]), (&"open".into(), &3.into()));
    let rows = |name: &str| {
        let tables = database["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).unwrap()["rows"].clone()
    };
    assert_eq!((rows("rule"), rows("list"), rows("revision")), (1.into(), 1.into(), 1.into()));
    assert!(database["sets"]["files"].as_u64().unwrap() >= 2, "{database}");
    let file = database["file"].as_str().unwrap();
    assert!(fs::metadata(file).unwrap().len() > 0);
    engine.stop();
}

#[test]
fn threads_and_what_matches() {
    let home = Home::new();
    home.list("bad", 3);
    home.rule("no", "bad");
    let engine = home.start();
    let threads = get(&home, "system/threads").body;
    let threads = threads["threads"].as_array().unwrap();
    for name in ["enforcegate-eng", "defendr-0", "policy", "audit", "shadow", "control"] {
        assert!(threads.iter().any(|thread| thread["name"] == name), "{name}: {threads:?}");
    }
    let matches = get(&home, "system/uri-engine").body;
    for (field, expected) in [
        ("domain_backend", Value::from("hashset")),
        ("names", 3.into()),
        ("regex_backend", "hyperscan".into()),
        ("patterns", 0.into()),
        ("differed", 0.into()),
    ] {
        assert_eq!(matches[field], expected, "{matches}");
    }
    engine.stop();
}

#[test]
fn the_log_is_read_from_its_file_alone() {
    let home = Home::new();
    let engine = home.start();
    let answer = get(&home, "log");
    assert_eq!(answer.status, 409, "{answer:?}");
    engine.stop();
    home.log_to_file();
    let mut command = home.command(&[]);
    let mut child = command.spawn().unwrap();
    home.wait_for_log(|text| text.contains("ready listening="));
    let answer = get(&home, "log?lines=1000");
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.body["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("ready listening=")));
    assert_eq!(get(&home, "log?lines=1").body["lines"].as_array().unwrap().len(), 1);
    for bad in ["lines=0", "lines=1001", "lines=x", "lines=-1", "line=5", "lines=1&lines=2"] {
        let answer = get(&home, &format!("log?{bad}"));
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
        assert_eq!(answer.kind, "application/problem+json", "{bad}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn connectors_are_shown_with_those_who_were_refused() {
    let home = Home::new();
    let engine = home.start();
    let summary = get(&home, "neighbors").body;
    assert_eq!(summary["neighbors"][0]["name"], "squid", "{summary}");
    assert_eq!(summary["neighbors"][0]["sessions"], 0);
    assert_eq!(
        (&summary["sessions_max"], &summary["refused"]),
        (&1024.into(), &Value::from(Vec::<u8>::new()))
    );
    let mut stranger = TcpStream::connect(("127.0.0.1", home.port)).unwrap();
    std::io::Write::write_all(&mut stranger, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let began = Instant::now();
    loop {
        let refused = &get(&home, "neighbors").body["refused"];
        if refused[0]["count"] == 1 {
            assert_eq!(refused[0]["reason"], "tls");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{refused}");
    }
    let detail = get(&home, "neighbors/squid").body;
    assert_eq!(detail["listener"], format!("tcp:127.0.0.1:{}", home.port));
    assert_eq!(detail["peers"], Value::from(vec!["127.0.0.0/8", "::1/128"]));
    let none = get(&home, "neighbors/nobody%2F");
    assert_eq!((none.status, &none.body["status"]), (404, &404.into()));
    engine.stop();
}

#[test]
fn a_teardown_says_what_it_ended() {
    let home = Home::new();
    let engine = home.start();
    let none = post(&home, "neighbors/squid/teardown", "");
    assert_eq!((none.status, &none.body["ended"]), (200, &0.into()), "{none:?}");
    for (path, body, status) in [
        ("neighbors/nobody/teardown", "{}", 404),
        ("neighbors/squid/teardown", "{\"session\":99}", 404),
        ("neighbors/squid/teardown", "{\"session\":\"a\"}", 400),
        ("neighbors/squid/teardown", "{\"sesion\":1}", 400),
    ] {
        let answer = post(&home, path, body);
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
    }
    let entries = trail_of(&home, "teardown", 2);
    assert_eq!(entries[0]["outcome"], "done");
    assert_eq!(entries[1]["outcome"], "refused");
    assert!(entries.iter().all(|entry| entry["by"].as_str().unwrap().starts_with("local:")));
    engine.stop();
}

#[test]
fn a_restart_is_the_one_of_the_signal_and_says_why_not() {
    let home = Home::new();
    let mut engine = home.start();
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    home.write("engine.conf", &format!("{text}[nonsense]\n"), 0o640);
    let answer = post(&home, "engine/restart", "");
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.body["detail"].as_str().unwrap().contains("nonsense"), "{answer:?}");
    home.write("engine.conf", &text, 0o640);
    let answer = post(&home, "engine/restart", "");
    assert_eq!(answer.status, 202, "{answer:?}");
    engine.wait_until("another run", |text| text.matches("ready listening=").count() == 2);
    let status = get(&home, "status").body;
    assert_eq!(status["pid"], engine.child.id());
    assert!(status["uptime_s"].as_u64().unwrap() < 60, "{status}");
    let entries = trail_of(&home, "restart", 2);
    let outcomes: Vec<&Value> = entries.iter().map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "done"]);
    engine.stop();
}

#[test]
fn a_reload_under_way_holds_up_nobody_who_looks() {
    let home = Home::new();
    home.list("large", 300_000);
    home.rule("no", "large");
    let engine = home.start();
    home.list("large", 300_001);
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| post(&home, "policy/reload", "{}"));
        while !reload.is_finished() {
            let began = Instant::now();
            let status = get(&home, "status");
            assert_eq!(status.status, 200, "{status:?}");
            assert!(status.body["store"].as_str().unwrap().starts_with("open"), "{status:?}");
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        }
        assert_eq!(reload.join().unwrap().status, 200);
    });
    engine.stop();
}

#[test]
fn the_socket_has_the_health_paths_too() {
    let home = Home::new();
    let engine = home.start();
    for path in ["/healthz", "/readyz"] {
        let text = raw(&home, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!(parsed(&text).status, 200, "{text}");
    }
    engine.stop();
}
