//! The intermediate form: what every source format becomes, and what the one writer writes. Each rule
//! says who, what, when, and what then.
//!
//! INVARIANT: rules stand in the order in which they are asked; the first that holds decides.

use std::sync::Arc;

use super::report::{Place, Report};
use super::times::Times;

/// Values of a source that a rule shows; more of them stand in a list beside it, since every rule of the
/// source repeats them.
pub(crate) const INLINE_MAX: usize = 16;

/// A policy as it is going to be written.
#[derive(Debug, Default)]
pub struct Draft {
    /// The rules, first one first.
    pub rules: Vec<DraftRule>,
    /// The list files beside them.
    pub lists: Vec<DraftList>,
    /// What could not be carried over.
    pub report: Report,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct DraftRule {
    /// A name; the writer makes it legal and unique.
    pub name: String,
    /// Where it comes from.
    pub place: Place,
    /// Whom it is for.
    pub who: Who,
    /// What it is about.
    pub what: What,
    /// What it is not about.
    pub except: Vec<What>,
    /// When it holds.
    pub when: Times,
    /// What becomes of the request.
    pub then: Then,
    /// What the client is told.
    pub description: Option<String>,
    /// Whether it takes part.
    pub state: State,
}

/// Whom a rule is for.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// Values of `match-source`; empty for every address.
    pub addresses: Vec<String>,
    /// Values of `match-user`; empty for every user.
    pub users: Vec<String>,
}

/// What a rule is about.
#[derive(Debug, Clone)]
pub enum What {
    /// Every request.
    Everything,
    /// What is in one of these list files, and how each must be read.
    Lists(Vec<(String, ListForm)>),
    /// Requests for an address instead of a name.
    AnyAddress,
    /// `match-uri-regex`; every rule of a category shares them.
    Expressions(Arc<[String]>),
    /// `match-user-agent-regex`
    Agents(Arc<[String]>),
}

/// How a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListForm {
    /// A name a line.
    Plain,
    /// A host and path a line.
    Urls,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It passes.
    Permit,
    /// It is stopped.
    Deny,
}

/// Whether a rule takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    On,
    /// It waits for an operator, who must say whom it is for.
    Off,
}

/// A list file.
#[derive(Debug, Clone)]
pub struct DraftList {
    /// Its path below the folder.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}
