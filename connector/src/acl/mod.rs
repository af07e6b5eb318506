//! Role 2, `--acl`: what is to be done with a TLS connection whose `ClientHello` was read (ADR 0017).

mod fields;
mod line;
mod reply;

pub use fields::{FIELDS, format};
pub use line::read;
pub use reply::{answer, say};
