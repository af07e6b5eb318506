//! Whatever breaks between Squid and the engine: no denied request reaches the origin, and none hangs
//! longer than Squid's own limit for a helper's answer.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use eg_tests::browser::{Browser, Received, Reply, Story};
use eg_tests::installation::{ANSWERED_WITHIN, ConnectorSettings, GIVEN_UP_WITHIN, Installation};
use eg_tests::site::Site;
use eg_tests::{material, showcase, tls, wait};
use nix::sys::signal::Signal;
use rustls::{ServerConnection, StreamOwned};

use crate::stage;

/// Longer than a request may take, so that a hanging one is told apart from a slow one.
const PATIENCE: Duration = Duration::from_secs(12);

/// How often the denied is asked for after the connectors were killed: enough that Squid has started
/// them again, or has ended, before the last one.
const KILLED_ROUNDS: usize = 8;

/// What a round of requests met.
enum Round {
    /// A Squid that let none of them pass.
    Refused,
    /// Nobody who listens where Squid did.
    Unreachable(anyhow::Error),
}

/// Asks for what is denied and for what is permitted; both must be refused, in time.
fn nothing_passes(site: &Site, why: &str, within: Duration) -> Result<()> {
    for host in ["listed.demo.example", "permitted.demo.example"] {
        match ask_every_way(site, why, host, within)? {
            Round::Refused => {}
            Round::Unreachable(fault) => return Err(fault.context(format!("{why}: {host}"))),
        }
    }
    Ok(())
}

/// Asks for a host plainly, in a tunnel and in a tunnel that Squid peeks into; each must be refused, in
/// time, and none reach the origin.
fn ask_every_way(site: &Site, why: &str, host: &str, within: Duration) -> Result<Round> {
    let before = site.origin.seen().len();
    let url = format!("http://{host}:{}/", site.origin.http().port());
    let authority = format!("{host}:{}", site.origin.https().port());
    let mut browser = Browser::new(site.squid.plain());
    browser.patience = PATIENCE;
    let peeked = Browser { proxy: site.squid.peeking(), ..browser.clone() };
    let ways: [(&str, &dyn Fn() -> Result<Story>); 3] = [
        ("GET", &|| browser.get(&url)),
        ("CONNECT", &|| browser.get_in_tunnel(&authority, host, "/")),
        ("peeked CONNECT", &|| peeked.get_in_tunnel(&authority, host, "/")),
    ];
    for (way, ask) in ways {
        // The browser fails only where nobody lets it connect.
        let story = match ask() {
            Ok(story) => story,
            Err(fault) => return Ok(Round::Unreachable(fault)),
        };
        refused(why, host, &story.received)?;
        ensure!(story.time < within, "{why}: {way} {host} hung for {:?}", story.time);
    }
    let seen = site.origin.seen();
    ensure!(seen.len() == before, "{why}: it reached the origin: {seen:?}");
    Ok(Round::Refused)
}

fn refused(why: &str, host: &str, received: &Received) -> Result<()> {
    match received {
        Received::Reply(Reply { status: 300..=599, .. }) | Received::Cut(_) => Ok(()),
        Received::Reply(reply) => bail!("{why}: {host} got {}: {}", reply.status, reply.body),
        Received::Nothing => bail!("{why}: {host} hangs"),
    }
}

/// The denied stay denied and the permitted pass again.
fn all_is_well(site: &Site) -> Result<()> {
    let url = format!("http://permitted.demo.example:{}/", site.origin.http().port());
    wait::until("a permitted request to pass again", wait::PATIENCE, || {
        let story = Browser::new(site.squid.plain()).get(&url)?;
        Ok(matches!(story.received, Received::Reply(Reply { status: 200, .. })).then_some(()))
    })?;
    let mut cases = showcase::permitted();
    cases.extend(showcase::stopped());
    stage::check(site, &cases)
}

fn ending(site: Site, outcome: Result<()>) -> Result<()> {
    outcome.with_context(|| site.logs())?;
    site.stop()
}

#[test]
fn the_engine_is_killed_and_started_again() -> Result<()> {
    let mut site = stage::site()?;
    site.installation.engine()?.kill()?;
    let gone = nothing_passes(&site, "engine killed", ANSWERED_WITHIN);
    let back = gone.and_then(|()| {
        site.installation.start_engine()?;
        all_is_well(&site)
    });
    ending(site, back)
}

#[test]
fn the_engine_is_stopped_and_goes_on() -> Result<()> {
    let mut site = stage::site()?;
    site.installation.engine()?.signal(Signal::SIGSTOP)?;
    let gone = nothing_passes(&site, "engine stopped", ANSWERED_WITHIN);
    site.installation.engine()?.signal(Signal::SIGCONT)?;
    let back = gone.and_then(|()| all_is_well(&site));
    ending(site, back)
}

#[test]
fn the_connectors_are_killed() -> Result<()> {
    let mut site = stage::site()?;
    let outcome = the_connectors_are_killed_on(&mut site);
    ending(site, outcome)
}

