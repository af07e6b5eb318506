//! Who may speak: the proof of proto over a TLS connection gives an [`AuthenticPeer`] or a reason.
//!
//! The name in the hello chooses the key among the connectors that share the listener, and the
//! source address must be one of that connector's `peers`.
//!
//! INVARIANT: an [`AuthenticPeer`] comes only out of a proof that held.

use eg_proto::handshake::EXPORTER_LABEL;
use eg_proto::limits::{IN_FLIGHT_MAX, KEEPALIVE_IDLE};
use eg_proto::{
    Admission, ConnectorName, EngineHandshake, EngineProgress, FailureToken, Frame, HandshakeFault,
    Hello, Inspect, RefusedReason, Routes, SharedKey, Terms,
};
use ipnet::IpNet;
use rustls::{ProtocolVersion, ServerConnection};

use crate::config::ConnectorConfig;
use crate::portal_link::PortalLinks;
use crate::transport::Peer;

/// A connector that may speak on a listener.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its name, which chooses the key.
    pub name: ConnectorName,
    /// The key.
    pub key: SharedKey,
    /// Where it may come from over TCP.
    pub peers: Vec<IpNet>,
}

impl Guest {
    pub(crate) fn may_come_from(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(address) => {
                let address = address.ip().to_canonical();
                self.peers.iter().any(|net| net.contains(&address))
            }
            // Who may open the socket's file may come; the key is asked for all the same.
            Peer::Socket { .. } => true,
        }
    }
}

impl From<&ConnectorConfig> for Guest {
    fn from(config: &ConnectorConfig) -> Self {
        Self { name: config.name.clone(), key: config.key.clone(), peers: config.peers.clone() }
    }
}

/// A connector that has proved its key on this very connection.
#[derive(Debug)]
pub struct AuthenticPeer {
    connector: ConnectorName,
    run: u128,
    inspect: Inspect,
    peer: Peer,
    session: u64,
}

impl AuthenticPeer {
    /// Its name.
    #[must_use]
    pub const fn connector(&self) -> &ConnectorName {
        &self.connector
    }

    /// The number of its run.
    #[must_use]
    pub const fn run(&self) -> u128 {
        self.run
    }

    /// How its Squid looks into TLS.
    #[must_use]
    pub const fn inspect(&self) -> Inspect {
        self.inspect
    }

    /// Where it comes from.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The number of its session in this run of the engine.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }
}

/// Whether a session may begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vacancy {
    Free,
    Full,
    Draining,
}

/// What decides about one connection.
pub(crate) struct Door<'a> {
    pub(crate) guests: &'a [Guest],
    pub(crate) peer: Peer,
    pub(crate) vacancy: Vacancy,
    pub(crate) portal: &'a PortalLinks,
    pub(crate) tokens: &'a [FailureToken],
    pub(crate) version: &'a str,
}

impl Admission for Door<'_> {
    fn key(&self, hello: &Hello) -> Result<&SharedKey, RefusedReason> {
        let guest = self
            .guests
            .iter()
            .find(|guest| guest.name == hello.connector)
            .ok_or(RefusedReason::UnknownConnector)?;
        if !guest.may_come_from(&self.peer) {
            return Err(RefusedReason::AddressNotAllowed);
        }
        Ok(&guest.key)
    }

    fn terms(&self, _hello: &Hello) -> Result<Terms, RefusedReason> {
        match self.vacancy {
            Vacancy::Free => {}
            Vacancy::Full => return Err(RefusedReason::SessionLimit),
            Vacancy::Draining => return Err(RefusedReason::Draining),
        }
        Ok(Terms {
            base_url: self.portal.base_url().to_owned(),
            routes: Routes::default(),
            redirect_status: self.portal.redirect_status().code(),
            engine: self.version.to_owned(),
            keepalive_ms: u32::try_from(KEEPALIVE_IDLE.as_millis()).unwrap_or(u32::MAX),
            in_flight_max: IN_FLIGHT_MAX,
            tokens: self.tokens.to_vec(),
        })
    }
}

/// Why no proof can begin on a connection.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    /// Another TLS than 1.3.
    #[error("the connection is not TLS 1.3")]
    Version,
    /// TLS gives no exporter.
    #[error("the TLS connection gives no channel binding")]
    Exporter(#[source] rustls::Error),
    /// The system's random generator failed.
    #[error("the system gives no random numbers")]
    Random,
}

/// The proof in progress on one connection.
#[derive(Debug)]
pub(crate) struct Proving {
    engine: EngineHandshake,
    /// The name that the peer gave, for the log.
    claimed: Option<ConnectorName>,
}

impl Proving {
    /// Begins the proof on a TLS connection that is up.
    pub(crate) fn begin(tls: &ServerConnection) -> Result<Self, ProofFault> {
        if tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Err(ProofFault::Version);
        }
        let exporter = tls
            .export_keying_material([0; 32], EXPORTER_LABEL, None)
            .map_err(ProofFault::Exporter)?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|_| ProofFault::Random)?;
        Ok(Self { engine: EngineHandshake::new(nonce, exporter), claimed: None })
    }

    /// The name that the peer gave, where it came so far.
    pub(crate) const fn claimed(&self) -> Option<&ConnectorName> {
        self.claimed.as_ref()
    }

    /// Takes a frame; gives the peer once its proof has held. What to send is appended to `out`.
    pub(crate) fn feed(
        &mut self,
        frame: Frame<'_>,
        door: &Door<'_>,
        session: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<AuthenticPeer>, HandshakeFault> {
        let heard = Listening { door, claimed: std::cell::RefCell::new(None) };
        let progress = self.engine.feed(frame, &heard, out);
        if let Some(name) = heard.claimed.into_inner() {
            self.claimed = Some(name);
        }
        match progress? {
            EngineProgress::Continue => Ok(None),
            EngineProgress::Done(hello) => Ok(Some(AuthenticPeer {
                connector: hello.connector,
                run: hello.run.0,
                inspect: hello.inspect,
                peer: door.peer,
                session,
            })),
        }
    }
}

/// A door that remembers who knocked, so that a refusal can be logged with the name.
struct Listening<'a> {
    door: &'a Door<'a>,
    claimed: std::cell::RefCell<Option<ConnectorName>>,
}

impl Admission for Listening<'_> {
    fn key(&self, hello: &Hello) -> Result<&SharedKey, RefusedReason> {
        *self.claimed.borrow_mut() = Some(hello.connector.clone());
        self.door.key(hello)
    }

    fn terms(&self, hello: &Hello) -> Result<Terms, RefusedReason> {
        self.door.terms(hello)
    }
}
