//! The extras that Squid appends to a request: one list for who reads them and for who prints
//! `url_rewrite_extras`.

use crate::helper::{Field, FieldKind, codes, field};

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
    codes(&FIELDS)
}
