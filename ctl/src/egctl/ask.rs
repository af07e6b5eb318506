//! What is asked of a person before the engine is asked: secrets, the role of a new account, and whether
//! it is meant.

use eg_proto::control::verbs::ArgKind;
use eg_proto::control::{Level, Secret, Verb};

use super::fault::EgctlFault;
use super::grammar::{Call, Given};
use crate::session::{Session, SessionFault, Talk, agrees};

/// The roles that a new account may get: the letter, the level, and what is said of it (SPEC 9).
pub(crate) const MENU: &[(char, Level, &str)] = &[
    ('M', Level::Monitoring, "Monitoring"),
    ('S', Level::Standard, "Standard"),
    ('R', Level::ServiceAccount, "Service account (policy-reload only)"),
    ('A', Level::Administrator, "Administrator"),
    ('U', Level::SuperAdministrator, "Super Administrator"),
];

/// How often a wrong letter may be typed.
const TRIES: usize = 3;

/// Asks for the role of a new account.
fn role(talk: &mut dyn Talk) -> Result<Level, SessionFault> {
    talk.say("The role of the new account:")?;
    for (letter, _, name) in MENU {
        talk.say(&format!("  {letter}) {name}"))?;
    }
    for _ in 0..TRIES {
        let answer = talk.line("role: ")?.ok_or(SessionFault::Unanswered)?;
        let mut letters = answer.trim().chars();
        let typed = letters.next().map(|letter| letter.to_ascii_uppercase());
        let found = MENU.iter().find(|(letter, _, _)| Some(*letter) == typed);
        match (found, letters.next()) {
            (Some((_, level, _)), None) => return Ok(*level),
            (Some(_) | None, _) => talk.say("one of the letters, please")?,
        }
    }
    Err(SessionFault::Unanswered)
}

/// A new password: twice at a terminal, where nobody sees what is typed.
fn new_password(talk: &mut dyn Talk, of: &str) -> Result<Secret, SessionFault> {
    let first = talk.secret(&format!("new password of {of}: "))?.ok_or(SessionFault::Unanswered)?;
    if talk.is_terminal() {
        let again = talk.secret("the same again: ")?.ok_or(SessionFault::Unanswered)?;
        if again != first {
            return Err(SessionFault::Differ);
        }
    }
    Ok(first)
}

/// What is missing and can be asked for, is.
pub(super) fn fill(call: &mut Call<'_>, verb: Verb, talk: &mut dyn Talk) -> Result<(), EgctlFault> {
    if verb != Verb::RequestUserAdd || !talk.is_terminal() {
        return Ok(());
    }
    let level = call.missing.iter().position(|arg| arg.kind == ArgKind::Level);
    let is_last = call.missing.len() == 1;
    if let (Some(at), true) = (level, is_last) {
        let arg = call.missing.remove(at);
        call.given.push((arg, Given::Level(role(talk)?)));
    }
    Ok(())
}

/// The secrets of a verb, asked for.
pub(super) fn secrets(
    call: &Call<'_>,
    verb: Verb,
    session: &mut Session,
    talk: &mut dyn Talk,
) -> Result<Vec<(&'static str, Secret)>, EgctlFault> {
    if verb == Verb::RequestUserAdd {
        if call.value("level") == Some(&Given::Level(Level::ServiceAccount)) {
            return Ok(Vec::new());
        }
        let name = call.text("name").unwrap_or_default();
        return Ok(vec![("password", new_password(talk, name)?)]);
    }
    if verb == Verb::RequestUserPasswd {
        let name = call.text("user").unwrap_or_default();
        let mut secrets = Vec::new();
        if session.who(talk)?.user == name {
            let current = talk.secret("the password before: ")?;
            secrets.push(("current", current.ok_or(SessionFault::Unanswered)?));
        }
        secrets.push(("password", new_password(talk, name)?));
        return Ok(secrets);
    }
    if verb == Verb::RequestUserTotp {
        let password = talk.secret("your password: ")?;
        return Ok(vec![("password", password.ok_or(SessionFault::Unanswered)?)]);
    }
    Ok(Vec::new())
}

/// The question before something that cannot be taken back.
fn question(call: &Call<'_>, verb: Verb) -> Option<String> {
    if call.is_on("dry-run") {
        return None;
    }
    if verb == Verb::RequestPolicyRollback {
        return Some("Put the policy files back as they were, over every later change?".to_owned());
    }
    if verb == Verb::RequestEngineRestart {
        return Some("Restart the engine?".to_owned());
    }
    let user = call.text("user").unwrap_or_default();
    (verb == Verb::RequestUserRemove).then(|| format!("Remove the account {user}?"))
}

/// Whether a person at a terminal means it; nobody else is asked.
pub(super) fn is_meant(call: &Call<'_>, verb: Verb, talk: &mut dyn Talk) -> Result<(), EgctlFault> {
    let Some(question) = question(call, verb) else { return Ok(()) };
    if talk.is_terminal() && !agrees(talk, &question)? {
        return Err(SessionFault::Unanswered.into());
    }
    Ok(())
}
