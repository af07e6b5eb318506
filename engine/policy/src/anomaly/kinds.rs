//! `match-anomaly`: what of a connection does not fit together, or names nobody (SPEC 3, ADR 0016).
//!
//! Each anomaly is known in some phases only; `phase.rs` has the table. Names are compared whole: an SNI
//! `www.a.test` in a tunnel to `a.test` is another name. A CONNECT to an address is no mismatch with an
//! SNI, since nothing can be compared: it is an `ip-literal`.
//!
//! `ech` never holds, since no proxy tells of an encrypted `ClientHello` yet; the check warns.

use super::scripts;
use crate::check::Anomaly;
use crate::client::{Known, Phase, Request};
use crate::decide::{Lack, Outcome};
use crate::uri::{Host, Scheme};

impl Anomaly {
    /// Every one, in the order of the manual.
    pub const ALL: [Self; 6] = [
        Self::NoSni,
        Self::SniMismatch,
        Self::HostMismatch,
        Self::IpLiteral,
        Self::MixedScript,
        Self::Ech,
    ];

    /// The word of the policy language and of the audit trail.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSni => "no-sni",
            Self::SniMismatch => "sni-mismatch",
            Self::HostMismatch => "host-mismatch",
            Self::IpLiteral => "ip-literal",
            Self::MixedScript => "mixed-script",
            Self::Ech => "ech",
        }
    }

    /// Whether it is there, as far as this phase can tell.
    pub(crate) fn of(self, request: &Request<'_>) -> Outcome {
        match self {
            Self::NoSni => no_sni(request),
            Self::SniMismatch => sni_mismatch(request),
            Self::HostMismatch => host_mismatch(request),
            Self::IpLiteral => any_host(request, |host| matches!(host, Host::Address(_))),
            Self::MixedScript => any_host(request, |host| match host {
                Host::Name(name) => scripts::mixes(name.as_str()),
                Host::Address(_) => false,
            }),
            Self::Ech => Outcome::Fails,
        }
    }
}

/// What of the names of a connection contradicts itself, for the record: one name in the CONNECT and
/// another in the `ClientHello` or inside.
#[must_use]
pub fn fronting(request: &Request<'_>) -> Option<Anomaly> {
    // The Host inside says more than the SNI, so it comes first.
    [Anomaly::HostMismatch, Anomaly::SniMismatch]
        .into_iter()
        .find(|anomaly| anomaly.of(request) == Outcome::Holds)
}

/// Whether there is TLS without a server name.
fn no_sni(request: &Request<'_>) -> Outcome {
    match (request.sni(), request.phase) {
        (Known::Unknown, _) => Outcome::Unknown(Lack::Name),
        (Known::Is(_), _) => Outcome::Fails,
        (Known::Absent, Phase::Connect | Phase::Hello) => Outcome::Holds,
        // Plain http has no TLS; that a request came out of a tunnel, its tag tells.
        (Known::Absent, Phase::Request) => {
            (request.uri.scheme() == Scheme::Https && request.earlier.is_some()).into()
        }
    }
}

/// Whether the server name is another name than the host of the CONNECT.
fn sni_mismatch(request: &Request<'_>) -> Outcome {
    let connect = match request.phase {
        Phase::Connect => return Outcome::Unknown(Lack::Name),
        Phase::Hello => request.uri.host(),
        Phase::Request => match request.earlier {
            Some(earlier) => earlier.host,
            None => return Outcome::Fails,
        },
    };
    match (request.sni(), connect) {
        (Known::Unknown, _) => Outcome::Unknown(Lack::Name),
        (Known::Absent, _) | (Known::Is(_), Host::Address(_)) => Outcome::Fails,
        (Known::Is(sni), Host::Name(name)) => (sni != name).into(),
    }
}

/// Whether the host of a request inside a tunnel is neither that of the CONNECT nor the server name.
fn host_mismatch(request: &Request<'_>) -> Outcome {
    match (request.phase, request.earlier) {
        (Phase::Connect | Phase::Hello, _) => Outcome::Unknown(Lack::Inside),
        (Phase::Request, None) => Outcome::Fails,
        (Phase::Request, Some(earlier)) => {
            let host = request.uri.host();
            let is_sni = match (request.sni(), host) {
                (Known::Is(sni), Host::Name(name)) => sni == name,
                (Known::Is(_), Host::Address(_)) | (Known::Absent | Known::Unknown, _) => false,
            };
            (host != earlier.host && !is_sni).into()
        }
    }
}

/// Whether one of the hosts that this phase knows is such a one. As with `match-domain`, a server name
/// that is not known yet is not waited for: the question that knows it asks again.
fn any_host(request: &Request<'_>, is: impl Fn(Host<'_>) -> bool) -> Outcome {
    let sni = match request.sni() {
        Known::Is(name) => Some(Host::Name(name)),
        Known::Absent | Known::Unknown => None,
    };
    let hosts = [Some(request.uri.host()), sni, request.connect_host()];
    hosts.into_iter().flatten().any(is).into()
}
