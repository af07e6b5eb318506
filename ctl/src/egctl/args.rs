//! The command line of `egctl`: options, then words. clap reads the options; the words are `grammar`'s.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use super::command::{Forms, command, globals, leaf};
use super::config;
use super::entries::{ENTRIES, Entry};
use super::fault::EgctlFault;
use super::grammar::{Arguments, GrammarFault, Short, Step, nexts, walk};
use super::perform::{Egctl, Meant};
use super::progress::Progress;
use super::screen::{Colour, Format, Look};
use super::words::Word;
use crate::exit::Exit;
use crate::render;
use crate::session::{Console, Settings, Surroundings};
use crate::shell;

/// What the command line says.
#[derive(Debug)]
struct Said {
    settings: Settings,
    format: Format,
    meant: Meant,
    is_shell: bool,
    words: Vec<Word>,
    wants_help: bool,
}

/// Does what the command line says.
///
/// # Errors
///
/// What standard output says; everything else becomes a message and an [`Exit`].
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Exit> {
    let around = Surroundings::of_process();
    let said = match read(arguments) {
        Ok(said) => said,
        Err(exit) => return exit,
    };
    let Said { settings, format, meant, is_shell, words, wants_help } = said;
    let look = look(&around, format);
    let progress = match (io::stderr().is_terminal(), format) {
        (true, Format::Text) => Progress::Shown,
        (true | false, Format::Json) | (false, Format::Text) => Progress::Hidden,
    };
    let mut console = Console;
    let mut egctl = Egctl { settings, around, talk: &mut console, progress, meant, session: None };
    if is_shell {
        return shell::run(&mut egctl, look);
    }
    let mut out = io::stdout().lock();
    match one(&mut egctl, &words, wants_help, &mut out, look) {
        Ok(exit) => Ok(exit),
        Err(fault) => {
            fault.tell(&mut out, &mut io::stderr().lock(), format)?;
            Ok(fault.exit())
        }
    }
}

/// The columns and colours of standard output.
fn look(around: &Surroundings, format: Format) -> Look {
    let out = io::stdout();
    if !out.is_terminal() {
        return Look { format, ..Look::PLAIN };
    }
    let width = rustix::termios::tcgetwinsize(&out).ok().map(|size| size.ws_col);
    let colour = if around.plain { Colour::Off } else { Colour::On };
    Look { format, width: width.filter(|width| *width > 0), colour }
}

/// Reads options and words. Where there is nothing to do but to print, that is done.
fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Said, io::Result<Exit>> {
    let whole = globals().override_usage("egctl [OPTIONS] VERB [ARGUMENTS]").arg(
        Arg::new("words")
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .action(ArgAction::Append)
            .hide(true),
    );
    let matches = match whole.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(told) => return Err(print_clap(&told)),
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let conf = text("conf").map(PathBuf::from);
    let mut settings = match config::read(conf.as_deref()) {
        Ok(settings) => settings,
        Err(faults) => {
            let told = render::failure(&mut io::stderr().lock(), "egctl", &faults);
            return Err(told.map(|()| Exit::Failed));
        }
    };
    settings.host = text("host").or(settings.host);
    settings.port = matches.get_one("port").copied().unwrap_or(settings.port);
    settings.user = text("user").or(settings.user);
    let words = matches.get_many::<String>("words").unwrap_or_default();
    Ok(told(settings, &matches, words.cloned().collect()))
}

/// `--json`, `--yes` and `--help` count behind the verb too, unless they are an argument's value.
fn told(settings: Settings, matches: &ArgMatches, words: Vec<String>) -> Said {
    let mut format = if matches.get_flag("json") { Format::Json } else { Format::Text };
    let mut meant = if matches.get_flag("yes") { Meant::Surely } else { Meant::Perhaps };
    let mut wants_help = false;
    let mut kept = Vec::new();
    let mut only_places = false;
    for word in words {
        match word.as_str() {
            "--" => only_places = true,
            "--json" if !only_places => {
                format = Format::Json;
                continue;
            }
            "--yes" if !only_places => {
                meant = Meant::Surely;
                continue;
            }
            "--help" | "-h" if !only_places => {
                wants_help = true;
                continue;
            }
            _ => {}
        }
        kept.push(Word::plain(word));
    }
    let is_shell = matches.get_flag("cli");
    Said { settings, format, meant, is_shell, words: kept, wants_help }
}

fn print_clap(told: &clap::Error) -> io::Result<Exit> {
    let text = told.render();
    if told.use_stderr() {
        write!(io::stderr().lock(), "{text}")?;
        return Ok(Exit::Usage);
    }
    // The help of the options alone would hide what there is to say.
    let is_help = told.kind() == clap::error::ErrorKind::DisplayHelp;
    let text = if is_help { command(Forms::Spaced).render_help() } else { text };
    write!(io::stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}

/// One call, or its help.
fn one(
    egctl: &mut Egctl<'_>,
    words: &[Word],
    wants_help: bool,
    out: &mut dyn Write,
    look: Look,
) -> Result<Exit, EgctlFault> {
    let entries: Vec<&Entry> = ENTRIES.iter().collect();
    if words.is_empty() {
        write!(out, "{}", command(Forms::Spaced).render_help())?;
        return Ok(if wants_help { Exit::Done } else { Exit::Usage });
    }
    let (entry, said) = match walk(&entries, words, Short::Never)? {
        Step::At(entry, said) => (entry, said),
        Step::Open(open, _) if wants_help => {
            for entry in open {
                writeln!(out, "{}\n    {}", entry.usage(), entry.help)?;
            }
            return Ok(Exit::Done);
        }
        Step::Open(open, said) => {
            let known = nexts(&open, said).iter().map(|word| (*word).to_owned()).collect();
            return Err(GrammarFault::Incomplete { known }.into());
        }
    };
    if wants_help {
        let mut help = leaf(entry, format!("egctl {}", entry.words.join(" ")));
        write!(out, "{}", help.render_long_help())?;
        return Ok(Exit::Done);
    }
    let mut arguments = Arguments::of(entry, Short::Never);
    words.iter().skip(said).try_for_each(|word| arguments.take(word))?;
    egctl.perform(arguments.done()?, out, look)
}
