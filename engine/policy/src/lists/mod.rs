//! List files to entries: what an operator or a feed writes, and the set files that the store keeps.
//!
//! A list never fails for one bad line: the line is counted and reported with its number, and never
//! widens what the list covers. A list fails whole only if it cannot be unpacked or is too large.

mod addresses;
mod line;
mod names;
mod place;
mod report;
mod stem;
mod unpack;

pub use addresses::{AddressList, read_addresses};
pub use names::{NameList, read_names};
pub use place::{line_of_address, line_of_name};
pub use report::{ListFault, ListFormat, ListReport, REPORTED_MAX, RefusedLine};
pub use stem::stem;
pub use unpack::UNPACKED_BYTES_MAX;

#[cfg(test)]
mod tests;
