//! What a pattern may be: the part of the language that every engine reads alike.
//!
//! A pattern becomes a tree here, of bytes and not of characters, and everything after works on that
//! tree. What other engines read differently is refused, so that a rule means what its author tried out
//! elsewhere. Letters fit in either case unless the pattern says `(?-i)`; `.` is any byte but a line
//! feed, `$` is the end of the text and nothing else.
//!
//! INVARIANT: a [`RegexPattern`] that a check made has a tree within the bounds below.

use std::fmt;

use regex_automata::meta::{Config, Regex};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, FlagsItemKind, GroupKind,
    HexLiteralKind, LiteralKind, RepetitionKind, RepetitionRange, SpecialLiteralKind,
};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Hir, HirKind};
use serde::{Deserialize, Serialize};

use super::faults::PatternFault;
use super::plan::Field;
use super::prescan::prescan;

/// The most bytes of a pattern: three times the longest of some 27,000 real ones.
pub const PATTERN_BYTES_MAX: usize = 8_192;

/// How far a repeat counts at most: beyond any real one, and far below what makes a database of
/// patterns large.
pub const REPEATS_MAX: u32 = 2_000;

/// The most places of a pattern with its repeats written out: what an engine has to build for it.
pub const POSITIONS_MAX: u64 = 10_000;

/// How deep groups lie in each other at most: the tree is walked by recursion.
const NESTING_MAX: u32 = 64;

/// A regular expression as a rule writes it. Only a check makes one from a text; one that comes out of
/// the store was checked when it went there, and is read again before it is compiled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegexPattern(String);

impl RegexPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// It is none, needs backtracking, is read differently by other engines, fits the empty text, or is
    /// beyond a bound.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        tree(text).map(|_| Self(text.to_owned()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses a pattern that every text of a field holds.
    ///
    /// # Errors
    ///
    /// It fits texts that have nothing in common but what all of the field's have.
    pub fn fits_every(&self, field: Field) -> Result<(), PatternFault> {
        let (kind, samples) = samples(field);
        let tree = self.tree()?;
        let shortest = tree.properties().minimum_len().unwrap_or(usize::MAX);
        if samples.iter().any(|sample| sample.len() < shortest) {
            return Ok(());
        }
        // Two patterns that need a certain run of bytes need no automaton to tell.
        let config = Config::new().utf8_empty(false).auto_prefilter(false).dfa(false).hybrid(false);
        let regex = Regex::builder().configure(config).build_from_hir(&tree);
        let regex = regex.map_err(|fault| syntax(&fault))?;
        match samples.iter().all(|sample| regex.is_match(*sample)) {
            true => Err(PatternFault::FitsAll { kind }),
            false => Ok(()),
        }
    }

    /// The pattern as a tree of bytes.
    pub(super) fn tree(&self) -> Result<Hir, PatternFault> {
        tree(&self.0)
    }
}

impl fmt::Display for RegexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What texts of a field are called, and some that have nothing in common but what all have.
const fn samples(field: Field) -> (&'static str, &'static [&'static str]) {
    match field {
        Field::Uri => ("URI", &["http://0.1.2.3/", "https://[::]:8/~", "ftp://b-c.de/"]),
        Field::Sni => ("server name", &["a.bc", "0.1--2.fg", "h.i.j.kl"]),
        Field::UserAgent => ("user agent", &["a", "0", "~", "/"]),
        Field::Referer => ("referer", &["http://0.1.2.3/", "https://[::]:8/~", "b-c.de"]),
    }
}

/// Reads a pattern into its tree.
pub(super) fn tree(text: &str) -> Result<Hir, PatternFault> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(PatternFault::TooLong { bytes: text.len() });
    }
    prescan(text)?;
    let mut parser = ParserBuilder::new().nest_limit(NESTING_MAX).build();
    let ast = parser.parse(text).map_err(|fault| syntax(fault.kind()))?;
    ast::visit(&ast, Walk { text })?;
    let mut translator =
        TranslatorBuilder::new().unicode(false).utf8(false).case_insensitive(true).build();
    let tree = translator.translate(text, &ast).map_err(|fault| syntax(fault.kind()))?;
    let positions = positions(&tree);
    if positions > POSITIONS_MAX {
        return Err(PatternFault::TooLarge { positions });
    }
    match tree.properties().minimum_len() {
        None => Err(PatternFault::FitsNothing),
        Some(0) => Err(PatternFault::FitsEmpty),
        Some(_) => Ok(tree),
    }
}

fn syntax(reason: &impl ToString) -> PatternFault {
    PatternFault::Syntax { reason: reason.to_string() }
}

/// How many places a tree has with its repeats written out.
fn positions(tree: &Hir) -> u64 {
    let sum = |trees: &[Hir]| trees.iter().map(positions).fold(0, u64::saturating_add);
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => u64::try_from(literal.0.len()).unwrap_or(u64::MAX),
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Concat(trees) | HirKind::Alternation(trees) => sum(trees),
        HirKind::Repetition(repeat) => {
            let count = repeat.max.unwrap_or(repeat.min).max(1);
            positions(&repeat.sub).saturating_mul(u64::from(count))
        }
    }
}

/// Walks the pattern as written and refuses what engines read differently.
struct Walk<'t> {
    text: &'t str,
}

