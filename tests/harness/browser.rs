//! A client behind the proxy: sends bytes as it is told, follows nothing by itself, and says what it
//! received, in how much time, and which certificate it was shown.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, StreamOwned};

use crate::tls;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Who asks, and through which port of the proxy.
#[derive(Debug, Clone)]
pub struct Browser {
    /// The proxy's port.
    pub proxy: SocketAddr,
    /// The address that it asks from; any of 127/8.
    pub source: Ipv4Addr,
    /// Its User-Agent.
    pub agent: String,
    /// How long it waits for an answer.
    pub patience: Duration,
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Received {
    /// An HTTP answer.
    Reply(Reply),
    /// The connection ended, and how, without an answer.
    Cut(String),
    /// Nothing within the browser's patience.
    Nothing,
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, as text.
    pub body: String,
}

impl Reply {
    /// The first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What happened to one request.
#[derive(Debug, Clone)]
pub struct Story {
    /// The answer to the CONNECT, where there was one.
    pub connect: Option<Received>,
    /// The certificate that the client was shown inside the tunnel.
    pub certificate: Option<CertificateDer<'static>>,
    /// The answer to the request, or to the CONNECT where it was refused.
    pub received: Received,
    /// From the first byte sent to the last byte received.
    pub time: Duration,
}

/// What is asked inside a tunnel.
#[derive(Debug, Clone, Copy)]
pub struct Inside<'a> {
    /// The server name of the `ClientHello`; none is sent where there is none.
    pub sni: Option<&'a str>,
    /// The Host header.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
}

impl Browser {
    /// One that asks from 127.0.0.1.
    #[must_use]
    pub fn new(proxy: SocketAddr) -> Self {
        Self {
            proxy,
            source: Ipv4Addr::LOCALHOST,
            agent: "EnforceGate-harness".to_owned(),
            patience: Duration::from_secs(10),
        }
    }

    /// Asks the proxy for a plain URL, whose bytes go out as they are.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn get(&self, url: &str) -> Result<Story> {
        let start = Instant::now();
        let mut stream = self.connect()?;
        let authority = url.split('/').nth(2).unwrap_or_default();
        let received = self.exchange(&mut stream, url, authority);
        Ok(Story { connect: None, certificate: None, received, time: start.elapsed() })
    }

