//! User-info, host and port: from the end of `//` to the first of `/`, `?`, `#`.
//!
//! Squid's reading (`squid.md`), where it goes on and a browser would not, is kept for what follows an
//! `@`; where Squid guesses (junk after a port, a bare IPv6 address) the request is malformed instead.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::malformed::Malformed;
use super::{address, host};

/// Whether something may stand before an `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserInfo {
    /// It is dropped, up to the last `@`.
    Dropped,
    /// It is a fault.
    Refused,
}

/// What an authority says, beside the host's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority {
    /// The address, where the host is one.
    pub(super) address: Option<IpAddr>,
    /// The port, where one is written.
    pub(super) port: Option<u16>,
}

/// Reads an authority and writes the host's canonical text.
pub(super) fn read(
    text: &mut String,
    raw: &[u8],
    user_info: UserInfo,
) -> Result<Authority, Malformed> {
    let raw = match (raw.iter().rposition(|byte| *byte == b'@'), user_info) {
        (None, UserInfo::Dropped | UserInfo::Refused) => raw,
        (Some(at), UserInfo::Dropped) => raw.get(at + 1..).unwrap_or_default(),
        (Some(_), UserInfo::Refused) => return Err(Malformed::UserInfo),
    };
    let (address, raw_port) = match raw.strip_prefix(b"[") {
        Some(opened) => bracketed(opened)?,
        None => bare(text, raw)?,
    };
    let port = raw_port.map(port).transpose()?;
    if let Some(address) = address {
        text.clear();
        // Writing to a text cannot fail.
        match address {
            IpAddr::V4(address) => write!(text, "{address}"),
            IpAddr::V6(address) => write!(text, "[{address}]"),
        }
        .map_err(|_| Malformed::HostCharacter)?;
    }
    Ok(Authority { address, port })
}

/// An address, where the host is one, and the bytes after the port's colon, where there is one.
type HostAndPort<'a> = (Option<IpAddr>, Option<&'a [u8]>);

/// Reads what follows a `[`.
fn bracketed(opened: &[u8]) -> Result<HostAndPort<'_>, Malformed> {
    let close = opened.iter().position(|byte| *byte == b']').ok_or(Malformed::Ipv6)?;
    let (inside, after) = opened.split_at(close);
    let address = address::ipv6(inside)?;
    match after {
        [b']'] => Ok((Some(address), None)),
        [b']', b':', port @ ..] => Ok((Some(address), Some(port))),
        _ => Err(Malformed::Ipv6),
    }
}

/// Reads a host without brackets.
fn bare<'a>(text: &mut String, raw: &'a [u8]) -> Result<HostAndPort<'a>, Malformed> {
    let Some(colon) = raw.iter().position(|byte| *byte == b':') else {
        return Ok((host::fold(text, raw)?, None));
    };
    let (name, port) = raw.split_at(colon);
    let port = port.strip_prefix(b":").unwrap_or(port);
    if port.contains(&b':') && address::parse_address(raw).is_some_and(|found| found.is_ok()) {
        return Err(Malformed::Ipv6);
    }
    Ok((host::fold(text, name)?, Some(port)))
}

/// Reads a port. Zeros in front are fine, as they are to Squid.
fn port(raw: &[u8]) -> Result<u16, Malformed> {
    let mut port = 0_u16;
    for byte in raw {
        if !byte.is_ascii_digit() {
            return Err(Malformed::Port);
        }
        port = port
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u16::from(byte - b'0')))
            .ok_or(Malformed::Port)?;
    }
    if port == 0 { Err(Malformed::Port) } else { Ok(port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, user_info: UserInfo, expected: Result<(&str, Option<u16>), Malformed>) {
        let mut text = String::new();
        let found = read(&mut text, raw.as_bytes(), user_info).map(|found| found.port);
        assert_eq!(found.map(|port| (text.as_str(), port)), expected, "{raw}");
    }

    #[test]
    fn read_as_squid_reads() {
        for (raw, host, port) in [
            ("a.test", "a.test", None),
            ("a.test:80", "a.test", Some(80)),
            ("a.test:00000000080", "a.test", Some(80)),
            ("a.test.:65535", "a.test", Some(65_535)),
            ("user@a.test", "a.test", None),
            ("@a.test", "a.test", None),
            ("good.test:80@a.test:81", "a.test", Some(81)),
            ("u@good.test@a.test", "a.test", None),
            ("good.test\\@a.test", "a.test", None),
            ("a.test\\@good.test", "good.test", None),
            ("0x7f.1:8080", "127.0.0.1", Some(8080)),
            ("[::1]", "[::1]", None),
            ("u@[2001:DB8::1]:443", "[2001:db8::1]", Some(443)),
            ("[::ffff:7f00:1]:1", "127.0.0.1", Some(1)),
        ] {
            check(raw, UserInfo::Dropped, Ok((host, port)));
        }
    }

    #[test]
    fn refused() {
        for (raw, fault) in [
            ("", Malformed::EmptyHost),
            (":80", Malformed::EmptyHost),
            ("user@", Malformed::EmptyHost),
            ("a.test:", Malformed::Port),
            ("a.test:0", Malformed::Port),
            ("a.test:65536", Malformed::Port),
            ("a.test:99999999999999999999", Malformed::Port),
            ("a.test:80abc", Malformed::Port),
            ("a.test:+80", Malformed::Port),
            ("a.test: 80", Malformed::Port),
            ("a.test:80:80", Malformed::Port),
            ("::1", Malformed::Ipv6),
            ("2001:db8::1", Malformed::Ipv6),
            ("[::1]a.test", Malformed::Ipv6),
            ("[::1", Malformed::Ipv6),
            ("[::1]80", Malformed::Ipv6),
            ("[::1]:", Malformed::Port),
            ("[fe80::1%25eth0]", Malformed::Ipv6),
            ("[127.0.0.1]", Malformed::Ipv6),
            ("a.test\\", Malformed::HostCharacter),
            ("a.test\t:80", Malformed::HostCharacter),
        ] {
            check(raw, UserInfo::Dropped, Err(fault));
        }
        check("good.test@a.test:443", UserInfo::Refused, Err(Malformed::UserInfo));
    }
}
