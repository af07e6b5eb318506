//! The patterns of one field that are looked up: which of them fit a text (ADR 0023).
//!
//! The text is brought to lower case once. Words that must stand at its start, or behind a dot, are looked
//! for there; those that must stand at its end are looked for at the start of the text turned round, and a
//! host's behind its labels. Its slow twin is the pattern itself, compiled and searched for.

use std::collections::BTreeMap;

use super::lower::{Labels, Lowered, Place};
use super::openings::Openings;
use super::plan::Field;
use super::scanner::{Hits, Reading};
use super::words::Edge;

/// What is looked up in the texts of one field.
#[derive(Debug, Default)]
pub(crate) struct LoweredTable {
    /// Words at the start of the text.
    heads: Openings<Head>,
    /// Words at its start and behind each of its dots.
    labels: Openings<Head>,
    /// Words at its end, turned round.
    tails: Openings<Tail>,
    /// Words behind a start and labels.
    hosts: Vec<HostTable>,
    /// Whether more may follow a text.
    extent: Extent,
}

/// Whether the texts of a field may be known in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Extent {
    /// They are always whole.
    #[default]
    Whole,
    /// They may be.
    MayGoOn,
}

/// A word that begins somewhere, of this pattern.
#[derive(Debug, Clone, Copy)]
struct Head {
    pattern: u32,
    end: Edge,
}

/// A word that ends the text, of this pattern.
#[derive(Debug, Clone, Copy)]
struct Tail {
    pattern: u32,
    before: Before,
}

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Anything.
    Anything,
    /// Nothing, or a dot.
    DotOrNothing,
}

/// The words behind one start and one kind of labels.
#[derive(Debug)]
struct HostTable {
    start: Vec<u8>,
    labels: Labels,
    words: Openings<Head>,
}

/// The words behind each start and kind of labels, on their way into a table.
type HostWords<'l> = BTreeMap<(&'l [u8], &'l Labels), Vec<(Vec<u8>, Head)>>;

/// What a thread needs to look up.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    folded: Vec<u8>,
    reversed: Vec<u8>,
}

impl LoweredTable {
    /// A table of these patterns, each with its number.
    pub(crate) fn new(field: Field, patterns: &[(&Lowered, u32)]) -> Self {
        let (mut heads, mut labels, mut tails) = (Vec::new(), Vec::new(), Vec::new());
        let mut hosts: HostWords<'_> = BTreeMap::new();
        for (lowered, pattern) in patterns.iter().copied() {
            match lowered {
                Lowered::Words(words) => {
                    for (word, place) in words {
                        let head = |end| (word.clone(), Head { pattern, end });
                        let tail = |before| (reversed(word), Tail { pattern, before });
                        match place {
                            Place::Whole => heads.push(head(Edge::Text)),
                            Place::Prefix => heads.push(head(Edge::Open)),
                            Place::Label => labels.push(head(Edge::Open)),
                            Place::Tree => tails.push(tail(Before::DotOrNothing)),
                            Place::Suffix => tails.push(tail(Before::Anything)),
                        }
                    }
                }
                Lowered::Host(host) => {
                    for start in &host.starts {
                        let words = host.words.iter();
                        let heads =
                            words.map(|(word, end)| (word.clone(), Head { pattern, end: *end }));
                        hosts.entry((start, &host.labels)).or_default().extend(heads);
                    }
                }
            }
        }
        let hosts = hosts.into_iter().map(|((start, labels), words)| HostTable {
            start: start.to_vec(),
            labels: labels.clone(),
            words: Openings::new(words),
        });
        Self {
            heads: Openings::new(heads),
            labels: Openings::new(labels),
            tails: Openings::new(tails),
            hosts: hosts.collect(),
            extent: match field {
                Field::Uri => Extent::MayGoOn,
                Field::Sni | Field::UserAgent | Field::Referer => Extent::Whole,
            },
        }
    }

    /// Whether there is nothing to look up.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
            && self.labels.is_empty()
            && self.tails.is_empty()
            && self.hosts.is_empty()
    }

    /// Finds the patterns that `text` holds.
    pub(crate) fn find(&self, text: &[u8], reading: Reading, turned: &mut Turned, hits: &mut Hits) {
        let Turned { folded, reversed } = turned;
        folded.clear();
        folded.extend(text.iter().map(u8::to_ascii_lowercase));
        let text = folded.as_slice();
        let ends = match (self.extent, reading) {
            (Extent::MayGoOn, Reading::Open) => Ends::NotKnown,
            (Extent::Whole, Reading::Open) | (_, Reading::Whole) => Ends::Known,
        };
        begin(&self.heads, text, ends, hits);
        if !self.labels.is_empty() {
            begin(&self.labels, text, ends, hits);
            for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
                begin(&self.labels, text.get(at + 1..).unwrap_or_default(), ends, hits);
            }
        }
        for host in &self.hosts {
            if text.starts_with(&host.start) {
                host.labels.ends(text, host.start.len(), &mut |at| {
                    begin(&host.words, text.get(at..).unwrap_or_default(), ends, hits);
                });
            }
        }
        if !self.tails.is_empty() && ends == Ends::Known {
            // One byte more than the longest word shows what stands before it.
            reversed.clear();
            reversed.extend(text.iter().rev().take(self.tails.longest().saturating_add(1)));
            let reversed = reversed.as_slice();
            self.tails.lookup(reversed, &mut |length, items| {
                let is_label = matches!(reversed.get(length), None | Some(b'.'));
                let fits = |tail: &&Tail| is_label || tail.before == Before::Anything;
                items.iter().filter(fits).for_each(|tail| hits.add(tail.pattern));
            });
        }
    }
}

/// Whether the end of a text is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// It is.
    Known,
    /// More may follow.
    NotKnown,
}

/// Finds the words that `text` begins with.
fn begin(words: &Openings<Head>, text: &[u8], ends: Ends, hits: &mut Hits) {
    if words.is_empty() {
        return;
    }
    words.lookup(text, &mut |length, items| {
        let is_all = ends == Ends::Known && length == text.len();
        let fits = |head: &&Head| is_all || head.end == Edge::Open;
        items.iter().filter(fits).for_each(|head| hits.add(head.pattern));
    });
}

fn reversed(word: &[u8]) -> Vec<u8> {
    word.iter().rev().copied().collect()
}
