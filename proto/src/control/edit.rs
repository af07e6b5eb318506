//! Changing the operator's policy files: what an editor reads, and a commit.
//!
//! A commit names what it was made from (`base`), so that two operators who edit at once cannot undo
//! each other without a word.

use serde::{Deserialize, Serialize};

use super::policy::Receipt;

/// A policy file at most, in a commit, in bytes.
pub const COMMIT_BYTES_MAX: usize = 8 << 20;

/// The body of a commit at most, in bytes: one file of that size as JSON, where each character may become
/// two, or many smaller ones.
pub const COMMIT_BODY_BYTES_MAX: usize = 2 * COMMIT_BYTES_MAX + (64 << 10);

/// Minutes that a commit may wait to be confirmed.
pub const CONFIRM_MINUTES_MAX: u32 = 1440;

/// `GET policy/files`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyFiles {
    /// What a commit names as its base: the digest of all of them.
    pub base: String,
    /// Below `[policy] path`, in load order.
    pub files: Vec<PolicyFileRow>,
    /// Who else has lately taken the files to edit, newest first; not whoever asks.
    pub editors: Vec<Editor>,
}

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyFileRow {
    /// Its path below `[policy] path`.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its rules.
    pub rules: u64,
}

/// Somebody who edits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Editor {
    /// Who.
    pub user: String,
    /// Since when, in RFC 3339.
    pub since: String,
}

/// `GET policy/files/NAME`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyFile {
    /// Its path below `[policy] path`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The digest of all policy files at that moment.
    pub base: String,
}

/// `POST policy/commit`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CommitRequest {
    /// What the files were when the edit began.
    pub base: String,
    /// What changes; a file that is not named stays.
    pub edits: Vec<Edit>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    pub check: bool,
    /// Past the shrink guards.
    #[serde(default)]
    pub force: bool,
    /// Roll back by itself after so many minutes, unless it is confirmed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_minutes: Option<u32>,
}

/// One file's new text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Its path below `[policy] path`: names joined by `/`, the last one ending in `.policy`.
    pub name: String,
    /// Its text; `None` removes it.
    pub text: Option<String>,
}

/// What `POST policy/commit` did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommitReceipt {
    /// Files that are new.
    pub added: Vec<String>,
    /// Files that have another text.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// What the files are now; the base of the next commit.
    pub base: String,
    /// The reload.
    pub reload: Receipt,
    /// What waits to be confirmed.
    pub unconfirmed: Option<Unconfirmed>,
}

/// What `POST policy/confirm` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confirmed {
    /// In a sentence.
    pub detail: String,
    /// The commit that stays, as it waited.
    pub commit: Unconfirmed,
}

/// A commit that rolls itself back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unconfirmed {
    /// Whose it is.
    pub by: String,
    /// When it rolls back, in RFC 3339.
    pub until: String,
    /// How many seconds are left.
    pub left_s: u64,
    /// The snapshot that it rolls back to.
    pub snapshot: String,
}
