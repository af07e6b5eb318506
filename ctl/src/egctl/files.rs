//! `egctl policy ...`: the operator's policy files, changed in an editor and checked by the engine before
//! they are saved.

use std::io::Write;

use eg_proto::control::edit::{CommitRequest, Edit, PolicyFile, PolicyFiles};
use eg_proto::control::{ProblemKind, Row, Verb};
use serde_json::json;

use super::editor;
use super::fault::EgctlFault;
use super::grammar::Call;
use super::own::tell;
use super::perform::{Egctl, Meant, print};
use super::screen::{self, Format, Look, Screen};
use super::show;
use crate::client::{Answer, encoded};
use crate::exit::Exit;
use crate::receipt;
use crate::session::{SessionFault, agrees};

/// What a new policy file begins with.
const NEW: &str = "# \n";

/// Whether a file has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// It must not be there yet.
    New,
    /// It has to be there.
    There,
}

/// The row of a verb that is in the table, as a test of the table holds.
pub(crate) fn row_of(verb: Verb) -> Result<&'static Row, EgctlFault> {
    Row::of(verb).ok_or_else(|| EgctlFault::Here("the table of verbs has a hole".to_owned()))
}

/// The policy files as they are now.
pub(crate) fn fetch(egctl: &mut Egctl<'_>) -> Result<PolicyFiles, EgctlFault> {
    egctl.value("policy/files")
}

/// The text of a policy file.
pub(crate) fn fetch_file(egctl: &mut Egctl<'_>, name: &str) -> Result<PolicyFile, EgctlFault> {
    egctl.value(&format!("policy/file?name={}", encoded(name)))
}

/// Sends a commit.
pub(crate) fn commit(egctl: &mut Egctl<'_>, request: &CommitRequest) -> Result<Answer, EgctlFault> {
    let what = if request.check { "checking" } else { "committing" };
    egctl.send(row_of(Verb::PolicyCommit)?, request, what)
}

pub(super) fn list(
    egctl: &mut Egctl<'_>,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let found = fetch(egctl)?;
    match look.format {
        Format::Json => screen::json(out, &json!(found))?,
        Format::Text => show::files(&mut Screen::new(out, look), &found)?,
    }
    Ok(Exit::Done)
}

pub(super) fn show(
    egctl: &mut Egctl<'_>,
    call: &Call<'_>,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let found = fetch_file(egctl, call.text("file").unwrap_or_default())?;
    match look.format {
        Format::Json => screen::json(out, &json!(found))?,
        Format::Text => Screen::new(out, look).text(&found.text)?,
    }
    Ok(Exit::Done)
}

pub(super) fn remove(
    egctl: &mut Egctl<'_>,
    call: &Call<'_>,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let name = call.text("file").unwrap_or_default();
    let found = fetch_file(egctl, name)?;
    if egctl.meant == Meant::Perhaps
        && egctl.talk.is_terminal()
        && !agrees(egctl.talk, &format!("Remove {name} and its rules?"))?
    {
        return Err(SessionFault::Unanswered.into());
    }
    let edit = Edit { name: name.to_owned(), text: None };
    save(egctl, call, found.base, edit, out, look)
}

/// Edits until the engine takes it, or whoever edits has enough.
pub(super) fn change(
    egctl: &mut Egctl<'_>,
    call: &Call<'_>,
    expect: Expect,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let name = call.text("file").unwrap_or_default();
    let (base, before) = match (fetch_file(egctl, name), expect) {
        (Ok(found), Expect::There) => (found.base, found.text),
        (Ok(_), Expect::New) => {
            let told = format!("`{name}` is there already; `egctl policy edit {name}` changes it");
            return Err(EgctlFault::Here(told));
        }
        (Err(fault), Expect::New) if fault.is(ProblemKind::NotFound) => {
            (fetch(egctl)?.base, NEW.to_owned())
        }
        (Err(fault), Expect::New | Expect::There) => return Err(fault),
    };
    let mut text = before.clone();
    loop {
        text = editor::edit(&egctl.around, name, &text)?;
        if text == before {
            return tell("nothing was changed", out, look);
        }
        let edit = Edit { name: name.to_owned(), text: Some(text.clone()) };
        let check = CommitRequest {
            base: base.clone(),
            edits: vec![edit.clone()],
            check: true,
            ..CommitRequest::default()
        };
        match commit(egctl, &check) {
            Ok(_) => return save(egctl, call, base, edit, out, look),
            Err(fault) if fault.is(ProblemKind::PolicyRefused) && egctl.talk.is_terminal() => {
                let mut told = Vec::new();
                if let Some(problem) = fault.problem() {
                    receipt::problem(&mut told, "egctl", problem)?;
                }
                egctl.talk.say(String::from_utf8_lossy(&told).trim_end())?;
                if !agrees(egctl.talk, "Edit again?")? {
                    return Err(fault);
                }
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn save(
    egctl: &mut Egctl<'_>,
    call: &Call<'_>,
    base: String,
    edit: Edit,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let comment = call.text("comment").map(str::to_owned);
    let request = CommitRequest { base, edits: vec![edit], comment, ..CommitRequest::default() };
    let answer = commit(egctl, &request)?;
    print(Verb::PolicyCommit, &answer, false, out, look)?;
    Ok(Exit::Done)
}
