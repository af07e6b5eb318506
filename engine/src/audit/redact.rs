//! What of a URL may stand in the trail: no query, no user info, no token (SPEC 11).
//!
//! A query is kept as a keyed hash: two equal ones can be proved equal and none can be read. The key
//! is made once for an installation and lies beside the trail, readable by the engine alone.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the installation's key.
const KEY_BYTES: usize = 32;

/// Bytes of a hash that are written: 128 bits, so that no two queries ever share one by chance.
const HASH_BYTES: usize = 16;

/// From how many characters on a path segment of letters and digits may be a token.
const TOKEN_CHARS_MIN: usize = 24;

/// The key under which queries are hashed.
#[derive(Clone)]
pub(super) struct QueryKey(Hmac<Sha256>);

impl fmt::Debug for QueryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryKey")
    }
}

impl QueryKey {
    /// Reads the key at `path`, or makes it.
    ///
    /// # Errors
    /// Where the file cannot be read or made, or does not hold 32 bytes.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Self::of(&Zeroizing::new(bytes)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(fault) => Err(fault),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes.as_slice())?;
        file.sync_all()?;
        Self::of(bytes.as_slice())
    }

    fn of(bytes: &[u8]) -> io::Result<Self> {
        if bytes.len() != KEY_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the key has {} bytes and must have {KEY_BYTES}", bytes.len()),
            ));
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(io::Error::other)
    }

    /// The hash of one query or token.
    pub(super) fn hash(&self, bytes: &[u8]) -> Hash {
        let mut mac = self.0.clone();
        mac.update(bytes);
        Hash(mac.finalize().into_bytes().into())
    }
}

/// A keyed hash, written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash([u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(HASH_BYTES).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A URL, taken apart for the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// Scheme and authority without user info, as far as they can be told.
    pub(super) before_user: &'a [u8],
    /// What follows the user info, up to the query.
    pub(super) after_user: &'a [u8],
    /// What follows the first `?`.
    pub(super) query: Option<&'a [u8]>,
}

/// Takes `url` apart. It may be malformed: then more is left out rather than less.
pub(super) fn parts(url: &[u8]) -> Parts<'_> {
    let (bare, query) = match url.iter().position(|byte| *byte == b'?') {
        Some(at) => {
            let (bare, rest) = url.split_at(at);
            (bare, rest.get(1..))
        }
        None => (url, None),
    };
    let authority_start = find(bare, b"://").map_or(0, |at| at + 3);
    let (before_user, authority_on) = bare.split_at(authority_start.min(bare.len()));
    let authority_end = authority_on
        .iter()
        .position(|byte| matches!(byte, b'/' | b'#'))
        .unwrap_or(authority_on.len());
    let (authority, _) = authority_on.split_at(authority_end);
    let user_end = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let (_, after_user) = authority_on.split_at(user_end);
    let end = after_user.iter().position(|byte| *byte == b'#').unwrap_or(after_user.len());
    let (after_user, _) = after_user.split_at(end);
    Parts { before_user, after_user, query }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Whether a path segment looks like a secret: long, and mixed as no word is.
pub(super) fn is_token(segment: &[u8]) -> bool {
    if segment.len() < TOKEN_CHARS_MIN {
        return false;
    }
    let opaque =
        segment.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~=+%".contains(byte));
    let has = |class: fn(&u8) -> bool| usize::from(segment.iter().any(class));
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    let classes =
        has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit);
    opaque
        && (classes == 3
            || segment.starts_with(b"eyJ")
            || (classes == 2 && digits * 5 >= segment.len()))
}

/// Text for the trail: valid UTF-8 as it is; control characters and all other bytes as `%XX`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readable<'a>(pub(super) &'a [u8]);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut clean = chunk.valid();
            while let Some(at) = clean.find(|c: char| c.is_control()) {
                let (head, rest) = clean.split_at(at);
                f.write_str(head)?;
                let mut chars = rest.chars();
                let control = chars.next().map_or(0, u32::from);
                write!(f, "%{control:02X}")?;
                clean = chars.as_str();
            }
            f.write_str(clean)?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

/// A URL as the trail shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) key: &'a QueryKey,
    /// The query, where the operator chose to keep it.
    pub(super) kept_query: Option<&'a [u8]>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Readable(self.parts.before_user).fmt(f)?;
        for (number, segment) in self.parts.after_user.split(|byte| *byte == b'/').enumerate() {
            if number > 0 {
                f.write_str("/")?;
            }
            // The first segment is the authority: a name is no secret, however odd it looks.
            if number > 0 && is_token(segment) {
                write!(f, "[token:{}]", self.key.hash(segment))?;
            } else {
                Readable(segment).fmt(f)?;
            }
        }
        match self.kept_query {
            Some(query) => write!(f, "?{}", Readable(query)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        let key = QueryKey::of(&[7; KEY_BYTES]).unwrap();
        Shown { parts: parts(url.as_bytes()), key: &key, kept_query: None }.to_string()
    }

    #[test]
    fn nothing_secret_is_shown() {
        for (url, expected) in [
            ("http://a.example/p?q=secret", "http://a.example/p"),
            ("http://u:secret@a.example/", "http://a.example/"),
            ("http://u:sec@ret@a.example/x@y", "http://a.example/x@y"),
            ("u:secret@a.example:443", "a.example:443"),
            ("http://a.example/p#secret", "http://a.example/p"),
            ("http://a.example/\u{1}\n\u{e9}", "http://a.example/%01%0A\u{e9}"),
            (
                "https://r3---sn-4g5e6nzl2s9abcDEF.example/",
                "https://r3---sn-4g5e6nzl2s9abcDEF.example/",
            ),
            ("", ""),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
        let token = shown("http://a.example/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIi/ok");
        assert!(token.starts_with("http://a.example/reset/[token:"), "{token}");
        assert!(token.ends_with("]/ok"), "{token}");
    }

    #[test]
    fn words_are_not_tokens() {
        for word in ["a-very-long-article-about-gardening", "index.html", "jquery-3.7.1.min.js"] {
            assert!(!is_token(word.as_bytes()), "{word}");
        }
        for token in ["d41d8cd98f00b204e9800998ecf8427e", "AKIAIOSFODNN7EXAMPLEkeyX"] {
            assert!(is_token(token.as_bytes()), "{token}");
        }
    }

    #[test]
    fn equal_queries_have_equal_hashes_under_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("query.key");
        let first = QueryKey::open(&path).unwrap();
        let again = QueryKey::open(&path).unwrap();
        assert_eq!(first.hash(b"a=1"), again.hash(b"a=1"));
        assert_ne!(first.hash(b"a=1"), first.hash(b"a=2"));
        let other = QueryKey::of(&[7; KEY_BYTES]).unwrap();
        assert_ne!(first.hash(b"a=1"), other.hash(b"a=1"));
        assert_eq!(first.hash(b"").to_string().len(), 32);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("query.key");
        fs::write(&path, b"short").unwrap();
        assert_eq!(QueryKey::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn bytes_that_are_no_text_are_written_as_escapes() {
        assert_eq!(Readable(b"a\xffb\x7f").to_string(), "a%FFb%7F");
    }
}
