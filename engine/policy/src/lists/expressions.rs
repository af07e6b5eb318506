//! Expressions of lists: regular expressions for the URI, one a line, and the set's own file.
//!
//! They go through the same door as a rule's own (`regex`). One that no rule may have is a line in the
//! report and takes nothing from the others.

use super::line::{Content, content_up_to, lines};
use super::lineset::{set_file, to_set_file};
use super::report::{ListFault, ListReport, RefusedLine};
use crate::diagnostic::Code;
use crate::digest::Digest;
use crate::regex::{Field, RegexPattern};

/// A list has at most this many expressions: all of a policy are compiled together, which takes minutes
/// for tens of thousands.
pub const EXPRESSIONS_MAX: usize = 10_000;

/// More than the longest pattern that `regex` takes.
const LINE_BYTES_MAX: usize = 16_384;

/// The first words of the file form.
const MAGIC: &str = "enforcegate-expressions 1 ";

/// Regular expressions, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpressionList {
    patterns: Vec<RegexPattern>,
}

impl ExpressionList {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.patterns.len()).unwrap_or(u64::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[RegexPattern] {
        &self.patterns
    }

    /// The file form: a line with the number of patterns, then the patterns.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let text: String = self.patterns.iter().map(|pattern| format!("{pattern}\n")).collect();
        to_set_file(MAGIC, self.len(), &text)
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let fault = |reason| ListFault::NotASet { reason };
        let (_, text) = set_file(bytes, MAGIC)?;
        let patterns: Result<Vec<_>, _> =
            text.split_terminator('\n').map(RegexPattern::parse).collect();
        let list = Self { patterns: patterns.map_err(|_| fault("a line is no expression"))? };
        let is_sorted = list.patterns.is_sorted_by(|one, other| one < other);
        if !is_sorted || list.to_file() != bytes {
            return Err(fault("it is cut short or not sorted"));
        }
        Ok(list)
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

/// Reads unpacked lines.
pub(super) fn read(bytes: &[u8], report: &mut ListReport) -> ExpressionList {
    let mut patterns = Vec::new();
    for line in lines(bytes) {
        report.lines = report.lines.saturating_add(1);
        match pattern(line) {
            Ok(None) => {}
            Ok(Some(_)) if patterns.len() >= EXPRESSIONS_MAX => {
                report.refuse(report.lines, RefusedLine::TooManyExpressions);
            }
            Ok(Some(pattern)) => patterns.push(pattern),
            Err(reason) => report.refuse(report.lines, reason),
        }
    }
    let read = patterns.len();
    patterns.sort_unstable();
    patterns.dedup();
    let list = ExpressionList { patterns };
    report.accepted = list.len();
    report.duplicates = u64::try_from(read).unwrap_or(u64::MAX).saturating_sub(report.accepted);
    list
}

/// The pattern of a line; nothing where it is empty or a comment, which only a `#` in front makes: behind a
/// blank it may be part of a pattern.
fn pattern(line: &[u8]) -> Result<Option<RegexPattern>, RefusedLine> {
    let line = line.trim_ascii();
    if content_up_to(line, usize::MAX) == Content::Nothing {
        return Ok(None);
    }
    if line.len() > LINE_BYTES_MAX {
        return Err(RefusedLine::TooLong);
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(RefusedLine::Control);
    }
    let text = std::str::from_utf8(line);
    let text = text.map_err(|_| RefusedLine::Expression(Code::RegexAmbiguous))?;
    let pattern = RegexPattern::parse(text);
    let pattern = pattern.and_then(|pattern| pattern.fits_every(Field::Uri).map(|()| pattern));
    pattern.map(Some).map_err(|fault| RefusedLine::Expression(fault.code()))
}
