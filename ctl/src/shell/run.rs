//! The loop of the shell: a line, what it says, what comes out.

use std::io::{self, IsTerminal as _, Write};

use eg_proto::control::auth::Who;

use super::configure::{After, Configure};
use super::hints::Hints;
use super::mode::{Mode, Seat, entries};
use super::pipe::{self, Pipe};
use super::reader::{Plain, Reader, Typed};
use super::terminal::Terminal;
use crate::egctl::{
    Arguments, Builtin, Does, Egctl, EgctlFault, Format, GrammarFault, Look, Progress, Screen,
    Short, Step, Word, nexts, split, walk,
};
use crate::exit::Exit;
use crate::forms::words::tame;
use crate::session::SessionFault;

/// What begins a comment: scripts have them.
const COMMENT: char = '#';

/// Runs the shell until its end.
///
/// # Errors
///
/// What the terminal says.
pub fn run(egctl: &mut Egctl<'_>, look: Look) -> io::Result<Exit> {
    let hints = Hints::new();
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !is_terminal {
        egctl.progress = Progress::Hidden;
    }
    let mut out = io::stdout();
    let mut shell = match Shell::begin(egctl, hints.clone(), look) {
        Ok(shell) => shell,
        Err(fault) => {
            fault.tell(&mut out, &mut io::stderr(), Format::Text)?;
            return Ok(fault.exit());
        }
    };
    if !is_terminal {
        return shell.until_the_end(&mut Plain, &mut out);
    }
    let history = shell.egctl.around.state.as_ref().map(|state| state.join("history"));
    let mut terminal = Terminal::open(hints, history.as_deref(), look.colour)?;
    shell.until_the_end(&mut terminal, &mut out)
}

/// A shell at its work.
pub(super) struct Shell<'e, 't> {
    egctl: &'e mut Egctl<'t>,
    hints: Hints,
    look: Look,
    /// The engine's machine, for the prompt.
    host: String,
    mode: Mode,
    configure: Option<Configure>,
    /// How the last command ended.
    exit: Exit,
}

/// Whether there is another line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Out,
}

impl<'e, 't> Shell<'e, 't> {
    /// Asks the engine who sits here.
    pub(super) fn begin(
        egctl: &'e mut Egctl<'t>,
        hints: Hints,
        look: Look,
    ) -> Result<Self, EgctlFault> {
        let host = egctl.settings.host.clone().unwrap_or_else(own_name);
        let shell =
            Self { egctl, hints, look, host, mode: Mode::Show, configure: None, exit: Exit::Done };
        let (session, talk) = shell.egctl.parts()?;
        let seat = match session.who(talk) {
            Ok(Who { user, level, .. }) => Seat { user, level },
            // An engine that does not say it yet says what one may not.
            Err(SessionFault::Client(fault)) if fault.is_unanswered_path() => {
                let level = eg_proto::control::Level::SuperAdministrator;
                Seat { user: String::new(), level }
            }
            Err(fault) => return Err(fault.into()),
        };
        shell.hints.known().seat = seat;
        Ok(shell)
    }

    fn prompt(&self) -> String {
        let host = tame(&self.host);
        match (self.mode, &self.configure) {
            (Mode::Show, _) => format!("{host}> "),
            (Mode::Request, _) => format!("{host}# "),
            (Mode::Configure, Some(configure)) => {
                format!("{host}({})# ", tame(&configure.prompt()))
            }
            (Mode::Configure, None) => format!("{host}(config)# "),
        }
    }

    /// Reads and does lines until there are no more.
    pub(super) fn until_the_end(
        &mut self,
        reader: &mut dyn Reader,
        out: &mut dyn Write,
    ) -> io::Result<Exit> {
        loop {
            let client = self.egctl.session.as_ref().map(crate::session::Session::client);
            let mut known = self.hints.known();
            known.mode = self.mode;
            known.live.ask(client);
            drop(known);
            let prompt = self.prompt();
            match reader.next(&prompt, self.egctl.talk)? {
                Typed::Nothing => {}
                Typed::Help(before) => self.help(&before, out)?,
                Typed::Line(line) => {
                    if self.line(&line, out)? == Go::Out {
                        return Ok(self.exit);
                    }
                }
                Typed::End => {
                    // One end of input leaves the whole shell; what is not committed is asked about.
                    if self.may_leave(out)? {
                        return Ok(self.exit);
                    }
                }
            }
        }
    }

