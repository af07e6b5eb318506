//! The data plane over real sockets: a hand-made client, TLS, the proof, batches.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_policy::build::{Loaded, build};
use eg_policy::check::{CheckedRule, Conditions, DomainPattern, Scope};
use eg_policy::compile::CompiledPolicy;
use eg_policy::matcher::{DomainIndex, write_index};
use eg_policy::ruleset::Ruleset;
use eg_policy::verdict::{Action as Asks, RuleId};
use eg_proto::handshake::EXPORTER_LABEL;
use eg_proto::session::{read_number, write_ping};
use eg_proto::{
    Action, Close, CloseReason, ConnectorHandshake, ConnectorName, ConnectorProgress, FailureCause,
    FrameBuffer, FrameKind, Freshness, HandshakeFault, Inspect, Opener, Phase, PortalSecret, Query,
    QueryWriter, RefusedReason, Retry, Role, Route, RunId, SharedKey, Sni, Terms, answers,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::*;
use crate::audit::AuditThread;
use crate::audit::tests::{Memory, audit_to_memory};
use crate::config::{AckKey, CaptivePortal, RedirectStatus};
use crate::shadow::Shadow;
use crate::view::Stored;

#[path = "wire_client.rs"]
mod client;

use client::Client;

#[path = "wire_neighbor_tests.rs"]
mod neighbor;
#[path = "wire_term_tests.rs"]
mod terms;
#[path = "wire_tunnel_tests.rs"]
mod tunnel;

const KEY: &str = "k0-abcdefghijklmnopqrstuvwxyz-012345";
const OTHER_KEY: &str = "k1-abcdefghijklmnopqrstuvwxyz-012345";
const SECRET: [u8; 32] = [9; 32];

fn rule(id: u32, name: &str, action: Asks, domain: &str) -> CheckedRule {
    let domains = vec![DomainPattern { name: domain.into(), scope: Scope::Tree }];
    CheckedRule {
        id: RuleId(id),
        name: name.into(),
        file: "10-test.policy".into(),
        line: id,
        action,
        description: Some(format!("because of {name}")),
        category: None,
        tls: None,
        conditions: Conditions { domains, ..Conditions::default() },
        except: None,
        validity: Default::default(),
        mode: Default::default(),
    }
}

fn ruleset(rules: Vec<CheckedRule>) -> Ruleset {
    let policy = CompiledPolicy { rules, lists: Vec::new(), default_action: Asks::Permit };
    let index = DomainIndex::open(write_index(&[], 1)).unwrap();
    build(
        &policy,
        Loaded {
            index: Arc::new(index),
            addresses: Vec::new(),
            regexes: Vec::new(),
            users: Vec::new(),
            zone: eg_policy::zone::Zone::utc(),
        },
    )
    .unwrap()
}

fn portal() -> PortalLinks {
    PortalLinks::new(&CaptivePortal {
        base_url: "http://portal.example/".into(),
        secret: PortalSecret::from_bytes(SECRET),
        previous: None,
        ack_secret_file: "unused".into(),
        relay_key_file: None,
        ack_key: AckKey::Ip,
        ack_token_max_age: Duration::from_secs(300),
        ack_session_duration: Duration::from_secs(3600),
        redirect_status: RedirectStatus::Found,
    })
}

fn server_tls() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["engine".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

fn guest(name: &str, key: &str, peers: &str) -> Guest {
    Guest {
        name: ConnectorName::parse(name).unwrap(),
        key: SharedKey::parse(key).unwrap(),
        peers: vec![peers.parse().unwrap()],
    }
}

struct Engine {
    plane: DataPlane,
    live: Arc<Live>,
    thread: AuditThread,
    trail: Memory,
}

fn two_rules() -> Vec<CheckedRule> {
    vec![
        rule(1, "no-games", Asks::Deny, "games.example"),
        rule(2, "careful", Asks::Warn, "odd.example"),
    ]
}

impl Engine {
    fn start() -> Self {
        Self::start_with(vec![
            guest("squid", KEY, "127.0.0.1/32"),
            guest("elsewhere", KEY, "127.0.0.2/32"),
        ])
    }

    fn start_with(guests: Vec<Guest>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_rules_on(Listener::Tcp(socket), guests, two_rules())
    }

    fn start_on(listener: Listener, guests: Vec<Guest>) -> Self {
        Self::start_rules_on(listener, guests, two_rules())
    }

    fn start_rules(guests: Vec<Guest>, rules: Vec<CheckedRule>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_rules_on(Listener::Tcp(socket), guests, rules)
    }

    fn start_rules_on(listener: Listener, guests: Vec<Guest>, rules: Vec<CheckedRule>) -> Self {
        let (audit, thread, trail) = audit_to_memory();
        let live = Arc::new(Live::new(ruleset(rules), Stored::default()));
        let (shadow, _) = Shadow::start(Arc::clone(&live), audit.clone()).unwrap();
        let plane = DataPlane::start(DataPlaneParts {
            listeners: vec![BoundListener { listener, guests }],
            tls: server_tls(),
            live: Arc::clone(&live),
            audit,
            shadow,
            portal: portal(),
            threads: NonZeroUsize::new(2).unwrap(),
            version: "2026.47.0.0".into(),
        })
        .unwrap();
        Self { plane, live, thread, trail }
    }

    fn address(&self) -> SocketAddr {
        match &self.plane.places()[0] {
            Place::Tcp(address) => *address,
            Place::Socket(path) => panic!("{}", path.display()),
        }
    }

    fn client(&self) -> Client {
        let mut client = Client::connect(self.address());
        client.prove("squid", KEY).unwrap();
        client
    }

    /// Ends it and gives what its trail holds.
    fn stop(self) -> Vec<serde_json::Value> {
        assert_eq!(self.plane.drain(Duration::from_secs(5)), Drained::Whole);
        self.thread.finish();
        self.trail.lines()
    }
}

fn query(id: u64, uri: &str) -> Query<'_> {
    Query {
        id,
        retry: Retry::First,
        role: Role::Rewrite,
        phase: Phase::Request,
        method: b"GET",
        uri: uri.as_bytes(),
        client: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)),
        client_port: 4000,
        user: None,
        sni: Sni::Unknown,
        user_agent: None,
        referer: None,
        tag: None,
    }
}

