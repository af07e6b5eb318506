//! The id of a decision: shown on the portal page, in the audit trail and in the log.
//!
//! A person reads it from a screen and types it into a shell: hence Crockford's base 32, which has no
//! `i`, `l`, `o` and `u`, and reading takes the first three for the digits that they look like.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const RUN_CHARS: usize = 8;
const COUNT_CHARS_MAX: usize = 13;
const TEXT_BYTES: usize = RUN_CHARS + 1 + COUNT_CHARS_MAX;

/// One decision of one run of an engine. As text: `xxxxxxxx-n...`, both in Crockford's base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId {
    run: u64,
    count: u64,
}

/// A text that is no decision id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decision id; it looks like `0a1b2c3d-4e5`")]
pub struct BadDecisionId;

/// A decision id as text, without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionText {
    bytes: [u8; TEXT_BYTES],
    length: usize,
}

impl DecisionText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

impl DecisionId {
    /// A decision; 40 bits of the run are used.
    #[must_use]
    pub const fn new(run: u64, count: u64) -> Self {
        Self { run: run & 0xff_ffff_ffff, count }
    }

    /// The engine's run, 40 bits.
    #[must_use]
    pub const fn run(self) -> u64 {
        self.run
    }

    /// The number of the decision in that run.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }

    /// As text.
    #[must_use]
    pub fn text(self) -> DecisionText {
        let mut bytes = [b'0'; TEXT_BYTES];
        let mut length = 0;
        let mut put = |byte: u8| {
            if let Some(place) = bytes.get_mut(length) {
                *place = byte;
                length += 1;
            }
        };
        for place in (0..RUN_CHARS).rev() {
            put(digit(self.run, place));
        }
        put(b'-');
        let significant = (0..COUNT_CHARS_MAX).rev().find(|place| shifted(self.count, *place) != 0);
        for place in (0..=significant.unwrap_or(0)).rev() {
            put(digit(self.count, place));
        }
        DecisionText { bytes, length }
    }
}

const fn shifted(number: u64, place: usize) -> u64 {
    number >> (5 * place)
}

fn digit(number: u64, place: usize) -> u8 {
    let five = usize::try_from(shifted(number, place) & 31).unwrap_or(0);
    ALPHABET.get(five).copied().unwrap_or(b'0')
}

/// The number that a text of digits says; `None` for another character or more than 64 bits.
fn number(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |sum, byte| {
        let letter = match byte.to_ascii_lowercase() {
            b'i' | b'l' => b'1',
            b'o' => b'0',
            other => other,
        };
        let five = ALPHABET.iter().position(|known| *known == letter)?;
        sum.checked_mul(32)?.checked_add(u64::try_from(five).ok()?)
    })
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl FromStr for DecisionId {
    type Err = BadDecisionId;

    fn from_str(text: &str) -> Result<Self, BadDecisionId> {
        let (run, count) = text.split_once('-').ok_or(BadDecisionId)?;
        if run.len() != RUN_CHARS || !(1..=COUNT_CHARS_MAX).contains(&count.len()) {
            return Err(BadDecisionId);
        }
        let run = number(run).ok_or(BadDecisionId)?;
        Ok(Self::new(run, number(count).ok_or(BadDecisionId)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_texts() {
        let check = |run, count, text: &str| {
            assert_eq!(DecisionId::new(run, count).to_string(), text);
            assert_eq!(text.parse(), Ok(DecisionId::new(run, count)));
        };
        check(0, 0, "00000000-0");
        check(31, 32, "0000000z-10");
        check(u64::MAX, u64::MAX, "zzzzzzzz-fzzzzzzzzzzzz");
    }

    #[test]
    fn what_a_person_mistypes_is_read() {
        assert_eq!("OOOOOOIL-1A".parse::<DecisionId>(), "00000011-1a".parse());
    }

    #[test]
    fn other_texts_are_refused() {
        let faulty = [
            "",
            "-",
            "0000000-0",
            "000000000-0",
            "00000000",
            "00000000-",
            "0000000u-0",
            "00000000-gzzzzzzzzzzzz",
            "00000000-00000000000000",
            "00000000-0-0",
            "00000000-\u{e9}",
        ];
        for text in faulty {
            assert_eq!(text.parse::<DecisionId>(), Err(BadDecisionId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(run: u64, count: u64) {
            let id = DecisionId::new(run, count);
            prop_assert_eq!(id.to_string().parse::<DecisionId>(), Ok(id));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            let _ = text.parse::<DecisionId>();
        }
    }
}
