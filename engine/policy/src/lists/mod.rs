//! List files to entries: what an operator or a feed writes, and the set files that the store keeps.
//!
//! A list never fails for one bad line: the line is counted and reported with its number, and never
//! widens what the list covers. A list fails whole only if it cannot be unpacked, is too large, has no
//! clear format, or has lines of which none can be used. What permits in a list of another program
//! permits nothing here.
//!
//! ```text
//! raw.rs      the bytes: a file, or the parts of a folder (part.rs)
//! unpack.rs   out of gzip and zstd           detect.rs   which format it is
//! read.rs     each part to its reader        report.rs   what became of its lines
//! line.rs     what of a line counts          collect.rs  one name in, canonical
//! plain.rs  hosts.rs  dnsmasq.rs  adblock.rs  rpz.rs  urls.rs  expressions.rs   one reader a format
//! names.rs  urls.rs  expressions.rs  addresses.rs   the sets; lineset.rs sorts them
//! stem.rs     the word that a list gives to what it names
//! ```

mod raw;
mod part;
mod place;
mod unpack;
mod detect;
mod read;
mod report;
mod line;
mod lineset;
mod collect;
mod plain;
mod hosts;
mod dnsmasq;
mod adblock;
mod rpz;
mod urls;
mod expressions;
mod names;
mod addresses;
mod stem;

pub use addresses::{AddressList, read_addresses};
pub use expressions::{EXPRESSIONS_MAX, ExpressionList};
pub use names::NameList;
pub use part::ListPart;
pub use place::{ListEntry, line_of_entry};
pub use raw::{FoundFile, ListFiles, OtherSource, RawFault, RawList, part_files, read_raw};
pub use read::{ListSets, read_list, read_names};
pub use report::{ListFault, ListFormat, ListReport, REPORTED_MAX, RefusedLine};
pub use stem::stem;
pub use unpack::UNPACKED_BYTES_MAX;
pub use urls::UrlList;

pub(crate) use line::lines;
pub(crate) use unpack::unpack;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
