//! squidGuard.conf, and ufdbGuard.conf, which grew out of it.
//!
//! ```text
//! lex.rs        words and braces         conf.rs   the file as a tree
//! parse.rs      the blocks               blocks.rs what stands in each
//! clock.rs      times
//! lists.rs      domain, URL and expression lists as the old filter reads them
//! sources.rs    who
//! translate.rs  the order in which it decides, as rules (ADR 0027)
//! ```

mod blocks;
mod clock;
mod conf;
mod lex;
mod lists;
mod parse;
mod sources;
mod translate;

pub(crate) use conf::Dialect;
pub use parse::CONF_BYTES_MAX;
pub(crate) use parse::parse;
pub(crate) use translate::translate;
