//! What is asked of the policy, and what comes back: reloads and their receipts, snapshots, history.

use serde::{Deserialize, Serialize};

use super::FaultRow;

/// `POST policy/reload`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReloadRequest {
    /// Why, for the trail, the snapshot and the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Take the files as they are, past the shrink guards.
    pub force: bool,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
    /// How many seconds to wait for the receipt before there is only a [`ReloadTicket`]; at most, and
    /// where nothing is said, [`super::RELOAD_WAIT_S`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u64>,
}

/// What a reload that is not done yet is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadTicket {
    /// Its number: `GET policy/reload/NUMBER` gives its receipt or its problem once it is done.
    pub reload: u64,
    /// What is to be known of it now.
    pub detail: String,
}

/// How a reload ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReloadOutcome {
    /// The policy of the files is live.
    Live,
    /// It would be taken; nothing was changed.
    DryRun,
}

/// What a reload did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The number of the reload in this run of the engine.
    pub reload: u64,
    /// How it ended.
    pub outcome: ReloadOutcome,
    /// Who asked: `signal`, `watch`, or an operator as `local:root`.
    pub by: String,
    /// The reason that was given.
    pub reason: Option<String>,
    /// Whether the shrink guards were overridden.
    pub force: bool,
    /// The store's number of the policy; of a dry run, of the one that stays.
    pub revision: u64,
    /// The ruleset's digest.
    pub digest: String,
    /// How many rules it has.
    pub rules: u64,
    /// How many entries its lists have together.
    pub entries: u64,
    /// Its lists.
    pub lists: Vec<ListRow>,
    /// What is different from the policy before.
    pub changes: Changes,
    /// Where its regexes went.
    pub regexes: RegexRow,
    /// What it was thought to take, against what the engine may have.
    #[serde(default)]
    pub memory: MemoryRow,
    /// The snapshot that was made of the files.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// The commit that was made of the files.
    #[serde(default)]
    pub commit: Option<String>,
    /// Faults that stop nothing.
    pub warnings: Vec<FaultRow>,
    /// What else an operator should know, a sentence each.
    pub notes: Vec<String>,
    /// How long each step took, in order.
    pub steps: Vec<Step>,
    /// From the ask to the swap, in microseconds.
    pub took_us: u64,
}

/// A list file and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListRow {
    /// Its path.
    pub path: String,
    /// How many entries it has.
    pub entries: u64,
    /// How many the policy before had of it; `None` where it named no such list.
    pub before: Option<u64>,
    /// What was done with it.
    pub state: ListState,
}

/// What a reload did with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ListState {
    /// It was read and parsed.
    Parsed,
    /// It is the file that it was before.
    Unchanged,
    /// Its old entries stay: a guard holds it, or its policy file was left out.
    Kept,
}

/// What is different from the policy before. Names are in order; long lists of them are cut, with the
/// true count beside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Rules that are new.
    pub added: Listed,
    /// Rules that are gone.
    pub removed: Listed,
    /// Rules that say something else.
    pub changed: Listed,
    /// Whether rules that are in both stand in another order.
    pub reordered: bool,
    /// Lists whose entries are others.
    pub lists: Listed,
}

impl Changes {
    /// Whether nothing is different.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { added, removed, changed, reordered, lists } = self;
        let counts = added.count + removed.count + changed.count + lists.count;
        counts == 0 && !*reordered
    }
}

/// Some names, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Listed {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub names: Vec<String>,
}

/// Where the regexes of a policy went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegexRow {
    /// All of them.
    pub patterns: u64,
    /// Those that are something simpler in disguise, which is looked up.
    pub lowered: u64,
    /// Those that the slower scanner has.
    pub fallback: u64,
    /// Shards that were compiled for this.
    pub compiled: u64,
}

/// What a reload was thought to take, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryRow {
    /// What the engine had before.
    pub resident: u64,
    /// What making the new ruleset takes at most beside that.
    pub estimate: u64,
    /// What the engine may have; `None` where nobody says.
    pub limit: Option<u64>,
}

/// How long one step of a reload took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    /// Which one.
    pub name: String,
    /// In microseconds.
    pub us: u64,
}

