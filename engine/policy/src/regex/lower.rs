//! Patterns that are something simpler in disguise: names, hosts of URIs, literals. Nothing compiles or
//! scans for them; what they say is looked up in the text (ADR 0023).
//!
//! A pattern is read as the tree that the scanners are told, never as its text, and is lowered only where
//! what is looked up is found in exactly the texts, any bytes, that the tree fits. So a lowered pattern
//! means the same in every view of a request, in every phase and for every name of a connection: those
//! give texts to search, and know nothing of how they are searched.
//!
//! Two forms are known.
//!
//! - *Words.* The tree is finitely many texts (`words.rs`), and each must touch an edge of the text that
//!   is searched, or stand behind a dot or an edge.
//! - *Host.* The tree is: a start (`^https?://`), then any number of labels or one (`([^/]+\.)?`), then
//!   words. The places behind such labels are few and are walked, and the words are looked for there.
//!
//! While only the beginning of a URI is known, what needs the text's end does not count, exactly as in the
//! variant of the pattern that the scanners are told for such texts (`print::lasting`): a word with an end
//! is a way through the end of the text, and one without is none.
//!
//! INVARIANT: what is lowered depends on the pattern and its field alone, so that a pattern more or less
//! never moves another between a shard and the tables.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::dialect::RegexPattern;
use super::plan::Field;
use super::print::{bytes, is_folded};
use super::words::{Edge, Word, parts, ungrouped, words};

/// What a host pattern may start with. Together with what labels may consist of this bounds how many ways
/// one text is walked.
const STARTS: [&[u8]; 5] = [b"http://", b"https://", b"ftp://", b"ws://", b"wss://"];

/// What labels may have beside all letters and digits.
const LABEL_BYTES: &[u8] = b"-_.";

/// What labels may lack of all bytes; they always lack the slash.
const BORDER_BYTES: &[u8] = b"/.:?#@";

/// What a lowered pattern is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoweredClass {
    /// `match-sni-regex` that is names and all that is below them: `(^|\.)example\.com$`
    Domain,
    /// `match-sni-regex` that is names alone: `^www\.example\.com$`
    ExactHost,
    /// A URI's host: `^https?://([^/]+\.)?example\.com/`
    UriHost,
    /// A literal that must touch an edge of the text, or a dot before it: `^ads\.`, `\.exe$`
    Literal,
}

/// What is looked up for a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lowered {
    /// Any of these.
    Words(Vec<(Vec<u8>, Place)>),
    /// A host behind a start.
    Host(HostForm),
}

/// Where a word must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// `^w$`
    Whole,
    /// `(^|\.)w$`
    Tree,
    /// `w$`
    Suffix,
    /// `^w`
    Prefix,
    /// `(^|\.)w`
    Label,
}

/// `^starts`, labels, words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostForm {
    /// What the text starts with.
    pub(crate) starts: Vec<Vec<u8>>,
    /// What may lie between.
    pub(crate) labels: Labels,
    /// What comes then, and whether the text ends with it.
    pub(crate) words: Vec<(Vec<u8>, Edge)>,
}

/// `(C+\.)?` and the like: labels in front of a name, each with its dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Labels {
    /// The bytes of C, a bit each.
    class: [u64; 4],
    /// Whether a label may be empty: `C*`.
    pub(crate) may_be_empty: MayBe,
    /// Whether there may be none.
    pub(crate) may_be_none: MayBe,
    /// Whether there may be more than one.
    pub(crate) may_be_many: MayBe,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MayBe {
    /// It is.
    Allowed,
    /// It is not.
    Refused,
}

impl From<bool> for MayBe {
    fn from(is: bool) -> Self {
        if is { Self::Allowed } else { Self::Refused }
    }
}

impl Labels {
    /// The labels that a repeat in a pattern is; nothing where it is something else.
    ///
    fn of(repeat: &Repetition) -> Option<Self> {
        let (HirKind::Concat(trees), 0..=1) = (ungrouped(&repeat.sub).kind(), repeat.min) else {
            return None;
        };
        let [label, dot] = trees.as_slice() else { return None };
        let may_be_many = match repeat.max {
            None => MayBe::Allowed,
            Some(1) => MayBe::Refused,
            Some(_) => return None,
        };
        let (HirKind::Repetition(label), HirKind::Literal(dot)) =
            (ungrouped(label).kind(), ungrouped(dot).kind())
        else {
            return None;
        };
        let (None, 0..=1, b".") = (label.max, label.min, &*dot.0) else { return None };
        let HirKind::Class(of_label) = ungrouped(&label.sub).kind() else { return None };
        let of_label = bytes(of_label)?;
        let mut class = [0; 4];
        for byte in of_label.ranges().iter().flat_map(|range| range.start()..=range.end()) {
            if let Some(word) = class.get_mut(usize::from(byte / 64)) {
                *word |= 1_u64 << (byte % 64);
            }
        }
        let labels = Self {
            class,
            may_be_empty: (label.min == 0).into(),
            may_be_none: (repeat.min == 0).into(),
            may_be_many,
        };
        labels.is_ordinary().then_some(labels)
    }