fn batch(asked: &[Query<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = QueryWriter::begin(&mut out);
    for query in asked {
        writer.push(query).unwrap();
    }
    writer.finish().unwrap();
    out
}

fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it did not come so far");
        std::thread::yield_now();
    }
}

#[test]
fn a_batch_is_answered_by_the_rules_and_recorded() {
    let engine = Engine::start();
    let mut client = engine.client();
    let said = client.ask(&[
        query(1, "http://fine.example/"),
        query(2, "http://www.games.example/play?q=1"),
        query(3, "http://odd.example/"),
        query(4, "http://bad_%00host/"),
    ]);
    let actions: Vec<_> = said.iter().map(|answer| (answer.id, answer.action)).collect();
    assert_eq!(
        actions,
        [(1, Action::Permit), (2, Action::Deny), (3, Action::Warn), (4, Action::Deny)]
    );
    assert_eq!(said[0].token, "");
    let opener = Opener::new(PortalSecret::from_bytes(SECRET), None);
    let now = now().unix_micros() / 1_000_000;
    let opened = opener.open(Route::Blocked, &said[1].token, now).unwrap();
    assert_eq!(opened.freshness, Freshness::Fresh);
    assert_eq!(opened.payload.rule, "no-games");
    assert_eq!(opened.payload.rule_id, Some(1));
    assert_eq!(opened.payload.reason, "because of no-games");
    assert_eq!(opened.payload.url, "http://www.games.example/play?q=1");
    assert_eq!(opened.payload.decision, said[1].decision);
    assert_eq!(opened.payload.client, Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5))));
    assert_eq!(opener.open(Route::Warned, &said[2].token, now).unwrap().payload.rule, "careful");
    let bad = opener.open(Route::Blocked, &said[3].token, now).unwrap().payload;
    assert_eq!((bad.rule.as_str(), bad.rule_id), ("invalid-request", None));
    drop(client);
    let trail = engine.stop();
    let rules: Vec<_> = trail.iter().map(|line| line["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["no-games", "careful", "invalid-request"]);
    assert_eq!(trail[0]["id"], said[1].decision.as_str());
}

#[test]
fn debug_speaks_of_each_request_without_its_query() {
    use eg_settings::log::{self, Level, LogFormat, LogType, Logging, Speaker};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.log");
    let logging =
        Logging { kind: LogType::File(path.clone()), level: Level::Debug, format: LogFormat::Text };
    let sink = log::start(&logging, Speaker::Part("eg_engine")).unwrap();
    let engine = Engine::start();
    let asked = [
        query(1, "http://games.example/chess?move=secret"),
        query(2, "http://u:secret@good.example/"),
    ];
    let answers = engine.client().ask(&asked);
    let text = || std::fs::read_to_string(&path).unwrap();
    until(|| text().matches("answered decision=").count() == 2);
    let text = text();
    for part in [
        "client=10.0.0.5",
        "url=http://games.example/chess action=deny rule=no-games",
        "url=http://good.example/ action=permit rule=default-permit",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(answers.len(), 2);
    engine.stop();
    drop(sink);
}

#[test]
fn a_connector_gets_what_it_needs_when_it_is_alone() {
    let engine = Engine::start();
    let mut client = Client::connect(engine.address());
    let terms = client.prove("squid", KEY).unwrap();
    assert_eq!(terms.base_url, "http://portal.example/");
    assert_eq!(terms.redirect_status, 302);
    let opener = Opener::new(PortalSecret::from_bytes(SECRET), None);
    let in_a_year = now().unix_micros() / 1_000_000 + 365 * 86_400;
    let causes: Vec<FailureCause> = terms.tokens.iter().map(|token| token.cause).collect();
    assert_eq!(causes, FailureCause::ALL);
    for token in &terms.tokens {
        let opened = opener.open(Route::Blocked, &token.token, in_a_year).unwrap();
        assert_eq!(opened.payload.rule, "engine-unavailable");
        assert_eq!(opened.freshness, Freshness::Fresh);
    }
    engine.stop();
}

#[test]
fn who_is_not_let_in_is_told_why_and_recorded() {
    let engine = Engine::start();
    for (name, key, expected) in [
        ("squid", OTHER_KEY, RefusedReason::WrongKey),
        ("nobody", KEY, RefusedReason::UnknownConnector),
        ("elsewhere", KEY, RefusedReason::AddressNotAllowed),
    ] {
        let mut client = Client::connect(engine.address());
        assert_eq!(client.refusal(name, key), expected, "{name}");
        assert_eq!(client.next(), None, "{name}: the engine ends the connection");
        assert_eq!(engine.plane.refusals().count(Refusal::Handshake(expected)), 1);
    }
    assert_eq!(engine.plane.sessions(), 0);
    let trail = engine.stop();
    let outcomes: Vec<_> = trail.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["wrong-key", "unknown-connector", "address-not-allowed"]);
    assert_eq!(trail[1]["connector"], "nobody");
}

#[test]
fn a_unix_socket_serves_the_same_and_names_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squid.sock");
    let listener = Listener::Socket(std::os::unix::net::UnixListener::bind(&path).unwrap());
    // `peers` are addresses: who may open the file may come.
    let engine = Engine::start_on(listener, vec![guest("squid", KEY, "192.0.2.1/32")]);
    assert_eq!(engine.plane.places(), [Place::Socket(path.clone())]);
    let mut client = Client::connect_path(&path);
    client.prove("squid", KEY).unwrap();
    let said = client.ask(&[query(1, "http://x.games.example/"), query(2, "http://a.example/")]);
    assert_eq!([said[0].action, said[1].action], [Action::Deny, Action::Permit]);
    let mut stranger = Client::connect_path(&path);
    assert_eq!(stranger.refusal("squid", OTHER_KEY), RefusedReason::WrongKey);
    drop(client);
    let trail = engine.stop();
    let refused = trail.iter().find(|line| line["outcome"] == "wrong-key").unwrap();
    let expected = format!("unix:user={},process={}", nix::unistd::getuid(), std::process::id());
    assert_eq!(refused["peer"], expected);
}