/// `GET policy`: what is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LivePolicy {
    /// The store's number of the policy.
    pub revision: u64,
    /// How many rulesets were live since the engine's start, this one included.
    pub swaps: u64,
    /// The ruleset's digest.
    pub digest: String,
    /// The verdict where no rule matches.
    pub default_action: String,
    /// How many rules there are.
    pub rules: u64,
    /// How many distinct names its lists hold.
    pub names: u64,
    /// Its lists; hidden below level 10.
    pub lists: Vec<LiveList>,
}

/// A list of the live policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveList {
    /// Its path.
    pub path: String,
    /// How many entries it has.
    pub entries: u64,
    /// The digest of its set; of a list with several parts, of all their sets.
    pub set: String,
}

/// `GET policy/backups`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backups {
    /// Newest first.
    pub backups: Vec<BackupRow>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupRow {
    /// 1 is the newest.
    pub generation: u32,
    /// Its name, `YYYYMMDD-HHMM.NNN`.
    pub snapshot: String,
    /// How many files it has.
    pub files: u64,
    /// Who and why, or `(currently applied)`.
    pub note: String,
}

/// `POST policy/rollback`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Which one, as `GET policy/backups` numbers them.
    pub generation: u32,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Load the files that come back past the shrink guards.
    #[serde(default)]
    pub force: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a rollback did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RollbackReceipt {
    /// The generation.
    pub generation: u32,
    /// The name of its snapshot.
    pub snapshot: String,
    /// Files that go, since they were added later.
    pub removed: Vec<String>,
    /// Files that were edited later and get their old text.
    pub overwritten: Vec<String>,
    /// Files that were removed later and come back.
    pub restored: Vec<String>,
    /// How many files are the same.
    pub unchanged: u64,
    /// The reload that followed; none for a dry run.
    pub reload: Option<Receipt>,
}

/// `GET policy/log`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyLog {
    /// Newest first.
    pub commits: Vec<LogRow>,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogRow {
    /// Its id.
    pub id: String,
    /// When, in RFC 3339.
    pub when: String,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Its names.
    pub tags: Vec<String>,
}

/// `GET policy/blame/RULE`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleBlame {
    /// The rule.
    pub rule: String,
    /// Its file.
    pub file: String,
    /// Its lines.
    pub lines: Vec<BlameRow>,
}

/// Who last changed a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlameRow {
    /// The line, from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// The commit; `None` where the line was never committed.
    pub commit: Option<LogRow>,
}

/// `POST policy/tag`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// The name.
    pub name: String,
}

/// What `POST policy/git-init` and `POST policy/tag` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GitDone {
    /// In a sentence.
    pub detail: String,
    /// The commit that it made, or named.
    pub commit: Option<String>,
}

/// `GET policy/diff/GENERATION`, or a tag or a commit in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diff {
    /// What the files are compared with.
    pub from: String,
    /// A unified difference; with a generation, the files that differ, a line each.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_switch_is_refused() {
        let read = serde_json::from_str::<ReloadRequest>;
        assert_eq!(read("{}").unwrap(), ReloadRequest::default());
        let asked = read("{\"reason\":\"r\",\"force\":true,\"dry_run\":true}").unwrap();
        assert!(asked.force && asked.dry_run);
        // A sequence is the door's to refuse: serde takes one for an object, field by field.
        for bad in ["{\"dryrun\":true}", "{\"force\":1}", "", "{\"reason\":1}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let read = serde_json::from_str::<RollbackRequest>;
        assert!(read("{\"generation\":1,\"dry-run\":true}").is_err());
        assert!(read("{\"generation\":-1}").is_err());
        assert!(!read("{\"generation\":1}").unwrap().dry_run);
    }

    #[test]
    fn nothing_changed_is_told_apart() {
        let mut changes = Changes::default();
        assert!(changes.is_empty());
        changes.reordered = true;
        assert!(!changes.is_empty());
        changes = Changes { lists: Listed { count: 1, names: Vec::new() }, ..Changes::default() };
        assert!(!changes.is_empty());
    }
}
