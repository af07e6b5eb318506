//! What a configuration is once it is known to be right: plain values, no file, no defaults.
//!
//! INVARIANT: a [`Config`] only comes out of `settle`, which has checked every value; nobody changes
//! one afterwards.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use eg_policy::verdict::Action;
use eg_proto::{ConnectorName, PortalSecret, SharedKey};
use eg_settings::Switch;
use eg_settings::log::Logging;
use ipnet::IpNet;

/// The engine's whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// Where the cause of a fatal start failure goes.
    pub diagnostic_file: PathBuf,
    /// `[global]`
    pub global: Global,
    /// `[connectors.<name>]`, in file order; at least one.
    pub connectors: Vec<ConnectorConfig>,
    /// `[license]`, where there is one.
    pub license: Option<License>,
    /// `[database]`
    pub database: Database,
    /// `[policy]`
    pub policy: PolicyConfig,
    /// `[learning]`, where it is on.
    pub learning: Option<Learning>,
    /// `[captive_portal]`
    pub captive_portal: CaptivePortal,
    /// `[aaa]`
    pub aaa: Aaa,
    /// `[control]`
    pub control: Control,
    /// `[logging]`
    pub logging: Logging,
    /// `[audit]`
    pub audit: AuditConfig,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[cluster]`
    pub cluster: Cluster,
    /// The keys that are set to something that has no effect in this version.
    pub not_yet: Vec<String>,
}

/// `[global]`
#[derive(Debug)]
pub struct Global {
    /// Worker threads that serve Defendr sessions.
    pub threads: NonZeroUsize,
}

/// `[connectors.<name>]`: who may ask, from where, on which listener.
#[derive(Debug)]
pub struct ConnectorConfig {
    /// The name in the handshake, which chooses the key.
    pub name: ConnectorName,
    /// How it reaches the engine.
    pub net: Transport,
    /// Where the listener is bound; tables with equal `ip` and `port` share one.
    pub ip: IpAddr,
    /// The listener's port.
    pub port: u16,
    /// The UNIX socket, where `net` is [`Transport::Socket`].
    pub path: PathBuf,
    /// The pre-shared key.
    pub key: SharedKey,
    /// The source addresses that may speak as this connector; never empty with TCP.
    pub peers: Vec<IpNet>,
}

/// How a connector reaches the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `tcp`
    Tcp,
    /// `socket`: a UNIX socket.
    Socket,
}

/// `[license]`
#[derive(Debug)]
pub struct License {
    /// 22 characters, `XXXXX-XXXX-XXXX-XXXX-X`.
    pub serial: String,
    /// Checked for presence only, and sent nowhere.
    pub username: String,
    /// Whether files that others can read are refused.
    pub enforce_permissions: Switch,
    /// The folder of the licence files.
    pub path: PathBuf,
}

/// `[database]`
#[derive(Debug)]
pub struct Database {
    /// The DuckDB store; set files lie in `sets/` beside it.
    pub database_file: PathBuf,
}

/// `[policy]`
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// The verdict where no rule matches.
    pub default_action: Action,
    /// The operator's policy.
    pub path: PathBuf,
    /// Machine-made policy, loaded after `path`; `None` where it is disabled.
    pub shared_path: Option<PathBuf>,
    /// Where snapshots of `path` go.
    pub backup_path: PathBuf,
    /// How many of them are kept.
    pub backup_depth: u32,
    /// Which structure holds domain names.
    pub domain_backend: BackendChoice,
    /// The number of names above which `auto` takes the sorted arena.
    pub domain_backend_auto_threshold: u64,
    /// Which scanner the regexes go to.
    pub regex_backend: RegexBackend,
    /// Whether reloads commit to git.
    pub git_mode: GitMode,
    /// The time zone of time windows.
    pub time_window_tz: TimeZoneChoice,
    /// Whether a changed file reloads by itself.
    pub watch: Switch,
    /// By how much a list may shrink, in percent of its entries.
    pub shrink_guard_percent: u8,
    /// What the engine may have in memory while a new ruleset is made, in MiB; `None` for a share of
    /// what there is.
    pub memory_max_mb: Option<u64>,
}

/// `domain_backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// By the number of names.
    Auto,
    /// The faster one.
    Hashset,
    /// The denser one.
    SortedArena,
}

/// `regex_backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegexBackend {
    /// Hyperscan where it is known and passes its self-test, else the one of Rust.
    Auto,
    /// Hyperscan, or no start.
    Hyperscan,
    /// The one of Rust.
    Regex,
}

