//! What a connector asks: one query, and batches of them; encode and decode side by side.
//!
//! The texts are bytes as Squid had them and are borrowed on both sides: neither writing nor reading
//! a query allocates once the caller's buffers have grown.
//!
//! INVARIANT: a record that cannot be read spoils no other one, and where its id can be read it is
//! reported with it, so that every query gets an answer.

use std::net::IpAddr;

use crate::batch::{BatchWriter, Pushed};
use crate::frame::{FrameFault, FrameKind};
use crate::limits::{FIELD_BYTES_MAX, METHOD_BYTES_MAX, URI_BYTES_MAX};
use crate::wire::{FIELD_SKIPPABLE, Field, Reader, Records, field_bytes, put_field, put_short};

/// The tag of `user` on the wire.
pub(crate) const FIELD_USER: u8 = 1;
/// The tag of `sni`; an empty value says that it is known to be absent.
pub(crate) const FIELD_SNI: u8 = 2;
/// The tag of `user_agent`.
pub(crate) const FIELD_USER_AGENT: u8 = 3;
/// The tag of `referer`.
pub(crate) const FIELD_REFERER: u8 = 4;
/// The tag of `tag`.
pub(crate) const FIELD_TAG: u8 = 5;

/// Which of Squid's two questions this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// May this request go on?
    Rewrite,
    /// What is to be done with this TLS connection?
    Acl,
}

impl Role {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Rewrite => 0,
            Self::Acl => 1,
        }
    }

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Rewrite,
            1 => Self::Acl,
            _ => return None,
        })
    }
}

/// When Squid asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A CONNECT before the `ClientHello`.
    Connect,
    /// The SNI is known, or known to be absent.
    Hello,
    /// Plain http, or inside a decrypted tunnel.
    Request,
}

impl Phase {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Connect => 0,
            Self::Hello => 1,
            Self::Request => 2,
        }
    }

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Connect,
            1 => Self::Hello,
            2 => Self::Request,
            _ => return None,
        })
    }
}

/// Whether this query was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// For the first time.
    First,
    /// Again, after a silence or a lost link; it is one entry in the audit trail.
    Again,
}

impl Retry {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Again => 1,
        }
    }

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::First,
            1 => Self::Again,
            _ => return None,
        })
    }
}

/// The server name of the `ClientHello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sni<'a> {
    /// Not known in this phase.
    Unknown,
    /// There was a `ClientHello` and it names nobody.
    Absent,
    /// As sent; an empty one is as good as absent and arrives as such.
    Name(&'a [u8]),
}

/// One question. All texts are bytes as Squid had them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The number that the answer repeats; unique in the connector's run.
    pub id: u64,
    /// Asked before?
    pub retry: Retry,
    /// Which question.
    pub role: Role,
    /// How much is known.
    pub phase: Phase,
    /// The method.
    pub method: &'a [u8],
    /// The URI, or `host:port` of a CONNECT.
    pub uri: &'a [u8],
    /// The client's address.
    pub client: IpAddr,
    /// The client's port; 0 where it is not known.
    pub client_port: u16,
    /// The user that the proxy authenticated.
    pub user: Option<&'a [u8]>,
    /// The server name.
    pub sni: Sni<'a>,
    /// `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
    /// `Referer`.
    pub referer: Option<&'a [u8]>,
    /// What an earlier answer asked to be told again.
    pub tag: Option<&'a [u8]>,
}

/// A field that no frame can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {what} has {bytes} bytes; the wire carries at most {allowed}")]
pub struct TooLong {
    /// Which field.
    pub what: &'static str,
    /// How long it is.
    pub bytes: usize,
    /// How long it may be.
    pub allowed: usize,
}

/// Writes a frame of queries.
#[derive(Debug)]
pub struct QueryWriter<'o>(BatchWriter<'o>);

impl<'o> QueryWriter<'o> {
    /// Begins a frame behind what `out` holds.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        Self(BatchWriter::begin(out, FrameKind::Queries))
    }

    /// Appends a query.
    ///
    /// # Errors
    /// When a field is longer than the wire can carry; nothing is appended.
    pub fn push(&mut self, query: &Query<'_>) -> Result<Pushed, TooLong> {
        let record = query.record_bytes()?;
        Ok(self.0.push(record, |body| query.write(body)))
    }

    /// How many queries the frame holds.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.0.count()
    }

    /// How long the frame's body is by now.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.0.body_bytes()
    }

    /// Ends the frame and gives the number of its queries; an empty one leaves nothing.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn finish(self) -> Result<u16, FrameFault> {
        self.0.finish()
    }
}

impl<'a> Query<'a> {
    /// The optional fields with their tags.
    fn fields(&self) -> [(u8, &'static str, Option<&'a [u8]>); 5] {
        let sni = match self.sni {
            Sni::Unknown => None,
            Sni::Absent => Some(&[][..]),
            Sni::Name(name) => Some(name),
        };
        [
            (FIELD_USER, "user", self.user),
            (FIELD_SNI, "SNI", sni),
            (FIELD_USER_AGENT, "user agent", self.user_agent),
            (FIELD_REFERER, "referer", self.referer),
            (FIELD_TAG, "tag", self.tag),
        ]
    }

