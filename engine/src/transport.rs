//! TCP and UNIX sockets as one: a door that takes connections, a stream, and who is at its other end.
//!
//! Left out on purpose: what is spoken. Both carry the same TLS and the same proof.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::{Serialize, Serializer};

use crate::bind::Listener;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// A process of this machine, as the system saw it when it connected.
    Socket {
        /// Its user.
        user: u32,
        /// Its number.
        process: i32,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket { user, process } => write!(f, "unix:user={user},process={process}"),
        }
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A listener in a readiness loop.
#[derive(Debug)]
pub(crate) enum Door {
    Tcp(TcpListener),
    Socket(UnixListener),
}

impl Door {
    pub(crate) fn open(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)))
            }
            Listener::Socket(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Socket(UnixListener::from_std(listener)))
            }
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                // Answers leave at once; without it they would wait for acknowledgements.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Tcp(address)))
            }
            Self::Socket(listener) => {
                let (stream, _) = listener.accept()?;
                let found = getsockopt(&stream, PeerCredentials).map_err(io::Error::from)?;
                let peer = Peer::Socket { user: found.uid(), process: found.pid() };
                Ok((Stream::Socket(stream), peer))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Socket(listener) => listener,
        }
    }
}

/// A connection in a readiness loop.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Socket(UnixStream),
}

impl Stream {
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Socket(stream) => stream.shutdown(how),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Socket(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Socket(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(from),
            Self::Socket(stream) => stream.write(from),
        }
    }

    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(from),
            Self::Socket(stream) => stream.write_vectored(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands a source's three calls on to what the enum holds.
macro_rules! pass_source_on {
    ($of:ty) => {
        impl Source for $of {
            fn register(&mut self, to: &Registry, token: Token, what: Interest) -> io::Result<()> {
                self.source().register(to, token, what)
            }

            fn reregister(
                &mut self,
                to: &Registry,
                token: Token,
                what: Interest,
            ) -> io::Result<()> {
                self.source().reregister(to, token, what)
            }

            fn deregister(&mut self, from: &Registry) -> io::Result<()> {
                self.source().deregister(from)
            }
        }
    };
}

pass_source_on!(Door);
pass_source_on!(Stream);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reads_well_in_log_and_trail() {
        let tcp = Peer::Tcp("192.0.2.1:4711".parse().unwrap());
        let socket = Peer::Socket { user: 13, process: 4711 };
        for (peer, text) in [(tcp, "192.0.2.1:4711"), (socket, "unix:user=13,process=4711")] {
            assert_eq!(peer.to_string(), text);
            assert_eq!(serde_json::to_value(peer).unwrap(), text);
        }
    }
}
