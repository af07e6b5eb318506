//! The rows of the showcase: requests, and what is due for each with the rules of the demo.

use std::net::Ipv4Addr;

use eg_proto::Route;

use crate::showcase::{Ask, Case, Due, Port};

/// Hosts that the harness's Squid finds on loopback, without a name server.
pub const NAMES: &[&str] = &[
    "permitted.demo.example",
    "default.demo.example",
    "mirror.demo.example",
    "shared.demo.example",
    "listed.demo.example",
    "www.deep.listed.demo.example",
    "warned.demo.example",
    "policy.demo.example",
    "hidden.demo.example",
    "inspected.demo.example",
    "ended.demo.example",
    "browsers.demo.example",
    "portal.demo.example",
    "track7.demo.example",
    // Of the evasion corpus.
    "good.test",
    "blocked.test",
    "www.blocked.test",
    "_x.blocked.test",
    "blocked.test.evil.test",
    "shared.test",
    "xn--bcher-kva.test",
    "strasse.test",
    "xn--strae-oqa.test",
    "127.0.0.1.nip.example",
];

const fn page(about: &'static str, url: &'static str, rule: &'static str, due: Due) -> Case {
    let ask = Ask::Page { url, source: Ipv4Addr::LOCALHOST, agent: AGENT };
    Case { about, ask, phase: "request", verdict: verdict_of(due), rule, due }
}

const fn tunnel(
    about: &'static str,
    port: Port,
    [host, sni]: [&'static str; 2],
    (phase, rule): (&'static str, &'static str),
    due: Due,
) -> Case {
    let ask = Ask::Tunnel { port, host, sni, inner: host, path: "/", agent: AGENT };
    Case { about, ask, phase, verdict: verdict_of(due), rule, due }
}

const fn verdict_of(due: Due) -> &'static str {
    match due {
        Due::Origin | Due::OriginDecrypted => "permit",
        Due::Portal(Route::Blocked) | Due::PortalForConnect(Route::Blocked) | Due::Cut => "deny",
        Due::Portal(Route::Warned) | Due::PortalForConnect(Route::Warned) => "warn",
        Due::Portal(Route::Aup) | Due::PortalForConnect(Route::Aup) => "aup",
    }
}

/// What a client is that is not told to be another.
const AGENT: &str = "EnforceGate-harness";

const BLOCKED: Due = Due::Portal(Route::Blocked);

/// The requests that are let through.
#[must_use]
pub fn permitted() -> Vec<Case> {
    let permitted = "permitted.demo.example";
    vec![
        page(
            "a permitted page",
            "http://permitted.demo.example:{http}/",
            "demo-permit",
            Due::Origin,
        ),
        page(
            "no rule matches",
            "http://default.demo.example:{http}/a?b=c",
            "default-permit",
            Due::Origin,
        ),
        page(
            "a lower id wins over the list",
            "http://mirror.demo.example:{http}/debian/dists",
            "demo-mirror",
            Due::Origin,
        ),
        page(
            "beside a denied path",
            "http://shared.demo.example:{http}/public",
            "default-permit",
            Due::Origin,
        ),
        tunnel(
            "a tunnel on the peeking port",
            Port::Peeking,
            [permitted, permitted],
            ("hello", "demo-permit"),
            Due::Origin,
        ),
        tunnel(
            "a tunnel on the plain port",
            Port::Plain,
            [permitted, permitted],
            ("connect", "demo-permit"),
            Due::Origin,
        ),
        inside(
            "a tunnel that a rule decrypts",
            ["inspected.demo.example"; 3],
            "/public",
            ("request", "demo-inspect"),
            Due::OriginDecrypted,
        ),
        by_agent(
            "a user agent, in both calls of a tunnel",
            "DemoBrowser/1.0 (100% real)",
            ("hello", "demo-browser"),
            Due::Origin,
        ),
    ]
}

