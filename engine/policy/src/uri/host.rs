//! Host names to A-labels.
//!
//! Ordinary ASCII names are read here in one pass; only names with A-labels or beyond ASCII go through
//! UTS 46, and what comes out of it is read once more.

use std::fmt;
use std::net::IpAddr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::address;
use super::authority::{self, UserInfo};
use super::malformed::Malformed;

/// The longest name, in bytes (RFC 1035 section 2.3.4, without the root's).
const NAME_BYTES_MAX: usize = 253;
/// The longest label, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// The longest raw name that is looked at. A name of 253 bytes has at most about 1,000 bytes of UTF-8
/// before its mapping, and UTS 46 costs more than linear time.
const RAW_BYTES_MAX: usize = 1024;

/// From here on Unicode has no letters. Some of these code points pass UTS 46 in `idna`, which would have to
/// refuse them (validity criterion 7).
const NO_LETTERS_FROM: char = '\u{34000}';

/// A host name in canonical form: lower-case A-labels, no trailing dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain<'a>(&'a str);

impl<'a> Domain<'a> {
    /// Reads a name, as an SNI or a list holds one; `buffer` is memory to be used again.
    ///
    /// # Errors
    ///
    /// The name is malformed, or is an address.
    pub fn parse(buffer: &'a mut String, raw: &[u8]) -> Result<Self, Malformed> {
        match fold(buffer, raw)? {
            Some(_) => Err(Malformed::NotAName),
            None => Ok(Self(buffer.as_str())),
        }
    }

    /// A name that [`fold`] has made.
    pub(super) const fn folded(name: &'a str) -> Self {
        Self(name)
    }

    /// The canonical text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The name itself, then each parent, down to the last label.
    #[must_use]
    pub const fn parents(self) -> Parents<'a> {
        Parents(Some(self.0))
    }
}

impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A name, then each of its parents.
#[derive(Debug, Clone)]
pub struct Parents<'a>(Option<&'a str>);

impl<'a> Iterator for Parents<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let name = self.0?;
        self.0 = name.split_once('.').map(|(_, parent)| parent);
        Some(name)
    }
}

/// Where a request goes: to a name or to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A name.
    Name(Domain<'a>),
    /// An address; a mapped IPv4 address is an IPv4 address.
    Address(IpAddr),
}

impl fmt::Display for Host<'_> {
    /// The canonical text: a name, `192.0.2.1` or `[2001:db8::1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_str()),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl<'a> Host<'a> {
    /// Reads a host alone, an IPv6 address in brackets; `buffer` is memory to be used again, and holds
    /// the canonical text afterwards.
    ///
    /// # Errors
    ///
    /// It is malformed, or more than a host.
    pub fn parse(buffer: &'a mut String, raw: &[u8]) -> Result<Self, Malformed> {
        let found = authority::read(buffer, raw, UserInfo::Refused)?;
        if found.port.is_some() {
            return Err(Malformed::Port);
        }
        Ok(match found.address {
            Some(address) => Self::Address(address),
            None => Self::Name(Domain::folded(buffer)),
        })
    }
}

/// Writes the canonical form of a raw host without brackets. Gives the address if the host is one;
/// `buffer` then holds its spelling, and not its canonical text.
pub(super) fn fold(buffer: &mut String, raw: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    buffer.clear();
    let raw = without_last_dots(raw);
    match survey(raw)? {
        Spelling::Ascii => {
            // Cannot fail: only ASCII is left here.
            buffer.push_str(std::str::from_utf8(raw).map_err(|_| Malformed::International)?);
            buffer.make_ascii_lowercase();
        }
        Spelling::International => map(buffer, raw)?,
    }
    if address::ends_in_number(buffer) {
        return address::ipv4(buffer).map(|address| Some(address.into()));
    }
    Ok(None)
}

/// How a name is spelled.
enum Spelling {
    /// In ASCII, without A-labels: UTS 46 changes nothing but case.
    Ascii,
    /// With A-labels or beyond ASCII.
    International,
}

