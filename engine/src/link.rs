//! One connection: its socket, its TLS, frames in and bytes out. Knows nothing of what frames say.
//!
//! INVARIANT: memory of a connection is bounded: one frame in, and out what one chunk of input can
//! cause on top of [`OUT_BYTES_MAX`], past which nothing more is read.

use std::io::{self, ErrorKind, Read as _, Write as _};

use eg_proto::{Frame, FrameBuffer, FrameFault};
use rustls::ServerConnection;

use crate::transport::Stream;

/// Answers that may wait for a peer that does not read before nothing more is read from it. A few
/// full batches with tokens.
pub(crate) const OUT_BYTES_MAX: usize = 512 * 1024;

/// What an output buffer may keep after it was sent.
const OUT_BYTES_KEPT: usize = 256 * 1024;

/// What is read of a socket at a time, and so the share of a session in one turn of its worker.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes of TLS, now decrypted and waiting in frames.
    Bytes,
    /// There is nothing at present.
    Nothing,
    /// The peer has ended the connection.
    Ended,
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is with the system.
    All,
    /// The socket took some and takes no more at present.
    Some,
    /// The socket took nothing.
    Stuck,
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkFault {
    /// The socket failed: the peer is gone.
    #[error("the connection broke")]
    Socket(#[source] io::Error),
    /// TLS failed; an alert is on its way.
    #[error("TLS failed: {0}")]
    Tls(#[source] rustls::Error),
    /// A frame broke a bound.
    #[error(transparent)]
    Frame(#[from] FrameFault),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Stream,
    tls: ServerConnection,
    frames: FrameBuffer,
    out: Vec<u8>,
    sent: usize,
}

impl Link {
    pub(crate) fn new(socket: Stream, tls: ServerConnection) -> Self {
        Self { socket, tls, frames: FrameBuffer::for_handshake(), out: Vec::new(), sent: 0 }
    }

    /// The TLS connection, once its handshake is done.
    pub(crate) fn tls_up(&self) -> Option<&ServerConnection> {
        (!self.tls.is_handshaking()).then_some(&self.tls)
    }

    /// Allows frames of full size: the peer has proved the key.
    pub(crate) const fn widen(&mut self) {
        self.frames.widen();
    }

    /// Where frames are appended that shall be sent.
    pub(crate) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// How much waits to be sent.
    pub(crate) const fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The next whole frame and where to put what it is answered with.
    pub(crate) fn next_frame(&mut self) -> Result<Option<(Frame<'_>, &mut Vec<u8>)>, FrameFault> {
        Ok(self.frames.next()?.map(|frame| (frame, &mut self.out)))
    }

    /// Reads once from the socket into `chunk`, and has `each` called whenever frames may be whole.
    pub(crate) fn receive<E: From<LinkFault>>(
        &mut self,
        chunk: &mut [u8],
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<Received, E> {
        let count = loop {
            match self.socket.read(chunk) {
                Ok(0) => return Ok(Received::Ended),
                Ok(count) => break count,
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                Err(fault) => return Err(LinkFault::Socket(fault).into()),
            }
        };
        let mut cipher = chunk.get(..count).unwrap_or_default();
        while !cipher.is_empty() {
            // Nothing is taken after the peer's farewell.
            if self.tls.read_tls(&mut cipher).map_err(LinkFault::Socket)? == 0 {
                return Ok(Received::Ended);
            }
            let processed = self.tls.process_new_packets().map_err(LinkFault::Tls);
            let ended = self.take_plain(&mut each)?;
            processed?;
            if ended == Received::Ended {
                return Ok(Received::Ended);
            }
        }
        Ok(Received::Bytes)
    }

    /// Moves what TLS has decrypted into frames.
    fn take_plain<E: From<LinkFault>>(
        &mut self,
        each: &mut impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<Received, E> {
        loop {
            match self.tls.reader().read(self.frames.spare()) {
                Ok(0) => return Ok(Received::Ended),
                Ok(count) => {
                    self.frames.filled(count);
                    each(self)?;
                }
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Ok(Received::Bytes),
                Err(fault) => return Err(LinkFault::Socket(fault).into()),
            }
        }
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<Flushed, LinkFault> {
        let mut taken = Flushed::Stuck;
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.socket) {
                    Ok(0) => return Err(LinkFault::Socket(ErrorKind::WriteZero.into())),
                    Ok(_) => taken = Flushed::Some,
                    Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Ok(taken),
                    Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                    Err(fault) => return Err(LinkFault::Socket(fault)),
                }
            }
            let rest = self.out.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                self.out.clear();
                self.out.shrink_to(OUT_BYTES_KEPT);
                self.sent = 0;
                return Ok(Flushed::All);
            }
            self.sent += self.tls.writer().write(rest).map_err(LinkFault::Socket)?;
        }
    }

    /// Says farewell in TLS, behind everything that waits; to be called once, with nothing to follow.
    pub(crate) fn end_tls(&mut self) {
        // What does not fit TLS's own buffer is given up with the connection.
        let rest = self.out.get(self.sent..).unwrap_or_default();
        self.tls.set_buffer_limit(None);
        if self.tls.writer().write_all(rest).is_ok() {
            self.out.clear();
            self.sent = 0;
        }
        self.tls.send_close_notify();
    }

    /// Whether everything, the TLS farewell too, is with the system.
    pub(crate) fn is_flushed(&self) -> bool {
        self.backlog() == 0 && !self.tls.wants_write()
    }

    /// Reads and throws away, so that closing does not reset what the peer has yet to read.
    pub(crate) fn discard(&mut self, chunk: &mut [u8]) -> Received {
        match self.socket.read(chunk) {
            Ok(0) => Received::Ended,
            Ok(_) => Received::Bytes,
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => Received::Nothing,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => Received::Bytes,
            Err(_) => Received::Ended,
        }
    }
}
