//! Everything that can be said to `egctl`: the table of verbs, and what `egctl` does itself. Help,
//! completions, man pages, the manual and both parsers read this.

use std::sync::LazyLock;

use eg_proto::control::Verb;
use eg_proto::control::verbs::{Arg, ArgKind, Front, Need, Place, Row, TABLE};

/// What `egctl` does itself, with several requests or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Own {
    /// `login`
    Login,
    /// `logout`
    Logout,
    /// `policy list`
    PolicyList,
    /// `policy show`
    PolicyShow,
    /// `policy new`
    PolicyNew,
    /// `policy edit`
    PolicyEdit,
    /// `policy remove`
    PolicyRemove,
    /// `completions`
    Completions,
    /// `man`
    Man,
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It asks the engine.
    Ask(&'static Row),
    /// It is ours.
    Own(Own),
    /// It is the shell's.
    Shell(Builtin),
}

/// What only the shell does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `enable`
    Enable,
    /// `disable`
    Disable,
    /// `configure`
    Configure,
    /// `exit`: one mode back.
    Exit,
    /// `end`: out of the configuration.
    End,
    /// `quit`: out of the shell.
    Quit,
    /// `do`: a command of the mode before.
    Do,
    /// `edit policy`: a file to work on.
    EditPolicy,
    /// `edit`: the file in the editor.
    Edit,
    /// `top`: no file.
    Top,
    /// `set rule`
    SetRule,
    /// `delete rule`
    DeleteRule,
    /// `delete policy`
    DeletePolicy,
    /// `show`: the candidate.
    Show,
    /// `show files`
    ShowFiles,
    /// `commit`
    Commit,
    /// `commit check`
    CommitCheck,
    /// `commit confirmed`
    CommitConfirmed,
    /// `confirm`
    Confirm,
    /// `revert`
    Revert,
    /// `revert policy`
    RevertPolicy,
    /// `update`
    Update,
}

/// One thing that can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its words.
    pub words: &'static [&'static str],
    /// Its arguments, in order.
    pub args: Vec<Arg>,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What it does, for the program.
    pub does: Does,
}

impl Entry {
    /// The name for scripts: `show-policy-match`.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.join("-")
    }

    /// The arguments that are said by their place.
    pub fn required(&self) -> impl Iterator<Item = &Arg> {
        self.args.iter().filter(|arg| arg.need == Need::Required)
    }

    /// The arguments that are said by their name.
    pub fn optional(&self) -> impl Iterator<Item = &Arg> {
        self.args.iter().filter(|arg| matches!(arg.need, Need::Optional | Need::Repeated))
    }

    /// How it is written.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.words.join(" ");
        for arg in self.required() {
            usage.push_str(&format!(" {}", placeholder(arg)));
        }
        for arg in self.optional() {
            let more = if arg.need == Need::Repeated { "..." } else { "" };
            let value = match arg.kind == ArgKind::Switch {
                true => String::new(),
                false => format!(" {}", placeholder(arg)),
            };
            usage.push_str(&format!(" [{}{value}]{more}", arg.name));
        }
        usage
    }
}

/// What stands for an argument in a usage.
#[must_use]
pub fn placeholder(arg: &Arg) -> String {
    arg.name.to_uppercase()
}

/// All of them: the table's, in its order, then ours.
pub static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let said = TABLE.iter().filter(|row| row.front != Front::Api);
    said.map(of_row).chain(OWN.iter().map(of_own)).collect()
});

fn of_row(row: &'static Row) -> Entry {
    let more: &[Arg] = if row.verb == Verb::ShowPolicyMatch { MATCH_MORE } else { &[] };
    let args = row.args.iter().chain(more).copied().collect();
    Entry { words: row.words, args, help: row.help, does: Does::Ask(row) }
}

fn of_own(own: &OwnRow) -> Entry {
    let OwnRow { own, words, args, help } = own;
    Entry { words, args: args.to_vec(), help, does: Does::Own(*own) }
}

const fn own_arg(name: &'static str, kind: ArgKind, need: Need, help: &'static str) -> Arg {
    // Where it goes says nothing here: it stays in `egctl`.
    Arg { name, place: Place::Query, kind, need, least: None, help }
}

/// What `show policy match` may be told that is not sent.
const MATCH_MORE: &[Arg] = &[
    own_arg(
        "check",
        ArgKind::Switch,
        Need::Optional,
        "exit with 5 where the verdict is not permit",
    ),
    own_arg("all", ArgKind::Switch, Need::Optional, "tell each rule that does not hold"),
];

/// The arguments that stay in `egctl`.
pub(super) fn stays_here(arg: &Arg) -> bool {
    MATCH_MORE.contains(arg)
}

struct OwnRow {
    own: Own,
    words: &'static [&'static str],
    args: &'static [Arg],
    help: &'static str,
}

const FILE: Arg = own_arg("file", ArgKind::File, Need::Required, "its path below `[policy] path`");
const COMMENT: Arg = own_arg(
    "comment",
    ArgKind::Text,
    Need::Optional,
    "why, for the trail, the snapshot and the history",
);

/// What is ours, in the order of help and manual.
#[rustfmt::skip] // a table is read by columns
const OWN: &[OwnRow] = &[
    OwnRow { own: Own::PolicyList, words: &["policy", "list"], args: &[],
        help: "the policy files of the operator" },
    OwnRow { own: Own::PolicyShow, words: &["policy", "show"], args: &[FILE],
        help: "the text of a policy file" },
    OwnRow { own: Own::PolicyNew, words: &["policy", "new"], args: &[FILE, COMMENT],
        help: "write a new policy file in the editor; it is checked before it is saved" },
    OwnRow { own: Own::PolicyEdit, words: &["policy", "edit"], args: &[FILE, COMMENT],
        help: "change a policy file in the editor; it is checked before it is saved" },
    OwnRow { own: Own::PolicyRemove, words: &["policy", "remove"], args: &[FILE, COMMENT],
        help: "remove a policy file" },
    OwnRow { own: Own::Login, words: &["login"], args: &[],
        help: "log in, and keep the login for later commands" },
    OwnRow { own: Own::Logout, words: &["logout"], args: &[],
        help: "end the login" },
    OwnRow { own: Own::Completions, words: &["completions"],
        args: &[own_arg("shell", ArgKind::Text, Need::Required, "bash, zsh or fish")],
        help: "print what a shell needs to complete egctl's words" },
    OwnRow { own: Own::Man, words: &["man"],
        args: &[own_arg("folder", ArgKind::Text, Need::Required, "the folder to write to")],
        help: "write the man pages" },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_name_stands_once_and_none_begins_another() {
        let mut names = HashSet::new();
        for entry in ENTRIES.iter() {
            assert!(names.insert(entry.name()), "{}", entry.name());
            for other in ENTRIES.iter().filter(|other| *other != entry) {
                assert!(!other.words.starts_with(entry.words), "{}", entry.name());
            }
            let mut args = HashSet::new();
            assert!(entry.args.iter().all(|arg| args.insert(arg.name)), "{}", entry.name());
        }
    }

    #[test]
    fn the_usage_says_what_is_required() {
        let entry = ENTRIES.iter().find(|entry| entry.name() == "request-user-key-add").unwrap();
        assert_eq!(entry.usage(), "request user key-add USER [days DAYS] [sources SOURCES]...");
        let entry = ENTRIES.iter().find(|entry| entry.name() == "request-policy-rollback").unwrap();
        let usage = "request policy rollback GENERATION [reason REASON] [dry-run] [force]";
        assert_eq!(entry.usage(), usage);
    }
}