impl Walk<'_> {
    fn part(&self, span: &ast::Span) -> &str {
        self.text.get(span.start.offset..span.end.offset).unwrap_or_default()
    }

    fn ambiguous(&self, span: &ast::Span, why: &'static str) -> Result<(), PatternFault> {
        Err(PatternFault::Ambiguous { part: self.part(span).to_owned(), why })
    }

    fn flags(&self, flags: &ast::Flags) -> Result<(), PatternFault> {
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Negation
                | FlagsItemKind::Flag(Flag::CaseInsensitive | Flag::DotMatchesNewLine) => {}
                FlagsItemKind::Flag(
                    Flag::MultiLine
                    | Flag::SwapGreed
                    | Flag::Unicode
                    | Flag::CRLF
                    | Flag::IgnoreWhitespace,
                ) => {
                    return self.ambiguous(&flags.span, "the flags are `i`, `s` and `-`");
                }
            }
        }
        Ok(())
    }

    fn literal(&self, literal: &ast::Literal) -> Result<(), PatternFault> {
        let ascii = literal.c.is_ascii();
        match &literal.kind {
            LiteralKind::Verbatim | LiteralKind::Meta | LiteralKind::Superfluous if ascii => Ok(()),
            LiteralKind::HexFixed(HexLiteralKind::X) => Ok(()),
            LiteralKind::HexBrace(HexLiteralKind::X) if ascii => Ok(()),
            LiteralKind::Special(
                SpecialLiteralKind::Bell
                | SpecialLiteralKind::FormFeed
                | SpecialLiteralKind::Tab
                | SpecialLiteralKind::LineFeed
                | SpecialLiteralKind::CarriageReturn,
            ) => Ok(()),
            LiteralKind::Special(SpecialLiteralKind::VerticalTab | SpecialLiteralKind::Space) => {
                self.ambiguous(&literal.span, "write `\\x0b` or `\\x20`")
            }
            LiteralKind::Verbatim
            | LiteralKind::Meta
            | LiteralKind::Superfluous
            | LiteralKind::HexBrace(_) => {
                self.ambiguous(&literal.span, "a text is bytes; write each byte as `\\xc3`")
            }
            LiteralKind::Octal
            | LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
                self.ambiguous(&literal.span, "write each byte as `\\xc3`")
            }
        }
    }

    fn repetition(&self, repeat: &ast::Repetition) -> Result<(), PatternFault> {
        if let Ast::Repetition(_) = *repeat.ast {
            return Err(PatternFault::Possessive { part: self.part(&repeat.span).to_owned() });
        }
        let count = match &repeat.op.kind {
            RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => {
                return Ok(());
            }
            RepetitionKind::Range(
                RepetitionRange::Exactly(count)
                | RepetitionRange::AtLeast(count)
                | RepetitionRange::Bounded(_, count),
            ) => *count,
        };
        let written = self.part(&repeat.op.span);
        let is_plain = |letter: char| letter.is_ascii_digit() || ",{}?".contains(letter);
        if written.starts_with("{,") || !written.chars().all(is_plain) {
            return self.ambiguous(&repeat.op.span, "write `{0,9}` for up to nine");
        }
        match count <= REPEATS_MAX {
            true => Ok(()),
            false => Err(PatternFault::Repeats { count }),
        }
    }
}

impl ast::Visitor for Walk<'_> {
    type Output = ();
    type Err = PatternFault;

    fn finish(self) -> Result<(), PatternFault> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), PatternFault> {
        match ast {
            Ast::Empty(_)
            | Ast::Dot(_)
            | Ast::ClassPerl(_)
            | Ast::Alternation(_)
            | Ast::Concat(_) => Ok(()),
            Ast::ClassBracketed(class) => {
                let written = self.part(&class.span);
                match written.starts_with("[:") && written.ends_with(":]") {
                    true => self.ambiguous(&class.span, "write `[[:alpha:]]`"),
                    false => Ok(()),
                }
            }
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Literal(literal) => self.literal(literal),
            Ast::ClassUnicode(class) => {
                self.ambiguous(&class.span, "a text is bytes and has no classes of characters")
            }
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                AssertionKind::WordBoundaryStart
                | AssertionKind::WordBoundaryEnd
                | AssertionKind::WordBoundaryStartAngle
                | AssertionKind::WordBoundaryEndAngle
                | AssertionKind::WordBoundaryStartHalf
                | AssertionKind::WordBoundaryEndHalf => {
                    self.ambiguous(&assertion.span, "write `\\b`, or `[<]` for the character")
                }
            },
            Ast::Repetition(repeat) => self.repetition(repeat),
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => Ok(()),
                GroupKind::NonCapturing(flags) => self.flags(flags),
            },
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), PatternFault> {
        match item {
            ClassSetItem::Empty(_)
            | ClassSetItem::Ascii(_)
            | ClassSetItem::Perl(_)
            | ClassSetItem::Union(_) => Ok(()),
            ClassSetItem::Literal(literal) => self.literal(literal),
            ClassSetItem::Range(range) => {
                self.literal(&range.start)?;
                self.literal(&range.end)
            }
            ClassSetItem::Unicode(class) => {
                self.ambiguous(&class.span, "a text is bytes and has no classes of characters")
            }
            ClassSetItem::Bracketed(class) => {
                self.ambiguous(&class.span, "write `\\[` for a bracket in a class")
            }
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ClassSetBinaryOp) -> Result<(), PatternFault> {
        self.ambiguous(&op.span, "write `\\&`, `\\-` or `\\~` for the characters in a class")
    }
}
