//! The accept loop: how many visitors at once, how long each may take, and how it all ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Visitors served at once; more wait in the kernel's queue. A page is small and quick, so this is
/// far above what a site needs and far below what the memory of a small machine holds.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may take to send a request's headers; a slower one is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may stay open at all, so that idle ones cannot fill the table.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest request line and headers together: a redirect stays below 7,500 bytes (SPEC 12).
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// How long requests in flight may take after a signal to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The pause after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the portal cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeFault {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; is another program there already?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No signal handler could be installed.
    #[error("cannot watch for signals")]
    Signal(#[source] std::io::Error),
}

/// Serves `routes` at `address` until SIGTERM or SIGINT, then lets requests in flight end.
///
/// # Errors
///
/// [`ServeFault`] before the first connection; a single connection's fault ends that one only.
pub async fn serve(address: SocketAddr, routes: Router) -> Result<(), ServeFault> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServeFault::Bind { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeFault::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeFault::Signal)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    tracing::info!(%address, "ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, place)) => one_connection(stream, place, routes.clone(), &graceful),
                Err(fault) => {
                    tracing::warn!(%fault, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open when the portal ended");
    }
    Ok(())
}

/// The next visitor, once there is a place. Nothing is lost where it is dropped half-way.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn one_connection(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    routes: Router,
    graceful: &GracefulShutdown,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "a connection ended early"),
            Err(_) => tracing::debug!("a connection was open for too long"),
        }
        drop(place);
    });
}
