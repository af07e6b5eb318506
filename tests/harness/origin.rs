//! The web site behind the proxy: answers every request with 200 and remembers who was asked for what,
//! so that a test can tell that a denied request never came this far.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::material::Leaf;
use crate::tls;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// Lines that a request's head may have.
const HEAD_LINES_MAX: usize = 200;

/// Something that reached the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A TLS handshake for this SNI; empty where there was none.
    Handshake(String),
    /// A request for this Host and path.
    Request {
        /// The Host header.
        host: String,
        /// The path and query.
        path: String,
    },
}

/// A running origin with a plain and a TLS port on loopback.
#[derive(Debug)]
pub struct Origin {
    http: SocketAddr,
    https: SocketAddr,
    leaf: Leaf,
    seen: Arc<Mutex<Vec<Seen>>>,
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Origin {
    /// Starts it with this certificate.
    ///
    /// # Errors
    ///
    /// If there is no port or the certificate is not usable.
    pub fn start(leaf: Leaf) -> Result<Self> {
        let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the origin's port")?;
        let secure = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the origin's port")?;
        let config = tls::server(&leaf)?;
        let mut origin = Self {
            http: plain.local_addr()?,
            https: secure.local_addr()?,
            leaf,
            seen: Arc::default(),
            ending: Arc::default(),
            threads: Vec::new(),
        };
        origin.accept(plain, None);
        origin.accept(secure, Some(config));
        Ok(origin)
    }

    /// Its plain port.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its TLS port.
    #[must_use]
    pub const fn https(&self) -> SocketAddr {
        self.https
    }

    /// What it shows there.
    #[must_use]
    pub const fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// All that came so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn accept(&mut self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let (seen, ending) = (Arc::clone(&self.seen), Arc::clone(&self.ending));
        self.threads.push(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, tls) = (Arc::clone(&seen), tls.clone());
                // A client that goes away in the middle is no fault of the origin.
                std::thread::spawn(move || drop(serve(stream, tls, &seen)));
            }
        }));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        for address in [self.http, self.https] {
            drop(TcpStream::connect(address));
        }
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, seen: &Mutex<Vec<Seen>>) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let Some(config) = tls else {
        return answer(stream, seen);
    };
    let mut connection = ServerConnection::new(config)?;
    let mut stream = stream;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    note(seen, Seen::Handshake(connection.server_name().unwrap_or_default().to_owned()));
    let mut stream = StreamOwned::new(connection, stream);
    answer(&mut stream, seen)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

/// Answers one request and closes: every request of a test is a connection of its own.
fn answer(mut stream: impl Read + Write, seen: &Mutex<Vec<Seen>>) -> Result<()> {
    let (mut path, mut host) = (String::new(), String::new());
    let mut reader = BufReader::new(&mut stream);
    for number in 0..HEAD_LINES_MAX {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        if number == 0 {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        } else if line.is_empty() {
            break;
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            value.trim().clone_into(&mut host);
        }
    }
    let body = format!("origin: {host} {path}\n");
    note(seen, Seen::Request { host, path });
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream.flush()?)
}

fn note(seen: &Mutex<Vec<Seen>>, what: Seen) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}
