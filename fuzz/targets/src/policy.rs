//! Policy files: any text is read, every fault has a place in it and can be drawn, and what is printed
//! means the same rules.

use eg_policy::check::{CheckedPolicy, Trust, check};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::sources::SourceFile;
use eg_policy::syntax::{parse, print};

const FILE: &str = "fuzz.policy";
/// Faults of a text that are drawn; all are looked at. Drawing a thousand takes most of a run.
const DRAWN_MAX: usize = 3;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (ast, faults) = parse(FILE, &text);
    placed(&faults, &text);
    let printed = print(&ast);
    let (again, _) = parse(FILE, &printed);
    assert_eq!(print(&again), printed, "printing is not stable");

    let (policy, faults) = checked(&text, Trust::Operator);
    placed(&faults, &text);
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

fn placed(faults: &[Diagnostic], text: &str) {
    let lines = text.split('\n').count().max(1);
    for fault in faults {
        stands_in(fault, text, lines);
    }
    for fault in faults.iter().take(DRAWN_MAX).chain(faults.last()) {
        assert!(!fault.render().is_empty());
    }
}

fn stands_in(fault: &Diagnostic, text: &str, lines: usize) {
    assert!(!fault.message.is_empty() && !fault.message.ends_with('.'), "{fault:?}");
    let marked = fault.source_line.get(fault.mark.clone());
    assert!(marked.is_some(), "the mark is not within its line: {fault:?}");
    let line = usize::try_from(fault.place.line).unwrap_or(usize::MAX);
    assert!(line <= lines, "line {line} of {lines}: {fault:?}");
    let span = &fault.place.span;
    if line > 0 {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} is not within the text");
    }
}
