//! Patterns that are written for one host and fit others too: `evil\.com$` fits `notevil.com`.
//!
//! Nothing is guessed from how a pattern looks: a host that it fits is read off its tree, a longer one is
//! made of it, and the pattern itself is asked whether it fits that. What is reported is an example that
//! anybody can try.

use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::dialect::{RegexPattern, tree};
use super::plan::Field;
use crate::uri::{Domain, SuffixKind, public_suffix};

/// A host that a pattern is written for, and another one that it fits as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// The host.
    pub host: String,
    /// The other one.
    pub other: String,
}

/// What is put before a name, and behind it, to make it somebody else's.
const BEFORE: &str = "not";
const BEHIND: &str = ".other.example";

/// A text that is read off a tree is no longer than this: host names end at 253 bytes.
const SAMPLE_BYTES_MAX: usize = 512;

impl RegexPattern {
    /// Another host that this pattern fits beside the one it names; nothing where it names none, or fits
    /// no other of the kinds that are tried.
    #[must_use]
    pub fn loose(&self, field: Field) -> Option<Loose> {
        let tree = tree(self.as_str()).ok()?;
        let sample = sample(&tree)?;
        let (scheme, rest) = match (field, sample.split_once("://")) {
            (Field::Uri, Some((scheme, rest))) => (Some(scheme), rest),
            (Field::Uri | Field::Sni, _) => (None, sample.as_str()),
            (Field::UserAgent | Field::Referer, _) => return None,
        };
        let end = rest.find(['/', ':', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end)?;
        let mut buffer = String::new();
        let name = Domain::parse(&mut buffer, host.as_bytes()).ok()?;
        // `banner\.gif` is no host, and neither is one label.
        let (_, last) = name.as_str().rsplit_once('.')?;
        if name.as_str() != host || public_suffix(last) != SuffixKind::Icann {
            return None;
        }
        let text = |host: &str| match field {
            Field::Sni => host.to_owned(),
            Field::Uri | Field::UserAgent | Field::Referer => {
                let path = if path.is_empty() { "/" } else { path };
                format!("{}://{host}{path}", scheme.unwrap_or("http"))
            }
        };
        // Two texts need no automaton that is made ahead.
        let config = Config::new().utf8_empty(false).auto_prefilter(false).dfa(false).hybrid(false);
        let regex = Regex::builder().configure(config).build_from_hir(&tree).ok()?;
        let others = [format!("{BEFORE}{host}"), format!("{host}{BEHIND}")];
        let other = others.into_iter().find(|other| regex.is_match(text(other).as_bytes()))?;
        regex.is_match(text(host).as_bytes()).then(|| Loose { host: host.to_owned(), other })
    }
}

/// The shortest text that a tree is plainly written for, in lower case; nothing where it is not text.
fn sample(tree: &Hir) -> Option<String> {
    let mut bytes = Vec::new();
    write(tree, &mut bytes)?;
    String::from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

fn write(tree: &Hir, out: &mut Vec<u8>) -> Option<()> {
    if out.len() > SAMPLE_BYTES_MAX {
        return None;
    }
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend(literal.0.to_ascii_lowercase()),
        HirKind::Class(Class::Bytes(class)) => out.push(letter(class)?),
        HirKind::Class(Class::Unicode(_)) => return None,
        HirKind::Capture(capture) => write(&capture.sub, out)?,
        HirKind::Concat(trees) => trees.iter().try_for_each(|tree| write(tree, out))?,
        HirKind::Alternation(trees) => write(trees.first()?, out)?,
        HirKind::Repetition(repetition) => {
            (0..repetition.min).try_for_each(|_| write(&repetition.sub, out))?;
        }
    }
    Some(())
}

/// A byte of a class: a small letter or a digit, where there is one.
fn letter(class: &regex_syntax::hir::ClassBytes) -> Option<u8> {
    let holds = |byte: u8| class.iter().any(|range| (range.start()..=range.end()).contains(&byte));
    let usual = (b'a'..=b'z').chain(b'0'..=b'9');
    let other = class.iter().map(|range| range.start().max(b' '));
    usual.chain(other).find(|byte| holds(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_beside_the_one_that_is_meant() {
        let check = |field, pattern: &str, expected: Option<(&str, &str)>| {
            let found = RegexPattern::parse(pattern).unwrap().loose(field);
            let found = found.as_ref().map(|loose| (loose.host.as_str(), loose.other.as_str()));
            assert_eq!(found, expected, "{pattern}");
        };
        let evil = Some(("evil.com", "notevil.com"));
        let below = Some(("evil.com", "evil.com.other.example"));
        for (pattern, expected) in [
            (r"evil\.com$", evil),
            (r"evil\.com", evil),
            (r"^evil\.com", below),
            (r"(^|\.)evil\.com", below),
            (r"(^|\.)evil\.com$", None),
            (r"^(.*\.)?evil\.com$", None),
            (r"(?-i)evil\.com$", evil),
            (r"^ads?[0-9]*\.evil\.com$", None),
            (r"\bevil\.com$", None),
            // Words are meant as they stand.
            (r"casino", None),
            (r"^ads[0-9]+\.", None),
            (r"\.evil\.com$", None),
        ] {
            check(Field::Sni, pattern, expected);
        }
        for (pattern, expected) in [
            (r"evil\.com/", evil),
            (r"^https?://evil\.com", below),
            (r"^https?://evil\.com[/:]", None),
            (r"^https?://(www\.)?evil\.com/", None),
            (r"evil\.com/bad/path", evil),
            (r"banner\.gif", None),
            (r"/ads/[0-9]+\.js$", None),
            (r"[?&]u=evil\.com", None),
        ] {
            check(Field::Uri, pattern, expected);
        }
        check(Field::UserAgent, r"evil\.com", None);
    }
}
