//! Changes of one rule in the text of a policy file. Comments stay, and so does the text of every other
//! rule; the rule itself is written in the form of `egpolicy fmt`.
//!
//! INVARIANT: a text is given back only if parsing it gives what was meant.

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::syntax::ast::{Ast, Attribute, Block, Element, Item, Line, Value};
use eg_policy::syntax::{parse, print};

/// Why a rule cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleFault {
    /// The file cannot be read.
    #[error("the file has a fault in line {line}: {message}; put it right with `edit`")]
    Syntax {
        /// The line.
        line: u32,
        /// The fault.
        message: String,
    },
    /// There is no such rule.
    #[error("there is no rule `{0}` in the file")]
    NoRule(String),
    /// There is no such attribute.
    #[error("the rule `{rule}` has no `{attribute}`")]
    NoAttribute {
        /// The rule.
        rule: String,
        /// The attribute.
        attribute: String,
    },
    /// It cannot be written.
    #[error("`{0}` cannot be written as the value of an attribute; use `edit`")]
    Value(String),
    /// The place of the rule is odd.
    #[error("the rule `{0}` stands so that it cannot be changed alone; use `edit`")]
    Place(String),
}

/// Whether the text has the rule.
pub(crate) fn has_rule(text: &str, rule: &str) -> bool {
    parse("", text).0.blocks().any(|block| block.name.text == rule)
}

/// The text with an attribute of a rule set to a value; a rule that is not there comes at the end.
///
/// # Errors
///
/// [`RuleFault`]
pub(crate) fn set(
    text: &str,
    rule: &str,
    attribute: &str,
    value: &str,
) -> Result<String, RuleFault> {
    let ast = read(text)?;
    let new = attribute_of(rule, attribute, value)?;
    let Some(block) = ast.blocks().find(|block| block.name.text == rule) else {
        let between = match text {
            "" => "",
            text if text.ends_with("\n\n") => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let block = mini(rule, &new)?;
        let longer = format!("{text}{between}{block}");
        let mut wanted = ast;
        wanted.items.extend(parse("", &block).0.items);
        return checked(longer, &wanted, rule);
    };
    let mut changed = block.clone();
    let mut is_there = false;
    changed.lines.retain_mut(|line| match line {
        Line::Attribute(found) if found.key.text == attribute => {
            let is_first = !is_there;
            is_there = true;
            if is_first {
                found.value = new.value.clone();
            }
            is_first
        }
        Line::Attribute(_) | Line::Blank | Line::Comment(_) => true,
    });
    if !is_there {
        changed.lines.push(Line::Attribute(new));
    }
    replace(text, &ast, block, Some(changed))
}

/// The text without an attribute of a rule.
///
/// # Errors
///
/// [`RuleFault`]
pub(crate) fn delete_attribute(
    text: &str,
    rule: &str,
    attribute: &str,
) -> Result<String, RuleFault> {
    let ast = read(text)?;
    let block = block_of(&ast, rule)?;
    let mut changed = block.clone();
    changed.lines.retain(|line| match line {
        Line::Attribute(found) => found.key.text != attribute,
        Line::Blank | Line::Comment(_) => true,
    });
    if changed.lines.len() == block.lines.len() {
        let (rule, attribute) = (rule.to_owned(), attribute.to_owned());
        return Err(RuleFault::NoAttribute { rule, attribute });
    }
    replace(text, &ast, block, Some(changed))
}

/// The text without a rule, and without the comments right above it.
///
/// # Errors
///
/// [`RuleFault`]
pub(crate) fn delete_rule(text: &str, rule: &str) -> Result<String, RuleFault> {
    let ast = read(text)?;
    let block = block_of(&ast, rule)?;
    replace(text, &ast, block, None)
}

fn block_of<'a>(ast: &'a Ast, rule: &str) -> Result<&'a Block, RuleFault> {
    let found = ast.blocks().find(|block| block.name.text == rule);
    found.ok_or_else(|| RuleFault::NoRule(rule.to_owned()))
}

fn read(text: &str) -> Result<Ast, RuleFault> {
    let (ast, faults) = parse("", text);
    match first_error(&faults) {
        None => Ok(ast),
        Some(fault) => {
            Err(RuleFault::Syntax { line: fault.place.line, message: fault.message.clone() })
        }
    }
}

fn first_error(faults: &[Diagnostic]) -> Option<&Diagnostic> {
    faults.iter().find(|fault| fault.severity == Severity::Error)
}

