//! One installation below one folder: configuration of engine, connector and portal, and the programs
//! while they run. Its Squid is in `squid`; a `site` has both, and the origin.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use eg_proto::{Opener, PortalSecret};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use sha2::{Digest as _, Sha256};

use crate::folder::{self, Folder};
use crate::material::{self, Leaf};
use crate::process::Process;
use crate::programs::Programs;
use crate::trail::Trail;

/// The name of the connector in the handshake.
const CONNECTOR_NAME: &str = "squid";

/// How long a second helper looks for an engine that is not there; each test of it waits so long.
const LONELY_TIMEOUT_MS: u32 = 200;

/// How the engine says that a policy is live, and that one was refused.
const RELOADED: &str = " policy reloaded";
const REFUSED: &str = "the policy was not reloaded";

/// What an installation is to be like.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder whose policy files and lists are copied into it; `None` for an empty policy.
    pub rules: Option<PathBuf>,
    /// `[audit] verdicts`
    pub verdicts: &'static str,
    /// `[global] threads`
    pub threads: usize,
    /// `[connector] inspect`
    pub inspect: &'static str,
    /// The portal's host in its URL; one that leads to loopback.
    pub portal_host: &'static str,
    /// Whom the helper of the second question asks.
    pub second_helper: SecondHelper,
    /// Whether an operator's account is made at the first start.
    pub first_account: FirstAccount,
}

/// Whether an operator's account is made at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAccount {
    /// None is.
    None,
    /// `admin` is, with a password of its own, which stands in a file below the folder.
    Made,
}

/// Whom the helper of the second question asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondHelper {
    /// The engine, as the first helper does.
    AsksTheEngine,
    /// Nobody: no engine is where it looks, and this is its `[ssl_bump_acl] fail_action`.
    AsksNobody(&'static str),
}

impl Plan {
    /// With the rules of the demo, and every verdict in the trail.
    #[must_use]
    pub fn demo() -> Self {
        let rules = crate::shared::workspace().join("tests/data/demo/rules.d");
        Self {
            rules: Some(rules),
            verdicts: "all",
            threads: 2,
            inspect: "peek",
            portal_host: "127.0.0.1",
            second_helper: SecondHelper::AsksTheEngine,
            first_account: FirstAccount::None,
        }
    }
}

/// What a connector is told about its engine; a test may tell it something wrong.
#[derive(Debug, Clone)]
pub struct ConnectorSettings {
    /// The engine's port.
    pub engine: SocketAddr,
    /// The pre-shared key.
    pub key: String,
    /// The certificate that the engine must show, as PEM.
    pub certificate_pem: String,
}

/// A configured installation and the programs of it that run.
#[derive(Debug)]
pub struct Installation {
    engine: Option<Process>,
    portal: Option<Process>,
    programs: Programs,
    defendr: SocketAddr,
    portal_address: SocketAddr,
    control: SocketAddr,
    engine_leaf: Leaf,
    key: String,
    secret: String,
    inspect: &'static str,
    portal_host: &'static str,
    second_helper: SecondHelper,
    folder: Folder,
}

impl Installation {
    /// Writes everything that the programs read, below `folder`.
    ///
    /// # Errors
    ///
    /// If something cannot be written.
    pub fn prepare(folder: Folder, programs: &Programs, plan: &Plan) -> Result<Self> {
        let authority = material::authority("EnforceGate harness: engine")?;
        let [defendr, portal_address, control] = free_addresses()?;
        let mut installation = Self {
            engine: None,
            portal: None,
            programs: programs.clone(),
            defendr,
            portal_address,
            control,
            engine_leaf: authority.leaf(&["engine.demo.example"])?,
            key: material::shared_key()?,
            secret: material::portal_secret()?,
            inspect: plan.inspect,
            portal_host: plan.portal_host,
            second_helper: plan.second_helper,
            folder,
        };
        installation.place_connector()?;
        installation.write_rules(plan)?;
        installation.write_engine(plan)?;
        installation.write_portal()?;
        installation.write_egctl()?;
        installation.write_connector(&installation.right_settings())?;
        Ok(installation)
    }

    /// The programs that it uses.
    #[must_use]
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Where Defendr is spoken.
    #[must_use]
    pub const fn defendr(&self) -> SocketAddr {
        self.defendr
    }

    /// Where the Control API is asked over HTTPS.
    #[must_use]
    pub const fn control(&self) -> SocketAddr {
        self.control
    }

