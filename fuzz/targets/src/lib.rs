//! What must hold of any bytes, as functions from bytes that panic where it does not.
//!
//! `cargo xtask fuzz` lets libFuzzer look for such bytes; what it finds stays in
//! `fuzz/regressions/<target>` and is replayed, with `fuzz/seeds/<target>`, by the test here.
//!
//! ```text
//! wire handshake           Defendr's frames and messages
//! payload tag              the portal's token, and what the engine tells itself through Squid
//! line                     what Squid writes to its helper
//! policy uri stored        what the engine reads: rules, requests, files beside the store
//! list formats             lists of ours, and of other programs
//! regex                    patterns, and what a shard of them says
//! twins                    the matcher beside its slow twin
//! convert                  the configuration and lists of other filters
//! feed rules               bytes as choices, and a policy of one rule, for those that need them
//! ```

mod convert;
mod feed;
mod formats;
mod handshake;
mod line;
mod list;
mod payload;
mod policy;
mod regex;
#[cfg(test)]
mod replay;
mod rules;
mod stored;
mod tag;
mod twins;
mod uri;
mod wire;

/// A function that any bytes may be given to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its folders.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// Inputs longer than this find nothing new and cost time.
    pub bytes_max: usize,
}

/// Every target.
pub const TARGETS: [Target; 13] = [
    Target { name: "wire", run: wire::run, bytes_max: 4_096 },
    Target { name: "handshake", run: handshake::run, bytes_max: 2_048 },
    Target { name: "payload", run: payload::run, bytes_max: 4_096 },
    Target { name: "tag", run: tag::run, bytes_max: 1_024 },
    Target { name: "line", run: line::run, bytes_max: 4_096 },
    Target { name: "policy", run: policy::run, bytes_max: 2_048 },
    Target { name: "regex", run: regex::run, bytes_max: 512 },
    Target { name: "uri", run: uri::run, bytes_max: 512 },
    Target { name: "list", run: list::run, bytes_max: 2_048 },
    Target { name: "formats", run: formats::run, bytes_max: 2_048 },
    Target { name: "stored", run: stored::run, bytes_max: 4_096 },
    Target { name: "convert", run: convert::run, bytes_max: 2_048 },
    Target { name: "twins", run: twins::run, bytes_max: 1_024 },
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
