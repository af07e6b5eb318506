//! What a request shows to each kind of attributes, in words.

use super::kind::{Kind, civil};
use crate::check::{ConditionKind, IsConnect};
use crate::client::{InnerMethod, Known, Request};
use crate::moment::Moment;
use crate::regex::Field;
use crate::uri::{Domain, Host};
use crate::zone::Zone;

/// Whose name or address one of a connection's hosts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The request's own.
    Request,
    /// That of the `ClientHello`.
    Sni,
    /// That of the CONNECT that the request came through.
    Connect,
    /// One of the last two, or the port of the CONNECT; what patterns find there is not told apart.
    Elsewhere,
}

impl Whose {
    /// The word of the tools.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Request => "host",
            Self::Sni => "server name",
            Self::Connect => "CONNECT host",
            Self::Elsewhere => "another name or port of the connection",
        }
    }
}

/// The hosts of a request, each with the port where it may end up: its own (at the port of the CONNECT
/// too, where that differs), and the server name and the host of the CONNECT where they are others.
#[must_use]
pub fn origins<'a>(request: &Request<'a>) -> Vec<(Whose, Host<'a>, u16)> {
    let own = (request.uri.host(), request.port());
    let others = request.elsewhere().filter(|other| *other != own);
    let sni = match request.sni() {
        Known::Is(name) => Some(Host::Name(name)),
        Known::Absent | Known::Unknown => None,
    };
    let others = others.map(|(host, port)| {
        let whose = match host {
            host if host == own.0 => Whose::Request,
            host if Some(host) == sni => Whose::Sni,
            Host::Name(_) | Host::Address(_) => Whose::Connect,
        };
        (whose, host, port)
    });
    std::iter::once((Whose::Request, own.0, own.1)).chain(others).collect()
}

/// What is compared with the values of this kind.
pub(super) fn seen(kind: Kind, request: &Request<'_>, (now, zone): (Moment, &Zone)) -> String {
    match kind {
        Kind::Asked(ConditionKind::Application) => {
            let scheme = request.uri.scheme().word();
            match request.uri.is_connect() {
                IsConnect::Connect => format!("{scheme}, by CONNECT"),
                IsConnect::Other => scheme.to_owned(),
            }
        }
        Kind::Validity => instant(now),
        Kind::Asked(ConditionKind::Windows) => {
            format!("{} ({})", civil(zone.minute(now)), zone.name())
        }
        Kind::Asked(ConditionKind::Users) => {
            request.client.user.map_or_else(|| "none".to_owned(), text)
        }
        Kind::Asked(ConditionKind::Ports) => {
            request.ports().map(|port| port.to_string()).collect::<Vec<_>>().join(", ")
        }
        Kind::Asked(ConditionKind::Methods) => match request.inner_method() {
            InnerMethod::Known => text(request.method()),
            InnerMethod::Unknown => {
                format!("{}, and those inside are not known", text(request.method()))
            }
        },
        Kind::Exceptions => "what is excepted".to_owned(),
        Kind::Asked(ConditionKind::Domains | ConditionKind::Destinations) => hosts(request),
        Kind::Asked(ConditionKind::Uri | ConditionKind::Regex(Field::Uri)) => {
            text(request.uri.text())
        }
        Kind::Asked(ConditionKind::Sni | ConditionKind::Regex(Field::Sni)) => {
            known(request.sni().map(Domain::as_str))
        }
        Kind::Asked(ConditionKind::Sources) => request.client.address.to_canonical().to_string(),
        Kind::Asked(ConditionKind::Agents | ConditionKind::Regex(Field::UserAgent)) => {
            header(request.user_agent())
        }
        Kind::Asked(ConditionKind::Regex(Field::Referer)) => header(request.referer()),
        Kind::Asked(ConditionKind::Anomalies) => {
            let found = crate::check::Anomaly::ALL.into_iter();
            let found = found.filter(|own| own.of(request) == crate::decide::Outcome::Holds);
            let words: Vec<&str> = found.map(crate::check::Anomaly::word).collect();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        }
    }
}

/// An instant, in UTC.
pub(super) fn instant(moment: Moment) -> String {
    let instant = jiff::Timestamp::from_microsecond(moment.unix_micros());
    instant.map(|instant| instant.to_string()).unwrap_or_default()
}

/// The names of the connection, each once.
fn hosts(request: &Request<'_>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for (whose, host, _) in origins(request) {
        let text = match whose {
            Whose::Request => host.to_string(),
            Whose::Sni | Whose::Connect | Whose::Elsewhere => format!("{} {host}", whose.word()),
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(", ")
}

fn header(value: Known<&[u8]>) -> String {
    known(value.map(text))
}

fn known(value: Known<impl ToString>) -> String {
    match value {
        Known::Unknown => "not known".to_owned(),
        Known::Absent => "none".to_owned(),
        Known::Is(value) => value.to_string(),
    }
}

/// Bytes of a client as text.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<T> Known<T> {
    /// The value made into another.
    fn map<U>(self, to: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Unknown => Known::Unknown,
            Self::Absent => Known::Absent,
            Self::Is(value) => Known::Is(to(value)),
        }
    }
}
