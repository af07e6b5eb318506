//! The one writer: a draft as policy text in its one form, and the loss report as Markdown and JSON.

use std::collections::HashSet;
use std::fmt::Write as _;

use eg_policy::diagnostic::Severity;
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
    let mut names = HashSet::new();
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
    let (ast, faults) = parse("converted.policy", &text);
    match faults.iter().find(|fault| fault.severity == Severity::Error) {
        None => Ok(print(&ast)),
        Some(found) => Err(Fault {
            place: Place::new(&origin.input, 0),
            what: format!(
                "the converter wrote a policy with a fault, which is a mistake of its own: {}",
                found.message
            ),
        }),
    }
}

fn write_rule(
    text: &mut String,
    rule: &DraftRule,
    stretch: &Stretch,
    names: &mut HashSet<String>,
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
    line("time-window", stretch.windows.iter().map(|windows| format!("\u{1}{windows}")).collect());
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
    let _ = writeln!(text, "{}: {{", unique(&rule.name, names));
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
        What::Expressions(patterns) => ("uri-regex", patterns.clone()),
        What::Agents(patterns) => ("user-agent-regex", patterns.clone()),
    };
    vec![(format!("{before}-{name}"), values)]
}

fn listed((path, form): &(String, ListForm)) -> String {
    match form {
        ListForm::Plain => format!("\u{1}{path} as plain"),
        ListForm::Urls => format!("\u{1}{path} as urls"),
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

/// A value bare where that is certain, else in quotes. A leading U+0001 marks what is certain.
fn written(value: &str) -> String {
    if let Some(bare) = value.strip_prefix('\u{1}') {
        return bare.to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:/@=-".contains(c);
    let marks = ["//", "/*"].iter().any(|mark| value.starts_with(mark));
    match !value.is_empty() && value.chars().all(plain) && !marks {
        true => value.to_owned(),
        false => json!(value).to_string(),
    }
}

/// A legal name that nobody has yet.
fn unique(name: &str, names: &mut HashSet<String>) -> String {
    let mut own = word(name);
    if own.starts_with("default-") || RESERVED.contains(&own.as_str()) {
        own.insert_str(0, "rule-");
    }
    // Room for a number behind it.
    own.truncate(NAME_BYTES_MAX - 12);
    let mut found = own.clone();
    let mut number = 2_u64;
    while !names.insert(found.clone()) {
        found = format!("{own}-{number}");
        number += 1;
    }
    found
}

/// A text as a word of a name or a path: other characters become `_`.
pub(crate) fn word(text: &str) -> String {
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

/// Text without control characters, so that it stays on its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
    use super::super::draft::Who;
    use super::super::times::Times;
    use super::*;

    #[test]
    fn any_name_and_value_is_written_so_that_it_is_read_again() {
        let origin = Origin { format: "squidguard", input: "a\nb: { # x".to_owned() };
        let mut draft = Draft::default();
        for name in
            ["default-x", "default-x", "a b", "", "\u{e9}}", "invalid-request", &"n".repeat(300)]
        {
            draft.rules.push(DraftRule {
                name: name.to_owned(),
                place: Place::new("a\nb", 3),
                who: Who {
                    addresses: Vec::new(),
                    users: vec!["a, b\"#".to_owned(), "[x]".to_owned()],
                },
                what: What::Expressions(vec!["a{2} # \\.b,".to_owned(), "\"x}".to_owned()]),
                except: Vec::new(),
                when: Times::always(),
                then: Then::Deny,
                description: Some("x\ny".repeat(300)),
                state: State::Off,
            });
        }
        let text = policy(&draft, &origin, &TimeZone::UTC).unwrap();
        let (ast, faults) = parse("x", &text);
        assert!(faults.is_empty(), "{faults:?}\n{text}");
        assert_eq!(print(&ast), text);
        assert_eq!(text.matches("match-user").count(), 7);
        for name in ["rule-default-x:", "rule-default-x-2:", "a_b:", "_:", "rule-invalid-request:"]
        {
            assert!(text.contains(&format!("\n{name} {{")), "{name}\n{text}");
        }
    }
}
