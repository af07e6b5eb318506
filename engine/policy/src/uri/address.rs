//! Every spelling of an address.
//!
//! IPv4 is read as `inet_aton` reads it, since that is what Squid's system calls do: one to four parts,
//! each decimal, octal or hexadecimal, the last one filling what is left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::malformed::Malformed;

/// Reads an address in any spelling: dotted, short, octal, hexadecimal, IPv6 with or without
/// brackets, mapped. `None`: it is no address at all, though it may be a name.
///
/// ```
/// use eg_policy::uri::parse_address;
/// assert_eq!(parse_address(b"0x7f.1"), Some(Ok([127, 0, 0, 1].into())));
/// assert_eq!(parse_address(b"example.com"), None);
/// ```
#[must_use]
pub fn parse_address(raw: &[u8]) -> Option<Result<IpAddr, Malformed>> {
    if let Some(opened) = raw.strip_prefix(b"[") {
        return Some(opened.strip_suffix(b"]").ok_or(Malformed::Ipv6).and_then(ipv6));
    }
    if raw.iter().filter(|byte| **byte == b':').count() >= 2 {
        return Some(ipv6(raw));
    }
    let text = std::str::from_utf8(raw).ok()?.trim_end_matches('.');
    ends_in_number(text).then(|| ipv4(text).map(IpAddr::V4))
}

/// Whether the last label is a number, so that the whole can only be an address.
pub(super) fn ends_in_number(name: &str) -> bool {
    let bytes = name.as_bytes();
    // PERF: most names are told by their last byte.
    if !bytes.last().is_some_and(|last| matches!(last, b'x' | b'X') || last.is_ascii_hexdigit()) {
        return false;
    }
    let label = bytes.iter().rposition(|byte| *byte == b'.').map_or(bytes, |dot| {
        let (_, label) = bytes.split_at(dot);
        label.strip_prefix(b".").unwrap_or(label)
    });
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        [b'0'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Reads one to four parts of an IPv4 address.
pub(super) fn ipv4(name: &str) -> Result<Ipv4Addr, Malformed> {
    let mut value = 0_u64;
    let mut room_bits = 32_u32;
    let mut parts = name.split('.');
    let mut next = parts.next();
    while let Some(part) = next {
        next = parts.next();
        if room_bits == 0 {
            return Err(Malformed::Ipv4);
        }
        let taken_bits = if next.is_some() { 8 } else { room_bits };
        let number = ipv4_part(part).ok_or(Malformed::Ipv4)?;
        if number >> taken_bits != 0 {
            return Err(Malformed::Ipv4);
        }
        room_bits -= taken_bits;
        value |= number << room_bits;
    }
    u32::try_from(value).map(Ipv4Addr::from_bits).map_err(|_| Malformed::Ipv4)
}

/// One part: `0x` and hexadecimal, `0` and octal, else decimal.
fn ipv4_part(part: &str) -> Option<u64> {
    let (digits, radix) = match part.as_bytes() {
        [b'0', b'x' | b'X', ..] => (part.get(2..)?, 16),
        [b'0', _, ..] => (part.get(1..)?, 8),
        _ => (part, 10),
    };
    // The standard library reads a sign too.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Reads what stands between brackets. A zone means nothing to another machine, and is refused.
pub(super) fn ipv6(raw: &[u8]) -> Result<IpAddr, Malformed> {
    let text = std::str::from_utf8(raw).map_err(|_| Malformed::Ipv6)?;
    let address: Ipv6Addr = text.parse().map_err(|_| Malformed::Ipv6)?;
    Ok(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<Result<&str, Malformed>>) {
        let expected = expected.map(|found| found.map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!(parse_address(raw.as_bytes()), expected, "{raw}");
    }

    #[test]
    fn ipv4_in_every_base_and_length() {
        for raw in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.0.0.1..",
            "127.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "0x7f.1",
            "0x7f.0.0x0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.01",
            "0000177.0x1",
        ] {
            check(raw, Some(Ok("127.0.0.1")));
        }
        for raw in ["0", "0x0", "00.0", "0.0.0.0", "000000", "0x00000000000000000000"] {
            check(raw, Some(Ok("0.0.0.0")));
        }
        check("255.255.255.255", Some(Ok("255.255.255.255")));
        check("4294967295", Some(Ok("255.255.255.255")));
        check("1.2.65535", Some(Ok("1.2.255.255")));
    }

    #[test]
    fn ipv6_with_and_without_brackets() {
        check("::1", Some(Ok("::1")));
        check("[::1]", Some(Ok("::1")));
        check("[2001:DB8:0:0::1]", Some(Ok("2001:db8::1")));
        for raw in ["[::ffff:127.0.0.1]", "::ffff:7f00:1", "0:0:0:0:0:ffff:7f00:0001"] {
            check(raw, Some(Ok("127.0.0.1")));
        }
        check("::127.0.0.1", Some(Ok("::7f00:1")));
    }

    #[test]
    fn refused() {
        for raw in [
            "256.0.0.1",
            "1.2.3.256",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "08.0.0.1",
            "09",
            "1.2.3.4.5",
            "0x",
            "1.0x",
            "a.1",
            "1..2",
            ".1",
            "+1.2",
            "1.-2.3",
            "99999999999999999999999999",
        ] {
            check(raw, Some(Err(Malformed::Ipv4)));
        }
        for raw in [
            "[::1",
            "[127.0.0.1]",
            "[a.test]",
            "[]",
            "[fe80::1%25eth0]",
            "fe80::1%eth0",
            ":::",
            "1:2:3:4:5:6:7:8:9",
            "[v1.a]",
            "[::ffff:0177.0.0.1]",
            "[ ::1]",
        ] {
            check(raw, Some(Err(Malformed::Ipv6)));
        }
    }

    #[test]
    fn no_addresses() {
        for raw in ["", ".", "a", "example.com", "0xg", "1.2.3.4a", "a:1", "10.0.0.0/8", "0x.a"] {
            check(raw, None);
        }
    }
}
