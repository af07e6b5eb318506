//! What is asked for inside tunnels that Squid decrypts (`inspect = "bump"`), as raw bytes: a Host that is
//! not the tunnel's, requests in forms of a proxy, and a pattern for each attribute that takes one. Rows
//! G16 and G17 of the evasion corpus are here.

use anyhow::{Result, ensure};
use eg_tests::browser::{Browser, Received};
use eg_tests::folder::Folder;
use eg_tests::installation::Plan;
use eg_tests::origin::Seen;
use eg_tests::programs::Programs;
use eg_tests::site::Site;
use eg_tests::trail::Trail;

/// The host of the CONNECT and the SNI; none is sent where there is none.
type Tunnel = (&'static str, Option<&'static str>);

/// What is due for a request inside.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// The portal's page by this rule.
    By(&'static str),
    /// Squid's own refusal, or the end of the connection.
    Refused,
    /// The origin is asked, for the host of the tunnel, by this rule.
    Passes(&'static str),
}

use Due::{By, Passes, Refused};

const GOOD: Tunnel = ("good.test", Some("good.test"));
const NUMBER: Tunnel = ("127.0.0.1", None);

const TREE: Due = By("block-tree");
const FRONTING: Due = By("block-fronting");
const SCHEME: Due = By("invalid-request");
const OWN: Due = Passes("permit-good");

/// What it is, the tunnel, the request inside (`:P` is the port of the CONNECT, `:H` the origin's plain
/// one), what is due.
const ROWS: &[(&str, Tunnel, &str, Due)] = &[
    ("usual", GOOD, "GET / HTTP/1.1\r\nHost: good.test:P\r\n", OWN),
    ("G16", GOOD, "GET / HTTP/1.1\r\nHost: blocked.test:P\r\n", TREE),
    ("G16", GOOD, "GET / HTTP/1.1\r\nHost: blocked.test\r\n", TREE),
    ("G16", GOOD, "GET / HTTP/1.1\r\nHost: WWW.Blocked.TEST.:P\r\n", TREE),
    ("G16 neither", GOOD, "GET / HTTP/1.1\r\nHost: shared.test:P\r\n", FRONTING),
    ("G16 address", GOOD, "GET / HTTP/1.1\r\nHost: 127.0.0.1:P\r\n", FRONTING),
    ("G17", NUMBER, "GET / HTTP/1.1\r\nHost: good.test:P\r\n", FRONTING),
    ("G17 blocked", NUMBER, "GET / HTTP/1.1\r\nHost: blocked.test:P\r\n", TREE),
    ("G17 honest", NUMBER, "GET / HTTP/1.1\r\nHost: 127.0.0.1:P\r\n", Passes("default-permit")),
    // Squid would send these to the tunnel's end; a scheme that is not the tunnel's is refused, whatever
    // the host and before any rule.
    ("scheme", GOOD, "GET http://blocked.test:H/ HTTP/1.1\r\nHost: good.test:P\r\n", SCHEME),
    ("scheme", GOOD, "GET http://good.test:H/ HTTP/1.1\r\nHost: good.test:P\r\n", SCHEME),
    ("absolute", GOOD, "GET https://blocked.test:P/ HTTP/1.1\r\nHost: good.test:P\r\n", TREE),
    ("two Hosts", GOOD, "GET / HTTP/1.1\r\nHost: blocked.test:P\r\nHost: good.test:P\r\n", TREE),
    // The first counts, and a Host that Squid cannot read is none; what it asks for then, and what it is
    // judged by, is the host of the CONNECT.
    ("two Hosts", GOOD, "GET / HTTP/1.1\r\nHost: good.test:P\r\nHost: blocked.test:P\r\n", OWN),
    ("no Host", GOOD, "GET / HTTP/1.1\r\n", OWN),
    ("user-info", GOOD, "GET / HTTP/1.1\r\nHost: good.test@blocked.test:P\r\n", OWN),
    ("escaped", GOOD, "GET / HTTP/1.1\r\nHost: bl%6fcked.test:P\r\n", OWN),
    ("blank", GOOD, "GET / HTTP/1.1\r\nHost: blocked.test good.test\r\n", OWN),
    ("CONNECT", GOOD, "CONNECT blocked.test:P HTTP/1.1\r\nHost: blocked.test:P\r\n", Refused),
    (
        "uri",
        GOOD,
        "GET /get/Setup.E%58E HTTP/1.1\r\nHost: good.test:P\r\n",
        By("block-uri-pattern"),
    ),
    ("uri beside", GOOD, "GET /get/setup.exe?x HTTP/1.1\r\nHost: good.test:P\r\n", OWN),
    (
        "sni",
        ("good.test", Some("TRACK7.demo.example")),
        "GET / HTTP/1.1\r\nHost: good.test:P\r\n",
        By("block-sni-pattern"),
    ),
    (
        "agent",
        GOOD,
        "GET / HTTP/1.1\r\nHost: good.test:P\r\nUser-Agent: BadBot/2.1\r\n",
        By("block-agent-pattern"),
    ),
    ("agent beside", GOOD, "GET / HTTP/1.1\r\nHost: good.test:P\r\nUser-Agent: BadBot/x\r\n", OWN),
    (
        "referer",
        GOOD,
        "GET / HTTP/1.1\r\nHost: good.test:P\r\nReferer: https://Search.demo.example/?q=1\r\n",
        By("block-referer-pattern"),
    ),
    (
        "referer beside",
        GOOD,
        "GET / HTTP/1.1\r\nHost: good.test:P\r\nReferer: https://a.test/?search.demo.example/\r\n",
        OWN,
    ),
];

fn site() -> Result<Site> {
    let rules = eg_tests::shared::workspace().join("tests/data/inside/rules.d");
    let plan = Plan { rules: Some(rules), inspect: "bump", ..Plan::demo() };
    Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &plan)
}

