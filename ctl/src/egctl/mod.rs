//! `egctl`: what can be said, what is asked of the engine for it, and how the answer is shown.

mod words;
mod entries;
mod grammar;
#[cfg(test)]
mod grammar_tests;
mod request;
mod command;
mod config;
mod screen;
mod progress;
mod fault;
mod ask;
mod show;
mod perform;
mod editor;
mod files;
mod own;
mod args;
#[cfg(test)]
mod page;

pub use args::run;
pub use config::EGCTL_CONF;
pub use editor::EditorFault;
pub use entries::{Builtin, Does, ENTRIES, Entry, Own, placeholder};
pub use fault::EgctlFault;
pub use grammar::{Arguments, Call, Given, GrammarFault, Short, Step, nexts, parse, pick, walk};
pub use perform::{Egctl, Meant};
pub use progress::Progress;
pub use screen::{Colour, Format, Look, Mark, Screen};
pub use words::{Form, Line, Word, quoted, split};

pub(crate) use editor::edit;
pub(crate) use files::{commit, fetch, fetch_file, row_of};
pub(crate) use screen::json;
pub(crate) use show::{committed, files as show_files};
