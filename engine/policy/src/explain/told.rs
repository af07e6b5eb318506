//! An explanation as facts that outlive the ruleset, for whoever prints or sends them.

use serde::Serialize;

use super::lines::ListLines;
use super::spec::{RequestFault, RequestSpec};
use super::{Explanation, Fit, Kind, ListEntry, RuleTrial, Step, Whose, explain};
use crate::check::Mode;
use crate::decide::{Lack, Outcome, Scratch, Standing};
use crate::moment::Moment;
use crate::phase::{Knowledge, Part};
use crate::ruleset::Ruleset;
use crate::uri::ViewName;
use crate::verdict::{Cause, Verdict};

/// How many values of a failed attribute are told; the number of the rest is.
const VALUES_TOLD: usize = 4;

/// A decision and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The verdict.
    pub verdict: Told,
    /// What becomes of the TLS connection; of a request in the phase of the hello.
    pub tls: Option<&'static str>,
    /// The readings of the URI, the canonical one first; none where it cannot be read.
    pub views: Vec<Reading>,
    /// What is not known when Squid asks so.
    pub unknown: Vec<&'static str>,
    /// Every rule that holds, in the order of the ids; the first one decides.
    pub matches: Vec<RuleTold>,
    /// The rule for which the verdict waits, where it does.
    pub waits_for: Option<RuleTold>,
    /// The rules before the one that decides, none of which holds.
    pub before: Vec<RuleTold>,
    /// The disabled rules that would hold.
    pub disabled: Vec<RuleTold>,
    /// The shared files that do not count, in sentences.
    pub left_out: Vec<String>,
    /// What of it cannot be told for sure, in sentences.
    pub notes: Vec<String>,
    /// How many rules there are.
    pub rules: usize,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// permit, deny, warn or aup
    pub action: &'static str,
    /// The number of the action.
    pub code: u16,
    /// The rule's name, or one of the engine's own.
    pub rule: String,
    /// The rule's number.
    pub id: Option<u32>,
    /// Where the rule stands.
    pub file: Option<String>,
    /// The line of its name.
    pub line: Option<u32>,
    /// What a person is told.
    pub reason: String,
    /// For reports.
    pub category: Option<String>,
    /// The list that named the host.
    pub list: Option<String>,
    /// The first rule that would have decided, had it done more than monitor.
    pub monitored: Option<String>,
}

/// One reading of the URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// What it is called.
    pub view: &'static str,
    /// The whole URI.
    pub uri: String,
}

/// One rule before the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleTold {
    /// Its number; of a disabled rule none.
    pub id: Option<u32>,
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub action: &'static str,
    /// `enforce`, or `monitor` for a rule that is only recorded.
    pub mode: &'static str,
    /// Where it stands.
    pub file: String,
    /// The line of its name.
    pub line: u32,
    /// `holds`, `unknown` or `fails`
    pub outcome: &'static str,
    /// What of it fits.
    pub fits: Vec<FitTold>,
    /// The attribute that failed first, or that is not known yet.
    pub failed: Option<FailedTold>,
}

/// A value that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FitTold {
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: String,
    /// Which of the connection's hosts it fits.
    pub on: Option<&'static str>,
    /// In which view.
    pub view: Option<&'static str>,
    /// The entry of the list.
    pub entry: Option<String>,
    /// The file of the list that has it, where its line was found.
    pub entry_file: Option<String>,
    /// Its line in that file.
    pub entry_line: Option<u64>,
}

/// An attribute that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedTold {
    /// The attribute.
    pub attribute: &'static str,
    /// The first values that it asks for.
    pub asks: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// What the request has.
    pub seen: String,
    /// What is not known yet, where that is what is missing.
    pub lacks: Option<&'static str>,
    /// Whether a value fits all the same, but not everywhere that it has to.
    pub in_part: bool,
}

/// Explains the verdict of a ruleset on a request at `now`; entries of lists are looked up in `lines`.
///
/// # Errors
///
/// The request makes no sense.
pub fn tell(
    rules: &Ruleset,
    scratch: &mut Scratch,
    (spec, now): (&RequestSpec, Moment),
    lines: &mut ListLines<'_>,
) -> Result<Explained, RequestFault> {
    let mut explained = spec.ask(|request| match request {
        Ok(request) => told(rules, &explain(rules, scratch, request, now), lines),
        Err(fault) => Explained {
            verdict: verdict(&Verdict::invalid_request(fault)),
            tls: None,
            views: Vec::new(),
            unknown: Vec::new(),
            matches: Vec::new(),
            waits_for: None,
            before: Vec::new(),
            disabled: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
            rules: rules.rules().len(),
        },
    })?;
    let hidden = |part: &Part| part.knowledge(spec.phase()) == Knowledge::Never;
    if !explained.views.is_empty() {
        explained.unknown = Part::ALL.into_iter().filter(hidden).map(Part::title).collect();
    }
    explained.notes = lines.notes();
    Ok(explained)
}

