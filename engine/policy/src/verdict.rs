//! What a decision gives: one of four actions, and where it came from.
//!
//! INVARIANT: there is no fifth action and no empty verdict; whatever goes wrong on the way is a
//! `Verdict` that denies.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ruleset::Rule;
use crate::uri::Malformed;

/// What a rule asks for and what a request gets (SPEC 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The request goes on unchanged.
    Permit,
    /// The client is sent to the portal; terminal.
    Deny,
    /// The client is warned and may go on.
    Warn,
    /// The client must accept the usage policy.
    Aup,
}

impl Action {
    /// The code on the wire, in the audit trail and in the tools.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Permit => 200,
            Self::Deny => 300,
            Self::Warn => 310,
            Self::Aup => 320,
        }
    }

    /// The word of the policy language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Aup => "aup",
        }
    }

    /// Whether the client is stopped. Rules that block hold in any view, rules that permit only in
    /// every view (SPEC 4).
    #[must_use]
    pub const fn blocks(self) -> bool {
        match self {
            Self::Permit => false,
            Self::Deny | Self::Warn | Self::Aup => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a rule asks for a TLS connection, and what the second question is answered with (SPEC 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Pass it through untouched.
    Splice,
    /// Decrypt it.
    Bump,
    /// End it.
    Terminate,
}

impl Tls {
    /// The word of the policy language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Bump => "bump",
            Self::Terminate => "terminate",
        }
    }
}

/// The number of a rule in load order, from 1; the lowest matching one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub u32);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The outcome of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'r> {
    /// What the client gets.
    pub action: Action,
    /// Why.
    pub cause: Cause<'r>,
    /// The first rule that would have held, had it done more than monitor.
    pub monitored: Option<&'r Rule>,
}

/// Where a verdict came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause<'r> {
    /// This rule was the first that held.
    Rule {
        /// The rule.
        rule: &'r Rule,
        /// The list that named the host, where one did.
        list: Option<&'r str>,
    },
    /// No rule held: `default_action`.
    Default,
    /// A later question about the same tunnel decides: its inner requests, or its `ClientHello`.
    Deferred,
    /// It is a page of the portal, or a tunnel to it.
    Portal,
    /// The request has no canonical form.
    Invalid(Malformed),
    /// The audit entry could not be written (SPEC 11).
    AuditUnavailable,
}

impl<'r> Verdict<'r> {
    /// A verdict beside which no rule was monitored.
    #[must_use]
    pub const fn new(action: Action, cause: Cause<'r>) -> Self {
        Self { action, cause, monitored: None }
    }

    /// The same verdict with a rule that would have held before it.
    #[must_use]
    pub const fn noting(self, monitored: Option<&'r Rule>) -> Self {
        Self { monitored, ..self }
    }

    /// The verdict on a request that cannot be read.
    #[must_use]
    pub const fn invalid_request(fault: Malformed) -> Self {
        Self::new(Action::Deny, Cause::Invalid(fault))
    }

    /// The verdict on what the loop guard covers.
    #[must_use]
    pub const fn portal() -> Self {
        Self::new(Action::Permit, Cause::Portal)
    }

    /// Let through, since a later question about the same tunnel decides.
    #[must_use]
    pub const fn deferred() -> Self {
        Self::new(Action::Permit, Cause::Deferred)
    }

    /// The verdict where the record is not assured.
    #[must_use]
    pub const fn audit_unavailable() -> Self {
        Self::new(Action::Deny, Cause::AuditUnavailable)
    }

    /// The rule's name, or one of the reserved names.
    #[must_use]
    pub fn rule_name(&self) -> &'r str {
        match self.cause {
            Cause::Rule { rule, .. } => &rule.name,
            Cause::Default => match self.action {
                Action::Permit => "default-permit",
                Action::Deny => "default-deny",
                Action::Warn => "default-warn",
                Action::Aup => "default-aup",
            },
            Cause::Deferred => "default-deferred",
            Cause::Portal => "default-portal",
            Cause::Invalid(_) => "invalid-request",
            Cause::AuditUnavailable => "audit-unavailable",
        }
    }

    /// The rule's id; the engine's own verdicts hold none.
    #[must_use]
    pub fn rule_id(&self) -> Option<RuleId> {
        match self.cause {
            Cause::Rule { rule, .. } => Some(rule.id),
            Cause::Default
            | Cause::Deferred
            | Cause::Portal
            | Cause::Invalid(_)
            | Cause::AuditUnavailable => None,
        }
    }

    /// The reason that a person reads: the rule's description, or a sentence of ours.
    #[must_use]
    pub fn reason(&self) -> &'r str {
        match self.cause {
            Cause::Rule { rule, .. } => rule.description.as_deref().unwrap_or(match self.action {
                Action::Permit => "permitted by this rule",
                Action::Deny => "denied by this rule",
                Action::Warn => "this rule asks for a confirmation",
                Action::Aup => "this rule asks to accept the usage policy",
            }),
            Cause::Default => "no rule matched; the default action applies",
            Cause::Portal => "the pages of the portal are always let through",
            Cause::Deferred => "more is known of this tunnel later; it is decided then",
            Cause::Invalid(fault) => fault.sentence(),
            Cause::AuditUnavailable => "the decision could not be recorded",
        }
    }

    /// The rule's category: what the rule says, or the stem of the list that hit.
    #[must_use]
    pub fn category(&self) -> Option<&'r str> {
        match self.cause {
            Cause::Rule { rule, list } => {
                rule.category.as_deref().or_else(|| list.map(crate::lists::stem))
            }
            Cause::Default
            | Cause::Deferred
            | Cause::Portal
            | Cause::Invalid(_)
            | Cause::AuditUnavailable => None,
        }
    }

    /// The list that named the host, where one did.
    #[must_use]
    pub fn list(&self) -> Option<&'r str> {
        match self.cause {
            Cause::Rule { list, .. } => list,
            Cause::Default
            | Cause::Deferred
            | Cause::Portal
            | Cause::Invalid(_)
            | Cause::AuditUnavailable => None,
        }
    }
}
