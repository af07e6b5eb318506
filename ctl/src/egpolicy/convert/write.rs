//! The one writer: a draft as policy text in its one form, and the loss report as Markdown and JSON.
//!
//! INVARIANT: every value is written in quotes and read back by the parser of policies. Whether it may
//! stand bare then is said by the language's own printer, and by nobody else.

use std::collections::HashMap;
use std::fmt::Write as _;

use eg_policy::check::{HasUrls, ListContents, Trust, check_with_lists};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::sources::SourceFile;
use eg_policy::syntax::span::is_unprintable;
use eg_policy::syntax::{FILE_BYTES_MAX, parse, print};
use jiff::tz::TimeZone;
use serde_json::json;

use super::draft::{Draft, DraftRule, ListForm, State, Then, What};
use super::report::{Effect, Fault, Kind, Place, Report};
use super::times::{Stretch, midnight};

/// Bytes of a rule's name.
const NAME_BYTES_MAX: usize = 128;

/// Bytes of the text that a client sees.
const DESCRIPTION_BYTES_MAX: usize = 200;

/// What the policy is called while it is looked at.
const FILE: &str = "converted.policy";

/// Names that no rule may have.
const RESERVED: &[&str] = &["invalid-request", "audit-unavailable", "engine-unavailable"];

/// What was converted, for the head of the files.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The format.
    pub format: &'static str,
    /// The file or folder.
    pub input: String,
}

/// The rules of a draft as a policy file.
///
/// # Errors
///
/// A [`Fault`] where the text is not what a policy file may be: a mistake of the converter, after which
/// nothing is written.
pub(crate) fn policy(draft: &Draft, origin: &Origin, zone: &TimeZone) -> Result<String, Fault> {
    let mut text = format!("# Converted by egpolicy from {}.\n", one_line(&origin.input));
    text.push_str(
        "# What could not be carried over stands in the loss report beside this file.\n\n",
    );
    let mut names = Names::default();
    for rule in &draft.rules {
        for stretch in rule.when.stretches() {
            write_rule(&mut text, rule, &stretch, &mut names, zone);
            if text.len() > FILE_BYTES_MAX {
                let what = format!(
                    "the policy would be larger than {FILE_BYTES_MAX} bytes; split the configuration"
                );
                return Err(Fault { place: Place::new(&origin.input, 0), what });
            }
        }
    }
    let own = |faults: &[Diagnostic]| {
        let found = faults.iter().find(|fault| fault.severity == Severity::Error)?;
        let what = format!(
            "the converter wrote a policy with a fault, which is a mistake of its own: {}",
            found.message
        );
        Some(Fault { place: Place::new(&origin.input, 0), what })
    };
    let (ast, faults) = parse(FILE, &text);
    if let Some(fault) = own(&faults) {
        return Err(fault);
    }
    let text = print(&ast);
    let file = (SourceFile::new(FILE, text.as_str()), Trust::Operator);
    // What is in the lists was looked at where they were made.
    let contents = || ListContents { urls: HasUrls::Present, ..ListContents::default() };
    let (_, faults) = check_with_lists(&[file], |_| Ok(contents()));
    own(&faults).map_or(Ok(text), Err)
}

fn write_rule(
    text: &mut String,
    rule: &DraftRule,
    stretch: &Stretch,
    names: &mut Names,
    zone: &TimeZone,
) {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    let mut line = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            lines.push((key.to_owned(), values));
        }
    };
    let everybody = rule.who.addresses.is_empty() && rule.who.users.is_empty();
    if matches!(rule.what, What::Everything) && everybody {
        line("match-source", vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]);
    }
    line("match-source", rule.who.addresses.clone());
    line("match-user", rule.who.users.clone());
    for (attribute, values) in asked("match", &rule.what) {
        line(&attribute, values);
    }
    for except in &rule.except {
        for (attribute, values) in asked("except", except) {
            line(&attribute, values);
        }
    }
    line("time-window", stretch.windows.iter().cloned().collect());
    line("valid-from", stretch.from.iter().map(|from| midnight(*from, zone)).collect());
    line("valid-until", stretch.until.iter().map(|until| midnight(*until, zone)).collect());
    if rule.state == State::Off {
        line("enabled", vec!["false".to_owned()]);
    }
    let action = match rule.then {
        Then::Permit => "permit",
        Then::Deny => "deny",
    };
    line("action", vec![action.to_owned()]);
    line("description", rule.description.iter().map(|about| shortened(about)).collect());
    let _ = writeln!(text, "# {}", one_line(&rule.place.to_string()));
    let _ = writeln!(text, "{}: {{", names.unique(&rule.name));
    for (key, values) in merged(lines) {
        write_values(text, &key, &values);
    }
    text.push_str("}\n\n");
}

