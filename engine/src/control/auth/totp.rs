//! The second factor: six digits of the moment (RFC 6238, SHA-1, 30 s, as every authenticator has them),
//! and recovery codes in their place.
//!
//! INVARIANT: a step is taken once, and none before it.

use eg_proto::control::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::digest::SecretDigest;
use super::passwd::AccountName;

/// A secret, in bytes: what RFC 4226 recommends.
pub(super) const SECRET_BYTES: usize = 20;

/// A step, in seconds.
const STEP_S: i64 = 30;

/// Steps before and after the present one that are taken too: a clock may be half a minute off.
const SKEW: u64 = 1;

/// Recovery codes of an account.
pub(super) const RECOVERY_CODES: usize = 10;

/// A recovery code, in random bytes: 80 bits cannot be guessed, and 16 letters can be typed.
const RECOVERY_BYTES: usize = 10;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step of the moment, in seconds of Unix time.
fn step(now: i64) -> u64 {
    u64::try_from(now.div_euclid(STEP_S)).unwrap_or_default()
}

/// The six digits of a step.
fn code(secret: &[u8], step: u64) -> Option<Zeroizing<String>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    // RFC 4226, 5.3: four bytes from where the last half byte says, without the sign.
    let at = usize::from(hash.last()? & 0xf);
    let bytes: [u8; 4] = hash.get(at..at + 4)?.try_into().ok()?;
    let number = u32::from_be_bytes(bytes) & 0x7fff_ffff;
    Some(Zeroizing::new(format!("{:06}", number % 1_000_000)))
}

/// The step that `given` is the code of, where it is one later than `used`.
pub(super) fn check(secret: &[u8], given: &str, used: u64, now: i64) -> Option<u64> {
    let given: Zeroizing<String> = Zeroizing::new(given.chars().filter(|it| *it != ' ').collect());
    let present = step(now);
    let mut found = None;
    // All of them, so that the time says nothing.
    for step in present.saturating_sub(SKEW)..=present.saturating_add(SKEW) {
        let code = code(secret, step)?;
        let same: bool = code.as_bytes().ct_eq(given.as_bytes()).into();
        if same && step > used && found.is_none() {
            found = Some(step);
        }
    }
    found
}

/// Whether a text is meant as six digits; anything else is taken for a recovery code.
pub(super) fn is_code(given: &str) -> bool {
    let mut digits = given.chars().filter(|it| *it != ' ');
    digits.clone().count() == 6 && digits.all(|it| it.is_ascii_digit())
}

/// A secret for typing.
pub(super) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    for chunk in bytes.chunks(5) {
        let mut group = [0_u8; 8];
        for (to, from) in group.iter_mut().skip(3).zip(chunk) {
            *to = *from;
        }
        let bits = u64::from_be_bytes(group);
        let letters = (chunk.len() * 8).div_ceil(5);
        for place in 0..letters {
            let index = usize::try_from(bits >> (35 - 5 * place) & 0x1f).unwrap_or_default();
            text.extend(BASE32.get(index).copied().map(char::from));
        }
    }
    text
}

/// What an authenticator reads from a QR code.
pub(super) fn url(name: &AccountName, secret: &str) -> Secret {
    Secret::new(format!(
        "otpauth://totp/EnforceGate:{name}?secret={secret}&issuer=EnforceGate&algorithm=SHA1&digits=6&period=30"
    ))
}

/// Fresh recovery codes, and what is kept of them.
pub(super) fn recovery_codes() -> Result<(Vec<Secret>, Vec<SecretDigest>), getrandom::Error> {
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    let mut digests = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
        getrandom::fill(bytes.as_mut_slice())?;
        let plain = Zeroizing::new(base32(bytes.as_slice()).to_ascii_lowercase());
        digests.push(SecretDigest::of(plain.as_bytes()));
        let mut shown = String::with_capacity(plain.len() + 3);
        for (at, letter) in plain.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        codes.push(Secret::new(shown));
    }
    Ok((codes, digests))
}

/// Takes `given` out of the codes that are left, where it is one of them.
pub(super) fn take_recovery(left: &mut Vec<SecretDigest>, given: &str) -> bool {
    let plain: Zeroizing<String> = Zeroizing::new(
        given
            .chars()
            .filter(|it| !matches!(it, ' ' | '-'))
            .map(|it| it.to_ascii_lowercase())
            .collect(),
    );
    let digest = SecretDigest::of(plain.as_bytes());
    let before = left.len();
    left.retain(|other| *other != digest);
    left.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B; the table there has eight digits, of which these are the last six.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (time, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SECRET, step(time)).unwrap().as_str(), expected, "{time}");
            assert_eq!(check(SECRET, expected, 0, time), Some(step(time)));
        }
    }

    #[test]
    fn a_step_is_taken_once_and_none_before_it() {
        let now = 1_234_567_890;
        let present = step(now);
        let of = |step: u64| code(SECRET, step).unwrap();
        assert_eq!(check(SECRET, &of(present), 0, now), Some(present));
        assert_eq!(check(SECRET, &of(present), present, now), None);
        assert_eq!(check(SECRET, &of(present - 1), present, now), None);
        assert_eq!(check(SECRET, &of(present + 1), present, now), Some(present + 1));
        assert_eq!(check(SECRET, &of(present - 1), 0, now), Some(present - 1));
        assert_eq!(check(SECRET, &of(present - 2), 0, now), None);
        assert_eq!(check(SECRET, &of(present + 2), 0, now), None);
        assert_eq!(check(SECRET, "005 924", 0, now), Some(present));
        for bad in ["", "00592", "0059244", "005925", "００５９２４"] {
            assert_eq!(check(SECRET, bad, 0, now), None, "{bad}");
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn base32_is_that_of_the_rfc() {
        for (plain, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()).as_str(), expected);
        }
    }

    #[test]
    fn recovery_codes_work_once() {
        let (codes, mut left) = recovery_codes().unwrap();
        assert_eq!((codes.len(), left.len()), (RECOVERY_CODES, RECOVERY_CODES));
        let first = codes.first().unwrap().expose().to_owned();
        assert_eq!(first.len(), 19);
        assert!(!is_code(&first) && is_code("123456") && is_code("123 456"));
        assert!(!take_recovery(&mut left, "aaaa-bbbb-cccc-dddd"));
        assert!(take_recovery(&mut left, &first.to_uppercase().replace('-', " ")));
        assert!(!take_recovery(&mut left, &first));
        assert_eq!(left.len(), RECOVERY_CODES - 1);
    }
}
