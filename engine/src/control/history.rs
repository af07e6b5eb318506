//! Snapshots and history as the Control API shows them, and the asks to change them. What only reads does
//! so beside the policy thread, on threads for that.

use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_policy::sources::Files;
use eg_policy::syntax::{FILE_BYTES_MAX, parse};
use eg_proto::control::{
    BackupRow, Backups, BlameRow, Diff, LogRow, PolicyLog, Problem, ProblemKind, RELOAD_WAIT_S,
    RollbackRequest, RuleBlame, TagRequest,
};
use serde::Serialize;

use super::answer::{Refused, json, reason_of, value_of};
use super::faults::{of_backup, of_git};
use super::operator::Operator;
use super::policy::Desk;
use super::shape::when;
use crate::asks::{Rollback, Work};
use crate::backup::Snapshots;
use crate::config::PolicyConfig;
use crate::git::{self, GitFault, GitState, History, Revision};
use crate::reload::{Guards, Origin, Run};
use crate::sources::Disk;

/// Commits that one answer has.
const COMMITS_SHOWN: usize = 1000;

/// How long a change of snapshots or history is waited for.
pub(super) const WAIT: Duration = Duration::from_secs(RELOAD_WAIT_S);

/// `GET policy/backups`
pub(super) async fn backups(
    State(desk): State<Arc<Desk>>,
    _: Operator,
) -> Result<Response, Refused> {
    read(&desk, |config| {
        let rows = Snapshots::new(config).list().map_err(|fault| of_backup(&fault))?;
        let row = |row: crate::backup::SnapshotRow| BackupRow {
            generation: row.generation,
            snapshot: row.snapshot,
            files: row.files,
            note: row.note,
        };
        Ok(Backups { backups: rows.into_iter().map(row).collect() })
    })
    .await
}

/// `POST policy/rollback`
pub(super) async fn rollback(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let RollbackRequest { generation, dry_run, force, reason } = value_of(request).await?;
    let work = Work::Rollback(Rollback {
        generation,
        by: origin(&operator),
        reason: reason_of(reason)?,
        guards: if force { Guards::Overridden } else { Guards::Heeded },
        run: if dry_run { Run::Dry } else { Run::Real },
    });
    desk.ask(work, WAIT).await
}