/// An attribute as a file would have it, bare where that can be, else in quotes.
fn attribute_of(rule: &str, attribute: &str, value: &str) -> Result<Attribute, RuleFault> {
    let none = || RuleFault::Value(value.to_owned());
    let json = serde_json::Value::from(value).to_string();
    for written in [value, json.as_str()] {
        if written.contains(['\n', '\r']) {
            continue;
        }
        let text = format!("{rule}: {{\n    {attribute}: {written}\n}}\n");
        let (ast, faults) = parse("", &text);
        let mut blocks = ast.blocks();
        let (Some(block), None, None) = (blocks.next(), blocks.next(), first_error(&faults)) else {
            continue;
        };
        if let [Line::Attribute(found)] = block.lines.as_slice()
            && found.key.text == attribute
            && block.name.text == rule
            && found.trailing.is_empty()
            && found.value.words().next().is_some()
        {
            return Ok(found.clone());
        }
    }
    Err(none())
}

/// A file of one rule with one attribute.
fn mini(rule: &str, attribute: &Attribute) -> Result<String, RuleFault> {
    let (mut ast, _) = parse("", &format!("{rule}: {{\n    x: x\n}}\n"));
    for item in &mut ast.items {
        if let Item::Block(block) = item {
            block.lines = vec![Line::Attribute(attribute.clone())];
            return Ok(print(&ast));
        }
    }
    Err(RuleFault::Value(rule.to_owned()))
}

/// The text with a block replaced, or taken away with its comments.
fn replace(text: &str, ast: &Ast, block: &Block, with: Option<Block>) -> Result<String, RuleFault> {
    let odd = || RuleFault::Place(block.name.text.clone());
    let end = end_of(text, block).ok_or_else(odd)?;
    let first = match (&with, block.leading.first()) {
        (None, Some(comment)) => comment.span.start,
        (None | Some(_), _) => block.name.span.start,
    };
    let before = text.get(..first).ok_or_else(odd)?;
    let after = text.get(end..).ok_or_else(odd)?;
    let mut wanted = ast.clone();
    let at = wanted.items.iter().position(|item| match item {
        Item::Block(found) => found.name.span == block.name.span,
        Item::Comments(_) => false,
    });
    let at = at.ok_or_else(odd)?;
    let middle = match with {
        None => {
            wanted.items.remove(at);
            String::new()
        }
        Some(changed) => {
            let alone = Block { leading: Vec::new(), ..changed.clone() };
            if let Some(item) = wanted.items.get_mut(at) {
                *item = Item::Block(changed);
            }
            print(&Ast { items: vec![Item::Block(alone)] })
        }
    };
    let longer = if middle.is_empty() {
        // One empty line is enough where two rules come together.
        let after = after.strip_prefix('\n').unwrap_or(after);
        let after = if before.is_empty() || before.ends_with("\n\n") {
            after.trim_start_matches('\n')
        } else {
            after
        };
        let before = match after {
            "" => before.strip_suffix("\n\n").map(|before| format!("{before}\n")),
            _ => None,
        }
        .unwrap_or_else(|| before.to_owned());
        format!("{before}{after}")
    } else {
        format!("{before}{}{after}", middle.trim_end_matches('\n'))
    };
    checked(longer, &wanted, &block.name.text)
}

/// The byte behind the closing brace and the comments on its line.
fn end_of(text: &str, block: &Block) -> Option<usize> {
    if let Some(comment) = block.trailing.last() {
        return Some(comment.span.end);
    }
    // The last thing inside; what follows it is white space, commas, the brackets of a list and the brace.
    let last = block.lines.iter().map(end_of_line).max().unwrap_or(block.name.span.end);
    let rest = text.get(last..)?;
    let brace = rest.find('}')?;
    let between = rest.get(..brace)?;
    let is_plain =
        |letter: char| letter.is_whitespace() || matches!(letter, ',' | ']' | '[' | ':' | '{');
    between.chars().all(is_plain).then(|| last.saturating_add(brace).saturating_add(1))
}

fn end_of_line(line: &Line) -> usize {
    match line {
        Line::Blank => 0,
        Line::Comment(comment) => comment.span.end,
        Line::Attribute(Attribute { key, value, trailing }) => {
            let comments = trailing.iter().map(|comment| comment.span.end);
            let values = match value {
                Value::Missing => Vec::new(),
                Value::One(word) => vec![word.span.end],
                Value::List(elements) => elements.iter().map(end_of_element).collect(),
            };
            comments.chain(values).fold(key.span.end, usize::max)
        }
    }
}

fn end_of_element(element: &Element) -> usize {
    match element {
        Element::Comment(comment) => comment.span.end,
        Element::Word { word, trailing } => {
            trailing.iter().map(|comment| comment.span.end).fold(word.span.end, usize::max)
        }
    }
}

