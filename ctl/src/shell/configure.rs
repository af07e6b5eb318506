//! The configuration mode: what its words do to the candidate, and with the engine.

use std::collections::BTreeMap;
use std::io::Write;

use eg_proto::control::edit::{CommitReceipt, CommitRequest};
use eg_proto::control::{ProblemKind, Receipt, Row, Verb};

use super::candidate::{self, Candidate, RuleFault};
use super::pipe::Pipe;
use crate::egctl::{
    Builtin, Call, Egctl, EgctlFault, Format, Given, Look, Screen, commit, committed, edit, fetch,
    fetch_file, json, row_of, show_files,
};
use crate::receipt;
use crate::session::agrees;

/// Minutes that a commit waits for its confirmation where nothing is said, as others have it.
const CONFIRM_MINUTES: u64 = 10;

/// What a new file begins with.
const NEW: &str = "";

/// How the mode goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    Stay,
    /// Out of it.
    Leave,
    /// Out of the shell.
    Quit,
}

impl From<RuleFault> for EgctlFault {
    fn from(fault: RuleFault) -> Self {
        Self::Here(fault.to_string())
    }
}

/// The configuration mode of one shell.
#[derive(Debug)]
pub(super) struct Configure {
    pub(super) candidate: Candidate,
}

impl Configure {
    /// Enters: says who else is at it.
    pub(super) fn enter(egctl: &mut Egctl<'_>) -> Result<Self, EgctlFault> {
        let files = fetch(egctl)?;
        for editor in &files.editors {
            egctl.talk.say(&format!("{} edits too, since {}", editor.user, editor.since))?;
        }
        Ok(Self { candidate: Candidate::of(&files) })
    }

    /// What stands between the brackets of the prompt.
    pub(super) fn prompt(&self) -> String {
        match &self.candidate.current {
            Some(file) => format!("config:{file}"),
            None => "config".to_owned(),
        }
    }

    /// Whether whoever leaves means it.
    pub(super) fn may_leave(&self, egctl: &mut Egctl<'_>) -> Result<bool, EgctlFault> {
        if !self.candidate.is_changed() {
            return Ok(true);
        }
        let files = self.candidate.changed().join(", ");
        if !egctl.talk.is_terminal() {
            egctl.talk.say(&format!("dropped what was not committed: {files}"))?;
            return Ok(true);
        }
        let question = format!("Drop what is not committed ({files})?");
        Ok(agrees(egctl.talk, &question)?)
    }

    /// Does what a word of this mode says; `rest` is the line behind the first two words as it is written.
    pub(super) fn perform(
        &mut self,
        egctl: &mut Egctl<'_>,
        builtin: Builtin,
        call: &Call<'_>,
        pipes: &[Pipe],
        (out, look): (&mut dyn Write, Look),
    ) -> Result<After, EgctlFault> {
        let text = |name: &str| call.text(name).unwrap_or_default().to_owned();
        match builtin {
            Builtin::EditPolicy => self.edit_policy(egctl, &text("file"))?,
            Builtin::Edit => self.edit(egctl)?,
            Builtin::Top => self.candidate.current = None,
            Builtin::DeletePolicy => self.delete_policy(egctl, &text("file"))?,
            Builtin::Show if pipes.contains(&Pipe::Compare) => {
                Screen::new(out, look).difference(&self.candidate.difference())?;
            }
            Builtin::Show => self.show(&mut Screen::new(out, look))?,
            Builtin::ShowFiles => self.show_files(egctl, &mut Screen::new(out, look))?,
            Builtin::Commit | Builtin::CommitCheck | Builtin::CommitConfirmed => {
                self.commit(egctl, builtin, call, out, look)?;
            }
            Builtin::Confirm => {
                let row: &Row = row_of(Verb::RequestPolicyConfirm)?;
                let answer = egctl.send(row, &serde_json::json!({}), "confirming")?;
                let told: eg_proto::control::user::Told =
                    serde_json::from_slice(&answer.body).map_err(EgctlFault::Foreign)?;
                Screen::new(out, look).line(&told.detail)?;
            }
            Builtin::Update => self.update(egctl)?,
            Builtin::Revert => self.revert(egctl, None)?,
            Builtin::RevertPolicy => self.revert(egctl, Some(&text("file")))?,
            Builtin::Exit if self.candidate.current.is_some() => self.candidate.current = None,
            Builtin::Exit | Builtin::End if self.may_leave(egctl)? => return Ok(After::Leave),
            Builtin::Quit if self.may_leave(egctl)? => return Ok(After::Quit),
            Builtin::Exit | Builtin::End | Builtin::Quit => {}
            // These come with the line as it is written, or belong to another mode.
            Builtin::SetRule
            | Builtin::DeleteRule
            | Builtin::Do
            | Builtin::Enable
            | Builtin::Disable
            | Builtin::Configure => {
                return Err(EgctlFault::Here("that is of another mode".to_owned()));
            }
        }
        Ok(After::Stay)
    }

