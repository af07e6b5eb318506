//! The bytes of a list to its sets, each file by the reader of its format.

use super::collect::Collector;
use super::detect::{detect, is_web_page};
use super::expressions::{self, ExpressionList};
use super::names::NameList;
use super::part::ListPart;
use super::raw::RawList;
use super::report::{ListFault, ListFormat, ListReport};
use super::unpack::unpack;
use super::urls::{self, UrlList};
use super::{adblock, dnsmasq, hosts, plain, rpz};

/// What a list of names holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListSets {
    /// Names of hosts.
    pub names: NameList,
    /// URLs.
    pub urls: UrlList,
    /// Regular expressions for the URI.
    pub expressions: ExpressionList,
}

impl ListSets {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.names.len().saturating_add(self.urls.len()).saturating_add(self.expressions.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a list of names, by its content or as `format` says, and reports each of its files.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in a report instead, unless nothing else is there.
pub fn read_list(
    list: &RawList,
    format: Option<ListFormat>,
) -> Result<(ListSets, Vec<ListReport>), ListFault> {
    let mut sets = ListSets::default();
    let mut reports = Vec::new();
    for (part, bytes) in list.parts() {
        reports.push(file(&mut sets, *part, bytes, format)?);
    }
    usable(&sets, &reports)?;
    Ok((sets, reports))
}

/// Reads one file of a list into its sets.
fn file(
    sets: &mut ListSets,
    part: ListPart,
    bytes: &[u8],
    format: Option<ListFormat>,
) -> Result<ListReport, ListFault> {
    let bytes = unpack(bytes)?;
    let format = format_of(part, &bytes, format)?;
    let mut report = ListReport::new(part, format);
    if format == ListFormat::Expressions {
        sets.expressions = expressions::read(&bytes, &mut report);
        return Ok(report);
    }
    if is_web_page(&bytes) {
        return Err(ListFault::WebPage);
    }
    let (names, urls, report) = lines(&bytes, format, report)?.finish();
    match part {
        ListPart::Whole => (sets.names, sets.urls) = (names, urls),
        ListPart::Domains => sets.names = names,
        ListPart::Urls | ListPart::Expressions => sets.urls = urls,
    }
    Ok(report)
}

/// Hands the lines to the reader of a format.
fn lines(bytes: &[u8], format: ListFormat, report: ListReport) -> Result<Collector, ListFault> {
    let list = Collector::new(report);
    match format {
        ListFormat::Plain | ListFormat::Squidguard => list.read(bytes, plain::line),
        ListFormat::Hosts => list.read(bytes, hosts::line),
        ListFormat::Dnsmasq => list.read(bytes, dnsmasq::line),
        ListFormat::Adblock => list.read(bytes, adblock::line),
        ListFormat::Ufdbguard => match list.report.part {
            ListPart::Whole => list.read(bytes, plain::name_or_url),
            ListPart::Domains | ListPart::Urls | ListPart::Expressions => {
                list.read(bytes, plain::line)
            }
        },
        ListFormat::Urls | ListFormat::Expressions => list.read(bytes, urls::line),
        ListFormat::Rpz => {
            let mut zone = rpz::Zone::default();
            let mut list = list.read(bytes, |list, line| zone.line(list, line))?;
            zone.end(&mut list);
            Ok(list)
        }
    }
}

/// What one line of a file gives by itself.
pub(super) fn entries_of_line(
    part: ListPart,
    line: &[u8],
    format: ListFormat,
) -> Option<(NameList, UrlList)> {
    let (names, urls, _) = lines(line, format, ListReport::new(part, format)).ok()?.finish();
    Some((names, urls))
}

/// The format of one file, which for a folder follows from its name.
pub(super) fn format_of(
    part: ListPart,
    bytes: &[u8],
    said: Option<ListFormat>,
) -> Result<ListFormat, ListFault> {
    match (part, said) {
        (ListPart::Whole, None) if is_web_page(bytes) => Err(ListFault::WebPage),
        (ListPart::Whole, None) => detect(bytes),
        (ListPart::Whole, Some(ListFormat::Squidguard)) => Err(ListFault::FolderFormat),
        (ListPart::Whole, Some(format)) => Ok(format),
        (ListPart::Domains, None | Some(ListFormat::Squidguard)) => Ok(ListFormat::Squidguard),
        (ListPart::Domains, Some(ListFormat::Ufdbguard)) => Ok(ListFormat::Ufdbguard),
        (ListPart::Urls, None | Some(ListFormat::Squidguard | ListFormat::Ufdbguard)) => {
            Ok(ListFormat::Urls)
        }
        (ListPart::Expressions, None | Some(ListFormat::Squidguard | ListFormat::Ufdbguard)) => {
            Ok(ListFormat::Expressions)
        }
        (ListPart::Domains | ListPart::Urls | ListPart::Expressions, Some(format)) => {
            Err(ListFault::FileFormat { format })
        }
    }
}

/// Refuses a list that has lines and nothing in them.
fn usable(sets: &ListSets, reports: &[ListReport]) -> Result<(), ListFault> {
    let unused = reports.iter().find(|report| report.unused() > 0);
    match unused {
        Some(report) if sets.is_empty() => Err(report.nothing_usable()),
        Some(_) | None => Ok(()),
    }
}

/// The names of a list in one file, by its content.
///
/// # Errors
///
/// As [`read_list`].
pub fn read_names(bytes: &[u8]) -> Result<(NameList, ListReport), ListFault> {
    let mut sets = ListSets::default();
    let report = file(&mut sets, ListPart::Whole, bytes, None)?;
    usable(&sets, std::slice::from_ref(&report))?;
    Ok((sets.names, report))
}
