//! What a line of Squid asks, whichever role it came to.
//!
//! A line is split at single blanks first; only then are the encoded fields decoded. Which fields a line
//! has, and in what order, is each role's own.
//!
//! INVARIANT: a line is a question or a [`BadLine`]; whatever bytes come, nothing panics.

use std::net::{IpAddr, Ipv4Addr};

use eg_proto::limits::METHOD_BYTES_MAX;
use eg_proto::{Phase, Query, Retry, Role, Sni};

use super::channel::number;
use super::field::{Field, FieldKind};

/// The words of a line that are still to be read.
pub(crate) type Words<'w, 'l> = &'w mut dyn Iterator<Item = &'l [u8]>;

/// Why a line is not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Nothing stands in it.
    #[error("the line is empty")]
    Empty,
    /// It is longer than any line of Squid.
    #[error("the line is too long")]
    Overlong,
    /// The input ended before the line did.
    #[error("the line has no end")]
    Unfinished,
    /// It holds a byte that no line of Squid holds.
    #[error("the line holds a control byte")]
    Control,
    /// It has more or fewer fields than either form.
    #[error(
        "the line has a wrong number of fields; compare squid.conf with what --squid-conf prints"
    )]
    FieldCount,
    /// The client's address is none.
    #[error("the client's address cannot be read")]
    Client,
    /// The client's port is none.
    #[error("the client's port cannot be read")]
    ClientPort,
    /// The host and port of a CONNECT are missing.
    #[error("the host of the CONNECT cannot be read")]
    Target,
    /// The method is missing, longer than any method, or not one that this role is asked about.
    #[error("the method cannot be read")]
    Method,
    /// Another line with the same channel-ID is outstanding.
    #[error("the channel-ID is already outstanding")]
    Repeated,
    /// The first line had no channel-ID and this one has one, or the other way round.
    #[error("lines with and without channel-ID are mixed")]
    Mixed,
}

/// Where a text stands in a request's bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
enum SniSpan {
    Unknown,
    Absent,
    Name(Span),
}

/// One line's question. Its memory is used again for the next line.
#[derive(Debug)]
pub struct Question {
    role: Role,
    text: Vec<u8>,
    uri: Span,
    method: Span,
    phase: Phase,
    client: IpAddr,
    client_port: u16,
    user: Option<Span>,
    sni: SniSpan,
    user_agent: Option<Span>,
    referer: Option<Span>,
    tag: Option<Span>,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            role: Role::Rewrite,
            text: Vec::new(),
            uri: Span::default(),
            method: Span::default(),
            phase: Phase::Request,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            client_port: 0,
            user: None,
            sni: SniSpan::Unknown,
            user_agent: None,
            referer: None,
            tag: None,
        }
    }
}

