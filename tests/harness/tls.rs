//! TLS as a browser and as an origin would speak it, and who signed what the browser was shown.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::material::Leaf;

/// The one provider of this process; the first call makes it.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A server that shows `leaf`.
///
/// # Errors
///
/// If the key does not belong to the certificate.
pub fn server(leaf: &Leaf) -> Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).context("the leaf's key")?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.certificate.clone()], key)?;
    Ok(Arc::new(config))
}

/// Takes any certificate and remembers it: a browser that looks at what it is shown, and judges later.
#[derive(Debug)]
pub struct Curious {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

/// A client that takes any certificate, and what it saw.
///
/// # Errors
///
/// If the provider knows no protocol version.
pub fn curious_client() -> Result<(Arc<ClientConfig>, Arc<Curious>)> {
    let provider = provider();
    let curious = Arc::new(Curious { provider: Arc::clone(&provider), seen: Mutex::new(None) });
    let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&curious) as _;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok((Arc::new(config), curious))
}

impl Curious {
    /// The certificate that the server showed.
    #[must_use]
    pub fn seen(&self) -> Option<CertificateDer<'static>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Curious {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
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

/// A `ClientHello` of TLS 1.2, whose server shows its certificate in the clear, with these bytes as
/// names of the server: some that no library would send.
#[must_use]
pub fn client_hello(names: &[&[u8]]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if !names.is_empty() {
        let mut list = Vec::new();
        for name in names {
            list.push(0);
            put_long(&mut list, name);
        }
        let mut whole = Vec::new();
        put_long(&mut whole, &list);
        extensions.extend_from_slice(&[0, 0]);
        put_long(&mut extensions, &whole);
    }
    // Groups x25519 and P-256, uncompressed points, and the usual signatures.
    for (number, body) in [
        (10_u8, &[0, 4, 0, 29, 0, 23][..]),
        (11, &[1, 0]),
        (13, &[0, 14, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6]),
    ] {
        extensions.extend_from_slice(&[0, number]);
        put_long(&mut extensions, body);
    }
    let mut body = vec![3, 3];
    body.extend_from_slice(&[0x5a; 32]);
    body.push(0);
    put_long(&mut body, &[0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8]);
    body.extend_from_slice(&[1, 0]);
    put_long(&mut body, &extensions);
    let mut message = vec![1, 0];
    put_long(&mut message, &body);
    message
}

/// A handshake message in records of at most `bytes` each.
#[must_use]
pub fn records(message: &[u8], bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(bytes.max(1)) {
        out.extend_from_slice(&[22, 3, 1]);
        put_long(&mut out, part);
    }
    out
}

/// Appends bytes behind their length in two.
fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Whether `authority` signed `certificate`, for the server that it was shown for.
///
/// # Errors
///
/// If the authority's certificate is not one.
pub fn is_signed_by(
    certificate: &CertificateDer<'_>,
    authority: &CertificateDer<'static>,
    server: &str,
) -> Result<bool> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone())?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
    let name = ServerName::try_from(server)?;
    Ok(verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).is_ok())
}
