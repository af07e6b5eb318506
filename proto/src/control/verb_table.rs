//! The rows of `verbs`: a table, read by columns.

use super::level::Level;
use super::verbs::{Arg, ArgKind, Front, HttpMethod, May, Need, Own, Place, Row, Verb};

use ArgKind as K;
use Front::{Api, Request, Show};
use HttpMethod::{Delete, Get, Post, Put};
use Level::{Administrator, Monitoring, Standard};

/// An argument in the path.
const fn path(name: &'static str, kind: ArgKind, help: &'static str) -> Arg {
    Arg { name, place: Place::Path, kind, need: Need::Required, least: None, help }
}

/// An argument behind the path.
const fn query(name: &'static str, kind: ArgKind, need: Need, help: &'static str) -> Arg {
    Arg { name, place: Place::Query, kind, need, least: None, help }
}

/// A field that has to be there.
const fn field(name: &'static str, kind: ArgKind, help: &'static str) -> Arg {
    Arg { name, place: Place::Body, kind, need: Need::Required, least: None, help }
}

/// A field that may be left away.
const fn option(name: &'static str, kind: ArgKind, help: &'static str) -> Arg {
    Arg { name, place: Place::Body, kind, need: Need::Optional, least: None, help }
}

/// A field that is asked for and never read from a command line.
const fn secret(name: &'static str, help: &'static str) -> Arg {
    Arg { name, place: Place::Body, kind: K::Secret, need: Need::Prompted, least: None, help }
}

const USER: Arg = path("user", K::User, "the account");
const RULE: Arg = path("rule", K::Rule, "its name or number");
const NEIGHBOR: Arg = path("neighbor", K::Neighbor, "the connector's name");
const REASON: Arg = option("reason", K::Text, "why, for the trail, the snapshot and the history");
const DRY_RUN: Arg = option("dry-run", K::Switch, "say what would happen, and change nothing");
const FORCE: Arg = Arg {
    least: Some(Administrator),
    ..option("force", K::Switch, "past the guards of rules and lists that shrink")
};

/// On others from Administrator on, on the own account never.
const ON_OTHERS: May = May::On { others: Administrator, own: Own::Never };
/// On others from Administrator on, on the own account everybody.
const ON_OWN_TOO: May = May::On { others: Administrator, own: Own::From(Monitoring) };
/// On others and on the own account from Administrator on.
const ON_BOTH: May = May::On { others: Administrator, own: Own::From(Administrator) };

macro_rules! row {
    ($verb:ident, $words:expr, $method:ident, $path:expr, $may:expr, $front:ident, $args:expr, $help:expr) => {
        Row {
            verb: Verb::$verb,
            words: &$words,
            method: $method,
            path: $path,
            may: $may,
            front: $front,
            args: &$args,
            help: $help,
        }
    };
}

