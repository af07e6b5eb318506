//! The receipt of a load, and the reasons of a refused one, for people. Says it to whatever it is given.

use std::io::{self, Write};

use eg_proto::control::{
    FaultRow, ListRow, ListState, Listed, MemoryRow, Problem, Receipt, ReloadOutcome,
};

use crate::forms::tame;

/// Names of one kind that are printed; the JSON has more.
const NAMES_SHOWN: usize = 10;

/// Digits of a digest that are enough to tell rulesets apart; log and trail show as many.
const DIGEST_DIGITS: usize = 16;

/// Prints what a load did, or would do.
///
/// # Errors
///
/// What `out` says.
pub fn receipt(out: &mut impl Write, receipt: &Receipt) -> io::Result<()> {
    let Receipt { revision, digest, rules, entries, lists, changes, .. } = receipt;
    for fault in &receipt.warnings {
        row(out, fault)?;
    }
    for note in &receipt.notes {
        writeln!(out, "note: {}", tame(note))?;
    }
    let digest: String = digest.chars().take(DIGEST_DIGITS).collect();
    match receipt.outcome {
        ReloadOutcome::Live => writeln!(out, "live: revision {revision}, digest {digest}")?,
        ReloadOutcome::DryRun => {
            writeln!(
                out,
                "dry run: this policy would be taken, digest {digest}; nothing was changed"
            )?;
        }
    }
    if receipt.force {
        writeln!(out, "by force: the shrink guards were not heeded")?;
    }
    writeln!(out, "rules: {rules}, lists: {}, entries: {entries}", lists.len())?;
    if changes.is_empty() {
        writeln!(out, "no rule and no list differs from the policy before")?;
    }
    named(out, "rules added", &changes.added)?;
    named(out, "rules removed", &changes.removed)?;
    named(out, "rules changed", &changes.changed)?;
    if changes.reordered {
        writeln!(out, "rules stand in another order")?;
    }
    for list in lists {
        list_row(out, list)?;
    }
    if let Some(snapshot) = &receipt.snapshot {
        writeln!(out, "snapshot: {}", tame(snapshot))?;
    }
    if let Some(commit) = &receipt.commit {
        writeln!(out, "commit: {}", tame(commit))?;
    }
    took(out, receipt)
}

/// A list that is not what it was.
fn list_row(out: &mut impl Write, list: &ListRow) -> io::Result<()> {
    let ListRow { path, entries, before, state } = list;
    let path = tame(path);
    let state = match state {
        ListState::Unchanged => return Ok(()),
        ListState::Parsed => "read",
        ListState::Kept => "its old entries stay",
    };
    match before {
        Some(before) => writeln!(out, "list {path}: {entries} entries, before {before}; {state}"),
        None => writeln!(out, "list {path}: {entries} entries, new; {state}"),
    }
}

