//! Characters to an `Ast`: total, and goes on after a fault, so that all faults come at once.
//!
//! There is no recursion: a file holds blocks, a block holds attributes, a value is a text or a list
//! of texts. An attribute that opens a block shows that the block before it was not closed, or that a
//! block stands inside another; what follows it tells.

use super::ast::{Ast, Attribute, Block, Comment, Element, Item, Line, Value, Word};
use super::lex::{Cursor, Ending, Opened, is_key_letter};
use super::recover::{Within, attribute_below, goes_on, spaced_name, starts_entry};
use super::shape::Shape;
use super::span::{Lines, Span};
use crate::diagnostic::{Code, Faults, quote};

/// A policy file may not be larger; names belong in lists.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// What a block's body ended with.
enum BodyEnd {
    /// A brace.
    Closed,
    /// The end of the file.
    Unclosed,
    /// The name of the next block, and comments that stood before its brace.
    NextBlock(Word, Vec<Comment>),
}

/// Where a comment belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// Something ended on this line.
    Entry,
    /// The line is empty so far.
    Nothing,
}

pub(super) struct Parser<'p> {
    cursor: Cursor<'p>,
    lines: &'p Lines<'p>,
    faults: &'p mut Faults,
    /// The `{` around the whole file, while it is open.
    object: Option<Span>,
}

impl<'p> Parser<'p> {
    pub(super) fn new(text: &'p str, lines: &'p Lines<'p>, faults: &'p mut Faults) -> Self {
        Self { cursor: Cursor::new(text), lines, faults, object: None }
    }

    fn fault(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.faults.report(self.lines, code, span, message, None);
    }

    /// The whole file.
    pub(super) fn file(mut self) -> Ast {
        let mut items = Vec::new();
        let mut comments = Vec::new();
        let mut follows = Follows::Nothing;
        loop {
            let ends = self.cursor.skip_space();
            if ends > 0 {
                follows = Follows::Nothing;
            }
            if ends > 1 && !comments.is_empty() {
                items.push(Item::Comments(std::mem::take(&mut comments)));
            }
            match self.cursor.peek() {
                None => break,
                Some(',') => drop(self.cursor.bump()),
                Some('{') if self.object.is_none() => self.object = Some(self.cursor.bump()),
                Some('}') if self.object.is_some() => {
                    self.object = None;
                    self.cursor.bump();
                }
                Some('}' | ']') => self.stray_bracket(),
                Some(_) if self.cursor.is_comment() => {
                    let comment = self.comment();
                    match items.last_mut() {
                        Some(Item::Block(block)) if follows == Follows::Entry => {
                            block.trailing.extend(comment);
                        }
                        Some(Item::Block(_) | Item::Comments(_)) | None => comments.extend(comment),
                    }
                }
                Some(_) => {
                    if self.blocks(&mut comments, &mut items) == Follows::Entry {
                        follows = Follows::Entry;
                    }
                }
            }
        }
        if !comments.is_empty() {
            items.push(Item::Comments(comments));
        }
        if let Some(span) = self.object {
            self.fault(Code::UnclosedBlock, span, "the `{` around the whole file is not closed");
        }
        Ast { items }
    }

    fn stray_bracket(&mut self) {
        let span = self.cursor.bump();
        self.fault(Code::StrayBracket, span, "this bracket closes nothing");
    }

    fn comment(&mut self) -> Option<Comment> {
        let (comment, ending) = self.cursor.comment()?;
        if ending == Ending::Unclosed {
            let span = Span::new(comment.span.start, comment.span.start.saturating_add(2));
            self.fault(Code::UnclosedComment, span, "this comment runs to the end of the file");
        }
        Some(comment)
    }

    /// A block, and those that start before it is closed.
    fn blocks(&mut self, leading: &mut Vec<Comment>, items: &mut Vec<Item>) -> Follows {
        let Some((name, hoisted)) = self.block_head() else {
            return Follows::Nothing;
        };
        let mut leading = std::mem::take(leading);
        leading.extend(hoisted);
        let mut block = Block { leading, name, lines: Vec::new(), trailing: Vec::new() };
        let mut around: Vec<Block> = Vec::new();
        loop {
            let is_closed = match self.body(&mut block) {
                BodyEnd::NextBlock(name, leading) => {
                    let next = Block { leading, name, lines: Vec::new(), trailing: Vec::new() };
                    around.push(std::mem::replace(&mut block, next));
                    continue;
                }
                BodyEnd::Closed => true,
                BodyEnd::Unclosed => false,
            };
            let is_inside = is_closed && goes_on(self.cursor.clone(), self.braces_around());
            match around.pop() {
                Some(outer) if is_inside => {
                    self.block_inside(&outer.name, &block.name);
                    items.push(Item::Block(std::mem::replace(&mut block, outer)));
                }
                outer => {
                    around.extend(outer);
                    self.not_closed(&around, &block);
                    items.extend(around.into_iter().chain([block]).map(Item::Block));
                    return Follows::Entry;
                }
            }
        }
    }