/// Every verb, in the order of help and manual.
#[rustfmt::skip] // a table is read by columns
pub const TABLE: &[Row] = &[
    // -- who asks
    row!(Login, ["login"], Post, "login", May::Everybody, Api,
        [field("user", K::Text, "the account"), secret("password", "its password"), secret("totp", "the six digits, or a recovery code")],
        "log in"),
    row!(Refresh, ["refresh"], Post, "refresh", May::Everybody, Api,
        [secret("refresh-token", "the newest refresh token")],
        "take new tokens for the newest refresh token"),
    row!(Logout, ["logout"], Post, "logout", May::LoggedIn, Api, [],
        "end this login"),
    row!(Who, ["session"], Get, "session", May::LoggedIn, Api, [],
        "say who asks"),
    // -- the engine
    row!(ShowStatus, ["show", "status"], Get, "status", May::FromAndService(Monitoring), Show, [],
        "the engine, its store and policy at a glance, and what weakens the gate"),
    row!(ShowVersion, ["show", "version"], Get, "version", May::FromAndService(Monitoring), Show, [],
        "versions of the engine and of what it is made with"),
    row!(ShowClock, ["show", "clock"], Get, "clock", May::FromAndService(Monitoring), Show, [],
        "local time, UTC, zones, and whether the clock is synchronised"),
    row!(ShowLog, ["show", "log"], Get, "log", May::From(Administrator), Show,
        [query("lines", K::Number, Need::Optional, "how many, 1 to 1000; 50 where it is not said")],
        "the newest lines of the engine's log"),
    row!(ShowDatabaseStatus, ["show", "database", "status"], Get, "database", May::FromAndService(Monitoring), Show, [],
        "the store: its file, tables, rows and bytes"),
    row!(ShowSystemThreads, ["show", "system", "threads"], Get, "system/threads", May::From(Monitoring), Show, [],
        "the engine's threads and the processor time of each"),
    row!(ShowSystemUriEngine, ["show", "system", "uri-engine"], Get, "system/uri-engine", May::From(Monitoring), Show, [],
        "what matches: names, regexes, their structures and memory"),
    row!(RequestEngineRestart, ["request", "engine", "restart"], Post, "engine/restart", May::From(Administrator), Request, [],
        "drain, then start anew with the listeners kept open"),
    // -- connectors
    row!(ShowNeighborSummary, ["show", "neighbor", "summary"], Get, "neighbors", May::From(Monitoring), Show, [],
        "connectors: sessions, requests, verdicts, latency, refused attempts"),
    row!(ShowNeighborDetail, ["show", "neighbor", "detail"], Get, "neighbors/{neighbor}", May::From(Monitoring), Show, [NEIGHBOR],
        "one connector and each of its sessions"),
    row!(RequestNeighborTeardown, ["request", "neighbor", "teardown"], Post, "neighbors/{neighbor}/teardown", May::From(Standard), Request,
        [NEIGHBOR, option("session", K::Session, "this session alone")],
        "end a connector's sessions; it is answered first, and connects anew"),
    // -- the policy
    row!(ShowPolicySummary, ["show", "policy", "summary"], Get, "policy", May::From(Monitoring), Show, [],
        "what is live: revision, digest, rules, lists"),
    row!(ShowPolicyList, ["show", "policy", "list"], Get, "policy/rules", May::From(Monitoring), Show,
        [query("limit", K::Number, Need::Optional, "how many, 1 to 100000; 10000 where it is not said")],
        "the live rules in order"),
    row!(ShowPolicyRule, ["show", "policy", "rule"], Get, "policy/rules/{rule}", May::From(Monitoring), Show, [RULE],
        "one live rule"),
    row!(ShowPolicyMatch, ["show", "policy", "match"], Post, "policy/match", May::From(Monitoring), Show,
        [field("url", K::Url, "http://host/path, or host:port for a CONNECT"),
         option("source", K::Address, "the client's address"),
         option("user-agent", K::Text, "the User-Agent"),
         option("at", K::Moment, "the moment, in place of now"),
         option("user", K::Text, "the user that the proxy authenticated"),
         option("method", K::Text, "the method"),
         option("referer", K::Text, "the Referer"),
         option("sni", K::Text, "the server name of the TLS connection")],
        "what the live policy says to a request, and why"),
    row!(ShowPolicyBackups, ["show", "policy", "backups"], Get, "policy/backups", May::From(Monitoring), Show, [],
        "the snapshots of the policy files"),
    row!(ShowPolicyLog, ["show", "policy", "log"], Get, "policy/log", May::From(Administrator), Show, [],
        "the history of the policy files"),
    row!(ShowPolicyBlame, ["show", "policy", "blame"], Get, "policy/blame/{rule}", May::From(Administrator), Show, [RULE],
        "who last changed each line of a rule"),
    row!(ShowPolicyDiff, ["show", "policy", "diff"], Get, "policy/diff/{from}", May::From(Administrator), Show,
        [path("from", K::Revision, "a generation, a tag or a commit")],
        "what the files have that an earlier state had not"),
    row!(PolicyFiles, ["policy", "files"], Get, "policy/files", May::From(Administrator), Api, [],
        "the policy files, for an editor"),
    row!(PolicyFile, ["policy", "file"], Get, "policy/file", May::From(Administrator), Api,
        [query("name", K::File, Need::Required, "its path below `[policy] path`")],
        "the text of one policy file"),
    row!(PolicyCommit, ["policy", "commit"], Post, "policy/commit", May::From(Administrator), Api,
        [field("base", K::Text, "what the files were when the edit began"),
         field("edits", K::Text, "the files that change"),
         option("comment", K::Text, "why"),
         option("check", K::Switch, "say what would happen, and change nothing"),
         FORCE,
         option("confirm-minutes", K::Number, "roll back by itself after so many minutes, unless it is confirmed")],
        "change policy files and load them"),
    row!(RequestPolicyConfirm, ["request", "policy", "confirm"], Post, "policy/confirm", May::From(Administrator), Request, [],
        "keep a commit that would roll itself back"),
    row!(RequestPolicyReload, ["request", "policy", "reload"], Post, "policy/reload", May::FromAndService(Administrator), Request,
        [REASON, FORCE, DRY_RUN, option("wait-s", K::Number, "seconds to wait for the receipt")],
        "read the policy files anew"),
    row!(ReloadReceipt, ["policy", "receipt"], Get, "policy/reload/{number}", May::FromAndService(Administrator), Api,
        [path("number", K::Number, "the number of the reload")],
        "what became of a reload"),
    row!(RequestPolicyRollback, ["request", "policy", "rollback"], Post, "policy/rollback", May::From(Administrator), Request,
        [field("generation", K::Generation, "which snapshot; 1 is the newest"), REASON, DRY_RUN, FORCE],
        "put the policy files back as they were, and load them"),
    row!(RequestPolicyGitInit, ["request", "policy", "git-init"], Post, "policy/git-init", May::From(Administrator), Request, [],
        "begin a history of the policy files"),
    row!(RequestPolicyTag, ["request", "policy", "tag"], Post, "policy/tag", May::From(Administrator), Request,
        [field("name", K::Text, "the name")],
        "give the newest commit a name"),
    // -- accounts
    row!(ShowUsers, ["show", "users"], Get, "users", May::From(Monitoring), Show, [],
        "the accounts, their levels and logins"),
    row!(ShowUserKeys, ["show", "user", "keys"], Get, "users/{user}/keys", ON_BOTH, Show, [USER],
        "a service account's API keys, without their secret parts"),
    row!(RequestUserAdd, ["request", "user", "add"], Post, "users", May::From(Administrator), Request,
        [field("name", K::Text, "the new account"),
         field("level", K::Level, "its level"),
         secret("password", "its password; a service account has none"),
         option("comment", K::Text, "what is said of it")],
        "make an account"),
    row!(RequestUserPasswd, ["request", "user", "passwd"], Put, "users/{user}/password", ON_OWN_TOO, Request,
        [USER, secret("password", "the new password"), secret("current", "the password before, for the own account")],
        "change a password, and end the account's other logins"),
    row!(RequestUserLevel, ["request", "user", "level"], Put, "users/{user}/level", ON_OTHERS, Request,
        [USER, field("level", K::Level, "the new level")],
        "change an account's level"),
    row!(RequestUserDisable, ["request", "user", "disable"], Post, "users/{user}/disable", ON_OTHERS, Request, [USER],
        "set an account's level to 0 and end its logins at once"),
    row!(RequestUserEnable, ["request", "user", "enable"], Post, "users/{user}/enable", ON_OTHERS, Request, [USER],
        "give a disabled account its level back"),
    row!(RequestUserRemove, ["request", "user", "remove"], Delete, "users/{user}", ON_OTHERS, Request, [USER],
        "remove an account"),
    row!(RequestUserTotp, ["request", "user", "totp"], Post, "users/{user}/totp",
        May::OnOwn(Monitoring), Request,
        [USER, secret("password", "the own password"), secret("code", "the six digits, once the secret is in the authenticator")],
        "set up a second factor for the own account"),
    row!(RequestUserTotpRemove, ["request", "user", "totp-remove"], Delete, "users/{user}/totp", ON_OTHERS, Request, [USER],
        "take away an account's second factor, as when a phone is lost"),
    row!(RequestUserKeyAdd, ["request", "user", "key-add"], Post, "users/{user}/keys", ON_BOTH, Request,
        [USER, option("days", K::Number, "how long it is good; 365 where it is not said"),
         Arg { need: Need::Repeated, ..option("sources", K::Network, "an address or network that may use it") }],
        "make an API key for a service account; it is shown this once"),
    row!(RequestUserKeyRemove, ["request", "user", "key-remove"], Delete, "users/{user}/keys/{prefix}", ON_BOTH, Request,
        [USER, path("prefix", K::KeyPrefix, "the beginning of the key")],
        "end an API key at once"),
];
