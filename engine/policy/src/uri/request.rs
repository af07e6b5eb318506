//! Bytes to `CanonicalUri`, with its views.

use super::aggressive::{self, Scratch};
use super::authority::{self, Authority, UserInfo};
use super::host::{Domain, Host};
use super::malformed::Malformed;
use super::path::{self, Sent};
use super::scheme::Scheme;
use crate::check::IsConnect;

/// The longest URI that is looked at, in bytes: the wire's bound, eight times Squid's own.
pub const URI_BYTES_MAX: usize = 64 * 1024;

/// What shape the raw bytes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `scheme://host/path`
    Absolute,
    /// `host:port`, of a CONNECT
    Connect,
}

/// Whether the path of a request is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathKnown {
    /// It is in the text.
    Known,
    /// A CONNECT hides it; the text holds `/` in its place.
    Unknown,
}

/// Memory for one canonical URI, to be used again for the next.
#[derive(Debug, Default)]
pub struct UriBuffer {
    host: String,
    canonical: Vec<u8>,
    as_sent: Vec<u8>,
    aggressive: Vec<u8>,
    unresolved: Vec<u8>,
    scratch: Scratch,
}

/// A request in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalUri<'b> {
    scheme: Scheme,
    form: Form,
    host: Host<'b>,
    host_text: &'b str,
    port: u16,
    canonical: View<'b>,
    others: [Option<View<'b>>; 2],
}

/// What a reading of a request is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewName {
    /// The canonical request.
    Canonical,
    /// As it was sent.
    AsSent,
    /// Decoded until nothing changes any more.
    Aggressive,
}

impl ViewName {
    /// The word of the tools.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::AsSent => "as sent",
            Self::Aggressive => "fully decoded",
        }
    }
}

/// One reading of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'b> {
    text: &'b [u8],
    rest: &'b [u8],
}

impl<'b> View<'b> {
    fn new(text: &'b [u8], rest_at: usize) -> Self {
        let (_, rest) = text.split_at(rest_at);
        Self { text, rest }
    }

    /// The whole URI.
    #[must_use]
    pub const fn text(self) -> &'b [u8] {
        self.text
    }

    /// Path and query, from the path's first byte on.
    #[must_use]
    pub const fn rest(self) -> &'b [u8] {
        self.rest
    }
}

impl<'b> CanonicalUri<'b> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// The request cannot be read the way Squid reads it, or holds what no honest request holds.
    pub fn parse(buffer: &'b mut UriBuffer, form: Form, raw: &[u8]) -> Result<Self, Malformed> {
        if raw.len() > URI_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        match form {
            Form::Absolute => Self::absolute(buffer, raw),
            Form::Connect => Self::connect(buffer, raw),
        }
    }

    fn absolute(buffer: &'b mut UriBuffer, raw: &[u8]) -> Result<Self, Malformed> {
        let (scheme, after) = split_scheme(raw)?;
        let (raw_authority, rest) = split_authority(after);
        let authority = authority::read(&mut buffer.host, raw_authority, UserInfo::Dropped)?;
        let port = authority.port.unwrap_or_else(|| scheme.default_port());
        write_authority(&mut buffer.canonical, scheme, &buffer.host, port);
        let rest_at = buffer.canonical.len();

        let mut others = [Other::Same; 2];
        if path::ordinary(rest) {
            if !rest.starts_with(b"/") {
                buffer.canonical.push(b'/');
            }
            buffer.canonical.extend_from_slice(rest);
        } else {
            others = buffer.rest(rest_at, Sent::cut(rest))?;
        }

        let buffer: &'b UriBuffer = buffer;
        let [as_sent, aggressive] = others;
        let uri = Self {
            scheme,
            form: Form::Absolute,
            host: host_of(authority, &buffer.host),
            host_text: &buffer.host,
            port,
            canonical: View::new(&buffer.canonical, rest_at),
            others: [
                as_sent.view(&buffer.as_sent, rest_at),
                aggressive.view(&buffer.aggressive, rest_at),
            ],
        };
        if uri.views().any(|view| is_proxy_internal(view.rest())) {
            return Err(Malformed::ProxyInternal);
        }
        Ok(uri)
    }

    fn connect(buffer: &'b mut UriBuffer, raw: &[u8]) -> Result<Self, Malformed> {
        let authority = authority::read(&mut buffer.host, raw, UserInfo::Refused)?;
        // What Squid makes of `CONNECT http://host/` is a tunnel to `http`.
        if Scheme::from_bytes(buffer.host.as_bytes()).is_some() {
            return Err(Malformed::SchemeAsHost);
        }
        let scheme = Scheme::Https;
        let port = authority.port.unwrap_or_else(|| scheme.default_port());
        write_authority(&mut buffer.canonical, scheme, &buffer.host, port);
        let rest_at = buffer.canonical.len();
        buffer.canonical.push(b'/');

        let buffer: &'b UriBuffer = buffer;
        Ok(Self {
            scheme,
            form: Form::Connect,
            host: host_of(authority, &buffer.host),
            host_text: &buffer.host,
            port,
            canonical: View::new(&buffer.canonical, rest_at),
            others: [None, None],
        })
    }

    /// The scheme; https for a CONNECT.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> Host<'b> {
        self.host
    }

    /// The host as canonical text: a name, `192.0.2.1` or `[2001:db8::1]`.
    #[must_use]
    pub const fn host_text(&self) -> &'b str {
        self.host_text
    }

    /// The port, written or implied.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is a CONNECT.
    #[must_use]
    pub const fn is_connect(&self) -> IsConnect {
        match self.form {
            Form::Absolute => IsConnect::Other,
            Form::Connect => IsConnect::Connect,
        }
    }

    /// Whether the path is known.
    #[must_use]
    pub const fn path_known(&self) -> PathKnown {
        match self.form {
            Form::Absolute => PathKnown::Known,
            Form::Connect => PathKnown::Unknown,
        }
    }

    /// The readings of this request, one to three, all different, the canonical one first.
    pub fn views(&self) -> impl Iterator<Item = View<'b>> + '_ {
        std::iter::once(self.canonical).chain(self.others.iter().copied().flatten())
    }

    /// What the views are called, in the order of [`Self::views`].
    pub fn view_names(&self) -> impl Iterator<Item = ViewName> + '_ {
        let others = [ViewName::AsSent, ViewName::Aggressive].into_iter().zip(&self.others);
        let others = others.filter_map(|(name, view)| view.map(|_| name));
        std::iter::once(ViewName::Canonical).chain(others)
    }

    /// The canonical text, in ASCII: `https://host/path?query`.
    #[must_use]
    pub const fn text(&self) -> &'b [u8] {
        self.canonical.text
    }
}

