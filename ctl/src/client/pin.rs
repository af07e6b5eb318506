//! The certificate of an engine: its fingerprint, the pin that it is held against, and the verifier that
//! does so in the handshake. The chain alone is replaced by the pin; that the engine holds the key is
//! proved as always.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` and the engine's log show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; DIGEST_BYTES]);

impl Fingerprint {
    /// That of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Out of its text: 32 pairs of digits with colons between them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; DIGEST_BYTES];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.is_ascii())?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// Why a certificate cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinFault {
    /// The file cannot be read.
    #[error("cannot read the certificate `{}`, which `cert` names", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is no certificate.
    #[error("`{}` holds no certificate in PEM; it must be the engine's `[control] cert`", .0.display())]
    NoCertificate(PathBuf),
}

/// What an engine's certificate is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The public key (SPKI in DER) where the certificate itself is at hand: it may be renewed.
    key: Option<Vec<u8>>,
    /// The certificate that was pinned.
    fingerprint: Fingerprint,
    /// The file that says so.
    kept: PathBuf,
}

impl Pin {
    /// The public key of the first certificate of a PEM file.
    ///
    /// # Errors
    ///
    /// [`PinFault`]
    pub fn of_file(path: &Path) -> Result<Self, PinFault> {
        let pem = fs::read(path).map_err(|fault| PinFault::Read(path.to_path_buf(), fault))?;
        let none = || PinFault::NoCertificate(path.to_path_buf());
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| none())?;
        let key = public_key(&certificate).ok_or_else(none)?;
        let fingerprint = Fingerprint::of(&certificate);
        Ok(Self { key: Some(key), fingerprint, kept: path.to_path_buf() })
    }

    /// A certificate that was seen before, by the file that remembers it.
    #[must_use]
    pub fn remembered(fingerprint: Fingerprint, kept: &Path) -> Self {
        Self { key: None, fingerprint, kept: kept.to_path_buf() }
    }

    /// The certificate that was pinned.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The file that says so.
    #[must_use]
    pub fn kept(&self) -> &Path {
        &self.kept
    }

    fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        match &self.key {
            Some(key) => public_key(certificate).as_ref() == Some(key),
            None => Fingerprint::of(certificate) == self.fingerprint,
        }
    }
}

fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().as_ref().to_vec())
}

/// What the verifier has seen, for messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Option<Fingerprint>>>);

impl Seen {
    /// The certificate that came, where one did.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn keep(&self, found: Fingerprint) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(found);
    }
}

/// The settings for one connection; without a pin every certificate is refused, and seen.
///
/// # Errors
///
/// When the provider has no TLS 1.3.
pub(super) fn client_config(pin: Option<Pin>, seen: Seen) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(PinVerifier { pin, seen, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // Names serve nobody here, and a resumed session would skip the pin.
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whether this error is the verifier's own.
pub(super) fn is_wrong_pin(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

#[derive(Debug)]
struct PinVerifier {
    pin: Option<Pin>,
    seen: Seen,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.seen.keep(Fingerprint::of(end_entity));
        match &self.pin {
            Some(pin) if pin.holds(end_entity) => Ok(ServerCertVerified::assertion()),
            Some(_) | None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_openssl_shows() {
        let found = Fingerprint::of(b"");
        let text = found.to_string();
        assert!(text.starts_with("E3:B0:C4:42:98:FC:1C:14:") && text.ends_with(":B8:55"), "{text}");
        assert_eq!(Fingerprint::parse(&text), Some(found));
        assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(found));
        let cut: String = text.chars().skip(3).collect();
        for bad in ["", "E3", &cut, &format!("{text}:00"), &text.replace("E3", "+3")] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_pins_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        assert!(matches!(Pin::of_file(&path), Err(PinFault::Read(..))));
        fs::write(&path, "no PEM").unwrap();
        assert!(matches!(Pin::of_file(&path), Err(PinFault::NoCertificate(_))));
    }
}