#[test]
fn a_source_of_no_connector_is_closed_before_tls() {
    let engine = Engine::start_with(vec![guest("elsewhere", KEY, "127.0.0.2/32")]);
    let mut socket = TcpStream::connect(engine.address()).unwrap();
    let mut byte = [0];
    assert!(matches!(socket.read(&mut byte), Ok(0) | Err(_)));
    until(|| engine.plane.refusals().count(Refusal::Source) == 1);
    assert_eq!(engine.stop()[0]["outcome"], "source-not-allowed");
}

#[test]
fn tls_below_1_3_is_refused_though_the_pair_allows_it() {
    let engine = Engine::start();
    let mut client = Client::connect_with(engine.address(), &rustls::version::TLS12);
    client.send(b"anything");
    assert_eq!(client.next(), None);
    assert_eq!(engine.plane.refusals().count(Refusal::Tls), 1);
    engine.stop();
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    let engine = Engine::start();
    let mut bystander = engine.client();
    // Instead of TLS.
    let mut socket = TcpStream::connect(engine.address()).unwrap();
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    let _ = socket.read_to_end(&mut alert);
    until(|| engine.plane.refusals().count(Refusal::Tls) == 1);
    // Instead of a hello.
    let mut client = Client::connect(engine.address());
    client.send(&[0, 0, 0, 1, 250, 0]);
    assert_eq!(client.farewell(), CloseReason::Broken);
    // Instead of queries.
    for bytes in
        [&[0xff, 0xff, 0xff, 0xff, 16][..], &[0, 0, 0, 4, 16, 0, 9, 1, 1], &[0, 0, 0, 0, 99]]
    {
        let mut client = engine.client();
        client.send(bytes);
        assert_eq!(client.farewell(), CloseReason::Broken, "{bytes:?}");
    }
    // A frame of the handshake in an open session.
    let mut client = engine.client();
    client.send(&[0, 0, 0, 0, FrameKind::Hello.number()]);
    assert_eq!(client.farewell(), CloseReason::Unexpected);
    assert_eq!(bystander.ask(&[query(1, "http://fine.example/")]).len(), 1);
    engine.stop();
}

