//! What the tools say, as text or JSON. The only module that prints.

use std::error::Error;
use std::io::{self, Write};

use eg_policy::diagnostic::{Diagnostic, Severity};
use serde_json::json;

use crate::egpolicy::{Checked, FallbackRegex, RegexSummary};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints what a check found.
///
/// # Errors
///
/// What standard output says.
pub fn checked(out: &mut impl Write, checked: &Checked, format: Format) -> io::Result<()> {
    let (errors, warnings) = (checked.count(Severity::Error), checked.count(Severity::Warning));
    match format {
        Format::Text => {
            diagnostics(out, &checked.diagnostics)?;
            for list in &checked.lists {
                write!(out, "list {}: {} entries", list.path, list.entries)?;
                for (count, what) in [
                    (list.refused, "refused"),
                    (list.duplicates, "repeated"),
                    (list.public_suffixes, "public suffixes left out"),
                ] {
                    if count > 0 {
                        write!(out, ", {count} {what}")?;
                    }
                }
                writeln!(out)?;
            }
            let RegexSummary { patterns, names, fallback } = &checked.regexes;
            for slower in fallback {
                let FallbackRegex { file, line, rule, attribute, pattern } = slower;
                writeln!(
                    out,
                    "{file}:{line}: the slower scanner takes a `{attribute}` of `{rule}`: {pattern}"
                )?;
            }
            if *patterns > 0 {
                let slower = fallback.len();
                writeln!(
                    out,
                    "regexes: {patterns}, looked up as names: {names}, with the slower scanner: {slower}"
                )?;
            }
            let (files, rules, lists) = (checked.files, checked.rules, checked.lists.len());
            writeln!(
                out,
                "files: {files}, rules: {rules}, lists: {lists}, errors: {errors}, warnings: {warnings}"
            )
        }
        Format::Json => {
            let lists = checked.lists.iter().map(|list| {
                json!({
                    "path": list.path,
                    "entries": list.entries,
                    "refused": list.refused,
                    "duplicates": list.duplicates,
                    "public_suffixes": list.public_suffixes,
                })
            });
            let document = json!({
                "files": checked.files,
                "rules": checked.rules,
                "lists": lists.collect::<Vec<_>>(),
                "regexes": {
                    "patterns": checked.regexes.patterns,
                    "names": checked.regexes.names,
                    "fallback": checked.regexes.fallback.iter().map(|slower| json!({
                        "file": slower.file,
                        "line": slower.line,
                        "rule": slower.rule,
                        "attribute": slower.attribute,
                        "pattern": slower.pattern,
                    })).collect::<Vec<_>>(),
                },
                "errors": errors,
                "warnings": warnings,
                "diagnostics": checked.diagnostics,
            });
            writeln!(out, "{document:#}")
        }
    }
}

/// Prints faults with their source lines.
///
/// # Errors
///
/// What standard output says.
pub fn diagnostics(out: &mut impl Write, faults: &[Diagnostic]) -> io::Result<()> {
    faults.iter().try_for_each(|fault| writeln!(out, "{}\n", fault.render()))
}

/// Prints a fault of the tool itself and its causes.
///
/// # Errors
///
/// What standard error says.
pub fn failure(out: &mut impl Write, tool: &str, fault: &dyn Error) -> io::Result<()> {
    write!(out, "{tool}: {fault}")?;
    let mut cause = fault.source();
    while let Some(inner) = cause {
        write!(out, ": {inner}")?;
        cause = inner.source();
    }
    writeln!(out)
}
