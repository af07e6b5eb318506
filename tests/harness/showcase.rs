//! A table of requests, what is due for each, and what came of it: the demo prints it and the
//! end-to-end tests hold it.
//!
//! Verdict and rule are what the engine's audit trail says; where the client is sent to the portal,
//! the sealed payload and the page must name the same rule. Whether the origin was asked is seen at
//! the origin itself.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use eg_proto::{Opener, Route};
use serde::Serialize;

use crate::browser::{Browser, Received, Reply, Story};
use crate::installation::Site;
use crate::origin::Seen;
use crate::tls;
use crate::trail::{Entry, Trail};

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

/// How a request is made.
#[derive(Debug, Clone)]
pub enum Ask {
    /// A URL over plain http; `{http}` is the origin's port.
    Page {
        /// The URL as it is sent.
        url: &'static str,
        /// The address that it comes from.
        source: Ipv4Addr,
        /// The User-Agent.
        agent: &'static str,
    },
    /// A CONNECT to the origin's TLS port, and `/` inside it.
    Tunnel {
        /// The proxy's port.
        port: Port,
        /// The host of the CONNECT.
        host: &'static str,
        /// The SNI inside.
        sni: &'static str,
    },
}

/// A port of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Tunnels stay closed to Squid.
    Plain,
    /// Squid reads the `ClientHello`, and bumps what is denied.
    Peeking,
}

/// What a client is to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The origin's 200, in a tunnel under the origin's own certificate.
    Origin,
    /// A redirect to this page, which opens and names the rule; in a tunnel under a certificate of the
    /// inspection CA.
    Portal(Route),
    /// A redirect in place of the tunnel.
    PortalForConnect(Route),
    /// The end of the connection.
    Cut,
}

/// One request and what is due for it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is an example of.
    pub about: &'static str,
    /// How it is made.
    pub ask: Ask,
    /// The phase in which the verdict falls.
    pub phase: &'static str,
    /// The verdict's word.
    pub verdict: &'static str,
    /// The rule's name.
    pub rule: &'static str,
    /// What the client is to receive.
    pub due: Due,
}

/// What came of a case.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is an example of.
    pub about: String,
    /// The request.
    pub request: String,
    /// The phase in which the verdict fell.
    pub phase: String,
    /// The verdict's word, as the audit trail has it.
    pub verdict: String,
    /// The rule's name, as the audit trail has it.
    pub rule: String,
    /// What the client received.
    pub received: String,
    /// Milliseconds from the first byte sent to the last byte received.
    pub time_ms: f64,
    /// What is not as expected; empty where all is.
    pub faults: Vec<String>,
    /// Whether all is as expected.
    pub ok: bool,
}

const fn page(about: &'static str, url: &'static str, rule: &'static str, due: Due) -> Case {
    let ask = Ask::Page { url, source: Ipv4Addr::LOCALHOST, agent: "EnforceGate-harness" };
    Case { about, ask, phase: "request", verdict: verdict_of(due), rule, due }
}

const fn tunnel(
    about: &'static str,
    port: Port,
    [host, sni]: [&'static str; 2],
    (phase, rule): (&'static str, &'static str),
    due: Due,
) -> Case {
    let ask = Ask::Tunnel { port, host, sni };
    Case { about, ask, phase, verdict: verdict_of(due), rule, due }
}

const fn verdict_of(due: Due) -> &'static str {
    match due {
        Due::Origin => "permit",
        Due::Portal(Route::Blocked) | Due::PortalForConnect(Route::Blocked) | Due::Cut => "deny",
        Due::Portal(Route::Warned) | Due::PortalForConnect(Route::Warned) => "warn",
        Due::Portal(Route::Aup) | Due::PortalForConnect(Route::Aup) => "aup",
    }
}

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
    ]
}

/// The requests that are not let through, or not at once.
#[must_use]
pub fn stopped() -> Vec<Case> {
    let mut cases = stopped_pages();
    cases.extend(stopped_in_other_ways());
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
        page("an address in hexadecimal", "http://0x7f.1:{http}/", "demo-loopback", BLOCKED),
        page("the address zero", "http://0:{http}/", "demo-loopback", BLOCKED),
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
    let (listed, permitted, hidden) =
        ("listed.demo.example", "permitted.demo.example", "hidden.demo.example");
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
        tunnel(
            "an SNI that differs",
            Port::Peeking,
            [permitted, hidden],
            ("hello", "demo-sni"),
            Due::Cut,
        ),
    ]
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = permitted();
    cases.extend(stopped());
    cases
}