    fn may_leave(&mut self, out: &mut dyn Write) -> io::Result<bool> {
        let Some(configure) = &self.configure else { return Ok(true) };
        match configure.may_leave(self.egctl) {
            Ok(may) => Ok(may),
            Err(fault) => {
                self.fails(&fault, out)?;
                Ok(true)
            }
        }
    }

    fn help(&mut self, before: &str, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.hints.help(before);
        let width = rows
            .iter()
            .filter(|(_, help)| !help.is_empty())
            .map(|(first, _)| first.chars().count())
            .max()
            .unwrap_or_default();
        let mut screen = Screen::new(out, self.look);
        for (first, help) in rows {
            screen.line(&format!("  {first:<width$}  {help}"))?;
        }
        Ok(())
    }

    /// Does one line; whatever goes wrong is told, and the shell goes on.
    fn line(&mut self, line: &str, out: &mut dyn Write) -> io::Result<Go> {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(COMMENT) {
            return Ok(Go::On);
        }
        match self.dispatch(line, out) {
            Ok(go) => Ok(go),
            Err(fault) => {
                self.fails(&fault, out)?;
                Ok(Go::On)
            }
        }
    }

    fn fails(&mut self, fault: &EgctlFault, out: &mut dyn Write) -> io::Result<()> {
        self.exit = fault.exit();
        out.flush()?;
        let mut told = Vec::new();
        fault.tell(&mut Vec::new(), &mut told, Format::Text)?;
        let told = String::from_utf8_lossy(&told);
        self.egctl.talk.say(told.trim_end())
    }

    fn dispatch(&mut self, line: &str, out: &mut dyn Write) -> Result<Go, EgctlFault> {
        let read = split(line);
        if let Some(quote) = read.open {
            return Err(GrammarFault::OpenQuote(quote).into());
        }
        let seat = self.hints.known().seat.clone();
        let entries = entries(self.mode, &seat);
        // A value of a rule may hold a `|`: there nothing is filtered.
        if let Ok(Step::At(entry, said)) = walk(&entries, &read.words, Short::Allowed)
            && let Does::Shell(builtin @ (Builtin::SetRule | Builtin::DeleteRule | Builtin::Do)) =
                entry.does
        {
            let words = read.words.get(said..).unwrap_or_default();
            return self.as_written(builtin, line, words, out);
        }
        let (words, pipes) = pipe::split(&read.words)?;
        let (entry, said) = match walk(&entries, words, Short::Allowed)? {
            Step::At(entry, said) => (entry, said),
            Step::Open(open, said) => {
                let known = nexts(&open, said).iter().map(|word| (*word).to_owned()).collect();
                return Err(GrammarFault::Incomplete { known }.into());
            }
        };
        let mut arguments = Arguments::of(entry, Short::Allowed);
        words.iter().skip(said).try_for_each(|word| arguments.take(word))?;
        let call = arguments.done()?;
        let mut look = self.look;
        if pipes.contains(&Pipe::Json) {
            look.format = Format::Json;
        }
        let Does::Shell(builtin) = entry.does else {
            if pipes.contains(&Pipe::Compare) {
                return Err(GrammarFault::Unknown {
                    word: "compare".to_owned(),
                    nearest: None,
                    known: Vec::new(),
                }
                .into());
            }
            if pipes.is_empty() {
                self.exit = self.egctl.perform(call, out, look)?;
                return Ok(Go::On);
            }
            let mut made = Vec::new();
            let done = self.egctl.perform(call, &mut made, look);
            write!(out, "{}", pipe::filter(&String::from_utf8_lossy(&made), &pipes))?;
            self.exit = done?;
            return Ok(Go::On);
        };
        // The number of minutes is the one argument of ours that may be left away.
        let is_whole = builtin == Builtin::CommitConfirmed;
        let call = if is_whole { call } else { call.whole()? };
        self.exit = Exit::Done;
        if self.mode != Mode::Configure {
            return self.change_mode(builtin);
        }
        let mut made = Vec::new();
        let Some(configure) = &mut self.configure else { return Ok(Go::On) };
        let after = configure.perform(self.egctl, builtin, &call, &pipes, (&mut made, look));
        write!(out, "{}", pipe::filter(&String::from_utf8_lossy(&made), &pipes))?;
        match after? {
            After::Stay => Ok(Go::On),
            After::Leave => {
                self.configure = None;
                self.mode = Mode::Request;
                Ok(Go::On)
            }
            After::Quit => Ok(Go::Out),
        }
    }

