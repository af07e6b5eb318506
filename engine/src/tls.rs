//! The TLS pair of Defendr and the Control API: read, or made where there is none.
//!
//! Connectors pin the certificate's public key, so a self-made pair is as good as a bought one, and
//! it must not change by itself: a pair of which one half is missing is a fault, never remade.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eg_policy::digest::Digest;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why there is no TLS pair.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// One of two files is missing.
    #[error(
        "`{}` is there and `{}` is missing; put the missing half back, or move the other away so \
         that a new pair is made, and give the connectors its certificate",
        present.display(), missing.display()
    )]
    HalfAPair {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// A file cannot be read as PEM.
    #[error("cannot read `{}` as PEM", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error("`{}` holds no certificate", path.display())]
    NoCertificate {
        /// Which one.
        path: PathBuf,
    },
    /// The two do not belong together, or are of a kind that TLS does not take.
    #[error("`{}` and `{}` cannot be used together", key.display(), cert.display())]
    Mismatch {
        /// The private key.
        key: PathBuf,
        /// The certificate.
        cert: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The pair could not be made.
    #[error("cannot make a TLS pair")]
    Make(#[source] rcgen::Error),
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The pair, ready for Defendr and the Control API.
#[derive(Debug)]
pub struct Pair {
    /// For Defendr: TLS 1.3 only.
    pub config: Arc<ServerConfig>,
    /// For the Control API: TLS 1.3 and 1.2, and HTTP/1.1 alone.
    pub control: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` shows it.
    pub fingerprint: String,
    /// Whether it was made just now.
    pub made: Made,
}

/// Whether a pair was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was there.
    Before,
    /// The engine made it at this start.
    Now,
}

/// Installs the one TLS provider of the process. Every `main` calls it first; a second call in a
/// process changes nothing.
pub fn install_provider() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Reads the pair, or makes one for `names` where both files are missing.
///
/// # Errors
///
/// [`TlsFault`]; nothing that is there is ever overwritten.
pub fn pair(key: &Path, cert: &Path, addresses: &[IpAddr]) -> Result<Pair, TlsFault> {
    let made = match (key.exists(), cert.exists()) {
        (true, true) => Made::Before,
        (false, false) => {
            make(key, cert, addresses)?;
            Made::Now
        }
        (true, false) => {
            return Err(TlsFault::HalfAPair { present: key.into(), missing: cert.into() });
        }
        (false, true) => {
            return Err(TlsFault::HalfAPair { present: cert.into(), missing: key.into() });
        }
    };
    let pem = |path: &Path| {
        let path = path.to_path_buf();
        |source| TlsFault::Pem { path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .map_err(pem(cert))?
        .collect::<Result<_, _>>()
        .map_err(pem(cert))?;
    let Some(leaf) = chain.first() else {
        return Err(TlsFault::NoCertificate { path: cert.into() });
    };
    let fingerprint = fingerprint(leaf);
    let secret = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let mismatch = |source| TlsFault::Mismatch { key: key.into(), cert: cert.into(), source };
    let (again, once_more) = (chain.clone(), secret.clone_key());
    let defendr = server(&[&rustls::version::TLS13], chain, secret).map_err(mismatch)?;
    let versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let mut control = server(versions, again, once_more).map_err(mismatch)?;
    control.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Pair { config: Arc::new(defendr), control: Arc::new(control), fingerprint, made })
}

fn server(
    versions: &[&'static rustls::SupportedProtocolVersion],
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
}

/// Upper-case pairs of digits with colons between them.
fn fingerprint(leaf: &CertificateDer<'_>) -> String {
    let pairs: Vec<String> =
        Digest::of(leaf).as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Makes a self-signed pair, both files 0600.
fn make(key: &Path, cert: &Path, addresses: &[IpAddr]) -> Result<(), TlsFault> {
    let mut names = vec!["enforcegate-engine".to_owned(), "localhost".to_owned()];
    names.extend(addresses.iter().filter(|ip| !ip.is_unspecified()).map(IpAddr::to_string));
    let mut wanted = rcgen::CertificateParams::new(names).map_err(TlsFault::Make)?;
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "enforcegate-engine");
    let secret = rcgen::KeyPair::generate().map_err(TlsFault::Make)?;
    let signed = wanted.self_signed(&secret).map_err(TlsFault::Make)?;
    write_new(key, &secret.serialize_pem())?;
    write_new(cert, &signed.pem())
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, text: &str) -> Result<(), TlsFault> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|source| TlsFault::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_pair_is_made_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (key, cert) = (folder.path().join("ssl/key.pem"), folder.path().join("ssl/cert.pem"));
        let first = pair(&key, &cert, &[]).unwrap();
        assert_eq!(first.made, Made::Now);
        for path in [&key, &cert] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let second = pair(&key, &cert, &[]).unwrap();
        assert_eq!(second.made, Made::Before);
        assert_eq!(first.fingerprint, second.fingerprint);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
    }

    #[test]
    fn half_a_pair_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (key, cert) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
        pair(&key, &cert, &[]).unwrap();
        fs::remove_file(&cert).unwrap();
        let before = fs::read(&key).unwrap();
        assert!(matches!(pair(&key, &cert, &[]), Err(TlsFault::HalfAPair { .. })));
        assert_eq!(fs::read(&key).unwrap(), before);
        assert!(!cert.exists());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        pair(&path("a.key"), &path("a.crt"), &[]).unwrap();
        pair(&path("b.key"), &path("b.crt"), &[]).unwrap();
        assert!(matches!(
            pair(&path("a.key"), &path("b.crt"), &[]),
            Err(TlsFault::Mismatch { .. })
        ));
        fs::write(path("c.crt"), "nothing").unwrap();
        assert!(matches!(
            pair(&path("a.key"), &path("c.crt"), &[]),
            Err(TlsFault::NoCertificate { .. })
        ));
    }
}
