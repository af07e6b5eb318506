//! The door of this machine: a UNIX socket for the engine's own user and root.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};

use super::doors::Stage;
use super::operator::{Identity, Source};
use super::places::Places;
use super::routes::nobodys;
use super::serving::{Door, Guest, Reuse, Visit};
use crate::audit::Event;
use crate::transport::Peer;
use crate::view::now;

/// Connections at once; each has one request. More wait in the socket's queue: all who come are of this
/// machine.
pub(super) const CONNECTIONS_MAX: usize = 32;

/// The socket.
#[derive(Debug)]
pub(super) struct Local {
    listener: UnixListener,
    places: Arc<Places>,
    stage: Arc<Stage>,
}

impl Local {
    /// To be called on the runtime.
    pub(super) fn new(
        listener: StdListener,
        places: Arc<Places>,
        stage: Arc<Stage>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, places, stage })
    }
}

impl Door for Local {
    type Socket = UnixStream;
    type Stream = UnixStream;
    // One request a connection: nobody holds a place while nothing is asked.
    const REUSE: Reuse = Reuse::Never;
    const NAME: &'static str = "socket";

    async fn accept(&self) -> io::Result<Guest<UnixStream>> {
        // Nobody else takes places here.
        self.places.wait().await;
        let (socket, _) = self.listener.accept().await?;
        let place = self.places.take(None).map_err(|full| io::Error::other(full.detail()))?;
        Ok(Guest { socket, place })
    }

    /// Whoever connects may ask everything, or nothing.
    async fn greet(&self, stream: UnixStream) -> Option<Visit<UnixStream>> {
        let found = stream.peer_cred().ok();
        let identity = found.and_then(|found| Identity::local(found.uid()));
        let routes = if identity.is_some() {
            self.stage.local()
        } else {
            let (user, process) =
                found.map_or((u32::MAX, 0), |found| (found.uid(), found.pid().unwrap_or(0)));
            let peer = Peer::Socket { user, process };
            let reason = "not-the-engines-user";
            tracing::warn!(%peer, reason, "somebody was not let in at the control socket");
            let refused = Event::Refused { peer, connector: None, reason, others: 0 };
            self.stage.tell(|refusals| refusals.audit().event(&refused, now()));
            nobodys()
        };
        Some(Visit { stream, routes, identity, source: Source(None) })
    }
}
