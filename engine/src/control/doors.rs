//! The Control API's threads and what they serve: from the start on whether the engine lives, and once its
//! policy does, everything else, at each door.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use rustls::ServerConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use super::auth::Accounts;
use super::editors::Editors;
use super::explain::Explaining;
use super::guard::{guard, insist_on_tls};
use super::local::{self, Local};
use super::places::Places;
use super::policy::Desk;
use super::remote::{self, Remote, identify};
use super::routes::{routes, starting};
use super::serving::serve;
use super::system::System;
use crate::asks;
use crate::audit::Audit;
use crate::bind::{BindCause, bind_private};
use crate::config::PolicyConfig;
use crate::policy_thread::LiveFacts;
use crate::process::stand_back;
use crate::refusals::Refusals;
use crate::view::Live;

/// Threads that serve the Control API, at all doors (SPEC 2). The same number may read files beside them.
const THREADS: usize = 4;

/// How far they stand back behind the threads that answer connectors, on the scale of nice(2): enough that
/// a machine which is busy answers its proxies first, little enough that operators do not notice.
const STAND_BACK: u8 = 5;

/// Why a door cannot be opened.
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
    #[error("the threads of the Control API cannot be started")]
    Threads(#[source] io::Error),
}

/// What the doors lead to.
#[derive(Debug)]
pub(crate) struct ControlParts {
    /// The way to the policy thread.
    pub(crate) door: asks::Door,
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
    /// The engine itself.
    pub(crate) system: System,
}

/// What is served, once the policy is live.
#[derive(Debug)]
struct Opened {
    local: Router,
    remote: Router,
    refusals: Refusals,
}

/// What is served now.
#[derive(Debug)]
pub(super) struct Stage {
    starting: Router,
    opened: OnceLock<Opened>,
}

impl Stage {
    fn new() -> Self {
        Self { starting: starting().layer(from_fn(guard)), opened: OnceLock::new() }
    }

    /// To this machine.
    pub(super) fn local(&self) -> Router {
        self.opened.get().map_or(&self.starting, |opened| &opened.local).clone()
    }

    /// To others.
    pub(super) fn remote(&self) -> Router {
        self.opened.get().map_or(&self.starting, |opened| &opened.remote).clone()
    }

    /// Has somebody counted who was not let in. There is no trail before the first policy is live.
    pub(super) fn tell(&self, what: impl FnOnce(&Refusals)) {
        if let Some(opened) = self.opened.get() {
            what(&opened.refusals);
        }
    }
}

/// The places of both doors, for whoever shows them.
#[derive(Debug, Clone)]
pub(crate) struct ApiPlaces {
    local: Arc<Places>,
    remote: Arc<Places>,
}

impl ApiPlaces {
    pub(crate) fn new() -> Self {
        Self {
            local: Places::new(local::CONNECTIONS_MAX, local::CONNECTIONS_MAX),
            remote: Places::new(remote::CONNECTIONS_MAX, remote::CONNECTIONS_EACH),
        }
    }

    /// How many are taken, and how many there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.local.taken() + self.remote.taken(), self.local.max() + self.remote.max())
    }
}

/// The doors.
#[derive(Debug)]
pub(crate) struct Control {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    /// Held by everything that serves; nothing ever comes.
    alive: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
    stage: Arc<Stage>,
    places: ApiPlaces,
}

