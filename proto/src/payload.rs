//! What a redirect carries to the portal (SPEC 12). How it is sealed stands in `seal`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::answer::{Action, Route};
use crate::hello::FailureCause;

/// The rule that a connector's own failures are shown under.
pub const RULE_ENGINE_UNAVAILABLE: &str = "engine-unavailable";

/// What the portal reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The decision's id; empty where no engine decided.
    #[serde(rename = "d", default)]
    pub decision: String,
    /// The rule's name.
    #[serde(rename = "r")]
    pub rule: String,
    /// The rule's number, where it has one.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<u32>,
    /// What the rule asks for.
    #[serde(rename = "a")]
    pub action: Action,
    /// Its code.
    #[serde(rename = "c")]
    pub code: u16,
    /// The reason that a person reads.
    #[serde(rename = "m")]
    pub reason: String,
    /// The category.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The URL as sent; empty where it is not known or too long.
    #[serde(rename = "u", default)]
    pub url: String,
    /// The URL in its canonical form; empty where it has none.
    #[serde(rename = "n", default)]
    pub canonical: String,
    /// The client that counts, unknown only in a connector's own failure.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The user.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it was decided, in seconds since 1970.
    #[serde(rename = "t")]
    pub at: i64,
    /// When it stops to count, in seconds since 1970.
    #[serde(rename = "e")]
    pub expires: i64,
    /// What the portal relays when the visitor goes on.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub ack_token: Option<String>,
}

/// A payload of borrowed parts: what the engine seals without building texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadRef<'a> {
    /// The decision's id; empty where no engine decided.
    pub decision: &'a str,
    /// The rule's name.
    pub rule: &'a str,
    /// The rule's number, where it has one.
    pub rule_id: Option<u32>,
    /// What the rule asks for; its code goes along.
    pub action: Action,
    /// The reason that a person reads.
    pub reason: &'a str,
    /// The category.
    pub category: Option<&'a str>,
    /// The URL as sent; bytes that are not printable ASCII are percent-encoded on the way.
    pub url: &'a [u8],
    /// The URL in its canonical form, empty where it has none.
    pub canonical: &'a [u8],
    /// The client.
    pub client: Option<IpAddr>,
    /// The user, as the proxy sent it.
    pub user: Option<&'a [u8]>,
    /// When it was decided, in seconds since 1970.
    pub at: i64,
    /// When it stops to count, in seconds since 1970.
    pub expires: i64,
    /// What the portal relays when the visitor goes on.
    pub ack_token: Option<&'a str>,
}

impl<'a> PayloadRef<'a> {
    /// The payload of a connector's own failure.
    #[must_use]
    pub const fn unavailable(cause: FailureCause, at: i64, expires: i64) -> Self {
        Self {
            decision: "",
            rule: RULE_ENGINE_UNAVAILABLE,
            rule_id: None,
            action: Action::Deny,
            reason: cause.sentence(),
            category: None,
            url: b"",
            canonical: b"",
            client: None,
            user: None,
            at,
            expires,
            ack_token: None,
        }
    }
}

impl Payload {
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> PayloadRef<'_> {
        PayloadRef {
            decision: &self.decision,
            rule: &self.rule,
            rule_id: self.rule_id,
            action: self.action,
            reason: &self.reason,
            category: self.category.as_deref(),
            url: self.url.as_bytes(),
            canonical: self.canonical.as_bytes(),
            client: self.client,
            user: self.user.as_deref().map(str::as_bytes),
            at: self.at,
            expires: self.expires,
            ack_token: self.ack_token.as_deref(),
        }
    }
}

/// The address that a client is sent to.
#[must_use]
pub fn redirect_url(base_url: &str, route: Route, token: &str) -> String {
    format!("{}{}?v=1&p={token}", base_url.trim_end_matches('/'), route.path())
}
