//! The mutual proof of the shared key: two state machines without sockets.
//!
//! Both proofs are `HMAC-SHA256(key, len(label) | label | exporter | SHA-256(hello) |
//! SHA-256(challenge))`, with another label on each side; the engine's goes on with the SHA-256 of
//! its terms. The exporter is that of this very TLS connection (RFC 9266), so a relay that ends TLS
//! in the middle fails; the two bodies hold both nonces, the name, the run, and the versions offered
//! and chosen, so nothing can be replayed, reflected or turned down to an older version. The
//! connector proves first: a stranger learns nothing that the key went into.
//!
//! What a fault leaves in `out` is to be sent before the connection is closed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::DEFENDR_VERSIONS;
use crate::frame::{Frame, FrameFault, FrameKind, FrameWriter};
use crate::hello::{
    BadTerms, Challenge, Hello, Inspect, Proof, Refused, RefusedReason, RunId, Terms, Welcome,
};
use crate::key::{ConnectorName, SharedKey};
use crate::limits::HANDSHAKE_FRAME_BYTES_MAX;

/// The label of the TLS exporter (RFC 9266); no context, 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What the connector's proof starts with.
pub(crate) const CONNECTOR_LABEL: &[u8] = b"Defendr connector proof";

/// What the engine's proof starts with.
pub(crate) const ENGINE_LABEL: &[u8] = b"Defendr engine proof";

