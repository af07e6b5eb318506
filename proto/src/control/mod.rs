//! The Control API's messages: what is asked of the engine's policy and what it answers, as JSON.
//!
//! The engine serves them below [`BASE`] and the tools ask for them; both use these types, so that
//! neither can say what the other does not know. Sockets and HTTP are theirs.
//!
//! INVARIANT: requests refuse unknown fields, so that a misspelt `force` or `dry_run` is never taken
//! for its default. Answers may grow, so whoever reads one passes over what it does not know.

// Who may ask for what. To read first: `verbs`.
pub mod level;
pub mod verbs;
mod verb_table;

// What is said, one file a resource.
pub mod auth;
pub mod user;
pub mod neighbor;
pub mod system;
mod policy;
pub mod edit;
pub mod explain;
mod problem;
mod secret;

pub use level::Level;
pub use policy::{
    BackupRow, Backups, BlameRow, Changes, Diff, GitDone, ListRow, ListState, Listed, LiveList,
    LivePolicy, LogRow, MemoryRow, PolicyLog, Receipt, RegexRow, ReloadOutcome, ReloadRequest,
    ReloadTicket, RollbackReceipt, RollbackRequest, RuleBlame, Step, TagRequest,
};
pub use problem::{FaultRow, Problem, ProblemKind};
pub use secret::Secret;
pub use verbs::{Row, TABLE, Verb};

/// The front of every path of the Control API.
pub const BASE: &str = "/api/v1";

/// Where the engine listens on its own machine, unless a setting says otherwise.
pub const SOCKET: &str = "/run/enforcegate/control.sock";

/// A request's body at most: a reason, a name and some switches fit a hundred times.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The reason that an operator gives, in bytes: it goes into the trail, the note of a snapshot and the
/// history, where a page of text helps nobody.
pub const REASON_BYTES_MAX: usize = 1024;

/// An answer at most, for whoever reads one. A receipt with every fault of a large policy is far below.
pub const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long an answer to a reload is waited for before the engine says that it is still at it.
pub const RELOAD_WAIT_S: u64 = 60;
