//! The policy files for an editor, and commits of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use eg_policy::digest::Digest;
use eg_policy::sources::SourceFile;
use eg_policy::syntax::parse;
use eg_proto::control::edit::{
    COMMIT_BYTES_MAX, CONFIRM_MINUTES_MAX, CommitRequest, Edit, PolicyFile, PolicyFileRow,
    PolicyFiles,
};
use eg_proto::control::{Problem, ProblemKind, Verb};
use eg_settings::log::chain;
use serde::Deserialize;

use super::answer::{Refused, reason_of, value_of};
use super::history::{WAIT, origin, read};
use super::operator::Operator;
use super::policy::Desk;
use crate::asks::{Commit, Work};
use crate::config::PolicyConfig;
use crate::edits::{EDITS_MAX, Edits, FileName, base_of};
use crate::reload::{Guards, Run};
use crate::sources;
use crate::view::now;

/// `GET policy/files`
pub(super) async fn files(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<Response, Refused> {
    let editors = desk.editors.note(operator.name(), now());
    read(&desk, move |config| {
        let files = own_files(config)?;
        let base = base(&files);
        let row = |(name, file): (String, SourceFile)| {
            let (ast, _) = parse(&name, &file.text);
            let (bytes, rules) = (file.text.len() as u64, ast.blocks().count() as u64);
            PolicyFileRow { name, bytes, rules }
        };
        Ok(PolicyFiles { base, files: files.into_iter().map(row).collect(), editors })
    })
    .await
}

/// What stands behind `policy/file`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

/// `GET policy/file?name=NAME`
pub(super) async fn file(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(Named { name }) =
        named.map_err(|refused| Problem::new(ProblemKind::BadRequest, refused.body_text()))?;
    let name = file_name(&name)?;
    drop(desk.editors.note(operator.name(), now()));
    read(&desk, move |config| {
        let files = own_files(config)?;
        let base = base(&files);
        let Some((name, file)) = files.into_iter().find(|(own, _)| *own == name.as_str()) else {
            let detail = format!("there is no policy file `{name}` below `[policy] path`");
            return Err(Problem::new(ProblemKind::NotFound, detail));
        };
        if let Some(fault) = file.fault {
            let detail = format!("`{name}` cannot be read: {fault}");
            return Err(Problem::new(ProblemKind::Failed, detail));
        }
        if file.text.len() > COMMIT_BYTES_MAX {
            let detail = format!(
                "`{name}` has more than {COMMIT_BYTES_MAX} bytes, which no commit takes; edit it where \
                 it lies, and reload"
            );
            return Err(Problem::new(ProblemKind::TooLarge, detail));
        }
        Ok(PolicyFile { name, text: file.text, base })
    })
    .await
}

/// `POST policy/commit`
pub(super) async fn commit(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let asked: CommitRequest = value_of(request).await?;
    let CommitRequest { base, edits, comment, check, force, confirm_minutes } = asked;
    if force {
        operator.may_give(Verb::PolicyCommit, "force")?;
    }
    let base: Digest = base.parse().map_err(|_| {
        let detail = "`base` is the digest that came with the files";
        Problem::new(ProblemKind::BadRequest, detail)
    })?;
    let commit = Commit {
        base,
        edits: edits_of(edits)?,
        by: origin(&operator),
        reason: reason_of(comment)?,
        guards: if force { Guards::Overridden } else { Guards::Heeded },
        run: if check { Run::Dry } else { Run::Real },
        confirm_in: confirm_minutes.map(minutes).transpose()?,
    };
    let done = desk.ask(Work::Commit(Box::new(commit)), WAIT).await;
    if done.is_ok() && !check {
        desk.editors.done(operator.name());
    }
    done
}

/// `POST policy/confirm`
pub(super) async fn confirm(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<Response, Refused> {
    desk.ask(Work::Confirm(origin(&operator)), WAIT).await
}

/// Edits with names that stay below the folder, each once, and texts within the bounds.
fn edits_of(given: Vec<Edit>) -> Result<Edits, Problem> {
    if given.len() > EDITS_MAX {
        let detail = format!("a commit changes {EDITS_MAX} files at most; make several of it");
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    let mut edits = BTreeMap::new();
    for Edit { name, text } in given {
        let name = file_name(&name)?;
        if text.as_ref().is_some_and(|text| text.len() > COMMIT_BYTES_MAX) {
            let detail = format!(
                "`{name}` has more than {COMMIT_BYTES_MAX} bytes; write what it lists into a list file"
            );
            return Err(Problem::new(ProblemKind::TooLarge, detail));
        }
        if edits.contains_key(&name) {
            let detail = format!("`{name}` is there twice; a commit gives each file one text");
            return Err(Problem::new(ProblemKind::BadRequest, detail));
        }
        edits.insert(name, text);
    }
    Ok(Edits(edits))
}

fn file_name(text: &str) -> Result<FileName, Problem> {
    FileName::parse(text).map_err(|fault| Problem::new(ProblemKind::BadRequest, fault.to_string()))
}

fn minutes(minutes: u32) -> Result<Duration, Problem> {
    if (1..=CONFIRM_MINUTES_MAX).contains(&minutes) {
        return Ok(Duration::from_secs(u64::from(minutes) * 60));
    }
    let detail = format!("`confirm_minutes` is 1 to {CONFIRM_MINUTES_MAX}");
    Err(Problem::new(ProblemKind::BadRequest, detail))
}

fn own_files(config: &PolicyConfig) -> Result<Vec<(String, SourceFile)>, Problem> {
    sources::own_files(config).map_err(|fault| Problem::new(ProblemKind::Failed, chain(&fault)))
}

fn base(files: &[(String, SourceFile)]) -> String {
    base_of(files.iter().map(|(name, file)| (name.as_str(), file))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(name: &str, bytes: usize) -> Edit {
        Edit { name: name.to_owned(), text: Some("#".repeat(bytes)) }
    }

    #[test]
    fn edits_have_bounds() {
        let kind = |given: Vec<Edit>| edits_of(given).map_err(|problem| problem.kind);
        assert_eq!(kind(vec![edit("a.policy", COMMIT_BYTES_MAX)]).unwrap().0.len(), 1);
        assert_eq!(kind(vec![edit("a.policy", COMMIT_BYTES_MAX + 1)]), Err(ProblemKind::TooLarge));
        let many = |count: usize| (0..count).map(|at| edit(&format!("{at}.policy"), 0)).collect();
        assert_eq!(kind(many(EDITS_MAX)).unwrap().0.len(), EDITS_MAX);
        assert_eq!(kind(many(EDITS_MAX + 1)), Err(ProblemKind::TooLarge));
        let twice = vec![edit("a.policy", 1), Edit { name: "a.policy".to_owned(), text: None }];
        assert_eq!(kind(twice), Err(ProblemKind::BadRequest));
        assert_eq!(kind(vec![edit("../a.policy", 1)]), Err(ProblemKind::BadRequest));
        assert!(minutes(0).is_err() && minutes(CONFIRM_MINUTES_MAX + 1).is_err());
        assert_eq!(minutes(5), Ok(Duration::from_secs(300)));
    }
}
