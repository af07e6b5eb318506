//! A Squid without us, and what can be seen of it: the line that it hands to its helper, and the
//! address and the request with which it comes to the origin. Nothing is decided here and nothing is
//! denied: it is the oracle for who reads a URL the way Squid does.
//!
//! It has two plain ports. Behind the direct one Squid finds the origin by itself, from a hosts file in
//! which each name has a loopback address of its own, so that the address tells whom it meant. Behind
//! the other one every request goes to one origin whatever its host, and the Host header tells.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::folder::{self, Folder};
use crate::installation::free_addresses;
use crate::process::{self, Process};
use crate::programs;

/// How long a client or an origin waits for bytes.
const SILENCE: Duration = Duration::from_secs(10);
/// Bytes of a head that are looked at: more than Squid lets through.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests that Squid may have with its helper at once.
const CONCURRENCY: usize = 100;
/// What the User-Agent of every request begins with; its number follows.
const AGENT: &str = "witness-";

/// Through which of its ports a request comes to Squid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Squid looks the host up and goes there.
    Direct,
    /// Squid goes to the one origin.
    Peer,
}

/// One request as the client writes it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// A GET or a CONNECT.
    pub method: Method,
    /// The bytes between the method and the version.
    pub target: Vec<u8>,
    /// Through which port.
    pub way: Way,
}

/// The methods that are asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// For a URL.
    Get,
    /// For a tunnel, in which a plain request follows.
    Connect,
}

/// A request that came to the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The address that Squid connected to.
    pub address: IpAddr,
    /// The Host header, as it came.
    pub host: Vec<u8>,
    /// Path and query, as they came.
    pub target: Vec<u8>,
}

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status that the client received, if any.
    pub status: Option<u16>,
    /// The lines that the helper was asked, without their ends.
    pub lines: Vec<Vec<u8>>,
    /// What the origin saw.
    pub arrivals: Vec<Arrival>,
}

/// The running Squid and its origin.
#[derive(Debug)]
pub struct Witness {
    squid: Process,
    direct: SocketAddr,
    peer: SocketAddr,
    origin: Origin,
    lines: PathBuf,
    folder: Folder,
}

impl Witness {
    /// Starts both. `hosts` are the names that Squid finds, and where; `extras` are the fields that a
    /// line holds behind the URL, the User-Agent among them.
    ///
    /// # Errors
    ///
    /// If Squid is not installed or does not get ready; the end of its log is in the message.
    pub fn start(hosts: &[(&[u8], IpAddr)], extras: &str) -> Result<Self> {
        let squid = programs::of_the_system("squid")
            .context("there is no Squid: `cargo xtask setup` installs it")?;
        let built = programs::beside_this_one("eg-witness")?;
        let origin = Origin::start()?;
        let folder = Folder::temporary()?;
        let below = folder.path().join("squid");
        folder::make(&below)?;
        // A copy, since the user that Squid drops to cannot enter every folder that programs are built in.
        let helper = below.join("eg-witness");
        std::fs::copy(&built, &helper).context("cannot copy the witness")?;
        let mut names = Vec::new();
        for (name, address) in hosts {
            names.extend_from_slice(format!("{address} ").as_bytes());
            names.extend_from_slice(name);
            names.push(b'\n');
        }
        std::fs::write(below.join("hosts"), names)?;
        let [direct, peer] = free_addresses()?;
        let shown = below.display();
        let text = format!(
            "# Written by the harness; nothing here is shared with another Squid.
http_port {direct} name=direct
http_port {peer} name=peer
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest no-netdb-exchange originserver \
name=origin
acl eg_here src 127.0.0.0/8
acl eg_peer myportname peer
http_access allow eg_here
http_access deny all
never_direct allow eg_peer
always_direct allow !eg_peer
cache_peer_access origin allow eg_peer
cache_peer_access origin deny all

url_rewrite_program {helper} {shown}/lines
url_rewrite_children 1 startup=1 idle=1 concurrency={CONCURRENCY}
url_rewrite_extras \"{extras}\"

cache deny all
cache_mem 8 MB
visible_hostname proxy.demo.example
pinger_enable off
hosts_file {shown}/hosts
dns_nameservers 127.0.0.1
dns_timeout 200 milliseconds
dns_retransmit_interval 100 milliseconds
connect_timeout 2 seconds
connect_retries 0
shutdown_lifetime 1 seconds
pid_filename {shown}/squid.pid
coredump_dir {shown}
cache_log {shown}/cache.log
access_log stdio:{shown}/access.log
netdb_filename none
",
            origin = origin.port,
            helper = helper.display(),
        );
        let conf = below.join("squid.conf");
        folder::write(&conf, &text, 0o644)?;
        folder::give_to_squid(&below)?;
        let mut command = Command::new(squid);
        command.args(["-N", "-n", &format!("egw{}", std::process::id())]).arg("-f").arg(&conf);
        let mut squid = Process::start("Squid", &mut command, &below.join("stderr.log"))?;
        let ready = squid.await_ready("Squid's ports", || {
            TcpStream::connect(direct).and_then(|_| TcpStream::connect(peer)).ok()
        });
        ready.with_context(|| process::tail(&below.join("cache.log")))?;
        Ok(Self { squid, direct, peer, origin, lines: below.join("lines"), folder })
    }

