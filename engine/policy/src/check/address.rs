//! Addresses, CIDRs and ranges as an operator or a list writes them.
//!
//! Only the usual spelling counts here. A request may write `0177.1` and is understood; in a rule it
//! is more likely a mistake, and the fault says what was probably meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::policy::AddressRange;
use crate::uri::parse_address;

/// Why a text is no address, CIDR or range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Nothing that looks like one.
    #[error("not an address, a CIDR or a range")]
    NotAnAddress,
    /// An address in a spelling that only requests may use.
    #[error("an unusual spelling of {0}; write it so")]
    OddSpelling(IpAddr),
    /// The number after the slash.
    #[error("the length after the slash is not a number from 0 to {max}")]
    PrefixLength {
        /// The most that the family allows.
        max: u8,
    },
    /// `10.0.0.9-10.0.0.1`
    #[error("the range ends before it starts")]
    Backwards,
    /// `10.0.0.1-2001:db8::1`
    #[error("the range mixes IPv4 and IPv6")]
    Mixed,
}

/// Reads an address, a CIDR or a range `first-last`. The bits of a CIDR that its length leaves free
/// are ignored; mapped IPv4 addresses become IPv4 ones.
///
/// # Errors
///
/// [`AddressFault`]
pub fn parse_range(text: &str) -> Result<AddressRange, AddressFault> {
    if let Some((first, last)) = text.split_once('-') {
        let first = parse_one(first.trim())?.to_canonical();
        let last = parse_one(last.trim())?.to_canonical();
        if first.is_ipv4() != last.is_ipv4() {
            return Err(AddressFault::Mixed);
        }
        return if first > last {
            Err(AddressFault::Backwards)
        } else {
            Ok(AddressRange { first, last })
        };
    }
    let Some((address, length)) = text.split_once('/') else {
        let address = parse_one(text)?.to_canonical();
        return Ok(AddressRange { first: address, last: address });
    };
    let address = parse_one(address.trim())?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let fault = AddressFault::PrefixLength { max };
    let length = Some(length.trim())
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u8>().ok())
        .ok_or_else(|| fault.clone())?;
    let (address, length) = match (address.to_canonical(), length.checked_sub(96)) {
        (mapped @ IpAddr::V4(_), Some(short)) if address.is_ipv6() => (mapped, short),
        (IpAddr::V4(_) | IpAddr::V6(_), Some(_) | None) => (address, length),
    };
    let net = IpNet::new(address, length).map_err(|_| fault)?;
    Ok(AddressRange { first: net.network(), last: net.broadcast() })
}

/// One address; an IPv6 one may stand in brackets.
fn parse_one(text: &str) -> Result<IpAddr, AddressFault> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let parsed = match bare {
        Some(inside) => inside.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => text.parse::<IpAddr>(),
    };
    parsed.map_err(|_| match parse_address(text.as_bytes()) {
        Some(Ok(address)) => AddressFault::OddSpelling(address),
        Some(Err(_)) | None => AddressFault::NotAnAddress,
    })
}

impl AddressRange {
    /// The address after the last one, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<IpAddr> {
        match self.last {
            IpAddr::V4(last) => {
                last.to_bits().checked_add(1).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
            }
            IpAddr::V6(last) => {
                last.to_bits().checked_add(1).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        let check = |text: &str, first: &str, last: &str| {
            let expected =
                AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() };
            assert_eq!(parse_range(text), Ok(expected), "{text}");
        };
        check("10.0.0.1", "10.0.0.1", "10.0.0.1");
        check("10.1.2.3/8", "10.0.0.0", "10.255.255.255");
        check("0.0.0.0/0", "0.0.0.0", "255.255.255.255");
        check("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9");
        check("10.0.0.1 - 10.0.0.1", "10.0.0.1", "10.0.0.1");
        check("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        check("[2001:db8::1]", "2001:db8::1", "2001:db8::1");
        check("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1");
        check("::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255");
    }

    #[test]
    fn what_is_none() {
        let check = |text: &str, fault| assert_eq!(parse_range(text), Err(fault), "{text}");
        check("", AddressFault::NotAnAddress);
        check("office", AddressFault::NotAnAddress);
        check("10.0.0.0/33", AddressFault::PrefixLength { max: 32 });
        check("10.0.0.0/+8", AddressFault::PrefixLength { max: 32 });
        check("10.0.0.0/", AddressFault::PrefixLength { max: 32 });
        check("::/129", AddressFault::PrefixLength { max: 128 });
        check("10.0.0.9-10.0.0.1", AddressFault::Backwards);
        check("10.0.0.1-2001:db8::1", AddressFault::Mixed);
        check("[10.0.0.1]", AddressFault::NotAnAddress);
    }

    #[test]
    fn the_next_address() {
        let next =
            |text: &str| parse_range(text).unwrap().next().map(|address| address.to_string());
        assert_eq!(next("10.0.0.255").as_deref(), Some("10.0.1.0"));
        assert_eq!(next("0.0.0.0/0"), None);
        assert_eq!(next("::/0"), None);
    }
}