    /// How long the record will be.
    fn record_bytes(&self) -> Result<usize, TooLong> {
        let bounded = |what, bytes: &[u8], allowed| {
            if bytes.len() <= allowed {
                Ok(bytes.len())
            } else {
                Err(TooLong { what, bytes: bytes.len(), allowed })
            }
        };
        let address = match self.client {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 16,
        };
        let fixed = 8 + 3 + 1 + address + 2 + 1 + 4;
        let method = bounded("method", self.method, METHOD_BYTES_MAX)?;
        let mut whole = fixed + method + bounded("URI", self.uri, URI_BYTES_MAX)?;
        for (_, what, value) in self.fields() {
            if let Some(value) = value {
                bounded(what, value, FIELD_BYTES_MAX)?;
                whole += field_bytes(value);
            }
        }
        Ok(whole)
    }

    /// Appends the record, whose lengths were checked.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&[self.retry.number(), self.role.number(), self.phase.number()]);
        match self.client {
            IpAddr::V4(address) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.push(6);
                out.extend_from_slice(&address.octets());
            }
        }
        out.extend_from_slice(&self.client_port.to_be_bytes());
        put_short(out, self.method);
        let uri_bytes = u32::try_from(self.uri.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&uri_bytes.to_be_bytes());
        out.extend_from_slice(self.uri);
        for (tag, _, value) in self.fields() {
            if let Some(value) = value {
                put_field(out, tag, value);
            }
        }
    }

    /// Reads a record behind its id.
    fn read(id: u64, mut reader: Reader<'a>) -> Result<Self, &'static str> {
        const SHORT: &str = "it ends too early";
        let retry = Retry::from_number(reader.u8().ok_or(SHORT)?).ok_or("unknown retry mark")?;
        let role = Role::from_number(reader.u8().ok_or(SHORT)?).ok_or("unknown role")?;
        let phase = Phase::from_number(reader.u8().ok_or(SHORT)?).ok_or("unknown phase")?;
        let client = match reader.u8().ok_or(SHORT)? {
            4 => IpAddr::from(reader.array::<4>().ok_or(SHORT)?),
            6 => IpAddr::from(reader.array::<16>().ok_or(SHORT)?),
            _ => return Err("unknown family of the client's address"),
        };
        let client_port = reader.u16().ok_or(SHORT)?;
        let method = reader.short().ok_or(SHORT)?;
        if method.len() > METHOD_BYTES_MAX {
            return Err("the method is too long");
        }
        let uri = reader.vast().ok_or(SHORT)?;
        if uri.len() > URI_BYTES_MAX {
            return Err("the URI is too long");
        }
        let (user, user_agent, referer, tag, sni) = (None, None, None, None, Sni::Unknown);
        let mut query = Self {
            id,
            retry,
            role,
            phase,
            method,
            uri,
            client,
            client_port,
            user,
            sni,
            user_agent,
            referer,
            tag,
        };
        while let Some(field) = reader.field().map_err(|_| SHORT)? {
            query.take(field)?;
        }
        Ok(query)
    }

    /// Takes one optional field.
    fn take(&mut self, field: Field<'a>) -> Result<(), &'static str> {
        if field.tag >= FIELD_SKIPPABLE {
            return Ok(());
        }
        if field.value.len() > FIELD_BYTES_MAX {
            return Err("a field is too long");
        }
        let place = match field.tag {
            FIELD_USER => &mut self.user,
            FIELD_SNI => {
                if self.sni != Sni::Unknown {
                    return Err("a field comes twice");
                }
                self.sni =
                    if field.value.is_empty() { Sni::Absent } else { Sni::Name(field.value) };
                return Ok(());
            }
            FIELD_USER_AGENT => &mut self.user_agent,
            FIELD_REFERER => &mut self.referer,
            FIELD_TAG => &mut self.tag,
            _ => return Err("it holds a field that this version does not know"),
        };
        if place.replace(field.value).is_some() { Err("a field comes twice") } else { Ok(()) }
    }
}

/// A record in a frame of queries that cannot be used. The others can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a query cannot be read: {what}")]
pub struct BadQuery {
    /// Its id, where that much could be read: it is to be answered deny.
    pub id: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}

/// The queries of one frame.
#[derive(Debug, Clone)]
pub struct Queries<'a> {
    records: Records<'a>,
}

impl Queries<'_> {
    /// How many are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.records.left()
    }
}

impl<'a> Iterator for Queries<'a> {
    type Item = Result<Query<'a>, BadQuery>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.records.next()?);
        let Some(id) = reader.u64() else {
            return Some(Err(BadQuery { id: None, what: "it has no id" }));
        };
        Some(Query::read(id, reader).map_err(|what| BadQuery { id: Some(id), what }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

/// Reads the body of a frame of queries.
///
/// # Errors
/// When the body's own lengths do not fit; then nothing in it can be trusted.
pub fn queries(body: &[u8]) -> Result<Queries<'_>, FrameFault> {
    Ok(Queries { records: Records::check(body)? })
}

#[cfg(test)]
#[path = "tests/query.rs"]
mod tests;