/// The attribute and its values.
fn asked(before: &str, what: &What) -> Vec<(String, Vec<String>)> {
    let (name, values) = match what {
        What::Everything => return Vec::new(),
        What::Lists(lists) => ("domain-list", lists.iter().map(listed).collect()),
        What::AnyAddress => ("destination", vec!["any-literal".to_owned()]),
        What::Expressions(patterns) => ("uri-regex", patterns.to_vec()),
        What::Agents(patterns) => ("user-agent-regex", patterns.to_vec()),
    };
    vec![(format!("{before}-{name}"), values)]
}

fn listed((path, form): &(String, ListForm)) -> String {
    match form {
        ListForm::Plain => format!("{path} as plain"),
        ListForm::Urls => format!("{path} as urls"),
    }
}

/// Values of one attribute together: a key may come twice, and reads better once.
fn merged(lines: Vec<(String, Vec<String>)>) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for (key, values) in lines {
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => known.extend(values),
            None => found.push((key, values)),
        }
    }
    found
}

fn write_values(text: &mut String, key: &str, values: &[String]) {
    if let [value] = values {
        let _ = writeln!(text, "    {key}: {}", written(value));
        return;
    }
    let _ = writeln!(text, "    {key}: [");
    for value in values {
        let _ = writeln!(text, "        {}", written(value));
    }
    text.push_str("    ]\n");
}

