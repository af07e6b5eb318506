//! The query of a redirect to an opened payload, or the answer that refuses it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use eg_proto::{Freshness, Opener, Payload, Route};
use serde::Deserialize;

/// The version of the payload that this portal opens.
const VERSION: &str = "1";

/// What Squid puts where there was no token to expand.
const NO_TOKEN: &str = "-";

/// The query parameters of a redirect, as they came.
#[derive(Debug, Default, Deserialize)]
pub struct RedirectQuery {
    v: Option<String>,
    p: Option<String>,
}

/// What a redirect asks of the portal.
#[derive(Debug)]
pub enum Arrival {
    /// An authentic, fresh payload: show it.
    Page(Box<Payload>),
    /// An authentic one that has grown old: back to the URL, where the filter decides anew.
    Stale(Box<Payload>),
    /// No payload: the filter could not be asked.
    FilterUnavailable,
    /// Anything else.
    Refused,
}

impl Arrival {
    /// Judges the query of a request for `route` at `now`.
    #[must_use]
    pub fn of(query: &RedirectQuery, route: Route, opener: &Opener, now: SystemTime) -> Self {
        let token = match query.p.as_deref() {
            None | Some("" | NO_TOKEN) => return Self::FilterUnavailable,
            Some(token) => token,
        };
        if query.v.as_deref() != Some(VERSION) {
            return Self::Refused;
        }
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match opener.open(route, token, i64::try_from(seconds).unwrap_or(i64::MAX)) {
            Err(fault) => {
                tracing::debug!(%fault, "payload refused");
                Self::Refused
            }
            Ok(opened) => match opened.freshness {
                Freshness::Fresh => Self::Page(Box::new(opened.payload)),
                Freshness::Expired => Self::Stale(Box::new(opened.payload)),
            },
        }
    }
}

/// The URL that a stale payload leads back to: as it was asked for, or its canonical form for a
/// CONNECT, which names no page; only what a browser can fetch again.
#[must_use]
pub fn way_back(payload: &Payload) -> Option<&str> {
    [payload.url.as_str(), payload.canonical.as_str()].into_iter().find(|url| {
        ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
            && url.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// The status of a refused arrival; without a word on why (SPEC 12).
pub const REFUSED: StatusCode = StatusCode::BAD_REQUEST;
