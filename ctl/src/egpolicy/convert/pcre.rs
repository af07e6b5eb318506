//! Expressions of Perl's kind, as e2guardian searches with them, in the dialect of rules.
//!
//! The dialects are alike, the texts are not: the old one has no scheme. So, as with POSIX expressions, one
//! pattern is for what begins with the host, where `^` is true, and one for what begins behind it, where it
//! never is; and neither can find anything in the scheme.
//!
//! INVARIANT: a `^` whose meaning is not certain is refused.

use eg_policy::regex::{Field, RegexPattern};

use super::ere::SCHEME;

/// Why an anchor is refused.
const UNCERTAIN: &str = "a `^` that does not stand at the begin";

/// The patterns that together find in a URI what the expression finds in a URL.
///
/// # Errors
///
/// Why there are none.
pub(super) fn url_patterns(expression: &str) -> Result<Vec<String>, String> {
    let Rewritten { text, at_begin } = rewritten(expression)?;
    // By itself first: what would end the group around it is no expression.
    parsed(&text)?;
    let behind = format!("{SCHEME}.*(?:{text})");
    let at_begin = at_begin.map(|text| format!("{SCHEME}(?:{text})"));
    let patterns = at_begin.into_iter().chain([behind]);
    patterns.map(|pattern| checked(&pattern, Field::Uri)).collect()
}

/// The pattern that finds in a User-Agent what the expression finds there.
///
/// # Errors
///
/// Why there is none.
pub(super) fn agent_pattern(expression: &str) -> Result<String, String> {
    // An anchor is one here too.
    checked(&rewritten(expression)?.text, Field::UserAgent)
}

fn parsed(expression: &str) -> Result<RegexPattern, String> {
    RegexPattern::parse(expression).map_err(|why| why.to_string())
}

fn checked(expression: &str, field: Field) -> Result<String, String> {
    let parsed = parsed(expression)?;
    parsed.fits_every(field).map_err(|why| why.to_string())?;
    Ok(parsed.as_str().to_owned())
}

/// An expression in the dialect of rules.
#[derive(Debug, Default)]
struct Rewritten {
    text: String,
    /// The same with nothing in the place of each `^`; none where it has none.
    at_begin: Option<String>,
}

fn rewritten(expression: &str) -> Result<Rewritten, &'static str> {
    // What stands for bytes that are no UTF-8 was never in a request.
    if expression.contains(char::REPLACEMENT_CHARACTER) {
        return Err("not UTF-8");
    }
    let (mut text, mut at_begin) = (String::new(), String::new());
    let mut letters = expression.chars().peekable();
    let mut anchored = false;
    // Whether nothing but the begin of alternatives was read.
    let mut leading = true;
    while let Some(letter) = letters.next() {
        let from = text.len();
        match letter {
            '^' if !leading || matches!(letters.peek(), Some('*' | '+' | '?' | '{')) => {
                return Err(UNCERTAIN);
            }
            '^' => {
                anchored = true;
                text.push('^');
                at_begin.push_str("(?:)");
                continue;
            }
            '\\' => {
                let escaped = letters.next();
                if escaped == Some('A') {
                    return Err(UNCERTAIN);
                }
                text.push('\\');
                text.extend(escaped);
                leading = false;
            }
            '[' => {
                pass_class(&mut letters, &mut text);
                leading = false;
            }
            '(' => pass_open(&mut letters, &mut text),
            '|' => {
                text.push('|');
                leading = true;
            }
            other => {
                text.push(other);
                leading = false;
            }
        }
        at_begin.push_str(text.get(from..).unwrap_or_default());
    }
    Ok(Rewritten { text, at_begin: anchored.then_some(at_begin) })
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Copies what opens a group: `(`, `(?:`, `(?i:`, and flags alone, `(?i)`.
fn pass_open(letters: &mut Letters<'_>, text: &mut String) {
    text.push('(');
    if letters.peek() == Some(&'?') {
        for flag in letters.by_ref() {
            text.push(flag);
            if matches!(flag, ':' | ')' | '>') {
                return;
            }
        }
    }
}

/// Copies a class in brackets, with a `\` before what is a letter to Perl and says more in the dialect of
/// rules: classes in classes, and what is done with them (`&&`, `--`, `~~`).
fn pass_class(letters: &mut Letters<'_>, text: &mut String) {
    text.push('[');
    text.extend(letters.next_if_eq(&'^'));
    let mut first = true;
    // Whether a `-` that spans a range stands before.
    let mut spans = false;
    while let Some(letter) = letters.next() {
        let ends = std::mem::take(&mut spans);
        match letter {
            ']' if !first => {
                text.push(']');
                return;
            }
            '\\' => {
                text.push('\\');
                text.extend(letters.next());
            }
            '[' if letters.peek() == Some(&':') => {
                text.push('[');
                for name in letters.by_ref() {
                    text.push(name);
                    if name == ']' {
                        break;
                    }
                }
            }
            '-' if !first && !ends && letters.peek() != Some(&']') => {
                text.push('-');
                spans = true;
            }
            '[' | ']' | '-' | '&' | '~' => text.extend(['\\', letter]),
            other => text.push(other),
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ere::tests::fits_any;
    use super::*;

    #[test]
    fn what_an_expression_finds_is_found_behind_the_scheme() {
        let cases = [
            ("ads[0-9]+", "http://a.test/ads12", true),
            ("^ads\\.", "http://ads.test/", true),
            ("^ads\\.", "http://x.ads.test/", false),
            ("(^|[-./])sex", "http://sex.test/", true),
            ("(^|[-./])sex", "http://essex.test/", false),
            ("(?i)(?:^|x)y", "http://yz.test/", true),
            ("^a|b", "http://xb.test/", true),
            ("http", "http://a.test/", false),
            ("http", "http://a.test/?u=http://b.test/", true),
            ("[^^]x[]^]", "http://a.test/ax]", true),
            ("/x[[a]b]", "http://a.test/x[b]", true),
            ("/x[[a]b]", "http://a.test/xb", false),
            ("/x[a&&b]y", "http://a.test/xay", true),
            ("/x[!--b]y", "http://a.test/x*y", true),
            ("/[[:digit:]]{3}$", "http://a.test/123", true),
        ];
        for (expression, uri, expected) in cases {
            let patterns = url_patterns(expression).unwrap();
            assert_eq!(fits_any(&patterns, uri), expected, "{expression} {uri}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for bad in ["a^b", "x(^y)", "^*a", "\\Ax", "(?=a)b", "a)|(b", "\u{fffd}", "(", "x)", ".*"] {
            assert!(url_patterns(bad).is_err(), "{bad}");
        }
    }
}
