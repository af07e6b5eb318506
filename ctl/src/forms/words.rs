//! What all that is printed shares: text out of a request or a file that must not move a cursor.

use eg_policy::syntax::span::is_unprintable;

/// A text of a client or a file, harmless for a terminal.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|letter| if is_unprintable(letter) { '?' } else { letter }).collect()
}

/// The same of a text of several lines, which stay lines.
pub(crate) fn tame_lines(text: &str) -> String {
    text.split('\n').map(tame).collect::<Vec<_>>().join("\n")
}

/// `1 rule`, `2 rules`
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
