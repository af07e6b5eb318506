//! Several engines, and engines behind UNIX sockets.

use super::*;

const DEADLINE: Duration = Duration::from_secs(2);

/// An engine that tells who was asked what, and how.
fn noted(name: &'static str, sender: &SyncSender<(&'static str, String, Retry)>) -> Script {
    let sender = sender.clone();
    Box::new(move |asked| {
        for one in asked {
            let _ = sender.try_send((name, one.uri.clone(), one.retry));
        }
        by_host(asked)
    })
}

/// Listens and never accepts: the kernel connects, and nobody speaks.
fn deaf() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn the_third_engine_answers_in_time_while_two_are_silent() {
    let (_held, never) = deaf();
    let (_held_too, never_too) = deaf();
    // What the first two do: never speak; stop when asked; go on speaking and never answer.
    for (what, kinds) in [
        ("two that never speak", "dd"),
        ("one that never speaks, one that stops", "ds"),
        ("two that stop", "ss"),
        ("two that answer nothing", "nn"),
        ("one that answers nothing, one that never speaks", "nd"),
    ] {
        let mut ports = Vec::new();
        let mut asleep = Vec::new();
        for kind in kinds.chars() {
            let script: Script = match kind {
                's' => Box::new(|_| Then::Stop),
                _ => Box::new(|_| Then::Nothing),
            };
            if kind == 'd' {
                ports.push(if ports.contains(&never) { never_too } else { never });
            } else {
                let engine = Engine::start(KEY, script);
                ports.push(engine.port);
                asleep.push(engine);
            }
        }
        let good = Engine::start(KEY, Box::new(by_host));
        ports.push(good.port);
        let mut helper = Helper::start(&ports, &PLAIN);
        asleep.iter().for_each(Engine::welcomed);
        // One line and nothing after it: no other event wakes the connector.
        let begun = Instant::now();
        helper.say(&line(1, "bad.test"));
        assert_eq!(helper.hear(), "1 OK eg_verdict_=deny eg_token_=tok", "{what}");
        assert!(begun.elapsed() < DEADLINE, "{what}: {:?}", begun.elapsed());
    }
}

#[test]
fn an_engine_that_never_stops_talking_keeps_nobody_waiting() {
    let flood = Engine::start(KEY, Box::new(|_| Then::Flood));
    let good = Engine::start(KEY, Box::new(by_host));
    let mut helper = Helper::start(&[flood.port, good.port], &PLAIN);
    flood.welcomed();
    good.welcomed();
    let begun = Instant::now();
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
    helper.say(&line(2, "bad.test"));
    assert_eq!(helper.hear(), "2 OK eg_verdict_=deny eg_token_=tok");
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    assert_eq!(helper.end().0.code(), Some(0));
}

#[test]
fn the_second_engine_is_asked_beside_the_first_that_answers_late() {
    let (sender, asked) = sync_channel(100);
    let (go, wait) = sync_channel::<()>(0);
    let mut turn = 0;
    // Late once; whatever comes after that is answered at once.
    let slow: Script = Box::new(move |asked| {
        turn += 1;
        if turn == 1 {
            wait.recv().unwrap();
        }
        by_host(asked)
    });
    let slow = Engine::start(KEY, slow);
    let quick = Engine::start(KEY, noted("quick", &sender));
    let told = Settings { connector: "[logging]\nlevel = \"notice\"", ..PLAIN };
    let mut helper = Helper::start(&[slow.port, quick.port], &told);
    slow.welcomed();
    quick.welcomed();
    helper.say(&line(1, "bad.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=deny eg_token_=tok");
    let first = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first, ("quick", "http://bad.test/".to_owned(), Retry::Again));
    // The first is known to be late now: the next request does not wait for it.
    helper.say(&line(2, "good.test"));
    assert_eq!(helper.hear(), "2 OK eg_verdict_=permit");
    let second = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(second, ("quick", "http://good.test/".to_owned(), Retry::First));
    // Its answer comes after all, and is neither told to Squid nor a fault.
    go.send(()).unwrap();
    helper.say(&line(3, "good.test"));
    assert_eq!(helper.hear(), "3 OK eg_verdict_=permit");
    drop(helper.input.take());
    let ended = helper.logged("ended", PATIENCE);
    for field in ["answers=3", "late=0", "broken=0", "timeout=0"] {
        assert!(ended.contains(&format!(" {field}")), "{field}: {ended}");
    }
    assert!(!ended.contains(" hedged=0"), "{ended}");
}

#[test]
fn comes_back_to_the_first_engine_when_it_is_well_again() {
    let (sender, asked) = sync_channel(100_000);
    let mut turn = 0;
    let mut noted_first = noted("first", &sender);
    let first: Script = Box::new(move |asked| {
        turn += 1;
        if turn == 1 { Then::HangUp } else { noted_first(asked) }
    });
    let first = Engine::start(KEY, first);
    let second = Engine::start(KEY, noted("second", &sender));
    let mut helper = Helper::start(&[first.port, second.port], &PLAIN);
    first.welcomed();
    second.welcomed();
    helper.say(&line(1, "good.test"));
    assert_eq!(helper.hear(), "1 OK eg_verdict_=permit");
    let (name, _, retry) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!((name, retry), ("second", Retry::Again));
    // Its second link is on trial for a second.
    first.welcomed();
    let begun = Instant::now();
    for id in 2.. {
        assert!(begun.elapsed() < PATIENCE);
        helper.say(&line(id, "good.test"));
        assert_eq!(helper.hear(), format!("{id} OK eg_verdict_=permit"));
        let (name, _, retry) = asked.recv_timeout(PATIENCE).unwrap();
        if name == "first" {
            assert_eq!(retry, Retry::First, "nothing was lost on the way back");
            break;
        }
    }
    assert!(begun.elapsed() > Duration::from_millis(500), "it was on trial");
}

