//! What a connector's configuration is once it is known to be right.
//!
//! A `Config` exists only when every key was right; what it weakens is listed by
//! [`Config::weakenings`] so that the start can say so.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use eg_proto::{ConnectorName, Inspect, SharedKey};
use eg_settings::log::Logging;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;

/// The whole configuration of a connector.
#[derive(Debug)]
pub struct Config {
    /// The engines in file order; the first is asked first. Never empty.
    pub engines: Vec<EngineConfig>,
    /// `[connector]`.
    pub connector: ConnectorSettings,
    /// `[ssl_bump_acl].fail_action`: for the second role.
    pub tls_fail_action: TlsFailAction,
    /// `[logging]`.
    pub logging: Logging,
    /// The keys that are set to something that has no effect in this version.
    pub not_yet: Vec<String>,
}

/// One `[engine.<name>]`.
#[derive(Debug)]
pub struct EngineConfig {
    /// The name of the section.
    pub name: String,
    /// Where it is.
    pub address: EngineAddress,
    /// The pre-shared key.
    pub key: SharedKey,
    /// The public key that the engine must have.
    pub pin: Option<Pin>,
}

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// Over the network.
    Tcp {
        /// A name or an address.
        host: String,
        /// The Defendr port.
        port: NonZeroU16,
    },
    /// A UNIX socket of this machine.
    Socket(PathBuf),
}

/// The public key (SPKI in DER) that an engine's certificate must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Takes the public key out of the first certificate of a PEM file.
    ///
    /// # Errors
    /// A sentence for people when the bytes hold no certificate that can be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|fault| format!("it holds no certificate in PEM ({fault})"))?;
        Self::of_certificate(&certificate)
            .ok_or_else(|| "its certificate cannot be read".to_owned())
    }

    /// The public key of a certificate; `None` when it cannot be read.
    #[must_use]
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        Some(Self(parsed.subject_public_key_info().as_ref().to_vec()))
    }
}

/// `[connector]`.
#[derive(Debug)]
pub struct ConnectorSettings {
    /// Who this connector says it is; the engine has a key for the name.
    pub name: ConnectorName,
    /// How a verdict is told to Squid.
    pub answer: Answer,
    /// What a request gets that no engine could judge.
    pub fail_action: FailAction,
    /// How long a request may take.
    pub answer_timeout: Duration,
    /// What Squid does with TLS.
    pub inspect: Inspect,
}

/// How a verdict is told to Squid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As a note; Squid's gate makes the redirect.
    Note,
    /// As a redirect by the helper, for proxies that cannot have the gate.
    Redirect {
        /// Where to send a client when no engine ever told its portal; absent only with
        /// `fail_action = "permit"`.
        fail_url: Option<String>,
    },
}

/// What a request gets that no engine could judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailAction {
    /// It is refused.
    Deny,
    /// It passes: the operator's written choice.
    Permit,
}

/// What the second role answers when no engine can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailAction {
    /// The connection ends.
    Terminate,
    /// The connection goes on unread.
    Splice,
    /// The connection is decrypted.
    Bump,
}

/// A setting that opens the gate a little: said at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakening {
    /// `fail_action = "permit"`.
    FailPermit,
    /// `answer = "redirect"`.
    AnswerRedirect,
    /// `[ssl_bump_acl].fail_action` other than `terminate`.
    TlsNotTerminated,
}

impl Weakening {
    /// What it means, for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::FailPermit => {
                "`fail_action = \"permit\"`: while no engine answers, every request passes"
            }
            Self::AnswerRedirect => {
                "`answer = \"redirect\"`: Squid lets requests pass when a helper dies or errs"
            }
            Self::TlsNotTerminated => {
                "`[ssl_bump_acl] fail_action` is not `terminate`: TLS goes on without a verdict"
            }
        }
    }
}

impl Config {
    /// The settings that open the gate a little.
    #[must_use]
    pub fn weakenings(&self) -> Vec<Weakening> {
        let mut found = Vec::new();
        match self.connector.fail_action {
            FailAction::Deny => {}
            FailAction::Permit => found.push(Weakening::FailPermit),
        }
        match self.connector.answer {
            Answer::Note => {}
            Answer::Redirect { .. } => found.push(Weakening::AnswerRedirect),
        }
        match self.tls_fail_action {
            TlsFailAction::Terminate => {}
            TlsFailAction::Splice | TlsFailAction::Bump => found.push(Weakening::TlsNotTerminated),
        }
        found
    }
}