#[test]
fn a_query_past_a_bound_is_denied_and_the_others_are_answered() {
    let engine = Engine::start();
    let mut client = engine.client();
    let long = format!("http://fine.example/{}", "a".repeat(60 * 1024));
    let mut bytes = batch(&[query(1, &long), query(2, "http://fine.example/")]);
    // The first record's phase becomes one that does not exist.
    bytes[5 + 2 + 4 + 8 + 2] = 200;
    client.send(&bytes);
    let said = client.read_answers();
    let actions: Vec<_> = said.iter().map(|answer| (answer.id, answer.action)).collect();
    assert_eq!(actions, [(1, Action::Deny), (2, Action::Permit)]);
    drop(client);
    assert_eq!(engine.stop()[0]["rule"], "invalid-request");
}

#[test]
fn slow_handshakes_are_cut() {
    let engine = Engine::start();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(engine.address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut halfway = Client::connect(engine.address());
    let mut bytes = Vec::new();
    let _ = silent.read_to_end(&mut bytes);
    assert_eq!(halfway.farewell(), CloseReason::Silent);
    assert!(begun.elapsed() >= eg_proto::limits::HANDSHAKE_TIMEOUT, "{:?}", begun.elapsed());
    assert_eq!(engine.plane.refusals().count(Refusal::Slow), 2);
    engine.stop();
}

#[test]
fn a_ping_is_answered() {
    let engine = Engine::start();
    let mut client = engine.client();
    let mut out = Vec::new();
    write_ping(&mut out, 42).unwrap();
    client.send(&out);
    let (kind, body) = client.next().unwrap();
    assert_eq!((kind, read_number(&body).unwrap()), (FrameKind::Pong, 42));
    engine.stop();
}

#[test]
fn a_drain_answers_what_is_in_flight_and_takes_nobody_in() {
    let engine = Engine::start();
    let address = engine.address();
    let mut client = engine.client();
    let asked: Vec<Query<'_>> = (0..500).map(|id| query(id, "http://games.example/")).collect();
    for _ in 0..4 {
        client.send(&batch(&asked));
    }
    let reader = std::thread::spawn(move || {
        let mut answered = 0;
        let mut reason = None;
        while let Some((kind, body)) = client.next() {
            match kind {
                FrameKind::Answers => answered += answers(&body).unwrap().count(),
                FrameKind::Close => reason = Some(Close::read(&body).unwrap().reason),
                other => panic!("{other:?}"),
            }
        }
        (answered, reason)
    });
    let trail = engine.stop();
    assert_eq!(reader.join().unwrap(), (2000, Some(CloseReason::Draining)));
    assert_eq!(trail.len(), 2000);
    assert!(TcpStream::connect(address).is_err(), "the listener is gone");
}

#[test]
fn a_batch_sees_one_ruleset_and_the_next_one_the_other() {
    let engine = Engine::start();
    let mut client = engine.client();
    let asked = [query(1, "http://games.example/")];
    assert_eq!(client.ask(&asked)[0].action, Action::Deny);
    let old = engine
        .live
        .swap(ruleset(vec![rule(1, "new", Asks::Warn, "games.example")]), Stored::default());
    assert_eq!(old.revision(), 1);
    assert_eq!(Arc::strong_count(&old), 1, "its memory is the reloader's to give back");
    assert_eq!(client.ask(&asked)[0].action, Action::Warn);
    engine.stop();
}

#[test]
fn a_peer_that_does_not_read_costs_bounded_memory_and_nobody_else_time() {
    let engine = Engine::start();
    let mut greedy = engine.client();
    let long = format!("http://games.example/{}", "a".repeat(1500));
    let asked: Vec<Query<'_>> = (0..600).map(|id| query(id, &long)).collect();
    let frame = batch(&asked);
    greedy.tls.sock.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // In the end the engine reads no more, and the system's buffers are full.
    let stopped =
        (0..1000).any(|_| greedy.tls.write_all(&frame).and_then(|()| greedy.tls.flush()).is_err());
    assert!(stopped, "the engine read on though nobody took its answers");
    let mut other = engine.client();
    assert_eq!(other.ask(&[query(1, "http://fine.example/")]).len(), 1);
    drop(greedy);
    engine.stop();
}

#[test]
fn another_connector_may_use_the_same_listener_and_another_key() {
    let engine = Engine::start_with(vec![
        guest("squid", KEY, "127.0.0.1/32"),
        guest("second", OTHER_KEY, "127.0.0.0/8"),
    ]);
    let mut client = Client::connect(engine.address());
    client.prove("second", OTHER_KEY).unwrap();
    assert_eq!(client.ask(&[query(1, "http://fine.example/")])[0].action, Action::Permit);
    until(|| engine.plane.sessions() == 1);
    engine.stop();
}
