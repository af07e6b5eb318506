//! Descriptors that come along at a start: listeners from the service manager (`LISTEN_FDS`, by a socket
//! unit or out of its descriptor store), and listeners and pid file from this very process before it
//! executed itself anew.
//!
//! INVARIANT: nothing is taken over that is not a listening stream socket, and a listener serves only
//! the connectors whose table names its very address.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};
use nix::unistd::{AccessFlags, access};

use super::raw;
use crate::bind::{Listener, Place};

/// What the next run finds of this one: the process's number, then kind and descriptor of each. The
/// number tells it from one that another process left in the environment.
const NEXT_RUN: &str = "ENGINE_HANDED";

/// The first descriptor of a service manager.
const FIRST: RawFd = 3;

/// More sockets than any configuration has connectors; what says more is not from a service manager.
const DESCRIPTORS_MAX: usize = 256;

/// The words for kinds of descriptors in [`NEXT_RUN`].
const LISTENER: &str = "listener";
const PID_FILE: &str = "pid-file";

/// Why what came along cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedFault {
    /// The environment does not say what it should.
    #[error("the environment variable `{name}` is `{value}`, which no service manager sets")]
    Environment {
        /// Its name.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// A descriptor is not there.
    #[error("the descriptors that the environment names cannot be taken over")]
    Descriptors(#[source] io::Error),
    /// A descriptor is something else.
    #[error(
        "descriptor {number} (`{name}`) is no listening stream socket; see `ListenStream=` in the \
         socket unit"
    )]
    NoListener {
        /// Its number.
        number: RawFd,
        /// Its name.
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Who left the descriptors open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Giver {
    Nobody,
    ServiceManager,
    OwnRun,
}

/// What came along.
#[derive(Debug)]
pub struct Handed {
    from: Giver,
    listeners: Vec<Named>,
    pid_file: Option<OwnedFd>,
}

/// A listener and what its giver calls it.
#[derive(Debug)]
struct Named {
    name: String,
    place: Place,
    listener: Listener,
}

/// A descriptor as the environment announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Announced {
    number: RawFd,
    name: String,
}

impl Handed {
    /// Takes over what the environment names. To be called once, before anything else is opened.
    ///
    /// # Errors
    ///
    /// Where it names what is not there or no listener.
    pub fn take(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, HandedFault> {
        let (from, announced) = announced(variable, std::process::id())?;
        if from == Giver::Nobody {
            return Ok(Self { from, listeners: Vec::new(), pid_file: None });
        }
        let numbers: Vec<RawFd> = announced.iter().map(|one| one.number).collect();
        let owned = raw::adopt_all(&numbers).map_err(HandedFault::Descriptors)?;
        let (mut listeners, mut pid_file) = (Vec::new(), None);
        for (descriptor, Announced { number, name }) in owned.into_iter().zip(announced) {
            // The next program gets only what it is given on purpose.
            keep(descriptor.as_fd(), FdFlag::FD_CLOEXEC).map_err(HandedFault::Descriptors)?;
            if from == Giver::OwnRun && name == PID_FILE {
                pid_file = Some(descriptor);
                continue;
            }
            let (listener, place) = listener(descriptor)
                .map_err(|source| HandedFault::NoListener { number, name: name.clone(), source })?;
            listeners.push(Named { name, place, listener });
        }
        Ok(Self { from, listeners, pid_file })
    }

    /// Whether this process served before, and executed itself anew.
    #[must_use]
    pub fn is_next_run(&self) -> bool {
        self.from == Giver::OwnRun
    }

    /// The listener at a place, where one came along. Another one there is closed: it is the same
    /// socket, from the socket unit and from the descriptor store.
    pub fn listener_at(&mut self, place: &Place) -> Option<Listener> {
        let at = self.listeners.iter().position(|named| named.place == *place)?;
        let found = self.listeners.swap_remove(at);
        self.listeners.retain(|named| named.place != *place);
        Some(found.listener)
    }

    /// The pid file, where one came along.
    pub const fn pid_file(&mut self) -> Option<OwnedFd> {
        self.pid_file.take()
    }

    /// What nobody asked for, as name and place; it is closed.
    #[must_use]
    pub fn rest(&mut self) -> Vec<(String, Place)> {
        let rest = std::mem::take(&mut self.listeners);
        rest.into_iter().map(|named| (named.name, named.place)).collect()
    }
}

/// What the environment announces to the process `own`.
fn announced(
    variable: impl Fn(&'static str) -> Option<String>,
    own: u32,
) -> Result<(Giver, Vec<Announced>), HandedFault> {
    if let Some(text) = variable(NEXT_RUN)
        && let Some((number, list)) = text.split_once(':')
        && number == own.to_string()
    {
        let fault = || HandedFault::Environment { name: NEXT_RUN, value: text.clone() };
        let read = |word: &str| -> Option<Announced> {
            let (name, number) = word.split_once('=')?;
            Some(Announced { number: number.parse().ok()?, name: name.to_owned() })
        };
        let words = list.split(',').filter(|word| !word.is_empty());
        let found: Option<Vec<Announced>> = words.map(read).collect();
        return found.map(|found| (Giver::OwnRun, found)).ok_or_else(fault);
    }
    if variable("LISTEN_PID").as_deref() != Some(own.to_string().as_str()) {
        return Ok((Giver::Nobody, Vec::new()));
    }
    let text = variable("LISTEN_FDS").unwrap_or_default();
    let count = text.parse().ok().filter(|count| *count <= DESCRIPTORS_MAX);
    let Some(count) = count else {
        return Err(HandedFault::Environment { name: "LISTEN_FDS", value: text });
    };
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned()));
    let numbered = (FIRST..).zip(names).take(count);
    Ok((Giver::ServiceManager, numbered.map(|(number, name)| Announced { number, name }).collect()))
}

