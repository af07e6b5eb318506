//! The door for other machines: HTTPS, and an account for whatever is not for everybody.
//!
//! Who cannot show who he is yet costs a place, a handshake and a few seconds, and no thread.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use eg_proto::control::{Problem, ProblemKind};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::auth::{Accounts, At};
use super::doors::Stage;
use super::operator::{Source, Unidentified};
use super::places::Places;
use super::serving::{Door, Guest, Reuse, Visit};
use crate::refusals::Refusal;
use crate::transport::Peer;

/// Connections at once. Operators and their tools have a few each; a connection costs some forty
/// kilobytes, so that all of them stay below what a small machine notices.
pub(super) const CONNECTIONS_MAX: usize = 256;

/// Connections of one address, or of one network of IPv6: a host full of tools, and an eighth of all, so
/// that a source which opens thousands leaves places for others.
pub(super) const CONNECTIONS_EACH: usize = 32;

/// How long the TLS handshake may take: three round trips to the other end of the world.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The door.
pub(super) struct Remote {
    listener: TcpListener,
    tls: TlsAcceptor,
    places: Arc<Places>,
    stage: Arc<Stage>,
}

impl Remote {
    /// To be called on the runtime.
    pub(super) fn new(
        listener: StdListener,
        tls: Arc<ServerConfig>,
        places: Arc<Places>,
        stage: Arc<Stage>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (listener, tls) = (TcpListener::from_std(listener)?, TlsAcceptor::from(tls));
        Ok(Self { listener, tls, places, stage })
    }

    fn note(&self, refusal: Refusal, peer: Peer, detail: &str) {
        self.stage.tell(|refusals| refusals.note(refusal, peer, None, detail));
    }
}

impl Door for Remote {
    type Socket = TcpStream;
    type Stream = TlsStream<TcpStream>;
    const REUSE: Reuse = Reuse::Allowed;
    const NAME: &'static str = "https";

    async fn accept(&self) -> io::Result<Guest<TcpStream>> {
        loop {
            let (socket, address) = self.listener.accept().await?;
            match self.places.take(Some(address.ip())) {
                Ok(place) => {
                    // Answers leave at once; without it they would wait for acknowledgements.
                    let _ = socket.set_nodelay(true);
                    return Ok(Guest { socket, place });
                }
                // Dropped, it is closed.
                Err(full) => self.note(Refusal::Busy, Peer::Tcp(address), full.detail()),
            }
        }
    }

    async fn greet(&self, socket: TcpStream) -> Option<Visit<TlsStream<TcpStream>>> {
        let address = socket.peer_addr().ok()?;
        let peer = Peer::Tcp(address);
        match timeout(HANDSHAKE_TIMEOUT, self.tls.accept(socket)).await {
            Ok(Ok(stream)) => {
                let source = Source(Some(address.ip().to_canonical()));
                let routes = self.stage.remote();
                Some(Visit { stream, routes, identity: None, source })
            }
            // A look at whether the port is open says nothing at all.
            Ok(Err(fault)) if fault.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(%peer, "somebody left before the handshake was done");
                None
            }
            Ok(Err(fault)) => {
                self.note(Refusal::Tls, peer, &format!("Control API: {fault}"));
                None
            }
            Err(_) => {
                let detail = "Control API: the TLS handshake took longer than it may";
                self.note(Refusal::Slow, peer, detail);
                None
            }
        }
    }
}

/// Looks who asks. Who shows nothing is nobody; who shows something that is not good is nobody too, and
/// hears why where nobody may.
pub(super) async fn identify(
    State(accounts): State<Arc<Accounts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let source = request.extensions().get::<Source>().and_then(|source| source.0);
    if let (Some(header), Some(source)) = (request.headers().get(AUTHORIZATION), source) {
        let told = header.to_str().map_err(|_| {
            let detail = "`Authorization` has characters that no token has";
            Problem::new(ProblemKind::Unauthorized, detail)
        });
        match told.and_then(|told| accounts.identify(told, source, At::now())) {
            Ok(identity) => drop(request.extensions_mut().insert(identity)),
            Err(problem) => drop(request.extensions_mut().insert(Unidentified(problem))),
        }
    }
    next.run(request).await
}
