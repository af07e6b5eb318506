//! Role 1, `url_rewrite_program`: Squid's lines in, Squid's answers out.

mod fields;
mod line;
mod reply;

pub use fields::{FIELDS, Field, FieldKind, extras};
pub use line::{BadLine, ChannelId, RewriteRequest, split_channel};
pub use reply::{BadAnswer, Channel, Portal, Replies, is_redirect_target};
