//! The fields of a line: each role has one list of them, for who reads them and for who prints
//! squid.conf.
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
    /// The host and port of a CONNECT.
    Target,
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

pub(crate) const fn field(kind: FieldKind, code: &'static str) -> Field {
    Field { kind, code }
}

/// The fields as squid.conf names them.
pub(crate) fn codes(fields: &[Field]) -> String {
    let codes: Vec<&str> = fields.iter().map(|field| field.code).collect();
    codes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chooses_is_encoded() {
        for field in crate::rewrite::FIELDS.iter().chain(&crate::acl::FIELDS) {
            let encoded = field.code.starts_with("%#");
            let ours = matches!(
                field.kind,
                FieldKind::Client | FieldKind::ClientPort | FieldKind::HelloVersion
            );
            assert_eq!(encoded, !ours, "{}", field.code);
        }
    }
}