    /// How many closing braces belong to what is around all blocks.
    fn braces_around(&self) -> usize {
        usize::from(self.object.is_some())
    }

    fn block_inside(&mut self, outer: &Word, inner: &Word) {
        let (outer, name) = (quote(&outer.text), quote(&inner.text));
        let message = format!("the block {name} starts inside the block {outer}");
        let help = format!("a block holds attributes only; close {outer} with `}}` before {name}");
        self.faults.report(self.lines, Code::UnexpectedText, inner.span, message, Some(help));
    }

    /// Each of these blocks runs into the next one.
    fn not_closed(&mut self, blocks: &[Block], last: &Block) {
        for (block, next) in blocks.iter().zip(blocks.iter().skip(1).chain([last])) {
            let message = format!(
                "the block {} is not closed before the block {} starts in line {}",
                quote(&block.name.text),
                quote(&next.name.text),
                self.lines.number(next.name.span.start),
            );
            self.fault(Code::UnclosedBlock, block.name.span, message);
        }
    }

    /// `name: {`, and the comments between.
    fn block_head(&mut self) -> Option<(Word, Vec<Comment>)> {
        let start = self.cursor.clone();
        let Some(name) = self.key() else {
            let span = self.cursor.skip_line();
            self.fault(Code::UnexpectedText, span, "a rule starts here with `name: {`");
            return None;
        };
        let colon = self.colon(&name);
        let after = self.cursor.clone();
        let mut hoisted = Vec::new();
        self.skip_comments(&mut hoisted);
        if self.cursor.peek() == Some('{') {
            if colon.is_none() {
                let message =
                    format!("there is no colon between {} and its `{{`", quote(&name.text));
                self.fault(Code::MissingColon, name.span, message);
            }
            self.cursor.bump();
            return Some((name, hoisted));
        }
        if let Some(name) = self.spaced_name(&name, &start, Within::File) {
            return Some((name, Vec::new()));
        }
        let message = format!("{} does not open a block with `{{`", quote(&name.text));
        if colon.is_some() && attribute_below(after.clone()) {
            self.fault(Code::UnexpectedText, name.span, message);
            return Some((name, hoisted));
        }
        self.cursor = after;
        self.skip_value();
        let start = start.at();
        let trimmed = self.lines.text(start..self.cursor.at()).trim_end().len();
        let span = Span::new(start, start.saturating_add(trimmed));
        self.fault(Code::UnexpectedText, span, message);
        None
    }

    /// A bare name with white space in it and its brace, `my rule: {`: the checks refuse the name, and
    /// the block is read.
    fn spaced_name(&mut self, key: &Word, start: &Cursor<'_>, within: Within) -> Option<Word> {
        if self.lines.text(key.span.range()).starts_with('"') {
            return None;
        }
        let (span, behind) = spaced_name(start, within)?;
        self.cursor.skip_to(behind);
        Some(Word { text: self.lines.text(span.range()).to_owned(), span })
    }

    /// Passes what stands where a block should be: the line, or in a JSON object the value.
    fn skip_value(&mut self) {
        if self.object.is_none() {
            self.cursor.skip_line();
            return;
        }
        self.cursor.skip_blanks();
        if self.cursor.peek() == Some('"') {
            self.cursor.quoted();
        } else {
            self.cursor.bare_value(Opened::Here);
        }
    }

    /// The attributes up to the closing brace, which is passed.
    fn body(&mut self, block: &mut Block) -> BodyEnd {
        let opened_on = self.lines.index(self.cursor.at());
        let Block { leading: _, name, lines, trailing: _ } = block;
        let mut follows = Follows::Nothing;
        let mut blank = false;
        loop {
            let ends = self.cursor.skip_space();
            if ends > 0 {
                follows = Follows::Nothing;
            }
            blank |= ends > 1;
            match self.cursor.peek() {
                None => {
                    let message = format!("the block {} is not closed", quote(&name.text));
                    self.fault(Code::UnclosedBlock, name.span, message);
                    return BodyEnd::Unclosed;
                }
                Some('}') => {
                    self.cursor.bump();
                    return BodyEnd::Closed;
                }
                Some(',') => drop(self.cursor.bump()),
                Some(_) if self.cursor.is_comment() => {
                    let comment = self.comment();
                    match lines.last_mut() {
                        Some(Line::Attribute(attribute)) if follows == Follows::Entry => {
                            attribute.trailing.extend(comment);
                        }
                        Some(Line::Attribute(_) | Line::Blank | Line::Comment(_)) | None => {
                            push(lines, &mut blank, comment.into_iter().map(Line::Comment));
                        }
                    }
                }
                Some(_) => match self.attribute(opened_on) {
                    Found::Nothing => {}
                    Found::Attribute(attribute, hoisted) => {
                        let hoisted = hoisted.into_iter().map(Line::Comment);
                        let found = hoisted.chain([Line::Attribute(attribute)]);
                        push(lines, &mut blank, found);
                        follows = Follows::Entry;
                    }
                    Found::Block(next, hoisted) => return BodyEnd::NextBlock(next, hoisted),
                },
            }
        }
    }