/// A descriptor as the listener that it is.
fn listener(descriptor: OwnedFd) -> io::Result<(Listener, Place)> {
    let kind = getsockopt(&descriptor, sockopt::SockType)?;
    if kind != SockType::Stream || !getsockopt(&descriptor, sockopt::AcceptConn)? {
        return Err(io::Error::other("it takes no connections"));
    }
    let tcp = TcpListener::from(descriptor);
    if tcp.local_addr().is_ok() {
        let listener = Listener::Tcp(tcp);
        let place = listener.place()?;
        return Ok((listener, place));
    }
    let listener = Listener::Socket(UnixListener::from(OwnedFd::from(tcp)));
    let place = listener.place()?;
    Ok((listener, place))
}

/// Says whether a descriptor outlives an exec.
fn keep(descriptor: BorrowedFd<'_>, flag: FdFlag) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFD(flag))?;
    Ok(())
}

/// What one run leaves to the next.
#[derive(Debug, Clone, Copy)]
pub enum Heirloom<'f> {
    /// A listener.
    Listener(BorrowedFd<'f>),
    /// The pid file with its lock.
    PidFile(BorrowedFd<'f>),
}

/// Why this process cannot execute itself anew.
#[derive(Debug, thiserror::Error)]
pub enum RestartFault {
    /// The program is gone.
    #[error("the program `{}` cannot be executed", program.display())]
    Program {
        /// Where it should be.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A descriptor cannot be left open.
    #[error("a listener cannot be kept")]
    Keep(#[source] io::Error),
}

/// How this process executes itself anew.
#[derive(Debug, Clone)]
pub struct Restart {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Restart {
    /// With the program that runs now, by the path that it has now: a newer one that takes its place
    /// there is what the next run executes.
    ///
    /// # Errors
    ///
    /// Where the system does not tell that path.
    pub fn with(arguments: Vec<OsString>) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments })
    }

    /// Whether there is a program to execute.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn is_possible(&self) -> Result<(), RestartFault> {
        access(&self.program, AccessFlags::X_OK).map_err(|fault| self.fault(fault.into()))
    }

    /// Executes it. Comes back only with the reason why it could not.
    #[must_use]
    pub fn go(&self, heirlooms: &[Heirloom<'_>]) -> RestartFault {
        let mut announced = format!("{}:", std::process::id());
        for heirloom in heirlooms {
            let (word, descriptor) = match heirloom {
                Heirloom::Listener(descriptor) => (LISTENER, descriptor),
                Heirloom::PidFile(descriptor) => (PID_FILE, descriptor),
            };
            if let Err(fault) = keep(*descriptor, FdFlag::empty()) {
                return RestartFault::Keep(fault);
            }
            announced.push_str(&format!("{word}={},", descriptor.as_raw_fd()));
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env(NEXT_RUN, announced);
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        self.fault(command.exec())
    }

    fn fault(&self, source: io::Error) -> RestartFault {
        RestartFault::Program { program: self.program.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::UdpSocket;

    use super::*;

    const OWN: u32 = 77;

    fn read(variables: &[(&'static str, &str)]) -> Result<(Giver, Vec<Announced>), String> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        announced(|name| variables.get(name).map(|text| (*text).to_owned()), OWN)
            .map_err(|fault| fault.to_string())
    }

    fn named(list: &[(RawFd, &str)]) -> Vec<Announced> {
        list.iter()
            .map(|(number, name)| Announced { number: *number, name: (*name).into() })
            .collect()
    }

    #[test]
    fn what_the_environment_announces() {
        let fds = |count, names| {
            read(&[("LISTEN_PID", "77"), ("LISTEN_FDS", count), ("LISTEN_FDNAMES", names)])
        };
        let managed = |list: &[_]| Ok((Giver::ServiceManager, named(list)));
        let own = |list: &[_]| Ok((Giver::OwnRun, named(list)));
        let nobody = Ok((Giver::Nobody, Vec::new()));
        for (found, expected) in [
            (read(&[]), nobody.clone()),
            (fds("0", ""), managed(&[])),
            (fds("2", "squid:defendr"), managed(&[(3, "squid"), (4, "defendr")])),
            (fds("2", "squid"), managed(&[(3, "squid"), (4, "unknown")])),
            (read(&[("LISTEN_PID", "77"), ("LISTEN_FDS", "1")]), managed(&[(3, "")])),
            (read(&[("LISTEN_PID", "78"), ("LISTEN_FDS", "1")]), nobody.clone()),
            (read(&[("LISTEN_FDS", "1")]), nobody.clone()),
            (read(&[(NEXT_RUN, "77:")]), own(&[])),
            (
                read(&[(NEXT_RUN, "77:pid-file=5,listener=9,"), ("LISTEN_PID", "77")]),
                own(&[(5, "pid-file"), (9, "listener")]),
            ),
            (read(&[(NEXT_RUN, "78:listener=9,")]), nobody),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_no_service_manager_says_is_refused() {
        let fds = |count| read(&[("LISTEN_PID", "77"), ("LISTEN_FDS", count)]);
        for found in [fds("x"), fds("-1"), fds("257"), fds("99999999999999999999"), fds("")] {
            assert!(found.unwrap_err().contains("`LISTEN_FDS`"));
        }
        for text in ["77:listener", "77:listener=x,", "77:=,", "77:listener=4 5"] {
            assert!(read(&[(NEXT_RUN, text)]).unwrap_err().contains(text));
        }
    }

    #[test]
    fn only_listening_stream_sockets_are_listeners() {
        let folder = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let (_, place) = listener(tcp.into()).unwrap();
        assert_eq!(place, Place::Tcp(address));
        let path = folder.path().join("squid.sock");
        let (_, place) = listener(UnixListener::bind(&path).unwrap().into()).unwrap();
        assert_eq!(place, Place::Socket(path));
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(open.local_addr().unwrap()).unwrap();
        let file = tempfile::tempfile().unwrap();
        for descriptor in [
            OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap()),
            client.into(),
            file.into(),
            std::os::unix::net::UnixDatagram::unbound().unwrap().into(),
        ] {
            assert!(listener(descriptor).is_err());
        }
    }

    #[test]
    fn each_listener_is_given_once_and_by_its_place() {
        let new = || {
            let (listener, place) =
                listener(TcpListener::bind("127.0.0.1:0").unwrap().into()).unwrap();
            Named { name: "defendr".into(), place, listener }
        };
        let (one, other) = (new(), new());
        let (place, left) = (one.place.clone(), other.place.clone());
        let Listener::Tcp(again) = &one.listener else { panic!("{one:?}") };
        let again = Listener::Tcp(again.try_clone().unwrap());
        let twice = Named { name: "squid".into(), place: place.clone(), listener: again };
        let mut handed = Handed {
            from: Giver::ServiceManager,
            listeners: vec![one, other, twice],
            pid_file: None,
        };
        assert_eq!(handed.listener_at(&place).unwrap().place().unwrap(), place);
        assert!(handed.listener_at(&place).is_none());
        assert_eq!(handed.rest(), [("defendr".to_owned(), left)]);
        assert_eq!(handed.rest(), []);
    }

    #[test]
    fn a_program_that_is_gone_is_named() {
        let restart = Restart { program: "/nowhere/engine".into(), arguments: Vec::new() };
        assert!(restart.is_possible().unwrap_err().to_string().contains("`/nowhere/engine`"));
        assert!(restart.go(&[]).to_string().contains("`/nowhere/engine`"));
    }
}
