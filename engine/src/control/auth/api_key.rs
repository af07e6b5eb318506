//! API keys of service accounts: `eg_`, eight letters by which one is named, `_`, and the secret part.
//!
//! Shown once and kept as its SHA-256. An account has two at most, so that one can be changed for the
//! next.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use eg_proto::control::Secret;
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::digest::SecretDigest;
use super::state::Key;
use super::totp::base32;

/// Keys of an account.
pub(super) const KEYS_MAX: usize = 2;

/// Days that a key is good where nothing is said (SPEC 9).
pub(super) const DAYS: u32 = 365;

/// Days at most: ten years is for ever.
pub(super) const DAYS_MAX: u32 = 3650;

/// Networks of a key: the machines of one pipeline.
pub(super) const SOURCES_MAX: usize = 16;

const FRONT: &str = "eg_";
const PREFIX_BYTES: usize = 5;
const SECRET_BYTES: usize = 32;

/// A key at most, in bytes.
const KEY_BYTES_MAX: usize = 64;

const DAY_S: i64 = 24 * 60 * 60;

/// Whether a text is an API key, good or not.
pub(super) fn is_key(text: &str) -> bool {
    text.starts_with(FRONT)
}

/// A fresh key, and what is kept of it.
pub(super) fn make(
    days: u32,
    sources: Vec<IpNet>,
    now: i64,
) -> Result<(Secret, Key), getrandom::Error> {
    let mut front = [0; PREFIX_BYTES];
    getrandom::fill(&mut front)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut_slice())?;
    let prefix = format!("{FRONT}{}", base32(&front).to_ascii_lowercase());
    let text = Zeroizing::new(BASE64.encode(secret.as_slice()));
    let key = Secret::new(format!("{prefix}_{}", text.as_str()));
    let kept = Key {
        prefix,
        sha256: SecretDigest::of(key.expose().as_bytes()),
        created: now,
        expires: now.saturating_add(i64::from(days).saturating_mul(DAY_S)),
        sources,
        last_used: None,
    };
    Ok((key, kept))
}

/// The beginning of a key, by which it is found.
pub(super) fn prefix(key: &str) -> Option<&str> {
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let (front, _) = key.strip_prefix(FRONT)?.split_once('_')?;
    key.get(..FRONT.len() + front.len())
}

/// Why a key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFault {
    /// It is another.
    Wrong,
    /// Its time is over.
    Expired,
    /// It may not be used from there.
    Source,
}

impl KeyFault {
    /// The word in the trail.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Wrong => "unknown-key",
            Self::Expired => "expired-key",
            Self::Source => "key-source",
        }
    }
}

/// Whether `given` is the key that is kept, and may be used from `source` now.
pub(super) fn check(kept: &Key, given: &str, source: IpAddr, now: i64) -> Result<(), KeyFault> {
    if SecretDigest::of(given.as_bytes()) != kept.sha256 {
        return Err(KeyFault::Wrong);
    }
    if now >= kept.expires {
        return Err(KeyFault::Expired);
    }
    let source = source.to_canonical();
    let may = kept.sources.is_empty() || kept.sources.iter().any(|net| net.contains(&source));
    if may { Ok(()) } else { Err(KeyFault::Source) }
}

/// Networks as they are written.
pub(super) fn sources(texts: &[String]) -> Result<Vec<IpNet>, String> {
    if texts.len() > SOURCES_MAX {
        return Err(format!("a key has {SOURCES_MAX} sources at most"));
    }
    let one = |text: &String| {
        let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network = text.parse::<IpNet>().map(|network| network.trunc()).or_else(|_| address());
        network.map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            format!("`{}` is neither an address nor a network", shown.escape_debug())
        })
    };
    texts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_in_its_time_from_its_networks() {
        let nets = sources(&["10.0.0.0/8".to_owned(), "2001:db8::1".to_owned()]).unwrap();
        let (key, kept) = make(1, nets, 1000).unwrap();
        let key = key.expose();
        assert!(is_key(key) && key.len() <= KEY_BYTES_MAX);
        assert_eq!(prefix(key), Some(kept.prefix.as_str()));
        assert_eq!(kept.prefix.len(), 11);
        let from = |text: &str| text.parse().unwrap();
        assert_eq!(check(&kept, key, from("10.1.2.3"), 1000), Ok(()));
        assert_eq!(check(&kept, key, from("::ffff:10.1.2.3"), 1000), Ok(()));
        assert_eq!(check(&kept, key, from("2001:db8::1"), 1000), Ok(()));
        for other in ["11.0.0.1", "2001:db8::2", "127.0.0.1"] {
            assert_eq!(check(&kept, key, from(other), 1000), Err(KeyFault::Source), "{other}");
        }
        assert_eq!(check(&kept, key, from("10.1.2.3"), 1000 + DAY_S), Err(KeyFault::Expired));
        let wrong = format!("{}A", key.get(..key.len() - 1).unwrap());
        if wrong != key {
            assert_eq!(check(&kept, &wrong, from("10.1.2.3"), 1000), Err(KeyFault::Wrong));
        }
        let (_, open) = make(1, Vec::new(), 1000).unwrap();
        assert_eq!(check(&open, key, from("10.1.2.3"), 1000), Err(KeyFault::Wrong));
    }

    #[test]
    fn what_is_no_key_and_no_network() {
        for bad in ["", "eg_", "eg_abc", "ega_x_y", "x", &format!("eg_{}_x", "a".repeat(100))] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
        for bad in ["", "x", "10.0.0.0/33", "10.0.0", "localhost"] {
            assert!(sources(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(sources(&vec!["10.0.0.1".to_owned(); SOURCES_MAX + 1]).is_err());
        assert_eq!(sources(&["10.1.2.3/8".to_owned()]).unwrap()[0].to_string(), "10.0.0.0/8");
    }
}
