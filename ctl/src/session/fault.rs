//! Why an engine cannot be asked as somebody.

use std::io;
use std::path::PathBuf;

use crate::client::{ClientFault, Fingerprint, KnownFault, PinFault};
use crate::exit::Exit;

/// Why an engine cannot be asked as somebody.
#[derive(Debug, thiserror::Error)]
pub enum SessionFault {
    /// The engine did not answer, or says no.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The certificate that the configuration names is of no use.
    #[error(transparent)]
    Pin(#[from] PinFault),
    /// The file of known engines is of no use.
    #[error(transparent)]
    Known(#[from] KnownFault),
    /// Nobody has said that this engine is the right one.
    #[error(
        "the engine at `{place}` is not known, and nothing was sent to it\n  certificate: {shown}\n\
         compare it with `openssl x509 -fingerprint -sha256` on its machine, then put its certificate \
         into `[global] cert` of the configuration, or run `egctl` once at a terminal and say yes"
    )]
    Unknown {
        /// Host and port.
        place: String,
        /// Its certificate.
        shown: Fingerprint,
    },
    /// There is no place to remember an engine in.
    #[error(
        "there is no folder to remember engines in: HOME is not set; put the certificate into `[global] cert`"
    )]
    NoFolder,
    /// Nobody has said as whom.
    #[error("as whom? say it by `-u NAME`, or `[global] user` in the configuration")]
    NoUser,
    /// There is no password, and nobody to ask for it.
    #[error(
        "`{user}` has to log in at `{place}`, and there is no terminal: run `egctl login` at one, or \
         name a file by EGCTL_PASSWORD_FILE or EGCTL_KEY_FILE"
    )]
    NoPassword {
        /// The account.
        user: String,
        /// Host and port.
        place: String,
    },
    /// Whoever was asked did not answer.
    #[error("nothing was done, since the question was not answered")]
    Unanswered,
    /// Both entries of a new secret have to be the same.
    #[error("the two entries differ; nothing was done")]
    Differ,
    /// A file with a secret is of no use.
    #[error("cannot take a secret from `{}`", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tokens cannot be kept.
    #[error("cannot keep the login in `{}`; the next command asks for it again", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The terminal.
    #[error("cannot talk with the terminal")]
    Terminal(#[from] io::Error),
}

impl SessionFault {
    /// How a command ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(fault) => fault.exit(),
            Self::Unknown { .. } => Exit::Unreachable,
            Self::NoPassword { .. } => Exit::Refused,
            Self::NoUser => Exit::Usage,
            Self::Pin(_)
            | Self::Known(_)
            | Self::NoFolder
            | Self::Unanswered
            | Self::Differ
            | Self::SecretFile { .. }
            | Self::TokenFile { .. }
            | Self::Terminal(_) => Exit::Failed,
        }
    }
}
