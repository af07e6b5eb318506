//! The Control API under attack while connectors ask: idle connections, slow headers, huge bodies and
//! wrong passwords, and what each does to the answers of the data path and to the engine's memory.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use eg_tests::api::Api;
use eg_tests::folder::Folder;
use eg_tests::installation::{FirstAccount, Installation, Plan};
use eg_tests::lines::Connector;
use eg_tests::pace::{self, Pace};
use eg_tests::process::{cpu_seconds, resident_bytes};
use eg_tests::programs::Programs;
use serde::Serialize;
use serde_json::json;

use crate::failover::quantile;

/// What a site of middling size asks, with room left on the machine for whoever attacks.
const PACE: Pace = Pace { per_second: 2_000, seconds: 20 };

/// Idle connections; the harness opens as many as its own limit of files lets it.
const IDLE: usize = 10_000;

/// Threads that guess passwords.
const GUESSERS: usize = 4;

/// How an attack looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    None,
    Idle,
    SlowHeaders,
    HugeBodies,
    WrongPasswords,
}

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// How often the attacker tried.
    pub tries: u64,
    /// What the engine said to it, by status; `cut` where it said nothing.
    pub answers: std::collections::BTreeMap<String, u64>,
    /// Lines asked of the data path.
    pub lines: usize,
    /// Lines without an answer.
    pub lost: usize,
    /// Answers that are not the policy's.
    pub wrong: usize,
    /// Milliseconds from when a line was due to its answer.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub most_ms: f64,
    /// CPU seconds of the engine.
    pub engine_cpu_s: f64,
    /// Resident bytes of the engine at the end of it.
    pub engine_resident_bytes: u64,
    /// Whether an operator elsewhere was let in meanwhile, and how long that took.
    pub login_ms: Option<f64>,
}

/// Measures.
///
/// # Errors
///
/// If a program fails.
pub fn run(programs: &Programs) -> Result<Vec<Row>> {
    let plan = Plan { verdicts: "blocked", first_account: FirstAccount::Made, ..Plan::demo() };
    let mut installation = Installation::prepare(Folder::temporary()?, programs, &plan)?;
    installation.start_engine()?;
    let (user, password) = installation.bootstrap_credential()?;
    let attacks = [
        Attack::None,
        Attack::Idle,
        Attack::SlowHeaders,
        Attack::HugeBodies,
        Attack::WrongPasswords,
        Attack::None,
    ];
    let rows = attacks
        .into_iter()
        .map(|attack| measure(&installation, attack, (&user, &password)))
        .collect::<Result<Vec<_>>>()?;
    installation.stop()?;
    Ok(rows)
}

/// What attackers share.
#[derive(Debug, Default)]
struct Scene {
    over: AtomicBool,
    tries: AtomicU64,
    answers: std::sync::Mutex<std::collections::BTreeMap<String, u64>>,
}