/// Why a handshake ended. Send what is in `out`, then close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFault {
    /// The engine refused; the same on either side.
    #[error("refused ({}): {text}", reason.word())]
    Refused {
        /// Why.
        reason: RefusedReason,
        /// The sentence that was sent.
        text: String,
    },
    /// The engine's proof does not hold.
    #[error("the engine did not prove the key: the keys differ, or somebody stands between")]
    EngineUnproven,
    /// The engine chose a version that was not offered.
    #[error("the engine chose version {0}, which was not offered")]
    Version(u16),
    /// A message of the engine cannot be read or came at the wrong moment.
    #[error("the peer's message cannot be read or came at the wrong moment")]
    Malformed,
    /// The engine's own settings cannot be sent.
    #[error(transparent)]
    Terms(#[from] BadTerms),
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

/// What both proofs cover.
#[derive(Clone, Copy)]
struct Transcript {
    exporter: [u8; 32],
    hello: [u8; 32],
    challenge: [u8; 32],
}

impl Transcript {
    /// The state of a proof; what is added behind it is the side's own.
    fn proof(&self, key: &SharedKey, label: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length is a key");
        mac.update(&[u8::try_from(label.len()).unwrap_or(u8::MAX)]);
        mac.update(label);
        mac.update(&self.exporter);
        mac.update(&self.hello);
        mac.update(&self.challenge);
        mac
    }

    fn connector_proof(&self, key: &SharedKey) -> Hmac<Sha256> {
        self.proof(key, CONNECTOR_LABEL)
    }

    fn engine_proof(&self, key: &SharedKey, terms: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.proof(key, ENGINE_LABEL);
        mac.update(&digest(terms));
        mac
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn write_frame(out: &mut Vec<u8>, kind: FrameKind, parts: &[&[u8]]) -> Result<(), FrameFault> {
    let mut frame = FrameWriter::begin(out, kind);
    for part in parts {
        frame.body().extend_from_slice(part);
    }
    frame.finish()
}

/// The connector's side.
pub struct ConnectorHandshake {
    key: SharedKey,
    transcript: Transcript,
    versions: Vec<u16>,
    stage: ConnectorStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectorStage {
    AwaitChallenge,
    AwaitWelcome,
    Ended,
}

/// How far the connector's side is.
#[derive(Debug)]
pub enum ConnectorProgress {
    /// Send what is in `out` and read on.
    Continue,
    /// Both sides are proven; the session is open.
    Done(Box<Terms>),
}

impl fmt::Debug for ConnectorHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorHandshake").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl ConnectorHandshake {
    /// Starts: appends the hello to `out`. `nonce` is random; `exporter` is of this very connection,
    /// under `EXPORTER_LABEL`.
    ///
    /// # Errors
    /// Never in practice; the frame's bound.
    pub fn start(
        key: &SharedKey,
        connector: &ConnectorName,
        run: RunId,
        inspect: Inspect,
        nonce: [u8; 32],
        exporter: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Self, HandshakeFault> {
        let versions = DEFENDR_VERSIONS.to_vec();
        let hello = Hello { versions, connector: connector.clone(), run, nonce, inspect };
        Self::start_with(key, hello, exporter, out)
    }

    /// Starts with a hello as it is.
    fn start_with(
        key: &SharedKey,
        hello: Hello,
        exporter: [u8; 32],
        out: &mut Vec<u8>,
    ) -> Result<Self, HandshakeFault> {
        let body = hello.body();
        write_frame(out, FrameKind::Hello, &[&body])?;
        Ok(Self {
            key: key.clone(),
            transcript: Transcript { exporter, hello: digest(&body), challenge: [0; 32] },
            versions: hello.versions,
            stage: ConnectorStage::AwaitChallenge,
        })
    }

    /// Takes a frame of the engine.
    ///
    /// # Errors
    /// When the session cannot begin; then nothing more may be fed.
    pub fn feed(
        &mut self,
        frame: Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ConnectorProgress, HandshakeFault> {
        let stage = std::mem::replace(&mut self.stage, ConnectorStage::Ended);
        if frame.body.len() > HANDSHAKE_FRAME_BYTES_MAX {
            return Err(HandshakeFault::Malformed);
        }
        match (stage, frame.kind) {
            (ConnectorStage::AwaitChallenge | ConnectorStage::AwaitWelcome, FrameKind::Refused) => {
                let Refused { reason, text } =
                    Refused::read(frame.body).ok_or(HandshakeFault::Malformed)?;
                Err(HandshakeFault::Refused { reason, text })
            }
            (ConnectorStage::AwaitChallenge, FrameKind::Challenge) => {
                self.prove(frame.body, out)?;
                self.stage = ConnectorStage::AwaitWelcome;
                Ok(ConnectorProgress::Continue)
            }
            (ConnectorStage::AwaitWelcome, FrameKind::Welcome) => {
                let (welcome, terms) =
                    Welcome::read(frame.body).ok_or(HandshakeFault::Malformed)?;
                // INVARIANT: nothing of the terms is used before the engine's proof holds.
                self.transcript
                    .engine_proof(&self.key, terms)
                    .verify_slice(&welcome.mac)
                    .map_err(|_| HandshakeFault::EngineUnproven)?;
                Ok(ConnectorProgress::Done(Box::new(welcome.terms)))
            }
            _ => Err(HandshakeFault::Malformed),
        }
    }

    fn prove(&mut self, challenge: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeFault> {
        let Challenge { version, nonce: _ } =
            Challenge::read(challenge).ok_or(HandshakeFault::Malformed)?;
        if !self.versions.contains(&version) {
            return Err(HandshakeFault::Version(version));
        }
        self.transcript.challenge = digest(challenge);
        let mac = self.transcript.connector_proof(&self.key).finalize().into_bytes().into();
        write_frame(out, FrameKind::Proof, &[&Proof { mac }.body()])?;
        Ok(())
    }
}

/// The engine's side.
pub struct EngineHandshake {
    nonce: [u8; 32],
    exporter: [u8; 32],
    stage: EngineStage,
}

enum EngineStage {
    AwaitHello,
    AwaitProof(Box<Claim>),
    Ended,
}

/// What a connector says to be and has not proved yet.
struct Claim {
    hello: Hello,
    key: SharedKey,
    transcript: Transcript,
}

/// How far the engine's side is.
#[derive(Debug)]
pub enum EngineProgress {
    /// Send what is in `out` and read on.
    Continue,
    /// The connector is proven; send what is in `out`, then read reports and queries.
    Done(Box<Hello>),
}

impl fmt::Debug for EngineHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            EngineStage::AwaitHello => "AwaitHello",
            EngineStage::AwaitProof(_) => "AwaitProof",
            EngineStage::Ended => "Ended",
        };
        f.debug_struct("EngineHandshake").field("stage", &stage).finish_non_exhaustive()
    }
}

impl EngineHandshake {
    /// Waits for a hello. `nonce` is random; `exporter` is of this very connection, under
    /// `EXPORTER_LABEL`.
    #[must_use]
    pub const fn new(nonce: [u8; 32], exporter: [u8; 32]) -> Self {
        Self { nonce, exporter, stage: EngineStage::AwaitHello }
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
        let stage = std::mem::replace(&mut self.stage, EngineStage::Ended);
        let step = match (stage, frame.kind) {
            _ if frame.body.len() > HANDSHAKE_FRAME_BYTES_MAX => {
                Err(No::Refuse(RefusedReason::Malformed))
            }
            (EngineStage::AwaitHello, FrameKind::Hello) => {
                self.challenge(frame.body, admission, out)
            }
            (EngineStage::AwaitProof(claim), FrameKind::Proof) => {
                welcome(*claim, frame.body, admission, out)
            }
            _ => Err(No::Refuse(RefusedReason::Malformed)),
        };
        step.map_err(|no| match no {
            No::Fault(fault) => fault,
            No::Refuse(reason) => refuse(reason, out),
        })
    }

    /// Answers a hello.
    fn challenge(
        &mut self,
        body: &[u8],
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<EngineProgress, No> {
        let hello = Hello::read(body).ok_or(No::Refuse(RefusedReason::Malformed))?;
        let version = DEFENDR_VERSIONS
            .iter()
            .copied()
            .find(|version| hello.versions.contains(version))
            .ok_or(No::Refuse(RefusedReason::Version))?;
        let key = admission.key(&hello).map_err(No::Refuse)?.clone();
        let challenge = Challenge { version, nonce: self.nonce }.body();
        write_frame(out, FrameKind::Challenge, &[&challenge])?;
        let transcript = Transcript {
            exporter: self.exporter,
            hello: digest(body),
            challenge: digest(&challenge),
        };
        self.stage = EngineStage::AwaitProof(Box::new(Claim { hello, key, transcript }));
        Ok(EngineProgress::Continue)
    }
}

/// Why a step of the engine's side ends the handshake.
enum No {
    Refuse(RefusedReason),
    Fault(HandshakeFault),
}

impl From<FrameFault> for No {
    fn from(fault: FrameFault) -> Self {
        Self::Fault(fault.into())
    }
}

/// Checks the proof; only then the engine makes its own.
fn welcome(
    claim: Claim,
    body: &[u8],
    admission: &dyn Admission,
    out: &mut Vec<u8>,
) -> Result<EngineProgress, No> {
    let Claim { hello, key, transcript } = claim;
    let proof = Proof::read(body).ok_or(No::Refuse(RefusedReason::Malformed))?;
    transcript
        .connector_proof(&key)
        .verify_slice(&proof.mac)
        .map_err(|_| No::Refuse(RefusedReason::WrongKey))?;
    let terms = admission.terms(&hello).map_err(No::Refuse)?;
    let terms = terms.body().map_err(|bad| No::Fault(bad.into()))?;
    let mac: [u8; 32] = transcript.engine_proof(&key, &terms).finalize().into_bytes().into();
    write_frame(out, FrameKind::Welcome, &[&mac, &terms])?;
    Ok(EngineProgress::Done(Box::new(hello)))
}

/// Writes the refusal that the caller sends before it closes.
///
/// Also for a refusal that the engine gives before any frame, such as a session limit.
pub fn refuse(reason: RefusedReason, out: &mut Vec<u8>) -> HandshakeFault {
    let text = reason.sentence().to_owned();
    match (Refused { reason, text: text.clone() }).write(out) {
        Ok(()) => HandshakeFault::Refused { reason, text },
        Err(fault) => fault.into(),
    }
}

#[cfg(test)]
#[path = "tests/handshake.rs"]
mod tests;
