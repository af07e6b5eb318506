//! The Control API asked by hand over TLS: HTTP written out, so that nothing of ours reads what ours has
//! written.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::tls;

/// How long the engine may take to take a request or to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its status.
    pub status: u16,
    /// Its JSON; null where there is none.
    pub body: Value,
    /// All of it, as it came.
    pub text: String,
}

/// One who asks.
#[derive(Debug, Clone)]
pub struct Api {
    engine: SocketAddr,
    source: Ipv4Addr,
    tls: Arc<ClientConfig>,
    /// What stands behind `Authorization: Bearer`.
    token: Option<String>,
}

/// A stream to the engine, in TLS.
pub type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Api {
    /// Nobody yet, at this address.
    ///
    /// # Errors
    ///
    /// If there is no TLS.
    pub fn at(engine: SocketAddr) -> Result<Self> {
        let (tls, _) = tls::curious_client()?;
        Ok(Self { engine, source: Ipv4Addr::LOCALHOST, tls, token: None })
    }

    /// The same one at another loopback address.
    #[must_use]
    pub fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = source;
        self
    }

    /// The same one with another token.
    #[must_use]
    pub fn with(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// What it shows to be let in.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A connection without TLS yet.
    ///
    /// # Errors
    ///
    /// If nobody is there.
    pub fn connect(&self) -> Result<TcpStream> {
        let IpAddr::V4(engine) = self.engine.ip() else { bail!("the harness speaks IPv4 only") };
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let source = SockaddrIn::from(SocketAddrV4::new(self.source, 0));
        bind(socket.as_raw_fd(), &source).with_context(|| format!("from {}", self.source))?;
        let target = SockaddrIn::from(SocketAddrV4::new(engine, self.engine.port()));
        connect(socket.as_raw_fd(), &target).with_context(|| format!("to {}", self.engine))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection that speaks TLS with its first bytes.
    ///
    /// # Errors
    ///
    /// If nobody is there.
    pub fn secured(&self) -> Result<Secured> {
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let client = ClientConnection::new(Arc::clone(&self.tls), name)?;
        Ok(StreamOwned::new(client, self.connect()?))
    }

    /// Asks, with a JSON body where there is one.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Said> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = self.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n{}{}\
             Content-Length: {}\r\n\r\n{body}",
            token.unwrap_or_default(),
            if body.is_empty() { "" } else { "Content-Type: application/json\r\n" },
            body.len(),
        );
        let mut stream = self.secured()?;
        // An engine that refuses early need not read everything.
        let written = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            written.context("the request")?;
            read.context("the answer")?;
            bail!("{method} {path}: no answer");
        }
        parsed(&String::from_utf8_lossy(&bytes))
    }

    /// Asks below `/api/v1/`.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn get(&self, path: &str) -> Result<Said> {
        self.ask("GET", &format!("/api/v1/{path}"), None)
    }

    /// Asks below `/api/v1/`.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Said> {
        self.ask("POST", &format!("/api/v1/{path}"), Some(body))
    }

    /// Logs in; the same one with the new token.
    ///
    /// # Errors
    ///
    /// If the engine does not let it in.
    pub fn log_in(&self, user: &str, password: &str) -> Result<Self> {
        let said = self.post("login", &serde_json::json!({"user": user, "password": password}))?;
        let token = said.body.get("access_token").and_then(Value::as_str);
        let token = token.with_context(|| format!("`{user}` was not let in: {}", said.text))?;
        Ok(self.with(Some(token)))
    }
}

/// An answer, taken apart.
fn parsed(text: &str) -> Result<Said> {
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without a head's end")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Said {
        status: status.with_context(|| format!("no status in `{head}`"))?,
        body: serde_json::from_str(body).unwrap_or(Value::Null),
        text: text.to_owned(),
    })
}
