//! Tokens of a login. The access token is signed with a key of this run and names the login and its
//! account, no more: what the account may is looked up at each request. The refresh token is random, good
//! once, and kept as its hash.
//!
//! A refresh token is a handle, the same for the whole login, and a secret, new each time. Whoever shows a
//! known handle with another secret has an older token, or a forged one made of it: the login ends.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use eg_proto::control::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::digest::SecretDigest;
use super::passwd::AccountName;
use super::state::Login;

/// How long an access token is good: short, since it ends with the login anyway and this run at the latest.
pub(super) const ACCESS_S: i64 = 15 * 60;

/// How long a login may go without a refresh: a night is longer.
pub(super) const IDLE_S: i64 = 12 * 60 * 60;

/// How long a login lives whatever it does: a week, then the password is asked for again.
pub(super) const LOGIN_S: i64 = 7 * 24 * 60 * 60;

/// What an access token begins with, so that scanners of sources and logs know it.
const ACCESS: &str = "ega_";

/// What a refresh token begins with.
const REFRESH: &str = "egr_";

/// The form of an access token.
const FORM: u8 = 1;

/// The handle, and the secret behind it, in bytes.
const HANDLE_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// A token at most, in bytes: the longest name's has half of it.
pub(super) const TOKEN_BYTES_MAX: usize = 256;

/// What signs access tokens of this run.
pub(super) struct AccessKey(Hmac<Sha256>);

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// The login.
    pub(super) login: u64,
    /// Until when it is good, in seconds of Unix time.
    pub(super) expires: i64,
    /// Whose it is.
    pub(super) account: AccountName,
}

impl AccessKey {
    /// A fresh one.
    pub(super) fn make() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice())?;
        // A key of any length is one.
        Hmac::new_from_slice(key.as_slice()).map(Self).map_err(|_| getrandom::Error::UNEXPECTED)
    }

    pub(super) fn sign(&self, access: &Access) -> Secret {
        let Access { login, expires, account } = access;
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&login.to_be_bytes());
        bytes.extend_from_slice(&expires.to_be_bytes());
        bytes.extend_from_slice(account.as_str().as_bytes());
        let mut mac = self.0.clone();
        mac.update(&bytes);
        bytes.extend_from_slice(&mac.finalize().into_bytes());
        Secret::new(format!("{ACCESS}{}", BASE64.encode(bytes)))
    }

    /// What a token says, where this run has signed it and it is still good.
    pub(super) fn verify(&self, token: &str, now: i64) -> Option<Access> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = BASE64.decode(token.strip_prefix(ACCESS)?).ok()?;
        let (said, tag) = bytes.split_last_chunk::<MAC_BYTES>()?;
        let mut mac = self.0.clone();
        mac.update(said);
        mac.verify_slice(tag).ok()?;
        let (form, rest) = said.split_first()?;
        let (login, rest) = rest.split_first_chunk()?;
        let (expires, name) = rest.split_first_chunk()?;
        let access = Access {
            login: u64::from_be_bytes(*login),
            expires: i64::from_be_bytes(*expires),
            account: AccountName::parse(std::str::from_utf8(name).ok()?)?,
        };
        (*form == FORM && now < access.expires).then_some(access)
    }
}

/// A refresh token in its two parts, hashed.
#[derive(Debug)]
pub(super) struct Shown {
    handle: SecretDigest,
    secret: SecretDigest,
}

/// What a refresh token is to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Its newest.
    Newest,
    /// Another one of it.
    Older,
    /// One of another login.
    Other,
}

impl Shown {
    pub(super) fn parse(token: &str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = BASE64.decode(token.strip_prefix(REFRESH)?).ok().map(Zeroizing::new)?;
        let (handle, secret) = bytes.split_first_chunk::<HANDLE_BYTES>()?;
        let secret: &[u8; SECRET_BYTES] = secret.try_into().ok()?;
        Some(Self { handle: SecretDigest::of(handle), secret: SecretDigest::of(secret) })
    }

    pub(super) fn fits(&self, login: &Login) -> Fit {
        match (login.handle == self.handle, login.secret == self.secret) {
            (true, true) => Fit::Newest,
            (true, false) => Fit::Older,
            (false, _) => Fit::Other,
        }
    }
}

