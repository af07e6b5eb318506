//! Policy files: any text is read, every fault has a place in it and can be drawn, and what is printed
//! means the same rules.

use eg_policy::check::{CheckedPolicy, Trust, check};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::sources::SourceFile;
use eg_policy::syntax::{parse, print};

const FILE: &str = "fuzz.policy";

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (ast, faults) = parse(FILE, &text);
    for fault in &faults {
        drawn(fault, &text);
    }
    let printed = print(&ast);
    let (again, _) = parse(FILE, &printed);
    assert_eq!(print(&again), printed, "printing is not stable");

    let (policy, faults) = checked(&text, Trust::Operator);
    for fault in &faults {
        drawn(fault, &text);
    }
    let sound = faults.iter().all(|fault| fault.severity != Severity::Error);
    if sound {
        let (again, _) = checked(&printed, Trust::Operator);
        assert_eq!(placeless(again), placeless(policy.clone()), "printed as\n{printed}");
    }
    // A shared file counts whole or not at all.
    let (shared, _) = checked(&text, Trust::Shared);
    assert_eq!(shared.rules.len(), if sound { policy.rules.len() } else { 0 });
}

fn checked(text: &str, trust: Trust) -> (CheckedPolicy, Vec<Diagnostic>) {
    check(&[(SourceFile::new(FILE, text), trust)])
}

fn placeless(policy: CheckedPolicy) -> (Vec<eg_policy::check::CheckedRule>, Vec<String>) {
    let mut rules = policy.rules;
    rules.iter_mut().for_each(|rule| rule.line = 0);
    (rules, policy.lists.into_iter().map(|list| list.path).collect())
}

fn drawn(fault: &Diagnostic, text: &str) {
    assert!(!fault.render().is_empty());
    assert!(!fault.message.is_empty() && !fault.message.ends_with('.'), "{fault:?}");
    let marked = fault.source_line.get(fault.mark.clone());
    assert!(marked.is_some(), "the mark is not within its line: {fault:?}");
    let lines = text.split('\n').count().max(1);
    let line = usize::try_from(fault.place.line).unwrap_or(usize::MAX);
    assert!(line <= lines, "line {line} of {lines}: {fault:?}");
    let span = &fault.place.span;
    if line > 0 {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} is not within the text");
    }
}
