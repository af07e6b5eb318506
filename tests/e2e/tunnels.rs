//! Tunnels on a port that peeks: odd `ClientHello`s, what is no TLS, and what happens when the helper of
//! the second question dies or has no engine between the CONNECT and the `ClientHello`.

use std::net::TcpStream;

use anyhow::{Context as _, Result, bail, ensure};
use eg_tests::browser::{Browser, Inside, Received};
use eg_tests::folder::Folder;
use eg_tests::installation::{ANSWERED_WITHIN, Plan, SecondHelper};
use eg_tests::origin::Seen;
use eg_tests::programs::Programs;
use eg_tests::site::Site;
use eg_tests::{process, tls, wait};
use nix::sys::signal::{Signal, kill};

use crate::stage;

/// What becomes of a `ClientHello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// The client talks to the origin.
    Spliced,
    /// Squid shows a certificate of its own: the page is inside.
    Bumped,
    /// The connection ends.
    Ended,
}

/// Ids of the evasion corpus, the names that are sent as SNI, how long a TLS record is, what is due.
const HELLOS: &[(&str, &[&[u8]], usize, Became)] = &[
    ("usual", &[b"permitted.demo.example"], 16_384, Became::Spliced),
    ("no SNI", &[], 16_384, Became::Spliced),
    ("G11", &[b"hidden.demo.example"], 16_384, Became::Bumped),
    ("G12", &[b"HIDDEN.demo.Example"], 16_384, Became::Bumped),
    ("G12", &[b"hidden.demo.example."], 16_384, Became::Bumped),
    ("G12", &[b"hidden.demo.example.."], 16_384, Became::Bumped),
    ("G19 split", &[b"permitted.demo.example"], 7, Became::Spliced),
    ("G19 split", &[b"hidden.demo.example"], 7, Became::Bumped),
    ("G19 NUL", &[b"permitted.demo.example\0.hidden.demo.example"], 16_384, Became::Ended),
    ("G19 NUL", &[b"hidden.demo.example\0"], 16_384, Became::Ended),
    ("G19 long", &[&[b'a'; 256]], 16_384, Became::Ended),
    ("G19 address", &[b"127.0.0.1"], 16_384, Became::Ended),
    ("G19 empty", &[b""], 16_384, Became::Ended),
    ("G19 two", &[b"permitted.demo.example", b"hidden.demo.example"], 16_384, Became::Ended),
    ("escaped", &[b"hidden%2edemo.example"], 16_384, Became::Ended),
    ("blank", &[b"permitted.demo.example - - -"], 16_384, Became::Ended),
    ("line", &[b"a\n7 OK eg_tls_=splice"], 16_384, Became::Ended),
];

fn peeking(site: &Site) -> Browser {
    Browser::new(site.squid.peeking())
}

/// A host of the origin, with its port.
fn at_origin(site: &Site, host: &str) -> String {
    format!("{host}:{}", site.origin.https().port())
}