/// Whether a view has a text of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// It would say what another view says.
    Same,
    /// It does.
    Own,
}

impl Other {
    fn view(self, text: &[u8], rest_at: usize) -> Option<View<'_>> {
        match self {
            Self::Same => None,
            Self::Own => Some(View::new(text, rest_at)),
        }
    }
}

impl UriBuffer {
    /// Writes path and query of the canonical view behind its authority, and the views beside it:
    /// the one as sent, and the aggressive one.
    fn rest(&mut self, rest_at: usize, sent: Sent<'_>) -> Result<[Other; 2], Malformed> {
        let traits = path::canonical(sent, &mut self.canonical, &mut self.unresolved)?;
        let mut others = [Other::Same; 2];
        let [as_sent, aggressive] = &mut others;
        let authority = self.canonical.get(..rest_at).unwrap_or_default();
        if traits.unlike_sent {
            self.as_sent.clear();
            self.as_sent.extend_from_slice(authority);
            sent.append(&mut self.as_sent);
            *as_sent = Other::Own;
        }
        if traits.ambiguous {
            self.aggressive.clear();
            self.aggressive.extend_from_slice(authority);
            aggressive::append(sent, &mut self.aggressive, &mut self.scratch)?;
            let repeats = self.aggressive == self.canonical
                || (*as_sent == Other::Own && self.aggressive == self.as_sent);
            *aggressive = if repeats { Other::Same } else { Other::Own };
        }
        Ok(others)
    }
}

/// Cuts off `scheme://`.
pub(super) fn split_scheme(raw: &[u8]) -> Result<(Scheme, &[u8]), Malformed> {
    let colon = raw.iter().position(|byte| *byte == b':').ok_or(Malformed::Scheme)?;
    let (word, after) = raw.split_at(colon);
    if word.eq_ignore_ascii_case(b"cache_object") {
        return Err(Malformed::ProxyInternal);
    }
    let scheme = Scheme::from_bytes(word).ok_or(Malformed::Scheme)?;
    Ok((scheme, after.strip_prefix(b"://").ok_or(Malformed::Slashes)?))
}

/// Where Squid serves its cache manager, at whatever host.
const PROXY_INTERNAL: &[u8] = b"/squid-internal-mgr";

/// Whether a path leads to the cache manager: it says what every client asked for, and can stop the
/// proxy.
fn is_proxy_internal(rest: &[u8]) -> bool {
    let Some((head, tail)) = rest.split_at_checked(PROXY_INTERNAL.len()) else { return false };
    let ends = tail.first().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    ends && head.eq_ignore_ascii_case(PROXY_INTERNAL)
}

/// Cuts at the first of `/`, `?`, `#`. A `\` cuts nothing: it does not in Squid.
pub(super) fn split_authority(raw: &[u8]) -> (&[u8], &[u8]) {
    let end = raw.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    raw.split_at(end.unwrap_or(raw.len()))
}

fn host_of(authority: Authority, text: &str) -> Host<'_> {
    match authority.address {
        Some(address) => Host::Address(address),
        None => Host::Name(Domain::folded(text)),
    }
}

/// Writes `scheme://host`, and the port where it is not the scheme's own.
pub(crate) fn write_authority(text: &mut Vec<u8>, scheme: Scheme, host: &str, port: u16) {
    text.clear();
    text.extend_from_slice(scheme.word().as_bytes());
    text.extend_from_slice(b"://");
    text.extend_from_slice(host.as_bytes());
    if port != scheme.default_port() {
        text.push(b':');
        let mut unit = 10_000;
        while unit > 1 && port < unit {
            unit /= 10;
        }
        while unit > 0 {
            // One digit, so that it always fits.
            text.push(b'0' + u8::try_from(port / unit % 10).unwrap_or_default());
            unit /= 10;
        }
    }
}
