//! URLs of lists: one a line to a sorted set, and the set's own file.
//!
//! squidGuard's `urls` have no scheme, and a port says nothing there; so an entry stands for any scheme and
//! any port, whatever is written. The host must match whole: `www.` in front is not taken away, as
//! squidGuard does it. What follows is a literal beginning of path and query.
//!
//! INVARIANT: the text of a set is its file's body: lines in strictly ascending order of bytes, each a
//! canonical host and what begins with the `/` behind it.

use super::collect::Collector;
use super::line::{Content, content_up_to};
use super::lineset::{LineSet, sorted_set_file, to_set_file};
use super::names::is_name_byte;
use super::report::{ListFault, ListReport, RefusedLine};
use crate::digest::Digest;
use crate::uri::UriPrefix;

/// A longer line is no URL that Squid could ask about.
const LINE_BYTES_MAX: usize = 8_192;

/// The first words of the file form.
const MAGIC: &str = "enforcegate-urls 1 ";

/// URLs without scheme and port, canonical, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlList {
    text: String,
    count: u64,
}

impl UrlList {
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

    /// The entries: a host, and what path and query begin with.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + '_ {
        self.text.lines().filter_map(parts)
    }

    /// The file form: a line with the number of entries, then the entries.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        to_set_file(MAGIC, self.count, &self.text)
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let (count, text) = sorted_set_file(bytes, MAGIC, |line| {
            let is_url = parts(line).is_some_and(|(host, rest)| {
                !host.is_empty()
                    && host.bytes().all(is_name_byte)
                    && rest.bytes().all(|byte| byte.is_ascii_graphic())
            });
            is_url.then_some(()).ok_or("a line is not a URL")
        })?;
        Ok(Self { text: text.to_owned(), count })
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

/// Host and rest of an entry.
fn parts(line: &str) -> Option<(&str, &str)> {
    line.split_at_checked(line.find('/')?)
}

/// A line of a list of URLs.
pub(super) fn line(list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
    match content_up_to(raw, LINE_BYTES_MAX) {
        Content::Nothing => Ok(()),
        Content::TooLong => Err(RefusedLine::TooLong),
        Content::Entry(entry) => list.url(entry),
    }
}

/// Collects URLs.
#[derive(Debug, Default)]
pub(super) struct UrlCollector {
    urls: LineSet,
}

impl UrlCollector {
    pub(super) fn entry(&mut self, raw: &[u8], report: &mut ListReport) -> Result<(), RefusedLine> {
        if raw.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(RefusedLine::Control);
        }
        if raw.starts_with(b"@@") {
            report.exception();
            return Ok(());
        }
        let text = std::str::from_utf8(raw).map_err(|_| RefusedLine::NotUtf8)?;
        // No request has a fragment, and one with it asks for the same.
        let sent = text.split_once('#').map_or(text, |(sent, _)| sent);
        let url = UriPrefix::parse(sent).map_err(RefusedLine::BadUrl)?;
        let as_written = text.strip_prefix(url.host()).is_some_and(|rest| rest == url.rest());
        if !as_written {
            report.folded = report.folded.saturating_add(1);
        }
        self.urls.push(&[url.host(), url.rest()]);
        Ok(())
    }

    pub(super) const fn is_full(&self) -> bool {
        self.urls.is_full()
    }

    /// The set, and how many entries came again.
    pub(super) fn finish(self) -> (UrlList, u64) {
        let sorted = self.urls.sorted();
        (UrlList { text: sorted.text, count: sorted.count }, sorted.duplicates)
    }
}
