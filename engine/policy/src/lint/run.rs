//! All that is looked at, in order.

use super::covers::{Compare, Wider};
use super::ground::{Ground, LintInput, asts};
use super::names::Listed;
use super::never::{When, never};
use super::overlap::Overlap;
use super::reach::{expired, unseen};
use super::shadow::{CANDIDATES_MAX, Finder, Shadow};
use crate::check::{CheckedRule, ListIndex, ListKind};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::regex::Field;
use crate::syntax::span::Span;

/// What was found, and what was not looked at.
#[derive(Debug)]
pub struct Linted {
    /// Warnings and notes, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What was left out for a bound, in sentences.
    pub unfinished: Vec<String>,
}

/// Looks at a policy without errors for what is allowed and probably not meant.
#[must_use]
pub fn lint(input: &LintInput<'_>) -> Linted {
    let asts = asts(input);
    let mut ground = Ground::new(input, &asts);
    let overlap = Overlap::new(input);
    let listed = Listed::new(input);
    let compare = Compare::new(input, &listed, &overlap);
    let mut unfinished: Vec<String> = overlap.unfinished.iter().cloned().collect();
    for (at, rule) in input.policy.rules.iter().enumerate() {
        if let Some(never) = never(&compare, at, rule) {
            let when = match never.when {
                When::Always => "can never match",
                When::OneName => "can match only where the names of a connection differ",
                When::OneReading => "can match only requests that can be read in two ways",
            };
            let message = format!("the rule {} {when}: {}", quote(&rule.name), never.reason);
            ground.report(rule, (Some(never.attribute), None), Code::NeverMatches, message, None);
        }
        if let Some(attribute) = unseen(input, rule) {
            let message = format!(
                "the rule {} asks for what is inside tunnels, and none is decrypted",
                quote(&rule.name)
            );
            ground.report(rule, (Some(attribute), None), Code::PathUnseen, message, None);
        }
        loose(rule, &mut ground);
    }
    let shadows = Finder::new(&compare).shadows();
    for shadow in &shadows.found {
        report_shadow(input, shadow, &mut ground);
    }
    if shadows.unfinished > 0 {
        unfinished.push(format!(
            "{} rules share their values with more than {CANDIDATES_MAX} earlier ones, and were \
             compared with so many only",
            shadows.unfinished
        ));
    }
    lists(input, &overlap, &mut ground);
    expired(input, &mut ground);
    Linted { diagnostics: ground.into_diagnostics(), unfinished }
}

/// Patterns for one host that fit others.
fn loose(rule: &CheckedRule, ground: &mut Ground<'_>) {
    for field in Field::ALL {
        for pattern in field.of(&rule.conditions) {
            let Some(loose) = pattern.loose(field) else { continue };
            let message = format!(
                "{} is for `{}` and fits `{}` too",
                quote(pattern.as_str()),
                loose.host,
                loose.other
            );
            let help = format!("write `match-domain: {}`", loose.host);
            let at = (Some(field.attribute()), Some(pattern.as_str()));
            ground.report(rule, at, Code::LooseHost, message, Some(help));
        }
    }
}

fn report_shadow(input: &LintInput<'_>, shadow: &Shadow, ground: &mut Ground<'_>) {
    let rules = &input.policy.rules;
    let (Some(rule), Some(by)) = (rules.get(shadow.rule), rules.get(shadow.by)) else { return };
    let (own, other) = (quote(&rule.name), quote(&by.name));
    let place = format!("{}:{}", by.file, by.line);
    let message = match shadow.wider {
        Wider::Always => {
            format!(
                "the rule {own} never decides: {other} ({place}) holds for all that it holds for"
            )
        }
        Wider::OneReading => format!(
            "the rule {own} decides only requests that can be read in two ways: {other} ({place}) \
             permits the others"
        ),
        Wider::No => return,
    };
    let help = match rule.action == by.action {
        true => format!("both {}; remove one of the two", rule.action),
        false => format!("if it should {}, move it above {other}, else remove it", rule.action),
    };
    ground.report(rule, (None, None), Code::Shadowed, message, Some(help));
}

/// Lists that are the same, or lie within another.
fn lists(input: &LintInput<'_>, overlap: &Overlap, ground: &mut Ground<'_>) {
    for (list, number) in input.policy.lists.iter().zip(0_u32..) {
        let own = ListIndex(number);
        let path = |of: ListIndex| {
            let list = input.policy.lists.get(of.0 as usize);
            quote(list.map_or("", |list| list.path.as_str()))
        };
        // One file may have both names and URLs, each a list of its own.
        let what = match list.kind {
            ListKind::Urls => "the URLs of the list",
            ListKind::Domains => "the names of the list",
            ListKind::Addresses | ListKind::Users | ListKind::Expressions => "the list",
        };
        let (file, span) = (ground.file(&list.mention.file), &list.mention.span);
        let (Some(file), span) = (file, Span::new(span.start, span.end)) else { continue };
        let same = overlap.same_as(own);
        if same != own && !input.is_empty(own) {
            let message = match list.kind {
                ListKind::Urls | ListKind::Domains => {
                    format!("{what} {} are those of {}", path(own), path(same))
                }
                ListKind::Addresses | ListKind::Users | ListKind::Expressions => {
                    format!("{what} {} holds what {} holds", path(own), path(same))
                }
            };
            ground.report_at(file, span, Code::RepeatedList, message, None);
        } else if let Some((around, inside, all)) = overlap.around(own) {
            let message = format!(
                "all {inside} entries of the list {} are among the {all} of {}",
                path(own),
                path(around)
            );
            ground.report_at(file, span, Code::ListInside, message, None);
        }
    }
}
