//! Host names to A-labels.

use std::fmt;
use std::net::IpAddr;

use super::malformed::Malformed;

/// The longest name, in bytes (RFC 1035 section 2.3.4, without the root's).
pub(super) const NAME_BYTES_MAX: usize = 253;
/// The longest label, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// The longest raw name that is looked at. A name of 253 bytes has at most about 1,000 bytes of UTF-8
/// before its mapping, and UTS 46 costs more than linear time.
const RAW_BYTES_MAX: usize = 1024;

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

/// Writes the canonical form of a raw host without brackets; gives the address if it is one, and
/// then leaves `buffer` to the caller.
pub(super) fn fold(buffer: &mut String, raw: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    buffer.clear();
    buffer.push_str(std::str::from_utf8(raw).map_err(|_| Malformed::International)?);
    Ok(None)
}