/// A value in quotes, with an escape for all that has no place in a policy or would end the value.
fn written(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            // All of them have one half alone in UTF-16.
            letter if is_unprintable(letter) => {
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// The names of rules and lists that are taken.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each with the number that the next one of its kind is tried with.
    taken: HashMap<String, u64>,
}

impl Names {
    /// A legal name that nobody has yet.
    fn unique(&mut self, name: &str) -> String {
        let mut own = word(name);
        if own.starts_with("default-") || RESERVED.contains(&own.as_str()) {
            own.insert_str(0, "rule-");
        }
        self.free(own)
    }

    /// A text as a word that nobody has yet.
    pub(crate) fn free_word(&mut self, text: &str) -> String {
        self.free(word(text))
    }

    fn free(&mut self, mut own: String) -> String {
        // Room for a number behind it.
        own.truncate(NAME_BYTES_MAX - 12);
        let mut number = self.taken.get(&own).copied().unwrap_or(1);
        let mut found = own.clone();
        while self.taken.contains_key(&found) {
            number += 1;
            found = format!("{own}-{number}");
        }
        self.taken.insert(found.clone(), 1);
        self.taken.insert(own, number);
        found
    }
}

/// A text as a word of a name or a path: other characters become `_`.
fn word(text: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let mut word: String = text.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    word.truncate(NAME_BYTES_MAX);
    if word.is_empty() { "_".to_owned() } else { word }
}

fn shortened(text: &str) -> String {
    let mut short = String::new();
    for c in one_line(text).chars() {
        if short.len() + c.len_utf8() > DESCRIPTION_BYTES_MAX {
            break;
        }
        short.push(c);
    }
    short
}

/// Text without control characters and marks of direction, so that it stays on its line and reads as it is.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

/// The loss report for people.
#[must_use]
pub fn losses_markdown(report: &Report, origin: &Origin) -> String {
    let mut text = format!("# What became of {}\n\n", one_line(&origin.input));
    let losses = report.losses();
    let _ = match losses {
        0 => writeln!(text, "Read as {}. Nothing was lost.", origin.format),
        _ => writeln!(text, "Read as {}. Not carried over: {losses}.", origin.format),
    };
    for kind in Kind::ALL {
        let count = report.of(*kind);
        if count == 0 {
            continue;
        }
        let _ = writeln!(text, "\n## {}: {count} ({})\n", kind.id(), kind.effect().as_str());
        let _ = writeln!(text, "{}.\n", sentence(kind.about()));
        let mut shown = 0_u64;
        for remark in report.remarks().iter().filter(|remark| remark.kind == *kind) {
            let place = Place::new(&remark.file, remark.line).to_string();
            let what = one_line(&remark.what).replace('`', "'");
            let _ = writeln!(text, "- {}: `{}`", one_line(&place), what.trim());
            shown += 1;
        }
        if count > shown {
            let _ = writeln!(text, "- and {} more", count - shown);
        }
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The loss report for programs.
#[must_use]
pub fn losses_json(report: &Report, origin: &Origin) -> serde_json::Value {
    let counts = report.counts().iter().map(|((kind, file), count)| {
        json!({
            "kind": kind.id(),
            "effect": kind.effect().as_str(),
            "file": file,
            "count": count,
        })
    });
    let remarks = report.remarks().iter().map(|remark| {
        json!({
            "kind": remark.kind.id(),
            "effect": remark.kind.effect().as_str(),
            "loss": remark.kind.effect() != Effect::Nothing,
            "file": remark.file,
            "line": remark.line,
            "what": remark.what,
        })
    });
    json!({
        "format": origin.format,
        "input": origin.input,
        "losses": report.losses(),
        "counts": counts.collect::<Vec<_>>(),
        "remarks": remarks.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use eg_policy::syntax::ast::{Line, Value};

    use super::super::draft::Who;
    use super::super::times::Times;
    use super::*;

    fn origin() -> Origin {
        Origin { format: "squidguard", input: "a\nb\u{202e}: { # x".to_owned() }
    }

    fn rule(name: &str) -> DraftRule {
        DraftRule {
            name: name.to_owned(),
            place: Place::new("a\n\u{202e}b", 3),
            who: Who::default(),
            what: What::Everything,
            except: Vec::new(),
            when: Times::always(),
            then: Then::Deny,
            description: None,
            state: State::On,
        }
    }

    #[test]
    fn any_name_and_value_is_written_so_that_it_is_read_again() {
        let mut draft = Draft::default();
        for name in
            ["default-x", "default-x", "a b", "", "\u{e9}}", "invalid-request", &"n".repeat(300)]
        {
            let patterns = ["a{2} # \\.b,".to_owned(), "\"x}".to_owned()];
            draft.rules.push(DraftRule {
                who: Who {
                    addresses: Vec::new(),
                    users: vec!["ann".to_owned(), "dom\\bob".to_owned()],
                },
                what: What::Expressions(patterns.into()),
                description: Some("x\ny".repeat(300)),
                state: State::Off,
                ..rule(name)
            });
        }
        let text = policy(&draft, &origin(), &TimeZone::UTC).unwrap();
        let (ast, faults) = parse("x", &text);
        assert!(faults.is_empty(), "{faults:?}\n{text}");
        assert_eq!(print(&ast), text);
        assert_eq!(text.matches("match-user").count(), 7);
        for name in ["rule-default-x:", "rule-default-x-2:", "a_b:", "_:", "rule-invalid-request:"]
        {
            assert!(text.contains(&format!("\n{name} {{")), "{name}\n{text}");
        }
    }

    /// Values made of all that means something to the language, or is forbidden in it.
    fn odd_values() -> Vec<String> {
        const LETTERS: [&str; 26] = [
            "a",
            "Z",
            "0",
            "-",
            ":",
            "a: ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\"",
            "\\",
            "#",
            "/",
            "*",
            " ",
            "\t",
            "\n",
            "\r",
            "=",
            "\u{1}",
            "\u{7f}",
            "\u{85}",
            "\u{202e}",
            "\u{1f600}",
        ];
        let mut found = LETTERS.map(str::to_owned).to_vec();
        for _ in 2..=3 {
            let before = found.clone();
            let longer =
                before.iter().flat_map(|front| LETTERS.map(|last| format!("{front}{last}")));
            found.extend(longer);
        }
        let others = ["true", "null", "1e5", "[[[[[[[[", "http:", "ads[[:", "\u{1}} x: y"];
        found.extend(others.map(str::to_owned));
        found.sort();
        found.dedup();
        found
    }

    /// The texts of the values of a key, in a policy that has it once in each block.
    fn read_back(text: &str, key: &str) -> Vec<Vec<String>> {
        let (ast, faults) = parse("x", text);
        assert!(faults.is_empty(), "{faults:?}");
        let lines = ast.blocks().flat_map(|block| &block.lines);
        let values = lines.filter_map(|line| match line {
            Line::Attribute(own) if own.key.text == key => Some(&own.value),
            Line::Attribute(_) | Line::Blank | Line::Comment(_) => None,
        });
        let words = |value: &Value| value.words().map(|word| word.text.clone()).collect();
        values.map(words).collect()
    }

    #[test]
    fn any_value_is_read_back_alone_and_in_every_place_of_a_list() {
        let values = odd_values();
        assert!(values.len() > 15_000, "{}", values.len());
        // Values that a comma ends, and values that it does not end.
        for key in ["match-user", "match-uri-regex"] {
            let mut text = String::new();
            let mut expected = Vec::new();
            for value in &values {
                let x = "x".to_owned();
                let alone = vec![value.clone()];
                let list = vec![value.clone(), x.clone(), value.clone(), x, value.clone()];
                for values in [alone, list] {
                    text.push_str("a: {\n");
                    write_values(&mut text, key, &values);
                    text.push_str("}\n");
                    expected.push(values);
                }
            }
            let (ast, faults) = parse("x", &text);
            assert!(faults.is_empty(), "{key}: {faults:?}");
            for text in [&text, &print(&ast)] {
                let found = read_back(text, key);
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn names_of_which_there_are_many_are_found_at_once() {
        let mut names = Names::default();
        let taken: std::collections::HashSet<_> =
            (0..100_000).map(|_| names.unique("a-x")).collect();
        assert_eq!(taken.len(), 100_000);
        assert_eq!(names.unique("a-x-7"), "a-x-7-2");
    }
}
