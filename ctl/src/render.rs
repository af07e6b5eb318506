//! What the tools say, as text or JSON. The only module that prints.
//!
//! INVARIANT: what people read has nothing of a file, a path or a message that a terminal would act on.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::lists::ListFormat;
use eg_policy::regex::LoweredCounts;
use serde_json::json;

use crate::egpolicy::convert::{Converted, Fault, losses_json, losses_markdown};
use crate::egpolicy::{Checked, FallbackRegex, ListSummary, RegexSummary};
use crate::forms::{tame, tame_lines};

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
                writeln!(out, "{}", list_line(list))?;
            }
            regexes(out, &checked.regexes)?;
            let (files, rules, lists) = (checked.files, checked.rules, checked.list_count);
            writeln!(
                out,
                "files: {files}, rules: {rules}, lists: {lists}, errors: {errors}, warnings: {warnings}"
            )
        }
        Format::Json => {
            let lists = checked.lists.iter().map(list_document);
            let document = json!({
                "files": checked.files,
                "rules": checked.rules,
                "lists": lists.collect::<Vec<_>>(),
                "regexes": regex_document(&checked.regexes),
                "errors": errors,
                "warnings": warnings,
                "diagnostics": checked.diagnostics.iter().map(document).collect::<Vec<_>>(),
            });
            writeln!(out, "{document:#}")
        }
    }
}

/// What became of a list, as a line.
fn list_line(list: &ListSummary) -> String {
    let ListSummary { path, report, covered } = list;
    let mut line = format!("list {}: {} entries", tame(path), report.accepted);
    if report.format != ListFormat::Plain {
        line.push_str(&format!(", read as {}", report.format.word()));
    }
    for (count, what) in [
        (report.refused_count, "refused"),
        (report.duplicates, "repeated"),
        (*covered, "covered by another"),
        (report.folded, "respelt"),
        (report.exceptions, "exceptions ignored"),
        (report.local_names, "names of the machine passed over"),
        (report.public_suffix_count, "public suffixes left out"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    line
}

/// The same for programs, with the lines that were refused.
fn list_document(list: &ListSummary) -> serde_json::Value {
    let ListSummary { path, report, covered } = list;
    let refused_lines = report
        .refused
        .iter()
        .map(|(line, reason)| json!({ "line": line, "reason": reason.to_string() }));
    let reasons = report
        .reasons
        .iter()
        .map(|(reason, count)| json!({ "reason": reason.to_string(), "lines": count }));
    let suffixes = report.public_suffixes.iter();
    let suffixes = suffixes.map(|(line, name)| json!({ "line": line, "name": name }));
    json!({
        "path": path,
        "format": report.format.word(),
        "lines": report.lines,
        "entries": report.accepted,
        "refused": report.refused_count,
        "duplicates": report.duplicates,
        "covered": covered,
        "folded": report.folded,
        "exceptions": report.exceptions,
        "local_names": report.local_names,
        "public_suffixes": report.public_suffix_count,
        "reasons": reasons.collect::<Vec<_>>(),
        "refused_lines": refused_lines.collect::<Vec<_>>(),
        "public_suffix_lines": suffixes.collect::<Vec<_>>(),
    })
}

/// Where the regexes of a policy would go.
fn regexes(out: &mut impl Write, summary: &RegexSummary) -> io::Result<()> {
    let RegexSummary { patterns, lowered, literals, scanned, fallback } = summary;
    for slower in fallback {
        let FallbackRegex { file, line, rule, attribute, pattern } = slower;
        let (file, pattern) = (tame(file), tame(pattern));
        writeln!(
            out,
            "{file}:{line}: the slower scanner takes a `{attribute}` of `{rule}`: {pattern}"
        )?;
    }
    if *patterns == 0 {
        return Ok(());
    }
    let LoweredCounts { domains, exact_hosts, uri_hosts, literals: anchored } = lowered;
    let slower = fallback.len();
    writeln!(
        out,
        "regexes: {patterns}, looked up: {domains} domains, {exact_hosts} exact hosts, {uri_hosts} URI \
         hosts, {anchored} literals, scanned for: {scanned} with {literals} that are plain literals, \
         with the slower scanner: {slower}"
    )
}

/// The same for programs.
fn regex_document(summary: &RegexSummary) -> serde_json::Value {
    let LoweredCounts { domains, exact_hosts, uri_hosts, literals } = summary.lowered;
    let fallback = summary.fallback.iter().map(|slower| {
        json!({
            "file": slower.file,
            "line": slower.line,
            "rule": slower.rule,
            "attribute": slower.attribute,
            "pattern": slower.pattern,
        })
    });
    json!({
        "patterns": summary.patterns,
        "lowered": {
            "domains": domains,
            "exact_hosts": exact_hosts,
            "uri_hosts": uri_hosts,
            "literals": literals,
        },
        "scanned": summary.scanned,
        "scanned_literals": summary.literals,
        "fallback": fallback.collect::<Vec<_>>(),
    })
}

/// A fault for programs, with what to do about it as the text has it.
pub(crate) fn document(fault: &Diagnostic) -> serde_json::Value {
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
    faults.iter().try_for_each(|fault| writeln!(out, "{}\n", tame_lines(&fault.render())))
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
            let (path, folder) = (path.display().to_string(), folder.display().to_string());
            writeln!(out, "written: {}, rules: {rules}, list files: {lists}", tame(&path))?;
            writeln!(out, "next: egpolicy check {}", tame(&folder))
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
    faults.iter().try_for_each(|fault| writeln!(out, "{}", tame(&fault.to_string())))?;
    let count = faults.len();
    writeln!(out, "egpolicy: nothing was written, faults: {count}")
}

/// Prints a fault of the tool itself and its causes.
///
/// # Errors
///
/// What standard error says.
pub fn failure(out: &mut impl Write, tool: &str, fault: &dyn Error) -> io::Result<()> {
    let mut text = format!("{tool}: {fault}");
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    writeln!(out, "{}", tame_lines(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egpolicy::check;

    #[test]
    fn nothing_that_is_printed_moves_a_cursor() {
        let odd = "\u{1b}[2J\u{202e}\r\u{9b}";
        let place = crate::egpolicy::convert::Place { file: odd.to_owned(), line: 1 };
        let fault = Fault { place, what: format!("unknown directive `{odd}`") };
        let mut bytes = Vec::new();
        unconverted(&mut bytes, std::slice::from_ref(&fault)).unwrap();
        failure(&mut bytes, "egpolicy", &fault).unwrap();
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(odd);
        std::fs::create_dir(&folder).unwrap();
        let policy =
            "a: {\n match-uri-regex: ads\\b[0-9]+x\n}\nb: {\n match-domain-list: b.txt\n}\n";
        std::fs::write(folder.join("10-a.policy"), policy).unwrap();
        std::fs::write(folder.join("b.txt"), "b.test\n").unwrap();
        let found = check(&[folder], &[]).unwrap();
        assert_eq!(found.lists.len(), 1, "{found:?}");
        checked(&mut bytes, &found, Format::Text).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            !text.lines().any(|line| line.chars().any(eg_policy::syntax::span::is_unprintable))
        );
    }

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