/// Makes requests on a site and compares.
#[derive(Debug)]
pub struct Examiner<'s> {
    site: &'s Site,
    trail: Trail,
    opener: Opener,
}

impl<'s> Examiner<'s> {
    /// On a running site.
    ///
    /// # Errors
    ///
    /// If its trail or secret cannot be read.
    pub fn new(site: &'s Site) -> Result<Self> {
        let mut trail = site.installation.trail();
        trail.news()?;
        Ok(Self { site, trail, opener: site.installation.opener()? })
    }

    /// Makes one request and tells what came of it.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached or the trail cannot be read; everything else is a fault in the
    /// row.
    pub fn examine(&mut self, case: &Case) -> Result<Row> {
        let seen_before = self.site.origin.seen().len();
        let (request, browser, story) = self.ask(&case.ask)?;
        let entries = self.trail.await_news(entries_due(case))?;
        let last = entries.last();
        let mut judge =
            Judge { site: self.site, opener: &self.opener, browser, faults: Vec::new() };
        let received = judge.received(case, &story)?;
        judge.compare_entry(case, &entries);
        let seen = self.site.origin.seen();
        judge.compare_origin(case, seen.get(seen_before..).unwrap_or_default());
        let faults = judge.faults;
        let told =
            |field: fn(&Entry) -> &String| last.map_or_else(|| "-".into(), |e| field(e).clone());
        Ok(Row {
            about: case.about.to_owned(),
            request,
            phase: told(|entry| &entry.phase),
            verdict: told(|entry| &entry.action),
            rule: told(|entry| &entry.rule),
            received,
            time_ms: story.time.as_secs_f64() * 1e3,
            ok: faults.is_empty(),
            faults,
        })
    }

    fn ask(&self, ask: &Ask) -> Result<(String, Browser, Story)> {
        let squid = &self.site.squid;
        match ask {
            Ask::Page { url, source, agent } => {
                let url = url.replace("{http}", &self.site.origin.http().port().to_string());
                let mut browser = Browser::new(squid.plain());
                browser.source = *source;
                (*agent).clone_into(&mut browser.agent);
                let story = browser.get(&url)?;
                Ok((format!("GET {url}"), browser, story))
            }
            Ask::Tunnel { port, host, sni } => {
                let proxy = match port {
                    Port::Plain => squid.plain(),
                    Port::Peeking => squid.peeking(),
                };
                let authority = format!("{host}:{}", self.site.origin.https().port());
                let browser = Browser::new(proxy);
                let story = browser.get_in_tunnel(&authority, sni, "/")?;
                let request = if host == sni {
                    format!("CONNECT {authority}")
                } else {
                    format!("CONNECT {authority} (SNI {sni})")
                };
                Ok((request, browser, story))
            }
        }
    }
}

/// Squid asks a second time about a tunnel whose `ClientHello` it reads.
const fn entries_due(case: &Case) -> usize {
    match (&case.ask, case.due) {
        (Ask::Tunnel { port: Port::Peeking, .. }, Due::Origin | Due::Cut) => 2,
        (Ask::Page { .. } | Ask::Tunnel { .. }, _) => 1,
    }
}

struct Judge<'s> {
    site: &'s Site,
    opener: &'s Opener,
    browser: Browser,
    faults: Vec<String>,
}

