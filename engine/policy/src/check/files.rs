//! All files of a policy, in load order, to one set of rules.
//!
//! A shared file counts whole or not at all: its rules, names and lists are taken only once it has
//! proved to be without an error.

use std::collections::HashMap;

use super::policy::{
    CheckedPolicy, CheckedRule, HasUrls, ListContents, ListIndex, ListKind, ListUse, Trust,
};
use super::rule::{RULES_MAX, check_block};
use crate::diagnostic::{Code, Diagnostic, Faults, Place, quote};
use crate::lists::{ListFormat, ListReport};
use crate::regex::RegexPattern;
use crate::sources::SourceFile;
use crate::syntax::ast::Ast;
use crate::syntax::parse_into;
use crate::syntax::span::{Lines, Span};
use crate::verdict::RuleId;

/// Checks all files of a policy, the operator's first, in load order.
///
/// The set is usable if no diagnostic is an error.
#[must_use]
pub fn check(files: &[(SourceFile, Trust)]) -> (CheckedPolicy, Vec<Diagnostic>) {
    check_with(files, |_| Ok(()))
}

/// Like [`check`], and asks `readable` once for each list whether it can be read. A list that cannot
/// is a fault where it is mentioned; where that is a shared file, the file is left out.
#[must_use]
pub fn check_with(
    files: &[(SourceFile, Trust)],
    mut readable: impl FnMut(&ListUse) -> Result<(), String>,
) -> (CheckedPolicy, Vec<Diagnostic>) {
    check_with_lists(files, |list| readable(list).map(|()| ListContents::default()))
}

/// Like [`check_with`], for lists that have more than names: `readable` says what.
#[must_use]
pub fn check_with_lists(
    files: &[(SourceFile, Trust)],
    mut readable: impl FnMut(&ListUse) -> Result<ListContents, String>,
) -> (CheckedPolicy, Vec<Diagnostic>) {
    let mut checker = Checker {
        rules: Vec::new(),
        names: HashMap::new(),
        lists: ListTable::new(&mut readable),
        faults: Faults::default(),
    };
    for (file, trust) in files {
        checker.file(file, *trust);
    }
    let Checker { rules, names: _, lists, faults } = checker;
    (CheckedPolicy { rules, lists: lists.uses }, faults.into_diagnostics())
}

/// What a person should know about a list that could be read: warnings at its first mention. `text`
/// is that of the policy file.
#[must_use]
pub fn list_remarks(list: &ListUse, text: &str, report: &ListReport) -> Vec<Diagnostic> {
    let lines = Lines::new(&list.mention.file, text);
    let span = Span::new(list.mention.span.start, list.mention.span.end);
    let mut faults = Faults::default();
    let path = report.part.path(&list.path);
    if let Some((line, reason)) = report.refused.first() {
        let message = format!(
            "{} of {} lines of the list {} cannot be used; the first is line {line}: {reason}",
            report.refused_count,
            report.lines,
            quote(&path),
        );
        faults.report(&lines, Code::ListLines, span, message, None);
    }
    if let Some((line, name)) = report.public_suffixes.first() {
        let message = format!(
            "the list {} names {} whole public suffixes; the first is {} in line {line}",
            quote(&path),
            report.public_suffix_count,
            quote(name),
        );
        faults.report(&lines, Code::ListSuffixes, span, message, None);
    }
    if let Some(line) = report.first_exception {
        let message = format!(
            "the list {} has {} exceptions; the first is in line {line}",
            quote(&path),
            report.exceptions,
        );
        faults.report(&lines, Code::ListExceptions, span, message, None);
    }
    faults.into_diagnostics()
}

struct Checker<'l> {
    rules: Vec<CheckedRule>,
    /// The file and line of each name.
    names: HashMap<String, (String, u32)>,
    lists: ListTable<'l>,
    faults: Faults,
}

