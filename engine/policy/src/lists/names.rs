//! Lists of names: a plain file to a sorted set, and the set's own file.
//!
//! INVARIANT: the text of a set is its file's body: lines in strictly ascending order of bytes, each a
//! canonical name, or `=` and a name or address. What decides is the text alone.

use super::line::{Content, content, lines};
use super::report::{ListFault, ListReport, RefusedLine};
use super::unpack::{UNPACKED_BYTES_MAX, unpack};
use crate::check::{Scope, host_text};
use crate::digest::Digest;
use crate::uri::{Domain, SuffixKind, parse_address, public_suffix};

/// Names of hosts, canonical, sorted, each once.
///
/// The text of all entries is one piece of memory, which is also the body of the file form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameList {
    text: String,
    count: u64,
}

/// The first words of the file form.
const MAGIC: &str = "enforcegate-names 1 ";

impl NameList {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in the order of their lines in the file form.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Scope)> + '_ {
        self.text.lines().map(|line| match line.strip_prefix('=') {
            Some(name) => (name, Scope::Host),
            None => (line, Scope::Tree),
        })
    }

    /// The file form: a line with the number of entries, then the entries.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = format!("{MAGIC}{}\n", self.count).into_bytes();
        file.extend_from_slice(self.text.as_bytes());
        file
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let (count, text) = set_file(bytes, MAGIC)?;
        let mut before = "";
        let mut found = 0_u64;
        for line in text.split_terminator('\n') {
            let name = line.strip_prefix('=').unwrap_or(line);
            if name.is_empty() || !name.bytes().all(is_name_byte) {
                return Err(ListFault::NotASet { reason: "a line is not a name" });
            }
            if found > 0 && before >= line {
                return Err(ListFault::NotASet { reason: "the lines are not sorted" });
            }
            before = line;
            found = found.saturating_add(1);
        }
        if found != count || !(text.is_empty() || text.ends_with('\n')) {
            return Err(ListFault::NotASet { reason: "it is cut short" });
        }
        Ok(Self { text: text.to_owned(), count })
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }

    /// How many names are covered by another name of the list, and could go.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let trees = self.iter().filter(|(_, scope)| *scope == Scope::Tree);
        let trees: std::collections::HashSet<&str> = trees.map(|(name, _)| name).collect();
        let is_covered = |name: &str, scope| {
            let mut rest = match scope {
                Scope::Tree => name.split_once('.').map(|(_, parent)| parent),
                Scope::Host => Some(name),
            };
            std::iter::from_fn(|| {
                let here = rest?;
                rest = here.split_once('.').map(|(_, parent)| parent);
                Some(here)
            })
            .any(|parent| trees.contains(parent))
        };
        let covered = self.iter().filter(|(name, scope)| is_covered(name, *scope)).count();
        u64::try_from(covered).unwrap_or(u64::MAX)
    }
}

/// What a canonical name or the text of an address is made of.
fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']')
        || (byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b'=' && byte != b'/')
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

/// The names of a list file, plain or gzip.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in the report instead.
pub fn read_names(bytes: &[u8]) -> Result<(NameList, ListReport), ListFault> {
    let bytes = unpack(bytes)?;
    let mut reader = Reader::default();
    for line in lines(&bytes) {
        reader.report.lines = reader.report.lines.saturating_add(1);
        let outcome = match content(line) {
            Content::Nothing => Ok(()),
            Content::TooLong => Err(RefusedLine::TooLong),
            Content::Entry(entry) => reader.entry(entry),
        };
        if let Err(reason) = outcome {
            reader.report.refuse(reader.report.lines, reason);
        }
        if reader.text.len() > MAX_TEXT {
            return Err(ListFault::TooLarge { max: UNPACKED_BYTES_MAX });
        }
    }
    Ok(reader.finish())
}

/// The text of a set fits offsets of 32 bits.
const MAX_TEXT: usize = (2 << 30) - 4096;

/// Where an entry stands in the text, and its first bytes, by which most comparisons end.
#[derive(Debug, Clone, Copy)]
struct Entry {
    head: u64,
    start: u32,
    end: u32,
}

/// Collects entries.
#[derive(Debug, Default)]
struct Reader {
    report: ListReport,
    text: String,
    entries: Vec<Entry>,
    /// Memory for names that are not canonical as written.
    buffer: String,
}

impl Reader {
    fn entry(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        if let Some(name) = plain_name(raw) {
            return self.name(name, Scope::Tree);
        }
        self.report.folded = self.report.folded.saturating_add(1);
        self.odd_entry(raw).inspect_err(|_| {
            self.report.folded = self.report.folded.saturating_sub(1);
        })
    }

