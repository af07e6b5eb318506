//! The live policy, its snapshots and its history.

use std::io;

use eg_proto::control::edit::PolicyFiles;
use eg_proto::control::explain::{RuleDetail, RuleRow, Rules};
use eg_proto::control::{
    BackupRow, Backups, Diff, GitDone, LivePolicy, LogRow, PolicyLog, RollbackReceipt, RuleBlame,
};

use super::super::screen::{Screen, bytes};
use crate::receipt;

/// Digits of a commit that are enough to name it.
const COMMIT_DIGITS: usize = 10;

fn short(id: &str) -> String {
    id.chars().take(COMMIT_DIGITS).collect()
}

pub(super) fn summary(screen: &mut Screen<'_>, found: &LivePolicy) -> io::Result<()> {
    let LivePolicy { revision, swaps, digest, default_action, rules, names, lists } = found;
    screen.fields(&[
        ("Revision", Some(format!("{revision}, number {swaps} since the engine's start"))),
        ("Digest", Some(digest.clone())),
        ("Default action", Some(default_action.clone())),
        ("Rules", Some(rules.to_string())),
        ("Names", Some(names.to_string())),
    ])?;
    let rows = lists.iter().map(|list| vec![list.path.clone(), list.entries.to_string()]);
    screen.table(&["List", "Entries"], rows.collect(), "no lists")
}

pub(super) fn rules(screen: &mut Screen<'_>, found: &Rules) -> io::Result<()> {
    let Rules { rules, count } = found;
    let row = |rule: &RuleRow| {
        let RuleRow { id, name, action, mode, category, file, line } = rule;
        let category = category.clone().unwrap_or_default();
        let place = format!("{file}:{line}");
        vec![id.to_string(), name.clone(), action.clone(), mode.clone(), category, place]
    };
    let rows: Vec<_> = rules.iter().map(row).collect();
    let shown = rows.len() as u64;
    screen.table(&["Id", "Rule", "Action", "Mode", "Category", "File"], rows, "no rules")?;
    if shown < *count {
        screen.line(&format!("{shown} of {count} rules; `limit` shows more"))?;
    }
    Ok(())
}

pub(super) fn rule(screen: &mut Screen<'_>, found: &RuleDetail) -> io::Result<()> {
    let RuleDetail { rule, description, text, changed } = found;
    let RuleRow { id, name, action, mode, category, file, line } = rule;
    screen.fields(&[
        ("Rule ID", Some(id.to_string())),
        ("Rule name", Some(name.clone())),
        ("Action", Some(action.clone())),
        ("Mode", Some(mode.clone())),
        ("Category", category.clone()),
        ("Description", description.clone()),
        ("File", Some(format!("{file}:{line}"))),
    ])?;
    if *changed {
        screen.line("beware: the file has changed since the reload that made this rule live")?;
    }
    match text {
        Some(text) => {
            screen.line("")?;
            screen.text(text)
        }
        None => Ok(()),
    }
}

pub(super) fn backups(screen: &mut Screen<'_>, found: &Backups) -> io::Result<()> {
    let row = |backup: &BackupRow| {
        let BackupRow { generation, snapshot, files, note } = backup;
        vec![generation.to_string(), snapshot.clone(), files.to_string(), note.clone()]
    };
    let rows = found.backups.iter().map(row).collect();
    screen.table(&["Generation", "Snapshot", "Files", "Note"], rows, "no snapshots yet")
}

pub(super) fn log(screen: &mut Screen<'_>, found: &PolicyLog) -> io::Result<()> {
    let row = |commit: &LogRow| {
        let LogRow { id, when, author, reason, tags } = commit;
        vec![short(id), when.clone(), author.clone(), reason.clone(), tags.join(", ")]
    };
    let rows = found.commits.iter().map(row).collect();
    screen.table(&["Commit", "When", "Who", "Why", "Tags"], rows, "no commits yet")
}

pub(super) fn blame(screen: &mut Screen<'_>, found: &RuleBlame) -> io::Result<()> {
    let RuleBlame { rule, file, lines } = found;
    screen.line(&format!("{rule} in {file}"))?;
    let rows = lines.iter().map(|row| {
        let (commit, when, who) = match &row.commit {
            Some(commit) => (short(&commit.id), commit.when.clone(), commit.author.clone()),
            None => ("-".to_owned(), "not committed".to_owned(), String::new()),
        };
        vec![commit, when, who, row.line.to_string(), row.text.clone()]
    });
    screen.table(&["Commit", "When", "Who", "Line", "Text"], rows.collect(), "no lines")
}

pub(super) fn diff(screen: &mut Screen<'_>, found: &Diff) -> io::Result<()> {
    if found.text.trim().is_empty() {
        return screen.line(&format!("the files are as they were at {}", found.from));
    }
    screen.difference(&found.text)
}

pub(super) fn git(screen: &mut Screen<'_>, found: &GitDone) -> io::Result<()> {
    screen.line(&found.detail)?;
    screen.fields(&[("Commit", found.commit.clone())])
}

pub(super) fn rollback(screen: &mut Screen<'_>, found: &RollbackReceipt) -> io::Result<()> {
    let RollbackReceipt { generation, snapshot, removed, overwritten, restored, unchanged, reload } =
        found;
    screen.line(&format!("generation {generation}, snapshot {snapshot}"))?;
    for (what, files) in
        [("removed", removed), ("put back as it was", overwritten), ("restored", restored)]
    {
        for file in files {
            screen.line(&format!("{what}: {file}"))?;
        }
    }
    screen.line(&format!("files that are the same: {unchanged}"))?;
    match reload {
        Some(reload) => receipt::receipt(&mut screen.out(), reload),
        None => screen.line("dry run: nothing was changed"),
    }
}

pub(crate) fn files(screen: &mut Screen<'_>, found: &PolicyFiles) -> io::Result<()> {
    let rows = found
        .files
        .iter()
        .map(|file| vec![file.name.clone(), file.rules.to_string(), bytes(file.bytes)]);
    screen.table(&["File", "Rules", "Size"], rows.collect(), "no policy files")?;
    for editor in &found.editors {
        screen.line(&format!("{} edits too, since {}", editor.user, editor.since))?;
    }
    Ok(())
}