impl Judge<'_> {
    fn fault(&mut self, text: impl fmt::Display) {
        self.faults.push(text.to_string());
    }

    fn compare_entry(&mut self, case: &Case, entries: &[Entry]) {
        let due = entries_due(case);
        if entries.len() != due {
            self.fault(format!("{} entries in the audit trail, {due} are due", entries.len()));
        }
        let Some(entry) = entries.last() else { return };
        for (what, found, due) in [
            ("phase", &entry.phase, case.phase),
            ("verdict", &entry.action, case.verdict),
            ("rule", &entry.rule, case.rule),
        ] {
            if found != due {
                self.fault(format!("the audit trail has the {what} `{found}`, `{due}` is due"));
            }
        }
    }

    fn compare_origin(&mut self, case: &Case, seen: &[Seen]) {
        match case.due {
            Due::Origin => {
                if !seen.iter().any(|what| matches!(what, Seen::Request { .. })) {
                    self.fault("the origin was not asked");
                }
            }
            Due::Portal(_) | Due::PortalForConnect(_) | Due::Cut => {
                if !seen.is_empty() {
                    self.fault(format!("it reached the origin: {seen:?}"));
                }
            }
        }
    }

    fn received(&mut self, case: &Case, story: &Story) -> Result<String> {
        let signer = self.signer(case, story)?;
        let text = match (&story.received, case.due) {
            (Received::Nothing, _) => {
                self.fault("no answer");
                "nothing".to_owned()
            }
            (Received::Cut(how), due) => {
                if due != Due::Cut {
                    self.fault("the connection was cut");
                }
                format!("connection cut ({how})")
            }
            (Received::Reply(reply), Due::Origin) => {
                if reply.status != 200 || !reply.body.starts_with("origin: ") {
                    self.fault(format!("the origin's 200 is due, not {}", reply.status));
                }
                format!("{} from the origin", reply.status)
            }
            (Received::Reply(reply), Due::Portal(route) | Due::PortalForConnect(route)) => {
                self.redirect(case, route, reply)?
            }
            (Received::Reply(reply), Due::Cut) => {
                self.fault(format!("the end of the connection is due, not {}", reply.status));
                format!("{}", reply.status)
            }
        };
        Ok(match signer {
            Some(signer) => format!("{text}, inside TLS, certificate {signer}"),
            None => text,
        })
    }

    /// Who signed what the client was shown in a tunnel, and whether it should have been them.
    fn signer(&mut self, case: &Case, story: &Story) -> Result<Option<&'static str>> {
        let Some(certificate) = &story.certificate else {
            let expects_one =
                matches!((&case.ask, case.due), (Ask::Tunnel { .. }, Due::Origin | Due::Portal(_)));
            if expects_one {
                self.fault("no certificate was shown");
            }
            return Ok(None);
        };
        let Ask::Tunnel { sni, .. } = case.ask else { return Ok(None) };
        if *certificate == self.site.origin.leaf().certificate {
            if case.due != Due::Origin {
                self.fault("the origin's own certificate was shown");
            }
            return Ok(Some("the origin's own"));
        }
        let inspection = &self.site.inspection.certificate;
        if tls::is_signed_by(certificate, inspection, sni)? {
            if !matches!(case.due, Due::Portal(_)) {
                self.fault("the tunnel was opened by the inspection CA");
            }
            return Ok(Some("of the inspection CA"));
        }
        self.fault("the certificate is of nobody known");
        Ok(Some("of nobody known"))
    }

    /// Follows a redirect to the portal as a browser would.
    fn redirect(&mut self, case: &Case, route: Route, reply: &Reply) -> Result<String> {
        if reply.status != 302 {
            self.fault(format!("302 is due, not {}", reply.status));
        }
        let location = reply.header("location").unwrap_or_default().to_owned();
        let base = self.site.installation.base_url();
        let start = format!("{}{}?v=1&p=", base.trim_end_matches('/'), route.path());
        let Some(token) = location.strip_prefix(&start) else {
            self.fault(format!("a redirect to `{start}...` is due, not to `{location}`"));
            return Ok(format!("{} to `{location}`", reply.status));
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        match self.opener.open(route, token, i64::try_from(now)?) {
            Ok(opened) if opened.payload.rule == case.rule => {}
            Ok(opened) => {
                self.fault(format!("the payload names the rule `{}`", opened.payload.rule));
            }
            Err(fault) => self.fault(format!("the payload does not open: {fault}")),
        }
        let opened = self.browser.get_directly(&location).context("the portal's page")?;
        let Received::Reply(page) = opened else {
            self.fault("the portal's page does not open");
            return Ok(format!("{} to {}", reply.status, route.path()));
        };
        let names = page.body.contains(case.rule);
        if page.status != 200 || !names {
            self.fault(format!("the page has status {} and names the rule: {names}", page.status));
        }
        let said = if names { "names the rule" } else { "does not name the rule" };
        Ok(format!("{} to {} ({}, {said})", reply.status, route.path(), page.status))
    }
}