/// `POST policy/git-init`
pub(super) async fn git_init(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<Response, Refused> {
    desk.ask(Work::GitInit(origin(&operator)), WAIT).await
}

/// `POST policy/tag`
pub(super) async fn tag(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let TagRequest { name } = value_of(request).await?;
    desk.ask(Work::Tag { by: origin(&operator), name }, WAIT).await
}

/// `GET policy/log`
pub(super) async fn log(State(desk): State<Arc<Desk>>, _: Operator) -> Result<Response, Refused> {
    read(&desk, |config| {
        let commits = history(config)?.log(COMMITS_SHOWN).map_err(|fault| of_git(&fault))?;
        Ok(PolicyLog { commits: commits.into_iter().map(log_row).collect() })
    })
    .await
}

/// `GET policy/diff/GENERATION`, or a tag or a commit in its place.
pub(super) async fn diff(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    Path(from): Path<String>,
) -> Result<Response, Refused> {
    read(&desk, move |config| {
        let text = match from.parse::<u32>() {
            // An id has seven digits at least, and nobody keeps so many snapshots.
            Ok(generation) if from.len() < 7 => files_since(config, generation)?,
            Ok(_) | Err(_) => {
                let revision = Revision::new(&from).map_err(|fault| of_git(&fault))?;
                history(config)?.diff(&revision).map_err(|fault| of_git(&fault))?
            }
        };
        Ok(Diff { from, text })
    })
    .await
}

/// The files that a rollback would touch, a line each.
fn files_since(config: &PolicyConfig, generation: u32) -> Result<String, Problem> {
    let plan = Snapshots::new(config).plan(generation).map_err(|fault| of_backup(&fault))?;
    let lines = |what: &str, names: &[String]| -> String {
        names.iter().map(|name| format!("{what} {}\n", name.escape_debug())).collect()
    };
    Ok([
        lines("added since:", plan.removed()),
        lines("edited since:", plan.overwritten()),
        lines("removed since:", plan.brought_back()),
    ]
    .concat())
}

/// `GET policy/blame/RULE`
pub(super) async fn blame(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    Path(rule): Path<String>,
) -> Result<Response, Refused> {
    let found = desk.live.load().ruleset().find(&rule).map(|rule| rule.file.clone());
    let Some(file) = found else {
        let detail = format!("there is no live rule `{}`", rule.escape_debug());
        return Err(Problem::new(ProblemKind::NotFound, detail).into());
    };
    read(&desk, move |config| blame_of(config, &rule, file)).await
}

/// Who last changed each line of a rule, as the file is now; the history has what the last reload read.
fn blame_of(config: &PolicyConfig, rule: &str, file: String) -> Result<RuleBlame, Problem> {
    let Some(below) =
        FilePath::new(&file).strip_prefix(&config.path).ok().and_then(FilePath::to_str)
    else {
        let detail = format!(
            "`{file}` is machine-made; the history has what lies below `[policy] path` only"
        );
        return Err(Problem::new(ProblemKind::NotFound, detail));
    };
    let history = history(config)?;
    let unreadable = |why: String| Problem::new(ProblemKind::Failed, format!("`{file}`: {why}"));
    let size = fs::metadata(&file).map_err(|fault| unreadable(fault.to_string()))?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(unreadable("it is too large for a policy file".to_owned()));
    }
    // A pipe may stand there by now, and these threads are few.
    let bytes = Files::read(&Disk, FilePath::new(&file));
    let bytes = bytes.map_err(|fault| unreadable(fault.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|fault| unreadable(fault.to_string()))?;
    let Some((first, last)) = lines_of(&file, &text, rule) else {
        let detail = format!("`{file}` has changed since the last reload: `{rule}` is not in it");
        return Err(Problem::new(ProblemKind::Conflict, detail));
    };
    let rows = history.blame(below, first..=last).map_err(|fault| of_git(&fault))?;
    let line = |number: u32| text.lines().nth(number.saturating_sub(1) as usize);
    let row = |row: git::BlameRow| BlameRow {
        line: row.line,
        text: line(row.line).unwrap_or_default().to_owned(),
        commit: Some(LogRow {
            id: row.id.to_string(),
            when: when(row.when),
            author: row.author,
            reason: row.reason,
            tags: Vec::new(),
        }),
    };
    let lines = rows.into_iter().map(row).collect();
    Ok(RuleBlame { rule: rule.to_owned(), file, lines })
}

/// The lines of a rule, from 1: from its name up to the last one before the next rule that says
/// something.
fn lines_of(file: &str, text: &str, rule: &str) -> Option<(u32, u32)> {
    let (ast, _) = parse(file, text);
    let line_at = |at: usize| text.get(..at).map_or(0, |front| front.matches('\n').count()) + 1;
    let names: Vec<(&str, usize)> = ast
        .blocks()
        .map(|block| (block.name.text.as_str(), line_at(block.name.span.start)))
        .collect();
    let at = names.iter().position(|(name, _)| *name == rule)?;
    let (_, first) = *names.get(at)?;
    let end = names.get(at + 1).map_or(usize::MAX, |(_, next)| *next);
    let inside = text.lines().zip(1..).filter(|(_, number)| (first..end).contains(number));
    let said = inside.filter(|(line, _)| !line.trim().is_empty() && !is_comment(line));
    let last = said.map(|(_, number)| number).max()?;
    Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// The history, where there is one.
fn history(config: &PolicyConfig) -> Result<History, Problem> {
    match git::open(config).map_err(|fault| of_git(&fault))? {
        GitState::On(history) => Ok(history),
        GitState::Off | GitState::Missing => {
            Err(of_git(&GitFault::NoRepository { path: config.path.clone() }))
        }
    }
}

/// Reads files on a thread for that.
pub(super) async fn read<T: Serialize + Send + 'static>(
    desk: &Desk,
    look: impl FnOnce(&PolicyConfig) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Refused> {
    let config = Arc::clone(&desk.config);
    let read = tokio::task::spawn_blocking(move || look(&config)).await;
    let broken = |_| Problem::new(ProblemKind::Failed, "the look at the files was broken off");
    Ok(json(StatusCode::OK, &read.map_err(broken)??))
}

pub(super) fn origin(operator: &Operator) -> Origin {
    Origin::Operator(operator.name().to_owned())
}

fn log_row(row: git::LogRow) -> LogRow {
    LogRow {
        id: row.id.to_string(),
        when: when(row.when),
        author: row.author,
        reason: row.reason,
        tags: row.tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_ends_where_it_has_said_what_it_says() {
        let text = "# first\na: {\n    match-domain: a.example\n}\n\n# of b\nb: {\n\
                    \x20   match-domain: b.example\n    # inside\n    action: deny\n}\n\n# end\n";
        assert_eq!(lines_of("f", text, "a"), Some((2, 4)));
        assert_eq!(lines_of("f", text, "b"), Some((7, 11)));
        assert_eq!(lines_of("f", text, "c"), None);
        assert_eq!(lines_of("f", "", "a"), None);
        assert_eq!(lines_of("f", "a: { \"match-domain\": \"x\" }", "a"), Some((1, 1)));
    }
}
