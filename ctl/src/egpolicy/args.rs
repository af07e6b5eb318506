//! The command line of `egpolicy`, and what each verb does with it.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use eg_policy::diagnostic::{Severity, catalogue};
use eg_settings::version;

use super::convert::{ConvertArgs, run_convert};
use super::{FmtMode, Formatted, check, fmt};
use crate::exit::Exit;
use crate::render::{self, Format};

/// Checks and formats EnforceGate policies; needs no engine.
#[derive(Debug, Parser)]
#[command(
    name = "egpolicy",
    version = version(),
    disable_version_flag = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Print the version
    #[arg(short = 'v', long = "version", action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what is wrong with policy files and the lists that they name; touches nothing.
    Check(CheckArgs),
    /// The same as `check`, as a reload does it before it changes anything.
    Compile {
        /// Only say what is wrong. Required: without an engine nothing can be compiled into one.
        #[arg(long, required = true)]
        dry_run: bool,
        #[command(flatten)]
        check: CheckArgs,
    },
    /// Write a policy file in its one form; comments stay.
    Fmt {
        /// The file.
        file: PathBuf,
        /// Change nothing; exit with 1 if the file would change.
        #[arg(long, conflicts_with = "stdout")]
        check: bool,
        /// Print the result and leave the file alone.
        #[arg(long)]
        stdout: bool,
    },
    /// Turn the configuration or lists of another filter into a folder of policy and lists.
    Convert(ConvertArgs),
    /// Print the catalogue of faults.
    Diagnostics,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Folders of policy files, as `/etc/enforcegate/rules.d`, or single files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// A folder that is loaded after the others, and in which a faulty file is left out.
    #[arg(long, value_name = "PATH")]
    shared: Vec<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = FormatWord::Text)]
    format: FormatWord,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatWord {
    Text,
    Json,
}

/// Does what the command line says.
///
/// # Errors
///
/// What standard output says; everything else becomes a message and an [`Exit`].
pub fn run(args: Args) -> io::Result<Exit> {
    match args.verb {
        Verb::Check(check) | Verb::Compile { dry_run: _, check } => run_check(&check),
        Verb::Fmt { file, check, stdout } => run_fmt(
            &file,
            match (check, stdout) {
                (true, _) => FmtMode::Check,
                (false, true) => FmtMode::Print,
                (false, false) => FmtMode::Write,
            },
        ),
        Verb::Convert(convert) => run_convert(&convert),
        Verb::Diagnostics => {
            io::stdout().lock().write_all(catalogue().as_bytes())?;
            Ok(Exit::Done)
        }
    }
}

fn run_check(args: &CheckArgs) -> io::Result<Exit> {
    let format = match args.format {
        FormatWord::Text => Format::Text,
        FormatWord::Json => Format::Json,
    };
    match check(&args.paths, &args.shared) {
        Ok(found) => {
            render::checked(&mut io::stdout().lock(), &found, format)?;
            Ok(if found.count(Severity::Error) > 0 { Exit::Failed } else { Exit::Done })
        }
        Err(fault) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            Ok(Exit::Failed)
        }
    }
}

fn run_fmt(file: &std::path::Path, mode: FmtMode) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    match (fmt(file, mode), mode) {
        (Ok(Formatted::Same), _) | (Ok(Formatted::Changed), FmtMode::Write | FmtMode::Print) => {
            Ok(Exit::Done)
        }
        (Ok(Formatted::Changed), FmtMode::Check) => {
            writeln!(out, "{} would change", file.display())?;
            Ok(Exit::Failed)
        }
        (Ok(Formatted::Text(text)), _) => {
            out.write_all(text.as_bytes())?;
            Ok(Exit::Done)
        }
        (Ok(Formatted::Faults(faults)), _) => {
            render::diagnostics(&mut out, &faults)?;
            Ok(Exit::Failed)
        }
        (Err(fault), _) => {
            render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
            Ok(Exit::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use eg_settings::in_tree;

    use super::*;

    /// Every verb, every flag and every word that a flag takes stands in the manual.
    #[test]
    fn the_manual_has_every_verb_and_flag() {
        let manual = std::fs::read_to_string(in_tree("docs/manual/egpolicy.md").unwrap()).unwrap();
        let mut wanted = Vec::new();
        let mut command = Args::command();
        command.build();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            wanted.push(verb.get_name().to_owned());
            for flag in verb.get_arguments() {
                wanted.extend(flag.get_long().map(|long| format!("--{long}")));
                let words = flag.get_value_parser().possible_values().into_iter().flatten();
                if !flag.get_action().takes_values() {
                    continue;
                }
                wanted.extend(words.map(|word| word.get_name().to_owned()));
            }
        }
        assert!(wanted.len() > 8, "{wanted:?}");
        for word in wanted {
            let there = [format!("`{word}`"), format!("`{word} ")];
            assert!(
                there.iter().any(|text| manual.contains(text)),
                "`{word}` is not in the manual"
            );
        }
    }

    #[test]
    fn help_and_version_end_well() {
        for flag in ["-v", "--version"] {
            let shown = Args::try_parse_from(["anything", flag]).unwrap_err();
            assert_eq!(shown.to_string(), format!("egpolicy {}\n", version()));
            assert_eq!(shown.exit_code(), 0);
        }
        for flag in ["-h", "--help"] {
            assert_eq!(Args::try_parse_from(["anything", flag]).unwrap_err().exit_code(), 0);
        }
        assert_eq!(Args::try_parse_from(["anything", "-V"]).unwrap_err().exit_code(), 2);
    }
}
