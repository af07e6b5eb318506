//! An engine that knows who asks: where it is, that it is the right one, and the login.

mod talk;
mod surroundings;
mod settings;
mod fault;
mod private;
mod trust;
mod tokens;
mod login;
mod open;

pub use fault::SessionFault;
pub use open::{Asks, Session};
pub(crate) use private::make_folder;
pub(crate) use settings::{Conf, KeyFile};
pub use settings::{Hostless, Settings};
pub use surroundings::Surroundings;
#[cfg(test)]
pub(crate) use talk::Scripted;
pub use talk::{Console, Talk, agrees};
