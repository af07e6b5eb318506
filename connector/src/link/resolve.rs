//! A host to addresses, without ever making the loop wait.
//!
//! An address needs no asking. A name is asked for on a thread that ends with its answer, since the
//! system's resolver cannot be polled; its end makes a socket readable.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// A question to the system's resolver that is under way.
#[derive(Debug)]
pub(super) struct Resolution {
    answer: Receiver<io::Result<Vec<SocketAddr>>>,
    done: UnixStream,
}

/// What is known of a host.
#[derive(Debug)]
pub(super) enum Resolved {
    Now(SocketAddr),
    Later(Resolution),
}

/// Finds the addresses of a host.
///
/// # Errors
/// When no thread or socket can be made.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Resolved> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Resolved::Now(SocketAddr::new(address, port)));
    }
    let (done, theirs) = UnixStream::pair()?;
    let (sender, answer) = sync_channel(1);
    let host = host.to_owned();
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more when the link was given up: then the answer is not needed.
        drop(sender.send(found));
        drop(theirs);
    })?;
    Ok(Resolved::Later(Resolution { answer, done }))
}

impl Resolution {
    /// Becomes readable when the answer is there.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// The answer, if it is there.
    pub(super) fn poll(&self) -> Option<io::Result<Vec<SocketAddr>>> {
        match self.answer.try_recv() {
            Ok(found) => Some(found),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err(io::Error::other("the resolver ended without an answer")))
            }
        }
    }
}
