//! Collects the names of a list, whatever its format: one name in, canonical, or why not.
//!
//! INVARIANT: a name that is refused adds nothing, and no line adds more than it says. A line of several names
//! may be refused for one of them; the others are taken.

use super::line::lines;
use super::lineset::LineSet;
use super::names::NameList;
use super::report::{ListFault, ListReport, RefusedLine};
use super::unpack::UNPACKED_BYTES_MAX;
use super::urls::{UrlCollector, UrlList};
use crate::check::{Scope, host_text};
use crate::uri::{Domain, SuffixKind, parse_address, public_suffix};

/// Collects names, and the URLs that some formats have beside them.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) report: ListReport,
    names: LineSet,
    pub(super) urls: UrlCollector,
    /// Memory for names that are not canonical as written.
    buffer: String,
}

impl Collector {
    /// Takes what one file is reported as.
    pub(super) fn new(report: ListReport) -> Self {
        Self { report, ..Self::default() }
    }

    /// Hands every line to `line`, which takes from it what it can.
    pub(super) fn read(
        mut self,
        bytes: &[u8],
        mut line: impl FnMut(&mut Self, &[u8]) -> Result<(), RefusedLine>,
    ) -> Result<Self, ListFault> {
        for raw in lines(bytes) {
            self.report.lines = self.report.lines.saturating_add(1);
            if let Err(reason) = line(&mut self, raw) {
                self.report.refuse(self.report.lines, reason);
            }
            if self.names.is_full() || self.urls.is_full() {
                return Err(ListFault::TooLarge { max: UNPACKED_BYTES_MAX });
            }
        }
        Ok(self)
    }

    /// The entry of a plain list.
    pub(super) fn entry(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        if let Some(name) = plain_name(raw) {
            self.name(name, Scope::Tree);
            return Ok(());
        }
        if raw.starts_with(b"@@") {
            self.report.exception();
            return Ok(());
        }
        if let Some(reason) = foreign(raw) {
            return Err(reason);
        }
        if let Some(name) = raw.strip_prefix(b"=") {
            return self.host(name);
        }
        let name = raw.strip_prefix(b"*.").or_else(|| raw.strip_prefix(b".")).unwrap_or(raw);
        self.odd_name(name, Scope::Tree)
    }

    /// A name that stands for itself and all below it, without any marks around it.
    pub(super) fn tree(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        match plain_name(raw) {
            Some(name) => {
                self.name(name, Scope::Tree);
                Ok(())
            }
            None => self.odd_name(raw, Scope::Tree),
        }
    }

    /// A name that stands for itself alone.
    pub(super) fn host(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        match plain_name(raw) {
            Some(name) => {
                self.push(name, Scope::Host);
                Ok(())
            }
            None => self.odd_name(raw, Scope::Host),
        }
    }

    /// A name that is not canonical as it stands.
    fn odd_name(&mut self, raw: &[u8], scope: Scope) -> Result<(), RefusedLine> {
        if raw.is_empty() || raw == b"*" || raw == b"." {
            return Err(RefusedLine::Everything);
        }
        match parse_address(raw) {
            Some(Ok(address)) => {
                self.fold();
                self.push(&host_text(address), Scope::Host);
                return Ok(());
            }
            Some(Err(_)) => return Err(RefusedLine::NotAName),
            None => {}
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = match Domain::parse(&mut buffer, raw) {
            Ok(name) => {
                self.fold();
                self.name(name.as_str(), scope);
                Ok(())
            }
            Err(_) if raw.contains(&b':') => Err(RefusedLine::Port),
            Err(_) => Err(RefusedLine::NotAName),
        };
        self.buffer = buffer;
        outcome
    }

    fn fold(&mut self) {
        self.report.folded = self.report.folded.saturating_add(1);
    }

    /// Takes a canonical name, unless it covers a whole public suffix.
    fn name(&mut self, name: &str, scope: Scope) {
        match (scope, public_suffix(name)) {
            (Scope::Tree, SuffixKind::Icann) => self.report.suffix(self.report.lines, name),
            (Scope::Tree, SuffixKind::Private | SuffixKind::No) | (Scope::Host, _) => {
                self.push(name, scope);
            }
        }
    }

    fn push(&mut self, name: &str, scope: Scope) {
        match scope {
            Scope::Tree => self.names.push(&[name]),
            Scope::Host => self.names.push(&["=", name]),
        }
    }

    /// A URL, in formats that have such.
    pub(super) fn url(&mut self, raw: &[u8]) -> Result<(), RefusedLine> {
        self.urls.entry(raw, &mut self.report)
    }

    /// What was collected.
    pub(super) fn finish(self) -> (NameList, UrlList, ListReport) {
        let Self { mut report, names, urls, buffer: _ } = self;
        let names = names.sorted();
        let (urls, repeated) = urls.finish();
        report.accepted = names.count.saturating_add(urls.len());
        report.duplicates = names.duplicates.saturating_add(repeated);
        (NameList::of_sorted(names.text, names.count), urls, report)
    }
}

/// PERF: most entries are canonical as they stand. Says yes only to what `Domain::parse` gives back
/// unchanged: lower-case letters, digits, `-` and `_`, no A-label, and a last label that starts with a
/// letter, so that it is no address.
pub(super) fn plain_name(raw: &[u8]) -> Option<&str> {
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
pub(super) fn foreign(raw: &[u8]) -> Option<RefusedLine> {
    if raw.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        Some(RefusedLine::Control)
    } else if raw.starts_with(b"|") || raw.contains(&b'^') || raw.contains(&b'#') {
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
