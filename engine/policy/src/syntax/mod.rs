//! Text to `Ast`, never failing: what can be read is read, and every fault is reported at once.
//!
//! The grammar is SPEC 3's: a permissive relative of JSON. `print` writes an `Ast` in the one form
//! that `egpolicy fmt` gives.

pub mod ast;
mod lex;
mod parse;
mod print;
mod recover;
mod shape;
pub mod span;

pub use ast::Ast;
pub use parse::FILE_BYTES_MAX;
pub use print::print;
pub(crate) use shape::Shape;

mod read;
pub use read::parse;
pub(crate) use read::{is_forbidden, parse_into};

#[cfg(test)]
mod tests;
