//! What every program does with its configuration file and its log, said once.
//!
//! A program has one table of its keys, a [`Description`]. From it come the reader of the file, what
//! the environment and flags may override, the defaults, the nearest key to a misspelt one, the list
//! of settings without effect, and the manual's table. What the keys mean together, the program's
//! `Config`, stays with the program.
//!
//! The way of a setting: `file` reads TOML into settings with their places, `env` and the flags
//! lay what overrides them on top, and the program takes values out of each [`Table`]. Every fault is
//! collected, none hides another.
//!
//! Left out on purpose: addresses, keys and actions of the product. This crate depends on nothing of
//! ours (ADR 0014).

mod key;
mod given;
mod fault;
mod file;
mod env;
mod table;
mod regular;
mod secret;
mod not_yet;
mod manual;
mod tree;
mod load;
mod version;
pub mod log;

#[cfg(test)]
mod example;

pub use fault::{ConfigFault, ConfigFaults, Origin, nearest};
pub use key::{
    Built, Description, Environment, Fallback, Family, Key, Kind, Reload, Rivals, ShortName, key,
};
pub use load::{Loaded, Overrides, Places, Settling, load, load_text};
pub use manual::{manual_table, with_manual_table, with_table};
pub use regular::{open_regular, read_regular};
pub use secret::{Readers, SecretKeys, read_bytes};
pub use table::{Switch, Table};
pub use tree::{TreeFault, hold_page, in_tree};
pub use version::version;
