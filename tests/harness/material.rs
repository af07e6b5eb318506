//! Keys, secrets and certificates, new for each installation.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateDer;

/// A certificate authority of our own.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// The same as PEM.
    pub certificate_pem: String,
    /// Its private key as PEM.
    pub key_pem: String,
    /// What it signs with.
    pub issuer: Issuer<'static, KeyPair>,
}

/// A certificate for a server, and its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The same as PEM.
    pub certificate_pem: String,
    /// The private key as PEM.
    pub key_pem: String,
}

/// Makes an authority called `name`.
///
/// # Errors
///
/// If the system has no randomness.
pub fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Authority {
        certificate: certificate.der().clone(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        issuer: Issuer::new(params, key),
    })
}

impl Authority {
    /// A certificate for these names and for 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If a name is not one.
    pub fn leaf(&self, names: &[&str]) -> Result<Leaf> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        // Squid 5.7 reads no address among the other names.
        params.distinguished_name.push(DnType::CommonName, Ipv4Addr::LOCALHOST.to_string());
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

/// A key for Defendr: 32 characters, 192 bits.
///
/// # Errors
///
/// If the system has no randomness.
pub fn shared_key() -> Result<String> {
    Ok(STANDARD.encode(random::<24>()?))
}

/// The secret that engine and portal share: 32 bytes in base64.
///
/// # Errors
///
/// If the system has no randomness.
pub fn portal_secret() -> Result<String> {
    Ok(STANDARD.encode(random::<32>()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|fault| anyhow::anyhow!("no randomness: {fault}"))?;
    Ok(bytes)
}
