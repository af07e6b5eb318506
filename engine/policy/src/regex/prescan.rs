//! The constructs that need backtracking, by name, before the parser meets them: its own message would
//! only say that it does not know them.
//!
//! INVARIANT: this refuses only what the parser, or the walk after it, refuses too; where it misreads a
//! class, those two still decide.

use super::faults::PatternFault;

/// What a construct is.
type Refusal = fn(String) -> PatternFault;

/// How such groups begin, and what they are.
const GROUPS: &[(&str, Refusal)] = &[
    ("(?=", look_around),
    ("(?!", look_around),
    ("(?<=", look_around),
    ("(?<!", look_around),
    ("(?>", possessive),
    ("(?(", steering),
    ("(?R)", steering),
    ("(?&", steering),
    ("(?P>", steering),
    ("(?P=", back_reference),
    ("(?|", steering),
    ("(?C", steering),
    ("(?+", steering),
    ("(?0", steering),
    ("(?1", steering),
    ("(?2", steering),
    ("(?3", steering),
    ("(?4", steering),
    ("(?5", steering),
    ("(?6", steering),
    ("(?7", steering),
    ("(?8", steering),
    ("(?9", steering),
    ("(*", steering),
];

fn look_around(part: String) -> PatternFault {
    PatternFault::LookAround { part }
}

fn back_reference(part: String) -> PatternFault {
    PatternFault::BackReference { part }
}

fn possessive(part: String) -> PatternFault {
    PatternFault::Possessive { part }
}

fn steering(part: String) -> PatternFault {
    PatternFault::Steering { part }
}

/// Refuses a pattern that only a backtracking engine takes.
pub(super) fn prescan(text: &str) -> Result<(), PatternFault> {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '\\' => {
                let escaped = rest.chars().nth(1);
                if matches!(escaped, Some('1'..='9' | 'k' | 'g')) {
                    let part = rest.chars().take(2).collect();
                    return Err(PatternFault::BackReference { part });
                }
                rest = after(rest, 2);
            }
            '[' => rest = after_class(rest),
            '(' => {
                if let Some((start, fault)) =
                    GROUPS.iter().find(|(start, _)| rest.starts_with(start))
                {
                    return Err(fault((*start).to_owned()));
                }
                rest = after(rest, 1);
            }
            _ => rest = after(rest, 1),
        }
    }
    Ok(())
}

/// What follows the first `count` characters.
fn after(text: &str, count: usize) -> &str {
    let mut letters = text.chars();
    letters.by_ref().take(count).for_each(drop);
    letters.as_str()
}

/// What follows the class that `text` begins with: everything, where it is not closed.
fn after_class(text: &str) -> &str {
    let mut rest = after(text, 1);
    rest = rest.strip_prefix('^').unwrap_or(rest);
    rest = rest.strip_prefix(']').unwrap_or(rest);
    while let Some(first) = rest.chars().next() {
        match first {
            '\\' => rest = after(rest, 2),
            ']' => return after(rest, 1),
            '[' if rest.starts_with("[:") => {
                rest = rest.split_once(":]").map_or("", |(_, behind)| behind);
            }
            _ => rest = after(rest, 1),
        }
    }
    rest
}
