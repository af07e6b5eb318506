//! A verdict of the live policy with every step to it, and its rules.

use serde::{Deserialize, Serialize};

/// `POST policy/match`: one request. What is not said is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MatchRequest {
    /// `http://host/path`, or `host:port` for a CONNECT.
    pub url: String,
    /// The client's address; 127.0.0.1 where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The user that the proxy authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The method; GET, or CONNECT for `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The User-Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The Referer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
    /// The server name of the TLS connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The moment, in RFC 3339 or as local time; now where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The answer to `POST policy/match`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MatchAnswer {
    /// The request's URI as it was asked for.
    pub uri: String,
    /// What the rules compare: the canonical URI. `None` where it cannot be read.
    pub canonical: Option<String>,
    /// Whether a rule matched; not so where the default, or a fault, decides.
    pub matched: bool,
    /// The number of the verdict: 200, 300, 310 or 320.
    pub code: u16,
    /// The rule's number.
    pub rule_id: Option<u32>,
    /// The rule's name, or one of the engine's own.
    pub rule_name: String,
    /// permit, deny, warn or aup
    pub action: String,
    /// What a person is told.
    pub reason: String,
    /// The category, for reports.
    pub category: Option<String>,
    /// What of the rule fitted. Hidden below level 10, as everything below.
    pub pattern: Option<String>,
    /// Every step; `None` below level 10.
    pub explained: Option<Explained>,
}

/// A decision and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explained {
    /// The verdict.
    pub verdict: VerdictTold,
    /// What becomes of the TLS connection; of a request in the phase of the hello.
    pub tls: Option<String>,
    /// The readings of the URI, the canonical one first; none where it cannot be read.
    pub views: Vec<Reading>,
    /// What is not known when Squid asks so.
    pub unknown: Vec<String>,
    /// Every rule that holds, in the order of the ids; the first one decides.
    pub matches: Vec<RuleTold>,
    /// The rule for which the verdict waits, where it does.
    pub waits_for: Option<RuleTold>,
    /// The rules before the one that decides, none of which holds.
    pub before: Vec<RuleTold>,
    /// The disabled rules that would hold.
    pub disabled: Vec<RuleTold>,
    /// The shared files that do not count, in sentences.
    pub left_out: Vec<String>,
    /// What of it cannot be told for sure, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How many rules there are.
    pub rules: u64,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictTold {
    /// permit, deny, warn or aup
    pub action: String,
    /// The number of the action.
    pub code: u16,
    /// The rule's name, or one of the engine's own.
    pub rule: String,
    /// The rule's number.
    pub id: Option<u32>,
    /// Where the rule stands.
    pub file: Option<String>,
    /// The line of its name.
    pub line: Option<u32>,
    /// What a person is told.
    pub reason: String,
    /// For reports.
    pub category: Option<String>,
    /// The list that named the host.
    pub list: Option<String>,
    /// The first rule that would have decided, had it done more than monitor.
    pub monitored: Option<String>,
}

/// One reading of the URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reading {
    /// What it is called.
    pub view: String,
    /// The whole URI.
    pub uri: String,
}

/// One rule before the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleTold {
    /// Its number; of a disabled rule none.
    pub id: Option<u32>,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub action: String,
    /// `enforce`, or `monitor` for a rule that is only recorded.
    pub mode: String,
    /// Where it stands.
    pub file: String,
    /// The line of its name.
    pub line: u32,
    /// `holds`, `unknown` or `fails`
    pub outcome: String,
    /// What of it fits.
    pub fits: Vec<FitTold>,
    /// The attribute that failed first, or that is not known yet.
    pub failed: Option<FailedTold>,
}

/// A value that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FitTold {
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: String,
    /// Which of the connection's hosts it fits.
    pub on: Option<String>,
    /// In which view.
    pub view: Option<String>,
    /// The entry of the list.
    pub entry: Option<String>,
    /// The file of the list that has it, where its line was found.
    pub entry_file: Option<String>,
    /// Its line in that file.
    pub entry_line: Option<u64>,
}

/// An attribute that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FailedTold {
    /// The attribute.
    pub attribute: String,
    /// The first values that it asks for.
    pub asks: Vec<String>,
    /// How many more there are.
    pub more: u64,
    /// What the request has.
    pub seen: String,
    /// What is not known yet, where that is what is missing.
    pub lacks: Option<String>,
    /// Whether a value fits all the same, but not everywhere that it has to.
    pub in_part: bool,
}

/// `GET policy/rules`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rules {
    /// In the order of their ids; cut at the bound that `limit` asks for.
    pub rules: Vec<RuleRow>,
    /// How many there are.
    pub count: u64,
}

/// A live rule, as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleRow {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub action: String,
    /// `enforce` or `monitor`.
    pub mode: String,
    /// For reports.
    pub category: Option<String>,
    /// The file that it stands in.
    pub file: String,
    /// The line of its name.
    pub line: u32,
}

/// `GET policy/rules/RULE`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleDetail {
    /// The rule.
    pub rule: RuleRow,
    /// What it is for.
    pub description: Option<String>,
    /// What it asks for, a line an attribute as the policy file writes it; `None` below level 10.
    pub text: Option<String>,
    /// Whether the file has changed since the reload that made it live.
    pub changed: bool,
}
