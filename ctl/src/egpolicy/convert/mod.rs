//! `egpolicy convert`: what other filters are told, as policy files and lists, and a report of what could
//! not be carried over (ADR 0027).
//!
//! ```text
//! report.rs      the loss report: kinds, and which way each makes the filters differ
//! times.rs       when, as sets of moments            draft.rs   the form between source and policy
//! input.rs       where bytes come from             names.rs   lines to a list of names
//! addresses.rs   addresses of clients              pcre.rs    expressions of Perl's kind
//! squidguard/    squidGuard.conf and ufdbGuard.conf   ere.rs     POSIX expressions
//! e2guardian.rs  folders of its lists                 hosts.rs   adblock.rs
//! write.rs       the one writer                       run.rs     a whole conversion
//! command.rs     the verb
//! ```
//!
//! INVARIANT: nothing of an input is dropped without a remark in the report or a fault.

mod report;
mod times;
mod draft;
mod input;
mod names;
mod addresses;
mod ere;
mod pcre;
mod squidguard;
mod e2guardian;
mod hosts;
mod adblock;
mod write;
mod run;
mod command;
#[cfg(test)]
mod tests;

pub use command::{ConvertArgs, run_convert};
pub use draft::{Draft, DraftList, DraftRule, ListForm, State, Then, What, Who};
pub use input::Input;
pub use report::{Effect, FAULTS_MAX, Fault, Kind, Place, Remark, Report, SHOWN_MAX};
pub use run::{Converted, From, Setting, WriteFault, convert, is_lossless, write};
pub use squidguard::CONF_BYTES_MAX;
pub use times::Times;
pub use write::{Origin, losses_json, losses_markdown};