/// The text, if it says what was meant.
fn checked(text: String, wanted: &Ast, rule: &str) -> Result<String, RuleFault> {
    let (found, faults) = parse("", &text);
    if first_error(&faults).is_none() && print(&found) == print(wanted) {
        return Ok(text);
    }
    Err(RuleFault::Place(rule.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# of the house\n\n# about a\na: { # first\n    match-domain: a.test   # inside\n    \
                        # why\n    action: deny\n} # end\n\nb: {\n  match-uri: [ # list\n    \
                        http://b.test/x,y # }\n    # ]\n  ]\n}\n\"c\": { \"match-domain\": \"c.test\" }\n";

    fn check(made: Result<String, RuleFault>, from: &str, to: &str) {
        let expected = FILE.replacen(from, to, 1);
        assert_ne!(expected, FILE, "{from}");
        assert_eq!(made.unwrap(), expected);
    }

    #[test]
    fn a_value_is_set_in_its_place() {
        let made = set(FILE, "a", "action", "permit").unwrap();
        assert!(made.contains("action: permit\n") && made.contains("# inside"), "{made}");
        assert!(made.contains("# about a\na: {") && made.contains("} # end"), "{made}");
        // The text of the others is the same to the letter.
        let rest = FILE.split_once("# end").unwrap().1;
        assert!(made.ends_with(rest), "{made}");
        let made = set(FILE, "b", "match-uri", "http://b.test/z").unwrap();
        assert!(made.contains("b: {\n    match-uri: http://b.test/z\n}\n\"c\""), "{made}");
        let made = set(FILE, "c", "description", "it's \"so\" # here").unwrap();
        let (ast, _) = parse("", &made);
        let block = ast.blocks().last().unwrap();
        let words: Vec<_> = block
            .attributes()
            .flat_map(|found| found.value.words())
            .map(|word| &word.text)
            .collect();
        assert_eq!(words, ["c.test", "it's \"so\" # here"]);
    }

    #[test]
    fn values_of_every_shape_are_written() {
        for value in [
            "a.test, b.test",
            "^/x\\.(?:y|z)$",
            "http://[2001:db8::1]/#x",
            "true",
            "two words",
            "# no comment",
            "{ brace",
            "\"quoted\"",
            "[ \"a.test\", \"b.test\" ]",
        ] {
            let made = set(FILE, "a", "match-domain", value).unwrap();
            assert!(parse("", &made).1.is_empty(), "{value}\n{made}");
            let made = set("", "new", "match-domain", value).unwrap();
            assert!(has_rule(&made, "new"), "{made}");
        }
        assert!(set(FILE, "a", "match-domain", "").is_err());
        // Whatever is taken stays one value of this rule.
        for value in ["a\nb: {", "}\nb: {", "\", \"action\": \"permit", "x\u{1b}"] {
            if let Ok(made) = set(FILE, "a", "description", value) {
                let (ast, _) = parse("", &made);
                let keys: Vec<usize> =
                    ast.blocks().map(|block| block.attributes().count()).collect();
                assert_eq!(keys, [3, 1, 1], "{value:?}");
            }
        }
        assert!(set(FILE, "a", "action: x\n}\nb", "x").is_err());
        assert!(set("", "a b: {", "action", "x").is_err());
    }

    #[test]
    fn a_new_rule_comes_at_the_end() {
        let made = set(FILE, "d", "match-domain", "d.test").unwrap();
        assert_eq!(made, format!("{FILE}\nd: {{\n    match-domain: d.test\n}}\n"));
        assert_eq!(set("", "d", "tls", "bump").unwrap(), "d: {\n    tls: bump\n}\n");
        assert!(set("# a", "d", "tls", "bump").unwrap().starts_with("# a\n\nd: {"));
    }

    #[test]
    fn rules_and_attributes_are_taken_away() {
        let made = delete_rule(FILE, "a").unwrap();
        assert!(made.starts_with("# of the house\n\nb: {\n  match-uri: [ # list\n"), "{made}");
        let made = delete_rule(FILE, "b").unwrap();
        assert!(made.contains("} # end\n\n\"c\": {"), "{made}");
        let made = delete_rule(FILE, "c").unwrap();
        check(Ok(made), "\"c\": { \"match-domain\": \"c.test\" }\n", "");
        assert_eq!(delete_rule("a: {\n tls: bump\n}\n", "a").unwrap(), "");
        let made = delete_attribute(FILE, "a", "action").unwrap();
        assert!(!made.contains("action") && made.contains("# why"), "{made}");
        assert_eq!(delete_rule(FILE, "z"), Err(RuleFault::NoRule("z".to_owned())));
        let missing = delete_attribute(FILE, "a", "tls");
        assert!(matches!(missing, Err(RuleFault::NoAttribute { .. })));
    }

    #[test]
    fn a_faulty_file_is_left_alone() {
        for text in ["a: {\n action deny\n}\n", "a: {\n tls: bump\n", "}"] {
            assert!(
                matches!(set(text, "a", "tls", "bump"), Err(RuleFault::Syntax { .. })),
                "{text}"
            );
        }
    }
}
