//! The loop guard: the portal's own pages are permitted whatever the rules say (SPEC 4, ADR 0016).
//!
//! Whoever is blocked is sent to the portal, often through the same proxy; a rule that blocks the portal
//! would send the client round in a circle. So its exact scheme, host, port and pages are let through,
//! and nothing else of that host.
//!
//! INVARIANT: a request that names the portal in one place and another host in another is no request to
//! the portal, and a portal on a loopback address guards nothing: every service of the proxy's own
//! machine would stand behind it.

use std::net::IpAddr;

use crate::client::{Known, Phase, Request};
use crate::uri::{CanonicalUri, Form, Host, PathKnown, Scheme, UriBuffer};

/// The pages that a browser fetches from the portal (SPEC 12), below the path of `base_url`.
pub const PORTAL_PAGES: [&str; 8] =
    ["/blocked", "/warned", "/aup", "/ca", "/ca.crt", "/healthz", "/style.css", "/api/captive/ack"];

/// Where the portal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalGuard {
    scheme: Scheme,
    host: String,
    port: u16,
    /// The path of `base_url` without a slash at its end.
    folder: Vec<u8>,
}

impl PortalGuard {
    /// The guard of the portal at `base_url`; none for a URL that cannot be read, or that leads to the
    /// machine itself.
    #[must_use]
    pub fn new(base_url: &str) -> Option<Self> {
        let mut buffer = UriBuffer::default();
        let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, base_url.as_bytes()).ok()?;
        if is_loopback(uri.host()) {
            return None;
        }
        let rest = uri.views().next()?.rest();
        if rest.contains(&b'?') {
            return None;
        }
        Some(Self {
            scheme: uri.scheme(),
            host: uri.host_text().to_owned(),
            port: uri.port(),
            folder: rest.strip_suffix(b"/").unwrap_or(rest).to_vec(),
        })
    }

    /// Whether `request` is one for a page of the portal, or for a tunnel to it.
    #[must_use]
    pub fn covers(&self, request: &Request<'_>) -> bool {
        let uri = request.uri;
        let is_there = uri.scheme() == self.scheme
            && uri.host_text() == self.host
            && [request.port(), request.tunnel_port()] == [self.port; 2];
        let is_one_host = request.connect_host().is_none()
            && match request.sni() {
                Known::Is(name) => name.as_str() == self.host,
                Known::Absent | Known::Unknown => true,
            };
        let is_page = match (request.phase, uri.path_known()) {
            (Phase::Connect | Phase::Hello, PathKnown::Unknown) => true,
            (Phase::Request, PathKnown::Known) => uri.views().all(|view| self.is_page(view.rest())),
            (Phase::Connect | Phase::Hello, PathKnown::Known)
            | (Phase::Request, PathKnown::Unknown) => false,
        };
        is_there && is_one_host && is_page
    }

    fn is_page(&self, rest: &[u8]) -> bool {
        let path = rest.split(|byte| *byte == b'?').next().unwrap_or_default();
        let page = path.strip_prefix(self.folder.as_slice());
        page.is_some_and(|page| PORTAL_PAGES.iter().any(|own| own.as_bytes() == page))
    }
}

/// Whether a host is the machine itself, as far as its name says (RFC 6761, section 6.3).
fn is_loopback(host: Host<'_>) -> bool {
    match host {
        Host::Address(IpAddr::V4(address)) => {
            address.is_loopback() || matches!(address.octets(), [0, _, _, _])
        }
        Host::Address(IpAddr::V6(address)) => address.is_loopback() || address.is_unspecified(),
        Host::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
    }
}