    /// `key: value`.
    fn attribute(&mut self, opened_on: usize) -> Found {
        let start = self.cursor.clone();
        let Some(key) = self.key() else {
            if matches!(self.cursor.peek(), Some(']')) {
                self.stray_bracket();
            } else {
                let span = self.cursor.skip_line();
                self.fault(
                    Code::UnexpectedText,
                    span,
                    "an attribute starts here with `key: value`",
                );
            }
            return Found::Nothing;
        };
        let colon = self.colon(&key);
        let mut behind = self.cursor.clone();
        behind.skip_blanks();
        if colon.is_none()
            && behind.peek().is_some_and(is_key_letter)
            && let Some(name) = self.spaced_name(&key, &start, Within::Block)
        {
            return Found::Block(name, Vec::new());
        }
        let mut hoisted = Vec::new();
        let after_blank = self.cursor.skip_blanks();
        if after_blank || colon.is_none() {
            while self.cursor.is_comment() {
                hoisted.extend(self.comment());
                self.cursor.skip_blanks();
            }
        }
        self.look_past_lines(&key, &mut hoisted);
        let opens_block = self.cursor.peek() == Some('{');
        if colon.is_none() {
            let message = format!("there is no colon after {}", quote(&key.text));
            self.fault(Code::MissingColon, key.span, message);
        }
        if opens_block {
            self.cursor.bump();
            return Found::Block(key, hoisted);
        }
        let value = self.value(&key, colon, opened_on);
        Found::Attribute(Attribute { key, value, trailing: Vec::new() }, hoisted)
    }

    /// Where the line ends after a colon: goes on to a `{` below, and as far as JSON would where the
    /// key is quoted.
    fn look_past_lines(&mut self, key: &Word, hoisted: &mut Vec<Comment>) {
        if !matches!(self.cursor.peek(), None | Some('\n')) {
            return;
        }
        let here = self.cursor.clone();
        // The comments are read twice where the cursor goes back; their faults only once.
        let mut probe = here.clone();
        loop {
            probe.skip_space();
            if probe.comment().is_none() {
                break;
            }
        }
        let is_quoted = self.lines.text(key.span.range()).starts_with('"');
        if probe.peek() == Some('{') || (is_quoted && !matches!(probe.peek(), None | Some('}'))) {
            self.skip_comments(hoisted);
        } else {
            self.cursor = here;
        }
    }

    /// Passes white space, line ends and comments.
    fn skip_comments(&mut self, found: &mut Vec<Comment>) {
        loop {
            self.cursor.skip_space();
            match self.cursor.is_comment() {
                true => found.extend(self.comment()),
                false => return,
            }
        }
    }

    /// The colon after a key; line ends before it only after a quoted key.
    fn colon(&mut self, key: &Word) -> Option<Span> {
        let here = self.cursor.clone();
        if self.lines.text(key.span.range()).starts_with('"') {
            self.cursor.skip_space();
        } else {
            self.cursor.skip_blanks();
        }
        if self.cursor.peek() == Some(':') {
            return Some(self.cursor.bump());
        }
        self.cursor = here;
        None
    }

    fn key(&mut self) -> Option<Word> {
        match self.cursor.peek()? {
            '"' => Some(self.quoted()),
            _ => self.cursor.bare_key(),
        }
    }

    fn quoted(&mut self) -> Word {
        let quoted = self.cursor.quoted();
        if quoted.ending == Ending::Unclosed {
            self.fault(Code::UnclosedQuote, quoted.word.span, "this quoted text is not closed");
        }
        for span in quoted.bad_escapes {
            self.fault(Code::BadEscape, span, "this is no escape of a quoted text");
        }
        quoted.word
    }

    /// What follows the colon.
    fn value(&mut self, key: &Word, colon: Option<Span>, opened_on: usize) -> Value {
        let shape = Shape::of(&key.text);
        let value = match self.cursor.peek() {
            None | Some('\n' | ',' | '}') => Value::Missing,
            Some('"') => Value::One(self.quoted()),
            Some('[') if self.cursor.opens_list(shape) => {
                let list = self.list(shape);
                self.text_behind_list(opened_on);
                list
            }
            Some(_) => self.bare_value(opened_on),
        };
        let is_empty = match &value {
            Value::Missing => true,
            Value::One(word) => word.text.is_empty(),
            Value::List(_) => value.words().next().is_none(),
        };
        if is_empty && colon.is_some() {
            let message = format!("{} has no value", quote(&key.text));
            self.fault(Code::EmptyValue, key.span, message);
        }
        value
    }

