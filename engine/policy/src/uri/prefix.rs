//! The literal of a rule, in the same canonical form as requests.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::authority::{self, UserInfo};
use super::malformed::Malformed;
use super::path::{self, Sent, octet};
use super::request::{URI_BYTES_MAX, split_authority, split_scheme};
use super::scheme::Scheme;

/// A literal prefix of a canonical URI (`match-uri`). A value without scheme fits any scheme, one
/// without port any port; the host must match whole. In files it is its own text.
///
/// ```
/// use eg_policy::uri::UriPrefix;
/// let prefix = UriPrefix::parse("HTTPS://Mirror.Example.NET./debian/../ubuntu/").unwrap();
/// assert_eq!(prefix.to_string(), "https://mirror.example.net/ubuntu/");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UriPrefix {
    scheme: Option<Scheme>,
    host: String,
    port: Option<u16>,
    rest: String,
}

impl UriPrefix {
    /// Reads a prefix and gives it canonical form.
    ///
    /// # Errors
    ///
    /// A request like this would be malformed, or the value holds what no request carries: user-info
    /// or a fragment.
    pub fn parse(raw: &str) -> Result<Self, Malformed> {
        let raw = raw.as_bytes();
        if raw.len() > URI_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        // No host ends in a colon, so that what does can only be a scheme.
        let (start, _) = split_authority(raw);
        let (scheme, after) = if start.ends_with(b":") {
            split_scheme(raw).map(|(scheme, after)| (Some(scheme), after))?
        } else {
            (None, raw)
        };
        let (raw_authority, rest) = split_authority(after);
        if rest.contains(&b'#') {
            return Err(Malformed::Fragment);
        }
        let mut host = String::new();
        let authority = authority::read(&mut host, raw_authority, UserInfo::Refused)?;
        let mut text = Vec::new();
        path::canonical(Sent::cut(rest), &mut text, &mut Vec::new())?;
        // Cannot fail: the canonical form is ASCII.
        let rest = String::from_utf8(text).map_err(|_| Malformed::International)?;
        Ok(Self { scheme, host, port: authority.port, rest })
    }

    /// The scheme that it asks for.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The host, as canonical text.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that it asks for.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// What path and query begin with, as canonical text; at least `/`.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// The first part of the literal that no aggressive view holds (ADR 0008), and the prefix of the
    /// folder above it. A rule that permits, and so must hold in every view, never holds by a prefix
    /// that has one: escapes of ASCII are decoded there, and in a path parameters cut and `\\` is `/`.
    #[must_use]
    pub fn unfit_for_every_view(&self) -> Option<(&str, String)> {
        let bytes = self.rest.as_bytes();
        let query = bytes.iter().position(|byte| *byte == b'?').unwrap_or(bytes.len());
        let found = (0..bytes.len()).find_map(|at| match bytes.get(at..)? {
            [b';' | b'\\', ..] if at < query => Some((at, 1)),
            [b'%', high, low, ..] => octet(*high, *low)?.is_ascii().then_some((at, 3)),
            _ => None,
        });
        let (at, length) = found?;
        let part = self.rest.get(at..at.saturating_add(length))?;
        let (folder, _) = self.rest.get(..at.min(query))?.rsplit_once('/')?;
        let above = Self { rest: format!("{folder}/"), ..self.clone() };
        Some((part, above.to_string()))
    }

    /// Whether a URI of these parts begins with this prefix.
    #[must_use]
    pub fn matches(&self, scheme: Scheme, host_text: &str, port: u16, rest: &[u8]) -> bool {
        self.scheme.is_none_or(|own| own == scheme)
            && self.port.is_none_or(|own| own == port)
            && self.host == host_text
            && rest.starts_with(self.rest.as_bytes())
    }
}

impl fmt::Display for UriPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.word())?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.rest)
    }
}

