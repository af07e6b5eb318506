//! Role 1, `url_rewrite_program`: Squid's lines in, Squid's answers out.

mod fields;
mod line;
mod reply;

pub use fields::{FIELDS, extras};
pub use line::read;
pub use reply::{Portal, Replies, is_redirect_target};
