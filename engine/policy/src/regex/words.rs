//! Patterns that are finitely many texts: each written out as a word, with the edges of the text that it
//! must touch. `(^|\.)ads?\.net$` is four of them.
//!
//! Words are in lower case and are looked for in a text that was brought to lower case, which is exact
//! only where both cases of a letter fit everywhere; whoever asks makes sure of that first.
//!
//! INVARIANT: a tree fits a text (in lower case) if and only if one of its words stands somewhere in it
//! and touches the edges that it must. Every step below keeps that, or gives nothing.

use regex_syntax::hir::{ClassBytes, Hir, HirKind, Look};

use super::print::bytes;

/// The most words of one pattern: as many as a number of two digits has values, twice, since a name that
/// may stand behind a dot is two words. Past that a scanner needs less memory than the words.
pub(super) const WORDS_MAX: usize = 256;

/// The most bytes that a class has where it is written out: letters, digits, hyphen and underscore, and
/// not `.` or `[^/]`, which are other ways to say "anything".
const CLASS_MAX: usize = 40;

/// The most bytes of all words of one pattern: what the longest pattern could be with no choice in it.
pub(super) const WORDS_BYTES_MAX: usize = 8_192;

/// Whether a word must touch an edge of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Edge {
    /// Anything may lie beyond it, or nothing.
    Open,
    /// It must.
    Text,
}

impl Edge {
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, Self::Open) => Self::Open,
            (Self::Text, _) | (_, Self::Text) => Self::Text,
        }
    }
}

/// A text that a pattern fits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Word {
    /// What it says.
    pub(crate) bytes: Vec<u8>,
    /// Whether it must stand at the start of the text.
    pub(crate) start: Edge,
    /// Whether it must stand at its end.
    pub(crate) end: Edge,
}

impl Word {
    const EMPTY: Self = Self { bytes: Vec::new(), start: Edge::Open, end: Edge::Open };

    /// This word and then the other; nothing where no text has them so, since one of them needs an edge
    /// that the other has bytes beyond.
    fn then(&self, other: &Self) -> Option<Self> {
        let start_is_past = other.start == Edge::Text && !self.bytes.is_empty();
        let end_is_past = self.end == Edge::Text && !other.bytes.is_empty();
        (!start_is_past && !end_is_past).then(|| Self {
            bytes: [self.bytes.as_slice(), &other.bytes].concat(),
            start: self.start.or(other.start),
            end: self.end.or(other.end),
        })
    }
}

/// The words of `trees` one behind the other, sorted, each once; nothing where they are too many or
/// without end, or where more than the edges of the text is asked for. No word is empty where the trees
/// fit no empty text.
pub(super) fn words(trees: &[&Hir]) -> Option<Vec<Word>> {
    let mut words = sequence(trees.iter().copied())?;
    words.sort_unstable();
    words.dedup();
    (!words.is_empty()).then_some(words)
}

/// A tree without its groups and as the parts that come one behind the other, and without what may be
/// left out at either side: a search finds the rest exactly where it finds the whole.
pub(super) fn parts(tree: &Hir) -> Vec<&Hir> {
    let mut parts = Vec::new();
    flatten(tree, &mut parts);
    let needed = |part: &&Hir| !fits_empty(part);
    let from = parts.iter().position(needed).unwrap_or(0);
    let to = parts.iter().rposition(needed).map_or(0, |last| last + 1);
    parts.get(from..to).unwrap_or_default().to_vec()
}

/// A tree without the groups around it.
pub(super) fn ungrouped(tree: &Hir) -> &Hir {
    match tree.kind() {
        HirKind::Capture(capture) => ungrouped(&capture.sub),
        _ => tree,
    }
}

fn flatten<'t>(tree: &'t Hir, parts: &mut Vec<&'t Hir>) {
    let tree = ungrouped(tree);
    match tree.kind() {
        HirKind::Concat(trees) => trees.iter().for_each(|tree| flatten(tree, parts)),
        _ => parts.push(tree),
    }
}

/// Whether a tree fits the empty text wherever it is asked.
fn fits_empty(tree: &Hir) -> bool {
    let properties = tree.properties();
    properties.minimum_len() == Some(0) && properties.look_set().is_empty()
}

