//! The audit trail: gives a [`Recorded`] verdict, or turns it to deny (SPEC 11, ADR 0012).
//!
//! A worker records into a buffer out of a bounded pool; having a buffer is having room in the queue,
//! so that what was recorded always reaches the writer thread, in order, before the answers leave.
//! Left out for now: the chain, its signatures, retention and keyed identities.
//!
//! INVARIANT: a [`Recorded`] is made here and nowhere else, and an answer is made of nothing else.

mod entry;
mod recent;
mod recorder;
mod redact;
mod syncer;
mod trail;
mod writer;

pub use entry::{Asked, AskedBy, Event, Facts, SessionRef};
pub use recorder::{Recorded, Recorder};
pub use trail::{Audit, AuditFault, AuditThread, TrailEnd};

#[cfg(test)]
pub(crate) mod tests;