impl Checker<'_> {
    fn file(&mut self, file: &SourceFile, trust: Trust) {
        let mut faults = Faults::default();
        let rules_before = self.rules.len();
        let mut names = Vec::new();
        match &file.fault {
            Some(fault) => faults.report_file(&file.path, Code::UnreadableFile, fault.as_str()),
            None => {
                let lines = Lines::new(&file.path, &file.text);
                let ast = parse_into(&lines, &mut faults);
                self.blocks(&ast, &lines, &mut faults, &mut names);
            }
        }
        faults.sort();
        if trust == Trust::Shared && faults.has_errors() {
            self.rules.truncate(rules_before);
            names.iter().for_each(|name| drop(self.names.remove(name)));
            self.lists.forget();
            faults.soften();
            let message = format!("the file {} is left out for its faults", quote(&file.path));
            faults.report_file(&file.path, Code::FileLeftOut, message);
        } else {
            self.lists.keep();
        }
        self.faults.absorb(faults);
    }

    fn blocks(
        &mut self,
        ast: &Ast,
        lines: &Lines<'_>,
        faults: &mut Faults,
        names: &mut Vec<String>,
    ) {
        for block in ast.blocks() {
            let name = &block.name;
            if let Some((file, line)) = self.names.get(&name.text) {
                let message = format!("the name {} is taken", quote(&name.text));
                let help =
                    format!("the other rule is in `{file}`, line {line}; rename one of the two");
                faults.report(lines, Code::RepeatedName, name.span, message, Some(help));
            } else {
                let place = (lines.file().to_owned(), lines.number(name.span.start));
                self.names.insert(name.text.clone(), place);
                names.push(name.text.clone());
            }
            let Some(mut rule) = check_block(block, lines, faults, &mut self.lists) else {
                continue;
            };
            if self.rules.len() >= RULES_MAX {
                let message = format!("there are {RULES_MAX} rules before this one");
                faults.report(lines, Code::TooManyRules, name.span, message, None);
                return;
            }
            let id = self.rules.len().saturating_add(1);
            rule.id = RuleId(u32::try_from(id).unwrap_or(u32::MAX));
            self.rules.push(rule);
        }
    }
}

/// The lists that rules name, and whether each can be read.
pub(super) struct ListTable<'l> {
    uses: Vec<ListUse>,
    positions: HashMap<(String, ListKind), ListIndex>,
    /// How many belong to files that are taken.
    kept: usize,
    readable: &'l mut dyn FnMut(&ListUse) -> Result<ListContents, String>,
    answers: HashMap<(String, ListKind, Option<ListFormat>), Result<ListContents, String>>,
    /// How the rules before say that each file is written, and where the first one says it.
    formats: HashMap<String, (Option<ListFormat>, Place)>,
}

/// A list that a rule names.
pub(super) struct Mentioned {
    /// Its names or addresses.
    pub(super) list: ListIndex,
    /// Its URLs, where it has any.
    pub(super) urls: Option<ListIndex>,
    /// Its expressions, where it has any.
    pub(super) expressions: Option<(ListIndex, Vec<RegexPattern>)>,
    /// Why it cannot be read.
    pub(super) fault: Option<String>,
}

impl<'l> ListTable<'l> {
    fn new(readable: &'l mut dyn FnMut(&ListUse) -> Result<ListContents, String>) -> Self {
        Self {
            uses: Vec::new(),
            positions: HashMap::new(),
            kept: 0,
            readable,
            answers: HashMap::new(),
            formats: HashMap::new(),
        }
    }

    /// Where another rule says another format of the same file; one file has one format.
    pub(super) fn other_format(
        &mut self,
        path: &str,
        format: Option<ListFormat>,
        place: impl FnOnce() -> Place,
    ) -> Option<&Place> {
        let known = self.formats.entry(path.to_owned()).or_insert_with(|| (format, place()));
        (known.0 != format).then_some(&known.1)
    }

    /// The positions of a list and of its parts, and whether it can be read, which is asked once.
    pub(super) fn mention(
        &mut self,
        path: &str,
        (kind, format): (ListKind, Option<ListFormat>),
        place: impl Fn() -> Place,
    ) -> Mentioned {
        let list = ListUse { path: path.to_owned(), kind, format, mention: place() };
        let readable = &mut *self.readable;
        let answer = self.answers.entry((path.to_owned(), kind, format));
        let answer = answer.or_insert_with(|| readable(&list)).clone();
        let part = |kind| ListUse { kind, ..list.clone() };
        let index = self.position(list.clone());
        let (contents, fault) = match answer {
            Ok(contents) => (contents, None),
            Err(fault) => (ListContents::default(), Some(fault)),
        };
        let urls = match contents.urls {
            HasUrls::Present => Some(self.position(part(ListKind::Urls))),
            HasUrls::Absent => None,
        };
        let expressions = match contents.expressions.is_empty() {
            true => None,
            false => Some((self.position(part(ListKind::Expressions)), contents.expressions)),
        };
        Mentioned { list: index, urls, expressions, fault }
    }

    /// The position of a list, or of a part of one, in the table.
    fn position(&mut self, list: ListUse) -> ListIndex {
        let key = (list.path.clone(), list.kind);
        let next = ListIndex(u32::try_from(self.uses.len()).unwrap_or(u32::MAX));
        let index = *self.positions.entry(key).or_insert(next);
        if index == next {
            self.uses.push(list);
        }
        index
    }

    fn keep(&mut self) {
        self.kept = self.uses.len();
    }

    fn forget(&mut self) {
        for list in self.uses.drain(self.kept..) {
            self.positions.remove(&(list.path, list.kind));
        }
        let Self { positions, formats, .. } = self;
        formats.retain(|path, _| positions.contains_key(&(path.clone(), ListKind::Domains)));
    }
}
