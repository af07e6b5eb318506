//! A squidGuard.conf as a tree: blocks in the order of the file, each with its line, no meaning yet.

use super::super::times::Times;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// squidGuard 1.6.
    SquidGuard,
    /// ufdbGuard 1.33.
    UfdbGuard,
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) line: u64,
}

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Conf {
    pub(crate) dbhome: Option<String>,
    /// Settings that have no part in a policy, as they stand.
    pub(crate) settings: Vec<(Word, SettingKind)>,
    pub(crate) times: Vec<TimeBlock>,
    pub(crate) sources: Vec<Source>,
    pub(crate) dests: Vec<Dest>,
    pub(crate) rewrites: Vec<Word>,
    /// Branches in order; an `else` is one of its own behind the other.
    pub(crate) acls: Vec<Acl>,
}

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingKind {
    /// Something with no part in a policy.
    Plain,
    /// What connections may do.
    Security,
}

/// `within` or `outside` a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct During {
    pub(crate) time: Word,
    pub(crate) side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Within,
    Outside,
}

#[derive(Debug)]
pub(crate) struct TimeBlock {
    pub(crate) name: Word,
    pub(crate) times: Times,
    /// Parts that cannot be written, such as `*.12.25`.
    pub(crate) lost: Vec<Word>,
    /// Windows that never hold.
    pub(crate) never: Vec<Word>,
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Word,
    /// `ip` values, and files of them.
    pub(crate) addresses: Vec<Word>,
    pub(crate) address_files: Vec<Word>,
    /// Whether there is any condition on addresses, usable or not.
    pub(crate) users: Vec<Word>,
    pub(crate) user_files: Vec<Word>,
    /// Conditions on users with no counterpart.
    pub(crate) foreign_users: Vec<Word>,
    /// Conditions on addresses with no counterpart.
    pub(crate) foreign_addresses: Vec<Word>,
    /// `domain` of the client.
    pub(crate) domains: Vec<Word>,
    pub(crate) during: Option<During>,
    pub(crate) quota: Option<Word>,
    pub(crate) logs: Vec<Word>,
    /// Whether the search goes on where this source lets a request through.
    pub(crate) search: Search,
    /// Options of ufdbGuard.
    pub(crate) options: Vec<Word>,
}

/// What follows where a source lets a request through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    Ends,
    /// `continue`
    GoesOn,
}

#[derive(Debug)]
pub(crate) struct Dest {
    pub(crate) name: Word,
    pub(crate) domains: Vec<Word>,
    pub(crate) urls: Vec<Word>,
    pub(crate) expressions: Vec<Word>,
    pub(crate) redirect: Option<Word>,
    pub(crate) rewrite: Option<Word>,
    pub(crate) during: Option<During>,
    pub(crate) logs: Vec<Word>,
    /// Lists that a program makes.
    pub(crate) foreign: Vec<Word>,
    /// Options of ufdbGuard.
    pub(crate) options: Vec<Word>,
}

#[derive(Debug)]
pub(crate) struct Acl {
    pub(crate) source: Word,
    pub(crate) branch: Branch,
    pub(crate) pass: Vec<Pass>,
    pub(crate) redirect: Option<Word>,
    pub(crate) rewrite: Option<Word>,
    pub(crate) logs: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Branch {
    /// It has no time.
    Always,
    During(During),
    /// What is left of the one before.
    Else,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) word: Word,
    pub(crate) sign: Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Pass,
    /// `!`
    Stop,
}
