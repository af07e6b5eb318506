//! A line from Squid, as bytes, to a [`RewriteRequest`].
//!
//! Two forms are read: ours, with the fields of [`FIELDS`] behind the URL, and Squid's default
//! extras (`ip/fqdn ident method myip=... myport=...`). A line is split at single blanks first;
//! only then are the encoded fields decoded. The URL is never decoded: that is the engine's.
//!
//! INVARIANT: a line is a request or a [`BadLine`]; whatever bytes come, nothing panics.

use std::net::{IpAddr, Ipv4Addr};

use eg_proto::limits::METHOD_BYTES_MAX;
use eg_proto::{Phase, Query, Retry, Role, Sni};

use super::fields::{FIELDS, FieldKind};

/// The number by which Squid knows a line; it comes back in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelId(pub u64);

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
        "the line has a wrong number of fields; compare `url_rewrite_extras` with --squid-conf"
    )]
    FieldCount,
    /// The client's address is none.
    #[error("the client's address cannot be read")]
    Client,
    /// The client's port is none.
    #[error("the client's port cannot be read")]
    ClientPort,
    /// The method is missing or longer than any method.
    #[error("the method cannot be read")]
    Method,
    /// Another line with the same channel-ID is outstanding.
    #[error("the channel-ID is already outstanding")]
    Repeated,
    /// The first line had no channel-ID and this one has one, or the other way round.
    #[error("lines with and without channel-ID are mixed")]
    Mixed,
}

/// Takes the channel-ID off the front of a line: a first word of digits only.
#[must_use]
pub fn split_channel(line: &[u8]) -> (Option<ChannelId>, &[u8]) {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    let Some((word, rest)) = line.split_at_checked(end) else { return (None, line) };
    match number(word) {
        Some(number) => (Some(ChannelId(number)), rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (None, line),
    }
}

/// A decimal number without sign, if it is one.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
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
pub struct RewriteRequest {
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

impl Default for RewriteRequest {
    fn default() -> Self {
        Self {
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

impl RewriteRequest {
    /// Reads what stands behind the channel-ID. After an error the request means nothing.
    ///
    /// # Errors
    /// When the line has neither form.
    pub fn read(&mut self, line: &[u8]) -> Result<(), BadLine> {
        self.clear();
        if line.is_empty() {
            return Err(BadLine::Empty);
        }
        let mut words = line.split(|&byte| byte == b' ');
        let uri = words.next().unwrap_or_default();
        if uri.is_empty() {
            return Err(BadLine::FieldCount);
        }
        if uri.contains(&0) {
            return Err(BadLine::Control);
        }
        let extras = line.get(uri.len()..).unwrap_or_default();
        if extras.iter().any(u8::is_ascii_control) {
            return Err(BadLine::Control);
        }
        self.uri = self.keep(uri);
        let first = words.clone().next().ok_or(BadLine::FieldCount)?;
        // Ours begins with a bare address, Squid's default with `address/name`.
        if first.contains(&b'/') {
            self.read_default(&mut words)
        } else {
            self.read_ours(&mut words)
        }
    }

    /// The question as it goes on the wire.
    #[must_use]
    pub fn query(&self, id: u64, retry: Retry) -> Query<'_> {
        Query {
            id,
            retry,
            role: Role::Rewrite,
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

    fn clear(&mut self) {
        let text = std::mem::take(&mut self.text);
        *self = Self { text, ..Self::default() };
        self.text.clear();
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

    fn read_ours(&mut self, words: &mut dyn Iterator<Item = &[u8]>) -> Result<(), BadLine> {
        let mut hello = Hello::NotSeen;
        let mut sni = None;
        for field in FIELDS {
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
                FieldKind::HelloVersion if word == b"-" => hello = Hello::NotSeen,
                FieldKind::HelloVersion => hello = Hello::Seen,
                FieldKind::Sni => sni = self.keep_decoded(word),
                FieldKind::UserAgent => self.user_agent = self.keep_decoded(word),
                FieldKind::Referer => self.referer = self.keep_decoded(word),
                FieldKind::Tag => self.tag = self.keep_decoded(word),
            }
        }
        if words.next().is_some() {
            return Err(BadLine::FieldCount);
        }
        self.check_method()?;
        (self.phase, self.sni) = match (self.at(self.method) == b"CONNECT", hello, sni) {
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

    /// `ip/fqdn ident method`, then any number of `key=value`.
    fn read_default(&mut self, words: &mut dyn Iterator<Item = &[u8]>) -> Result<(), BadLine> {
        let mut next = || match words.next() {
            Some(word) if !word.is_empty() => Ok(word),
            Some(_) | None => Err(BadLine::FieldCount),
        };
        let (client, user, method) = (next()?, next()?, next()?);
        for word in words {
            if !word.contains(&b'=') {
                return Err(BadLine::FieldCount);
            }
        }
        let bare = client.split(|&byte| byte == b'/').next().unwrap_or_default();
        self.client = address(bare)?;
        // Plain `%un` and `%>rm` are not encoded, so they are not decoded either.
        self.user = (user != b"-").then(|| self.keep(user));
        self.method = self.keep(method);
        self.check_method()?;
        self.phase = match self.at(self.method) {
            b"CONNECT" => Phase::Connect,
            _ => Phase::Request,
        };
        Ok(())
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

fn address(word: &[u8]) -> Result<IpAddr, BadLine> {
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

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
