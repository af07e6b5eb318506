//! Where an engine is asked, and the connection to there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::fault::ClientFault;
use super::http::{Stream, WRITE_MAX};
use super::pin::{Fingerprint, Pin, Seen, client_config, is_wrong_pin};

/// How long one address may take to be reached: a machine that is there answers in a fraction.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

const SOCKET_ADVICE: &str = "does it run, and are you its user or root? `[global] socket` in \
                             egctl.conf or egpolicy.conf must be `[control] socket` of engine.conf";
const HOST_ADVICE: &str =
    "does it run, and are `host` and `port` those of `[control]` in engine.conf?";

/// Where an engine is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// At the socket of its own machine.
    Socket(PathBuf),
    /// Over TLS.
    Https(Https),
}

/// An engine over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Https {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What its certificate must be.
    pub pin: Pin,
}

impl Door {
    /// How people call it.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Https(https) => authority(&https.host, https.port),
        }
    }

    /// What HTTP calls it.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".to_owned(),
            Self::Https(https) => authority(&https.host, https.port),
        }
    }

    /// A connection, its certificate compared.
    pub(super) fn open(&self, deadline: Instant) -> Result<Box<dyn Stream>, ClientFault> {
        match self {
            Self::Socket(path) => {
                let place = path.display().to_string();
                let advice = SOCKET_ADVICE;
                let stream = UnixStream::connect(path).and_then(|stream| {
                    stream.set_write_timeout(Some(WRITE_MAX))?;
                    Ok(stream)
                });
                let stream =
                    stream.map_err(|source| ClientFault::Unreachable { place, advice, source })?;
                Ok(Box::new(stream))
            }
            Self::Https(Https { host, port, pin }) => {
                let opened = handshake(host, *port, Some(pin.clone()), deadline)?;
                match opened {
                    Opened::Trusted(stream) => Ok(stream),
                    Opened::Other(shown) => Err(ClientFault::OtherCertificate {
                        place: self.place(),
                        kept: pin.kept().display().to_string(),
                        pinned: pin.fingerprint(),
                        shown,
                    }),
                }
            }
        }
    }
}

/// `host:port`, an address of version 6 in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The certificate that an engine shows; nothing is sent to it.
///
/// # Errors
///
/// [`ClientFault`] where it cannot be reached or speaks no TLS.
pub fn seen(host: &str, port: u16) -> Result<Fingerprint, ClientFault> {
    let deadline = Instant::now() + CONNECT_MAX + CONNECT_MAX;
    match handshake(host, port, None, deadline)? {
        Opened::Other(shown) => Ok(shown),
        Opened::Trusted(_) => Err(ClientFault::Broken {
            place: authority(host, port),
            what: "it shows no certificate".to_owned(),
        }),
    }
}

enum Opened {
    Trusted(Box<dyn Stream>),
    Other(Fingerprint),
}

fn handshake(
    host: &str,
    port: u16,
    pin: Option<Pin>,
    deadline: Instant,
) -> Result<Opened, ClientFault> {
    let place = authority(host, port);
    let tls = |source| ClientFault::Tls { place: place.clone(), source };
    let mut socket = connect(host, port, deadline).map_err(|source| ClientFault::Unreachable {
        place: place.clone(),
        advice: HOST_ADVICE,
        source,
    })?;
    let seen = Seen::default();
    let config = client_config(pin, seen.clone());
    // No name is sent and none is compared: the pin says more than a name.
    let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let connection = config.and_then(|config| ClientConnection::new(config, name));
    let mut connection = connection.map_err(|fault| tls(io::Error::other(fault)))?;
    while connection.is_handshaking() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(tls(io::ErrorKind::TimedOut.into()));
        }
        socket.set_read_timeout(Some(left)).map_err(tls)?;
        let Err(fault) = connection.complete_io(&mut socket) else { continue };
        let inner = fault.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        return match (inner.is_some_and(is_wrong_pin), seen.fingerprint()) {
            (true, Some(shown)) => Ok(Opened::Other(shown)),
            (true, None) | (false, _) => Err(tls(fault)),
        };
    }
    Ok(Opened::Trusted(Box::new(StreamOwned::new(connection, socket))))
}

fn connect(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()?.take(ADDRESSES_MAX) {
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_MAX);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_write_timeout(Some(WRITE_MAX))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

impl Stream for UnixStream {
    fn wait_at_most(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left))
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn wait_at_most(&self, left: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(left))
    }
}
