//! `egctl --cli`: modes, prompts, `?`, completion, pipes, and the configuration mode in `candidate/`.
//!
//! Left out on purpose: what a verb does. The shell reads the same words by the same grammar and hands
//! them to [`crate::egctl`].

mod mode;
mod pipe;
mod expect;
mod live;
mod hints;
mod complete;
mod history;
mod reader;
mod keys;
mod terminal;
mod candidate;
mod configure;
mod run;
#[cfg(test)]
mod tests;

pub use run::run;