fn named(out: &mut impl Write, what: &str, listed: &Listed) -> io::Result<()> {
    if listed.count == 0 {
        return Ok(());
    }
    let names: Vec<String> = listed.names.iter().take(NAMES_SHOWN).map(|name| tame(name)).collect();
    let more = listed.count.saturating_sub(names.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    writeln!(out, "{what}: {}: {}{more}", listed.count, names.join(", "))
}

fn took(out: &mut impl Write, receipt: &Receipt) -> io::Result<()> {
    let steps: Vec<String> = receipt
        .steps
        .iter()
        .map(|step| format!("{} {}", tame(&step.name), millis(step.us)))
        .collect();
    writeln!(out, "took {} ms: {}", millis(receipt.took_us), steps.join(", "))?;
    let MemoryRow { resident, estimate, limit } = receipt.memory;
    let limit = limit
        .map_or_else(|| "no bound known".to_owned(), |limit| format!("{} MiB may be", limit >> 20));
    writeln!(
        out,
        "memory: {} MiB before, about {} MiB more meanwhile, {limit}",
        resident >> 20,
        estimate >> 20
    )
}

/// Prints why a load, or something else, was refused; `tool` is the program that says so.
///
/// # Errors
///
/// What `out` says.
pub fn problem(out: &mut impl Write, tool: &str, problem: &Problem) -> io::Result<()> {
    for fault in &problem.diagnostics {
        row(out, fault)?;
    }
    writeln!(out, "{tool}: {}: {}", tame(&problem.title), tame(&problem.detail))
}

fn row(out: &mut impl Write, fault: &FaultRow) -> io::Result<()> {
    let FaultRow { code, severity, file, line, column, message, help } = fault;
    let (file, message, help) = (tame(file), tame(message), tame(help));
    let (severity, code) = (tame(severity), tame(code));
    writeln!(out, "{file}:{line}:{column}: {severity} {code}: {message}")?;
    writeln!(out, "  help: {help}")
}

/// Microseconds as milliseconds with a tenth.
fn millis(us: u64) -> String {
    format!("{}.{}", us / 1000, us % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use eg_proto::control::{Changes, ProblemKind, RegexRow, Step};

    use super::*;

    fn example() -> Receipt {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Receipt {
            reload: 3,
            outcome: ReloadOutcome::Live,
            by: "local:root".to_owned(),
            reason: None,
            force: true,
            revision: 12,
            digest: "0123456789abcdef0123".to_owned(),
            rules: 57,
            entries: 1000,
            lists: vec![
                ListRow {
                    path: "/a".to_owned(),
                    entries: 5,
                    before: Some(5),
                    state: ListState::Unchanged,
                },
                ListRow {
                    path: "/b".to_owned(),
                    entries: 6,
                    before: Some(9),
                    state: ListState::Parsed,
                },
                ListRow {
                    path: "/c\u{1b}[31m".to_owned(),
                    entries: 7,
                    before: None,
                    state: ListState::Kept,
                },
            ],
            changes: Changes {
                added: Listed { count: 12, names: names(&["a", "b"]) },
                reordered: true,
                ..Changes::default()
            },
            regexes: RegexRow::default(),
            memory: MemoryRow { resident: 50 << 20, estimate: 3 << 20, limit: None },
            snapshot: Some("20261127-1800.001".to_owned()),
            commit: None,
            warnings: Vec::new(),
            notes: vec!["look here".to_owned()],
            steps: vec![Step { name: "read".to_owned(), us: 1250 }],
            took_us: 45_678,
        }
    }

    #[test]
    fn a_receipt_says_what_differs() {
        let mut out = Vec::new();
        receipt(&mut out, &example()).unwrap();
        let expected = "note: look here\n\
            live: revision 12, digest 0123456789abcdef\n\
            by force: the shrink guards were not heeded\n\
            rules: 57, lists: 3, entries: 1000\n\
            rules added: 12: a, b and 10 more\n\
            rules stand in another order\n\
            list /b: 6 entries, before 9; read\n\
            list /c?[31m: 7 entries, new; its old entries stay\n\
            snapshot: 20261127-1800.001\n\
            took 45.6 ms: read 1.2\n\
            memory: 50 MiB before, about 3 MiB more meanwhile, no bound known\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_changed() {
        let mut out = Vec::new();
        let changes = Changes::default();
        let found = Receipt { outcome: ReloadOutcome::DryRun, changes, ..example() };
        receipt(&mut out, &found).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("would be taken") && text.contains("nothing was changed"), "{text}");
        assert!(text.contains("no rule and no list differs"), "{text}");
    }

    #[test]
    fn a_problem_shows_every_fault() {
        let mut found = Problem::new(ProblemKind::PolicyRefused, "the policy has 1 fault(s)");
        found.diagnostics.push(FaultRow {
            code: "EGP020".to_owned(),
            severity: "error".to_owned(),
            file: "/r/a.policy".to_owned(),
            line: 3,
            column: 5,
            message: "unknown".to_owned(),
            help: "look".to_owned(),
        });
        let mut out = Vec::new();
        problem(&mut out, "egpolicy", &found).unwrap();
        let expected = "/r/a.policy:3:5: error EGP020: unknown\n  help: look\n\
            egpolicy: the policy was refused: the policy has 1 fault(s)\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
