//! `Ast` to text, in one form: `parse(print(ast))` is `ast` again.

use super::ast::{Ast, Attribute, Block, Comment, CommentKind, Element, Item, Line, Value, Word};
use super::lex::{before_comment, comment_kind, is_key_letter, literal};
use super::parse::starts_attribute;

/// The file in the form that `egpolicy fmt` gives.
#[must_use]
pub fn print(ast: &Ast) -> String {
    let mut out = String::new();
    for (number, item) in ast.items.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        match item {
            Item::Comments(comments) => print_comments(&mut out, "", comments),
            Item::Block(block) => print_block(&mut out, block),
        }
    }
    out
}

fn print_block(out: &mut String, block: &Block) {
    print_comments(out, "", &block.leading);
    print_key(out, &block.name);
    out.push_str(" {\n");
    for line in &block.lines {
        match line {
            Line::Blank => out.push('\n'),
            Line::Comment(comment) => print_comments(out, "    ", std::slice::from_ref(comment)),
            Line::Attribute(attribute) => print_attribute(out, attribute),
        }
    }
    out.push('}');
    print_trailing(out, &block.trailing);
}

fn print_attribute(out: &mut String, attribute: &Attribute) {
    out.push_str("    ");
    print_key(out, &attribute.key);
    out.push(' ');
    match &attribute.value {
        // A comma keeps a quoted key from taking the next line as its value.
        Value::Missing => out.push(','),
        Value::One(word) if is_bare_value(&word.text) => out.push_str(&word.text),
        Value::One(word) => print_quoted(out, &word.text),
        Value::List(elements) if elements.is_empty() => out.push_str("[]"),
        Value::List(elements) => {
            out.push_str("[\n");
            elements.iter().for_each(|element| print_element(out, element));
            out.push_str("    ]");
        }
    }
    print_trailing(out, &attribute.trailing);
}

fn print_element(out: &mut String, element: &Element) {
    match element {
        Element::Comment(comment) => print_comments(out, "        ", std::slice::from_ref(comment)),
        Element::Word { word, trailing } => {
            out.push_str("        ");
            if is_bare_element(&word.text) {
                out.push_str(&word.text);
            } else {
                print_quoted(out, &word.text);
            }
            print_trailing(out, trailing);
        }
    }
}

fn print_comments(out: &mut String, indent: &str, comments: &[Comment]) {
    for comment in comments {
        out.push_str(indent);
        print_comment(out, comment);
        out.push('\n');
    }
}

/// Comments after an entry, and the end of the line.
fn print_trailing(out: &mut String, comments: &[Comment]) {
    for comment in comments {
        out.push(' ');
        print_comment(out, comment);
    }
    out.push('\n');
}

fn print_comment(out: &mut String, comment: &Comment) {
    let (open, close) = match comment.kind {
        CommentKind::Hash => ("#", ""),
        CommentKind::Slashes => ("//", ""),
        CommentKind::Enclosed => ("/*", "*/"),
    };
    out.push_str(open);
    out.push_str(&comment.text);
    out.push_str(close);
}

fn print_key(out: &mut String, key: &Word) {
    if key.text.is_empty()
        || comment_kind(&key.text).is_some()
        || !key.text.chars().all(is_key_letter)
    {
        print_quoted(out, &key.text);
    } else {
        out.push_str(&key.text);
    }
    out.push(':');
}

fn print_quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if u32::from(letter) < 0x1_0000 && super::read::is_forbidden(letter) => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// Whether a text means itself without quotes.
fn is_bare_value(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.chars().any(|letter| letter == '\n' || super::read::is_forbidden(letter))
        && !text.starts_with(['"', '{', '}', '[', ']', ','])
        && !text.ends_with([',', '}'])
        && comment_kind(text).is_none()
        && before_comment(text).len() == text.len()
        && literal(text).is_none_or(|length| length == text.len())
}

fn is_bare_element(text: &str) -> bool {
    is_bare_value(text) && !text.contains([',', '[', ']', '}']) && !starts_attribute(text)
}
