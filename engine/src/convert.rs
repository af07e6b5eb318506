//! Wire types to policy types and back; the only module that names both.
//!
//! INVARIANT: every function here is total, and none decides.

use std::time::Instant;

use eg_policy as policy;
use eg_policy::client::{Client, Earlier, Known, Request, Tunnel};
use eg_policy::uri::{CanonicalUri, Domain, Form, Host, Malformed};
use eg_proto as proto;
use eg_proto::{Inspect, Kept, Query, Role, Sni, Standing, Tag};

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
    earlier: Option<Earlier<'a>>,
) -> Request<'a> {
    Request {
        phase: phase_of(query.phase),
        tunnel: tunnel_of(query, inspect),
        method: query.method,
        uri,
        client: Client {
            address: query.client.to_canonical(),
            user: query.user,
            sni,
            user_agent: user_agent_of(query),
            referer: referer_of(query),
        },
        earlier,
    }
}

const fn phase_of(phase: proto::Phase) -> policy::client::Phase {
    match phase {
        proto::Phase::Connect => policy::client::Phase::Connect,
        proto::Phase::Hello => policy::client::Phase::Hello,
        proto::Phase::Request => policy::client::Phase::Request,
    }
}

/// What becomes of the tunnel, by what the connector said of its Squid. Whether a request may go on is
/// asked after the `ClientHello` only where Squid passes the connection through (measured; ADR 0016), so
/// that nobody asks about what is inside.
const fn tunnel_of(query: &Query<'_>, inspect: Inspect) -> Tunnel {
    match (query.role, query.phase) {
        (Role::Rewrite, proto::Phase::Hello) => Tunnel::Opaque,
        (Role::Rewrite, proto::Phase::Connect | proto::Phase::Request) | (Role::Acl, _) => {
            whole_way_of(inspect)
        }
    }
}

/// What becomes of tunnels, by what the connector said of its Squid.
pub(crate) const fn whole_way_of(inspect: Inspect) -> Tunnel {
    match inspect {
        Inspect::Off => Tunnel::Opaque,
        Inspect::Peek => Tunnel::Peeked,
        Inspect::Bump => Tunnel::Decrypted,
    }
}

/// Whether a permit holds only where Squid asks about the tunnel again, as it does on a port that
/// looks into TLS. It then says bump, whatever the second question will be answered with.
pub(crate) const fn waits_for(verdict: &policy::verdict::Verdict<'_>) -> Option<proto::Tls> {
    match verdict.cause {
        policy::verdict::Cause::Deferred => Some(proto::Tls::Bump),
        policy::verdict::Cause::Rule { .. }
        | policy::verdict::Cause::Default
        | policy::verdict::Cause::Invalid(_)
        | policy::verdict::Cause::Portal
        | policy::verdict::Cause::AuditUnavailable => None,
    }
}

/// The header stands in requests alone; a CONNECT has none of what is inside.
const fn referer_of<'a>(query: &Query<'a>) -> Known<&'a [u8]> {
    match (query.referer, query.phase) {
        (_, proto::Phase::Connect | proto::Phase::Hello) => Known::Unknown,
        (Some(text), proto::Phase::Request) => Known::Is(text),
        (None, proto::Phase::Request) => Known::Absent,
    }
}

/// What an earlier answer sealed about the same client connection; the buffers are memory for its two
/// names.
///
/// # Errors
/// Where it holds a host or a server name that is none; no engine seals one.
pub(crate) fn earlier_of<'a>(
    tag: &Tag<'a>,
    host: &'a mut String,
    sni: &'a mut String,
) -> Result<Earlier<'a>, Malformed> {
    Ok(Earlier {
        host: Host::parse(host, tag.host)?,
        port: tag.port,
        sni: match tag.sni {
            Sni::Unknown => Known::Unknown,
            Sni::Absent => Known::Absent,
            Sni::Name(name) => Known::Is(Domain::parse(sni, name)?),
        },
        user_agent: match tag.user_agent {
            Kept::Unknown => Known::Unknown,
            Kept::Absent => Known::Absent,
            Kept::Text(text) => Known::Is(text),
        },
    })
}

/// What an answer to the second question leaves behind: a connection that is denied may go on, so that
/// the client sees it inside TLS. What a client may acknowledge in between is decided anew.
pub(crate) const fn standing_of(action: policy::verdict::Action) -> Standing {
    match action {
        policy::verdict::Action::Deny => Standing::Refused,
        policy::verdict::Action::Permit
        | policy::verdict::Action::Warn
        | policy::verdict::Action::Aup => Standing::Passed,
    }
}

/// What is sealed about the client connection of a request that goes on; nothing where no further
/// question about the connection comes, or where it is a request inside.
pub(crate) fn tag_of<'a>(
    request: &Request<'a>,
    decision: proto::DecisionId,
    standing: Standing,
    at: i64,
) -> Option<Tag<'a>> {
    match request.phase {
        policy::client::Phase::Connect | policy::client::Phase::Hello => {}
        policy::client::Phase::Request => return None,
    }
    Some(Tag {
        client: request.client.address,
        host: request.uri.host_text().as_bytes(),
        port: request.uri.port(),
        sni: match request.sni() {
            Known::Unknown => Sni::Unknown,
            Known::Absent => Sni::Absent,
            Known::Is(name) => Sni::Name(name.as_str().as_bytes()),
        },
        user_agent: match request.user_agent() {
            Known::Unknown => Kept::Unknown,
            Known::Absent => Kept::Absent,
            Known::Is(text) => Kept::Text(text),
        },
        decision,
        standing,
        at,
    })
}

/// The tag that comes with a query. A CONNECT starts a connection, and nothing was said of it before.
pub(crate) const fn tag_in<'a>(query: &Query<'a>) -> Option<&'a [u8]> {
    match query.phase {
        proto::Phase::Connect => None,
        proto::Phase::Hello | proto::Phase::Request => query.tag,
    }
}

/// The second question's answer on the wire: the connection goes on, or it does not, and how.
pub(crate) const fn way_of(tls: policy::verdict::Tls) -> (proto::Action, proto::Tls) {
    match tls {
        policy::verdict::Tls::Splice => (proto::Action::Permit, proto::Tls::Splice),
        policy::verdict::Tls::Bump => (proto::Action::Permit, proto::Tls::Bump),
        policy::verdict::Tls::Terminate => (proto::Action::Deny, proto::Tls::Terminate),
    }
}

/// The reason for which a question about a connection that has said nothing yet is answered with its
/// end.
pub(crate) const fn no_hello() -> Malformed {
    Malformed::NoHello
}

/// The reason for which a tunnel that goes on as it is, and was not to, is refused.
pub(crate) const fn not_decrypted() -> Malformed {
    Malformed::NotDecrypted
}

/// The reason for which a request inside a tunnel that was denied is refused, whatever it says itself.
pub(crate) const fn refused_tunnel() -> Malformed {
    Malformed::RefusedTunnel
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
        tls: None,
        anomaly: None,
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
        tls: None,
        anomaly: None,
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
