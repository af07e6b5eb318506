//! The engine from start to end: builds its parts in order, reports ready, serves, drains.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eg_policy::ruleset::Ruleset;
use eg_settings::log::{Sink, chain};

use crate::audit::{Audit, AuditFault, AuditThread, Event};
use crate::bind::bind;
use crate::config::{Config, Loaded, version, weakenings};
use crate::listener::{DataPlane, DataPlaneParts, ListenFault};
use crate::portal_link::PortalLinks;
use crate::process::{Asked, Signals};
use crate::reload::{Receipt, ReloadFault, Reloader, Start};
use crate::store::{self, Store, StoreFault};
use crate::tls::{self, Made, TlsFault};
use crate::view::{Live, now};

/// How long requests in flight may take once the engine is asked to end.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Why the engine does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonFault {
    /// No TLS pair.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// No store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// No policy.
    #[error(transparent)]
    Policy(#[from] ReloadFault),
    /// No audit trail.
    #[error(transparent)]
    Audit(#[from] AuditFault),
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// No signals.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// Serves until it is asked to end.
///
/// # Errors
///
/// [`DaemonFault`]; nothing that was there before is destroyed.
pub fn run(loaded: &Loaded, sink: &Sink, signals: &Signals) -> Result<(), DaemonFault> {
    let config = &loaded.config;
    tracing::info!(
        version = version(),
        configuration = %config.file.display(),
        "enforcegate-engine starts"
    );
    announce(loaded);
    // The address first: a second engine must fail before it touches the first one's files.
    let listeners = bind(&config.connectors).map_err(ListenFault::Bind)?;
    let pair = tls_pair(config)?;
    let (reloader, ruleset) = open_policy(config)?;
    let live = Arc::new(Live::new(ruleset));
    let (audit, audit_thread) = Audit::start(&config.audit)?;
    // Before anybody is served, so that no verdict stands in front of the start that it belongs to.
    record_start(&audit, &live, config);
    let plane = DataPlane::start(DataPlaneParts {
        listeners,
        tls: pair,
        live: Arc::clone(&live),
        audit: audit.clone(),
        portal: PortalLinks::new(&config.captive_portal),
        threads: config.global.threads,
        version: version().to_owned(),
    })?;
    let places: Vec<String> = plane.places().iter().map(ToString::to_string).collect();
    tracing::info!(listening = places.join(" "), "ready");
    let engine = Running { reloader, live, audit, sink };
    engine.serve(signals, plane, audit_thread)
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

/// The trail's first entries of a run.
fn record_start(audit: &Audit, live: &Live, config: &Config) {
    let published = live.load();
    let (ruleset, rules) = (published.digest(), published.ruleset().rules().len());
    audit.event(&Event::Start { version: version(), ruleset, rules }, now());
    for weakening in weakenings(config) {
        audit.event(&Event::Weakening { setting: &weakening.to_string() }, now());
    }
}

fn tls_pair(config: &Config) -> Result<Arc<rustls::ServerConfig>, TlsFault> {
    let addresses: BTreeSet<IpAddr> =
        config.connectors.iter().map(|connector| connector.ip).collect();
    let addresses: Vec<IpAddr> = addresses.into_iter().collect();
    let pair = tls::pair(&config.control.key, &config.control.cert, &addresses)?;
    let what = match pair.made {
        Made::Now => "made a self-signed TLS pair; connectors pin its certificate",
        Made::Before => "TLS pair",
    };
    let certificate = config.control.cert.display();
    tracing::info!(sha256 = pair.fingerprint, %certificate, "{what}");
    Ok(pair.config)
}

/// Opens the store and takes the first policy; a store that DuckDB cannot read any more is made
/// again from the files, and moved aside once that has succeeded.
fn open_policy(config: &Config) -> Result<(Reloader, Ruleset), DaemonFault> {
    let path = &config.database.database_file;
    let attempt = |path: &Path| -> Result<(Reloader, Ruleset), ReloadFault> {
        let mut reloader = Reloader::new(config, Store::open(path)?);
        let ruleset = first_ruleset(&mut reloader)?;
        Ok((reloader, ruleset))
    };
    let fault = match attempt(path) {
        Err(ReloadFault::Store(fault @ StoreFault::Broken { .. })) => fault,
        opened => return Ok(opened?),
    };
    eg_settings::critical!(
        cause = chain(&fault),
        "the store is broken; it is made again from the policy files"
    );
    let fresh = store::fresh_path(path)?;
    match attempt(&fresh) {
        Ok(closed) => drop(closed),
        Err(fault) => {
            store::fresh_path(path)?;
            return Err(fault.into());
        }
    }
    let aside = store::replace(path, &fresh, jiff::Timestamp::now())?;
    eg_settings::critical!(aside = %aside.display(), "the broken store is moved aside");
    Ok(attempt(path)?)
}

fn first_ruleset(reloader: &mut Reloader) -> Result<Ruleset, ReloadFault> {
    match reloader.start()? {
        Start::FromStore { ruleset, notes } => {
            for note in notes {
                tracing::warn!("{note}");
            }
            tracing::info!(
                rules = ruleset.rules().len(),
                names = ruleset.entries(),
                digest = %ruleset.digest(),
                "policy loaded from the store"
            );
            Ok(ruleset)
        }
        Start::FromFiles(prepared) => {
            report(&prepared.receipt, "policy compiled from the files");
            reloader.clean_up();
            Ok(prepared.ruleset)
        }
    }
}

/// Logs what a reload did.
fn report(receipt: &Receipt, what: &str) {
    for warning in &receipt.warnings {
        let place = &warning.place;
        tracing::warn!(
            file = place.file,
            line = place.line,
            column = place.column,
            code = warning.code.id(),
            "{}",
            warning.message
        );
    }
    for note in &receipt.notes {
        tracing::warn!("{note}");
    }
    tracing::info!(
        revision = receipt.revision,
        rules = receipt.rules,
        lists = receipt.lists,
        parsed = receipt.parsed,
        names = receipt.entries,
        ms = u64::try_from(receipt.took.as_millis()).unwrap_or(u64::MAX),
        digest = %receipt.digest,
        "{what}"
    );
}

/// Logs why a policy was refused, each fault on a line.
pub fn report_fault(fault: &ReloadFault) {
    if let ReloadFault::Policy { diagnostics } = fault {
        for diagnostic in diagnostics {
            let place = &diagnostic.place;
            tracing::error!(
                file = place.file,
                line = place.line,
                column = place.column,
                code = diagnostic.code.id(),
                "{}",
                diagnostic.message
            );
        }
    }
}

/// The engine while it serves.
struct Running<'s> {
    reloader: Reloader,
    live: Arc<Live>,
    audit: Audit,
    sink: &'s Sink,
}

impl Running<'_> {
    fn serve(
        mut self,
        signals: &Signals,
        plane: DataPlane,
        audit_thread: AuditThread,
    ) -> Result<(), DaemonFault> {
        let waited = self.wait_for_the_end(signals);
        plane.drain(DRAIN_MAX);
        self.audit.event(&Event::Stop, now());
        drop(self.audit);
        audit_thread.finish();
        tracing::info!("ended");
        waited
    }

    fn wait_for_the_end(&mut self, signals: &Signals) -> Result<(), DaemonFault> {
        loop {
            match signals.wait().map_err(DaemonFault::Signals)? {
                Asked::Reload => self.reload(),
                Asked::Stop(signal) => {
                    tracing::info!(signal = signal.as_str(), "draining");
                    return Ok(());
                }
            }
        }
    }

    fn reload(&mut self) {
        if let Err(error) = self.sink.reopen() {
            tracing::error!(cause = %error, "the log file cannot be reopened; the old one stays");
        }
        self.audit.reopen();
        match self.reloader.reload() {
            Ok(prepared) => {
                drop(self.live.swap(prepared.ruleset));
                self.reloader.clean_up();
                let Receipt { revision, rules, .. } = prepared.receipt;
                let published = self.live.load();
                let entry = Event::Reload { ruleset: published.digest(), revision, rules };
                self.audit.event(&entry, now());
                report(&prepared.receipt, "policy reloaded");
            }
            Err(fault) => {
                report_fault(&fault);
                let cause = chain(&fault);
                let published = self.live.load();
                let entry = Event::ReloadRefused { ruleset: published.digest(), reason: &cause };
                self.audit.event(&entry, now());
                tracing::error!(cause, "the policy was not reloaded; the running one stays");
            }
        }
    }
}
