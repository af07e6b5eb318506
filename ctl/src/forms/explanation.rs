//! An explanation, for people: of `egpolicy` itself, or of an engine.

use std::io::{self, Write};

use eg_policy::explain::{Kind, RequestSpec};
use eg_proto::control::explain::{Explained, FailedTold, FitTold, RuleTold, VerdictTold};

use super::before::{Detail, Parted, parted};
use super::words::{count, tame};

/// Prints an explanation.
///
/// # Errors
///
/// What the output says.
pub fn explanation(
    out: &mut impl Write,
    spec: &RequestSpec,
    explained: &Explained,
    detail: Detail,
) -> io::Result<()> {
    let Explained {
        verdict,
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
    } = explained;
    let phase = spec.phase().word();
    let (method, url) = (tame(spec.method()), tame(&spec.url));
    writeln!(out, "{method} {url}, from {}, phase {phase}", spec.source())?;
    write_verdict(out, verdict)?;
    if let Some(tls) = tls {
        writeln!(out, "  {:<13} {tls}", "connection")?;
    }
    for reading in views {
        writeln!(out, "  {:<13} {}", reading.view, tame(&reading.uri))?;
    }
    if !unknown.is_empty() {
        writeln!(out, "  {:<13} {}", "not known", unknown.join(", "))?;
    }
    for sentence in left_out.iter().chain(notes) {
        writeln!(out, "  {:<13} {}", "beware", tame(sentence))?;
    }
    if let Some(rule) = waits_for {
        writeln!(out, "\nThe verdict waits for this rule:")?;
        write_rule(out, rule)?;
    }
    match (matches.len(), waits_for, views.is_empty()) {
        (_, _, true) => writeln!(out, "\nNo rule was asked, since the request cannot be read.")?,
        (0, _, false) => writeln!(
            out,
            "\nNone of {} matches.",
            count(usize::try_from(*rules).unwrap_or(usize::MAX), "rule", "rules")
        )?,
        (_, Some(_), false) => writeln!(out, "\nWhat matches by now, behind it:")?,
        (1, None, false) => writeln!(out, "\nThe rule that matches:")?,
        (_, None, false) if matches.iter().any(|rule| rule.mode == "monitor") => {
            writeln!(out, "\nThe rules that match, the first that does not only monitor decides:")?;
        }
        (_, None, false) => writeln!(out, "\nThe rules that match, the first one decides:")?,
    }
    matches.iter().try_for_each(|rule| write_rule(out, rule))?;
    if !disabled.is_empty() {
        writeln!(out, "\nDisabled rules that would match:")?;
        disabled.iter().try_for_each(|rule| write_rule(out, rule))?;
    }
    if before.is_empty() {
        return Ok(());
    }
    match (matches.first(), waits_for) {
        (None, None) => writeln!(out, "\nWhy none does:")?,
        (Some(_), _) | (_, Some(_)) => writeln!(out, "\nWhy the rules before do not hold:")?,
    }
    write_before(out, before, detail)
}

/// The verdict, and where it comes from.
fn write_verdict(out: &mut impl Write, verdict: &VerdictTold) -> io::Result<()> {
    let VerdictTold { action, code, rule, id, file, line, reason, category, list, monitored } =
        verdict;
    match id {
        Some(id) => writeln!(out, "  {action} ({code}) by rule {id} `{rule}`")?,
        None => writeln!(out, "  {action} ({code}) by `{rule}`")?,
    }
    if let (Some(file), Some(line)) = (file, line) {
        writeln!(out, "  {:<13} {}:{line}", "rule", tame(file))?;
    }
    writeln!(out, "  {:<13} {}", "reason", tame(reason))?;
    for (what, text) in [("category", category), ("list", list), ("monitored", monitored)] {
        if let Some(text) = text {
            writeln!(out, "  {what:<13} {}", tame(text))?;
        }
    }
    Ok(())
}

/// A rule and what of it fits or fails.
fn write_rule(out: &mut impl Write, rule: &RuleTold) -> io::Result<()> {
    let RuleTold { id, name, action, mode, file, line, outcome: _, fits, failed } = rule;
    let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let only = if mode == "monitor" {
        " (only monitors: recorded, and the next rule is asked)"
    } else {
        ""
    };
    writeln!(out, "  {id:>5}  {action:<6} {name}  {}:{line}{only}", tame(file))?;
    fits.iter().try_for_each(|fit| write_fit(out, fit))?;
    failed.iter().try_for_each(|failed| write_failed(out, failed))
}

fn write_fit(out: &mut impl Write, fit: &FitTold) -> io::Result<()> {
    let FitTold { attribute, value, on, view, entry, entry_file, entry_line } = fit;
    write!(out, "         {attribute} ")?;
    match (entry_file, entry_line) {
        (Some(file), Some(line)) => write!(out, "{}:{line}", tame(file))?,
        (Some(_) | None, _) => write!(out, "{}", tame(value))?,
    }
    match (entry, entry_line) {
        (Some(entry), Some(_)) => write!(out, " has `{}`", tame(entry))?,
        (Some(entry), None) => {
            write!(out, " has `{}`, in a line that cannot be told", tame(entry))?;
        }
        (None, _) => {}
    }
    match (on, view) {
        (None, None) => writeln!(out),
        (Some(on), None) => writeln!(out, " ({on})"),
        (None, Some(view)) => writeln!(out, " (view {view})"),
        (Some(on), Some(view)) => writeln!(out, " ({on}, view {view})"),
    }
}

fn write_failed(out: &mut impl Write, failed: &FailedTold) -> io::Result<()> {
    let FailedTold { attribute, asks, more, seen, lacks, in_part } = failed;
    if attribute == Kind::Exceptions.attribute() {
        return match lacks {
            Some(lacks) => {
                writeln!(
                    out,
                    "         whether it is excepted is open; {lacks} is not known in this phase"
                )
            }
            None => writeln!(out, "         so the rule spares this request"),
        };
    }
    if attribute == Kind::Validity.attribute() {
        return writeln!(out, "         the rule does not count at this time, {}", tame(seen));
    }
    let asks: Vec<String> = asks.iter().map(|value| tame(value)).collect();
    write!(out, "         {attribute} asks for {}", asks.join(", "))?;
    if *more > 0 {
        write!(out, " and {more} more")?;
    }
    match (lacks, in_part) {
        (Some(lacks), _) => writeln!(out, "; {lacks} is not known in this phase"),
        (None, true) => {
            writeln!(out, "; that fits in a part of the views or names, and not in all")
        }
        (None, false) => writeln!(out, "; this is {}", tame(seen)),
    }
}

/// Why the rules before the one that decides do not hold.
fn write_before(out: &mut impl Write, before: &[RuleTold], detail: Detail) -> io::Result<()> {
    let Parted { near, others, stopped_by } = parted(before, detail);
    near.iter().try_for_each(|rule| write_rule(out, rule))?;
    if others == 0 {
        return Ok(());
    }
    let other = if near.is_empty() { "" } else { "other " };
    let rules = if others == 1 { "rule" } else { "rules" };
    writeln!(out, "  {others} {other}{rules} stopped by {stopped_by}; `--all` tells each")
}