fn told(rules: &Ruleset, explained: &Explanation<'_>, lines: &mut ListLines<'_>) -> Explained {
    let mut rule = |trial: &RuleTrial<'_>| rule_told(rules, explained, trial, lines);
    let settled = explained.settled.unwrap_or(explained.trials.len());
    let before = explained.trials.iter().take(settled);
    let waits = explained.trials.get(settled).filter(|trial| trial.standing == Standing::Waits);
    Explained {
        verdict: verdict(&explained.verdict),
        tls: explained.tls.map(|answer| answer.tls.word()),
        views: explained
            .views
            .iter()
            .map(|(name, text)| Reading { view: name.word(), uri: text.clone() })
            .collect(),
        unknown: Vec::new(),
        matches: explained.matches().map(&mut rule).collect(),
        waits_for: waits.map(&mut rule),
        before: before.filter(|trial| trial.standing != Standing::Holds).map(rule).collect(),
        disabled: Vec::new(),
        left_out: Vec::new(),
        notes: Vec::new(),
        rules: explained.trials.len(),
    }
}

fn verdict(verdict: &Verdict<'_>) -> Told {
    let rule = match verdict.cause {
        Cause::Rule { rule, .. } => Some(rule),
        Cause::Default
        | Cause::Deferred
        | Cause::Portal
        | Cause::Invalid(_)
        | Cause::AuditUnavailable => None,
    };
    Told {
        action: verdict.action.word(),
        code: verdict.action.code(),
        rule: verdict.rule_name().to_owned(),
        id: verdict.rule_id().map(|id| id.0),
        file: rule.map(|rule| rule.file.clone()),
        line: rule.map(|rule| rule.line),
        reason: verdict.reason().to_owned(),
        category: verdict.category().map(str::to_owned),
        list: verdict.list().map(str::to_owned),
        monitored: verdict.monitored.map(|rule| rule.name.clone()),
    }
}

fn rule_told(
    rules: &Ruleset,
    explained: &Explanation<'_>,
    trial: &RuleTrial<'_>,
    lines: &mut ListLines<'_>,
) -> RuleTold {
    let rule = trial.rule;
    let fits = trial.steps.iter().flat_map(|step| step.fits.iter().map(|fit| (step.kind, fit)));
    let stopped = trial.steps.iter().find(|step| match trial.outcome {
        Outcome::Fails => step.outcome == Outcome::Fails,
        Outcome::Unknown(_) => step.outcome == trial.outcome,
        Outcome::Holds => false,
    });
    RuleTold {
        id: Some(rule.id.0),
        name: rule.name.clone(),
        action: rule.action.word(),
        mode: match rule.mode {
            Mode::Enforce => "enforce",
            Mode::Monitor => "monitor",
        },
        file: rule.file.clone(),
        line: rule.line,
        outcome: match (trial.standing, trial.outcome) {
            (Standing::Holds, _) => "holds",
            (Standing::Waits, _) | (Standing::Not, Outcome::Unknown(_)) => "unknown",
            (Standing::Not, Outcome::Holds | Outcome::Fails) => "fails",
        },
        fits: fits.map(|(kind, fit)| fit_told(kind, fit, lines)).collect(),
        failed: stopped.map(|step| failed_told(rules, explained, trial, step)),
    }
}

fn fit_told(kind: Kind, fit: &Fit, lines: &mut ListLines<'_>) -> FitTold {
    // A list of users has that mark in a rule.
    let list = fit.value.strip_prefix('@').unwrap_or(&fit.value);
    let place = fit.entry.as_ref().and_then(|entry| lines.of(list, entry));
    FitTold {
        attribute: match kind {
            Kind::Exceptions => {
                format!("except-{}", fit.attribute.trim_start_matches("match-"))
            }
            _ => fit.attribute.to_owned(),
        },
        value: fit.value.clone(),
        on: fit.whose.map(Whose::word),
        view: fit.view.map(ViewName::word),
        entry: fit.entry.as_ref().and_then(|entry| match entry {
            ListEntry::Name(name) => Some(name.to_string()),
            ListEntry::User(name) | ListEntry::Expression(name) => Some(name.clone()),
            // The entry is what they begin with, or what holds them; only the file knows it.
            ListEntry::Url { host, rest } => Some(format!("{host}{rest}")),
            ListEntry::Holds(_) => None,
        }),
        entry_line: place.as_ref().map(|(_, line)| *line),
        entry_file: place.map(|(part, _)| part.path(list)),
    }
}

fn failed_told(
    rules: &Ruleset,
    explained: &Explanation<'_>,
    trial: &RuleTrial<'_>,
    step: &Step,
) -> FailedTold {
    let (asks, all) = step.kind.values(&trial.rule.conditions, rules, VALUES_TOLD);
    FailedTold {
        attribute: step.kind.attribute(),
        more: all.saturating_sub(asks.len()),
        asks,
        seen: explained.seen_by(step.kind).to_owned(),
        lacks: match step.outcome {
            Outcome::Unknown(Lack::Path) => Some("the path"),
            Outcome::Unknown(Lack::Inside) => Some("what only a request inside the tunnel tells"),
            Outcome::Unknown(Lack::Name) => Some("the server name"),
            Outcome::Holds | Outcome::Fails => None,
        },
        in_part: step.outcome == Outcome::Fails && !step.fits.is_empty(),
    }
}
