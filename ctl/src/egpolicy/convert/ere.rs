//! POSIX extended regular expressions, as squidGuard and ufdbGuard search with them, in the dialect of
//! rules.
//!
//! The old text is `host:port/path`, the new one `scheme://host/path`. So an expression becomes up to two
//! patterns: one for what begins with the text, where `^` is true, and one for what begins behind it,
//! where it never is. Neither can find anything in the scheme, which the old text does not have.
//!
//! INVARIANT: what is not understood is refused, never passed on as it stands.

/// Groups in groups; the stack of the reader is that deep.
const DEPTH_MAX: usize = 50;

/// Bytes of an expression, as many as a pattern of a rule may have.
const EXPRESSION_BYTES_MAX: usize = 8_192;

/// What stands before the host in a canonical URI.
pub(super) const SCHEME: &str = "^[a-z][a-z0-9+.-]*://";

/// An alternative between `|`.
type Sequence = Vec<Piece>;

/// A part of a sequence, and how often it comes.
#[derive(Debug, Clone)]
struct Piece {
    atom: Atom,
    repeat: String,
}

#[derive(Debug, Clone)]
enum Atom {
    /// One character, in our dialect.
    Text(String),
    /// `^`
    Begin,
    /// `$`
    End,
    Group(Vec<Sequence>),
}

/// Why an expression has no counterpart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EreFault {
    /// It is too long or too deep.
    #[error("too long or with too many groups in groups")]
    TooLarge,
    /// It is none.
    #[error("not a POSIX expression: {0}")]
    Malformed(&'static str),
    /// A construct with no counterpart.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// The patterns that together find what the expression finds.
///
/// # Errors
///
/// [`EreFault`] where it cannot be said.
pub(crate) fn patterns(expression: &str) -> Result<Vec<String>, EreFault> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(EreFault::TooLarge);
    }
    let mut reader = Reader { rest: expression.chars().collect::<Vec<_>>().into_iter(), depth: 0 };
    let tree = reader.alternatives()?;
    if reader.rest.next().is_some() {
        return Err(EreFault::Malformed("a `)` that nothing opens"));
    }
    let mut found = Vec::new();
    let anchored = tree.iter().any(leads_with_begin);
    if anchored {
        let text = at_begin(&tree, true)?;
        found.push(format!("{SCHEME}(?:{})", text.unwrap_or_default()));
    }
    if let Some(text) = at_begin(&tree, false)? {
        found.push(format!("{SCHEME}.*(?:{text})"));
    }
    if found.is_empty() {
        return Err(EreFault::Unsupported("it never fits"));
    }
    Ok(found)
}

/// Whether `^` is met in it before anything else.
fn leads_with_begin(sequence: &Sequence) -> bool {
    sequence.first().is_some_and(|piece| match &piece.atom {
        Atom::Begin => true,
        Atom::Group(inner) => inner.iter().any(leads_with_begin),
        Atom::Text(_) | Atom::End => false,
    })
}

/// Alternatives as text for a match that begins where the old text does (`true`), or behind it; none
/// where no alternative can fit.
fn at_begin(tree: &[Sequence], begin: bool) -> Result<Option<String>, EreFault> {
    let mut written = Vec::new();
    for sequence in tree {
        if let Some(text) = sequence_at(sequence, begin)? {
            written.push(text);
        }
    }
    Ok((!written.is_empty()).then(|| written.join("|")))
}

fn sequence_at(sequence: &Sequence, begin: bool) -> Result<Option<String>, EreFault> {
    let mut text = String::new();
    let mut leading = true;
    for piece in sequence {
        match &piece.atom {
            Atom::Begin if !leading => {
                return Err(EreFault::Unsupported("a `^` that does not stand at the begin"));
            }
            Atom::Begin if !begin => return Ok(None),
            Atom::Begin => continue,
            Atom::End => text.push('$'),
            Atom::Text(one) => {
                text.push_str(one);
                text.push_str(&piece.repeat);
            }
            Atom::Group(inner) => {
                let anchored = inner.iter().any(leads_with_begin);
                if anchored && !(leading && piece.repeat.is_empty()) {
                    return Err(EreFault::Unsupported("a `^` that does not stand at the begin"));
                }
                let Some(inner) = at_begin(inner, begin)? else { return Ok(None) };
                text.push_str("(?:");
                text.push_str(&inner);
                text.push(')');
                text.push_str(&piece.repeat);
            }
        }
        leading = false;
    }
    Ok(Some(text))
}

