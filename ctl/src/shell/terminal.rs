//! Lines of a person: reedline with history, completion and `?`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;

use reedline::{
    ColumnarMenu, EditCommand, HistoryItem, MenuBuilder as _, Prompt, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
};

use super::complete::Words;
use super::hints::Hints;
use super::history::Discreet;
use super::keys::{Held, Keys, MENU, is_question};
use super::reader::{Reader, Typed, is_literal};
use crate::egctl::Colour;
use crate::session::Talk;

/// A person at a terminal.
pub(super) struct Terminal {
    editor: Reedline,
    held: Held,
    /// What was typed behind a `?` and is still to be played.
    rest: VecDeque<ReedlineEvent>,
}

impl Terminal {
    pub(super) fn open(hints: Hints, history: Option<&Path>, colour: Colour) -> io::Result<Self> {
        let held = Held::default();
        let menu = ColumnarMenu::default().with_name(MENU);
        let editor = Reedline::create()
            .with_history(Box::new(Discreet::open(history)?))
            .with_completer(Box::new(Words(hints)))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_ansi_colors(colour == Colour::On)
            .use_bracketed_paste(true)
            .with_edit_mode(Box::new(Keys::new(held.clone())));
        Ok(Self { editor, held, rest: VecDeque::new() })
    }

    fn before_cursor(&self) -> String {
        let line = self.editor.current_buffer_contents();
        line.get(..self.editor.current_insertion_point()).unwrap_or(line).to_owned()
    }

    /// What a `?` is here: a letter, which is put into the line, or a question.
    fn question(&mut self, prompt: &str) -> io::Result<Option<Typed>> {
        let before = self.before_cursor();
        if is_literal(&before) {
            self.editor.run_edit_commands(&[EditCommand::InsertChar('?')]);
            return Ok(None);
        }
        echo(prompt, &format!("{before}?"))?;
        Ok(Some(Typed::Help(before)))
    }

    /// Plays what was held; keys that need the line editor's own loop are passed over.
    fn play(&mut self, prompt: &str) -> io::Result<Option<Typed>> {
        while let Some(event) = self.rest.pop_front() {
            match event {
                ReedlineEvent::Edit(commands) => self.editor.run_edit_commands(&commands),
                ReedlineEvent::Enter | ReedlineEvent::Submit => {
                    let line = self.editor.current_buffer_contents().to_owned();
                    self.editor.run_edit_commands(&[EditCommand::Clear]);
                    echo(prompt, &line)?;
                    // What is not kept is only not offered again.
                    drop(self.editor.history_mut().save(HistoryItem::from_command_line(&line)));
                    return Ok(Some(Typed::Line(line)));
                }
                ReedlineEvent::CtrlC => {
                    self.editor.run_edit_commands(&[EditCommand::Clear]);
                    return Ok(Some(Typed::Nothing));
                }
                event if is_question(&event) => {
                    if let Some(typed) = self.question(prompt)? {
                        return Ok(Some(typed));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The line as it is now, for good: what comes next is printed below.
fn echo(prompt: &str, line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\r{prompt}{line}\u{1b}[K")?;
    out.flush()
}

impl Reader for Terminal {
    fn next(&mut self, prompt: &str, _talk: &mut dyn Talk) -> io::Result<Typed> {
        let shown = Shown(prompt.to_owned());
        loop {
            if let Some(typed) = self.play(prompt)? {
                return Ok(typed);
            }
            // Whatever goes wrong here goes wrong again at once, for ever: it ends the shell.
            let signal = self.editor.read_line(&shown);
            let signal = signal.map_err(|fault| io::Error::other(fault.to_string()))?;
            self.rest.extend(self.held.release());
            match signal {
                Signal::Success(line) => return Ok(Typed::Line(line)),
                Signal::CtrlC => return Ok(Typed::Nothing),
                Signal::CtrlD => return Ok(Typed::End),
                Signal::HostCommand(_) => {
                    if let Some(typed) = self.question(prompt)? {
                        return Ok(typed);
                    }
                }
                // The line editor may grow signals; none of them is asked for here.
                _ => {}
            }
        }
    }
}

/// A prompt that is one text.
struct Shown(String);

impl Prompt for Shown {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
