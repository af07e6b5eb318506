//! The specification of rules and requests as tables: what each sentence says, and what comes out of
//! the real stages, from text to verdict.
//!
//! Written without a look at the code. A case that fails is a fault of the code or of the
//! specification, and is settled there.
//!
//! ```text
//! bench.rs      text, lists and a request line to a verdict
//! files.rs      grammar, names, faults, files and their order
//! attributes.rs each attribute, what it matches and what it does not
//! regex.rs      regular expressions
//! terms.rs      users, methods, ports
//! times.rs      time windows, and when a rule counts
//! exceptions.rs except-
//! monitor.rs    monitor and the other switches, strict JSON
//! order.rs      the lowest id wins
//! lists.rs      list files
//! evasions.rs   requests that must not slip through
//! phases.rs     views, phases, what is not known yet
//! tunnels.rs    the second question, what waits for it, and what a tag brings back
//! anomalies.rs  match-anomaly
//! guard.rs      the portal's own pages
//! ```

#[cfg(test)]
#[path = "spec/bench.rs"]
mod bench;

#[cfg(test)]
#[path = "spec/files.rs"]
mod files;

#[cfg(test)]
#[path = "spec/attributes.rs"]
mod attributes;

#[cfg(test)]
#[path = "spec/regex.rs"]
mod regex;

#[cfg(test)]
#[path = "spec/terms.rs"]
mod terms;

#[cfg(test)]
#[path = "spec/times.rs"]
mod times;

#[cfg(test)]
#[path = "spec/exceptions.rs"]
mod exceptions;

#[cfg(test)]
#[path = "spec/monitor.rs"]
mod monitor;

#[cfg(test)]
#[path = "spec/order.rs"]
mod order;

#[cfg(test)]
#[path = "spec/lists.rs"]
mod lists;

#[cfg(test)]
#[path = "spec/evasions.rs"]
mod evasions;

#[cfg(test)]
#[path = "spec/phases.rs"]
mod phases;

#[cfg(test)]
#[path = "spec/tunnels.rs"]
mod tunnels;

#[cfg(test)]
#[path = "spec/anomalies.rs"]
mod anomalies;

#[cfg(test)]
#[path = "spec/guard.rs"]
mod guard;
