//! The modes of the shell and what can be said in each.

use std::sync::LazyLock;

use eg_proto::control::Level;
use eg_proto::control::verbs::{Arg, ArgKind, Asker, Front, Need, Place, Target};

use crate::egctl::{Builtin, Does, ENTRIES, Entry, Own};

/// Where in the shell somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// `host>`
    Show,
    /// `host#`
    Request,
    /// `host(config)#`
    Configure,
}

/// Who sits there, as far as it decides what is offered. What is allowed is the engine's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    /// The account.
    pub(super) user: String,
    /// Its level.
    pub(super) level: Level,
}

impl Seat {
    /// Whether `enable` is open to it.
    pub(super) const fn administers(&self) -> bool {
        matches!(self.level, Level::Administrator | Level::SuperAdministrator)
    }
}

/// What can be said in a mode.
pub(super) fn entries(mode: Mode, seat: &Seat) -> Vec<&'static Entry> {
    let of_engine = ENTRIES.iter().filter(|entry| is_offered(entry, mode, seat));
    let own = OWN.iter().filter(|(entry, modes)| {
        modes.contains(&mode) && (seat.administers() || entry.does != ENABLE)
    });
    match mode {
        Mode::Show | Mode::Request => of_engine.chain(own.map(|(entry, _)| entry)).collect(),
        Mode::Configure => own.map(|(entry, _)| entry).collect(),
    }
}

const ENABLE: Does = Does::Shell(Builtin::Enable);

fn is_offered(entry: &Entry, mode: Mode, seat: &Seat) -> bool {
    match entry.does {
        Does::Ask(row) if row.front == Front::Show => true,
        Does::Ask(row) => {
            // Whoever cannot enable still has the requests that are open to all.
            let asker = Some(Asker { name: &seat.user, level: seat.level });
            let oneself = Some(Target { name: &seat.user, level: Some(seat.level) });
            let is_open = row.access(asker, oneself).is_ok();
            mode == Mode::Request || (!seat.administers() && is_open)
        }
        Does::Own(Own::Login | Own::Logout) => true,
        Does::Own(
            Own::PolicyList
            | Own::PolicyShow
            | Own::PolicyNew
            | Own::PolicyEdit
            | Own::PolicyRemove,
        ) => mode == Mode::Request,
        Does::Own(Own::Completions | Own::Man) | Does::Shell(_) => false,
    }
}

const fn arg(name: &'static str, kind: ArgKind, need: Need, help: &'static str) -> Arg {
    // Where it goes says nothing here: it stays in the shell.
    Arg { name, place: Place::Query, kind, need, least: None, help }
}

const FILE: Arg = arg("file", ArgKind::File, Need::Required, "its path below `[policy] path`");
const RULE: Arg = arg("rule", ArgKind::Rule, Need::Required, "its name");
const COMMENT: Arg = arg("comment", ArgKind::Text, Need::Optional, "why");
const FORCE: Arg =
    arg("force", ArgKind::Switch, Need::Optional, "past the guards of rules and lists that shrink");

const ALL: &[Mode] = &[Mode::Show, Mode::Request, Mode::Configure];
const CONFIGURE: &[Mode] = &[Mode::Configure];

