//! Why there is no answer, or not the one that was hoped for.

use std::io;

use eg_proto::control::{Problem, ProblemKind};

use super::pin::Fingerprint;
use crate::exit::Exit;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// Nobody answers there.
    #[error("cannot reach the engine at `{place}`; {advice}")]
    Unreachable {
        /// The socket, or host and port.
        place: String,
        /// What to look at.
        advice: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("the engine at `{place}` did not answer; its log says what became of the request")]
    NoAnswer {
        /// The socket, or host and port.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be spoken.
    #[error("`{place}` does not speak TLS as an engine does; is it the Control API's port?")]
    Tls {
        /// Host and port.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The engine has another certificate than the pinned one.
    #[error(
        "`{place}` shows another certificate than the one in `{kept}`, and nothing was sent to it\n  \
         pinned: {pinned}\n  shown:  {shown}\nwhere the engine got a new certificate, compare what is \
         shown with `openssl x509 -fingerprint -sha256` on its machine and put it into `{kept}`; \
         otherwise somebody stands in between"
    )]
    OtherCertificate {
        /// Host and port.
        place: String,
        /// The file that the pin is in.
        kept: String,
        /// The pinned certificate.
        pinned: Fingerprint,
        /// The one that came.
        shown: Fingerprint,
    },
    /// What came is not an answer of an engine.
    #[error(
        "`{place}` gave no answer of an engine: {what}; is it another program's, or another version?"
    )]
    Broken {
        /// The socket, or host and port.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// The engine says no.
    #[error("{}: {}", .0.title, .0.detail)]
    Refused(Box<Problem>),
}

impl ClientFault {
    /// Whether the engine answered that nobody is logged in.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.problem().is_some_and(|problem| problem.kind == ProblemKind::Unauthorized)
    }

    /// Whether the engine has nothing at that path: one of another version.
    #[must_use]
    pub fn is_unanswered_path(&self) -> bool {
        self.problem().is_some_and(|problem| problem.kind == ProblemKind::NotFound)
    }

    /// What the engine said, where it said something.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Tls { .. }
            | Self::OtherCertificate { .. }
            | Self::Broken { .. } => None,
        }
    }

    /// How a command ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Tls { .. }
            | Self::OtherCertificate { .. } => Exit::Unreachable,
            Self::Broken { .. } => Exit::Failed,
            Self::Refused(problem) if is_about_who(problem.kind) => Exit::Refused,
            Self::Refused(_) => Exit::Failed,
        }
    }
}

/// Whether it is about who asks, and not about what is asked for.
fn is_about_who(kind: ProblemKind) -> bool {
    matches!(kind.status(), 401 | 403)
}
