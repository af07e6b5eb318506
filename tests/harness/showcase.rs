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

use crate::browser::{Browser, Inside, Received, Reply, Story};
use crate::origin::Seen;
use crate::site::Site;
use crate::tls;
use crate::trail::{Entry, Trail};

pub use crate::rows::{NAMES, all, permitted, stopped};

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
    /// A CONNECT to the origin's TLS port, and a request inside it.
    Tunnel {
        /// The proxy's port.
        port: Port,
        /// The host of the CONNECT.
        host: &'static str,
        /// The SNI inside.
        sni: &'static str,
        /// The host in the Host header inside.
        inner: &'static str,
        /// The path inside.
        path: &'static str,
        /// The User-Agent of the CONNECT and inside.
        agent: &'static str,
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
    /// The origin's 200, in a tunnel that Squid decrypts, under a certificate of the inspection CA.
    OriginDecrypted,
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
            Ask::Tunnel { port, host, sni, inner, path, agent } => {
                let proxy = match port {
                    Port::Plain => squid.plain(),
                    Port::Peeking => squid.peeking(),
                };
                let there = self.site.origin.https().port();
                let authority = format!("{host}:{there}");
                let mut browser = Browser::new(proxy);
                (*agent).clone_into(&mut browser.agent);
                let host_inside = format!("{inner}:{there}");
                let inside = Inside { sni: Some(sni), host: &host_inside, path };
                let story = browser.get_inside(&authority, &inside)?;
                let mut request = format!("CONNECT {authority}");
                for (what, is, usual) in
                    [("SNI", sni, host), ("Host", inner, host), ("path", path, &"/")]
                {
                    if is != usual {
                        request.push_str(&format!(" ({what} {is})"));
                    }
                }
                Ok((request, browser, story))
            }
        }
    }
}

/// Squid asks a second time about a tunnel whose `ClientHello` it reads, or about the request inside.
fn entries_due(case: &Case) -> usize {
    match case.ask {
        Ask::Tunnel { port: Port::Peeking, .. } if case.phase != "connect" => 2,
        Ask::Tunnel { .. } | Ask::Page { .. } => 1,
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
        let Some((entry, earlier)) = entries.split_last() else { return };
        for entry in earlier {
            // What was refused by then is asked about no more.
            if (entry.phase.as_str(), entry.action.as_str()) != ("connect", "permit") {
                let (phase, action) = (&entry.phase, &entry.action);
                self.fault(format!(
                    "before the verdict there is `{action}` in the phase `{phase}`"
                ));
            }
        }
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
        let request = |what: &&Seen| matches!(what, Seen::Request { .. });
        match case.due {
            Due::Origin | Due::OriginDecrypted => {
                if !seen.iter().any(|what| request(&what)) {
                    self.fault("the origin was not asked");
                }
            }
            Due::Portal(_) | Due::PortalForConnect(_) | Due::Cut => {
                // To show a page in a tunnel whose CONNECT was permitted, Squid 5.7 shakes hands with
                // the server first; it asks it for nothing.
                let inside = matches!(case.ask, Ask::Tunnel { .. }) && case.phase == "request";
                if seen.iter().any(|what| !inside || request(&what)) {
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
            (Received::Reply(reply), Due::Origin | Due::OriginDecrypted) => {
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
            let expects_one = matches!(
                (&case.ask, case.due),
                (Ask::Tunnel { .. }, Due::Origin | Due::OriginDecrypted | Due::Portal(_))
            );
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
            if !matches!(case.due, Due::Portal(_) | Due::OriginDecrypted) {
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
