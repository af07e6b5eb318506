//! Lines of a person: reedline with history, completion and `?`.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use reedline::{
    ColumnarMenu, EditCommand, Emacs, KeyCode, KeyModifiers, MenuBuilder as _, Prompt,
    PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    default_emacs_keybindings,
};

use super::complete::Words;
use super::hints::Hints;
use super::history::Discreet;
use super::reader::{Reader, Typed, is_literal};
use crate::egctl::Colour;
use crate::session::Talk;

/// The menu of completions.
const MENU: &str = "words";

/// What the bound keys say.
const QUESTION: &str = "?";
const LITERAL: &str = "literal";

/// A person at a terminal.
pub(super) struct Terminal {
    editor: Reedline,
    /// The line as it was when the next `?` was said to be a letter.
    literal: Option<String>,
}

impl Terminal {
    pub(super) fn open(hints: Hints, history: Option<&Path>, colour: Colour) -> io::Result<Self> {
        let mut keys = default_emacs_keybindings();
        let menu = ReedlineEvent::Menu(MENU.to_owned());
        let tab = ReedlineEvent::UntilFound(vec![menu, ReedlineEvent::MenuNext]);
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, tab);
        // Terminals with the protocol of kitty say Shift too.
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let question = ReedlineEvent::ExecuteHostCommand(QUESTION.to_owned());
            keys.add_binding(modifiers, KeyCode::Char('?'), question);
        }
        let literal = ReedlineEvent::ExecuteHostCommand(LITERAL.to_owned());
        keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('v'), literal);
        let menu = ColumnarMenu::default().with_name(MENU);
        let editor = Reedline::create()
            .with_history(Box::new(Discreet::open(history)?))
            .with_completer(Box::new(Words(hints)))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_ansi_colors(colour == Colour::On)
            .with_edit_mode(Box::new(Emacs::new(keys)));
        Ok(Self { editor, literal: None })
    }

    fn before_cursor(&self) -> String {
        let line = self.editor.current_buffer_contents();
        line.get(..self.editor.current_insertion_point()).unwrap_or(line).to_owned()
    }
}

impl Reader for Terminal {
    fn next(&mut self, prompt: &str, _talk: &mut dyn Talk) -> io::Result<Typed> {
        let shown = Shown(prompt.to_owned());
        loop {
            // Whatever goes wrong here goes wrong again at once, for ever: it ends the shell.
            let signal = self.editor.read_line(&shown);
            match signal.map_err(|fault| io::Error::other(fault.to_string()))? {
                Signal::Success(line) => {
                    self.literal = None;
                    return Ok(Typed::Line(line));
                }
                Signal::CtrlC => return Ok(Typed::Nothing),
                Signal::CtrlD => return Ok(Typed::End),
                Signal::HostCommand(key) if key == LITERAL => {
                    self.literal = Some(self.before_cursor());
                }
                Signal::HostCommand(_) => {
                    let before = self.before_cursor();
                    let is_letter =
                        self.literal.take().is_some_and(|line| line == before) || is_literal(&before);
                    if !is_letter {
                        return Ok(Typed::Help(before));
                    }
                    self.editor.run_edit_commands(&[EditCommand::InsertChar('?')]);
                }
                // The line editor may grow signals; none of them is bound here.
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