impl Question {
    /// The question as it goes on the wire.
    #[must_use]
    pub fn query(&self, id: u64, retry: Retry) -> Query<'_> {
        Query {
            id,
            retry,
            role: self.role,
            phase: self.phase,
            method: self.at(self.method),
            uri: self.at(self.uri),
            client: self.client,
            client_port: self.client_port,
            user: self.user.map(|span| self.at(span)),
            sni: match self.sni {
                SniSpan::Unknown => Sni::Unknown,
                SniSpan::Absent => Sni::Absent,
                SniSpan::Name(span) => Sni::Name(self.at(span)),
            },
            user_agent: self.user_agent.map(|span| self.at(span)),
            referer: self.referer.map(|span| self.at(span)),
            tag: self.tag.map(|span| self.at(span)),
        }
    }

    /// How many bytes the question holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Gives memory beyond `bytes` back.
    pub fn shrink(&mut self, bytes: usize) {
        self.text.clear();
        self.text.shrink_to(bytes);
    }

    /// Forgets the line before; a reader of lines calls it first.
    pub(crate) fn begin(&mut self, role: Role) {
        let text = std::mem::take(&mut self.text);
        *self = Self { role, text, ..Self::default() };
        self.text.clear();
    }

    /// Keeps the URL, which is never decoded: that is the engine's.
    pub(crate) fn set_uri(&mut self, uri: &[u8]) {
        self.uri = self.keep(uri);
    }

    /// Takes the user and the method of a line whose fields are not encoded, of a client that was read.
    pub(crate) fn set_unencoded(&mut self, client: IpAddr, user: Option<&[u8]>, method: &[u8]) {
        self.client = client;
        self.user = user.map(|user| self.keep(user));
        self.method = self.keep(method);
    }

    fn at(&self, span: Span) -> &[u8] {
        let range = usize::try_from(span.start).ok().zip(usize::try_from(span.end).ok());
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.here();
        self.text.extend_from_slice(bytes);
        Span { start, end: self.here() }
    }

    /// Keeps an encoded field decoded; `-` means that there is none.
    fn keep_decoded(&mut self, word: &[u8]) -> Option<Span> {
        if word == b"-" {
            return None;
        }
        let start = self.here();
        decode(word, &mut self.text);
        Some(Span { start, end: self.here() })
    }

    /// Lines are bounded far below 4 GiB; one that were not would have an empty span.
    fn here(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or_default()
    }

    /// Reads these fields, one word each; what the line is about follows from them.
    pub(crate) fn read_fields(
        &mut self,
        fields: &[Field],
        words: Words<'_, '_>,
    ) -> Result<(), BadLine> {
        let mut hello = Hello::NotSeen;
        let mut sni = None;
        for field in fields {
            let word = words.next().ok_or(BadLine::FieldCount)?;
            if word.is_empty() {
                return Err(BadLine::FieldCount);
            }
            match field.kind {
                FieldKind::Client => self.client = address(word)?,
                FieldKind::ClientPort => self.client_port = port(word)?,
                FieldKind::User => self.user = self.keep_decoded(word),
                FieldKind::Method => {
                    self.method = self.keep_decoded(word).ok_or(BadLine::Method)?;
                }
                FieldKind::Target => {
                    self.uri = self.keep_decoded(word).ok_or(BadLine::Target)?;
                }
                FieldKind::HelloVersion if word == b"-" => hello = Hello::NotSeen,
                FieldKind::HelloVersion => hello = Hello::Seen,
                FieldKind::Sni => sni = self.keep_decoded(word),
                FieldKind::UserAgent => self.user_agent = self.keep_decoded(word),
                FieldKind::Referer => self.referer = self.keep_decoded(word),
                FieldKind::Tag => self.tag = self.keep_decoded(word),
            }
        }
        self.check_method()?;
        (self.phase, self.sni) = match (self.is_connect(), hello, sni) {
            (true, Hello::NotSeen, None) => (Phase::Connect, SniSpan::Unknown),
            // A name without a ClientHello cannot be; it is believed, since it can only add denials.
            (true, Hello::NotSeen | Hello::Seen, Some(name)) => (Phase::Hello, SniSpan::Name(name)),
            (true, Hello::Seen, None) => (Phase::Hello, SniSpan::Absent),
            (false, Hello::NotSeen | Hello::Seen, Some(name)) => {
                (Phase::Request, SniSpan::Name(name))
            }
            // Plain http, or a decrypted tunnel that named nobody: no SNI will ever be known.
            (false, Hello::NotSeen | Hello::Seen, None) => (Phase::Request, SniSpan::Absent),
        };
        Ok(())
    }

    /// Takes the phase from the method alone: the line says nothing of a `ClientHello`.
    pub(crate) fn settle_phase(&mut self) -> Result<(), BadLine> {
        self.check_method()?;
        self.phase = if self.is_connect() { Phase::Connect } else { Phase::Request };
        Ok(())
    }

    /// Whether it is about a tunnel.
    pub(crate) fn is_connect(&self) -> bool {
        self.at(self.method) == b"CONNECT"
    }

    fn check_method(&self) -> Result<(), BadLine> {
        match self.at(self.method) {
            b"" | b"-" => Err(BadLine::Method),
            method if method.len() > METHOD_BYTES_MAX => Err(BadLine::Method),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy)]
enum Hello {
    NotSeen,
    Seen,
}

pub(crate) fn address(word: &[u8]) -> Result<IpAddr, BadLine> {
    std::str::from_utf8(word).ok().and_then(|text| text.parse().ok()).ok_or(BadLine::Client)
}

fn port(word: &[u8]) -> Result<u16, BadLine> {
    match word {
        b"-" => Ok(0),
        digits => {
            number(digits).and_then(|value| u16::try_from(value).ok()).ok_or(BadLine::ClientPort)
        }
    }
}

/// Undoes `%#`. Squid encodes every percent sign, so what is no escape was never encoded: it stays.
fn decode(word: &[u8], out: &mut Vec<u8>) {
    let mut rest = word;
    loop {
        match rest {
            [] => return,
            [b'%', high, low, tail @ ..] => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = tail;
                }
                (None, _) | (_, None) => {
                    out.push(b'%');
                    rest = rest.get(1..).unwrap_or_default();
                }
            },
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
