//! A request as an operator writes it down, on a command line, in a file of cases or in a question to the
//! engine, to what rules see.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::client::{Client, Earlier, Known, Phase, Request, Tunnel};
use crate::uri::{CanonicalUri, Domain, Form, Host, Malformed, UriBuffer};

/// The client where none is named.
pub const SOURCE_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One request. What is not said is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// `http://host/path`, or `host:port` for a CONNECT.
    pub url: String,
    /// The client's address; 127.0.0.1 where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The user that the proxy authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The method; GET, or CONNECT for `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The Referer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
    /// The server name of the TLS connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// The CONNECT that a request inside a decrypted tunnel came through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// When Squid asks; follows from the rest where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseWord>,
    /// How Squid looks into TLS; `off` where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspect: Option<InspectWord>,
}

/// When Squid asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseWord {
    /// At the CONNECT.
    Connect,
    /// When the first message of TLS was read.
    Hello,
    /// A plain request, or one inside a decrypted tunnel.
    Request,
}

/// How Squid looks into TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InspectWord {
    /// Not at all.
    #[default]
    Off,
    /// It reads the first message.
    Peek,
    /// It decrypts.
    Bump,
}

/// Why a request as it is written down makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// A path without a scheme.
    #[error("`{0}` has a path and no scheme; write `http://{0}` or `https://{0}`")]
    NoScheme(String),
    /// A phase that the form of the request cannot be in.
    #[error("`{url}` cannot be asked about in the phase `{phase}`; {help}")]
    Phase {
        /// The request.
        url: String,
        /// The phase.
        phase: &'static str,
        /// What to write.
        help: &'static str,
    },
    /// A CONNECT around what is in no tunnel.
    #[error("only a request inside a tunnel came through a CONNECT; leave `connect` away")]
    NotInside,
    /// A server name before one is known.
    #[error("no server name is known in the phase `connect`; leave `sni` or the phase away")]
    NoNameYet,
    /// What is not the host of a CONNECT.
    #[error("`{text}` is not the `host:port` of a CONNECT: {reason}")]
    Connect {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl RequestSpec {
    /// Whether it is a CONNECT or a whole URI.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.url.contains("://") { Form::Absolute } else { Form::Connect }
    }

    /// The method as it is sent.
    #[must_use]
    pub fn method(&self) -> &str {
        match (&self.method, self.form()) {
            (Some(method), _) => method,
            (None, Form::Absolute) => "GET",
            (None, Form::Connect) => "CONNECT",
        }
    }

    /// The client's address.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.source.unwrap_or(SOURCE_DEFAULT)
    }

    /// When Squid asks.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (self.phase, self.form(), &self.sni) {
            (Some(PhaseWord::Connect), ..) | (None, Form::Connect, None) => Phase::Connect,
            (Some(PhaseWord::Hello), ..) | (None, Form::Connect, Some(_)) => Phase::Hello,
            (Some(PhaseWord::Request), ..) | (None, Form::Absolute, _) => Phase::Request,
        }
    }

    /// Hands the request to `judge` as rules see it, or why it is none that could be judged.
    ///
    /// # Errors
    ///
    /// It is written down in a way that means nothing.
    pub fn ask<T>(
        &self,
        judge: impl FnOnce(Result<&Request<'_>, Malformed>) -> T,
    ) -> Result<T, RequestFault> {
        self.makes_sense()?;
        let (mut buffer, mut name) = (UriBuffer::default(), String::new());
        let uri = match CanonicalUri::parse(&mut buffer, self.form(), self.url.as_bytes()) {
            Ok(uri) => uri,
            Err(fault) => return Ok(judge(Err(fault))),
        };
        let phase = self.phase();
        let sni = match (&self.sni, phase) {
            (Some(raw), _) => match Domain::parse(&mut name, raw.as_bytes()) {
                Ok(name) => Known::Is(name),
                Err(fault) => return Ok(judge(Err(fault))),
            },
            (None, Phase::Connect) => Known::Unknown,
            (None, Phase::Request) if self.connect.is_some() => Known::Unknown,
            (None, Phase::Hello | Phase::Request) => Known::Absent,
        };
        let user_agent = header(self.user_agent.as_deref());
        let mut host = String::new();
        let earlier = match (&self.connect, phase) {
            (Some(text), _) => Some(self.tunnel(text, &mut host)?),
            // What the CONNECT of this very tunnel told.
            (None, Phase::Hello) => {
                let (host, port) = (uri.host(), uri.port());
                Some(Earlier { host, port, sni: Known::Unknown, user_agent })
            }
            (None, Phase::Connect | Phase::Request) => None,
        };
        let client = Client {
            address: self.source().to_canonical(),
            user: self.user.as_deref().map(str::as_bytes),
            sni,
            user_agent: match phase {
                Phase::Hello => Known::Unknown,
                Phase::Connect | Phase::Request => user_agent,
            },
            referer: header(self.referer.as_deref()),
        };
        let tunnel = match self.inspect.unwrap_or_default() {
            InspectWord::Off => Tunnel::Opaque,
            InspectWord::Peek => Tunnel::Peeked,
            InspectWord::Bump => Tunnel::Decrypted,
        };
        let method = self.method().as_bytes();
        let request = Request { phase, tunnel, method, uri: &uri, client, earlier };
        Ok(judge(request.contradiction().map_or(Ok(&request), Err)))
    }

    fn makes_sense(&self) -> Result<(), RequestFault> {
        let fault = |phase, help| Err(RequestFault::Phase { url: self.url.clone(), phase, help });
        match (self.form(), self.phase()) {
            (Form::Connect, _) if self.url.contains(['/', '?']) => {
                Err(RequestFault::NoScheme(self.url.clone()))
            }
            (Form::Connect, Phase::Request) => {
                fault("request", "write the whole URI, `https://host/path`")
            }
            (Form::Absolute, Phase::Connect) => fault("connect", "write `host:port`"),
            (Form::Absolute, Phase::Hello) => fault("hello", "write `host:port`"),
            (Form::Connect, _) if self.connect.is_some() => Err(RequestFault::NotInside),
            (Form::Connect, Phase::Connect) if self.sni.is_some() => Err(RequestFault::NoNameYet),
            (Form::Connect, Phase::Connect | Phase::Hello) | (Form::Absolute, Phase::Request) => {
                Ok(())
            }
        }
    }

    /// The tunnel that a request came through.
    fn tunnel<'a>(&'a self, text: &str, host: &'a mut String) -> Result<Earlier<'a>, RequestFault> {
        let fault = |reason| RequestFault::Connect { text: text.to_owned(), reason };
        let (raw, port) = text.rsplit_once(':').ok_or_else(|| fault("it has no port"))?;
        let port = port.parse().map_err(|_| fault("the port is no number"))?;
        let host = Host::parse(host, raw.as_bytes()).map_err(|why| fault(why.sentence()))?;
        let user_agent = match &self.user_agent {
            Some(_) => header(self.user_agent.as_deref()),
            None => Known::Unknown,
        };
        Ok(Earlier { host, port, sni: Known::Unknown, user_agent })
    }
}