    /// An entry that is not a canonical name as it stands.
    fn odd_entry(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        if let Some(reason) = foreign(raw) {
            return Err(reason);
        }
        let (name, scope) = match raw.strip_prefix(b"=") {
            Some(name) => (name, Scope::Host),
            None => (
                raw.strip_prefix(b"*.").or_else(|| raw.strip_prefix(b".")).unwrap_or(raw),
                Scope::Tree,
            ),
        };
        if name.is_empty() || name == b"*" || name == b"." {
            return Err(RefusedLine::Everything);
        }
        if let Some(name) = plain_name(name).filter(|_| scope == Scope::Host) {
            self.report.folded = self.report.folded.saturating_sub(1);
            self.push(name, Scope::Host);
            return Ok(());
        }
        match parse_address(name) {
            Some(Ok(address)) => {
                self.push(&host_text(address), Scope::Host);
                return Ok(());
            }
            Some(Err(_)) => return Err(RefusedLine::NotAName),
            None => {}
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = match Domain::parse(&mut buffer, name) {
            Ok(name) => self.name(name.as_str(), scope),
            Err(_) if name.contains(&b':') => Err(RefusedLine::Port),
            Err(_) => Err(RefusedLine::NotAName),
        };
        self.buffer = buffer;
        outcome
    }

    /// Takes a canonical name, unless it covers a whole public suffix.
    fn name(&mut self, name: &str, scope: Scope) -> Result<(), RefusedLine> {
        match (scope, public_suffix(name)) {
            (Scope::Tree, SuffixKind::Icann) => self.report.suffix(self.report.lines, name),
            (Scope::Tree, SuffixKind::Private | SuffixKind::No) | (Scope::Host, _) => {
                self.push(name, scope);
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &str, scope: Scope) {
        let start = self.text.len();
        match scope {
            Scope::Tree => {}
            Scope::Host => self.text.push('='),
        }
        self.text.push_str(name);
        let end = self.text.len();
        self.text.push('\n');
        let head = head(self.text.as_bytes().get(start..end).unwrap_or_default());
        let bound = |at| u32::try_from(at).unwrap_or(u32::MAX);
        self.entries.push(Entry { head, start: bound(start), end: bound(end) });
    }

    fn finish(mut self) -> (NameList, ListReport) {
        let pushed = self.entries.len();
        let line = |entry: &Entry| {
            let at = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            self.text.as_bytes().get(at(entry.start)..at(entry.end)).unwrap_or_default()
        };
        let order = |a: &Entry, b: &Entry| a.head.cmp(&b.head).then_with(|| line(a).cmp(line(b)));
        // PERF: most lists are published sorted; those are kept as they stand.
        let is_set = self.entries.is_sorted_by(|a, b| order(a, b).is_lt());
        let text = if is_set {
            None
        } else {
            let mut entries = std::mem::take(&mut self.entries);
            let line = |entry: &Entry| {
                let at = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
                self.text.get(at(entry.start)..at(entry.end)).unwrap_or_default()
            };
            let order =
                |a: &Entry, b: &Entry| a.head.cmp(&b.head).then_with(|| line(a).cmp(line(b)));
            entries.sort_unstable_by(order);
            entries.dedup_by(|a, b| order(a, b).is_eq());
            let mut text = String::with_capacity(self.text.len());
            for entry in &entries {
                text.push_str(line(entry));
                text.push('\n');
            }
            self.entries = entries;
            Some(text)
        };
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let mut text = text.unwrap_or(self.text);
        text.shrink_to_fit();
        self.report.accepted = count;
        self.report.duplicates = u64::try_from(pushed).unwrap_or(u64::MAX).saturating_sub(count);
        (NameList { text, count }, self.report)
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

/// PERF: most entries are canonical as they stand. Says yes only to what `Domain::parse` gives back
/// unchanged: lower-case letters, digits, `-` and `_`, no A-label, and a last label that starts with a
/// letter, so that it is no address.
fn plain_name(raw: &[u8]) -> Option<&str> {
    if raw.len() > 253 {
        return None;
    }
    let mut label = 0_usize;
    let mut first = 0_u8;
    let mut before = b'.';
    for byte in raw {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => {}
            b'-' if label > 0 => {
                if before == b'-' {
                    return None;
                }
            }
            b'.' if label > 0 && before != b'-' => {
                label = 0;
                before = b'.';
                continue;
            }
            _ => return None,
        }
        if label == 0 {
            first = *byte;
        }
        label = label.saturating_add(1);
        before = *byte;
        if label > 63 {
            return None;
        }
    }
    let is_name = label > 0 && before != b'-' && first.is_ascii_lowercase();
    is_name.then(|| std::str::from_utf8(raw).ok()).flatten()
}

/// Why an entry is of another kind of list.
fn foreign(raw: &[u8]) -> Option<RefusedLine> {
    if raw.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        Some(RefusedLine::Control)
    } else if raw.starts_with(b"|")
        || raw.starts_with(b"@@")
        || raw.contains(&b'^')
        || raw.contains(&b'#')
    {
        Some(RefusedLine::Adblock)
    } else if raw.contains(&b'/') {
        Some(RefusedLine::Url)
    } else if raw.iter().any(u8::is_ascii_whitespace) {
        Some(RefusedLine::SeveralWords)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_plain_name_is_canonical(raw in "[a-z0-9_.x-]{1,12}(\\.[a-z0-9n-]{1,6}){0,3}") {
            if let Some(name) = plain_name(raw.as_bytes()) {
                let mut buffer = String::new();
                prop_assert_eq!(Domain::parse(&mut buffer, raw.as_bytes()).map(Domain::as_str), Ok(name));
                prop_assert!(parse_address(raw.as_bytes()).is_none());
            }
        }
    }
}