struct Reader {
    rest: std::vec::IntoIter<char>,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.as_slice().first().copied()
    }

    fn alternatives(&mut self) -> Result<Vec<Sequence>, EreFault> {
        let mut found = vec![Vec::new()];
        while let Some(next) = self.peek() {
            match next {
                ')' if self.depth > 0 => break,
                '|' => {
                    self.rest.next();
                    found.push(Vec::new());
                }
                _ => {
                    let atom = self.atom()?;
                    let repeat = self.repeat(&atom)?;
                    if let Some(last) = found.last_mut() {
                        last.push(Piece { atom, repeat });
                    }
                }
            }
        }
        Ok(found)
    }

    fn atom(&mut self) -> Result<Atom, EreFault> {
        let Some(next) = self.rest.next() else { return Ok(Atom::Text(String::new())) };
        match next {
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(EreFault::TooLarge);
                }
                if self.peek() == Some('?') {
                    return Err(EreFault::Unsupported("`(?` is Perl's, not POSIX's"));
                }
                let inner = self.alternatives()?;
                self.depth -= 1;
                match self.rest.next() {
                    Some(_) => Ok(Atom::Group(inner)),
                    None => Err(EreFault::Malformed("a `(` that nothing closes")),
                }
            }
            ')' => Err(EreFault::Malformed("a `)` that nothing opens")),
            '[' => self.bracket().map(Atom::Text),
            '^' => Ok(Atom::Begin),
            '$' => Ok(Atom::End),
            '.' => Ok(Atom::Text(".".to_owned())),
            '\\' => self.escape().map(Atom::Text),
            '*' | '+' | '?' => Err(EreFault::Malformed("nothing to repeat")),
            '{' => Err(EreFault::Unsupported("a `{` that repeats nothing")),
            other => literal(other).map(Atom::Text),
        }
    }

    fn escape(&mut self) -> Result<String, EreFault> {
        match self.rest.next() {
            None => Err(EreFault::Malformed("a `\\` at the end")),
            Some('1'..='9') => Err(EreFault::Unsupported("back-references need backtracking")),
            Some(word @ ('w' | 'W' | 's' | 'S' | 'b' | 'B')) => Ok(format!("\\{word}")),
            Some('<' | '>') => Ok("\\b".to_owned()),
            // `\d` is the letter to POSIX; who wrote it meant digits, and found none.
            Some(other) if other.is_ascii_alphanumeric() => literal(other),
            Some('`' | '\'') => Err(EreFault::Unsupported("an anchor of GNU alone")),
            Some(other) => literal(other),
        }
    }

    /// A bracket expression, in which a `\` is itself.
    fn bracket(&mut self) -> Result<String, EreFault> {
        let mut text = "[".to_owned();
        if self.peek() == Some('^') {
            self.rest.next();
            text.push('^');
        }
        let mut first = true;
        // Whether a `-` that spans a range stands before: the next letter ends it, a `-` too. Two bare ones
        // would take sets apart here.
        let mut spans = false;
        loop {
            let Some(next) = self.rest.next() else {
                return Err(EreFault::Malformed("a `[` that nothing closes"));
            };
            let ends = std::mem::take(&mut spans);
            match next {
                ']' if !first => break,
                '[' if matches!(self.peek(), Some(':')) => text.push_str(&self.class()?),
                '[' if matches!(self.peek(), Some('.' | '=')) => {
                    return Err(EreFault::Unsupported("collating elements"));
                }
                '-' if first || ends || self.peek() == Some(']') => text.push_str("\\-"),
                '-' => {
                    text.push('-');
                    spans = true;
                }
                '\\' | '[' | ']' | '^' | '&' | '~' => {
                    text.push('\\');
                    text.push(next);
                }
                other if other.is_ascii() && !other.is_ascii_control() => text.push(other),
                _ => return Err(EreFault::Unsupported("a character beyond ASCII in brackets")),
            }
            first = false;
        }
        text.push(']');
        Ok(text)
    }

    /// `[:alpha:]`, of which the `[` was read.
    fn class(&mut self) -> Result<String, EreFault> {
        let mut name = String::new();
        for next in self.rest.by_ref() {
            name.push(next);
            if name.len() > 2 && name.ends_with(":]") {
                return Ok(format!("[{name}"));
            }
        }
        Err(EreFault::Malformed("a `[:` that nothing closes"))
    }

    /// `*`, `+`, `?`, `{2,9}`, perhaps several.
    fn repeat(&mut self, atom: &Atom) -> Result<String, EreFault> {
        let mut text = String::new();
        while let Some(next @ ('*' | '+' | '?' | '{')) = self.peek() {
            if matches!(atom, Atom::Begin | Atom::End) {
                return Err(EreFault::Unsupported("a repeated anchor"));
            }
            if !text.is_empty() {
                return Err(EreFault::Unsupported("a repeat of a repeat"));
            }
            self.rest.next();
            text.push(next);
            if next == '{' {
                loop {
                    match self.rest.next() {
                        Some('}') => break,
                        Some(digit @ ('0'..='9' | ',')) => text.push(digit),
                        Some(_) | None => {
                            return Err(EreFault::Malformed("a `{` that does not count"));
                        }
                    }
                }
                text.push('}');
            }
        }
        Ok(text)
    }
}