    /// Where the configuration of `egctl` is that asks this engine as its first account.
    #[must_use]
    pub fn egctl_conf(&self) -> PathBuf {
        self.path("egctl/egctl.conf")
    }

    /// Where the credential of the first account is until somebody has logged in with it.
    #[must_use]
    pub fn first_credential(&self) -> PathBuf {
        self.path("engine/first-credential.json")
    }

    /// What an `egctl` is told that has not seen the engine yet: where it is, without a certificate. Gives
    /// the file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_unpinned_egctl_conf(&self) -> Result<PathBuf> {
        let path = self.path("egctl/unpinned.conf");
        let (host, port) = (self.control.ip(), self.control.port());
        let text = format!("[global]\nhost = \"{host}\"\nport = {port}\nuser = \"admin\"\n");
        folder::write(&path, &text, 0o644)?;
        Ok(path)
    }

    /// SHA-256 of the certificate that the engine shows, as `openssl x509 -fingerprint -sha256` has it.
    #[must_use]
    pub fn engine_fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.engine_leaf.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The first account and its password, as the engine wrote them down at its first start. The file
    /// goes with the first login.
    ///
    /// # Errors
    ///
    /// If the file is not there or says something else.
    pub fn bootstrap_credential(&self) -> Result<(String, String)> {
        let path = self.first_credential();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("there is no `{}`", path.display()))?;
        let found: serde_json::Value = serde_json::from_str(&text)?;
        let field = |name: &str| {
            let value = found.get(name).and_then(serde_json::Value::as_str);
            value.map(str::to_owned).with_context(|| format!("no `{name}` in `{}`", path.display()))
        };
        Ok((field("user")?, field("password")?))
    }

    /// What the engine shows there.
    #[must_use]
    pub const fn engine_leaf(&self) -> &Leaf {
        &self.engine_leaf
    }

    /// A file of the installation.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Where the portal's pages are, as a URL.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}:{}/", self.portal_host, self.portal_address.port())
    }

    /// The engine's audit trail.
    #[must_use]
    pub fn trail(&self) -> Trail {
        Trail::new(self.path("audit/audit.jsonl"))
    }

    /// What opens the payloads that the engine seals.
    ///
    /// # Errors
    ///
    /// If the secret is none.
    pub fn opener(&self) -> Result<Opener> {
        let secret = PortalSecret::parse(&self.secret).context("the harness's own secret")?;
        Ok(Opener::new(secret, None))
    }

    /// What a connector must be told to reach the engine.
    #[must_use]
    pub fn right_settings(&self) -> ConnectorSettings {
        ConnectorSettings {
            engine: self.defendr,
            key: self.key.clone(),
            certificate_pem: self.engine_leaf.certificate_pem.clone(),
        }
    }

    /// Writes the connector's configuration.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_connector(&self, settings: &ConnectorSettings) -> Result<()> {
        let certificate = self.path("connector/engine-cert.pem");
        folder::write(&certificate, &settings.certificate_pem, 0o644)?;
        folder::write(&self.connector_conf(), &self.connector_text(settings), 0o640)?;
        match self.second_helper {
            SecondHelper::AsksTheEngine => {}
            SecondHelper::AsksNobody(fail_action) => {
                let [nobody] = free_addresses()?;
                let lonely = ConnectorSettings { engine: nobody, ..settings.clone() };
                let soon = format!("[connector]\nanswer_timeout_ms = {LONELY_TIMEOUT_MS}");
                let text = self.connector_text(&lonely).replace("[connector]", &soon);
                let text = format!("{text}\n[ssl_bump_acl]\nfail_action = \"{fail_action}\"\n");
                folder::write(&self.lonely_conf(), &text, 0o640)?;
            }
        }
        folder::give_to_squid(&self.path("connector"))
    }

    fn connector_text(&self, settings: &ConnectorSettings) -> String {
        let ConnectorSettings { engine, key, certificate_pem: _ } = settings;
        let (host, port) = (engine.ip(), engine.port());
        format!(
            "[engine.one]\nhost = \"{host}\"\nport = {port}\nkey = \"{key}\"\n\
             cert = \"engine-cert.pem\"\n\n\
             [connector]\nname = \"{CONNECTOR_NAME}\"\nanswer = \"note\"\ninspect = \"{}\"\n\n\
             [logging]\ntype = \"console\"\nlevel = \"notice\"\n",
            self.inspect
        )
    }

    /// The configuration of a second helper that asks nobody; its path begins as the first one's does,
    /// by which the harness tells connectors from Squid's other helpers.
    fn lonely_conf(&self) -> PathBuf {
        self.path("connector/squid-connector.conf.lonely")
    }

    /// Where the connector's configuration is.
    #[must_use]
    pub fn connector_conf(&self) -> PathBuf {
        self.path("connector/squid-connector.conf")
    }

    /// The lines that the connector wants to have in squid.conf.
    ///
    /// # Errors
    ///
    /// If it does not print them.
    pub fn squid_conf_lines(&self) -> Result<String> {
        let output = Command::new(&self.programs.connector)
            .arg("-c")
            .arg(self.connector_conf())
            .args(["--squid-conf", "--base-url", &self.base_url()])
            .output()
            .context("cannot start the connector")?;
        anyhow::ensure!(
            output.status.success(),
            "`--squid-conf` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout).context("the lines for squid.conf")?;
        Ok(match self.second_helper {
            SecondHelper::AsksTheEngine => lines,
            SecondHelper::AsksNobody(_) => {
                let asks = format!("--acl -c {}", self.connector_conf().display());
                lines.replace(&asks, &format!("--acl -c {}", self.lonely_conf().display()))
            }
        })
    }

    /// Starts the engine and waits until it says that it is ready. It listens earlier, so that nobody
    /// is turned away while it loads.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub fn start_engine(&mut self) -> Result<()> {
        let log = self.path("log/engine.log");
        let said_before = ready_count(&log);
        let mut command = Command::new(&self.programs.engine);
        command.arg("-c").arg(self.path("engine/engine.conf"));
        let mut process = Process::start("the engine", &mut command, &log)?;
        process.await_ready("the engine's word that it is ready", || {
            (ready_count(&log) > said_before).then_some(())
        })?;
        self.engine = Some(process);
        Ok(())
    }

    /// Has the engine execute itself anew, and waits until it says that it is ready again.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub fn restart_engine_in_place(&mut self) -> Result<()> {
        let log = self.path("log/engine.log");
        let said_before = ready_count(&log);
        let engine = self.engine()?;
        engine.signal(Signal::SIGUSR2)?;
        engine.await_ready("the word of the engine's next run that it is ready", || {
            (ready_count(&log) > said_before).then_some(())
        })
    }

    /// Puts other text in the place of `from` in the engine's configuration.
    ///
    /// # Errors
    ///
    /// If `from` is not in it, or the file cannot be written.
    pub fn change_engine(&self, from: &str, to: &str) -> Result<()> {
        let path = self.path("engine/engine.conf");
        let text = fs::read_to_string(&path)?;
        anyhow::ensure!(text.contains(from), "`{from}` is not in `{}`", path.display());
        folder::write(&path, &text.replace(from, to), 0o640)
    }

    /// Has the engine started by another program, which must become the engine.
    pub fn run_engine_by(&mut self, program: PathBuf) {
        self.programs.engine = program;
    }

    /// Has the engine reload its policy (SIGHUP), and waits until it says that it has. Gives what it said.
    ///
    /// # Errors
    ///
    /// If it refuses the policy, or says nothing for long.
    pub fn reload_engine(&mut self) -> Result<String> {
        let log = self.path("log/engine.log");
        let count = |text: &str| text.matches(RELOADED).count();
        let before = fs::read_to_string(&log)?;
        let (reloads, refusals) = (count(&before), before.matches(REFUSED).count());
        let engine = self.engine()?;
        engine.signal(Signal::SIGHUP)?;
        let said = engine.await_ready("the engine's word that it has reloaded", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            (count(&text) > reloads || text.matches(REFUSED).count() > refusals).then_some(text)
        })?;
        let last = said.lines().rfind(|line| line.contains(RELOADED) || line.contains(REFUSED));
        let last = last.unwrap_or_default();
        anyhow::ensure!(!last.contains(REFUSED), "the engine did not reload: {last}");
        Ok(last.to_owned())
    }

    /// Starts the portal and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn start_portal(&mut self) -> Result<()> {
        let mut command = Command::new(&self.programs.portal);
        command.arg("-c").arg(self.path("portal/portal.conf"));
        let mut process = Process::start("the portal", &mut command, &self.path("log/portal.log"))?;
        let address = self.portal_address;
        process.await_ready("the portal's port", || TcpStream::connect(address).ok())?;
        self.portal = Some(process);
        Ok(())
    }

    /// The running engine.
    ///
    /// # Errors
    ///
    /// If it was not started.
    pub fn engine(&mut self) -> Result<&mut Process> {
        self.engine.as_mut().context("the engine was not started")
    }

    /// The running engine's process id.
    #[must_use]
    pub fn engine_pid(&self) -> Option<Pid> {
        self.engine.as_ref().map(Process::pid)
    }

    /// Stops what runs, the portal first, and says if one did not end by itself.
    ///
    /// # Errors
    ///
    /// If one had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        let portal = self.portal.take().map_or(Ok(()), |mut portal| portal.stop().map(drop));
        let engine = self.engine.take().map_or(Ok(()), |mut engine| engine.stop().map(drop));
        portal.and(engine)
    }

    /// The connector is run by Squid's user, who may not enter the folder that it was built in.
    fn place_connector(&mut self) -> Result<()> {
        let own = self.path("bin/enforcegate-squid-connector");
        folder::make(&self.path("bin"))?;
        fs::copy(&self.programs.connector, &own).context("cannot copy the connector")?;
        self.programs.connector = own;
        for below in ["engine", "connector", "portal", "egctl", "log", "audit", "rules.d"] {
            folder::make(&self.path(below))?;
        }
        Ok(())
    }

    fn write_rules(&self, plan: &Plan) -> Result<()> {
        match &plan.rules {
            Some(rules) => copy_tree(rules, &self.path("rules.d")),
            None => Ok(()),
        }
    }

    fn write_engine(&self, plan: &Plan) -> Result<()> {
        folder::write(&self.path("portal-secret"), &self.secret, 0o640)?;
        folder::write(&self.path("engine/cert.pem"), &self.engine_leaf.certificate_pem, 0o644)?;
        folder::write(&self.path("engine/key.pem"), &self.engine_leaf.key_pem, 0o600)?;
        let text = format!(
            r#"diagnostic_file = "last-error.json"

[global]
threads = {threads}

[connectors.{CONNECTOR_NAME}]
ip = "{ip}"
port = {port}
key = "{key}"

[database]
database_file = "engine.db"

[policy]
path = "../rules.d"
shared_path = ""
backup_path = "policy-backups"
git_mode = "force-off"

[captive_portal]
base_url = "{base_url}"
secret_file = "../portal-secret"
ack_secret_file = "ack-secret"

[aaa]
passwd = "passwd"
master_key_file = "master.key"
auto_bootstrap = {bootstrap}
bootstrap_credential_file = "first-credential.json"

[control]
ip = "{control_ip}"
port = {control_port}
cert = "cert.pem"
key = "key.pem"
socket = "control.sock"

[logging]
type = "console"
level = "notice"

[audit]
path = "../audit"
verdicts = "{verdicts}"
"#,
            threads = plan.threads,
            ip = self.defendr.ip(),
            port = self.defendr.port(),
            key = self.key,
            base_url = self.base_url(),
            bootstrap = plan.first_account == FirstAccount::Made,
            control_ip = self.control.ip(),
            control_port = self.control.port(),
            verdicts = plan.verdicts,
        );
        folder::write(&self.path("engine/engine.conf"), &text, 0o640)
    }

    fn write_egctl(&self) -> Result<()> {
        let text = format!(
            "[global]\nhost = \"{}\"\nport = {}\nuser = \"admin\"\ncert = \"../engine/cert.pem\"\n",
            self.control.ip(),
            self.control.port()
        );
        folder::write(&self.egctl_conf(), &text, 0o640)
    }

    fn write_portal(&self) -> Result<()> {
        let text = format!(
            "[portal]\nlisten = \"{}\"\nsecret_file = \"../portal-secret\"\n\n\
             [logging]\nlevel = \"notice\"\n",
            self.portal_address
        );
        folder::write(&self.path("portal/portal.conf"), &text, 0o640)
    }
}

/// How long a request may take while its connector lives: less than `url_rewrite_timeout`, since the
/// connector's own deadline comes first.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// How long a request may take while its connector does not answer at all: `url_rewrite_timeout`, for
/// which Squid 5.7 needs up to two seconds more (it counts whole seconds and looks once a second), and
/// a second for a loaded machine.
pub const GIVEN_UP_WITHIN: Duration = Duration::from_secs(6);

/// Free loopback addresses. Each port is the system's choice, released for the program that takes it.
///
/// # Errors
///
/// If there is no port.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut held = Vec::with_capacity(N);
    for _ in 0..N {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?);
    }
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&held) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}

/// How often an engine's log says that it was ready.
fn ready_count(log: &Path) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.matches(" daemon: ready ").count()
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    folder::make(to)?;
    let entries =
        fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
