//! The engine from start to end: builds its parts in order, reports ready, serves, drains.
//!
//! The thread that runs this only waits: for signals, for the first policy, and for the moment when the
//! service manager wants to hear that the engine is alive.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_policy::ruleset::Ruleset;
use eg_settings::Switch;
use eg_settings::log::Sink;

use crate::audit::{Audit, AuditFault, AuditThread, Event, TrailEnd};
use crate::bind::{BoundListener, ControlBindFault, Listener, Place, bind_control, wanted};
use crate::config::{Config, Loaded, version, weakenings};
use crate::control::auth::Accounts;
use crate::control::{Control, ControlParts, System};
use crate::listener::{DataPlane, DataPlaneParts, Drained, ListenFault};
use crate::policy_thread::{Halted, LiveFacts, OpenFault, PolicyThread, Public};
use crate::portal_link::PortalLinks;
use crate::process::{self, Asked, Handed, RestartDesk, Signals, Supervisor, Told};
use crate::reload::{BackendFault, ReloadFault, choose_backend};
use crate::shadow::{Shadow, ShadowThread};
use crate::tls::{self, Made, TlsFault};
use crate::view::{Live, now};
use crate::watch::{Look, Watch};
use crate::watch_files::FileWatch;

/// How long requests in flight may take once the engine is asked to end.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What a reload has of those five seconds at least, so that one that heeds the end can finish its
/// step; past that it is left behind.
const RELOAD_END_MIN: Duration = Duration::from_millis(500);

/// How long the control socket has for its last answers, once the policy thread has given them.
const CONTROL_END_MAX: Duration = Duration::from_millis(1000);

/// How long the watch over the policy's files has to end the look that it is at.
const WATCH_END_MAX: Duration = Duration::from_millis(500);

/// How long the service manager hears signs of life while the first policy is loaded, as by the next run
/// of a restart in place: longer than the largest policy takes, and not for ever.
const LOAD_MAX: Duration = Duration::from_mins(10);

