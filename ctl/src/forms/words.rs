//! What the forms share: text out of a request that must not move a cursor.

use eg_policy::syntax::span::is_unprintable;

/// A text of a client or a file, harmless for a terminal.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|letter| if is_unprintable(letter) { '?' } else { letter }).collect()
}

/// `1 rule`, `2 rules`
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
