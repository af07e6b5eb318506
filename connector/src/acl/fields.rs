//! The fields of a line for `external_acl_type`: one list for who reads them and for who prints it.
//!
//! Measured on Squid 5.7 at step 2: the address, port and user of the client, the target of its CONNECT,
//! the server name, the CONNECT's own User-Agent (which `url_rewrite_extras` have lost by then) and
//! the connection's tag are known; the destination's address and the mode are not. Squid appends the
//! arguments of the `acl` line, `-` where it has none.

use crate::helper::{Field, FieldKind, codes, field};

/// The fields, in order.
pub const FIELDS: [Field; 9] = [
    field(FieldKind::Client, "%>a"),
    field(FieldKind::ClientPort, "%>p"),
    field(FieldKind::User, "%#un"),
    field(FieldKind::Method, "%#>rm"),
    field(FieldKind::Target, "%#>ru"),
    field(FieldKind::HelloVersion, "%ssl::>received_hello_version"),
    field(FieldKind::Sni, "%#ssl::>sni"),
    field(FieldKind::UserAgent, "%#{User-Agent}>h"),
    field(FieldKind::Tag, "%#note{clt_conn_tag}"),
];

/// The format of `external_acl_type`.
#[must_use]
pub fn format() -> String {
    codes(&FIELDS)
}
