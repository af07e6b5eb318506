//! What the live policy says to a request, and why.

use std::io;

use eg_proto::control::explain::{
    Explained, FailedTold, FitTold, MatchAnswer, RuleTold, VerdictTold,
};

use super::super::screen::{Mark, Screen};
use crate::forms::before::{Detail, Parted, parted};

/// Room for the longest name of a field.
const NAMES: usize = 10;

pub(super) fn matching(
    screen: &mut Screen<'_>,
    found: &MatchAnswer,
    detail: Detail,
) -> io::Result<()> {
    let MatchAnswer {
        uri,
        canonical,
        matched,
        code,
        rule_id,
        rule_name,
        action,
        reason,
        category,
        pattern,
        explained,
    } = found;
    let line = |name: &str, value: &str| format!("{:<NAMES$} {value}", format!("{name}:"));
    screen.line(&line("URI", uri))?;
    screen.line(&line("Matched", if *matched { "yes" } else { "no" }))?;
    screen.line(&line("Code", &code.to_string()))?;
    let id = rule_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    screen.line(&line("Rule ID", &id))?;
    screen.line(&line("Rule name", rule_name))?;
    screen.field(NAMES, "Action", Mark::of_action(action), action)?;
    screen.line(&line("Reason", reason))?;
    for (name, value) in [("Pattern", pattern), ("Category", category), ("Canonical", canonical)] {
        if let Some(value) = value {
            screen.line(&line(name, value))?;
        }
    }
    match explained {
        Some(explained) => explanation(screen, explained, detail),
        None => Ok(()),
    }
}

fn explanation(screen: &mut Screen<'_>, found: &Explained, detail: Detail) -> io::Result<()> {
    let Explained {
        verdict: VerdictTold { file, line, list, monitored, .. },
        tls,
        views,
        unknown,
        matches,
        waits_for,
        before,
        disabled,
        left_out,
        notes,
        rules,
    } = found;
    if let (Some(file), Some(line)) = (file, line) {
        screen.line(&format!("{:<NAMES$} {file}:{line}", "File:"))?;
    }
    for (name, value) in [("List:", list), ("Monitored:", monitored), ("TLS:", tls)] {
        if let Some(value) = value {
            screen.line(&format!("{name:<NAMES$} {value}"))?;
        }
    }
    for reading in views {
        screen.line(&format!("{:<NAMES$} {}: {}", "View:", reading.view, reading.uri))?;
    }
    if !unknown.is_empty() {
        screen.line(&format!("{:<NAMES$} {}", "Not known:", unknown.join(", ")))?;
    }
    for sentence in left_out.iter().chain(notes) {
        screen.field(NAMES, "Beware", Mark::Beware, sentence)?;
    }
    if let Some(rule) = waits_for {
        screen.line("\nThe verdict waits for this rule:".trim_start())?;
        write_rule(screen, rule)?;
    }
    screen.line("")?;
    let only_monitors = matches.iter().any(|rule| rule.mode == "monitor");
    screen.head(&match (matches.len(), views.is_empty()) {
        (_, true) => "No rule was asked, since the request cannot be read.".to_owned(),
        (0, false) => format!("None of {rules} rules matches."),
        (1, false) => "The rule that matches:".to_owned(),
        (_, false) if only_monitors => {
            "The rules that match, the first that does not only monitor decides:".to_owned()
        }
        (_, false) => "The rules that match, the first one decides:".to_owned(),
    })?;
    matches.iter().try_for_each(|rule| write_rule(screen, rule))?;
    if !disabled.is_empty() {
        screen.line("")?;
        screen.head("Disabled rules that would match:")?;
        disabled.iter().try_for_each(|rule| write_rule(screen, rule))?;
    }
    if before.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    screen.head(if matches.is_empty() {
        "Why none does:"
    } else {
        "Why the rules before do not hold:"
    })?;
    write_before(screen, before, detail)
}

/// A rule and what of it fits or fails.
fn write_rule(screen: &mut Screen<'_>, rule: &RuleTold) -> io::Result<()> {
    let RuleTold { id, name, action, mode, file, line, outcome: _, fits, failed } = rule;
    let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let only = if mode == "monitor" { " (only monitors)" } else { "" };
    screen.line(&format!("  {id:>5}  {action:<6} {name}  {file}:{line}{only}"))?;
    fits.iter().try_for_each(|fit| write_fit(screen, fit))?;
    failed.iter().try_for_each(|failed| write_failed(screen, failed))
}

fn write_fit(screen: &mut Screen<'_>, fit: &FitTold) -> io::Result<()> {
    let FitTold { attribute, value, on, view, entry, entry_file, entry_line } = fit;
    let place = match (entry_file, entry_line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(_) | None, _) => value.clone(),
    };
    let entry = entry.as_ref().map(|entry| format!(" has `{entry}`")).unwrap_or_default();
    let wheres = on.iter().cloned().chain(view.iter().map(|view| format!("view {view}")));
    let wheres = wheres.collect::<Vec<_>>().join(", ");
    let wheres = if wheres.is_empty() { wheres } else { format!(" ({wheres})") };
    screen.line(&format!("         {attribute} {place}{entry}{wheres}"))
}

fn write_failed(screen: &mut Screen<'_>, failed: &FailedTold) -> io::Result<()> {
    let FailedTold { attribute, asks, more, seen, lacks, in_part } = failed;
    let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
    let why = match (lacks, in_part) {
        (Some(lacks), _) => format!("{lacks} is not known in this phase"),
        (None, true) => "that fits in a part of the views or names, and not in all".to_owned(),
        (None, false) => format!("this is {seen}"),
    };
    if asks.is_empty() {
        return screen.line(&format!("         {attribute}: {why}"));
    }
    screen.line(&format!("         {attribute} asks for {}{more}; {why}", asks.join(", ")))
}

/// Why the rules before the one that decides do not hold.
fn write_before(screen: &mut Screen<'_>, before: &[RuleTold], detail: Detail) -> io::Result<()> {
    let Parted { near, others, stopped_by } = parted(before, detail);
    near.iter().try_for_each(|rule| write_rule(screen, rule))?;
    if others == 0 {
        return Ok(());
    }
    let other = if near.is_empty() { "" } else { "other " };
    screen.line(&format!("  {others} {other}rules stopped by {stopped_by}; `all` tells each"))
}
