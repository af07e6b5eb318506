//! Who asks, and how much of it is known when: the request as rules see it.
//!
//! Squid asks several times about one connection, and each time knows less or more (SPEC 4). What is
//! not known in a phase is `Unknown` here and never an empty text.

use std::net::IpAddr;

use crate::uri::{CanonicalUri, Domain, Host};

/// When Squid asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A CONNECT before the `ClientHello`: host and port, no path, no SNI.
    Connect,
    /// The SNI is known, or known to be absent; the user agent is lost.
    Hello,
    /// Plain http, or inside a decrypted tunnel: everything is known.
    Request,
}

/// Whether the tunnel that is asked about will be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// What is unknown now stays unknown.
    Opaque,
    /// Its inner requests are asked about later.
    Decrypted,
}

/// A value that a phase may not know yet, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Known<T> {
    /// This phase cannot know it.
    Unknown,
    /// Known to be absent.
    Absent,
    /// Known.
    Is(T),
}

/// The machine and person behind the proxy: all that a rule may see of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    /// The client's address; a mapped IPv4 address is an IPv4 address.
    pub address: IpAddr,
    /// The user that the proxy authenticated, as bytes of the proxy's choosing.
    pub user: Option<&'a [u8]>,
    /// The TLS SNI, in the canonical form of a domain.
    pub sni: Known<Domain<'a>>,
    /// The User-Agent header.
    pub user_agent: Known<&'a [u8]>,
    /// The Referer header.
    pub referer: Known<&'a [u8]>,
}

/// What an earlier question about the same client connection told (SPEC 4, `clt_conn_tag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// The host of its CONNECT.
    pub host: Host<'a>,
    /// The port of its CONNECT.
    pub port: u16,
    /// The server name of its `ClientHello`, in canonical form.
    pub sni: Known<Domain<'a>>,
    /// The User-Agent of its CONNECT.
    pub user_agent: Known<&'a [u8]>,
}

/// One request as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// When Squid asks.
    pub phase: Phase,
    /// Whether more will be known later.
    pub tunnel: Tunnel,
    /// The HTTP method, as sent.
    pub method: &'a [u8],
    /// Where to.
    pub uri: &'a CanonicalUri<'a>,
    /// Who.
    pub client: Client<'a>,
    /// The tunnel that it came through, as far as that is known.
    pub earlier: Option<Earlier<'a>>,
}

/// What an attribute counts for that the phase cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The verdict waits for the inner requests, where everything is known.
    Defers,
    /// It does not hold: nobody will ask again.
    Fails,
}

impl<'a> Request<'a> {
    /// The SNI, as far as this phase knows it: never before the `ClientHello`.
    #[must_use]
    pub const fn sni(&self) -> Known<Domain<'a>> {
        match self.phase {
            Phase::Connect => Known::Unknown,
            Phase::Hello | Phase::Request => self.client.sni,
        }
    }

    /// The User-Agent, as far as this phase knows it: it is lost between CONNECT and request.
    #[must_use]
    pub const fn user_agent(&self) -> Known<&'a [u8]> {
        match self.phase {
            Phase::Hello => Known::Unknown,
            Phase::Connect | Phase::Request => self.client.user_agent,
        }
    }

    /// The Referer, as far as this phase knows it: only the request itself carries it.
    #[must_use]
    pub const fn referer(&self) -> Known<&'a [u8]> {
        match self.phase {
            Phase::Connect | Phase::Hello => Known::Unknown,
            Phase::Request => self.client.referer,
        }
    }

    /// What an unknown counts for here (SPEC 4).
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        match (self.phase, self.tunnel) {
            (Phase::Connect | Phase::Hello, Tunnel::Decrypted) => Unknown::Defers,
            (Phase::Connect | Phase::Hello, Tunnel::Opaque) | (Phase::Request, _) => Unknown::Fails,
        }
    }
}
