//! The door of this machine: a UNIX socket for the engine's own user and root, served by a small pool of
//! threads of its own.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::auth::Accounts;
use super::editors::Editors;
use super::explain::Explaining;
use super::operator::Identity;
use super::policy::{Desk, stopped};
use super::routes::{nobodys, routes};
use crate::asks::Door;
use crate::audit::{Audit, Event};
use crate::bind::{BindCause, bind_private};
use crate::config::PolicyConfig;
use crate::policy_thread::LiveFacts;
use crate::transport::Peer;
use crate::view::{Live, now};

/// Threads that serve the Control API (SPEC 2). The same number may read files beside them.
const THREADS: usize = 4;

/// Connections at once; each has one request. More wait in the socket's queue.
const CONNECTIONS_MAX: usize = 32;

/// How long the headers of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Request line and headers together, in bytes.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// How long a connection may be open: the longest wait for a receipt, and some for reading and writing.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(eg_proto::control::RELOAD_WAIT_S + 30);

/// The pause after an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlFault {
    /// The socket.
    #[error("the control socket `{}` cannot be listened on", path.display())]
    Bind {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        cause: BindCause,
    },
    /// The threads.
    #[error("the threads of the control socket cannot be started")]
    Threads(#[source] io::Error),
}

/// What the door needs.
#[derive(Debug)]
pub(crate) struct ControlParts {
    /// The way to the policy thread.
    pub(crate) door: Door,
    /// What is live.
    pub(crate) live: Arc<Live>,
    /// What else is to be known of it.
    pub(crate) facts: LiveFacts,
    /// The trail.
    pub(crate) audit: Audit,
    /// `[policy]`
    pub(crate) config: PolicyConfig,
    /// The accounts.
    pub(crate) accounts: Arc<Accounts>,
}

/// The open door.
#[derive(Debug)]
pub(crate) struct Control {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Control {
    /// Opens the door at `path`.
    ///
    /// # Errors
    ///
    /// [`ControlFault`]; whatever was at the path before is left alone.
    pub(crate) fn start(path: &Path, parts: ControlParts) -> Result<Self, ControlFault> {
        let bind_fault = |cause| ControlFault::Bind { path: path.to_path_buf(), cause };
        let listener = bind_private(path).map_err(bind_fault)?;
        listener.set_nonblocking(true).map_err(ControlFault::Threads)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(THREADS)
            .thread_name("control")
            .enable_io()
            .enable_time()
            .build()
            .map_err(ControlFault::Threads)?;
        let (stop, stopping) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let ControlParts { door, live, facts, audit, config, accounts } = parts;
        let (trail, config) = (audit.clone(), Arc::new(config));
        let desk = Desk {
            door,
            live,
            facts,
            audit,
            config,
            accounts,
            editors: Editors::default(),
            explaining: Explaining::default(),
            stopping: stopping.clone(),
        };
        let serve = serve(listener, routes(Arc::new(desk)), trail, stopping);
        drop(runtime.spawn(async move {
            if let Err(fault) = serve.await {
                tracing::error!(%fault, "the control socket cannot be served");
            }
            drop(end);
        }));
        Ok(Self { runtime, stop, ended })
    }

    /// Takes nobody in any more and lets those who are in hear their answers, for `patience` at most.
    pub(crate) fn finish(self, patience: Duration) {
        let Self { runtime, stop, ended } = self;
        let _ = stop.send(true);
        runtime.block_on(async {
            if tokio::time::timeout(patience, ended).await.is_err() {
                tracing::warn!("somebody on the control socket has not read the answer");
            }
        });
        // What still runs there reads files; nothing is left half done.
        runtime.shutdown_background();
    }
}

async fn serve(
    listener: StdListener,
    routes: Router,
    audit: Audit,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, place)) => {
                    let routes = routes_for(&stream, &routes, &audit);
                    one_connection(stream, place, routes, &graceful);
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a connection to the control socket failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

/// The next connection, once there is a place.
async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// What whoever connects may ask: everything, or nothing.
fn routes_for(stream: &UnixStream, routes: &Router, audit: &Audit) -> Router {
    let found = stream.peer_cred().ok();
    let identity = found.and_then(|found| Identity::local(found.uid()));
    match (identity, found) {
        (Some(identity), _) => routes.clone().layer(Extension(identity)),
        (None, found) => {
            let (user, process) =
                found.map_or((u32::MAX, 0), |found| (found.uid(), found.pid().unwrap_or(0)));
            let peer = Peer::Socket { user, process };
            let reason = "not-the-engines-user";
            tracing::warn!(%peer, reason, "somebody was not let in at the control socket");
            audit.event(&Event::Refused { peer, connector: None, reason, others: 0 }, now());
            nobodys()
        }
    }
}

fn one_connection(
    stream: UnixStream,
    place: OwnedSemaphorePermit,
    routes: Router,
    graceful: &GracefulShutdown,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        // One request a connection: nobody holds a place while nothing is asked.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let connection = graceful.watch(connection);
    drop(tokio::spawn(async move {
        match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "a connection ended early"),
            Err(_) => tracing::debug!("a connection was open for too long"),
        }
        drop(place);
    }));
}