/// What came of one request, in the words of a failure.
fn came_of(
    site: &Site,
    trail: &mut Trail,
    (host, sni): Tunnel,
    request: &str,
    due: Due,
) -> Result<Option<String>> {
    let before = site.origin.seen().len();
    let there = site.origin.https().port();
    let request = request
        .replace(":P", &format!(":{there}"))
        .replace(":H", &format!(":{}", site.origin.http().port()));
    let message = format!("{request}Connection: close\r\n\r\n");
    let browser = Browser::new(site.squid.peeking());
    let authority = format!("{host}:{there}");
    let received = browser.send_raw_inside(&authority, sni, message.as_bytes())?;
    // The CONNECT, and what is inside.
    let entries = match due {
        By(_) | Passes(_) => trail.await_news(2)?,
        Refused => trail.news()?,
    };
    let seen = site.origin.seen().split_off(before);
    let asked: Vec<&str> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Request { host, .. } => Some(host.as_str()),
            Seen::Handshake(_) => None,
        })
        .collect();
    let last = entries.last().map(|entry| (entry.phase.as_str(), entry.rule.as_str()));
    let anomaly = entries.last().and_then(|entry| entry.anomaly.as_deref());
    let page = format!("{}blocked?v=1&p=", site.installation.base_url());
    let good = match (&received, due) {
        (Received::Reply(reply), By(rule)) => {
            let to_page = reply.header("location").is_some_and(|it| it.starts_with(&page));
            // These two hold for a Host of another name than the tunnel's.
            let is_mismatch = ["block-tree", "block-fronting"].contains(&rule);
            last == Some(("request", rule))
                && asked.is_empty()
                && to_page
                && (anomaly == Some("host-mismatch")) == is_mismatch
        }
        (Received::Reply(reply), Passes(rule)) => {
            let is_asked = asked == [authority.as_str()];
            last == Some(("request", rule)) && is_asked && reply.status == 200 && anomaly.is_none()
        }
        (Received::Reply(reply), Refused) => asked.is_empty() && reply.status >= 300,
        (Received::Cut(_), Refused) => asked.is_empty(),
        (Received::Cut(_), By(_) | Passes(_)) | (Received::Nothing, _) => false,
    };
    let told = || format!("due {due:?}: {received:?}\n  entries {entries:?}\n  origin {seen:?}");
    Ok((!good).then(told))
}

#[test]
fn no_request_inside_a_tunnel_slips_through() -> Result<()> {
    let site = site()?;
    let mut trail = site.installation.trail();
    trail.news()?;
    let mut bad = Vec::new();
    for (about, tunnel, request, due) in ROWS {
        if let Some(fault) = came_of(&site, &mut trail, *tunnel, request, *due)? {
            bad.push(format!("{about} {tunnel:?} {request:?}: {fault}"));
        }
    }
    ensure!(bad.is_empty(), "{} rows:\n{}\n{}", bad.len(), bad.join("\n"), site.logs());
    site.stop()
}
