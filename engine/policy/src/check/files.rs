//! All files of a policy, in load order, to one set of rules.
//!
//! A shared file counts whole or not at all: its rules, names and lists are taken only once it has
//! proved to be without an error.

use std::collections::HashMap;

use super::policy::{CheckedPolicy, CheckedRule, ListIndex, ListKind, ListUse, Trust};
use super::rule::{RULES_MAX, check_block};
use crate::diagnostic::{Code, Diagnostic, Faults, Place, quote};
use crate::lists::ListReport;
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
    if let Some((line, reason)) = report.refused.first() {
        let message = format!(
            "{} of {} lines of the list {} cannot be used; the first is line {line}: {reason}",
            report.refused_count,
            report.lines,
            quote(&list.path),
        );
        faults.report(&lines, Code::ListLines, span, message, None);
    }
    if let Some((line, name)) = report.public_suffixes.first() {
        let message = format!(
            "the list {} names {} whole public suffixes; the first is {} in line {line}",
            quote(&list.path),
            report.public_suffix_count,
            quote(name),
        );
        faults.report(&lines, Code::ListSuffixes, span, message, None);
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
    readable: &'l mut dyn FnMut(&ListUse) -> Result<(), String>,
    answers: HashMap<(String, ListKind), Result<(), String>>,
}

impl<'l> ListTable<'l> {
    fn new(readable: &'l mut dyn FnMut(&ListUse) -> Result<(), String>) -> Self {
        Self {
            uses: Vec::new(),
            positions: HashMap::new(),
            kept: 0,
            readable,
            answers: HashMap::new(),
        }
    }

    /// The position of a list, and whether it can be read, which is asked once.
    pub(super) fn mention(
        &mut self,
        path: &str,
        kind: ListKind,
        place: impl FnOnce() -> Place,
    ) -> (ListIndex, Result<(), String>) {
        let key = (path.to_owned(), kind);
        let index = match self.positions.get(&key) {
            Some(index) => *index,
            None => {
                let index = ListIndex(u32::try_from(self.uses.len()).unwrap_or(u32::MAX));
                let list = ListUse { path: path.to_owned(), kind, mention: place() };
                let readable = &mut *self.readable;
                self.answers.entry(key.clone()).or_insert_with(|| readable(&list));
                self.uses.push(list);
                self.positions.insert(key.clone(), index);
                index
            }
        };
        (index, self.answers.get(&key).cloned().unwrap_or(Ok(())))
    }

    fn keep(&mut self) {
        self.kept = self.uses.len();
    }

    fn forget(&mut self) {
        for list in self.uses.drain(self.kept..) {
            self.positions.remove(&(list.path, list.kind));
        }
    }
}
