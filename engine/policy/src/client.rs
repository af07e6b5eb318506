//! Who asks, and how much of it is known when: the request as rules see it.
//!
//! Squid asks several times about one connection, and each time knows less or more (SPEC 4). What is
//! not known in a phase is `Unknown` here and never an empty text.

use std::net::IpAddr;

use crate::uri::{CanonicalUri, Domain, Host, Malformed, Scheme};

pub use crate::phase::Phase;
use crate::phase::{Knowledge, Part};

/// What becomes of the tunnel that is asked about, if nobody says anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// It passes untouched; what is unknown now stays unknown.
    Opaque,
    /// Its `ClientHello` is read, and what is to be done with it is asked then.
    Peeked,
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

/// Whether the methods of what is asked for are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InnerMethod {
    /// The request has its method.
    Known,
    /// The request is for a tunnel, and others come inside.
    Unknown,
}

/// What an attribute counts for that the phase cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The verdict may wait for a later question, where more is known.
    Defers,
    /// It does not hold: nobody will ask again.
    Fails,
}

impl<'a> Request<'a> {
    /// The SNI, as far as this phase knows it.
    #[must_use]
    pub fn sni(&self) -> Known<Domain<'a>> {
        let earlier = self.earlier.map_or(Known::Unknown, |earlier| earlier.sni);
        match (Part::Sni.knowledge(self.phase), self.client.sni) {
            (Knowledge::Never, _) => Known::Unknown,
            (Knowledge::Earlier, _) => earlier,
            (Knowledge::Itself, own) => own,
            (Knowledge::Either, Known::Is(own)) => Known::Is(own),
            (Knowledge::Either, Known::Unknown) => earlier,
            (Knowledge::Either, Known::Absent) => match earlier {
                Known::Is(_) => earlier,
                Known::Absent | Known::Unknown => Known::Absent,
            },
        }
    }

    /// The User-Agent, as far as this phase knows it.
    #[must_use]
    pub fn user_agent(&self) -> Known<&'a [u8]> {
        self.header(Part::UserAgent, self.client.user_agent)
    }

    /// The Referer, as far as this phase knows it.
    #[must_use]
    pub fn referer(&self) -> Known<&'a [u8]> {
        self.header(Part::Referer, self.client.referer)
    }

    /// The method that the request asks by: a tunnel is asked for by CONNECT, whoever speaks of it.
    #[must_use]
    pub const fn method(&self) -> &'a [u8] {
        match self.phase {
            Phase::Connect | Phase::Hello => b"CONNECT",
            Phase::Request => self.method,
        }
    }

    /// Whether the methods of what is asked for are known: those inside a tunnel are not yet.
    #[must_use]
    pub const fn inner_method(&self) -> InnerMethod {
        match Part::InnerMethod.knowledge(self.phase) {
            Knowledge::Itself | Knowledge::Either | Knowledge::Earlier => InnerMethod::Known,
            Knowledge::Never => InnerMethod::Unknown,
        }
    }

    /// The ports that the request may go to: its own, and that of the CONNECT where it is another.
    pub fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let (own, tunnel) = (self.port(), self.tunnel_port());
        [Some(own), Some(tunnel).filter(|port| *port != own)].into_iter().flatten()
    }

    /// The port that the request goes to. Inside a decrypted tunnel Squid has lost the port of the
    /// CONNECT and says the scheme's own (measured).
    #[must_use]
    pub fn port(&self) -> u16 {
        let own = self.uri.port();
        match own == self.uri.scheme().default_port() {
            true => self.tunnel_port(),
            false => own,
        }
    }

    /// The port of the CONNECT that the request came through, or else its own.
    #[must_use]
    pub fn tunnel_port(&self) -> u16 {
        match (Part::ConnectHost.knowledge(self.phase), self.earlier) {
            (Knowledge::Never | Knowledge::Itself, _) | (_, None) => self.uri.port(),
            (Knowledge::Earlier | Knowledge::Either, Some(earlier)) => earlier.port,
        }
    }

    fn header(&self, part: Part, own: Known<&'a [u8]>) -> Known<&'a [u8]> {
        match part.knowledge(self.phase) {
            Knowledge::Never => Known::Unknown,
            Knowledge::Itself | Knowledge::Either => own,
            Knowledge::Earlier => self.earlier.map_or(Known::Unknown, |earlier| earlier.user_agent),
        }
    }

    /// What a client cannot honestly say here: Squid sends a request inside a decrypted tunnel to where
    /// the tunnel leads, over TLS, whatever scheme its address has; rules for https would not see it.
    #[must_use]
    pub fn contradiction(&self) -> Option<Malformed> {
        match (self.phase, self.uri.scheme(), self.earlier) {
            (Phase::Request, Scheme::Http | Scheme::Ftp, Some(_)) => {
                Some(Malformed::SchemeInTunnel)
            }
            (Phase::Connect | Phase::Hello | Phase::Request, _, _) => None,
        }
    }

    /// The host of the CONNECT that the request came through, where it is another one.
    #[must_use]
    pub fn connect_host(&self) -> Option<Host<'a>> {
        match Part::ConnectHost.knowledge(self.phase) {
            Knowledge::Never | Knowledge::Itself => None,
            Knowledge::Earlier | Knowledge::Either => {
                self.earlier.map(|earlier| earlier.host).filter(|host| *host != self.uri.host())
            }
        }
    }

    /// The other origins that the request may end up at, each a host and a port: its own host at the
    /// port of the CONNECT, the SNI, and the host of the CONNECT, where they differ.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = (Host<'a>, u16)> + use<'a> {
        let (own, port) = (self.uri.host(), self.tunnel_port());
        let sni = match self.sni() {
            Known::Is(name) => Some(Host::Name(name)).filter(|host| *host != own),
            Known::Absent | Known::Unknown => None,
        };
        let connect = self.connect_host().filter(|host| Some(*host) != sni);
        let ported = Some(own).filter(|_| port != self.uri.port());
        [ported, sni, connect].into_iter().flatten().map(move |host| (host, port))
    }

    /// What an unknown counts for here (SPEC 4).
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        match (self.phase, self.tunnel) {
            (Phase::Connect, Tunnel::Peeked | Tunnel::Decrypted)
            | (Phase::Hello, Tunnel::Decrypted) => Unknown::Defers,
            (Phase::Connect, Tunnel::Opaque)
            | (Phase::Hello, Tunnel::Opaque | Tunnel::Peeked)
            | (Phase::Request, Tunnel::Opaque | Tunnel::Peeked | Tunnel::Decrypted) => {
                Unknown::Fails
            }
        }
    }
}