impl From<UriPrefix> for String {
    fn from(prefix: UriPrefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for UriPrefix {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::{CanonicalUri, Form, UriBuffer};

    #[test]
    fn canonical_texts() {
        for (raw, expected) in [
            ("https://mirror.example.net/debian/", "https://mirror.example.net/debian/"),
            ("HTTP://A.Test", "http://a.test/"),
            ("a.test", "a.test/"),
            ("a.test:8080", "a.test:8080/"),
            ("a.test?q", "a.test/?q"),
            ("https://a.test:443/x", "https://a.test:443/x"),
            ("http://a.test//x/../%73ecret%2fy", "http://a.test/secret%2Fy"),
            ("b\u{fc}cher.test/\u{fc}", "xn--bcher-kva.test/%C3%BC"),
            ("0x7f.1/x", "127.0.0.1/x"),
            ("[::1]:8080/x", "[::1]:8080/x"),
            ("http/x", "http/x"),
            ("a.test/go?u=http://b.test/", "a.test/go?u=http://b.test/"),
        ] {
            let prefix = UriPrefix::parse(raw).unwrap();
            assert_eq!(prefix.to_string(), expected, "{raw}");
            assert_eq!(UriPrefix::parse(expected), Ok(prefix.clone()), "{raw}");
            let json = serde_json::to_string(&prefix).unwrap();
            assert_eq!(serde_json::from_str::<UriPrefix>(&json).unwrap(), prefix, "{raw}");
        }
    }

    #[test]
    fn what_the_aggressive_view_never_holds() {
        for (raw, expected) in [
            ("a.test/a%20b/", Some(("%20", "a.test/"))),
            ("https://a.test:8443/x/a b/", Some(("%20", "https://a.test:8443/x/"))),
            ("a.test/x/y%2fz", Some(("%2F", "a.test/x/"))),
            ("a.test/x;v=1/y", Some((";", "a.test/"))),
            ("a.test/x\\y", Some(("\\", "a.test/"))),
            ("a.test/p/x?q=a%26b/c", Some(("%26", "a.test/p/"))),
            ("a.test/100%25", Some(("%25", "a.test/"))),
            ("a.test/x?q=a;b\\c", None),
            ("a.test/caf\u{e9}/", None),
            ("a.test/x%zz", None),
            ("a.test/x%2", None),
            ("a.test/%61", None),
            ("a.test", None),
        ] {
            let prefix = UriPrefix::parse(raw).unwrap();
            let found = prefix.unfit_for_every_view();
            let found = found.as_ref().map(|(part, above)| (*part, above.as_str()));
            assert_eq!(found, expected, "{raw}");
            // Requests that begin with the literal, as they stand and with more behind.
            for more in ["", "x", "/x", "?x", "20"] {
                let request = match prefix.scheme() {
                    Some(_) => format!("{prefix}{more}"),
                    None => format!("http://{prefix}{more}"),
                };
                let mut buffer = UriBuffer::default();
                let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, request.as_bytes());
                let uri = uri.unwrap();
                let fits = uri.views().all(|view| {
                    prefix.matches(uri.scheme(), uri.host_text(), uri.port(), view.rest())
                });
                assert!(!fits || expected.is_none(), "{request}");
                assert!(fits || expected.is_some() || more == "20", "{request}");
            }
        }
    }

    #[test]
    fn refused() {
        for (raw, fault) in [
            ("", Malformed::EmptyHost),
            ("/secret", Malformed::EmptyHost),
            ("https://", Malformed::EmptyHost),
            ("https:/a.test/", Malformed::Slashes),
            ("gopher://a.test/", Malformed::Scheme),
            ("*.a.test/", Malformed::HostCharacter),
            ("user@a.test/", Malformed::UserInfo),
            ("a.test/#x", Malformed::Fragment),
            ("a.test#x", Malformed::Fragment),
            ("a.test/%00", Malformed::Nul),
            ("a.test:0/", Malformed::Port),
        ] {
            assert_eq!(UriPrefix::parse(raw), Err(fault), "{raw}");
        }
    }

    #[test]
    fn the_host_matches_whole() {
        let fits = |prefix: &str, scheme, host, port, rest: &str| {
            UriPrefix::parse(prefix).unwrap().matches(scheme, host, port, rest.as_bytes())
        };
        assert!(fits("https://a.example", Scheme::Https, "a.example", 443, "/x"));
        assert!(fits("https://a.example", Scheme::Https, "a.example", 8443, "/x"));
        assert!(fits("a.example/x", Scheme::Ftp, "a.example", 21, "/xy"));
        assert!(!fits("https://a.example", Scheme::Https, "a.example.evil.com", 443, "/"));
        assert!(!fits("https://a.example", Scheme::Https, "www.a.example", 443, "/"));
        assert!(!fits("https://a.example", Scheme::Http, "a.example", 80, "/"));
        assert!(!fits("a.example:80", Scheme::Http, "a.example", 8080, "/"));
        assert!(!fits("a.example/x", Scheme::Http, "a.example", 80, "/"));
    }
}
