//! The key that connector and engine share, and the connector's name.
//!
//! INVARIANT: a key never appears in `Debug`, in an error or in a copy that is not wiped.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::limits::{KEY_CHARS_MAX, KEY_CHARS_MIN, NAME_CHARS_MAX};

/// A pre-shared key of 16 to 128 characters.
#[derive(Clone)]
pub struct SharedKey(Zeroizing<String>);

/// Why a text is no key. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Too few characters.
    #[error("the key has {0} characters; at least {KEY_CHARS_MIN} are needed")]
    TooShort(usize),
    /// Too many characters.
    #[error("the key has {0} characters; at most {KEY_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// A control character, such as the end of a line.
    #[error("the key holds a control character at position {0}; put it on one line")]
    Control(usize),
}

impl SharedKey {
    /// Takes a key as it is written in a configuration.
    ///
    /// # Errors
    /// When the length or a character is not allowed.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let count = text.chars().count();
        if count < KEY_CHARS_MIN {
            return Err(KeyFault::TooShort(count));
        }
        if count > KEY_CHARS_MAX {
            return Err(KeyFault::TooLong(count));
        }
        if let Some(at) = text.chars().position(char::is_control) {
            return Err(KeyFault::Control(at + 1));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// How many bits a guesser would have to try, by an estimate on the careful side: what is drawn
    /// at random keeps its worth, words, runs and repetitions count little.
    #[must_use]
    pub fn estimated_bits(&self) -> u32 {
        let letters = Zeroizing::new(self.0.chars().collect::<Vec<char>>());
        // What repeats itself is worth its first period only.
        let period = (1..letters.len())
            .find(|period| letters.iter().zip(letters.iter().skip(*period)).all(|(a, b)| a == b))
            .unwrap_or(letters.len());
        let letters = letters.get(..period).unwrap_or_default();
        let pool = pool_millibits(letters);
        let (word_chars_min, word_millibits) = word_worth(letters);
        let spelled: u32 = letters
            .chunk_by(|a, b| case_of(*a).is_some() && case_of(*a) == case_of(*b))
            .map(|run| {
                let word = run.len() >= word_chars_min && pool > HEX_MILLIBITS;
                let each = if word { word_millibits.min(pool) } else { pool };
                each * count_u32(run.len())
            })
            .sum();
        let length = count_u32(letters.len());
        let few = DISTINCT_MILLIBITS.get(distinct(letters)).map_or(u32::MAX, |each| each * length);
        let stepping = if steps_often(letters) { STEP_MILLIBITS * length } else { u32::MAX };
        spelled.min(few).min(stepping) / 1000
    }

    /// The bytes that go into the proof.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What one hexadecimal digit is worth, in thousandths of a bit.
const HEX_MILLIBITS: u32 = 4_000;
/// What a character is worth where neighbours mostly differ by one or nothing (`abcd`, `1111`).
const STEP_MILLIBITS: u32 = 1_000;
/// What a character is worth where only so many different ones occur: log2 of the index.
const DISTINCT_MILLIBITS: [u32; 10] =
    [0, 0, 1_000, 1_585, 2_000, 2_322, 2_585, 2_807, 3_000, 3_170];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

const fn case_of(letter: char) -> Option<Case> {
    if letter.is_ascii_lowercase() {
        Some(Case::Lower)
    } else if letter.is_ascii_uppercase() {
        Some(Case::Upper)
    } else {
        None
    }
}

/// How many letters of one case in a row are taken for a word, and what each of them is worth. A key
/// drawn from letters and digits has both cases and, now and then, such a run by chance.
fn word_worth(letters: &[char]) -> (usize, u32) {
    let both = letters.iter().any(char::is_ascii_lowercase)
        && letters.iter().any(char::is_ascii_uppercase);
    if both { (5, 3_000) } else { (4, 2_000) }
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What one character is worth that was drawn from the smallest set holding all of them.
fn pool_millibits(letters: &[char]) -> u32 {
    let all = |fits: fn(&char) -> bool| letters.iter().all(fits);
    let any = |fits: fn(&char) -> bool| letters.iter().any(fits);
    if all(char::is_ascii_digit) {
        return 3_321;
    }
    let hex =
        all(|c| matches!(c, '0'..='9' | 'a'..='f')) || all(|c| matches!(c, '0'..='9' | 'A'..='F'));
    if hex && any(char::is_ascii_digit) {
        return HEX_MILLIBITS;
    }
    let (lower, upper) = (any(char::is_ascii_lowercase), any(char::is_ascii_uppercase));
    let digit = any(char::is_ascii_digit);
    let other = any(|c| !c.is_ascii_alphanumeric());
    match (lower && upper, digit, other) {
        (_, _, true) => 6_350,
        (true, true, false) => 5_954,
        (true, false, false) => 5_700,
        (false, true, false) => 5_169,
        (false, false, false) => 4_700,
    }
}

fn distinct(letters: &[char]) -> usize {
    letters.iter().enumerate().filter(|(at, c)| !letters.iter().take(*at).any(|b| b == *c)).count()
}

/// Whether more than half of the neighbours differ by at most one.
fn steps_often(letters: &[char]) -> bool {
    let steps = letters.windows(2).filter(|pair| match pair {
        [a, b] => u32::from(*a).abs_diff(u32::from(*b)) <= 1,
        _ => false,
    });
    steps.count() * 2 > letters.len().saturating_sub(1)
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

/// A connector's name: 1 to 64 of `A-Z a-z 0-9 _ . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorName(String);

/// Why a text is no connector's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a connector: 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 _ . - are allowed")]
pub struct NameFault(String);

impl ConnectorName {
    /// Takes a name.
    ///
    /// # Errors
    /// When it is empty, too long or holds another character.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(fits) {
            let shown = text.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect();
            return Err(NameFault(shown));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectorName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        Self::parse(text)
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_count_characters() {
        let check = |count: usize, letter: &str, expected: Result<(), KeyFault>| {
            assert_eq!(SharedKey::parse(&letter.repeat(count)).map(|_| ()), expected);
        };
        check(0, "k", Err(KeyFault::TooShort(0)));
        check(15, "k", Err(KeyFault::TooShort(15)));
        check(16, "k", Ok(()));
        check(128, "k", Ok(()));
        check(128, "\u{e9}", Ok(()));
        check(129, "k", Err(KeyFault::TooLong(129)));
    }

    #[test]
    fn a_key_is_one_line() {
        let line = "0123456789abcdef";
        assert_eq!(SharedKey::parse(&format!("{line}\n")).err(), Some(KeyFault::Control(17)));
        assert_eq!(SharedKey::parse(line).unwrap().as_bytes(), line.as_bytes());
    }

    #[test]
    fn nothing_shows_the_key() {
        let key = SharedKey::parse("a-secret-of-some-length").unwrap();
        assert_eq!(format!("{key:?}"), "SharedKey(..)");
        let fault = SharedKey::parse("too-short").unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("too-short"));
    }

    #[test]
    fn keys_drawn_at_random_are_worth_enough() {
        let keys = [
            "q7VtX2mBz9Lr4KpWn8sYd3HcJg6TfAe5",
            "9f86d081884c7d659a2feaa0c55ad015",
            "9F86D081884C7D659A2FEAA0C55AD015",
            "pX3k0m2Qe8aYz5w1RtU7vB9nC4hL6jD2fG8s0qK1oI=",
        ];
        for key in keys {
            let bits = SharedKey::parse(key).unwrap().estimated_bits();
            assert!(bits >= crate::limits::KEY_BITS_MIN_UNPINNED, "{key}: {bits}");
        }
    }

    #[test]
    fn keys_made_by_hand_are_not() {
        let keys = [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH",
            "correct-horse-battery-staple-and-more",
            "q7VtX2mBz9Lr4Kpq7VtX2mBz9Lr4Kpq7VtX2mBz9Lr4Kp",
            "changeme-changeme-changeme-changeme-",
            "ThisIsOurSecretOffice2026",
            "01010110010101011010010101011010101010010110101",
            "q7VtX2mBz9Lr4KpW",
        ];
        for key in keys {
            let bits = SharedKey::parse(key).unwrap().estimated_bits();
            assert!(bits < crate::limits::KEY_BITS_MIN_UNPINNED, "{key}: {bits}");
        }
    }

    #[test]
    fn names() {
        for name in ["a", "squid-1.example_A", &"n".repeat(64)] {
            assert_eq!(ConnectorName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", " ", "a b", "a/b", "\u{e9}", "a\n", &"n".repeat(65)] {
            assert!(ConnectorName::parse(name).is_err(), "{name:?}");
        }
        let fault = ConnectorName::parse("a\nb").unwrap_err();
        assert!(!fault.to_string().contains('\n'), "{fault}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,140}") {
            if let Ok(key) = SharedKey::parse(&text) {
                let _ = key.estimated_bits();
            }
            let _ = ConnectorName::parse(&text);
        }
    }
}