    /// The port that the origin listens on, at every loopback address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.origin.port
    }

    /// Asks for all of them, several at once, and gives what became of each, in order.
    ///
    /// # Errors
    ///
    /// If Squid is gone or what was written down cannot be read.
    pub fn ask(&mut self, requests: &[Asked], at_once: usize) -> Result<Vec<Outcome>> {
        let statuses: Vec<Mutex<Option<u16>>> = requests.iter().map(|_| Mutex::default()).collect();
        let (next, gone) = (std::sync::atomic::AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..at_once.min(CONCURRENCY) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some((asked, status)) = requests.get(number).zip(statuses.get(number))
                        else {
                            return;
                        };
                        match self.exchange(number, asked) {
                            Ok(found) => {
                                *status.lock().unwrap_or_else(PoisonError::into_inner) = found;
                            }
                            Err(_) => gone.store(true, Ordering::Relaxed),
                        }
                    }
                });
            }
        });
        let log = self.folder.path().join("squid/cache.log");
        anyhow::ensure!(
            !gone.load(Ordering::Relaxed) && self.squid.ended()?.is_none(),
            "Squid takes no more requests:\n{}",
            process::tail(&log)
        );
        let mut lines = by_number(&std::fs::read(&self.lines).unwrap_or_default());
        let mut arrivals = self.origin.take();
        Ok(statuses
            .into_iter()
            .enumerate()
            .map(|(number, status)| Outcome {
                status: status.into_inner().unwrap_or_else(PoisonError::into_inner),
                lines: lines.remove(&number).unwrap_or_default(),
                arrivals: arrivals.remove(&number).unwrap_or_default(),
            })
            .collect())
    }

    /// One connection; gives the last status that came.
    fn exchange(&self, number: usize, asked: &Asked) -> Result<Option<u16>> {
        let port = match asked.way {
            Way::Direct => self.direct,
            Way::Peer => self.peer,
        };
        let mut stream = TcpStream::connect(port)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let mut head = match asked.method {
            Method::Get => b"GET ".to_vec(),
            Method::Connect => b"CONNECT ".to_vec(),
        };
        head.extend_from_slice(&asked.target);
        let rest = format!(
            " HTTP/1.1\r\nHost: elsewhere.test\r\nUser-Agent: {AGENT}{number}\r\n\
             Connection: close\r\n\r\n"
        );
        head.extend_from_slice(rest.as_bytes());
        // Who is cut off in the middle has no status, and that is an answer too.
        if stream.write_all(&head).is_err() {
            return Ok(None);
        }
        let status = status(&mut stream);
        if asked.method == Method::Get || status != Some(200) {
            return Ok(status);
        }
        let inside = format!(
            "GET /inside HTTP/1.1\r\nHost: inside.test\r\nUser-Agent: {AGENT}{number}\r\n\
             Connection: close\r\n\r\n"
        );
        if stream.write_all(inside.as_bytes()).is_err() {
            return Ok(None);
        }
        Ok(self::status(&mut stream))
    }
}

/// Reads an answer to its end, or the head of one with status 200; gives its status.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let head = head(stream)?;
    let text = String::from_utf8_lossy(&head);
    text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// Reads up to the empty line.
fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut some = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut some).ok()?;
        if read == 0 || head.len() > HEAD_BYTES_MAX {
            return None;
        }
        head.extend_from_slice(some.get(..read)?);
    }
    Some(head)
}

/// The number of the request whose User-Agent stands in these bytes.
fn number_in(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(AGENT.len()).rposition(|window| window == AGENT.as_bytes())?;
    let digits: String = bytes
        .iter()
        .skip(at + AGENT.len())
        .take_while(|byte| byte.is_ascii_digit())
        .map(|byte| char::from(*byte))
        .collect();
    digits.parse().ok()
}

fn by_number(text: &[u8]) -> HashMap<usize, Vec<Vec<u8>>> {
    let mut lines: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(number) = number_in(line) {
            lines.entry(number).or_default().push(line.to_vec());
        }
    }
    lines
}

/// Answers 204 to everything at every loopback address, and writes down what came where.
#[derive(Debug)]
struct Origin {
    port: u16,
    seen: Arc<Mutex<HashMap<usize, Vec<Arrival>>>>,
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Origin {
    fn start() -> Result<Self> {
        let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("the origin's port")?;
        let port = four.local_addr()?.port();
        let mut origin =
            Self { port, seen: Arc::default(), ending: Arc::default(), threads: Vec::new() };
        origin.accept(four);
        // Where there is no IPv6, requests to it end at Squid.
        if let Ok(six) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            origin.accept(six);
        }
        Ok(origin)
    }

    fn accept(&mut self, listener: TcpListener) {
        let (seen, ending) = (Arc::clone(&self.seen), Arc::clone(&self.ending));
        self.threads.push(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                let seen = Arc::clone(&seen);
                // A client that goes away in the middle is no fault of the origin.
                std::thread::spawn(move || drop(answer(stream, &seen)));
            }
        }));
    }

    fn take(&self) -> HashMap<usize, Vec<Arrival>> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        drop(TcpStream::connect((Ipv6Addr::LOCALHOST, self.port)));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<HashMap<usize, Vec<Arrival>>>) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let address = stream.local_addr()?.ip();
    let head = head(&mut stream).context("no head")?;
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let from = first.iter().position(|byte| *byte == b' ').map_or(0, |at| at + 1);
    let to = first.iter().rposition(|byte| *byte == b' ').unwrap_or(first.len());
    let target = first.get(from..to).unwrap_or_default().to_vec();
    let host = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii().to_vec())
    });
    if let Some(number) = number_in(&head) {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host.unwrap_or_default();
        seen.entry(number).or_default().push(Arrival { address, host, target });
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    Ok(())
}
