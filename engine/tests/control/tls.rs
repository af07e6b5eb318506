//! A client of the HTTPS door, by hand: which TLS, from which address, and what it pins.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::ask::{Answer, parsed};
use crate::{Home, PATIENCE};

/// Which TLS.
pub(super) type Version = &'static rustls::SupportedProtocolVersion;

pub(super) const TLS13: Version = &rustls::version::TLS13;
pub(super) const TLS12: Version = &rustls::version::TLS12;

pub(super) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection from an address of this machine.
pub(super) fn connect_from(home: &Home, last: u8) -> io::Result<TcpStream> {
    let stream = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let source = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0));
    bind(stream.as_raw_fd(), &source)?;
    let target = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, home.control));
    connect(stream.as_raw_fd(), &target)?;
    let stream = TcpStream::from(stream);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// TLS over it, with the engine's certificate and no other.
pub(super) fn over(home: &Home, mut stream: TcpStream, version: Version) -> io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(home.path("ssl/cert.pem")).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

pub(super) fn tls(home: &Home) -> Tls {
    over(home, connect_from(home, 1).unwrap(), TLS13).unwrap()
}

/// Sends these bytes and reads to the end.
pub(super) fn raw(mut tls: Tls, bytes: &[u8]) -> String {
    // An engine that refuses early need not read everything.
    drop(tls.write_all(bytes));
    drop(tls.flush());
    let mut text = Vec::new();
    drop(tls.read_to_end(&mut text));
    String::from_utf8(text).unwrap()
}

/// The text of a request that ends its connection.
pub(super) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Asks over TLS 1.3.
pub(super) fn ask(home: &Home, method: &str, path: &str, headers: &str) -> Answer {
    parsed(&raw(tls(home), request(method, path, headers, "").as_bytes()))
}
