//! What both roles of a helper share: lines with channel-IDs in, the fields in them, answers out.

mod channel;
mod field;
mod question;

pub use channel::{BadAnswer, Channel, ChannelId, split_channel};
pub(crate) use channel::{begin, push_number};
pub use field::{Field, FieldKind};
pub(crate) use field::{codes, field};
pub use question::{BadLine, Question};
pub(crate) use question::{Words, address};
