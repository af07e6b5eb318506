//! Bytes to `CanonicalUri`, with its views.

use super::host::{Domain, Host};
use super::malformed::Malformed;
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
    text: Vec<u8>,
}

/// A request in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalUri<'b> {
    scheme: Scheme,
    form: Form,
    host: Host<'b>,
    host_text: &'b str,
    port: u16,
    views: [Option<View<'b>>; 3],
    text: &'b [u8],
}

/// One reading of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'b> {
    text: &'b [u8],
    rest: &'b [u8],
}

impl<'b> View<'b> {
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
        let UriBuffer { host, text } = buffer;
        host.clear();
        host.push_str("skeleton.test");
        text.clear();
        text.extend_from_slice(raw);
        let view = View { text, rest: b"/" };
        Ok(Self {
            scheme: Scheme::Https,
            form,
            host: Host::Name(Domain::folded(host)),
            host_text: host,
            port: 443,
            views: [Some(view), None, None],
            text,
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
        self.views.iter().copied().flatten()
    }

    /// The canonical text, in ASCII: `https://host/path?query`.
    #[must_use]
    pub const fn text(&self) -> &'b [u8] {
        self.text
    }
}