type OwnEntry = (Entry, &'static [Mode]);

/// The shell's own words.
#[rustfmt::skip] // a table is read by columns
static OWN: LazyLock<Vec<OwnEntry>> = LazyLock::new(|| {
    let attribute = arg("attribute", ArgKind::Text, Need::Required, "which");
    let value = arg("value", ArgKind::Text, Need::Required, "what it is to be, to the end of the line");
    let some = arg("attribute", ArgKind::Text, Need::Optional, "this one alone");
    let line = arg("command", ArgKind::Text, Need::Required, "any command of the mode before");
    let minutes = arg("minutes", ArgKind::Number, Need::Required, "10 where it is not said");
    vec![
        own(Builtin::Enable, &["enable"], vec![], &[Mode::Show],
            "to the mode that requests; for Administrators and above"),
        own(Builtin::Configure, &["configure"], vec![], &[Mode::Request],
            "to the mode that changes policy files, in a candidate of your own"),
        own(Builtin::Disable, &["disable"], vec![], &[Mode::Request],
            "back to the mode that shows"),
        own(Builtin::EditPolicy, &["edit", "policy"], vec![FILE], CONFIGURE,
            "work on this file, new or there"),
        own(Builtin::Edit, &["edit"], vec![], CONFIGURE,
            "the file that you work on, in your editor"),
        own(Builtin::SetRule, &["set", "rule"], vec![RULE, attribute, value], CONFIGURE,
            "give an attribute of a rule this value; a new rule is put at the end of the file"),
        own(Builtin::DeleteRule, &["delete", "rule"], vec![RULE, some], CONFIGURE,
            "take away a rule, or one attribute of it"),
        own(Builtin::DeletePolicy, &["delete", "policy"], vec![FILE], CONFIGURE,
            "take away a file"),
        own(Builtin::Show, &["show"], vec![], CONFIGURE,
            "the file that you work on; `show | compare` what is changed"),
        own(Builtin::ShowFiles, &["show", "files"], vec![], CONFIGURE,
            "the policy files, and which of them are changed"),
        own(Builtin::Commit, &["commit"], vec![COMMENT, FORCE], CONFIGURE,
            "save what is changed, and load it"),
        own(Builtin::CommitCheck, &["commit", "check"], vec![], CONFIGURE,
            "say what a commit would do, and change nothing"),
        own(Builtin::CommitConfirmed, &["commit", "confirmed"], vec![minutes, COMMENT, FORCE], CONFIGURE,
            "commit, and roll back by itself unless it is confirmed in time"),
        own(Builtin::Confirm, &["confirm"], vec![], CONFIGURE,
            "keep a commit that would roll itself back"),
        own(Builtin::Update, &["update"], vec![], CONFIGURE,
            "take the files as they are now below your own changes"),
        own(Builtin::Revert, &["revert"], vec![], CONFIGURE,
            "drop all that you have changed"),
        own(Builtin::RevertPolicy, &["revert", "policy"], vec![FILE], CONFIGURE,
            "drop what you have changed in this file"),
        own(Builtin::Top, &["top"], vec![], CONFIGURE,
            "work on no file"),
        own(Builtin::Do, &["do"], vec![line], CONFIGURE,
            "a command of the mode before"),
        own(Builtin::End, &["end"], vec![], CONFIGURE,
            "out of the configuration"),
        own(Builtin::Exit, &["exit"], vec![], ALL,
            "one step back"),
        own(Builtin::Quit, &["quit"], vec![], ALL,
            "out of the shell"),
    ]
});

fn own(
    builtin: Builtin,
    words: &'static [&'static str],
    args: Vec<Arg>,
    modes: &'static [Mode],
    help: &'static str,
) -> OwnEntry {
    (Entry { words, args, help, does: Does::Shell(builtin) }, modes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mode: Mode, level: Level) -> Vec<String> {
        let seat = Seat { user: "me".to_owned(), level };
        entries(mode, &seat).iter().map(|entry| entry.name()).collect()
    }

    #[test]
    fn modes_offer_what_is_theirs() {
        use Level::{Administrator, Monitoring, Standard};
        let has = |mode, level, name: &str| names(mode, level).iter().any(|known| known == name);
        for (mode, level, name, expected) in [
            (Mode::Show, Administrator, "show-status", true),
            (Mode::Show, Administrator, "enable", true),
            (Mode::Show, Administrator, "request-policy-reload", false),
            (Mode::Request, Administrator, "request-policy-reload", true),
            (Mode::Request, Administrator, "show-status", true),
            (Mode::Request, Administrator, "policy-edit", true),
            (Mode::Show, Administrator, "policy-edit", false),
            (Mode::Configure, Administrator, "show-status", false),
            (Mode::Configure, Administrator, "commit-confirmed", true),
            (Mode::Show, Monitoring, "enable", false),
            (Mode::Show, Monitoring, "request-user-passwd", true),
            (Mode::Show, Monitoring, "request-neighbor-teardown", false),
            (Mode::Show, Standard, "request-neighbor-teardown", true),
            (Mode::Show, Standard, "request-user-remove", false),
            (Mode::Show, Standard, "login", true),
            (Mode::Request, Administrator, "man", false),
        ] {
            assert_eq!(has(mode, level, name), expected, "{mode:?} {level} {name}");
        }
        for mode in [Mode::Show, Mode::Request, Mode::Configure] {
            let mut found = names(mode, Administrator);
            found.sort();
            let all = found.len();
            found.dedup();
            assert_eq!(found.len(), all, "{mode:?}");
        }
    }
}