/// A tunnel on the peeking port whose CONNECT, SNI and inner Host may differ.
const fn inside(
    about: &'static str,
    [host, sni, inner]: [&'static str; 3],
    path: &'static str,
    (phase, rule): (&'static str, &'static str),
    due: Due,
) -> Case {
    let ask = Ask::Tunnel { port: Port::Peeking, host, sni, inner, path, agent: AGENT };
    Case { about, ask, phase, verdict: verdict_of(due), rule, due }
}

/// A tunnel on the peeking port to a host that only one browser may visit.
const fn by_agent(
    about: &'static str,
    agent: &'static str,
    (phase, rule): (&'static str, &'static str),
    due: Due,
) -> Case {
    let host = "browsers.demo.example";
    let ask = Ask::Tunnel { port: Port::Peeking, host, sni: host, inner: host, path: "/", agent };
    Case { about, ask, phase, verdict: verdict_of(due), rule, due }
}

/// The requests that are not let through, or not at once.
#[must_use]
pub fn stopped() -> Vec<Case> {
    let mut cases = stopped_pages();
    cases.extend(stopped_in_other_ways());
    cases.extend(stopped_in_tunnels());
    cases
}

fn stopped_pages() -> Vec<Case> {
    vec![
        page("a listed name", "http://listed.demo.example:{http}/", "demo-list", BLOCKED),
        page(
            "below a listed name",
            "http://www.deep.listed.demo.example:{http}/x",
            "demo-list",
            BLOCKED,
        ),
        page("mixed case", "http://LISTED.Demo.Example:{http}/", "demo-list", BLOCKED),
        page("a denied path", "http://shared.demo.example:{http}/secret", "demo-path", BLOCKED),
        page(
            "a path in disguise",
            "http://shared.demo.example:{http}/x/../secret",
            "demo-path",
            BLOCKED,
        ),
        page(
            "an escaped path",
            "http://shared.demo.example:{http}/%73ecret/a",
            "demo-path",
            BLOCKED,
        ),
        page(
            "a regular expression",
            "http://shared.demo.example:{http}/get/Setup.E%58E",
            "demo-pattern",
            BLOCKED,
        ),
        page("an address in hexadecimal", "http://0x7f.1:{http}/", "demo-loopback", BLOCKED),
        page("the address zero", "http://0:{http}/", "demo-loopback", BLOCKED),
        page("zero in hexadecimal", "http://0x0:{http}/", "demo-loopback", BLOCKED),
        page("zero as four numbers", "http://0.0.0.0:{http}/", "demo-loopback", BLOCKED),
        page(
            "an address inside another",
            "http://[::ffff:127.0.0.1]:{http}/",
            "demo-loopback",
            BLOCKED,
        ),
        page(
            "a host that is none",
            "http://l%69sted.demo.example:{http}/",
            "invalid-request",
            BLOCKED,
        ),
        page(
            "a warning",
            "http://warned.demo.example:{http}/",
            "demo-warn",
            Due::Portal(Route::Warned),
        ),
        page(
            "a usage policy",
            "http://policy.demo.example:{http}/",
            "demo-aup",
            Due::Portal(Route::Aup),
        ),
    ]
}

fn stopped_in_other_ways() -> Vec<Case> {
    let listed = "listed.demo.example";
    let mut guest =
        page("a denied client", "http://default.demo.example:{http}/", "demo-guest", BLOCKED);
    guest.ask = Ask::Page {
        url: "http://default.demo.example:{http}/",
        source: Ipv4Addr::new(127, 0, 0, 9),
        agent: "EnforceGate-harness",
    };
    let mut agent =
        page("a user agent", "http://default.demo.example:{http}/", "demo-agent", BLOCKED);
    agent.ask = Ask::Page {
        url: "http://default.demo.example:{http}/",
        source: Ipv4Addr::LOCALHOST,
        agent: "Mozilla/5.0 (compatible; BadBot/2.1)",
    };
    vec![
        guest,
        agent,
        tunnel(
            "a denied tunnel on the peeking port",
            Port::Peeking,
            [listed, listed],
            ("connect", "demo-list"),
            BLOCKED,
        ),
        tunnel(
            "a denied tunnel on the plain port",
            Port::Plain,
            [listed, listed],
            ("connect", "demo-list"),
            Due::PortalForConnect(Route::Blocked),
        ),
    ]
}

fn stopped_in_tunnels() -> Vec<Case> {
    let (permitted, inspected) = ("permitted.demo.example", "inspected.demo.example");
    let (hidden, listed) = ("hidden.demo.example", "listed.demo.example");
    vec![
        inside(
            "an SNI that differs",
            [permitted, hidden, permitted],
            "/",
            ("request", "demo-sni"),
            BLOCKED,
        ),
        inside(
            "a Host inside that differs",
            [inspected, inspected, listed],
            "/",
            ("request", "demo-list"),
            BLOCKED,
        ),
        inside(
            "a Host inside that fits no name of the tunnel",
            [inspected, inspected, "default.demo.example"],
            "/",
            ("request", "demo-fronting"),
            BLOCKED,
        ),
        inside(
            "a denied path inside a tunnel",
            [inspected; 3],
            "/x/../secret",
            ("request", "demo-inside"),
            BLOCKED,
        ),
        inside(
            "an SNI that ends the tunnel",
            [permitted, "ended.demo.example", permitted],
            "/",
            ("hello", "demo-ended"),
            Due::Cut,
        ),
        by_agent("another user agent", AGENT, ("connect", "demo-browsers"), BLOCKED),
    ]
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = permitted();
    cases.extend(stopped());
    cases
}
