//! A host to addresses, without ever making the loop wait.
//!
//! An address needs no asking. A name is asked for on a thread that ends with its answer, since the
//! system's resolver cannot be polled; its end makes a socket readable.
//!
//! INVARIANT: at most one thread asks for a host. An attempt that was given up leaves it running, and
//! the next attempt takes its answer, so that a resolver that hangs does not gather threads.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// What a host's name stands for.
type Found = io::Result<Vec<SocketAddr>>;

/// A question to the system's resolver that is under way.
#[derive(Debug)]
struct Question {
    answer: Receiver<Found>,
    done: UnixStream,
}

/// What is known of a host.
#[derive(Debug)]
pub(super) enum Resolved {
    /// It is an address.
    Now(SocketAddr),
    /// It is a name; `poll` gives the answer once `as_fd` is readable.
    Later,
}

/// One host, and the question for it where one is under way.
#[derive(Debug)]
pub(super) struct Lookup {
    host: String,
    port: u16,
    question: Option<Question>,
}

impl Lookup {
    /// Nothing is asked yet.
    pub(super) const fn new(host: String, port: u16) -> Self {
        Self { host, port, question: None }
    }

    /// Finds the addresses of the host, or goes on waiting for a question that is under way.
    ///
    /// # Errors
    /// When no thread or socket can be made.
    pub(super) fn ask(&mut self) -> io::Result<Resolved> {
        self.ask_of(|host, port| (host, port).to_socket_addrs().map(Iterator::collect))
    }

    fn ask_of(
        &mut self,
        resolver: impl FnOnce(&str, u16) -> Found + Send + 'static,
    ) -> io::Result<Resolved> {
        let (host, port) = (&self.host, self.port);
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Resolved::Now(SocketAddr::new(address, port)));
        }
        if self.question.is_none() {
            let (done, theirs) = UnixStream::pair()?;
            let (sender, answer) = sync_channel(1);
            let host = host.clone();
            std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
                // The answer has room; nobody listens any more only at the program's end.
                drop(sender.send(resolver(&host, port)));
                drop(theirs);
            })?;
            self.question = Some(Question { answer, done });
        }
        Ok(Resolved::Later)
    }

    /// Becomes readable when the answer is there; `None` where nothing is asked.
    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.question.as_ref().map(|question| question.done.as_fd())
    }

    /// The answer, if it is there; the question is over then.
    pub(super) fn poll(&mut self) -> Option<Found> {
        let found = match self.question.as_ref()?.answer.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                Err(io::Error::other("the resolver ended without an answer"))
            }
        };
        self.question = None;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Waits until the answer is there.
    fn answer(lookup: &mut Lookup) -> Found {
        let mut done = &lookup.question.as_ref().unwrap().done;
        assert_eq!(done.read(&mut [0]).unwrap(), 0);
        lookup.poll().unwrap()
    }

    #[test]
    fn an_address_needs_no_asking() {
        for (host, expected) in [("192.0.2.1", "192.0.2.1:7"), ("[2001:db8::1]", "[2001:db8::1]:7")]
        {
            let mut lookup = Lookup::new(host.to_owned(), 7);
            match lookup.ask_of(|_, _| Err(io::Error::other("asked"))).unwrap() {
                Resolved::Now(address) => assert_eq!(address.to_string(), expected),
                Resolved::Later => panic!("{host} is an address"),
            }
        }
    }

    #[test]
    fn a_resolver_that_hangs_is_asked_once() {
        let mut lookup = Lookup::new("engine.example".to_owned(), 7);
        let asked = Arc::new(AtomicU32::new(0));
        let (release, hanging) = sync_channel::<()>(0);
        let mut hanging = Some(hanging);
        for _ in 0..100 {
            let (asked, hanging) = (Arc::clone(&asked), hanging.take());
            let resolver = move |_: &str, port| {
                asked.fetch_add(1, Ordering::SeqCst);
                if let Some(hanging) = hanging {
                    hanging.recv().unwrap();
                }
                Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
            };
            assert!(matches!(lookup.ask_of(resolver).unwrap(), Resolved::Later));
            assert!(lookup.poll().is_none() && lookup.as_fd().is_some());
        }
        release.send(()).unwrap();
        let found = answer(&mut lookup).unwrap();
        assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 7))]);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(lookup.as_fd().is_none() && lookup.poll().is_none());

        // What was answered is asked anew.
        assert!(matches!(
            lookup.ask_of(|_, _| Err(io::Error::other("gone"))).unwrap(),
            Resolved::Later
        ));
        assert_eq!(answer(&mut lookup).unwrap_err().to_string(), "gone");
    }

    #[test]
    fn a_resolver_that_dies_is_an_answer_too() {
        let mut lookup = Lookup::new("engine.example".to_owned(), 7);
        lookup.ask_of(|_, _| std::panic::resume_unwind(Box::new(()))).unwrap();
        assert!(answer(&mut lookup).is_err());
        assert!(lookup.as_fd().is_none());
    }
}