    fn edit_policy(&mut self, egctl: &mut Egctl<'_>, name: &str) -> Result<(), EgctlFault> {
        self.fetch(egctl, name)?;
        if self.candidate.text(name).is_none() {
            egctl.talk.say(&format!("{name} is new"))?;
        }
        self.candidate.current = Some(name.to_owned());
        Ok(())
    }

    /// Has the text of a file at hand.
    fn fetch(&mut self, egctl: &mut Egctl<'_>, name: &str) -> Result<(), EgctlFault> {
        if self.candidate.has_origin(name) {
            return Ok(());
        }
        match fetch_file(egctl, name) {
            Ok(found) => {
                if found.base != self.candidate.base {
                    self.note_other_base(egctl, &found.base)?;
                }
                self.candidate.fetched(name, Some(found.text));
                Ok(())
            }
            Err(fault) if fault.is(ProblemKind::NotFound) => {
                self.candidate.fetched(name, None);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Somebody has changed the files since the candidate was begun.
    fn note_other_base(&mut self, egctl: &mut Egctl<'_>, base: &str) -> Result<(), EgctlFault> {
        if self.candidate.is_changed() {
            let told = "the files were changed meanwhile; `update` takes that below your changes";
            return Ok(egctl.talk.say(told)?);
        }
        let current = self.candidate.current.take();
        self.candidate = Candidate::of(&fetch(egctl)?);
        self.candidate.current = current;
        if self.candidate.base != base {
            egctl.talk.say("the files are being changed just now")?;
        }
        Ok(())
    }

    fn current(&self) -> Result<String, EgctlFault> {
        let none = || EgctlFault::Here("which file? say it by `edit policy FILE`".to_owned());
        self.candidate.current.clone().ok_or_else(none)
    }

    fn edit(&mut self, egctl: &mut Egctl<'_>) -> Result<(), EgctlFault> {
        let name = self.current()?;
        let before = self.candidate.text(&name).unwrap_or(NEW).to_owned();
        let text = edit(&egctl.around, &name, &before)?;
        if text == before {
            return Ok(egctl.talk.say("nothing was changed")?);
        }
        self.candidate.change(&name, Some(text));
        Ok(())
    }

    /// The file that a rule is in: the one that is worked on, else the one that has it.
    fn file_of(&mut self, egctl: &mut Egctl<'_>, rule: &str) -> Result<String, EgctlFault> {
        if let Some(name) = self.candidate.current.clone() {
            return Ok(name);
        }
        let mut names = self.candidate.files.clone();
        names.extend(self.candidate.changed());
        for name in names {
            self.fetch(egctl, &name)?;
            let text = self.candidate.text(&name).unwrap_or_default();
            if candidate::has_rule(text, rule) {
                return Ok(name);
            }
        }
        let told = format!("no file has a rule `{rule}`; say where by `edit policy FILE`");
        Err(EgctlFault::Here(told))
    }

    /// `set rule RULE ATTRIBUTE VALUE`
    pub(super) fn set_rule(
        &mut self,
        egctl: &mut Egctl<'_>,
        (rule, attribute, value): (&str, &str, &str),
    ) -> Result<(), EgctlFault> {
        let name = self.file_of(egctl, rule)?;
        let before = self.candidate.text(&name).unwrap_or(NEW);
        let text = candidate::set(before, rule, attribute, value)?;
        self.candidate.change(&name, Some(text));
        Ok(())
    }

    /// `delete rule RULE [ATTRIBUTE]`
    pub(super) fn delete_rule(
        &mut self,
        egctl: &mut Egctl<'_>,
        rule: &str,
        attribute: Option<&str>,
    ) -> Result<(), EgctlFault> {
        let name = self.file_of(egctl, rule)?;
        let before = self.candidate.text(&name).unwrap_or(NEW);
        let text = match attribute {
            Some(attribute) => candidate::delete_attribute(before, rule, attribute)?,
            None => candidate::delete_rule(before, rule)?,
        };
        self.candidate.change(&name, Some(text));
        Ok(())
    }

    fn delete_policy(&mut self, egctl: &mut Egctl<'_>, name: &str) -> Result<(), EgctlFault> {
        self.fetch(egctl, name)?;
        if self.candidate.text(name).is_none() {
            return Err(EgctlFault::Here(format!("there is no file `{name}`")));
        }
        self.candidate.change(name, None);
        if self.candidate.current.as_deref() == Some(name) {
            self.candidate.current = None;
        }
        Ok(())
    }

    fn show(&self, screen: &mut Screen<'_>) -> Result<(), EgctlFault> {
        match &self.candidate.current {
            Some(name) => screen.text(self.candidate.text(name).unwrap_or(NEW))?,
            None if self.candidate.is_changed() => {
                for name in self.candidate.changed() {
                    screen.line(&format!("changed: {name}"))?;
                }
            }
            None => screen.line("nothing is changed; `edit policy FILE` takes a file")?,
        }
        Ok(())
    }

    fn show_files(&self, egctl: &mut Egctl<'_>, screen: &mut Screen<'_>) -> Result<(), EgctlFault> {
        let found = fetch(egctl)?;
        show_files(screen, &found)?;
        if found.base != self.candidate.base {
            screen.line("they were changed since you began; `update` takes that")?;
        }
        for name in self.candidate.changed() {
            screen.line(&format!("changed here: {name}"))?;
        }
        Ok(())
    }

    fn commit(
        &mut self,
        egctl: &mut Egctl<'_>,
        builtin: Builtin,
        call: &Call<'_>,
        out: &mut dyn Write,
        look: Look,
    ) -> Result<(), EgctlFault> {
        if !self.candidate.is_changed() {
            return Ok(egctl.talk.say("nothing is changed")?);
        }
        let minutes = match call.value("minutes") {
            Some(Given::Number(minutes)) => *minutes,
            Some(Given::Text(_) | Given::Switch(_) | Given::Level(_) | Given::Many(_)) | None => {
                CONFIRM_MINUTES
            }
        };
        let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
        let request = CommitRequest {
            base: self.candidate.base.clone(),
            edits: self.candidate.edits(),
            comment: call.text("comment").map(str::to_owned),
            check: builtin == Builtin::CommitCheck,
            force: call.is_on("force"),
            confirm_minutes: (builtin == Builtin::CommitConfirmed).then_some(minutes),
        };
        let answer = match commit(egctl, &request) {
            Ok(answer) => answer,
            Err(fault) if fault.is(ProblemKind::Conflict) => {
                fault.tell(&mut Vec::new(), &mut *out, Format::Text)?;
                let told = "your changes are kept; `update` takes the files as they are now below \
                            them, `show | compare` says what is yours";
                return Ok(egctl.talk.say(told)?);
            }
            Err(fault) => return Err(fault),
        };
        if look.format == Format::Json {
            let value = serde_json::from_slice(&answer.body).map_err(EgctlFault::Foreign)?;
            json(out, &value)?;
        }
        let mut nothing = std::io::sink();
        let mut screen = match look.format {
            Format::Text => Screen::new(out, look),
            Format::Json => Screen::new(&mut nothing, look),
        };
        let found = match serde_json::from_slice::<CommitReceipt>(&answer.body) {
            Ok(found) => found,
            // A commit that took longer than the engine waits answers as the reload that it became.
            Err(fault) => {
                let found: Receipt =
                    serde_json::from_slice(&answer.body).map_err(|_| EgctlFault::Foreign(fault))?;
                receipt::receipt(&mut screen.out(), &found)?;
                let base = fetch(egctl)?.base;
                self.candidate.committed(base);
                return Ok(());
            }
        };
        committed(&mut screen, &found)?;
        if !request.check {
            self.candidate.committed(found.base);
        }
        Ok(())
    }

    fn update(&mut self, egctl: &mut Egctl<'_>) -> Result<(), EgctlFault> {
        let files = fetch(egctl)?;
        let mut texts = BTreeMap::new();
        for name in self.candidate.changed() {
            let text = match fetch_file(egctl, &name) {
                Ok(found) => Some(found.text),
                Err(fault) if fault.is(ProblemKind::NotFound) => None,
                Err(fault) => return Err(fault),
            };
            texts.insert(name, text);
        }
        // The file that is worked on is fetched anew with the next word about it.
        let current = self.candidate.current.clone();
        match self.candidate.update(&files, &texts) {
            Ok(()) => {
                if let Some(name) = current {
                    self.fetch(egctl, &name)?;
                }
                Ok(egctl.talk.say("your changes stand on the files as they are now")?)
            }
            Err(names) => {
                let names = names.join(", ");
                let told = format!(
                    "you and somebody else have changed the same file, and nothing was taken: {names}; \
                     `do policy show FILE` shows theirs, `revert policy FILE` drops yours, then `update`"
                );
                Err(EgctlFault::Here(told))
            }
        }
    }

    fn revert(&mut self, egctl: &mut Egctl<'_>, name: Option<&str>) -> Result<(), EgctlFault> {
        let told = if self.candidate.revert(name) { "dropped" } else { "nothing is changed" };
        Ok(egctl.talk.say(told)?)
    }
}
