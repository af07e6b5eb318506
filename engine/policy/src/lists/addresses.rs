//! Lists of addresses: a plain file to merged ranges, and the set's own file.

use std::net::IpAddr;

use super::line::{Content, content, lines};
use super::lineset::set_file;
use super::report::{ListFault, ListReport, RefusedLine};
use super::unpack::unpack;
use crate::check::{AddressRange, parse_range};
use crate::digest::Digest;

/// Ranges of addresses, sorted; none touches another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressList {
    ranges: Vec<AddressRange>,
}

/// The first words of the file form.
const MAGIC: &str = "enforcegate-addresses 1 ";

impl AddressList {
    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.ranges.len()).unwrap_or(u64::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, sorted.
    pub fn iter(&self) -> impl Iterator<Item = AddressRange> + '_ {
        self.ranges.iter().copied()
    }

    /// The same in one piece.
    pub(crate) fn ranges(&self) -> &[AddressRange] {
        &self.ranges
    }

    /// The file form: a line with the number of ranges, then `first-last` lines.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = format!("{MAGIC}{}\n", self.ranges.len());
        for range in &self.ranges {
            file.push_str(&format!("{}-{}\n", range.first, range.last));
        }
        file.into_bytes()
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let (count, text) = set_file(bytes, MAGIC)?;
        let ranges: Option<Vec<_>> = text.split_terminator('\n').map(range_of_line).collect();
        let ranges = ranges.ok_or(ListFault::NotASet { reason: "a line is not a range" })?;
        let list = Self { ranges };
        if list.len() != count
            || list.to_file() != bytes
            || merge(list.ranges.clone()) != list.ranges
        {
            return Err(ListFault::NotASet { reason: "it is cut short or not sorted" });
        }
        Ok(list)
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

/// The addresses of a list file, plain, gzip or zstd.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in the report instead.
pub fn read_addresses(bytes: &[u8]) -> Result<(AddressList, ListReport), ListFault> {
    let bytes = unpack(bytes)?;
    let mut report = ListReport::default();
    let mut ranges = Vec::new();
    for line in lines(&bytes) {
        report.lines = report.lines.saturating_add(1);
        match content(line) {
            Content::Nothing => {}
            Content::TooLong => report.refuse(report.lines, RefusedLine::TooLong),
            Content::Entry(entry) => match std::str::from_utf8(entry).map(parse_range) {
                Ok(Ok(range)) => ranges.push(range),
                Ok(Err(_)) | Err(_) => report.refuse(report.lines, RefusedLine::NotAnAddress),
            },
        }
    }
    let read = ranges.len();
    ranges.sort_unstable();
    ranges.dedup();
    report.accepted = u64::try_from(ranges.len()).unwrap_or(u64::MAX);
    report.duplicates = u64::try_from(read).unwrap_or(u64::MAX).saturating_sub(report.accepted);
    if report.accepted == 0 && report.refused_count > 0 {
        return Err(report.nothing_usable());
    }
    Ok((AddressList { ranges: merge(ranges) }, report))
}

/// A line of the file form. Addresses are taken as they stand: a large IPv6 network may end among the
/// mapped addresses, `::/80` does, and its end is no IPv4 address.
fn range_of_line(line: &str) -> Option<AddressRange> {
    let (first, last) = line.split_once('-')?;
    let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
    let sound = first.is_ipv4() == last.is_ipv4() && first <= last && first.to_canonical() == first;
    sound.then_some(AddressRange { first, last })
}

/// Joins sorted ranges that overlap or touch.
fn merge(ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    let mut merged: Vec<AddressRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(open)
                if open.first.is_ipv4() == range.first.is_ipv4()
                    && open.next().is_none_or(|next| range.first <= next) =>
            {
                open.last = open.last.max(range.last);
            }
            Some(_) | None => merged.push(range),
        }
    }
    merged
}