#[test]
fn an_engine_answers_by_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squid.sock");
    let tcp = Engine::start(KEY, Box::new(|_| Then::Stop));
    let engine = Engine::start_at(&path, KEY, Box::new(by_host));
    let config = folder.path().join("squid-connector.conf");
    let text = format!(
        "[engine.local]\nnet = \"socket\"\npath = \"{}\"\nkey = \"{KEY}\"\n\
         [engine.far]\nhost = \"127.0.0.1\"\nport = {}\nkey = \"{KEY}\"\n\
         [connector]\nname = \"squid\"\n",
        path.display(),
        tcp.port
    );
    std::fs::write(&config, text).unwrap();
    let mut helper = Helper::start_with(&config, folder);
    engine.welcomed();
    helper.say(&(line(1, "good.test") + &line(2, "bad.test")));
    let expected = ["1 OK eg_verdict_=permit", "2 OK eg_verdict_=deny eg_token_=tok"];
    assert_eq!(helper.hear_sorted(2), expected);
    assert_eq!(helper.end().0.code(), Some(0));
}

/// An engine behind a UNIX socket, which takes little before it is read, that reads nothing more after
/// its first frame until it is told to.
fn stuck(path: &Path, release: Receiver<()>) -> Engine {
    let script: Script = Box::new(move |asked| {
        // Either the test lets it go, or it is over.
        let _ = release.recv();
        by_host(asked)
    });
    Engine::start_at(path, KEY, script)
}

/// Lines as long as Squid has them.
fn long_lines(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{id} http://good.test/{} {TAIL}\n", "x".repeat(9_000))).collect()
}

fn sockets(folder: &Path, count: usize, timeout_ms: u32) -> (PathBuf, Vec<PathBuf>) {
    let paths: Vec<PathBuf> = (0..count).map(|at| folder.join(format!("{at}.sock"))).collect();
    let mut text = String::new();
    for (at, path) in paths.iter().enumerate() {
        let path = path.display();
        text += &format!("[engine.e{at}]\nnet = \"socket\"\npath = \"{path}\"\nkey = \"{KEY}\"\n");
    }
    text += &format!("[connector]\nname = \"squid\"\nanswer_timeout_ms = {timeout_ms}\n");
    let config = folder.join("squid-connector.conf");
    std::fs::write(&config, text).unwrap();
    (config, paths)
}

#[test]
fn what_a_full_socket_had_no_room_for_is_asked_once_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (config, paths) = sockets(folder.path(), 2, 8_000);
    let (sender, asked) = sync_channel(1_000);
    let mute: Script = Box::new(move |queries| {
        for query in queries {
            let _ = sender.try_send(query.uri.clone());
        }
        Then::Nothing
    });
    let mute = Engine::start_at(&paths[0], KEY, mute);
    let (release, wait) = sync_channel(10);
    let second = stuck(&paths[1], wait);
    let mut helper = Helper::start_with(&config, folder);
    mute.welcomed();
    second.welcomed();
    // All of it is asked of the second engine too after 400 ms, and fills its socket.
    helper.say(&long_lines(1..101));
    (1..101).for_each(|_| drop(asked.recv_timeout(PATIENCE).unwrap()));
    // It is due for the second engine, and the first is asked nothing twice.
    let due = Duration::from_millis(600);
    assert!(asked.recv_timeout(due).is_err());
    // This one is due too, and there is no room for it.
    helper.say(&line(101, "good.test"));
    assert!(asked.recv_timeout(PATIENCE).unwrap().contains("good.test"));
    assert!(asked.recv_timeout(due).is_err());
    drop(release);
    let told = helper.hear_sorted(101);
    assert!(told.iter().all(|told| told.ends_with(" OK eg_verdict_=permit")), "{told:?}");
    assert_eq!(helper.end().0.code(), Some(0));
}

#[test]
fn engines_that_read_nothing_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (config, paths) = sockets(folder.path(), 8, 4_000);
    let mut held = Vec::new();
    let mut engines = Vec::new();
    for path in &paths {
        let (release, wait) = sync_channel(1);
        engines.push(stuck(path, wait));
        held.push(release);
    }
    let mut helper = Helper::start_with(&config, folder);
    engines.iter().take(2).for_each(Engine::welcomed);
    // As many bytes as the connector takes at once.
    let lines = 300;
    helper.say(&long_lines(0..lines));
    engines.iter().skip(2).take(4).for_each(Engine::welcomed);
    let told = helper.hear_sorted(lines);
    assert!(told.iter().all(|told| told.contains("eg_verdict_=deny")), "{told:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", helper.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: usize = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib < 16 * 1024, "{kib} KiB");
    drop(held);
    assert_eq!(helper.end().0.code(), Some(0));
}
