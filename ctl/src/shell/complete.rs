//! Completion for the line editor.

use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::hints::Hints;

/// Completes from what the shell knows.
#[derive(Debug)]
pub(super) struct Words(pub(super) Hints);

impl Completer for Words {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let before = line.get(..pos).unwrap_or(line);
        let (start, candidates) = self.0.candidates(before);
        let suggestions: Vec<Suggestion> = candidates
            .into_iter()
            .map(|candidate| Suggestion {
                value: candidate.text,
                description: (!candidate.help.is_empty()).then_some(candidate.help),
                span: Span { start, end: before.len() },
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}