impl Scene {
    fn note(&self, answer: String) {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut answers) = self.answers.lock() {
            *answers.entry(answer).or_default() += 1;
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

fn measure(installation: &Installation, attack: Attack, who: (&str, &str)) -> Result<Row> {
    let (connector, pipes) = Connector::start(installation)?;
    let engine = installation.engine_pid().context("the engine does not run")?;
    let api = Api::at(installation.control())?;
    let scene = Scene::default();
    let before = cpu_seconds(engine).context("the engine has ended")?;
    let mut login = None;
    let received = std::thread::scope(|scope| -> Result<_> {
        let (scene, api) = (&scene, &api);
        for number in 0..attackers(attack) {
            scope.spawn(move || attack_until_over(attack, number, api, scene));
        }
        let received = pace::run(connector.template(), pipes, PACE, |start| {
            let until = Duration::from_secs(PACE.seconds.try_into()?);
            std::thread::sleep((until / 2).saturating_sub(start.elapsed()));
            let asked = Instant::now();
            let operator = api.clone().from(Ipv4Addr::new(127, 0, 0, 99));
            login = operator.log_in(who.0, who.1).ok().map(|_| asked.elapsed());
            std::thread::sleep(until.saturating_sub(start.elapsed()));
            Ok(())
        });
        scene.over.store(true, Ordering::Release);
        received
    })?;
    let wrong = pace::wrong(&received, &[installation.opener()?]);
    let mut took: Vec<Duration> = received.iter().map(|answered| answered.took).collect();
    took.sort_unstable();
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    Ok(Row {
        what: words(attack).to_owned(),
        tries: scene.tries.into_inner(),
        answers: scene.answers.into_inner().unwrap_or_default(),
        lines: PACE.lines(),
        lost: PACE.lines() - received.len(),
        wrong: wrong.len(),
        p50_ms: quantile(&took, 500),
        p99_ms: quantile(&took, 990),
        most_ms: quantile(&took, 1000),
        engine_cpu_s: cpu_seconds(engine).context("the engine has ended")? - before,
        engine_resident_bytes: resident_bytes(engine).context("the engine has ended")?,
        login_ms: login.map(|took| took.as_secs_f64() * 1000.0),
    })
}

const fn attackers(attack: Attack) -> usize {
    match attack {
        Attack::None => 0,
        Attack::Idle | Attack::SlowHeaders | Attack::HugeBodies => 1,
        Attack::WrongPasswords => GUESSERS,
    }
}

const fn words(attack: Attack) -> &'static str {
    match attack {
        Attack::None => "nobody attacks",
        Attack::Idle => "10,000 connections that say nothing, opened again when they are cut",
        Attack::SlowHeaders => "connections that send a header's byte each 100 ms",
        Attack::HugeBodies => "bodies of 64 MiB",
        Attack::WrongPasswords => "wrong passwords as fast as they are answered",
    }
}

fn attack_until_over(attack: Attack, number: usize, api: &Api, scene: &Scene) {
    match attack {
        Attack::None => {}
        Attack::Idle => idle(api, scene),
        Attack::SlowHeaders => slow_headers(api, scene),
        Attack::HugeBodies => huge_bodies(api, scene),
        Attack::WrongPasswords => wrong_passwords(number, api, scene),
    }
}

/// Connections of one address, as many as this process may have; those that were cut are opened again.
fn idle(api: &Api, scene: &Scene) {
    let mut open: Vec<TcpStream> = Vec::new();
    while !scene.is_over() {
        if open.len() < IDLE {
            match api.connect() {
                Ok(stream) => {
                    open.push(stream);
                    scene.note("connected".to_owned());
                }
                Err(_) => {
                    scene.note("refused".to_owned());
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        if open.len().is_multiple_of(256) || open.len() == IDLE {
            open.retain(|stream| !is_cut(stream));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether the engine has closed it.
fn is_cut(stream: &TcpStream) -> bool {
    let mut byte = [0];
    stream.set_nonblocking(true).is_err() || matches!(stream.peek(&mut byte), Ok(0))
}

fn slow_headers(api: &Api, scene: &Scene) {
    let mut open = Vec::new();
    let request =
        b"GET /api/v1/status HTTP/1.1\r\nHost: engine\r\nX: ".iter().chain([b'x'].iter().cycle());
    let mut bytes = request.clone();
    while !scene.is_over() {
        while open.len() < 64 {
            match api.secured() {
                Ok(stream) => open.push(stream),
                Err(_) => break,
            }
        }
        let byte = bytes.next().copied().unwrap_or(b'x');
        open.retain_mut(|stream| {
            let goes_on = stream.write_all(&[byte]).and_then(|()| stream.flush()).is_ok();
            if !goes_on {
                scene.note("cut".to_owned());
            }
            goes_on
        });
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn huge_bodies(api: &Api, scene: &Scene) {
    let chunk = vec![b' '; 1 << 20];
    while !scene.is_over() {
        let answer = api.secured().ok().and_then(|mut stream| {
            let head = "POST /api/v1/login HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\
                        Content-Type: application/json\r\nContent-Length: 67108864\r\n\r\n";
            drop(stream.write_all(head.as_bytes()));
            for _ in 0..64 {
                if stream.write_all(&chunk).is_err() {
                    break;
                }
            }
            let mut text = Vec::new();
            drop(stream.read_to_end(&mut text));
            let text = String::from_utf8_lossy(&text).into_owned();
            text.split(' ').nth(1).map(str::to_owned)
        });
        scene.note(answer.unwrap_or_else(|| "cut".to_owned()));
    }
}

/// Each guesser has addresses of its own, and goes round among them and among names.
fn wrong_passwords(number: usize, api: &Api, scene: &Scene) {
    for round in 0_u32.. {
        if scene.is_over() {
            return;
        }
        let [_, _, high, low] = round.to_be_bytes();
        let first = u8::try_from(number).unwrap_or_default().saturating_add(10);
        let guesser = api.clone().from(Ipv4Addr::new(127, first, high, low));
        let user = if round.is_multiple_of(2) { "admin".to_owned() } else { format!("u{round}") };
        let said = guesser.post("login", &json!({"user": user, "password": "not the password"}));
        scene.note(said.map_or_else(|_| "cut".to_owned(), |said| said.status.to_string()));
    }
}
