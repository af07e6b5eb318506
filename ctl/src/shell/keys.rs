//! The keys of the line editor, and what becomes of those that come right behind a `?`.
//!
//! reedline leaves a line for a bound command in the middle of what it has read, and forgets the rest: a URL that
//! is pasted or typed quickly would lose what stands behind its `?`. So the rest is held here, and the
//! reader plays it when it is clear what the `?` was.

use std::sync::{Arc, Mutex, PoisonError};

use reedline::{
    EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, PromptEditMode, ReedlineEvent,
    ReedlineRawEvent, default_emacs_keybindings,
};

/// The menu of completions.
pub(super) const MENU: &str = "words";

/// What the bound keys say.
const QUESTION: &str = "?";
const LITERAL: &str = "literal";

/// What was read behind a `?`.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    is_on: bool,
    events: Vec<ReedlineEvent>,
}

impl Held {
    /// What was held; keys count at once again.
    pub(super) fn release(&self) -> Vec<ReedlineEvent> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_on = false;
        std::mem::take(&mut waiting.events)
    }

    /// Passes an event on, or holds it.
    fn pass(&self, event: ReedlineEvent) -> ReedlineEvent {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_on {
            waiting.events.push(event);
            return ReedlineEvent::None;
        }
        waiting.is_on = is_question(&event);
        event
    }
}

/// Whether it is a `?` of which the reader has to say what it is.
pub(super) fn is_question(event: &ReedlineEvent) -> bool {
    matches!(event, ReedlineEvent::ExecuteHostCommand(key) if key == QUESTION)
}

/// The keys of Emacs with `?`, Tab and Ctrl-V.
pub(super) struct Keys {
    emacs: Emacs,
    held: Held,
    /// Whether Ctrl-V was the key before.
    is_literal: bool,
}

impl Keys {
    pub(super) fn new(held: Held) -> Self {
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
        Self { emacs: Emacs::new(keys), held, is_literal: false }
    }
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let event = self.emacs.parse_event(event);
        let was_literal = std::mem::take(&mut self.is_literal);
        if matches!(&event, ReedlineEvent::ExecuteHostCommand(key) if key == LITERAL) {
            self.is_literal = true;
            return ReedlineEvent::None;
        }
        if was_literal && is_question(&event) {
            return self.held.pass(ReedlineEvent::Edit(vec![EditCommand::InsertChar('?')]));
        }
        self.held.pass(event)
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.emacs.edit_mode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_question_mark_waits() {
        let held = Held::default();
        let letter = || ReedlineEvent::Edit(vec![EditCommand::InsertChar('a')]);
        let question = || ReedlineEvent::ExecuteHostCommand(QUESTION.to_owned());
        assert_eq!(held.pass(letter()), letter());
        assert_eq!(held.pass(question()), question());
        for event in [letter(), question(), ReedlineEvent::Enter] {
            assert_eq!(held.pass(event), ReedlineEvent::None);
        }
        assert_eq!(held.release(), [letter(), question(), ReedlineEvent::Enter]);
        assert_eq!(held.pass(letter()), letter());
    }
}