    /// Opens a tunnel to `authority` and asks inside TLS, with `sni`, for `path`.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn get_in_tunnel(&self, authority: &str, sni: &str, path: &str) -> Result<Story> {
        self.get_inside(authority, &Inside { sni: Some(sni), host: authority, path })
    }

    /// The same, where each name may be another.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn get_inside(&self, authority: &str, inside: &Inside<'_>) -> Result<Story> {
        let start = Instant::now();
        let (connect, stream) = self.open_tunnel(authority)?;
        let Some(stream) = stream else {
            let received = connect.clone();
            let time = start.elapsed();
            return Ok(Story { connect: Some(connect), certificate: None, received, time });
        };
        let (certificate, received) = self.speak_tls(stream, inside)?;
        Ok(Story { connect: Some(connect), certificate, received, time: start.elapsed() })
    }

    /// Asks for a tunnel; there is one where the answer is 200.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn open_tunnel(&self, authority: &str) -> Result<(Received, Option<TcpStream>)> {
        let mut stream = self.connect()?;
        let head = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {}\r\n\r\n",
            self.agent
        );
        let connect = match stream.write_all(head.as_bytes()) {
            Ok(()) => read_head(&mut stream),
            Err(fault) => Received::Cut(fault.to_string()),
        };
        let opened = matches!(&connect, Received::Reply(reply) if reply.status == 200);
        Ok((connect, opened.then_some(stream)))
    }

    /// Asks inside an open tunnel; gives the certificate that was shown, and what came back.
    ///
    /// # Errors
    ///
    /// If the SNI is no name.
    pub fn speak_tls(
        &self,
        stream: TcpStream,
        inside: &Inside<'_>,
    ) -> Result<(Option<CertificateDer<'static>>, Received)> {
        let (mut secure, curious) = secured(stream, inside.sni)?;
        let received = self.exchange(&mut secure, inside.path, inside.host);
        Ok((curious.seen(), received))
    }

    /// Opens a tunnel to `authority` and sends bytes as they are inside TLS.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all, or the SNI is no name.
    pub fn send_raw_inside(
        &self,
        authority: &str,
        sni: Option<&str>,
        bytes: &[u8],
    ) -> Result<Received> {
        let (connect, stream) = self.open_tunnel(authority)?;
        let Some(stream) = stream else { return Ok(connect) };
        let (mut secure, _) = secured(stream, sni)?;
        Ok(match secure.write_all(bytes).and_then(|()| secure.flush()) {
            Ok(()) => read_reply(&mut secure),
            Err(fault) => failed(&fault),
        })
    }

    /// Sends bytes as they are, in these pieces, and gives the answers that come back: so many of them,
    /// or fewer where the other end closes or the browser's patience ends.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn send_raw(&self, pieces: &[&[u8]], answers: usize) -> Result<Vec<Reply>> {
        let mut stream = self.connect()?;
        let bytes = exchange_raw(&mut stream, pieces, |bytes| whole_replies(bytes) >= answers);
        Ok(replies(&bytes))
    }

    /// Sends bytes as they are inside an open tunnel, and gives all that comes back until the other end
    /// closes or the browser's patience ends.
    ///
    /// # Errors
    ///
    /// If the proxy cannot be reached at all.
    pub fn send_raw_in_tunnel(
        &self,
        authority: &str,
        pieces: &[&[u8]],
    ) -> Result<(Received, Vec<u8>)> {
        let (connect, stream) = self.open_tunnel(authority)?;
        let bytes = stream
            .map(|mut stream| exchange_raw(&mut stream, pieces, |_| false))
            .unwrap_or_default();
        Ok((connect, bytes))
    }

    /// Opens a `http://` URL without the proxy, as a browser that may reach the portal directly.
    ///
    /// # Errors
    ///
    /// If the URL names no address and port.
    pub fn get_directly(&self, url: &str) -> Result<Received> {
        let rest = url.strip_prefix("http://").context("only http:// is opened directly")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let direct = Self { proxy: authority.parse()?, ..self.clone() };
        let mut stream = direct.connect()?;
        Ok(direct.exchange(&mut stream, path, authority))
    }

    fn exchange(&self, stream: &mut (impl Read + Write), target: &str, host: &str) -> Received {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\nAccept: text/html\r\n\
             Connection: close\r\n\r\n",
            self.agent
        );
        let sent = stream.write_all(request.as_bytes()).and_then(|()| stream.flush());
        match sent {
            Ok(()) => read_reply(stream),
            Err(fault) => failed(&fault),
        }
    }

    /// Connects from the browser's own address.
    fn connect(&self) -> Result<TcpStream> {
        let IpAddr::V4(proxy) = self.proxy.ip() else {
            anyhow::bail!("the harness speaks IPv4 on loopback only");
        };
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let fd = socket.as_raw_fd();
        let source = SockaddrIn::from(std::net::SocketAddrV4::new(self.source, 0));
        bind(fd, &source).with_context(|| format!("cannot ask from {}", self.source))?;
        let target = SockaddrIn::from(std::net::SocketAddrV4::new(proxy, self.proxy.port()));
        connect(fd, &target).with_context(|| format!("cannot reach {}", self.proxy))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// TLS inside a tunnel, and who looks at the certificate. No SNI is sent where there is none.
fn secured(
    stream: TcpStream,
    sni: Option<&str>,
) -> Result<(StreamOwned<ClientConnection, TcpStream>, Arc<tls::Curious>)> {
    let (config, curious) = tls::curious_client()?;
    let name = match sni {
        Some(sni) => ServerName::try_from(sni.to_owned()).context("the SNI is no name")?,
        // An address is never sent as SNI.
        None => ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    Ok((StreamOwned::new(ClientConnection::new(config, name)?, stream), curious))
}

/// Sends pieces, each in a segment of its own as far as the system lets it, and reads until `enough` or to
/// the end. Nothing is shut down after sending: Squid gives up a request whose client seems to go.
fn exchange_raw(
    stream: &mut TcpStream,
    pieces: &[&[u8]],
    enough: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Who closes in the middle is read all the same.
    drop(pieces.iter().try_for_each(|piece| stream.write_all(piece)));
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if enough(&bytes) {
            break;
        }
    }
    bytes
}

/// The answers in what came back, one after the other; bodies are told by their `Content-Length`.
fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut found = Vec::new();
    while let Some((mut reply, head, end)) = next_reply(bytes) {
        let (before, after) = bytes.split_at(end.min(bytes.len()));
        reply.body = String::from_utf8_lossy(before.get(head..).unwrap_or_default()).into_owned();
        found.push(reply);
        bytes = after;
    }
    found
}

/// How many answers are there from their first byte to their last.
fn whole_replies(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((_, _, end)) = next_reply(bytes)
        && let Some(after) = bytes.get(end..)
    {
        bytes = after;
        count += 1;
    }
    count
}

/// The answer that begins here, where its body begins, and where it ends.
fn next_reply(bytes: &[u8]) -> Option<(Reply, usize, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let reply = parse(bytes)?;
    let length = reply.header("content-length").and_then(|text| text.parse::<usize>().ok());
    Some((reply, head, head + length.unwrap_or_default()))
}

/// Reads an answer up to the end of the connection.
fn read_reply(stream: &mut impl Read) -> Received {
    let mut bytes = Vec::new();
    let outcome = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    match (parse(&bytes), outcome) {
        (Some(reply), _) => Received::Reply(reply),
        (None, Err(fault)) => failed(&fault),
        (None, Ok(_)) if bytes.is_empty() => Received::Cut("closed without an answer".to_owned()),
        (None, Ok(_)) => Received::Cut("closed in the middle of an answer's head".to_owned()),
    }
}

/// Reads the answer to a CONNECT, byte by byte, since what follows may be TLS.
fn read_head(stream: &mut impl Read) -> Received {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < 65_536 {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Received::Cut("closed without an answer".to_owned()),
            Ok(_) => bytes.extend_from_slice(&byte),
            Err(fault) => return failed(&fault),
        }
    }
    match parse(&bytes) {
        Some(reply) => Received::Reply(reply),
        None => Received::Cut("not an HTTP answer".to_owned()),
    }
}

fn failed(fault: &std::io::Error) -> Received {
    match fault.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Received::Nothing,
        _ => Received::Cut(fault.to_string()),
    }
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut status_line = lines.next()?.split(' ');
    if !status_line.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = status_line.next()?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers =
        headers.map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Reply { status, headers, body: body.to_owned() })
}