/// `git_mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitMode {
    /// On where `path/.git/` exists.
    Auto,
    /// On.
    ForceOn,
    /// Off.
    ForceOff,
}

/// `time_window_tz`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeZoneChoice {
    /// The machine's.
    Local,
    /// UTC
    Utc,
    /// An IANA zone that exists.
    Named(String),
}

/// `[learning]`
#[derive(Debug)]
pub struct Learning {
    /// Learning's own DuckDB store.
    pub database_file: PathBuf,
}

/// `[captive_portal]`
#[derive(Debug)]
pub struct CaptivePortal {
    /// Where redirects lead; `http` or `https`, ends with `/`.
    pub base_url: String,
    /// What seals payloads.
    pub secret: PortalSecret,
    /// What sealed them before, while a secret is changed.
    pub previous: Option<PortalSecret>,
    /// The engine-only secret of acknowledgement tokens.
    pub ack_secret_file: PathBuf,
    /// What the portal shows to acknowledge.
    pub relay_key_file: Option<PathBuf>,
    /// Whom an acknowledgement covers.
    pub ack_key: AckKey,
    /// How long an acknowledgement token, and with it a payload, is good.
    pub ack_token_max_age: Duration,
    /// How long an acknowledgement lasts.
    pub ack_session_duration: Duration,
    /// The status of a redirect.
    pub redirect_status: RedirectStatus,
}

/// `ack_key`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKey {
    /// The client's address.
    Ip,
    /// The client's address together with the user.
    IpAndUser,
}

/// `redirect_status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectStatus {
    /// 302
    Found,
    /// 303
    SeeOther,
    /// 307
    Temporary,
}

impl RedirectStatus {
    /// The HTTP status.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Found => 302,
            Self::SeeOther => 303,
            Self::Temporary => 307,
        }
    }
}

/// `[aaa]`
#[derive(Debug)]
pub struct Aaa {
    /// Operator accounts.
    pub passwd: PathBuf,
    /// Whether an empty `passwd` gets a first account.
    pub auto_bootstrap: Switch,
    /// Where its credential goes.
    pub bootstrap_credential_file: PathBuf,
    /// How long that file stays.
    pub bootstrap_credential_ttl: Duration,
    /// What seals the secrets of second factors.
    pub master_key_file: PathBuf,
    /// Whether Administrators must have a second factor.
    pub totp_required: Switch,
}

/// `[control]`
#[derive(Debug)]
pub struct Control {
    /// Where the Control API is bound.
    pub address: SocketAddr,
    /// The private key of the TLS pair, which Defendr uses too.
    pub key: PathBuf,
    /// Its certificate.
    pub cert: PathBuf,
    /// Accepted and ignored.
    pub dhparams: PathBuf,
    /// The UNIX socket of this machine's tools; `None` for none.
    pub socket: Option<PathBuf>,
}

/// `[audit]`
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// The folder of the trail's files; the engine makes it.
    pub path: PathBuf,
    /// Which verdicts are recorded.
    pub verdicts: Verdicts,
    /// What happens to a request whose entry cannot be written.
    pub on_failure: OnFailure,
    /// How many days the trail is kept; `None` for ever.
    pub retention_days: Option<NonZeroU32>,
    /// Whether query strings are kept as a keyed hash only.
    pub redact_query: RedactQuery,
    /// The loss window; zero writes each block before its answers.
    pub sync: Duration,
    /// How clients and users are written.
    pub identities: Identities,
}

/// `[audit] verdicts`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdicts {
    /// Every one.
    All,
    /// Every one but permits.
    Blocked,
    /// None.
    None,
}

/// `[audit] on_failure`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The verdict is deny, by the rule `audit-unavailable`.
    Deny,
    /// The verdict stays, without its entry.
    Continue,
}

/// `[audit] redact_query`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedactQuery {
    /// Only a keyed hash of the query is kept.
    Hash,
    /// The query is kept as it is.
    Keep,
}

/// `[audit] identities`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identities {
    /// As they are.
    Clear,
    /// Under a key of the month.
    Keyed,
}

/// `[metrics]`
#[derive(Debug)]
pub struct Metrics {
    /// Where `/metrics` is served; `None` for nowhere.
    pub listen: Option<SocketAddr>,
}

/// `[cluster]`
#[derive(Debug)]
pub struct Cluster {
    /// The Valkey or Redis server that engines share; `None` for the local store.
    pub url: Option<String>,
}
