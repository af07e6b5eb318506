//! The forms of longer results, beside [`crate::render`]: they write to what they are given.

pub(crate) mod before;
mod cases;
mod explanation;
mod lint;
mod sarif;
pub(crate) mod words;

pub use before::Detail;
pub use cases::{cases, junit};
pub use explanation::explanation;
pub use lint::{lint, lint_json};
pub use sarif::sarif;
pub(crate) use words::{tame, tame_lines};
