//! Why a request has no canonical form. Each reason has a sentence for people and a word for counters.

use std::fmt;

/// The reason for which a request cannot be read; its verdict is deny, rule `invalid-request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Malformed {
    /// Longer than [`URI_BYTES_MAX`](super::URI_BYTES_MAX).
    TooLong,
    /// No scheme, or none of http, https, ftp.
    Scheme,
    /// The scheme is not followed by `//`.
    Slashes,
    /// User-info where none can be.
    UserInfo,
    /// Nothing stands where the host should be.
    EmptyHost,
    /// A byte that no host name holds.
    HostCharacter,
    /// A percent-escape in the host, which Squid does not decode.
    HostEscape,
    /// Two dots in a row, or one in front.
    EmptyLabel,
    /// A label of more than 63 bytes.
    LabelTooLong,
    /// A name of more than 253 bytes.
    NameTooLong,
    /// Not UTF-8, or refused by UTS 46, or bad punycode.
    International,
    /// The last label is a number, but the whole is no IPv4 address.
    Ipv4,
    /// No IPv6 address between brackets, or one without brackets.
    Ipv6,
    /// An address where only a name can be.
    NotAName,
    /// A port that is empty, 0, above 65535, or no number.
    Port,
    /// A CONNECT to `http`, `https` or `ftp`: a URL stood where `host:port` belongs.
    SchemeAsHost,
    /// A NUL, raw or escaped any number of times.
    Nul,
    /// Escapes within escapes, deeper than any honest link.
    OverEncoded,
    /// A fragment in the prefix of a rule; no request ever carries one.
    Fragment,
    /// The query of the connector could not be read, so that there is no request at all.
    UnreadableQuery,
    /// What is to be done with a TLS connection was asked before its `ClientHello` was read.
    NoHello,
    /// A tunnel that was to be decrypted or ended goes on as it is: nobody asked, or heard the answer.
    NotDecrypted,
    /// A request inside a tunnel whose server name was denied.
    RefusedTunnel,
    /// A request inside a decrypted tunnel that says another scheme than https.
    SchemeInTunnel,
    /// A page of the proxy itself: `cache_object:` or `/squid-internal-mgr`.
    ProxyInternal,
}

impl Malformed {
    /// Every reason.
    pub const ALL: [Self; 25] = [
        Self::TooLong,
        Self::Scheme,
        Self::Slashes,
        Self::UserInfo,
        Self::EmptyHost,
        Self::HostCharacter,
        Self::HostEscape,
        Self::EmptyLabel,
        Self::LabelTooLong,
        Self::NameTooLong,
        Self::International,
        Self::Ipv4,
        Self::Ipv6,
        Self::NotAName,
        Self::Port,
        Self::SchemeAsHost,
        Self::Nul,
        Self::OverEncoded,
        Self::Fragment,
        Self::UnreadableQuery,
        Self::NoHello,
        Self::NotDecrypted,
        Self::RefusedTunnel,
        Self::SchemeInTunnel,
        Self::ProxyInternal,
    ];

    /// What a person is told.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => "the address is too long",
            Self::Scheme => "the address does not begin with http, https or ftp",
            Self::Slashes => "the address has no `//` after its scheme",
            Self::UserInfo => "the address holds a user name where none can be",
            Self::EmptyHost => "the address names no host",
            Self::HostCharacter => "the host name holds a character that no host name can hold",
            Self::HostEscape => "the host name holds a percent sign",
            Self::EmptyLabel => "the host name has an empty part between two dots",
            Self::LabelTooLong => "a part of the host name is longer than 63 characters",
            Self::NameTooLong => "the host name is longer than 253 characters",
            Self::International => "the international host name is not valid",
            Self::Ipv4 => "the host ends in a number but is no IPv4 address",
            Self::Ipv6 => "the host is no IPv6 address in brackets",
            Self::NotAName => "an address stands where only a host name can be",
            Self::Port => "the port is no number from 1 to 65535",
            Self::SchemeAsHost => "the tunnel leads to a scheme instead of a host",
            Self::Nul => "the address holds a zero byte",
            Self::OverEncoded => "the address is percent-encoded too many times over",
            Self::Fragment => "a `#` part never reaches the proxy, so nothing could match it",
            Self::UnreadableQuery => "the query could not be read",
            Self::NoHello => "a TLS connection was asked about before its first message was read",
            Self::NotDecrypted => "the tunnel was to be decrypted, and was not",
            Self::RefusedTunnel => "the tunnel was refused, and so is all that is inside",
            Self::SchemeInTunnel => "inside a tunnel the address does not begin with https",
            Self::ProxyInternal => "the pages of the proxy itself are for no client",
        }
    }

    /// What counters and logs call it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Scheme => "scheme",
            Self::Slashes => "slashes",
            Self::UserInfo => "user-info",
            Self::EmptyHost => "empty-host",
            Self::HostCharacter => "host-character",
            Self::HostEscape => "host-escape",
            Self::EmptyLabel => "empty-label",
            Self::LabelTooLong => "label-too-long",
            Self::NameTooLong => "name-too-long",
            Self::International => "international",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::NotAName => "not-a-name",
            Self::Port => "port",
            Self::SchemeAsHost => "scheme-as-host",
            Self::Nul => "nul",
            Self::OverEncoded => "over-encoded",
            Self::Fragment => "fragment",
            Self::UnreadableQuery => "unreadable-query",
            Self::NoHello => "no-hello",
            Self::NotDecrypted => "not-decrypted",
            Self::RefusedTunnel => "refused-tunnel",
            Self::SchemeInTunnel => "scheme-in-tunnel",
            Self::ProxyInternal => "proxy-internal",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for Malformed {}
