//! What lint found, for people and as JSON.

use std::io::{self, Write};

use eg_policy::diagnostic::Severity;
use serde_json::json;

use super::words::tame;
use crate::egpolicy::LintFound;
use crate::render;

/// Prints what was found, for people.
///
/// # Errors
///
/// What the output says.
pub fn lint(out: &mut impl Write, found: &LintFound) -> io::Result<()> {
    render::diagnostics(out, &found.diagnostics)?;
    for sentence in &found.unfinished {
        writeln!(out, "not looked at: {}", tame(sentence))?;
    }
    let count = |severity| found.count(severity);
    let (errors, warnings, notes) =
        (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    let rules = found.rules;
    writeln!(out, "rules: {rules}, errors: {errors}, warnings: {warnings}, notes: {notes}")
}

/// Prints the same for programs.
///
/// # Errors
///
/// What the output says.
pub fn lint_json(out: &mut impl Write, found: &LintFound) -> io::Result<()> {
    let faults = found.diagnostics.iter().map(render::document);
    let document = json!({
        "rules": found.rules,
        "errors": found.count(Severity::Error),
        "warnings": found.count(Severity::Warning),
        "notes": found.count(Severity::Note),
        "unfinished": found.unfinished,
        "diagnostics": faults.collect::<Vec<_>>(),
    });
    writeln!(out, "{document:#}")
}