/// Requests that reached the origin since it had seen `before`; handshakes are none.
fn requests_since(site: &Site, before: usize) -> Vec<Seen> {
    let seen = site.origin.seen().split_off(before);
    seen.into_iter().filter(|seen| matches!(seen, Seen::Request { .. })).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn an_odd_client_hello_hides_nothing() -> Result<()> {
    let site = stage::site()?;
    let mut browser = peeking(&site);
    // Nobody answers the handshake to its end: what came until then is all there is.
    browser.patience = std::time::Duration::from_secs(2);
    let authority = at_origin(&site, "permitted.demo.example");
    let mut bad = Vec::new();
    for (about, names, record, due) in HELLOS {
        let hello = tls::records(&tls::client_hello(names), *record);
        let (_, bytes) = browser.send_raw_in_tunnel(&authority, &[&hello])?;
        let became = if contains(&bytes, &site.origin.leaf().certificate) {
            Became::Spliced
        } else if bytes.first() == Some(&22) {
            Became::Bumped
        } else {
            Became::Ended
        };
        if became != *due {
            let names: Vec<String> = names.iter().map(|it| it.escape_ascii().to_string()).collect();
            bad.push(format!("{about} {names:?}: {due:?} is due, it {became:?}"));
        }
    }
    ensure!(bad.is_empty(), "{}\n{}", bad.join("\n"), site.logs());
    site.stop()
}

#[test]
fn what_is_no_tls_is_closed() -> Result<()> {
    let site = stage::site()?;
    let browser = peeking(&site);
    let authority = at_origin(&site, "permitted.demo.example");
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: listed.demo.example\r\n\r\n".as_slice(),
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x16\x03\x01\xff\xff\x01",
        &[0; 64],
    ] {
        let (connect, answer) = browser.send_raw_in_tunnel(&authority, &[bytes])?;
        ensure!(matches!(&connect, Received::Reply(reply) if reply.status == 200), "{connect:?}");
        ensure!(!contains(&answer, b"origin: "), "{}", bytes.escape_ascii());
    }
    ensure!(site.origin.seen().is_empty(), "it reached the origin: {:?}", site.origin.seen());
    site.stop()
}

/// Opens a tunnel, lets something happen, and asks inside for `path`.
fn interrupted(
    site: &Site,
    host: &str,
    path: &str,
    happens: impl FnOnce() -> Result<()>,
) -> Result<Received> {
    let browser = peeking(site);
    let authority = at_origin(site, host);
    let (connect, stream) = browser.open_tunnel(&authority)?;
    let stream: TcpStream = stream.with_context(|| format!("no tunnel: {connect:?}"))?;
    happens()?;
    let inside = Inside { sni: Some(host), host: &authority, path };
    Ok(browser.speak_tls(stream, &inside)?.1)
}

#[test]
fn a_dead_second_helper_passes_nothing_that_is_to_be_decrypted() -> Result<()> {
    let site = stage::site()?;
    let helpers = site.squid.acl_connectors();
    ensure!(!helpers.is_empty(), "Squid runs no helper for the second question");
    // Squid starts helpers again, or ends itself where they die within 30 s of a start (Squid 5.7).
    let received = interrupted(&site, "inspected.demo.example", "/secret", || {
        helpers.iter().try_for_each(|pid| Ok(kill(*pid, Signal::SIGKILL)?))
    })?;
    let asked = requests_since(&site, 0);
    ensure!(asked.is_empty(), "it reached the origin: {asked:?}");
    match received {
        Received::Reply(reply) if reply.status == 302 => {}
        Received::Cut(_) => {}
        Received::Reply(_) | Received::Nothing => bail!("{received:?}"),
    }
    site.stop()
}

#[test]
fn a_second_helper_without_an_engine_ends_the_connection() -> Result<()> {
    let mut site = stage::site()?;
    let pid = site.installation.engine()?.pid();
    let start = std::time::Instant::now();
    let received = interrupted(&site, "permitted.demo.example", "/", || {
        kill(pid, Signal::SIGSTOP)?;
        let stopped = || Ok(process::is_stopped(pid).then_some(()));
        wait::until("the engine to stop", wait::PATIENCE, stopped)
    });
    let time = start.elapsed();
    kill(pid, Signal::SIGCONT)?;
    let received = received?;
    ensure!(matches!(received, Received::Cut(_)), "{received:?}");
    ensure!(time < ANSWERED_WITHIN, "it hung for {time:?}");
    ensure!(site.origin.seen().is_empty(), "it reached the origin: {:?}", site.origin.seen());
    // And it passes again.
    wait::until("a tunnel to pass again", wait::PATIENCE, || {
        let authority = at_origin(&site, "permitted.demo.example");
        let story = peeking(&site).get_in_tunnel(&authority, "permitted.demo.example", "/")?;
        let passes = matches!(&story.received, Received::Reply(reply) if reply.status == 200);
        Ok(passes.then_some(()))
    })?;
    site.stop()
}