/// A character that is itself.
fn literal(one: char) -> Result<String, EreFault> {
    if one.is_ascii_control() {
        return Err(EreFault::Unsupported("a control character"));
    }
    if !one.is_ascii() {
        let mut bytes = [0; 4];
        let bytes = one.encode_utf8(&mut bytes).bytes();
        let text: String = bytes.map(|byte| format!("\\x{byte:02x}")).collect();
        return Ok(format!("(?:{text})"));
    }
    let special = matches!(
        one,
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
    );
    Ok(if special { format!("\\{one}") } else { one.to_string() })
}

#[cfg(test)]
pub(super) mod tests {
    use eg_policy::check::{Trust, check_with};
    use eg_policy::compile::compile;
    use eg_policy::regex::{Backend, Probe, compile_all};
    use eg_policy::sources::SourceFile;
    use eg_policy::verdict::Action;
    use serde_json::json;

    use super::*;

    /// Whether any of the patterns fits, as a rule with them would say.
    fn fits(expression: &str, uri: &str) -> bool {
        fits_any(&patterns(expression).unwrap(), uri)
    }

    /// The same of patterns that are there.
    pub(in super::super) fn fits_any(patterns: &[String], uri: &str) -> bool {
        let rule = json!({ "a": { "match-uri-regex": patterns } });
        let file = (SourceFile::new("a.policy", rule.to_string()), Trust::Operator);
        let (policy, faults) = check_with(&[file], |_| Ok(()));
        assert!(faults.is_empty(), "{patterns:?}: {faults:?}");
        let policy = compile(policy, Action::Deny, Vec::new());
        let shards = compile_all(&policy, Backend::built_in()).unwrap();
        shards.iter().any(|shard| !Probe::new(shard).fitting(uri.as_bytes()).unwrap().is_empty())
    }

    #[test]
    fn what_an_expression_finds_is_found_behind_the_scheme() {
        let cases = [
            ("ads", "http://a.test/ads/1", true),
            ("https?", "https://a.test/", false),
            ("https?", "http://a.test/?u=http://b/", true),
            ("^ads\\.", "http://ads.test/", true),
            ("^ads\\.", "http://x.ads.test/", false),
            ("(^|\\.)mid\\.test", "http://mid.test/", true),
            ("(^|\\.)mid\\.test", "http://a.mid.test/", true),
            ("(^|\\.)mid\\.test", "http://amid.test/", false),
            ("(^|[./-])(sex|porn)([./-]|$)", "http://a.test/x-sex", true),
            ("\\.exe$", "http://a.test/x.exe", true),
            ("\\.exe$", "http://a.test/x.exe?y", false),
            ("a[\\]b", "http://x.test/a\\b", true),
            ("[^a-z]x{2,3}[]]", "http://t/1xx]", true),
            ("a|^b", "http://bb/", true),
            ("a|^b", "http://xb/", false),
            ("[[:digit:]]{3}-x", "http://t/123-x", true),
            ("//", "http://t/a", false),
            ("x[!--b]x", "http://t/x%2Bx", false),
            ("x[!--b]x", "http://t/x*x", true),
            ("x[!--b]x", "http://t/x-x", true),
        ];
        for (expression, uri, expected) in cases {
            assert_eq!(fits(expression, uri), expected, "{expression} {uri}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let bad = [
            "(", ")", "a)", "*", "[a", "a**", "(a)\\1", "(?=a)", "x^y", "a(^b)", "(^)*a", "a\\",
            "a{", "a{x}", "[[=a=]]", "^*",
        ];
        for expression in bad {
            assert!(patterns(expression).is_err(), "{expression}");
        }
        assert_eq!(patterns(&"(".repeat(60)), Err(EreFault::TooLarge));
        assert_eq!(patterns(&"a".repeat(9_000)), Err(EreFault::TooLarge));
    }
}