fn header(text: Option<&str>) -> Known<&[u8]> {
    text.map_or(Known::Absent, |text| Known::Is(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(url: &str) -> RequestSpec {
        RequestSpec { url: url.to_owned(), ..RequestSpec::default() }
    }

    #[test]
    fn what_follows_from_the_form() {
        let check = |spec: &RequestSpec, expected: (Phase, &str)| {
            assert_eq!((spec.phase(), spec.method()), expected, "{spec:?}");
            spec.ask(|request| assert!(request.is_ok(), "{spec:?}")).unwrap();
        };
        check(&spec("http://a.test/x"), (Phase::Request, "GET"));
        check(&spec("a.test:443"), (Phase::Connect, "CONNECT"));
        check(&spec("a.test"), (Phase::Connect, "CONNECT"));
        let named = RequestSpec { sni: Some("b.test".into()), ..spec("a.test:443") };
        check(&named, (Phase::Hello, "CONNECT"));
        let nameless = RequestSpec { phase: Some(PhaseWord::Hello), ..spec("a.test:443") };
        check(&nameless, (Phase::Hello, "CONNECT"));
        let sni = nameless.ask(|request| matches!(request.unwrap().sni(), Known::Absent));
        assert_eq!(sni, Ok(true));
        let agent = RequestSpec { user_agent: Some("x".into()), ..nameless };
        let told = agent.ask(|request| request.unwrap().user_agent() == Known::Is(b"x".as_slice()));
        assert_eq!(told, Ok(true));
        let inside = RequestSpec { connect: Some("[::1]:8443".into()), ..spec("https://a.test/") };
        let port = inside.ask(|request| request.unwrap().port());
        assert_eq!(port, Ok(8443));
    }

    #[test]
    fn what_means_nothing_is_a_fault() {
        let connect =
            |text: &str, url: &str| RequestSpec { connect: Some(text.to_owned()), ..spec(url) };
        for wrong in [
            spec("a.test/x"),
            spec("/x"),
            RequestSpec { phase: Some(PhaseWord::Request), ..spec("a.test:443") },
            RequestSpec { phase: Some(PhaseWord::Hello), ..spec("http://a.test/") },
            RequestSpec { phase: Some(PhaseWord::Connect), ..spec("http://a.test/") },
            RequestSpec {
                phase: Some(PhaseWord::Connect),
                sni: Some("a.test".into()),
                ..spec("a.test:443")
            },
            connect("a.test:443", "a.test:443"),
            connect("a.test", "https://a.test/"),
            connect("a.test:x", "https://a.test/"),
            connect("a test:443", "https://a.test/"),
        ] {
            assert!(wrong.ask(|_| ()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_no_engine_would_read_is_told_to_the_judge() {
        for bad in [
            spec("http://a%00.test/"),
            RequestSpec { sni: Some("..".into()), ..spec("a.test:443") },
            connected("http://a.test/"),
        ] {
            assert_eq!(bad.ask(|request| request.is_err()), Ok(true), "{bad:?}");
        }
    }

    fn connected(url: &str) -> RequestSpec {
        RequestSpec { connect: Some("a.test:443".into()), ..spec(url) }
    }
}
