//! A Squid of its own: unique service name, own pid file and ports, no cache, no network but loopback,
//! a plain port and a port that peeks.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::{Installation, free_addresses};
use crate::material::Authority;
use crate::process::{self, Process};
use crate::{folder, programs, wait};

/// A running Squid.
#[derive(Debug)]
pub struct Squid {
    process: Process,
    plain: SocketAddr,
    peeking: SocketAddr,
    /// What its connectors read, to tell them from its other helpers: Squid starts a helper under its
    /// bare name.
    connector_conf: String,
}

impl Squid {
    /// Writes its configuration below the installation and starts it. `names` are hosts that it finds
    /// on loopback; it asks no name server for others that would answer. What it decrypts it fetches from
    /// servers whose certificates `origins` signed.
    ///
    /// # Errors
    ///
    /// If Squid is not installed, or does not get ready; the end of its log is in the message.
    pub fn start(
        installation: &Installation,
        inspection: &Authority,
        origins: &Authority,
        names: &[&str],
    ) -> Result<Self> {
        let program = programs::of_the_system("squid")
            .context("there is no Squid: `cargo xtask setup` installs it")?;
        let [plain, peeking] = free_addresses()?;
        let below = installation.path("squid");
        folder::make(&below)?;
        folder::write(&below.join("ca.pem"), &inspection.certificate_pem, 0o644)?;
        folder::write(&below.join("ca.key"), &inspection.key_pem, 0o600)?;
        folder::write(&below.join("origins.pem"), &origins.certificate_pem, 0o644)?;
        let hosts: String = names.iter().map(|name| format!("127.0.0.1 {name}\n")).collect();
        folder::write(&below.join("hosts"), &hosts, 0o644)?;
        let certgen = make_certificate_store(&below)?;
        let lines = installation.squid_conf_lines()?;
        let text = configuration(&below, [plain, peeking], &certgen, &lines);
        let conf = below.join("squid.conf");
        folder::write(&conf, &text, 0o644)?;
        folder::give_to_squid(&below)?;
        let mut command = Command::new(program);
        command.args(["-N", "-n", &format!("eg{}", std::process::id())]).arg("-f").arg(&conf);
        let mut process = Process::start("Squid", &mut command, &below.join("stderr.log"))?;
        let ready = process.await_ready("Squid's ports", || {
            TcpStream::connect(plain).and_then(|_| TcpStream::connect(peeking)).ok()
        });
        ready.with_context(|| process::tail(&below.join("cache.log")))?;
        let connector_conf = installation.connector_conf().display().to_string();
        let squid = Self { process, plain, peeking, connector_conf };
        // It listens before its helpers have become what they are. All of them are waited for: a test
        // that stops or kills those it finds would miss the others.
        let due = started_at_once(&lines);
        wait::until("Squid's connectors", wait::PATIENCE, || {
            Ok((squid.connectors().len() >= due).then_some(()))
        })
        .with_context(|| process::tail(&below.join("cache.log")))?;
        Ok(squid)
    }

    /// The port on which a CONNECT stays closed to Squid.
    #[must_use]
    pub const fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// The port on which Squid reads the `ClientHello`, and bumps what is denied.
    #[must_use]
    pub const fn peeking(&self) -> SocketAddr {
        self.peeking
    }

    /// Its connectors that run at present.
    #[must_use]
    pub fn connectors(&self) -> Vec<Pid> {
        let children = self.process.children().into_iter();
        children.filter(|pid| process::command_line(*pid).contains(&self.connector_conf)).collect()
    }

    /// Those of them that say what is to be done with TLS.
    #[must_use]
    pub fn acl_connectors(&self) -> Vec<Pid> {
        let connectors = self.connectors().into_iter();
        connectors.filter(|pid| process::command_line(*pid).contains("--acl")).collect()
    }

    /// Sends a signal to every connector; one that has ended already is passed over.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn signal_connectors(&self, signal: Signal) -> Result<Vec<Pid>> {
        let connectors = self.connectors();
        anyhow::ensure!(!connectors.is_empty(), "Squid runs no connector");
        for pid in &connectors {
            let _ = kill(*pid, signal);
        }
        Ok(connectors)
    }

    /// Whether it has ended by itself, and how.
    ///
    /// # Errors
    ///
    /// If the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    ///
    /// If it had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        let helpers = self.process.children();
        let stopped = self.process.stop();
        end_helpers(&helpers);
        stopped.map(drop)
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        let helpers = self.process.children();
        drop(self.process.kill());
        end_helpers(&helpers);
    }
}

/// How many connectors Squid starts by itself with these lines, of both roles together.
fn started_at_once(lines: &str) -> usize {
    let counts = lines.split("startup=").skip(1).filter_map(|rest| rest.split(' ').next());
    counts.filter_map(|count| count.parse::<usize>().ok()).sum()
}

/// Helpers end by themselves at the end of their input; one that was stopped cannot.
fn end_helpers(helpers: &[Pid]) {
    let still_there = |pid: &&Pid| {
        let line = process::command_line(**pid);
        line.contains("enforcegate-squid-connector") || line.contains("security_file_certgen")
    };
    for pid in helpers {
        let _ = kill(*pid, Signal::SIGCONT);
    }
    let gone = wait::until("Squid's helpers to end", std::time::Duration::from_secs(3), || {
        Ok(helpers.iter().find(still_there).is_none().then_some(()))
    });
    if gone.is_err() {
        for pid in helpers.iter().filter(still_there) {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
}

/// Makes the folder of made certificates; gives the command that Squid runs on it.
fn make_certificate_store(below: &Path) -> Result<String> {
    let certgen = programs::of_the_system("security_file_certgen")
        .context("there is no security_file_certgen: `cargo xtask setup` installs squid-openssl")?;
    let store = below.join("ssl_db");
    let mut command = Command::new(&certgen);
    command.args(["-c", "-s"]).arg(&store).args(["-M", "4MB"]);
    let output = command.output().context("cannot start security_file_certgen")?;
    anyhow::ensure!(
        output.status.success(),
        "security_file_certgen ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(format!("{} -s {} -M 4MB", certgen.display(), store.display()))
}

/// The whole squid.conf; the connector's own lines are its gate and say what happens to TLS.
fn configuration(below: &Path, ports: [SocketAddr; 2], certgen: &str, gate: &str) -> String {
    let [plain, peeking] = ports;
    let below = below.display();
    format!(
        "# Written by the harness; nothing here is shared with another Squid.
http_port {plain}
http_port {peeking} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB \
tls-cert={below}/ca.pem tls-key={below}/ca.key
sslcrtd_program {certgen}
sslcrtd_children 2 startup=1 idle=1
tls_outgoing_options cafile={below}/origins.pem

acl eg_here src 127.0.0.0/8
http_access allow eg_here
http_access deny all

cache deny all
cache_mem 8 MB
visible_hostname proxy.demo.example
pinger_enable off
hosts_file {below}/hosts
dns_nameservers 127.0.0.1
dns_timeout 1 seconds
connect_timeout 3 seconds
shutdown_lifetime 1 seconds
pid_filename {below}/squid.pid
coredump_dir {below}
cache_log {below}/cache.log
access_log stdio:{below}/access.log
netdb_filename none

{gate}"
    )
}