    fn change_mode(&mut self, builtin: Builtin) -> Result<Go, EgctlFault> {
        match (builtin, self.mode) {
            (Builtin::Enable, _) => self.mode = Mode::Request,
            (Builtin::Disable, _) | (Builtin::Exit, Mode::Request) => self.mode = Mode::Show,
            (Builtin::Configure, _) => {
                self.configure = Some(Configure::enter(self.egctl)?);
                self.mode = Mode::Configure;
            }
            (Builtin::Exit | Builtin::Quit, _) => return Ok(Go::Out),
            (_, _) => return Err(EgctlFault::Here("that is of another mode".to_owned())),
        }
        Ok(Go::On)
    }

    /// What takes the rest of the line as it is written.
    fn as_written(
        &mut self,
        builtin: Builtin,
        line: &str,
        words: &[Word],
        out: &mut dyn Write,
    ) -> Result<Go, EgctlFault> {
        let from = |at: usize| {
            let start = words.get(at).map_or(line.len(), |word| word.span.start);
            line.get(start..).unwrap_or_default().trim()
        };
        let text = |at: usize| words.get(at).map(|word| word.text.as_str());
        let missing = |names: &[&str], usage: &str| GrammarFault::Missing {
            names: names.iter().map(|name| format!("`{name}`")).collect(),
            usage: usage.to_owned(),
        };
        if builtin == Builtin::Do {
            if words.is_empty() {
                return Err(missing(&["command"], "do COMMAND").into());
            }
            // The candidate is out of reach meanwhile.
            let configure = self.configure.take();
            self.mode = Mode::Request;
            let done = self.dispatch(from(0), out);
            let left = self.mode != Mode::Request;
            self.mode = Mode::Configure;
            self.configure = configure;
            let go = done?;
            if left || go == Go::Out {
                let told = "`do` is for commands; `end` leaves the configuration";
                return Err(EgctlFault::Here(told.to_owned()));
            }
            return Ok(go);
        }
        let Some(configure) = &mut self.configure else { return Ok(Go::On) };
        self.exit = Exit::Done;
        if builtin == Builtin::DeleteRule {
            let usage = "delete rule RULE [ATTRIBUTE]";
            let Some(rule) = text(0) else { return Err(missing(&["rule"], usage).into()) };
            if let Some(more) = text(2) {
                let (word, known) = (more.to_owned(), Vec::new());
                return Err(GrammarFault::Unknown { word, nearest: None, known }.into());
            }
            configure.delete_rule(self.egctl, rule, text(1))?;
            return Ok(Go::On);
        }
        let (Some(rule), Some(attribute), Some(first)) = (text(0), text(1), words.get(2)) else {
            let names = ["rule", "attribute", "value"];
            let names = names.get(words.len()..).unwrap_or_default();
            return Err(missing(names, "set rule RULE ATTRIBUTE VALUE").into());
        };
        // One word in quotes is what is in them; anything else is as it is.
        let value = if words.len() == 3 { first.text.as_str() } else { from(2) };
        configure.set_rule(self.egctl, (rule, attribute.trim_end_matches(':'), value))?;
        Ok(Go::On)
    }
}

/// The name of this machine, up to its first dot.
fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or("engine").to_owned()
}
