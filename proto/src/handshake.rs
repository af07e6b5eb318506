//! The mutual proof: two state machines without sockets.

use crate::frame::{Frame, FrameFault};
use crate::hello::{Hello, Inspect, RefusedReason, RunId, Terms};
use crate::key::{ConnectorName, SharedKey};

/// The label of the TLS exporter (RFC 9266); no context, 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Why a handshake ended. Send what is in `out`, then close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFault {
    /// The engine refused (on either side).
    #[error("refused ({}): {text}", reason.word())]
    Refused {
        /// Why.
        reason: RefusedReason,
        /// The sentence that was sent.
        text: String,
    },
    /// The engine's proof does not hold.
    #[error(
        "the engine's proof of the key does not hold: the keys differ, or somebody stands between"
    )]
    EngineUnproven,
    /// A message cannot be read or came at the wrong moment.
    #[error("the peer's message cannot be read or came at the wrong moment")]
    Malformed,
    /// A frame's bound.
    #[error(transparent)]
    Frame(#[from] FrameFault),
}

/// What the engine decides during a handshake.
pub trait Admission {
    /// The key of this connector, or why it may not speak.
    ///
    /// # Errors
    /// `UnknownConnector`, `AddressNotAllowed`, `Draining`.
    fn key(&self, hello: &Hello) -> Result<&SharedKey, RefusedReason>;

    /// What is agreed with a connector that has proved itself.
    ///
    /// # Errors
    /// `SessionLimit`, `Draining`.
    fn terms(&self, hello: &Hello) -> Result<Terms, RefusedReason>;
}

/// The connector's side.
#[derive(Debug)]
pub struct ConnectorHandshake {
    _key: SharedKey,
}

/// How far the connector's side is.
#[derive(Debug)]
pub enum ConnectorProgress {
    /// Send what is in `out` and read on.
    Continue,
    /// Both sides are proven.
    Done(Box<Terms>),
}

impl ConnectorHandshake {
    /// Starts: appends the hello to `out`. `exporter` is of this very TLS connection.
    ///
    /// # Errors
    /// A frame's bound.
    pub fn start(
        key: &SharedKey,
        connector: &ConnectorName,
        run: RunId,
        inspect: Inspect,
        nonce: [u8; 32],
        exporter: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Self, HandshakeFault> {
        let _ = (connector, run, inspect, nonce, exporter, out);
        Ok(Self { _key: key.clone() })
    }

    /// Takes a frame of the engine.
    ///
    /// # Errors
    /// When the session cannot begin.
    pub fn feed(
        &mut self,
        frame: Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ConnectorProgress, HandshakeFault> {
        let _ = (frame, out);
        Err(HandshakeFault::Malformed)
    }
}

/// The engine's side.
#[derive(Debug)]
pub struct EngineHandshake {
    _nonce: [u8; 32],
}

/// How far the engine's side is.
#[derive(Debug)]
pub enum EngineProgress {
    /// Send what is in `out` and read on.
    Continue,
    /// The connector is proven; send what is in `out`, then read reports and queries.
    Done(Box<Hello>),
}

impl EngineHandshake {
    /// Waits for a hello. `exporter` is of this very TLS connection.
    #[must_use]
    pub fn new(nonce: [u8; 32], exporter: [u8; 32]) -> Self {
        let _ = exporter;
        Self { _nonce: nonce }
    }

    /// Takes a frame of the connector.
    ///
    /// # Errors
    /// When the session cannot begin; `out` then holds the refusal to send before closing.
    pub fn feed(
        &mut self,
        frame: Frame<'_>,
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<EngineProgress, HandshakeFault> {
        let _ = (frame, admission, out);
        Err(HandshakeFault::Malformed)
    }
}