/// All dots at the end are the root's; Squid drops them too.
fn without_last_dots(mut raw: &[u8]) -> &[u8] {
    while let Some(shorter) = raw.strip_suffix(b".") {
        raw = shorter;
    }
    raw
}

/// Looks at the bytes and labels of a name. The lengths of labels are judged in ASCII names only.
fn survey(name: &[u8]) -> Result<Spelling, Malformed> {
    if name.len() > RAW_BYTES_MAX {
        return Err(Malformed::NameTooLong);
    }
    // PERF: no branch within the loops, and no second look at what is ordinary.
    if name.iter().fold(false, |odd, byte| odd | !is_name_byte(*byte)) {
        return oddity(name);
    }
    let following = name.get(1..).unwrap_or_default();
    let pairs = name.iter().zip(following);
    let (empty, hyphens) = pairs.fold((false, false), |(empty, hyphens), (first, second)| {
        let same = first == second;
        (empty | (same & (*first == b'.')), hyphens | (same & (*first == b'-')))
    });
    if name.is_empty() {
        return Err(Malformed::EmptyHost);
    }
    if empty || name.starts_with(b".") || name.ends_with(b".") {
        return Err(Malformed::EmptyLabel);
    }
    if name.len() > LABEL_BYTES_MAX
        && name.split(|byte| *byte == b'.').any(|label| label.len() > LABEL_BYTES_MAX)
    {
        return Err(Malformed::LabelTooLong);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Malformed::NameTooLong);
    }
    Ok(if hyphens && has_a_label(name) { Spelling::International } else { Spelling::Ascii })
}

/// Whether a byte stands in ASCII names.
const fn is_name_byte(byte: u8) -> bool {
    (byte | 0x20).wrapping_sub(b'a') < 26
        || byte.wrapping_sub(b'0') < 10
        || byte == b'-'
        || byte == b'.'
        || byte == b'_'
}

/// What is odd about a name that holds other bytes.
fn oddity(name: &[u8]) -> Result<Spelling, Malformed> {
    match name.iter().find(|byte| byte.is_ascii() && !is_name_byte(**byte)) {
        None => Ok(Spelling::International),
        Some(b'%') => Err(Malformed::HostEscape),
        Some(0) => Err(Malformed::Nul),
        Some(_) => Err(Malformed::HostCharacter),
    }
}

/// Whether some label begins with `xn--`.
fn has_a_label(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'.')
        .any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--")))
}

/// UTS 46, not transitional. `CheckHyphens` and STD3 are off, since real names break both
/// (`r3---sn-x.googlevideo.com`, `_x.example`); what comes out is surveyed as any other name.
fn map(buffer: &mut String, raw: &[u8]) -> Result<(), Malformed> {
    let mapped = Uts46::new()
        .to_ascii(raw, AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| Malformed::International)?;
    refuse_what_idna_takes(&mapped)?;
    buffer.push_str(mapped.trim_end_matches('.'));
    match survey(buffer.as_bytes())? {
        Spelling::Ascii | Spelling::International => Ok(()),
    }
}