/// The first refresh token of a login, and the login.
pub(super) fn begin(account: &AccountName, now: i64) -> Result<(Secret, Login), getrandom::Error> {
    let mut handle = Zeroizing::new([0; HANDLE_BYTES]);
    getrandom::fill(handle.as_mut_slice())?;
    let (token, secret) = next(&handle)?;
    let login = Login {
        // Numbers in JSON are whole up to 2^53 for every reader.
        number: getrandom::u64()? >> 11,
        account: account.as_str().to_owned(),
        handle: SecretDigest::of(handle.as_slice()),
        secret,
        created: now,
        used: now,
    };
    Ok((token, login))
}

/// The refresh token that takes the place of `token`.
pub(super) fn rotate(token: &str) -> Result<Option<(Secret, SecretDigest)>, getrandom::Error> {
    let bytes = token.strip_prefix(REFRESH).and_then(|text| BASE64.decode(text).ok());
    let Some(bytes) = bytes.map(Zeroizing::new) else { return Ok(None) };
    let Some((handle, _)) = bytes.split_first_chunk::<HANDLE_BYTES>() else { return Ok(None) };
    next(handle).map(Some)
}

fn next(handle: &[u8; HANDLE_BYTES]) -> Result<(Secret, SecretDigest), getrandom::Error> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut_slice())?;
    let bytes = Zeroizing::new([handle.as_slice(), secret.as_slice()].concat());
    let token = Secret::new(format!("{REFRESH}{}", BASE64.encode(bytes.as_slice())));
    Ok((token, SecretDigest::of(secret.as_slice())))
}

/// When a login ends by itself.
pub(super) const fn ends(login: &Login) -> i64 {
    let (idle, whole) = (login.used.saturating_add(IDLE_S), login.created.saturating_add(LOGIN_S));
    if idle < whole { idle } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(expires: i64) -> Access {
        Access { login: 7, expires, account: AccountName::parse("alice").unwrap() }
    }

    #[test]
    fn an_access_token_is_good_for_its_time_and_its_run() {
        let key = AccessKey::make().unwrap();
        let token = key.sign(&access(100));
        assert!(token.expose().len() < TOKEN_BYTES_MAX / 2);
        assert_eq!(key.verify(token.expose(), 99), Some(access(100)));
        assert_eq!(key.verify(token.expose(), 100), None);
        assert_eq!(AccessKey::make().unwrap().verify(token.expose(), 99), None);
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let key = AccessKey::make().unwrap();
        let token = key.sign(&access(100)).expose().to_owned();
        let bytes = BASE64.decode(token.strip_prefix(ACCESS).unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(key.verify(&format!("{ACCESS}{}", BASE64.encode(&other)), 1), None);
            let short = &bytes[..at];
            assert_eq!(key.verify(&format!("{ACCESS}{}", BASE64.encode(short)), 1), None);
        }
        for bad in [
            "",
            ACCESS,
            "egr_AAAA",
            &token.replace(ACCESS, ""),
            &format!("{token}="),
            &"A".repeat(5000),
        ] {
            assert_eq!(key.verify(bad, 1), None, "{bad}");
        }
    }

    #[test]
    fn a_refresh_token_is_the_newest_once() {
        let name = AccountName::parse("alice").unwrap();
        let (first, mut login) = begin(&name, 5).unwrap();
        let (_, other) = begin(&name, 5).unwrap();
        let shown = Shown::parse(first.expose()).unwrap();
        assert_eq!((shown.fits(&login), shown.fits(&other)), (Fit::Newest, Fit::Other));
        let (second, digest) = rotate(first.expose()).unwrap().unwrap();
        login.secret = digest;
        assert_eq!(shown.fits(&login), Fit::Older);
        assert_eq!(Shown::parse(second.expose()).unwrap().fits(&login), Fit::Newest);
        for bad in ["", "egr_", "egr_AAAA", "ega_AAAA", &format!("{}A", first.expose())] {
            assert!(Shown::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_login_ends_idle_or_whole() {
        let (_, mut login) = begin(&AccountName::parse("a").unwrap(), 0).unwrap();
        assert_eq!(ends(&login), IDLE_S);
        login.used = LOGIN_S - 10;
        assert_eq!(ends(&login), LOGIN_S);
    }
}
