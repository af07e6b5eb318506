//! Answers as HTTP, and requests out of it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use eg_proto::control::edit::COMMIT_BODY_BYTES_MAX;
use eg_proto::control::{BODY_BYTES_MAX, Problem, ProblemKind, REASON_BYTES_MAX, Verb};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a body may take. It is small and comes from a program.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one of policy files may take: a slow line needs a minute for some megabytes.
const FILES_TIMEOUT: Duration = Duration::from_secs(60);

/// What a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyBound {
    /// Its bytes.
    pub(super) bytes: usize,
    /// How long it may take.
    pub(super) time: Duration,
}

impl BodyBound {
    /// Of whatever says nothing else.
    pub(super) const USUAL: Self = Self { bytes: BODY_BYTES_MAX, time: BODY_TIMEOUT };

    /// What a verb takes.
    pub(super) fn of(verb: Verb) -> Self {
        if verb == Verb::PolicyCommit {
            return Self { bytes: COMMIT_BODY_BYTES_MAX, time: FILES_TIMEOUT };
        }
        Self::USUAL
    }
}

/// A problem as an answer.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(status, "application/problem+json", &self.0);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A value as an answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    respond(status, "application/json", value)
}

fn respond(status: StatusCode, kind: &'static str, value: &impl Serialize) -> Response {
    // Structs of texts and numbers always have a JSON text.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The value that a request carries; an empty body is an empty object.
pub(super) async fn value_of<T: DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let bound = request.extensions().get().copied().unwrap_or(BodyBound::USUAL);
    if let Some(kind) = request.headers().get(CONTENT_TYPE)
        && !is_json(kind)
    {
        let detail = "the body is JSON: `Content-Type: application/json`";
        return Err(Problem::new(ProblemKind::UnsupportedMedia, detail).into());
    }
    let bytes = tokio::time::timeout(bound.time, Bytes::from_request(request, &()));
    let bytes = match bytes.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(refused)) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body has {} bytes at most", bound.bytes);
            return Err(Problem::new(ProblemKind::TooLarge, detail).into());
        }
        Ok(Err(refused)) => {
            return Err(Problem::new(ProblemKind::BadRequest, refused.body_text()).into());
        }
        Err(_) => {
            let detail = format!("the body took longer than {} s", bound.time.as_secs());
            return Err(Problem::new(ProblemKind::TooSlow, detail).into());
        }
    };
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    // Serde would take a sequence for an object too, field by field.
    let object: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_json::from_slice(text);
    let value = object.and_then(|object| serde_json::from_value(object.into()));
    value.map_err(|fault| {
        let detail = format!("the body is not what this path takes: {fault}");
        Problem::new(ProblemKind::BadRequest, detail).into()
    })
}

/// Whether a body of this media type is taken for JSON, whatever its parameters say. `curl -d` calls
/// everything a form, and no path takes one.
fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
    let taken = ["application/json", "application/x-www-form-urlencoded"];
    taken.iter().any(|taken| kind.trim().eq_ignore_ascii_case(taken))
}

/// A reason as trail, snapshot and history take it: one line, not too long, not empty.
pub(super) fn reason_of(given: Option<String>) -> Result<Option<String>, Refused> {
    let Some(given) = given else { return Ok(None) };
    let reason = given.trim();
    if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let detail = format!("a reason is one line of {REASON_BYTES_MAX} bytes at most");
        return Err(Problem::new(ProblemKind::BadRequest, detail).into());
    }
    Ok((!reason.is_empty()).then(|| reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_name() {
        for (kind, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/x-www-form-urlencoded", true),
            ("application/json-patch+json", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(&HeaderValue::from_static(kind)), expected, "{kind}");
        }
    }

    #[test]
    fn reasons_are_one_short_line() {
        let read = |text: &str| reason_of(Some(text.to_owned()));
        assert_eq!(read(" why \n").unwrap().as_deref(), Some("why"));
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("\t ").unwrap(), None);
        assert_eq!(reason_of(None).unwrap(), None);
        let longest = "x".repeat(REASON_BYTES_MAX);
        assert_eq!(read(&longest).unwrap(), Some(longest.clone()));
        for bad in [format!("{longest}x"), "a\nb".to_owned(), "a\u{1b}[31m".to_owned()] {
            assert_eq!(read(&bad).unwrap_err().0.kind, ProblemKind::BadRequest, "{bad:?}");
        }
    }
}
