//! Wire types to policy types and back; the only module that names both.
//!
//! INVARIANT: every function here is total, and none decides.

use std::time::Instant;

use eg_policy as policy;
use eg_policy::client::{Client, Known, Request, Tunnel};
use eg_policy::uri::{CanonicalUri, Domain, Form, Malformed};
use eg_proto as proto;
use eg_proto::{Inspect, Query, Sni};

use crate::audit::{Asked, Facts};

/// The shape of the query's URI: `host:port` for a CONNECT, else a whole URI.
pub(crate) fn form_of(query: &Query<'_>) -> Form {
    if query.method == b"CONNECT" { Form::Connect } else { Form::Absolute }
}

/// The query's SNI in canonical form.
///
/// # Errors
/// Where there is one and it is no domain name.
pub(crate) fn sni_of<'b>(
    buffer: &'b mut String,
    query: &Query<'_>,
) -> Result<Known<Domain<'b>>, Malformed> {
    match query.sni {
        Sni::Unknown => Ok(Known::Unknown),
        Sni::Absent => Ok(Known::Absent),
        Sni::Name(raw) => Domain::parse(buffer, raw).map(Known::Is),
    }
}

/// The request as rules see it.
pub(crate) fn request_of<'a>(
    query: &Query<'a>,
    inspect: Inspect,
    uri: &'a CanonicalUri<'a>,
    sni: Known<Domain<'a>>,
) -> Request<'a> {
    Request {
        phase: phase_of(query.phase),
        tunnel: tunnel_of(inspect),
        method: query.method,
        uri,
        client: Client {
            address: query.client.to_canonical(),
            user: query.user,
            sni,
            user_agent: user_agent_of(query),
            referer: Known::Unknown,
        },
        earlier: None,
    }
}

const fn phase_of(phase: proto::Phase) -> policy::client::Phase {
    match phase {
        proto::Phase::Connect => policy::client::Phase::Connect,
        proto::Phase::Hello => policy::client::Phase::Hello,
        proto::Phase::Request => policy::client::Phase::Request,
    }
}

/// Whether the tunnel will be decrypted, by what the connector said of its Squid.
const fn tunnel_of(inspect: Inspect) -> Tunnel {
    match inspect {
        Inspect::Off | Inspect::Peek => Tunnel::Opaque,
        Inspect::Bump => Tunnel::Decrypted,
    }
}

/// Squid has lost the user agent when it asks about a `ClientHello`, so none then is not no header.
const fn user_agent_of<'a>(query: &Query<'a>) -> Known<&'a [u8]> {
    match (query.user_agent, query.phase) {
        (Some(text), _) => Known::Is(text),
        (None, proto::Phase::Hello) => Known::Unknown,
        (None, proto::Phase::Connect | proto::Phase::Request) => Known::Absent,
    }
}

/// What the trail keeps of a query; `url` is its canonical form, or what was sent where it has none.
pub(crate) fn facts_of<'a>(query: &Query<'a>, url: &'a [u8], received: Instant) -> Facts<'a> {
    Facts {
        query: query.id,
        asked: match query.retry {
            proto::Retry::First => Asked::First,
            proto::Retry::Again => Asked::Again,
        },
        phase: match query.phase {
            proto::Phase::Connect => "connect",
            proto::Phase::Hello => "hello",
            proto::Phase::Request => "request",
        },
        client: Some(query.client.to_canonical()),
        user: query.user,
        method: query.method,
        url,
        received,
    }
}

/// What the trail keeps of a query that cannot be read.
pub(crate) const fn facts_of_unreadable<'a>(id: u64, received: Instant) -> Facts<'a> {
    Facts {
        query: id,
        asked: Asked::First,
        phase: "",
        client: None,
        user: None,
        method: b"",
        url: b"",
        received,
    }
}

/// The reason that an unreadable query is denied with.
pub(crate) const fn unreadable() -> Malformed {
    Malformed::UnreadableQuery
}

/// What the connector must do for a verdict.
pub(crate) const fn action_of(action: policy::verdict::Action) -> proto::Action {
    match action {
        policy::verdict::Action::Permit => proto::Action::Permit,
        policy::verdict::Action::Deny => proto::Action::Deny,
        policy::verdict::Action::Warn => proto::Action::Warn,
        policy::verdict::Action::Aup => proto::Action::Aup,
    }
}