/// Squid starts connectors again, but ends itself when they die within 30 s of a start (`crashing too
/// rapidly`, Squid 5.7): then nothing passes at all, until whoever started Squid starts it again. What
/// is permitted is not asked for: it may pass as soon as there are connectors again.
fn the_connectors_are_killed_on(site: &mut Site) -> Result<()> {
    let why = "connectors killed";
    site.squid.signal_connectors(Signal::SIGKILL)?;
    for round in 0..KILLED_ROUNDS {
        match ask_every_way(site, why, "listed.demo.example", GIVEN_UP_WITHIN)? {
            Round::Refused => {}
            Round::Unreachable(fault) => {
                // It stops listening a little before it has ended.
                let status = wait::until("Squid to end", wait::PATIENCE, || site.squid.ended());
                let status = status.with_context(|| format!("{why}: round {round}: {fault:#}"))?;
                let seen = site.origin.seen();
                ensure!(seen.is_empty(), "{why}: it reached the origin: {seen:?}");
                return say(&format!("{why}: Squid ended itself, {status}, in round {round}"));
            }
        }
    }
    say(&format!("{why}: Squid went on and refused all of {KILLED_ROUNDS} rounds"))
}

/// Tells the reader of a test's output which of two good ends it came to.
fn say(what: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{what}")?)
}

#[test]
fn the_connectors_are_stopped_and_go_on() -> Result<()> {
    let site = stage::site()?;
    site.squid.signal_connectors(Signal::SIGSTOP)?;
    let gone = nothing_passes(&site, "connectors stopped", GIVEN_UP_WITHIN);
    site.squid.signal_connectors(Signal::SIGCONT)?;
    let back = gone.and_then(|()| all_is_well(&site));
    ending(site, back)
}

/// Starts a site whose connector is told something wrong about its engine.
fn misled(
    change: impl FnOnce(&Installation, &mut ConnectorSettings) -> Result<()>,
) -> Result<Site> {
    let programs = eg_tests::programs::Programs::beside_this_one()?;
    let folder = eg_tests::folder::Folder::temporary()?;
    let plan = eg_tests::installation::Plan::demo();
    Site::start_with(folder, &programs, &plan, |installation| {
        let mut settings = installation.right_settings();
        change(installation, &mut settings)?;
        installation.write_connector(&settings)
    })
}

/// Where the engine says why it turns a connector away.
const ENGINE_LOG: &str = "log/engine.log";
/// Where the connector says why it has no engine: Squid keeps what its helpers say.
const CONNECTOR_LOG: &str = "squid/cache.log";

/// Nothing passes, and a log says that it is for the fault that the test has made, not for another.
fn refuses_because(site: &Site, why: &str, (log, reason): (&str, &str)) -> Result<()> {
    nothing_passes(site, why, ANSWERED_WITHIN)?;
    let path = site.installation.path(log);
    wait::until(&format!("{why}: `{reason}` in {log}"), wait::PATIENCE, || {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let said = text.lines().any(|line| line.contains(reason));
        Ok(said.then_some(()))
    })
}

#[test]
fn a_wrong_key_lets_nothing_pass() -> Result<()> {
    let site = misled(|_, settings| {
        settings.key = material::shared_key()?;
        Ok(())
    })?;
    let outcome = refuses_because(&site, "wrong key", (ENGINE_LOG, "wrong-key"));
    ending(site, outcome)
}

#[test]
fn a_wrong_certificate_lets_nothing_pass() -> Result<()> {
    let site = misled(|_, settings| {
        let other = material::authority("another")?.leaf(&["engine.demo.example"])?;
        settings.certificate_pem = other.certificate_pem;
        Ok(())
    })?;
    let outcome = refuses_because(
        &site,
        "wrong certificate",
        (CONNECTOR_LOG, "does not hold the pinned public key"),
    );
    ending(site, outcome)
}

#[test]
fn garbage_instead_of_tls_lets_nothing_pass() -> Result<()> {
    let site = misled(|_, settings| {
        settings.engine = impostor(|mut stream| {
            stream.write_all(&[b'x'; 4096])?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n7 OK eg_verdict_=permit\n")
        })?;
        Ok(())
    })?;
    let outcome = refuses_because(&site, "garbage instead of TLS", (CONNECTOR_LOG, "TLS: "));
    ending(site, outcome)
}

#[test]
fn garbage_inside_tls_lets_nothing_pass() -> Result<()> {
    let site = misled(|installation, settings| {
        // The right certificate, so that only what it says is wrong.
        let config = tls::server(installation.engine_leaf())?;
        settings.engine = impostor(move |stream| {
            let connection =
                ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello)?;
            // A frame of Answers that nobody asked for, a frame beyond every bound, and noise.
            stream.write_all(&[0, 0, 0, 4, 17, 0, 1, 0, 0])?;
            stream.write_all(&[0xff; 64])?;
            stream.flush()
        })?;
        Ok(())
    })?;
    let outcome = refuses_because(
        &site,
        "garbage inside TLS",
        (CONNECTOR_LOG, "cannot be read or came at the wrong moment"),
    );
    ending(site, outcome)
}

#[test]
fn an_engine_that_never_speaks_lets_nothing_pass() -> Result<()> {
    let site = misled(|_, settings| {
        settings.engine = impostor(|mut stream| {
            let mut sink = Vec::new();
            stream.read_to_end(&mut sink).map(drop)
        })?;
        Ok(())
    })?;
    let outcome = refuses_because(&site, "silence", (CONNECTOR_LOG, "no welcome within"));
    ending(site, outcome)
}

/// Something that is no engine and listens where the connector looks for one, until the test ends.
fn impostor(
    speak: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let speak = Arc::new(speak);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let speak = Arc::clone(&speak);
            std::thread::spawn(move || drop(speak(stream)));
        }
    });
    Ok(address)
}
