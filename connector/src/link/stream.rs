//! TCP and UNIX sockets as one, connected without waiting for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr, connect, socket,
};

/// A connection, or one on its way.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Socket(UnixStream),
}

impl Stream {
    /// Starts to connect to an address. It is there, or has failed, once it can be written.
    pub(super) fn begin_tcp(address: SocketAddr) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let socket = new_socket(family)?;
        let connected = match address {
            SocketAddr::V4(address) => connect(socket.as_raw_fd(), &SockaddrIn::from(address)),
            SocketAddr::V6(address) => connect(socket.as_raw_fd(), &SockaddrIn6::from(address)),
        };
        match connected {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(fault) => return Err(fault.into()),
        }
        let stream = TcpStream::from(socket);
        // A batch is one write already; waiting for more would only cost time.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Connects to a UNIX socket, which never takes time. A full queue is a fault like any other.
    pub(super) fn begin_socket(path: &Path) -> io::Result<Self> {
        let socket = new_socket(AddressFamily::Unix)?;
        let address = UnixAddr::new(path).map_err(io::Error::from)?;
        connect(socket.as_raw_fd(), &address).map_err(io::Error::from)?;
        Ok(Self::Socket(UnixStream::from(socket)))
    }

    /// The fault that connecting has met, once.
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Socket(stream) => stream.take_error(),
        }
    }
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(socket(family, SockType::Stream, flags, None)?)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Socket(stream) => stream.as_fd(),
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

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