fn of(tree: &Hir) -> Option<Vec<Word>> {
    match tree.kind() {
        HirKind::Empty => Some(vec![Word::EMPTY]),
        HirKind::Literal(literal) => {
            within_bounds(vec![Word { bytes: literal.0.to_vec(), ..Word::EMPTY }])
        }
        HirKind::Class(class) => {
            let word = |byte| Word { bytes: vec![byte], ..Word::EMPTY };
            let words: Vec<Word> = lower_case(&bytes(class)?).map(word).collect();
            (words.len() <= CLASS_MAX).then_some(words)
        }
        HirKind::Look(Look::Start) => Some(vec![Word { start: Edge::Text, ..Word::EMPTY }]),
        HirKind::Look(Look::End) => Some(vec![Word { end: Edge::Text, ..Word::EMPTY }]),
        HirKind::Look(_) => None,
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(trees) => sequence(trees.iter()),
        HirKind::Alternation(trees) => {
            let mut all = Vec::new();
            for tree in trees {
                all.extend(of(tree)?);
                all = within_bounds(all)?;
            }
            Some(all)
        }
        HirKind::Repetition(repeat) => {
            let (max, sub) = (repeat.max?, of(&repeat.sub)?);
            let mut power = vec![Word::EMPTY];
            let mut all = if repeat.min == 0 { power.clone() } else { Vec::new() };
            for count in 1..=max {
                power = product(&power, &sub)?;
                if count >= repeat.min {
                    all.extend(power.iter().cloned());
                    all = within_bounds(all)?;
                }
            }
            Some(all)
        }
    }
}

fn sequence<'t, T: Iterator<Item = &'t Hir>>(trees: T) -> Option<Vec<Word>> {
    let mut all = vec![Word::EMPTY];
    for tree in trees {
        all = product(&all, &of(tree)?)?;
    }
    Some(all)
}

/// Each of the one and then each of the other.
fn product(fronts: &[Word], behind: &[Word]) -> Option<Vec<Word>> {
    if fronts.len().saturating_mul(behind.len()) > WORDS_MAX {
        return None;
    }
    let joined = fronts.iter().flat_map(|front| behind.iter().map(move |word| front.then(word)));
    within_bounds(joined.flatten().collect())
}

fn within_bounds(words: Vec<Word>) -> Option<Vec<Word>> {
    let bytes: usize = words.iter().map(|word| word.bytes.len()).sum();
    (words.len() <= WORDS_MAX && bytes <= WORDS_BYTES_MAX).then_some(words)
}

/// The bytes of a class but for upper-case letters, whose lower case it has as well.
fn lower_case(class: &ClassBytes) -> impl Iterator<Item = u8> {
    let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    bytes.filter(|byte| !byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::dialect::tree;
    use super::*;

    /// The words of a pattern, with `^` and `$` where they must touch an edge.
    fn shown(text: &str) -> Option<String> {
        let tree = tree(text).unwrap();
        let shown = words(&parts(&tree))?.into_iter().map(|word| {
            let edge = |edge, sign| if edge == Edge::Text { sign } else { "" };
            let bytes = String::from_utf8_lossy(&word.bytes).into_owned();
            format!("{}{bytes}{}", edge(word.start, "^"), edge(word.end, "$"))
        });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_finite_is_written_out() {
        for (text, expected) in [
            ("Ads", "ads"),
            (r"(^|\.)A\.b$", ".a.b$ ^a.b$"),
            (r"^ads?\.(com|net)", "^ad.com ^ad.net ^ads.com ^ads.net"),
            ("x[0-2]{2}?y", "x00y x01y x02y x10y x11y x12y x20y x21y x22y"),
            ("a{2,3}", "aa aaa"),
            ("(one|two)(|x)3", "one3 onex3 two3 twox3"),
            // What may be left out at an edge says nothing.
            ("x*ads.*", "ads"),
            ("(a?)ads(.*?)(b|)", "ads"),
            ("^https?://x/(.*)", "^http://x/ ^https://x/"),
            // A way that no text goes is none.
            ("a(b|$)", "a$ ab"),
            ("a(b|$)c", "abc"),
            ("(^|a)(^|b)c", "abc ^bc ^c"),
            (r"\Aa\z", "^a$"),
            ("a|^b|c$", "a ^b c$"),
            (r"\x00\xff", "\0\u{fffd}"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_finite_gives_nothing() {
        for text in [
            "a.c+d",
            "^.*a",
            "a.*$",
            "ab*c",
            r"\bads\b",
            r"ads\B",
            "[0-9]{3}",
            "(a|b){9}",
            "a.b",
            "a[^/]b",
            "a$b",
            "a^b",
            "(abcdefghij|klmnopqrst){1,200}",
            "(abcdefgh){1200}",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn the_bounds_hold() {
        for (text, count) in [("x[0-9]{2}", 100), ("[0-7][0-7][0-3]", 256), ("a(b|c){8}d", 256)] {
            let tree = tree(text).unwrap();
            assert_eq!(words(&parts(&tree)).map(|words| words.len()), Some(count), "{text}");
        }
        let longest = "a".repeat(WORDS_BYTES_MAX);
        assert!(words(&parts(&tree(&longest).unwrap())).is_some());
        assert!(words(&parts(&tree(&format!("{}[0-1]", "a".repeat(4_096))).unwrap())).is_none());
    }
}
