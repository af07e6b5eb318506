//! A list of names as it is gathered from lines, with what reading it again says about them.

use eg_policy::lists::{REPORTED_MAX, read_names};

use super::report::{Kind, Place, Report};

/// Characters of an entry that a remark shows.
const SHOWN_CHARS_MAX: usize = 100;

/// Entries and the lines they come from.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) bytes: Vec<u8>,
    files: Vec<String>,
    /// Of each entry: where it begins, which file, which line. Lists have millions.
    entries: Vec<(usize, usize, u64)>,
}

impl Names {
    pub(crate) fn add(&mut self, entry: &str, place: &Place) {
        if self.files.last() != Some(&place.file) {
            self.files.push(place.file.clone());
        }
        self.entries.push((self.bytes.len(), self.files.len() - 1, place.line));
        self.bytes.extend_from_slice(entry.as_bytes());
        self.bytes.push(b'\n');
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says at the lines of the old files what a list of ours refuses or leaves out.
    pub(crate) fn remark(&self, report: &mut Report) {
        let Ok((_, found)) = read_names(&self.bytes) else { return };
        let whole = self.files.first().map(String::as_str).unwrap_or_default();
        let shown = |list: usize| u64::try_from(list.min(REPORTED_MAX)).unwrap_or(u64::MAX);
        for (line, why) in &found.refused {
            let (place, entry) = self.entry(*line);
            report.add(Kind::Entry, &place, format!("{entry}: {why}"));
        }
        let more = found.refused_count.saturating_sub(shown(found.refused.len()));
        report.count(Kind::Entry, whole, more);
        for (line, name) in &found.public_suffixes {
            report.add(Kind::Suffix, &self.entry(*line).0, name.as_str());
        }
        let more = found.public_suffix_count.saturating_sub(shown(found.public_suffixes.len()));
        report.count(Kind::Suffix, whole, more);
    }

    /// Where an entry comes from, and what it is.
    fn entry(&self, line: u64) -> (Place, String) {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some((begin, file, line)) = self.entries.get(index) else { return Default::default() };
        let place = Place { file: self.files.get(*file).cloned().unwrap_or_default(), line: *line };
        let bytes = self.bytes.get(*begin..).unwrap_or_default();
        let bytes = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        (place, String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARS_MAX).collect())
    }
}

/// Lines with their numbers, without what ends them.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)))
}
