//! The service manager: what it is told over `NOTIFY_SOCKET`, and what it keeps for the next start.
//!
//! Our own few lines over nix, since `sd-notify` knows neither abstract sockets nor descriptors without
//! one crate more (ADR 0019). Where no service manager asks, nothing is said.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nix::time::{ClockId, clock_gettime};

/// How long one message may wait for a service manager that does not read.
const SEND_MAX: Duration = Duration::from_millis(500);

/// The name under which the service manager keeps our listeners.
const KEPT: &str = "defendr";

/// What the service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The engine can answer.
    Ready,
    /// The policy is loaded anew, or the program is about to execute itself anew.
    Reloading,
    /// The engine drains and ends.
    Stopping,
    /// Every thread that serves has made progress.
    Alive,
}

/// The service manager, where there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Whoever the environment names.
    #[must_use]
    pub fn of(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(fault) => {
                tracing::warn!(%fault, socket = name, "the service manager cannot be told anything");
                None
            }
        });
        let watchdog = watchdog(variable, std::process::id());
        Self { socket, watchdog }
    }

    /// How often it wants to hear that the engine is alive, at least.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it.
    pub fn tell(&self, told: Told) {
        let text = match told {
            Told::Ready => "READY=1".to_owned(),
            Told::Reloading => match clock_gettime(ClockId::CLOCK_MONOTONIC) {
                Ok(now) => {
                    let micros = Duration::from(now).as_micros();
                    format!("RELOADING=1\nMONOTONIC_USEC={micros}")
                }
                Err(_) => return,
            },
            Told::Stopping => "STOPPING=1".to_owned(),
            Told::Alive => "WATCHDOG=1".to_owned(),
        };
        self.send(&text, &[]);
    }

    /// Has it keep a listener for the next start.
    pub fn keep(&self, listener: &impl AsFd) {
        let number = listener.as_fd().as_raw_fd();
        self.send(&format!("FDSTORE=1\nFDNAME={KEPT}"), &[number]);
    }

    /// Has it forget the listeners that it keeps.
    pub fn forget(&self) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={KEPT}"), &[]);
    }

    /// One datagram; a service manager that does not hear it finds out by itself.
    fn send(&self, text: &str, descriptors: &[std::os::fd::RawFd]) {
        let Some(socket) = &self.socket else { return };
        let bytes = [IoSlice::new(text.as_bytes())];
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
        let sent =
            sendmsg::<UnixAddr>(socket.as_raw_fd(), &bytes, rights, MsgFlags::MSG_NOSIGNAL, None);
        if let Err(fault) = sent {
            tracing::debug!(%fault, text, "the service manager does not listen");
        }
    }
}

/// A socket in the file system, or with `@` in front in Linux's abstract name space.
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_MAX))?;
    match name.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

fn watchdog(variable: impl Fn(&'static str) -> Option<String>, own: u32) -> Option<Duration> {
    let for_us = variable("WATCHDOG_PID").is_none_or(|number| number == own.to_string());
    let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (for_us && micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    fn heard(socket: &UnixDatagram) -> (String, usize) {
        let mut bytes = [0; 512];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let mut parts = [io::IoSliceMut::new(&mut bytes)];
        let got = recvmsg::<UnixAddr>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .unwrap();
        let rights = |message| match message {
            ControlMessageOwned::ScmRights(numbers) => numbers.len(),
            other => panic!("{other:?}"),
        };
        let count = got.bytes;
        let descriptors = got.cmsgs().unwrap().map(rights).sum();
        (String::from_utf8(bytes[..count].to_vec()).unwrap(), descriptors)
    }

    #[test]
    fn each_word_is_one_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let name = path.to_str().unwrap().to_owned();
        let told = Supervisor::of(|variable| (variable == "NOTIFY_SOCKET").then(|| name.clone()));
        for (word, expected) in
            [(Told::Ready, "READY=1"), (Told::Stopping, "STOPPING=1"), (Told::Alive, "WATCHDOG=1")]
        {
            told.tell(word);
            assert_eq!(heard(&socket), (expected.to_owned(), 0));
        }
        told.tell(Told::Reloading);
        let (text, _) = heard(&socket);
        let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0);
        told.keep(&TcpListener::bind("127.0.0.1:0").unwrap());
        assert_eq!(heard(&socket), ("FDSTORE=1\nFDNAME=defendr".to_owned(), 1));
        told.forget();
        assert_eq!(heard(&socket), ("FDSTOREREMOVE=1\nFDNAME=defendr".to_owned(), 0));
    }

    #[test]
    fn an_abstract_name_is_reached() {
        let name = format!("enforcegate-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let told =
            Supervisor::of(|variable| (variable == "NOTIFY_SOCKET").then(|| format!("@{name}")));
        told.tell(Told::Ready);
        assert_eq!(heard(&socket).0, "READY=1");
    }

    #[test]
    fn nobody_and_somebody_who_is_gone_cost_nothing() {
        let none = Supervisor::of(|_| None);
        none.tell(Told::Ready);
        assert_eq!(none.watchdog(), None);
        let gone = Supervisor::of(|name| (name == "NOTIFY_SOCKET").then(|| "/nowhere".to_owned()));
        gone.tell(Told::Ready);
    }

    #[test]
    fn the_watchdog_is_ours_only_by_our_number() {
        for (micros, process, expected) in [
            (Some("2000000"), None, Some(Duration::from_secs(2))),
            (Some("2000000"), Some("7"), Some(Duration::from_secs(2))),
            (Some("2000000"), Some("8"), None),
            (Some("0"), None, None),
            (Some("x"), None, None),
            (None, Some("7"), None),
        ] {
            let variable = |name| match name {
                "WATCHDOG_USEC" => micros.map(str::to_owned),
                "WATCHDOG_PID" => process.map(str::to_owned),
                _ => None,
            };
            assert_eq!(watchdog(variable, 7), expected, "{micros:?} {process:?}");
        }
    }
}