    fn bare_value(&mut self, opened_on: usize) -> Value {
        let opened = match self.lines.index(self.cursor.at()) == opened_on {
            true => Opened::Here,
            false => Opened::Earlier,
        };
        let bare = self.cursor.bare_value(opened);
        if let Some(span) = bare.brace {
            self.fault(Code::BraceAfterBareValue, span, "a bare value runs to the end of its line");
            let mut behind = self.cursor.clone();
            behind.skip_blanks();
            while matches!(behind.peek(), Some('}' | ',')) {
                behind.bump();
                behind.skip_blanks();
            }
            // The block is closed below, so that this brace does not close it.
            if opened == Opened::Earlier && goes_on(behind.clone(), self.braces_around()) {
                self.cursor = behind;
            }
        }
        if bare.word.text.is_empty() { Value::Missing } else { Value::One(bare.word) }
    }

    /// What stands behind the `]` of a list and is no attribute was meant to be a value:
    /// `[::1], 10.0.0.1`.
    fn text_behind_list(&mut self, opened_on: usize) {
        let mut behind = self.cursor.clone();
        behind.skip_blanks();
        while behind.peek() == Some(',') {
            behind.bump();
            behind.skip_blanks();
        }
        let is_end = matches!(behind.peek(), None | Some('\n' | '{' | '}' | ']'));
        if is_end || behind.is_comment() || starts_entry(behind.clone()) {
            return;
        }
        self.cursor = behind;
        let opened = match self.lines.index(self.cursor.at()) == opened_on {
            true => Opened::Here,
            false => Opened::Earlier,
        };
        let word = self.cursor.bare_value(opened).word;
        let message = format!("{} stands behind the list and not in it", quote(&word.text));
        let help = "put all values between the brackets; an IPv6 address in front of others is \
                    written without brackets, `::1, 10.0.0.1`, or inside the list"
            .to_owned();
        self.faults.report(self.lines, Code::UnexpectedText, word.span, message, Some(help));
    }

    /// `[ ... ]`
    fn list(&mut self, shape: Shape) -> Value {
        let open = self.cursor.bump();
        let mut elements = Vec::new();
        let mut follows = Follows::Nothing;
        loop {
            if self.cursor.skip_space() > 0 {
                follows = Follows::Nothing;
            }
            match self.cursor.peek() {
                None | Some('}') => break,
                Some(']') => {
                    self.cursor.bump();
                    return Value::List(elements);
                }
                Some(',') => drop(self.cursor.bump()),
                Some(_) if self.cursor.is_comment() => {
                    let comment = self.comment();
                    match elements.last_mut() {
                        Some(Element::Word { word: _, trailing }) if follows == Follows::Entry => {
                            trailing.extend(comment);
                        }
                        Some(Element::Word { .. } | Element::Comment(_)) | None => {
                            elements.extend(comment.map(Element::Comment));
                        }
                    }
                }
                Some('"') => {
                    elements.push(Element::Word { word: self.quoted(), trailing: Vec::new() });
                    follows = Follows::Entry;
                }
                Some(_) if starts_attribute(self.cursor.rest()) => break,
                Some(_) => {
                    let word = self.cursor.bare_element(shape);
                    if word.text.is_empty() {
                        let span = self.cursor.bump();
                        self.fault(Code::UnexpectedText, span, "this is no entry of a list");
                    } else {
                        elements.push(Element::Word { word, trailing: Vec::new() });
                        follows = Follows::Entry;
                    }
                }
            }
        }
        self.fault(Code::UnclosedList, open, "this list is not closed");
        Value::List(elements)
    }
}

/// What the parser found where an attribute may stand.
enum Found {
    /// A fault, which is reported.
    Nothing,
    /// An attribute, and comments that stood inside it.
    Attribute(Attribute, Vec<Comment>),
    /// The next block.
    Block(Word, Vec<Comment>),
}

/// Appends lines, after a blank one where there was one.
fn push(lines: &mut Vec<Line>, blank: &mut bool, found: impl Iterator<Item = Line>) {
    let is_first = lines.is_empty();
    if std::mem::take(blank) && !is_first {
        lines.push(Line::Blank);
    }
    lines.extend(found);
}

/// Whether a line in a list is rather the next attribute of the block: `word: ...`.
pub(super) fn starts_attribute(line: &str) -> bool {
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let tail = line.trim_start_matches(is_key);
    line.starts_with(|first: char| first.is_ascii_alphabetic())
        && tail
            .strip_prefix(':')
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}