/// Why the engine does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonFault {
    /// No TLS pair.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// No policy.
    #[error(transparent)]
    Policy(#[from] ReloadFault),
    /// The thread that makes it ended by itself.
    #[error("the thread of the policy ended by itself; report it")]
    PolicyThread,
    /// No scanner of regexes.
    #[error(transparent)]
    Backend(#[from] BackendFault),
    /// No thread that compares regexes.
    #[error("cannot start the thread that compares regexes")]
    Shadow(#[source] std::io::Error),
    /// No audit trail.
    #[error(transparent)]
    Audit(#[from] AuditFault),
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// No address for the Control API.
    #[error(transparent)]
    ControlBind(#[from] ControlBindFault),
    /// No threads for the Control API.
    #[error("the threads of the Control API cannot be started")]
    Control(#[source] std::io::Error),
    /// No signals.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// What a run is given.
#[derive(Debug)]
pub struct Given<'r> {
    /// The configuration.
    pub loaded: &'r Arc<Loaded>,
    /// The log.
    pub sink: &'r Sink,
    /// The signals.
    pub signals: &'r Signals,
    /// The service manager.
    pub supervisor: &'r Arc<Supervisor>,
    /// What came along.
    pub handed: Handed,
}

/// Whom a run asks.
pub trait Caller {
    /// The engine can answer.
    fn ready(&mut self);

    /// Whether the program can be executed anew.
    ///
    /// # Errors
    ///
    /// Why not, in a sentence.
    fn may_restart(&self) -> Result<(), String>;
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What comes next.
    pub next: Next,
    /// Whether all threads have ended.
    pub halted: Halted,
    /// Whether the audit trail has.
    pub trail: TrailEnd,
}

/// What comes after a run.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    End,
    /// The program anew, with these listeners, which take connections all the while.
    Restart(Vec<Listener>),
}

/// What ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    End,
    Restart,
}

/// Serves until it is asked to end.
///
/// # Errors
///
/// [`DaemonFault`]; nothing that was there before is destroyed.
pub fn run(given: Given<'_>, caller: &mut impl Caller) -> Result<Ended, DaemonFault> {
    let Given { loaded, sink, signals, supervisor, mut handed } = given;
    let config = &loaded.config;
    let started = Instant::now();
    tracing::info!(
        version = version(),
        configuration = %config.file.display(),
        "enforcegate-engine starts"
    );
    announce(loaded);
    // The address first: a second engine must fail before it touches the first one's files.
    let (listeners, https) = listeners(config, &mut handed, supervisor)?;
    let kept = listeners.iter().map(|bound| bound.listener.try_clone());
    let again = https.try_clone().map(Listener::Tcp);
    let kept = kept.chain([again]).collect::<Result<Vec<_>, _>>().map_err(ListenFault::Threads)?;
    let (pair, control_pair) = tls_pair(config)?;
    let backend = choose_backend(config.policy.regex_backend)?;
    // From here on it can be asked whether the engine lives, however long its first policy takes.
    let control = Control::start(https, control_pair).map_err(DaemonFault::Control)?;
    let mut policy = PolicyThread::start(loaded, backend).map_err(ListenFault::Threads)?;
    let (ruleset, after) = match first_policy(&policy, signals, supervisor)? {
        Opening::Opened { ruleset, after } => (*ruleset, after),
        Opening::GivenUp => {
            supervisor.tell(Told::Stopping);
            let (next, halted) = (Next::End, policy.end(DRAIN_MAX));
            // It has not begun.
            return Ok(Ended { next, halted, trail: TrailEnd::Whole });
        }
    };
    let live = Arc::new(Live::new(ruleset, policy.facts().stored()));
    let (audit, audit_thread) = Audit::start(&config.audit)?;
    // Before anybody is served, so that no verdict stands in front of the start that it belongs to.
    record_start(&audit, &live, config);
    let (shadow, shadow_thread) =
        Shadow::start(Arc::clone(&live), audit.clone()).map_err(DaemonFault::Shadow)?;
    let compared = shadow.tally();
    let plane = data_plane(config, listeners, pair, (&live, &audit, shadow))?;
    let facts = policy.facts().clone();
    policy.serve(Public {
        live: Arc::clone(&live),
        audit: audit.clone(),
        supervisor: Arc::clone(supervisor),
        facts: facts.clone(),
    });
    let restarts = RestartDesk::default();
    let system = System {
        loaded: Arc::clone(loaded),
        started,
        neighbors: plane.neighbors(),
        shadow: compared,
        restart: restarts.clone(),
        places: control.places(),
        backend,
    };
    let doors = Doors::open(control, &policy, (&live, &audit, &facts), system);
    let places: Vec<String> = plane.places().iter().map(ToString::to_string).collect();
    tracing::info!(listening = places.join(" "), "ready");
    supervisor.tell(Told::Ready);
    caller.ready();
    // Not before: `READY=1` must be the first that the service manager hears.
    if matches!(after, After::Reload) {
        policy.reload();
    }
    let running = Running {
        policy,
        doors,
        restarts,
        audit,
        shadow_thread,
        audit_thread,
        plane,
        kept,
        sink,
        supervisor,
    };
    running.serve(signals, caller)
}

/// What serves connectors.
fn data_plane(
    config: &Config,
    listeners: Vec<BoundListener>,
    tls: Arc<rustls::ServerConfig>,
    (live, audit, shadow): (&Arc<Live>, &Audit, Shadow),
) -> Result<DataPlane, ListenFault> {
    DataPlane::start(DataPlaneParts {
        listeners,
        tls,
        live: Arc::clone(live),
        audit: audit.clone(),
        shadow,
        portal: PortalLinks::new(&config.captive_portal),
        threads: config.global.threads,
        version: version().to_owned(),
    })
}

/// What an operator should know before anything is served.
fn announce(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for weakening in weakenings(&loaded.config) {
        tracing::warn!("{weakening}");
    }
    if !loaded.config.not_yet.is_empty() {
        let keys = loaded.config.not_yet.join(", ");
        tracing::info!(keys, "these settings have no effect in this version");
    }
}

/// The listeners of all connectors and that of the Control API: those that came along, and the others
/// bound now.
fn listeners(
    config: &Config,
    handed: &mut Handed,
    supervisor: &Supervisor,
) -> Result<(Vec<BoundListener>, TcpListener), DaemonFault> {
    let (mut listeners, mut fresh, mut lost) = (Vec::new(), Vec::new(), 0_usize);
    for wanted in wanted(&config.connectors) {
        let kept = handed.listener_at(&wanted.place);
        match kept {
            Some(listener) if wanted.place.is_there() => {
                eg_settings::info!(place = %wanted.place, "the listener was kept for this start");
                listeners.push(wanted.with(listener));
            }
            kept => {
                if kept.is_some() {
                    lost += 1;
                    tracing::warn!(place = %wanted.place, "the socket of the listener that was \
                        kept is gone from its path; it is made anew");
                }
                fresh.push(listeners.len());
                listeners.push(wanted.bind().map_err(ListenFault::Bind)?);
            }
        }
    }
    let address = config.control.address;
    // Kept over a restart in place; whoever else starts us anew finds operators who try again.
    let https = match handed.listener_at(&Place::Tcp(address)) {
        Some(Listener::Tcp(listener)) => listener,
        Some(Listener::Socket(_)) | None => bind_control(address)?,
    };
    let rest = handed.rest();
    for (name, place) in &rest {
        tracing::warn!(
            name,
            %place,
            "a socket was handed over that no `[connectors.<name>]` asks for, nor `[control]`; it is \
             closed"
        );
    }
    // By one name: what is not wanted any more goes only with the others.
    let replaced = !rest.is_empty() || lost > 0;
    if replaced {
        supervisor.forget();
    }
    for (number, bound) in listeners.iter().enumerate() {
        if replaced || fresh.contains(&number) {
            supervisor.keep(&bound.listener);
        }
    }
    Ok((listeners, https))
}

/// What came of the wait for the first policy.
enum Opening {
    Opened {
        ruleset: Box<Ruleset>,
        after: After,
    },
    /// The engine was asked to end before.
    GivenUp,
}

/// What was asked for while the first policy was loaded. It may have come from the store, which is not
/// what the files hold.
enum After {
    Nothing,
    Reload,
}

/// Waits for the first policy or for the order to end.
fn first_policy(
    policy: &PolicyThread,
    signals: &Signals,
    supervisor: &Supervisor,
) -> Result<Opening, DaemonFault> {
    let mut watch = Watch::new(supervisor.watchdog(), Vec::new(), Instant::now());
    let until = Instant::now() + LOAD_MAX;
    let mut after = After::Nothing;
    loop {
        let patience = watch.wait(Instant::now());
        match signals.wait(Some(policy.bell()), patience).map_err(DaemonFault::Signals)? {
            Asked::Stop(signal) => {
                tracing::info!(signal = signal.as_str(), "the start is given up");
                return Ok(Opening::GivenUp);
            }
            Asked::Reload => after = After::Reload,
            Asked::Restart => tracing::info!("the engine starts already; it is not restarted"),
            Asked::Nothing => {}
        }
        let at = Instant::now();
        // Nothing serves yet, so there is no thread that could be stuck.
        if watch.look(at, Vec::new) == Look::Alive && at < until {
            supervisor.tell(Told::Alive);
        }
        if let Some(opened) = policy.opened() {
            let ruleset = Box::new(opened.map_err(|fault| match fault {
                OpenFault::Policy(fault) => DaemonFault::Policy(fault),
                OpenFault::Gone => DaemonFault::PolicyThread,
            })?);
            return Ok(Opening::Opened { ruleset, after });
        }
    }
}

/// The trail's first entries of a run.
fn record_start(audit: &Audit, live: &Live, config: &Config) {
    let published = live.load();
    let (ruleset, rules) = (published.digest(), published.ruleset().rules().len());
    audit.event(&Event::Start { version: version(), ruleset, rules }, now());
    for weakening in weakenings(config) {
        audit.event(&Event::Weakening { setting: &weakening.to_string() }, now());
    }
}

/// The pair for Defendr, and for the Control API.
fn tls_pair(
    config: &Config,
) -> Result<(Arc<rustls::ServerConfig>, Arc<rustls::ServerConfig>), TlsFault> {
    let connectors = config.connectors.iter().map(|connector| connector.ip);
    let addresses: BTreeSet<IpAddr> = connectors.chain([config.control.address.ip()]).collect();
    let addresses: Vec<IpAddr> = addresses.into_iter().collect();
    let pair = tls::pair(&config.control.key, &config.control.cert, &addresses)?;
    let what = match pair.made {
        Made::Now => "made a self-signed TLS pair; connectors pin its certificate",
        Made::Before => "TLS pair",
    };
    let certificate = config.control.cert.display();
    tracing::info!(sha256 = pair.fingerprint, %certificate, "{what}");
    Ok((pair.config, pair.control))
}

/// The ways to ask the policy thread that are no signals.
struct Doors {
    control: Control,
    /// Without it the engine serves all the same.
    watch: Option<FileWatch>,
}

impl Doors {
    fn open(
        control: Control,
        policy: &PolicyThread,
        (live, audit, facts): (&Arc<Live>, &Audit, &LiveFacts),
        system: System,
    ) -> Self {
        let Some(door) = policy.door() else { return Self { control, watch: None } };
        let loaded = Arc::clone(&system.loaded);
        let config = &loaded.config;
        control.open(ControlParts {
            door: door.clone(),
            live: Arc::clone(live),
            facts: facts.clone(),
            audit: audit.clone(),
            config: config.policy.clone(),
            accounts: Accounts::open(&config.aaa, audit.clone()),
            system,
        });
        let address = config.control.address;
        tracing::info!(%address, "the Control API is served");
        if let Some(path) = config.control.socket.as_deref() {
            match control.open_socket(path) {
                Ok(()) => tracing::info!(path = %path.display(), "the control socket is there"),
                Err(fault) => tracing::error!(
                    cause = eg_settings::log::chain(&fault),
                    "there is no control socket, so that `egpolicy load` cannot ask; SIGHUP can"
                ),
            }
        }
        let watch = match config.policy.watch {
            Switch::Off => None,
            Switch::On => match FileWatch::start(&config.policy, facts.named.clone(), door.clone())
            {
                Ok(watch) => Some(watch),
                Err(fault) => {
                    tracing::error!(%fault, "files are not watched; SIGHUP reloads them");
                    None
                }
            },
        };
        Self { control, watch }
    }
}

/// The engine while it serves.
struct Running<'s> {
    policy: PolicyThread,
    doors: Doors,
    /// Where operators ask for a restart.
    restarts: RestartDesk,
    audit: Audit,
    shadow_thread: ShadowThread,
    audit_thread: AuditThread,
    plane: DataPlane,
    /// The listeners once more, for the next run.
    kept: Vec<Listener>,
    sink: &'s Sink,
    supervisor: &'s Supervisor,
}

impl Running<'_> {
    fn serve(self, signals: &Signals, caller: &impl Caller) -> Result<Ended, DaemonFault> {
        let waited = self.wait_for_the_end(signals, caller);
        let Self { policy: mut thread, doors, audit, plane, kept, supervisor, .. } = self;
        let (shadow_thread, audit_thread) = (self.shadow_thread, self.audit_thread);
        let next = match waited {
            // Open, they take connections for the next run while this one drains.
            Ok(Wish::Restart) => {
                supervisor.tell(Told::Alive);
                supervisor.tell(Told::Reloading);
                Next::Restart(kept)
            }
            // Closed, they send connectors to another engine at once.
            Ok(Wish::End) | Err(_) => {
                supervisor.tell(Told::Stopping);
                drop(kept);
                Next::End
            }
        };
        let until = Instant::now() + DRAIN_MAX;
        thread.begin_end();
        let Doors { control, watch } = doors;
        let drained = plane.drain(DRAIN_MAX);
        if let Some(watch) = watch {
            watch.finish(WATCH_END_MAX);
        }
        match drained {
            Drained::Whole => shadow_thread.finish(),
            // It waits for samples as long as somebody might send one.
            Drained::Stuck(threads) => {
                eg_settings::critical!(threads, "threads are left behind, since they are stuck");
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        let policy = thread.end(left.max(RELOAD_END_MIN));
        control.finish(CONTROL_END_MAX);
        if matches!(next, Next::Restart(_)) && thread.owes_a_reload() {
            // The next run starts from the store, and finds the signal waiting.
            process::ask_again().map_err(DaemonFault::Signals)?;
        }
        audit.event(&Event::Stop, now());
        drop(audit);
        let trail = audit_thread.finish();
        let halted = match (policy, drained) {
            (Halted::Whole, Drained::Whole) => {
                tracing::info!("ended");
                Halted::Whole
            }
            (Halted::InAStep, Drained::Whole) => {
                tracing::info!("ended; a reload was given up in the middle");
                Halted::InAStep
            }
            (Halted::Whole | Halted::InAStep, Drained::Stuck(_)) => {
                tracing::info!("ended without its stuck threads");
                Halted::InAStep
            }
        };
        waited.map(|_| Ended { next, halted, trail })
    }

    fn wait_for_the_end(
        &self,
        signals: &Signals,
        caller: &impl Caller,
    ) -> Result<Wish, DaemonFault> {
        let pulses = || self.plane.pulses();
        let mut watch = Watch::new(self.supervisor.watchdog(), pulses(), Instant::now());
        loop {
            match signals.wait(None, watch.wait(Instant::now())).map_err(DaemonFault::Signals)? {
                Asked::Nothing => {}
                Asked::Reload => self.reload(),
                Asked::Stop(signal) => {
                    tracing::info!(signal = signal.as_str(), "draining");
                    return Ok(Wish::End);
                }
                Asked::Restart => {
                    let restarts = caller.may_restart();
                    self.restarts.answer(&restarts);
                    match restarts {
                        Ok(()) => {
                            tracing::info!("draining; the program is executed anew");
                            return Ok(Wish::Restart);
                        }
                        Err(cause) => {
                            tracing::error!(cause, "the engine was not restarted and goes on");
                        }
                    }
                }
            }
            match watch.look(Instant::now(), pulses) {
                Look::Early => {}
                Look::Alive => self.supervisor.tell(Told::Alive),
                Look::Stuck(threads) => {
                    eg_settings::critical!(threads, "threads that serve make no progress");
                }
            }
        }
    }

    /// The files are opened anew at once, whatever the policy thread is doing.
    fn reload(&self) {
        if let Err(error) = self.sink.reopen() {
            tracing::error!(cause = %error, "the log file cannot be reopened; the old one stays");
        }
        self.audit.reopen();
        self.policy.reload();
    }
}