#[test]
fn a_tunnel_that_waits_to_be_decrypted_is_refused_where_it_cannot_be() -> Result<()> {
    let site = stage::site()?;
    let authority = at_origin(&site, "inspected.demo.example");
    let (connect, stream) = Browser::new(site.squid.plain()).open_tunnel(&authority)?;
    ensure!(stream.is_none(), "there is a tunnel");
    ensure!(matches!(&connect, Received::Reply(reply) if reply.status == 403), "{connect:?}");
    ensure!(site.origin.seen().is_empty(), "it reached the origin: {:?}", site.origin.seen());
    site.stop()
}

/// What `[ssl_bump_acl] fail_action` makes of a tunnel while the second helper has no engine: the host of
/// the CONNECT, the SNI, the path, and what is due.
fn without_a_second_answer(
    fail_action: &'static str,
    rows: &[(&'static str, &'static str, &'static str, Became, Option<u16>)],
) -> Result<()> {
    let plan = Plan { second_helper: SecondHelper::AsksNobody(fail_action), ..Plan::demo() };
    let site = Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &plan)?;
    let mut bad = Vec::new();
    for (host, sni, path, due, status) in rows {
        let before = site.origin.seen().len();
        let authority = at_origin(&site, host);
        let inside = Inside { sni: Some(*sni), host: &authority, path };
        let story = peeking(&site).get_inside(&authority, &inside)?;
        let became = match &story.certificate {
            Some(shown) if *shown == site.origin.leaf().certificate => Became::Spliced,
            Some(_) => Became::Bumped,
            None => Became::Ended,
        };
        let said = match &story.received {
            Received::Reply(reply) => Some(reply.status),
            Received::Cut(_) | Received::Nothing => None,
        };
        let asked = !requests_since(&site, before).is_empty();
        if became != *due || said != *status || asked != (*status == Some(200)) {
            bad.push(format!("{host} {sni} {path}: {became:?} {said:?}, asked: {asked}"));
        }
        ensure!(story.time < ANSWERED_WITHIN, "{host} {sni} hung for {:?}", story.time);
    }
    ensure!(bad.is_empty(), "{fail_action}:\n{}\n{}", bad.join("\n"), site.logs());
    site.stop()
}

#[test]
fn a_second_helper_that_splices_passes_only_what_the_first_permits() -> Result<()> {
    let (permitted, inspected) = ("permitted.demo.example", "inspected.demo.example");
    without_a_second_answer(
        "splice",
        &[
            (permitted, permitted, "/", Became::Spliced, Some(200)),
            (permitted, "hidden.demo.example", "/", Became::Ended, None),
            (permitted, "ended.demo.example", "/", Became::Ended, None),
            (inspected, inspected, "/public", Became::Ended, None),
            (inspected, inspected, "/secret", Became::Ended, None),
        ],
    )
}

#[test]
fn a_second_helper_that_bumps_passes_only_what_is_permitted_inside() -> Result<()> {
    let (permitted, inspected) = ("permitted.demo.example", "inspected.demo.example");
    without_a_second_answer(
        "bump",
        &[
            (permitted, permitted, "/", Became::Bumped, Some(200)),
            (permitted, "hidden.demo.example", "/", Became::Bumped, Some(302)),
            (permitted, "ended.demo.example", "/", Became::Bumped, Some(302)),
            (inspected, inspected, "/public", Became::Bumped, Some(200)),
            (inspected, inspected, "/secret", Became::Bumped, Some(302)),
        ],
    )
}

#[test]
fn a_second_helper_that_terminates_passes_nothing() -> Result<()> {
    let permitted = "permitted.demo.example";
    without_a_second_answer("terminate", &[(permitted, permitted, "/", Became::Ended, None)])
}
