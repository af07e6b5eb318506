//! The commands as clap knows them, for help, completions and man pages. What is said is parsed by
//! `grammar`, since the shell reads the same words.

use clap::{Arg as ClapArg, ArgAction, Command, ValueHint, value_parser};
use eg_proto::control::Level;
use eg_proto::control::verbs::{Arg, ArgKind, Need};
use eg_settings::version;

use super::entries::{Does, ENTRIES, Entry, placeholder};

/// Which forms of a verb a command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    /// `show policy match` alone.
    Spaced,
    /// `show-policy-match` too.
    Both,
}

/// The options before the verb.
#[must_use]
pub(crate) fn globals() -> Command {
    let text = |name: &'static str, short: char, value: &'static str, help: &'static str| {
        ClapArg::new(name).long(name).short(short).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        ClapArg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let conf_help = "Where the engine is; default /etc/enforcegate/egctl.conf, where there is one";
    Command::new("egctl")
        .version(version())
        .about("Asks an EnforceGate engine, and tells it what to do")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .arg(text("conf", 'c', "PATH", conf_help).value_hint(ValueHint::FilePath))
        .arg(text("host", 'H', "HOST", "The engine's machine").value_hint(ValueHint::Hostname))
        .arg(
            ClapArg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16).range(1..))
                .help("The Control API's port"),
        )
        .arg(text("user", 'u', "USER", "The account to log in as"))
        .arg(flag("json", "Print the engine's own answer"))
        .arg(flag("cli", "Begin the shell"))
        .arg(flag("yes", "Do not ask before what cannot be taken back"))
        .arg(
            ClapArg::new("version")
                .long("version")
                .short('v')
                .action(ArgAction::Version)
                .help("Print the version"),
        )
}

/// Everything.
#[must_use]
pub(crate) fn command(forms: Forms) -> Command {
    let entries: Vec<&Entry> = ENTRIES.iter().collect();
    let mut whole = below(globals(), &entries, 0);
    if forms == Forms::Both {
        for entry in entries.iter().filter(|entry| entry.words.len() > 1) {
            whole = whole.subcommand(leaf(entry, entry.name()));
        }
    }
    whole
}

/// The commands behind the words so far.
fn below(command: Command, entries: &[&Entry], at: usize) -> Command {
    let mut command = command.disable_help_subcommand(true);
    for word in super::grammar::nexts(entries, at) {
        let behind: Vec<&Entry> =
            entries.iter().copied().filter(|entry| entry.words.get(at) == Some(&word)).collect();
        let next = at.saturating_add(1);
        let sub = match behind.as_slice() {
            [entry] if entry.words.len() == next => leaf(entry, word.to_owned()),
            behind => below(Command::new(word).about(group(behind, next)), behind, next),
        };
        command = command.subcommand(sub);
    }
    command
}

/// What a word leads to: the words behind it.
fn group(behind: &[&Entry], at: usize) -> String {
    super::grammar::nexts(behind, at).join(", ")
}

/// The command of an entry.
pub(super) fn leaf(entry: &Entry, name: String) -> Command {
    let mut command = Command::new(name).about(entry.help);
    if let Does::Ask(row) = entry.does {
        command = command.long_about(format!("{}\n\nLevel: {}.", entry.help, row.may));
    }
    for arg in &entry.args {
        command = match arg.need {
            Need::Required => command.arg(hinted(ClapArg::new(arg.name).required(true), arg)),
            Need::Optional if arg.kind == ArgKind::Switch => command.arg(
                ClapArg::new(arg.name).long(arg.name).action(ArgAction::SetTrue).help(help_of(arg)),
            ),
            Need::Optional => command.arg(hinted(ClapArg::new(arg.name).long(arg.name), arg)),
            Need::Repeated => command
                .arg(hinted(ClapArg::new(arg.name).long(arg.name).action(ArgAction::Append), arg)),
            Need::Prompted => {
                command.after_help("Secrets are asked for, or read from standard input.")
            }
        };
    }
    command
}

fn hinted(clap_arg: ClapArg, arg: &Arg) -> ClapArg {
    let with = clap_arg.value_name(placeholder(arg)).help(help_of(arg));
    if arg.kind == ArgKind::Level {
        return with.value_parser(Level::ALL.map(Level::word));
    }
    if arg.name == "shell" {
        return with.value_parser(["bash", "zsh", "fish"]);
    }
    if arg.name == "folder" {
        return with.value_hint(ValueHint::DirPath);
    }
    with.value_hint(ValueHint::Other)
}

fn help_of(arg: &Arg) -> String {
    match arg.least {
        Some(least) => format!("{} (level {})", arg.help, least.number()),
        None => arg.help.to_owned(),
    }
}
