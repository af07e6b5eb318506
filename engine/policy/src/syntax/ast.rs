//! A policy file as written: blocks, attributes and comments, each with its place; no meaning yet.

use super::span::Span;

/// A policy file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ast {
    /// What it holds, in order.
    pub items: Vec<Item>,
}

/// One part of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Comments that stand alone.
    Comments(Vec<Comment>),
    /// A rule.
    Block(Block),
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// How it is written.
    pub kind: CommentKind,
    /// Its text without the marks.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// How a comment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommentKind {
    /// `# ...`
    Hash,
    /// `// ...`
    Slashes,
    /// `/* ... */`
    Enclosed,
}

/// A name and the attributes in its braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Comments right above it.
    pub leading: Vec<Comment>,
    /// Its name.
    pub name: Word,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Comments after its closing brace, on the same line.
    pub trailing: Vec<Comment>,
}

/// One line of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An empty line between two others.
    Blank,
    /// A comment on a line of its own.
    Comment(Comment),
    /// A key and its value.
    Attribute(Attribute),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The key.
    pub key: Word,
    /// The value.
    pub value: Value,
    /// Comments on the same line.
    pub trailing: Vec<Comment>,
}

/// What follows a key's colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, which is a fault.
    Missing,
    /// One text.
    One(Word),
    /// `[ ... ]`
    List(Vec<Element>),
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A comment on a line of its own.
    Comment(Comment),
    /// A text.
    Word {
        /// The text.
        word: Word,
        /// Comments on the same line.
        trailing: Vec<Comment>,
    },
}

/// A text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, without quotes, its escapes resolved.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl Ast {
    /// The blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.items.iter().filter_map(|item| match item {
            Item::Comments(_) => None,
            Item::Block(block) => Some(block),
        })
    }
}

impl Block {
    /// The attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.lines.iter().filter_map(|line| match line {
            Line::Blank | Line::Comment(_) => None,
            Line::Attribute(attribute) => Some(attribute),
        })
    }
}

impl Value {
    /// The texts, in order.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        let (one, list) = match self {
            Self::Missing => (None, [].as_slice()),
            Self::One(word) => (Some(word), [].as_slice()),
            Self::List(elements) => (None, elements.as_slice()),
        };
        one.into_iter().chain(list.iter().filter_map(|element| match element {
            Element::Comment(_) => None,
            Element::Word { word, trailing: _ } => Some(word),
        }))
    }
}
