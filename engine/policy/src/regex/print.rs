//! A pattern as Hyperscan is told it: the tree written out, byte for byte, so that nothing is left to
//! the dialect of its parser; and the variant of a pattern that asks for what no later byte can change.

use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look, LookSet};

/// Something that Hyperscan has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unprintable;

/// A pattern as Hyperscan is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Printed {
    /// The expression.
    pub(super) text: String,
    /// Whether the library folds case in it.
    pub(super) case: Case,
}

/// Who folds case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// The library; every letter stands once in the expression.
    Folded,
    /// Nobody: the expression says which letters are meant.
    Exact,
}

/// The expression for Hyperscan. The tree has both cases of a letter wherever either fits. Where that
/// is so everywhere, the expression has one and the library's own flag says the rest, which it compiles
/// in less time.
pub(super) fn print(tree: &Hir) -> Result<Printed, Unprintable> {
    let case = if is_folded(tree) { Case::Folded } else { Case::Exact };
    let mut text = String::new();
    write(tree, case, &mut text)?;
    Ok(Printed { text, case })
}

/// Whether letters of both cases fit everywhere.
pub(super) fn is_folded(tree: &Hir) -> bool {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().any(u8::is_ascii_alphabetic),
        HirKind::Class(class) => bytes(class).is_some_and(|class| {
            let mut folded = class.clone();
            folded.case_fold_simple();
            folded == class
        }),
        HirKind::Capture(capture) => is_folded(&capture.sub),
        HirKind::Repetition(repeat) => is_folded(&repeat.sub),
        HirKind::Concat(trees) | HirKind::Alternation(trees) => trees.iter().all(is_folded),
    }
}

/// The bytes of a class. The parser makes one of characters out of a choice of letters, `(a|b)`.
pub(super) fn bytes(class: &Class) -> Option<ClassBytes> {
    match class {
        Class::Bytes(class) => Some(class.clone()),
        Class::Unicode(class) => class.to_byte_class(),
    }
}

fn write(tree: &Hir, case: Case, text: &mut String) -> Result<(), Unprintable> {
    match tree.kind() {
        HirKind::Empty => text.push_str("(?:)"),
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| write_byte(*byte, text)),
        HirKind::Class(class) => write_class(class, case, text)?,
        HirKind::Look(look) => write_look(*look, text)?,
        HirKind::Capture(capture) => write_group(&capture.sub, case, text)?,
        HirKind::Concat(trees) => {
            for tree in trees {
                write(tree, case, text)?;
            }
        }
        HirKind::Alternation(trees) => {
            text.push_str("(?:");
            for (place, tree) in trees.iter().enumerate() {
                if place > 0 {
                    text.push('|');
                }
                write(tree, case, text)?;
            }
            text.push(')');
        }
        HirKind::Repetition(repeat) => {
            write_group(&repeat.sub, case, text)?;
            match (repeat.min, repeat.max) {
                (0, None) => text.push('*'),
                (1, None) => text.push('+'),
                (0, Some(1)) => text.push('?'),
                (min, None) => text.push_str(&format!("{{{min},}}")),
                (min, Some(max)) => text.push_str(&format!("{{{min},{max}}}")),
            }
        }
    }
    Ok(())
}

fn write_look(look: Look, text: &mut String) -> Result<(), Unprintable> {
    text.push_str(match look {
        Look::Start => "^",
        Look::End => "\\z",
        Look::WordAscii => "\\b",
        Look::WordAsciiNegate => "\\B",
        Look::StartLF
        | Look::EndLF
        | Look::StartCRLF
        | Look::EndCRLF
        | Look::WordUnicode
        | Look::WordUnicodeNegate
        | Look::WordStartAscii
        | Look::WordEndAscii
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfAscii
        | Look::WordEndHalfAscii
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => return Err(Unprintable),
    });
    Ok(())
}

fn write_group(tree: &Hir, case: Case, text: &mut String) -> Result<(), Unprintable> {
    if let HirKind::Class(_) = tree.kind() {
        return write(tree, case, text);
    }
    if let HirKind::Capture(capture) = tree.kind() {
        return write_group(&capture.sub, case, text);
    }
    text.push_str("(?:");
    write(tree, case, text)?;
    text.push(')');
    Ok(())
}

fn write_byte(byte: u8, text: &mut String) {
    match byte.is_ascii_alphanumeric() || b"/-_:&=%".contains(&byte) {
        true => text.push(char::from(byte)),
        false => text.push_str(&format!("\\x{byte:02x}")),
    }
}

fn write_class(class: &Class, case: Case, text: &mut String) -> Result<(), Unprintable> {
    let class = bytes(class).ok_or(Unprintable)?;
    match (class.ranges(), case) {
        ([], _) => return Err(Unprintable),
        ([upper, lower], Case::Folded)
            if upper.start() == upper.end()
                && lower.start() == lower.end()
                && upper.start().to_ascii_lowercase() == lower.start() =>
        {
            write_byte(lower.start(), text);
            return Ok(());
        }
        (_, Case::Folded | Case::Exact) => {}
    }
    text.push('[');
    for range in class.ranges() {
        text.push_str(&format!("\\x{:02x}", range.start()));
        if range.end() > range.start() {
            text.push_str(&format!("-\\x{:02x}", range.end()));
        }
    }
    text.push(']');
    Ok(())
}

/// Whether a match in a text stays one whatever follows the text.
#[derive(Debug, Clone)]
pub(super) enum Lasting {
    /// It does, as the pattern stands.
    Always,
    /// A match of this variant does.
    Of(Hir),
    /// None does: the pattern must see the end.
    Never,
}

/// What of a pattern lasts. A match that used the end of the text does not, and one that used `\B` may
/// not. `\b` after the last byte that is known fails there as long as that byte is no letter, as the
/// slash that ends what is known of a tunnel is none.
pub(super) fn lasting(tree: &Hir) -> Lasting {
    let passing = LookSet::singleton(Look::Start).insert(Look::WordAscii);
    if tree.properties().look_set().subtract(passing).is_empty() {
        return Lasting::Always;
    }
    match without_end(tree) {
        Some(tree) if tree.properties().minimum_len() > Some(0) => Lasting::Of(tree),
        Some(_) | None => Lasting::Never,
    }
}

/// The tree with every way through the end of the text, or through `\B`, cut off; nothing, where no way
/// is left.
fn without_end(tree: &Hir) -> Option<Hir> {
    match tree.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => Some(tree.clone()),
        HirKind::Look(Look::Start | Look::WordAscii) => Some(tree.clone()),
        HirKind::Look(_) => None,
        HirKind::Capture(capture) => without_end(&capture.sub),
        HirKind::Concat(trees) => {
            trees.iter().map(without_end).collect::<Option<Vec<_>>>().map(Hir::concat)
        }
        HirKind::Alternation(trees) => {
            let left: Vec<Hir> = trees.iter().filter_map(without_end).collect();
            (!left.is_empty()).then(|| Hir::alternation(left))
        }
        HirKind::Repetition(repeat) => match without_end(&repeat.sub) {
            Some(sub) => {
                let mut repeat = repeat.clone();
                repeat.sub = Box::new(sub);
                Some(Hir::repetition(repeat))
            }
            None => (repeat.min == 0).then(Hir::empty),
        },
    }
}
