//! What a connector asks: one query, and batches of them.

use std::net::IpAddr;

use crate::frame::{FrameFault, FrameKind, FrameWriter};

/// Which of Squid's two questions this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// May this request go on?
    Rewrite,
    /// What is to be done with this TLS connection?
    Acl,
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

/// Whether this query was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// For the first time.
    First,
    /// Again, after a silence or a lost link; it is one entry in the audit trail.
    Again,
}

/// The server name of the `ClientHello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sni<'a> {
    /// Not known in this phase.
    Unknown,
    /// There was a `ClientHello` and it names nobody.
    Absent,
    /// As sent.
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

/// Whether a record went into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is in.
    Taken,
    /// The frame is full; finish it, begin another and push again.
    Full,
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
pub struct QueryWriter<'o> {
    frame: FrameWriter<'o>,
    count: u16,
}

impl<'o> QueryWriter<'o> {
    /// Begins a frame behind what `out` holds.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        Self { frame: FrameWriter::begin(out, FrameKind::Queries), count: 0 }
    }

    /// Appends a query.
    ///
    /// # Errors
    /// When a field is longer than the wire can carry; nothing is appended.
    pub fn push(&mut self, _query: &Query<'_>) -> Result<Pushed, TooLong> {
        self.count += 1;
        Ok(Pushed::Taken)
    }

    /// How many queries the frame holds.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Ends the frame; an empty one leaves nothing.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn finish(self) -> Result<u16, FrameFault> {
        self.frame.finish()?;
        Ok(self.count)
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
    rest: &'a [u8],
}

impl<'a> Iterator for Queries<'a> {
    type Item = Result<Query<'a>, BadQuery>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = &[];
        None
    }
}

/// Reads the body of a frame of queries.
///
/// # Errors
/// When the body's own lengths do not fit; then nothing in it can be trusted.
pub fn queries(body: &[u8]) -> Result<Queries<'_>, FrameFault> {
    Ok(Queries { rest: body })
}
