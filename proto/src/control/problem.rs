//! The error document of the Control API (RFC 9457).

use serde::{Deserialize, Serialize};

/// What went wrong, for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Which kind it is; see [`ProblemKind`].
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status, once more.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// The number of the reload that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<u64>,
    /// The faults of policy files, where that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<FaultRow>,
}

/// Every kind of problem. On the wire it is a URN, which never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProblemKind {
    /// The request cannot be understood.
    #[serde(rename = "urn:enforcegate:problem:bad-request")]
    BadRequest,
    /// Nobody has logged in, or the token is not good any more.
    #[serde(rename = "urn:enforcegate:problem:unauthorized")]
    Unauthorized,
    /// The password is right, and the account has a second factor, which was not given.
    #[serde(rename = "urn:enforcegate:problem:second-factor")]
    SecondFactor,
    /// Whoever asks may not.
    #[serde(rename = "urn:enforcegate:problem:forbidden")]
    Forbidden,
    /// There is nothing by that name or number.
    #[serde(rename = "urn:enforcegate:problem:not-found")]
    NotFound,
    /// The path takes another method.
    #[serde(rename = "urn:enforcegate:problem:method-not-allowed")]
    MethodNotAllowed,
    /// The request is larger than a bound.
    #[serde(rename = "urn:enforcegate:problem:too-large")]
    TooLarge,
    /// The request came too slowly.
    #[serde(rename = "urn:enforcegate:problem:too-slow")]
    TooSlow,
    /// The body is of a kind that the path does not take.
    #[serde(rename = "urn:enforcegate:problem:unsupported-media")]
    UnsupportedMedia,
    /// The policy has faults, or a guard stands in its way.
    #[serde(rename = "urn:enforcegate:problem:policy-refused")]
    PolicyRefused,
    /// What was asked for does not fit the state of things.
    #[serde(rename = "urn:enforcegate:problem:conflict")]
    Conflict,
    /// Too many attempts; later ones are heard again.
    #[serde(rename = "urn:enforcegate:problem:too-many")]
    TooMany,
    /// Too much waits already.
    #[serde(rename = "urn:enforcegate:problem:busy")]
    Busy,
    /// The engine ends.
    #[serde(rename = "urn:enforcegate:problem:ending")]
    Ending,
    /// The engine could not do it: a disk, a folder, the store.
    #[serde(rename = "urn:enforcegate:problem:failed")]
    Failed,
}

impl ProblemKind {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized | Self::SecondFactor => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::PolicyRefused => 422,
            Self::TooMany => 429,
            Self::Failed => 500,
            Self::Busy | Self::Ending => 503,
        }
    }

    /// The kind in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "the request cannot be understood",
            Self::Unauthorized => "log in first",
            Self::SecondFactor => "give the code of the second factor too",
            Self::Forbidden => "not allowed",
            Self::NotFound => "not found",
            Self::MethodNotAllowed => "the path takes another method",
            Self::TooLarge => "the request is too large",
            Self::TooSlow => "the request came too slowly",
            Self::UnsupportedMedia => "the body is of another kind",
            Self::PolicyRefused => "the policy was refused",
            Self::Conflict => "it does not fit the state of things",
            Self::TooMany => "too many attempts",
            Self::Busy => "too much waits already",
            Self::Ending => "the engine ends",
            Self::Failed => "the engine could not do it",
        }
    }
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            reload: None,
            diagnostics: Vec::new(),
        }
    }
}

/// One fault of a policy file, as `egpolicy check` says it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FaultRow {
    /// The stable number, `EGP0xx`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The policy file.
    pub file: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_fields_of_rfc_9457() {
        let mut problem = Problem::new(ProblemKind::Busy, "16 wait");
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            text,
            "{\"type\":\"urn:enforcegate:problem:busy\",\"title\":\"too much waits already\",\
             \"status\":503,\"detail\":\"16 wait\"}"
        );
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
        problem.reload = Some(7);
        problem.diagnostics.push(FaultRow {
            code: "EGP020".to_owned(),
            severity: "error".to_owned(),
            file: "a.policy".to_owned(),
            line: 1,
            column: 2,
            message: "m".to_owned(),
            help: "h".to_owned(),
        });
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }
}
