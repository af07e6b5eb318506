//! Addresses of clients as other filters write them, with masks as numbers or as addresses.

use std::net::{IpAddr, Ipv4Addr};

/// A value of `match-source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) value: String,
    pub(crate) stray: Stray,
}

/// Whether an address has bits outside of a mask that is written as an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stray {
    No,
    Bits,
}

/// Reads an address, a network or a range.
///
/// # Errors
///
/// What it is not, to stand behind the text.
pub(crate) fn address_of(text: &str) -> Result<Address, &'static str> {
    let one = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| "is no IPv4 address");
    let plain = |value: String| Ok(Address { value, stray: Stray::No });
    if let Some((address, mask)) = text.split_once('/') {
        let address = match address.parse::<IpAddr>().map_err(|_| "is no address")? {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => {
                let bits = mask.parse().ok().filter(|bits: &u8| *bits <= 128);
                let bits = bits.ok_or("has no mask from 0 to 128")?;
                return plain(format!("{address}/{bits}"));
            }
        };
        if mask.contains('.') {
            let mask = u32::from(one(mask)?);
            let bits = mask.leading_ones();
            if mask.count_ones() != bits {
                return Err("has a mask with holes, which no rule has");
            }
            let stray = if u32::from(address) & !mask == 0 { Stray::No } else { Stray::Bits };
            return Ok(Address { value: format!("{address}/{bits}"), stray });
        }
        let bits = mask.parse().ok().filter(|bits: &u8| *bits <= 32);
        return plain(format!("{address}/{}", bits.ok_or("has no mask from 0 to 32")?));
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (one(first)?, one(last)?);
        return if first > last {
            Err("ends before it begins")
        } else {
            plain(format!("{first}-{last}"))
        };
    }
    plain(text.parse::<IpAddr>().map_err(|_| "is no address")?.to_string())
}

#[cfg(test)]
mod tests {
    use eg_policy::check::parse_range;

    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("10.0.0.1", Ok(("10.0.0.1", Stray::No))),
            ("10.0.0.9/24", Ok(("10.0.0.9/24", Stray::No))),
            ("10.4.0.0/255.255.0.0", Ok(("10.4.0.0/16", Stray::No))),
            ("10.3.2.1/255.255.0.0", Ok(("10.3.2.1/16", Stray::Bits))),
            ("10.0.0.5-10.0.0.9", Ok(("10.0.0.5-10.0.0.9", Stray::No))),
            ("2001:db8::/32", Ok(("2001:db8::/32", Stray::No))),
            ("2001:db8::/+32", Ok(("2001:db8::/32", Stray::No))),
            ("2001:db8::/129", Err("has no mask from 0 to 128")),
            ("2001:db8::/x", Err("has no mask from 0 to 128")),
            ("10.0.0.9-10.0.0.5", Err("ends before it begins")),
            ("10.0.0.400", Err("is no address")),
            ("10.0.0.0/33", Err("has no mask from 0 to 32")),
            ("10.0.0.0/255.0.255.0", Err("has a mask with holes, which no rule has")),
        ];
        for (text, expected) in cases {
            let found = address_of(text);
            if let Ok(found) = &found {
                assert!(parse_range(&found.value).is_ok(), "{text}");
            }
            let found = found.as_ref().map(|found| (found.value.as_str(), found.stray));
            assert_eq!(found, expected.as_ref().copied(), "{text}");
        }
    }
}
