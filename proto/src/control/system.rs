//! The engine itself: its state, its clock, its threads, its store.

use serde::{Deserialize, Serialize};

/// `GET status`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// `running`, or `ending`.
    pub engine: String,
    /// Since the start, in seconds.
    pub uptime_s: u64,
    /// The process.
    pub pid: u32,
    /// Resident memory in bytes.
    pub resident: u64,
    /// `open`, or what is wrong with it.
    pub store: String,
    /// Where the Control API is listened on.
    pub api: Vec<String>,
    /// Connections to the Control API that are open.
    pub api_connections: u64,
    /// Connections to it that may be open.
    pub api_connections_max: u64,
    /// Sessions of connectors that are open.
    pub sessions: u64,
    /// Sessions that may be open.
    pub sessions_max: u64,
    /// The store's number of the live policy.
    pub revision: u64,
    /// Its digest.
    pub digest: String,
    /// Its rules.
    pub rules: u64,
    /// The distinct names of its lists.
    pub names: u64,
    /// When it became live, in RFC 3339.
    pub since: String,
    /// The commit that waits to be confirmed, where one does.
    pub unconfirmed: Option<super::edit::Unconfirmed>,
    /// Whether the audit trail takes entries: `recording`, or what is wrong with it.
    pub audit: String,
    /// Settings that weaken the gate or the record, a sentence each.
    pub weakenings: Vec<String>,
}

/// `GET version`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version {
    /// The engine's, in four parts.
    pub engine: String,
    /// The versions of Defendr that it speaks.
    pub defendr: Vec<u16>,
    /// `DuckDB` and its version.
    pub store: String,
    /// The scanner of regexes and its version.
    pub scanner: String,
}

/// `GET clock`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Clock {
    /// Local time, in RFC 3339.
    pub local: String,
    /// UTC, in RFC 3339.
    pub utc: String,
    /// The machine's time zone.
    pub zone: String,
    /// The zone of `time-window`, as `[policy] time_window_tz` says it and as it is taken now.
    pub time_window_tz: String,
    /// Whether the kernel says that its clock is synchronised; `None` where it does not say.
    pub synchronised: Option<bool>,
}

/// `GET log`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogTail {
    /// The file.
    pub file: String,
    /// Oldest first.
    pub lines: Vec<String>,
}

/// `GET database`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Database {
    /// The file.
    pub file: String,
    /// `open`, or what is wrong with it.
    pub state: String,
    /// `DuckDB`'s version.
    pub version: String,
    /// The layout of our tables.
    pub schema: u32,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the log of changes beside it.
    pub wal_bytes: u64,
    /// Tables and their rows, by name.
    pub tables: Vec<TableRow>,
    /// The built sets beside the store.
    pub sets: SetFiles,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableRow {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// The files of built sets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetFiles {
    /// How many there are.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// `GET system/threads`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Threads {
    /// Oldest first.
    pub threads: Vec<ThreadRow>,
}

/// One thread, as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ThreadRow {
    /// The kernel's number of it.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// `R` running, `S` asleep, `D` waiting for a disk, and so on (proc(5)).
    pub state: String,
    /// Processor time since its start, in milliseconds.
    pub cpu_ms: u64,
    /// The last processor that it ran on.
    pub processor: u32,
}

/// `GET system/uri-engine`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UriEngine {
    /// The structure that holds names.
    pub domain_backend: String,
    /// Distinct names.
    pub names: u64,
    /// Bytes of memory for them.
    pub name_bytes: u64,
    /// The scanner that regexes go to.
    pub regex_backend: String,
    /// Its version.
    pub regex_version: String,
    /// Regexes of the policy.
    pub patterns: u64,
    /// Those that are looked up as something simpler.
    pub lowered: u64,
    /// Those that the slower scanner has.
    pub fallback: u64,
    /// Databases that the others are in.
    pub shards: u64,
    /// Verdicts of the scanner that were compared with the slower one, sampled.
    pub compared: u64,
    /// How many of them differed; anything but 0 is a fault, and the log has it.
    pub differed: u64,
}

/// What `POST engine/restart` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restarting {
    /// In a sentence.
    pub detail: String,
}

/// `GET healthz`: the process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or what is missing.
    pub status: String,
}
