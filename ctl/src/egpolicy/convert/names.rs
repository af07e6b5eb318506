//! A list of names as it is gathered from lines, with what reading it again says about them.

use eg_policy::lists::{REPORTED_MAX, read_names};

use super::report::{Kind, Place, Report};

/// Entries and the lines they come from.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Names {
    pub(crate) fn add(&mut self, entry: &str, place: Place) {
        self.bytes.extend_from_slice(entry.as_bytes());
        self.bytes.push(b'\n');
        self.places.push(place);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Says at the lines of the old files what a list of ours refuses or leaves out.
    pub(crate) fn remark(&self, report: &mut Report) {
        let Ok((_, found)) = read_names(&self.bytes) else { return };
        let whole = self.places.first().map(|place| Place::new(&place.file, 0)).unwrap_or_default();
        let at = |line: u64| {
            let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
            index.and_then(|index| self.places.get(index)).unwrap_or(&whole)
        };
        let shown = |list: usize| u64::try_from(list.min(REPORTED_MAX)).unwrap_or(u64::MAX);
        for (line, why) in &found.refused {
            report.add(Kind::Entry, at(*line), format!("{why}{}", self.entry(*line)));
        }
        let more = found.refused_count.saturating_sub(shown(found.refused.len()));
        report.count(Kind::Entry, &whole.file, more);
        for (line, name) in &found.public_suffixes {
            report.add(Kind::Suffix, at(*line), name.as_str());
        }
        let more = found.public_suffix_count.saturating_sub(shown(found.public_suffixes.len()));
        report.count(Kind::Suffix, &whole.file, more);
    }

    /// `: entry` of a line, cut to what a report shows.
    fn entry(&self, line: u64) -> String {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = self.bytes.split(|byte| *byte == b'\n').nth(index).unwrap_or_default();
        let text: String = String::from_utf8_lossy(line).chars().take(100).collect();
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

/// Lines with their numbers, without what ends them.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)))
}
