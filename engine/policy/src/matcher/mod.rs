//! One request to its candidate rules.

mod hashset;

pub use hashset::{DomainIndex, INDEX_VERSION, IndexFault, write_index};
