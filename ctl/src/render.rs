//! What the tools say, as text or JSON. The only module that prints.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use eg_policy::diagnostic::{Diagnostic, Severity};
use serde_json::json;

use crate::egpolicy::convert::{Converted, Fault, losses_json, losses_markdown};
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
                "diagnostics": checked.diagnostics.iter().map(document).collect::<Vec<_>>(),
            });
            writeln!(out, "{document:#}")
        }
    }
}

/// A fault for programs, with what to do about it as the text has it.
fn document(fault: &Diagnostic) -> serde_json::Value {
    let mut document = json!(fault);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("help".to_owned(), json!(fault.advice()));
    }
    document
}

/// Prints faults with their source lines.
///
/// # Errors
///
/// What standard output says.
pub fn diagnostics(out: &mut impl Write, faults: &[Diagnostic]) -> io::Result<()> {
    faults.iter().try_for_each(|fault| writeln!(out, "{}\n", fault.render()))
}

/// Prints what a conversion has lost, and where the rest is.
///
/// # Errors
///
/// What standard output says.
pub fn converted(
    out: &mut impl Write,
    converted: &Converted,
    folder: &Path,
    format: Format,
) -> io::Result<()> {
    let Converted { origin, file, draft, .. } = converted;
    let path = folder.join(file);
    match format {
        Format::Text => {
            writeln!(out, "{}", losses_markdown(&draft.report, origin))?;
            let (rules, lists) = (draft.rules.len(), draft.lists.len());
            writeln!(out, "written: {}, rules: {rules}, list files: {lists}", path.display())?;
            writeln!(out, "next: egpolicy check {}", folder.display())
        }
        Format::Json => {
            let mut document = losses_json(&draft.report, origin);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("written".to_owned(), json!(path.display().to_string()));
                fields.insert("rules".to_owned(), json!(draft.rules.len()));
                fields.insert("list_files".to_owned(), json!(draft.lists.len()));
            }
            writeln!(out, "{document:#}")
        }
    }
}

/// Prints why an input cannot be converted.
///
/// # Errors
///
/// What standard error says.
pub fn unconverted(out: &mut impl Write, faults: &[Fault]) -> io::Result<()> {
    faults.iter().try_for_each(|fault| writeln!(out, "{fault}"))?;
    let count = faults.len();
    writeln!(out, "egpolicy: nothing was written, faults: {count}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egpolicy::check;

    #[test]
    fn json_says_of_each_fault_what_text_says() {
        let folder = tempfile::tempdir().unwrap();
        let policy = "a: {\n match-uri-regex: (?=x)y\n tls: bumb\n}\n\
                      b: {\n match-anomaly: ech\n}\nc: {\n match-sni-regex: [a&&b]\n}\n";
        std::fs::write(folder.path().join("10-a.policy"), policy).unwrap();
        let found = check(&[folder.path().to_path_buf()], &[]).unwrap();
        let mut bytes = Vec::new();
        checked(&mut bytes, &found, Format::Json).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&document["errors"], &document["warnings"]), (&json!(3), &json!(1)));
        let faults = document["diagnostics"].as_array().unwrap();
        let codes: Vec<_> = faults.iter().map(|fault| fault["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["EGP051", "EGP060", "EGP062", "EGP055"]);
        for (fault, found) in faults.iter().zip(&found.diagnostics) {
            let help = fault["help"].as_str().unwrap();
            assert!(found.render().ends_with(&format!("= help: {help}")), "{fault}");
            assert_eq!(fault["place"]["line"], found.place.line);
        }
    }
}