/// Refuses A-labels that are none, and that `idna` passes where hyphens are free: what is inside must not
/// begin like an A-label itself (UTS 46, validity criterion 4), nor be beyond all letters.
fn refuse_what_idna_takes(mapped: &str) -> Result<(), Malformed> {
    let (inside, read) =
        Uts46::new().to_unicode(mapped.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    read.map_err(|_| Malformed::International)?;
    let nested = inside.split('.').any(|label| label.starts_with("xn--"));
    let beyond = inside.chars().any(|letter| letter >= NO_LETTERS_FROM);
    if nested || beyond { Err(Malformed::International) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], expected: Result<&str, Malformed>) {
        let mut buffer = String::from("left over");
        let found = Domain::parse(&mut buffer, raw).map(Domain::as_str);
        assert_eq!(found, expected, "{}", raw.escape_ascii());
    }

    #[test]
    fn names() {
        for (raw, expected) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM", "www.example.com"),
            ("example.com.", "example.com"),
            ("example.com...", "example.com"),
            ("localhost", "localhost"),
            ("_x.blocked.test", "_x.blocked.test"),
            ("r3---sn-x.googlevideo.com", "r3---sn-x.googlevideo.com"),
            ("-a.test", "-a.test"),
            ("a-.test", "a-.test"),
            ("b\u{fc}cher.test", "xn--bcher-kva.test"),
            ("bu\u{308}cher.test", "xn--bcher-kva.test"),
            ("B\u{dc}CHER.test", "xn--bcher-kva.test"),
            ("xn--bcher-kva.test", "xn--bcher-kva.test"),
            ("XN--BCHER-KVA.test.", "xn--bcher-kva.test"),
            ("-\u{fc}-.test", "xn-----xka.test"),
            ("stra\u{df}e.test", "xn--strae-oqa.test"),
            ("blocked\u{3002}test\u{ff0e}", "blocked.test"),
            ("\u{ff42}\u{ff4c}\u{ff4f}cked.test", "blocked.test"),
            ("\u{24d1}locked.test", "blocked.test"),
            ("bl\u{ad}ocked.test", "blocked.test"),
            ("1.2.3.4x", "1.2.3.4x"),
            ("0xzz", "0xzz"),
            ("127.0.0.1.nip.example", "127.0.0.1.nip.example"),
        ] {
            check(raw.as_bytes(), Ok(expected));
        }
    }

    #[test]
    fn no_names() {
        let label = "a".repeat(64);
        let name = format!("{}test", "abc.".repeat(63));
        let raw = "\u{fc}".repeat(600);
        for (raw, expected) in [
            ("", Malformed::EmptyHost),
            ("..", Malformed::EmptyHost),
            ("\u{ad}", Malformed::EmptyHost),
            ("\u{3002}", Malformed::EmptyHost),
            (".a.test", Malformed::EmptyLabel),
            ("a..test", Malformed::EmptyLabel),
            ("a.\u{3002}test", Malformed::EmptyLabel),
            ("a b", Malformed::HostCharacter),
            ("a\tb", Malformed::HostCharacter),
            ("a\u{7f}b", Malformed::HostCharacter),
            ("a\\b", Malformed::HostCharacter),
            ("*.test", Malformed::HostCharacter),
            ("a/b", Malformed::HostCharacter),
            ("a\u{2f}b", Malformed::HostCharacter),
            ("a\u{ff0f}b", Malformed::HostCharacter),
            ("bl%6fcked.test", Malformed::HostEscape),
            ("bl\u{ff05}6fcked.test", Malformed::HostEscape),
            ("a\0b", Malformed::Nul),
            ("xn--a.test", Malformed::International),
            ("xn--.test", Malformed::International),
            ("xn--blocked-.test", Malformed::International),
            ("xn--xn--a--gua.test", Malformed::International),
            ("XN--XN---EPA", Malformed::International),
            ("xn--t92s.test", Malformed::International),
            ("\u{3e8ac}.test", Malformed::International),
            ("xn--5cb172r175fug38a.test", Malformed::International),
            ("a\u{2024}test\u{d7ff}", Malformed::International),
            (&label, Malformed::LabelTooLong),
            (&name, Malformed::NameTooLong),
            (&raw, Malformed::NameTooLong),
            ("127.0.0.1", Malformed::NotAName),
            ("\u{ff11}27.1", Malformed::NotAName),
            ("a.1", Malformed::Ipv4),
        ] {
            check(raw.as_bytes(), Err(expected));
        }
        check(b"b\xfccher.test", Err(Malformed::International));
    }

    #[test]
    fn parents() {
        let names = |name| Domain::folded(name).parents().collect::<Vec<_>>();
        assert_eq!(names("a.b.test"), ["a.b.test", "b.test", "test"]);
        assert_eq!(names("test"), ["test"]);
    }
}
