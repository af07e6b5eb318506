//! A list as it is gathered from lines, with what reading it again says about them.
//!
//! INVARIANT: a list is read as the rule will have it read, and whatever that leaves out is in the report
//! with the line of the old file.

use eg_policy::lists::{ListFault, ListFormat, ListReport, REPORTED_MAX, RawList, read_list};

use super::draft::ListForm;
use super::report::{Kind, Place, Report};

/// Characters of an entry that a remark shows.
const SHOWN_CHARS_MAX: usize = 100;

/// Entries and the lines they come from.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
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

    /// The file of the list; none where nothing in it can be used. Says at the lines of the old files what
    /// a list of ours refuses or leaves out.
    pub(crate) fn finish(self, form: ListForm, report: &mut Report) -> Option<Vec<u8>> {
        if self.entries.is_empty() {
            return None;
        }
        match read_list(&RawList::file(self.bytes.clone()), Some(format(form))) {
            Ok((_, reports)) => {
                reports.iter().for_each(|found| self.remark(found, report));
                Some(self.bytes)
            }
            // Nothing in it can be used, or an entry spoils the others.
            Err(_) => self.one_by_one(form, report),
        }
    }

    fn remark(&self, found: &ListReport, report: &mut Report) {
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

    /// The entries that are a list each, without the others.
    fn one_by_one(&self, form: ListForm, report: &mut Report) -> Option<Vec<u8>> {
        let mut kept = Vec::new();
        for (number, line) in (1..).zip(self.bytes.split_inclusive(|byte| *byte == b'\n')) {
            let read = read_list(&RawList::file(line.to_vec()), Some(format(form)));
            let (place, entry) = self.entry(number);
            match read {
                Ok(_) => kept.extend_from_slice(line),
                Err(ListFault::NothingUsable { refused: Some((_, why)), .. }) => {
                    report.add(Kind::Entry, &place, format!("{entry}: {why}"));
                }
                Err(ListFault::NothingUsable { refused: None, .. }) => {
                    report.add(Kind::Suffix, &place, entry);
                }
                Err(why) => report.add(Kind::Entry, &place, format!("{entry}: {why}")),
            }
        }
        (!kept.is_empty()).then_some(kept)
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

const fn format(form: ListForm) -> ListFormat {
    match form {
        ListForm::Plain => ListFormat::Plain,
        ListForm::Urls => ListFormat::Urls,
    }
}

/// Lines with their numbers, without what ends them.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a list, and each remark as a line.
    fn finished(lines: &[&str], form: ListForm) -> (String, Vec<String>) {
        let (mut names, mut report) = (Names::default(), Report::default());
        for (number, line) in (1..).zip(lines) {
            names.add(line, &Place::new("f", number));
        }
        let bytes = names.finish(form, &mut report).unwrap_or_default();
        let told = report
            .remarks()
            .iter()
            .map(|remark| format!("{} {} {}", remark.kind.id(), remark.line, remark.what));
        (String::from_utf8(bytes).unwrap(), told.collect())
    }

    #[test]
    fn what_a_list_leaves_out_is_told_even_where_nothing_is_left() {
        let (text, told) = finished(&["com"], ListForm::Plain);
        assert_eq!((text.as_str(), told), ("", vec!["public-suffix 1 com".to_owned()]));
        let (text, told) = finished(&["a b c", "co.uk"], ListForm::Plain);
        assert_eq!((text.as_str(), told.len()), ("", 2));
        // One line that makes a web page of the list.
        let (text, told) = finished(&["<a", "b.test"], ListForm::Plain);
        assert_eq!((text.as_str(), told.len()), ("b.test\n", 1));
        // Lines that look like another format are names that cannot be, and no hosts file.
        let (text, told) = finished(&["0.0.0.0 a.test", "b.test"], ListForm::Plain);
        assert!(text.contains("b.test") && told[0].starts_with("entry-unusable 1"), "{told:?}");
        let long = format!("a.test/{}", "x".repeat(9_000));
        let (text, told) = finished(&[&long, "b.test/x"], ListForm::Urls);
        assert!(text.contains("b.test/x") && told[0].starts_with("entry-unusable 1"), "{told:?}");
        assert_eq!(finished(&[], ListForm::Plain), (String::new(), Vec::new()));
    }
}
