//! `portal.conf`: validated once, immutable afterwards.
//!
//! `keys` describes every setting; eg-settings reads the file by it; `settle` turns it into a [`Config`]
//! or into every fault at once.

mod keys;

mod settle;

pub use keys::PORTAL_CONF;
pub use settle::{Config, Loaded};
