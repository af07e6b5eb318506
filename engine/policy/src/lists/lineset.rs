//! Lines on their way into a set: kept as they come, sorted once, each kept once. Beside it the first line
//! that every set file has.

use super::report::ListFault;

/// The text of a set fits offsets of 32 bits.
const TEXT_BYTES_MAX: usize = (2 << 30) - 4096;

/// Where a line stands in the text, and its first bytes, by which most comparisons end.
#[derive(Debug, Clone, Copy)]
struct Entry {
    head: u64,
    start: u32,
    end: u32,
}

/// Collects lines.
#[derive(Debug, Default)]
pub(super) struct LineSet {
    text: String,
    entries: Vec<Entry>,
}

/// What it gives.
pub(super) struct Sorted {
    /// The lines, in strictly ascending order of bytes, each with a line feed.
    pub(super) text: String,
    /// How many there are.
    pub(super) count: u64,
    /// How many came again.
    pub(super) duplicates: u64,
}

impl LineSet {
    /// Adds the line that `parts` make together; none of them holds a line feed.
    pub(super) fn push(&mut self, parts: &[&str]) {
        let start = self.text.len();
        parts.iter().for_each(|part| self.text.push_str(part));
        let end = self.text.len();
        self.text.push('\n');
        let head = head(self.text.as_bytes().get(start..end).unwrap_or_default());
        let bound = |at| u32::try_from(at).unwrap_or(u32::MAX);
        self.entries.push(Entry { head, start: bound(start), end: bound(end) });
    }

    /// Whether there is more than a set can hold.
    pub(super) const fn is_full(&self) -> bool {
        self.text.len() > TEXT_BYTES_MAX
    }

    /// Sorts, and drops what came again.
    pub(super) fn sorted(mut self) -> Sorted {
        let pushed = self.entries.len();
        let mut entries = std::mem::take(&mut self.entries);
        let line = |entry: &Entry| {
            let at = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            self.text.get(at(entry.start)..at(entry.end)).unwrap_or_default()
        };
        let order = |a: &Entry, b: &Entry| a.head.cmp(&b.head).then_with(|| line(a).cmp(line(b)));
        // PERF: most lists are published sorted; those are kept as they stand.
        let mut text = if entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
            None
        } else {
            entries.sort_unstable_by(order);
            entries.dedup_by(|a, b| order(a, b).is_eq());
            let mut text = String::with_capacity(self.text.len());
            for entry in &entries {
                text.push_str(line(entry));
                text.push('\n');
            }
            Some(text)
        }
        .unwrap_or(self.text);
        text.shrink_to_fit();
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        let count = number(entries.len());
        Sorted { text, count, duplicates: number(pushed).saturating_sub(count) }
    }
}

/// The first eight bytes, as a number in the order of the bytes.
fn head(line: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(line) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

/// The file form of a set: its first words, the number of lines, and the lines.
pub(super) fn to_set_file(magic: &str, count: u64, text: &str) -> Vec<u8> {
    let mut file = format!("{magic}{count}\n").into_bytes();
    file.extend_from_slice(text.as_bytes());
    file
}

/// The count in a set file's first line, and the rest.
pub(super) fn set_file<'b>(bytes: &'b [u8], magic: &str) -> Result<(u64, &'b str), ListFault> {
    let fault = |reason| ListFault::NotASet { reason };
    let text = std::str::from_utf8(bytes).map_err(|_| fault("it is not text"))?;
    let rest = text.strip_prefix(magic).ok_or_else(|| fault("its first words are others"))?;
    let (count, rest) = rest.split_once('\n').ok_or_else(|| fault("it has no first line"))?;
    let number: u64 = count.parse().map_err(|_| fault("it has no number of entries"))?;
    // A sign or a zero in front is not what was written.
    if number.to_string() != count {
        return Err(fault("it has no number of entries"));
    }
    Ok((number, rest))
}

/// Reads a set file whose lines are sorted, each as `is_line` wants it.
pub(super) fn sorted_set_file<'b>(
    bytes: &'b [u8],
    magic: &str,
    is_line: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<(u64, &'b str), ListFault> {
    let fault = |reason| ListFault::NotASet { reason };
    let (count, text) = set_file(bytes, magic)?;
    let mut before = "";
    let mut found = 0_u64;
    for line in text.split_terminator('\n') {
        is_line(line).map_err(fault)?;
        if found > 0 && before >= line {
            return Err(fault("the lines are not sorted"));
        }
        before = line;
        found = found.saturating_add(1);
    }
    if found != count || !(text.is_empty() || text.ends_with('\n')) {
        return Err(fault("it is cut short"));
    }
    Ok((count, text))
}
