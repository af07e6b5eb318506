//! The wire between EnforceGate's programs: bytes to typed messages and back.
//!
//! Several protocols live here. **Defendr** is spoken by a connector and the engine over TLS 1.3: frames
//! (`frame`), a mutual proof of one shared key (`key`, `hello`, `handshake`), then queries and
//! answers in batches (`query`, `answer`, `decision`) and what keeps a session honest (`session`).
//! The **portal's payload** is sealed by the engine and opened by the portal (`payload`, `seal`).
//! The **tag** of a client connection is sealed and opened by engines (`tag`); Squid carries it.
//! The **Control API** is JSON over HTTP, asked by the tools (`control`).
//! `docs/defendr.md` describes the first byte for byte.
//!
//! Left out on purpose: sockets, TLS, clocks, randomness and policy. Nonces, the exporter and the
//! time come in as arguments.
//!
//! INVARIANT: no function here panics or reads past its input, whatever bytes it is given, and every
//! length that a peer announces is compared with `limits` before anything is kept.

pub mod limits;
mod wire;

// Defendr. To read first: `frame`, `hello`, `handshake`, `query`, `answer`.
pub mod answer;
pub mod bump;
mod batch;
pub mod decision;
pub mod frame;
mod greeting;
pub mod handshake;
pub mod hello;
pub mod key;
pub mod query;
pub mod session;

// What the engine tells the portal through the browser.
pub mod payload;
pub mod seal;
mod salted;

// What the engine tells itself through Squid.
pub mod tag;

// What the operator's tools ask of the engine.
pub mod control;

pub use answer::{Action, Answer, AnswerWriter, Answers, BadAnswer, Route, answers};
pub use batch::Pushed;
pub use bump::Tls;
pub use decision::{DecisionId, DecisionText};
pub use frame::{Frame, FrameBuffer, FrameFault, FrameKind, FrameWriter};
pub use handshake::{
    Admission, ConnectorHandshake, ConnectorProgress, EngineHandshake, EngineProgress,
    HandshakeFault,
};
pub use hello::{
    BadTerms, Challenge, FailureCause, FailureToken, Hello, Inspect, Proof, Refused, RefusedReason,
    Report, Routes, RunId, Terms, Welcome,
};
pub use key::{ConnectorName, KeyFault, NameFault, SharedKey};
pub use payload::{Payload, PayloadRef, RULE_ENGINE_UNAVAILABLE};
pub use query::{BadQuery, Phase, Queries, Query, QueryWriter, Retry, Role, Sni, TooLong, queries};
pub use seal::{
    Freshness, OpenFault, Opened, Opener, PortalSecret, SealFault, Sealer, SecretFault, Wear,
};
pub use session::{Close, CloseReason};
pub use tag::{Kept, Standing, Tag, TagFault, TagOpener, TagSealer};
pub use wire::is_base64url;

#[cfg(test)]
mod document;

/// The one version of Defendr that this code speaks.
pub const DEFENDR_VERSION: u16 = 1;

/// The versions that this code speaks, best first.
pub const DEFENDR_VERSIONS: &[u16] = &[DEFENDR_VERSION];