    /// Whether the class is letters and digits with [`LABEL_BYTES`], or all bytes without
    /// [`BORDER_BYTES`]. With a slash labels would go on beyond the host.
    fn is_ordinary(&self) -> bool {
        let mut bytes = 0..=u8::MAX;
        let mut others = 0..=u8::MAX;
        let is_label = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => self.has(byte),
            false => !self.has(byte) || LABEL_BYTES.contains(&byte),
        };
        let is_other = |byte: u8| self.has(byte) || BORDER_BYTES.contains(&byte);
        !self.has(b'/') && (bytes.all(is_label) || others.all(is_other))
    }

    fn has(&self, byte: u8) -> bool {
        let word = self.class.get(usize::from(byte / 64));
        word.is_some_and(|word| word & (1 << (byte % 64)) != 0)
    }

    /// Gives every place of `text` that lies behind such labels, which begin at `from`.
    ///
    /// Where the class has no dot, a label is a whole run of its bytes and ends at the dot behind it, so
    /// one place follows from another. Where it has one, labels together are a run too, one label may be
    /// all of them, and so each dot of the run is an end.
    pub(crate) fn ends(&self, text: &[u8], from: usize, found: &mut dyn FnMut(usize)) {
        if self.may_be_none == MayBe::Allowed {
            found(from);
        }
        let dotted = self.has(b'.');
        let mut label = from;
        for (byte, at) in text.iter().skip(from).zip(from..) {
            let is_empty = at == label && self.may_be_empty == MayBe::Refused;
            if *byte == b'.' && !is_empty {
                found(at + 1);
                if !dotted {
                    if self.may_be_many == MayBe::Refused {
                        return;
                    }
                    label = at + 1;
                }
            } else if !self.has(*byte) {
                return;
            }
        }
    }
}

/// How a pattern is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// It is looked up.
    Lowered(LoweredClass, Lowered),
    /// It is nothing but these literals, in lower case, which may stand anywhere. It is scanned for: the
    /// scanner is faster (ADR 0023).
    Literals(Vec<Vec<u8>>),
    /// It is scanned for.
    Scanned,
}

/// How `pattern` is found in texts of `field`. A pattern that is none is for the scanners to refuse.
pub(super) fn form(field: Field, pattern: &RegexPattern) -> Form {
    let Ok(tree) = pattern.tree() else { return Form::Scanned };
    if !is_folded(&tree) {
        return Form::Scanned;
    }
    let parts = parts(&tree);
    if let Some(words) = words(&parts) {
        let is_open = |word: &Word| (word.start, word.end) == (Edge::Open, Edge::Open);
        if words.iter().all(is_open) {
            return Form::Literals(words.into_iter().map(|word| word.bytes).collect());
        }
        return match placed(field, words) {
            Some(placed) => Form::Lowered(class(field, &placed), Lowered::Words(placed)),
            None => Form::Scanned,
        };
    }
    let host = match field {
        Field::Uri | Field::Referer => host(&parts),
        Field::Sni | Field::UserAgent => None,
    };
    host.map_or(Form::Scanned, |host| Form::Lowered(LoweredClass::UriHost, Lowered::Host(host)))
}

/// Where each word must stand; nothing where one may stand anywhere.
fn placed(field: Field, mut words: Vec<Word>) -> Option<Vec<(Vec<u8>, Place)>> {
    let mut placed = Vec::new();
    // A word at the start and the same one behind a dot are one word in two places.
    let starting: Vec<Word> = words.extract_if(.., |word| word.start == Edge::Text).collect();
    for Word { bytes, end, .. } in starting {
        let dotted = Word { bytes: [b".", bytes.as_slice()].concat(), start: Edge::Open, end };
        let twin = words.iter().position(|word| *word == dotted);
        let place = match (twin, end, field) {
            (None, Edge::Text, _) => Place::Whole,
            (None, Edge::Open, _) => Place::Prefix,
            (Some(_), Edge::Text, _) => Place::Tree,
            (Some(_), Edge::Open, Field::Sni) => Place::Label,
            // Other texts than names have any number of dots.
            (Some(_), Edge::Open, Field::Uri | Field::UserAgent | Field::Referer) => return None,
        };
        if let Some(twin) = twin {
            words.swap_remove(twin);
        }
        placed.push((bytes, place));
    }
    for Word { bytes, end, .. } in words {
        match end {
            Edge::Text => placed.push((bytes, Place::Suffix)),
            Edge::Open => return None,
        }
    }
    Some(placed)
}

fn class(field: Field, placed: &[(Vec<u8>, Place)]) -> LoweredClass {
    let all = |place| placed.iter().all(|(_, own)| *own == place);
    match field {
        Field::Sni if all(Place::Tree) => LoweredClass::Domain,
        Field::Sni if all(Place::Whole) => LoweredClass::ExactHost,
        Field::Sni | Field::Uri | Field::UserAgent | Field::Referer => LoweredClass::Literal,
    }
}

/// The host that the parts of a pattern ask for.
fn host(parts: &[&Hir]) -> Option<HostForm> {
    let labels_of = |part: &&Hir| match part.kind() {
        HirKind::Repetition(repeat) => Labels::of(repeat),
        _ => None,
    };
    let at = parts.iter().position(|part| labels_of(part).is_some())?;
    let (front, behind) = parts.split_at_checked(at)?;
    let (labels, behind) = behind.split_first()?;
    let start = |word: Word| match (word.start, word.end) {
        (Edge::Text, Edge::Open) if STARTS.contains(&word.bytes.as_slice()) => Some(word.bytes),
        (Edge::Text | Edge::Open, Edge::Open | Edge::Text) => None,
    };
    let starts: Vec<Vec<u8>> = words(front)?.into_iter().map(start).collect::<Option<_>>()?;
    let name = |word: Word| match word.start {
        Edge::Open if !word.bytes.is_empty() => Some((word.bytes, word.end)),
        Edge::Open | Edge::Text => None,
    };
    let words = words(behind)?.into_iter().map(name).collect::<Option<_>>()?;
    Some(HostForm { starts, labels: labels_of(labels)?, words })
}
