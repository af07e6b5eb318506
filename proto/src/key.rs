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

    /// Takes a key as it stands in a file of its own: one line, its end left out.
    ///
    /// # Errors
    /// As `parse`.
    pub fn parse_file(text: &str) -> Result<Self, KeyFault> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        Self::parse(line.strip_suffix('\r').unwrap_or(line))
    }

    /// How many bits a guesser would have to try, by a careful estimate.
    #[must_use]
    pub fn estimated_bits(&self) -> u32 {
        0
    }

    /// The bytes that go into the proof.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
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
