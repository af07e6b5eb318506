//! The extras that Squid appends to a request: one list for who reads them and for who prints
//! `url_rewrite_extras`.
//!
//! INVARIANT: whatever a client chooses is written `%#...`, which encodes blanks and percent signs
//! (measured on Squid 5.7), so that no client can add a field.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// The client's address.
    Client,
    /// The client's port.
    ClientPort,
    /// The user that the proxy authenticated.
    User,
    /// The method.
    Method,
    /// The version of the `ClientHello`: `-` before Squid has seen one.
    HelloVersion,
    /// The server name of the `ClientHello`.
    Sni,
    /// `User-Agent`.
    UserAgent,
    /// `Referer`.
    Referer,
    /// What an earlier answer asked to be told again.
    Tag,
}

/// One field of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub kind: FieldKind,
    /// How Squid's configuration spells it.
    pub code: &'static str,
}

const fn field(kind: FieldKind, code: &'static str) -> Field {
    Field { kind, code }
}

/// The fields behind the URL, in order.
pub const FIELDS: [Field; 9] = [
    field(FieldKind::Client, "%>a"),
    field(FieldKind::ClientPort, "%>p"),
    field(FieldKind::User, "%#un"),
    field(FieldKind::Method, "%#>rm"),
    field(FieldKind::HelloVersion, "%ssl::>received_hello_version"),
    field(FieldKind::Sni, "%#ssl::>sni"),
    field(FieldKind::UserAgent, "%#{User-Agent}>h"),
    field(FieldKind::Referer, "%#{Referer}>h"),
    field(FieldKind::Tag, "%#note{clt_conn_tag}"),
];

/// The value of `url_rewrite_extras`.
#[must_use]
pub fn extras() -> String {
    let codes: Vec<&str> = FIELDS.iter().map(|field| field.code).collect();
    codes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chooses_is_encoded() {
        for field in FIELDS {
            let encoded = field.code.starts_with("%#");
            let ours = matches!(
                field.kind,
                FieldKind::Client | FieldKind::ClientPort | FieldKind::HelloVersion
            );
            assert_eq!(encoded, !ours, "{}", field.code);
        }
    }
}
