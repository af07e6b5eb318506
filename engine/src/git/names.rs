//! What operators write into the history, and how they name its parts: checked once, here.

use std::fmt;

use super::GitFault;

/// A name in a list; longer than any user name.
const AUTHOR_BYTES_MAX: usize = 128;

/// A reason is a few sentences.
const REASON_BYTES_MAX: usize = 2000;

/// A tag is a word.
const TAG_BYTES_MAX: usize = 64;

/// A shorter one would soon mean several commits.
const PREFIX_DIGITS_MIN: usize = 7;

const ID_DIGITS: usize = 40;

/// What stands where no reason was given.
const NO_REASON: &str = "no reason given";

/// Who changed the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author(String);

impl Author {
    /// A name of 1 to 128 bytes.
    ///
    /// # Errors
    ///
    /// Where it is empty or too long, or has control characters or `<`, `>`, which git's own format
    /// gives a meaning to.
    pub fn new(name: &str) -> Result<Self, GitFault> {
        let name = name.trim();
        // Git drops these at the ends of a name, and a name of nothing else is none.
        let is_word = name.chars().any(char::is_alphanumeric);
        let is_plain = !name.chars().any(|one| is_unprintable(one) || matches!(one, '<' | '>'));
        if is_word && is_plain && name.len() <= AUTHOR_BYTES_MAX {
            return Ok(Self(name.to_owned()));
        }
        Err(GitFault::BadAuthor { most: AUTHOR_BYTES_MAX })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reason in one line.
pub(super) fn reason(given: &str) -> Result<String, GitFault> {
    let line = folded(given);
    if line.len() > REASON_BYTES_MAX {
        return Err(GitFault::LongReason { bytes: line.len(), most: REASON_BYTES_MAX });
    }
    Ok(if line.is_empty() { NO_REASON.to_owned() } else { line })
}

/// Anybody's text in one line of bounded length.
pub(super) fn line(text: &[u8]) -> String {
    let line = folded(&String::from_utf8_lossy(text));
    let end = line.floor_char_boundary(REASON_BYTES_MAX);
    line.get(..end).unwrap_or_default().to_owned()
}

/// Runs of spaces, line ends and what cannot be printed become one space.
fn folded(text: &str) -> String {
    let spaced = text.replace(is_unprintable, " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Control characters, and those that turn the direction of what follows or hide it.
fn is_unprintable(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The id of a commit, 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommitId(String);

impl CommitId {
    pub(super) fn new(id: git2::Oid) -> Self {
        Self(id.to_string())
    }

    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit by its id, by the first 7 digits or more of it, or by a tag. Git's own ways to write one,
/// such as `HEAD~1`, are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Checks how it is written, not whether it is there.
    ///
    /// # Errors
    ///
    /// Where it could be neither an id nor a tag.
    pub fn new(text: &str) -> Result<Self, GitFault> {
        check_tag(text).map_err(|_| GitFault::BadRevision { text: line(text.as_bytes()) })?;
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits, where it can be an id.
    pub(super) fn as_prefix(&self) -> Option<&str> {
        let hex = self.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex && (PREFIX_DIGITS_MIN..=ID_DIGITS).contains(&self.0.len())).then_some(self.0.as_str())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a tag may be called so: letters, digits, `.`, `_`, `-`, as git takes them.
pub(super) fn check_tag(name: &str) -> Result<(), GitFault> {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let ends = !name.ends_with('.') && !name.ends_with(".lock") && !name.contains("..");
    if plain && begins && ends && name.len() <= TAG_BYTES_MAX {
        return Ok(());
    }
    Err(GitFault::BadTag { name: line(name.as_bytes()), most: TAG_BYTES_MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_one_plain_name() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(Author::new(name).ok().as_ref().map(Author::as_str), expected, "{name:?}");
        };
        check("ada", Some("ada"));
        check(" Ada Lovelace ", Some("Ada Lovelace"));
        check("J\u{f6}rg.M", Some("J\u{f6}rg.M"));
        check(&"x".repeat(AUTHOR_BYTES_MAX), Some(&"x".repeat(AUTHOR_BYTES_MAX)));
        check(&"x".repeat(AUTHOR_BYTES_MAX + 1), None);
        for bad in
            ["", " ", ".,;", "ada\nparent 0", "a\u{1b}[31m", "ada <root@x>", "a\0", "a\u{202e}da"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn a_reason_is_folded_into_one_line() {
        let check = |given: &str, expected: &str| assert_eq!(reason(given).unwrap(), expected);
        check("ticket 7", "ticket 7");
        check(" block\r\n\n  it\tnow\u{1b}[0m ", "block it now [0m");
        check("a\u{202e}b\u{2028}c", "a b c");
        check("", NO_REASON);
        check("\n", NO_REASON);
        assert!(reason(&"x".repeat(REASON_BYTES_MAX)).is_ok());
        assert!(matches!(
            reason(&"x".repeat(REASON_BYTES_MAX + 1)),
            Err(GitFault::LongReason { .. })
        ));
        assert_eq!(line(&"\u{e9}".repeat(REASON_BYTES_MAX).into_bytes()).len(), REASON_BYTES_MAX);
        assert_eq!(line(b"a\xff\nb"), "a\u{fffd} b");
    }

    #[test]
    fn a_tag_is_one_plain_word() {
        for good in ["v1", "2026-11-27", "before_feeds.2", &"x".repeat(TAG_BYTES_MAX)] {
            assert!(check_tag(good).is_ok() && Revision::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(TAG_BYTES_MAX + 1);
        let bad = [
            "", "-d", ".a", "a.", "a..b", "a.lock", "a b", "a/b", "../a", "a~1", "HEAD^", "a@{1}",
            ":/x", "a\n", "\u{e9}", &long,
        ];
        for bad in bad {
            assert!(check_tag(bad).is_err() && Revision::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_has_seven_digits_at_least() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Revision::new(text).unwrap().as_prefix().is_some(), expected, "{text}");
        };
        check("abcdef1", true);
        check("abcdef", false);
        check("abcdefg", false);
        check(&"0".repeat(ID_DIGITS), true);
        check(&"0".repeat(ID_DIGITS + 1), false);
    }
}