impl Control {
    /// Starts the threads, and serves what can be said before there is a policy.
    ///
    /// # Errors
    ///
    /// Where the system gives no threads.
    pub(crate) fn start(listener: TcpListener, tls: Arc<ServerConfig>) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(THREADS)
            .thread_name("control")
            .on_thread_start(|| stand_back(STAND_BACK))
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let (stage, places) = (Arc::new(Stage::new()), ApiPlaces::new());
        let on_it = runtime.enter();
        let door = Remote::new(listener, tls, Arc::clone(&places.remote), Arc::clone(&stage))?;
        drop(on_it);
        drop(runtime.spawn(serve(door, stopping, alive.clone())));
        Ok(Self { runtime, stop, alive, ended, stage, places })
    }

    /// The places of the doors.
    pub(crate) fn places(&self) -> ApiPlaces {
        self.places.clone()
    }

    /// Serves everything.
    pub(crate) fn open(&self, parts: ControlParts) {
        let ControlParts { door, live, facts, audit, config, accounts, system } = parts;
        let refusals = Refusals::new(audit.clone());
        let stopping = self.stop.subscribe();
        let config = Arc::new(config);
        let desk = Desk {
            door,
            live,
            facts,
            audit,
            config,
            accounts: Arc::clone(&accounts),
            editors: Editors::default(),
            explaining: Explaining::default(),
            stopping,
            system,
        };
        let local = routes(Arc::new(desk));
        let remote = local
            .clone()
            .layer(from_fn_with_state(accounts, identify))
            .layer(from_fn(insist_on_tls))
            .layer(from_fn(guard));
        let opened = Opened { local: local.layer(from_fn(guard)), remote, refusals };
        // It is opened once.
        drop(self.stage.opened.set(opened));
    }

    /// Serves the socket of this machine at `path` too.
    ///
    /// # Errors
    ///
    /// [`ControlFault`]; whatever was at the path before is left alone.
    pub(crate) fn open_socket(&self, path: &Path) -> Result<(), ControlFault> {
        let bind_fault = |cause| ControlFault::Bind { path: path.to_path_buf(), cause };
        let listener = bind_private(path).map_err(bind_fault)?;
        let _on_it = self.runtime.enter();
        let (places, stage) = (Arc::clone(&self.places.local), Arc::clone(&self.stage));
        let door = Local::new(listener, places, stage).map_err(ControlFault::Threads)?;
        drop(self.runtime.spawn(serve(door, self.stop.subscribe(), self.alive.clone())));
        Ok(())
    }

    /// Takes nobody in any more and lets those who are in hear their answers, for `patience` at most.
    pub(crate) fn finish(self, patience: Duration) {
        let Self { runtime, stop, alive, mut ended, .. } = self;
        let _ = stop.send(true);
        drop(alive);
        runtime.block_on(async {
            if tokio::time::timeout(patience, ended.recv()).await.is_err() {
                tracing::warn!("somebody at the Control API has not read the answer");
            }
        });
        // What still runs there reads files; nothing is left half done.
        runtime.shutdown_background();
    }
}

#[cfg(test)]
mod tests {
    use eg_proto::control::Verb;
    use hyper::Request;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::super::answer::BodyBound;
    use super::super::serving::{
        CONNECTION_MAX, HEADER_BYTES_MAX, HEADER_TIMEOUT, HEADERS_MAX, REUSE_MAX, WRITE_TIMEOUT,
    };
    use super::*;

    /// The manual's table of limits. `EG_WRITE_MANUAL=1` writes it.
    #[test]
    fn the_manual_has_every_limit() {
        let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let (usual, files) = (BodyBound::USUAL, BodyBound::of(Verb::PolicyCommit));
        let rows = [
            ("connections at once, HTTPS", remote::CONNECTIONS_MAX.to_string()),
            ("of one source", remote::CONNECTIONS_EACH.to_string()),
            ("connections at once, socket; more wait", local::CONNECTIONS_MAX.to_string()),
            ("TLS handshake", seconds(remote::HANDSHAKE_TIMEOUT)),
            ("request line and headers, and the wait for them", seconds(HEADER_TIMEOUT)),
            ("request line and headers together", kib(HEADER_BYTES_MAX)),
            ("headers", HEADERS_MAX.to_string()),
            ("body", format!("{} in {}", kib(usual.bytes), seconds(usual.time))),
            ("body of a policy commit", format!("{} in {}", kib(files.bytes), seconds(files.time))),
            ("an answer that is not read", seconds(WRITE_TIMEOUT)),
            ("a connection takes new requests for", seconds(REUSE_MAX)),
            ("a connection is open for", seconds(CONNECTION_MAX)),
        ];
        let rows = rows.map(|(what, most)| format!("| {what} | {most} |\n"));
        let table = format!("| what | at most |\n|---|---|\n{}", rows.concat());
        let make = |page: &str| eg_settings::with_table(page, "limits", &table);
        eg_settings::hold_page("docs/manual/control-api.md", make).unwrap();
    }

    #[tokio::test]
    async fn before_there_is_a_policy_it_can_be_asked_whether_the_engine_lives() {
        let stage = Stage::new();
        for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/api/v1/status", 503)] {
            for routes in [stage.local(), stage.remote()] {
                let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
                let answer = TowerToHyperService::new(routes).call(request).await.unwrap();
                assert_eq!(answer.status(), status, "{path}");
            }
        }
    }
}
