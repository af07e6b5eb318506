//! Every rule in turn before one request, and the verdict.

use super::fits::{Fit, fits};
use super::kind::Kind;
use super::seen::{instant, seen};
use crate::check::{Conditions, Validity};
use crate::client::{Phase, Request};
use crate::decide::{OnTrial, Outcome, Scratch, Side, Standing, Trial, decide};
use crate::moment::Moment;
use crate::ruleset::{Rule, Ruleset};
use crate::tunnel::{TlsAnswer, tls_for};
use crate::uri::ViewName;
use crate::verdict::{Cause, Verdict};

/// A decision with each step kept.
#[derive(Debug)]
pub struct Explanation<'r> {
    /// What was decided, by the code that decides for clients.
    pub verdict: Verdict<'r>,
    /// What the second question is answered with; only of a request in the phase of the hello.
    pub tls: Option<TlsAnswer<'r>>,
    /// The readings of the URI, the canonical one first.
    pub views: Vec<(ViewName, String)>,
    /// What is compared with the values of each kind of attributes.
    pub seen: Vec<(Kind, String)>,
    /// Every rule, in the order of their ids.
    pub trials: Vec<RuleTrial<'r>>,
    /// The place in `trials` of the rule that settled it: the one of the verdict, or the one for which
    /// the verdict waits.
    pub settled: Option<usize>,
}

/// One rule before the request.
#[derive(Debug)]
pub struct RuleTrial<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What the phase makes of that.
    pub standing: Standing,
    /// Its kinds of attributes, up to the first that fails; behind that nothing is looked at.
    pub steps: Vec<Step>,
}

/// One kind of attributes of a rule.
#[derive(Debug)]
pub struct Step {
    /// Which.
    pub kind: Kind,
    /// Whether it holds.
    pub outcome: Outcome,
    /// The values that fit. Some may fit where the whole does not hold: a rule that permits must fit
    /// every view.
    pub fits: Vec<Fit>,
}

impl RuleTrial<'_> {
    /// The first kind that failed, where one did.
    #[must_use]
    pub fn failed(&self) -> Option<&Step> {
        self.steps.last().filter(|step| step.outcome == Outcome::Fails)
    }

    /// How many kinds held before one failed, or all that did.
    #[must_use]
    pub fn held(&self) -> usize {
        self.steps.iter().filter(|step| step.outcome == Outcome::Holds).count()
    }
}

impl<'r> Explanation<'r> {
    /// The rules that hold, in the order of their ids.
    pub fn matches(&self) -> impl Iterator<Item = &RuleTrial<'r>> {
        self.trials.iter().filter(|trial| trial.standing == Standing::Holds)
    }

    /// What is compared with the values of a kind.
    #[must_use]
    pub fn seen_by(&self, kind: Kind) -> &str {
        self.seen.iter().find(|(own, _)| *own == kind).map_or("", |(_, text)| text.as_str())
    }
}

/// Decides on `request` at `now`, and says why: each rule is tried, also those behind the one that
/// settles it, so this takes time for every rule of the policy.
#[must_use]
pub fn explain<'r>(
    rules: &'r Ruleset,
    scratch: &mut Scratch,
    request: &Request<'_>,
    now: Moment,
) -> Explanation<'r> {
    let verdict = decide(rules, scratch, request, now);
    let tls = match request.phase {
        Phase::Hello => Some(tls_for(rules, scratch, request, now)),
        Phase::Connect | Phase::Request => None,
    };
    let matcher = &rules.matcher;
    let Scratch { findings, candidates, aside } = scratch;
    matcher.gather(request, findings, candidates);
    let (mut trials, mut settled) = (Vec::with_capacity(rules.rules.len()), None);
    for (rule, number) in rules.rules.iter().zip(0_u32..) {
        let Some(plan) = matcher.plan(number) else { continue };
        let of = OnTrial::Action;
        let side = Side::Match;
        let mut trial = Trial { matcher, request, now, number, plan, of, side, findings };
        let outcome = trial.outcome();
        let steps = steps(rule, rules, &mut trial);
        let standing = trial.standing(outcome, aside);
        let settles = match (standing, verdict.cause) {
            (Standing::Holds, Cause::Rule { rule: winner, .. }) => winner.id == rule.id,
            (Standing::Waits, Cause::Deferred) => settled.is_none(),
            (Standing::Holds | Standing::Waits | Standing::Not, _) => false,
        };
        if settles {
            settled = Some(trials.len());
        }
        trials.push(RuleTrial { rule, outcome, standing, steps });
    }
    let views = request.uri.view_names().zip(request.uri.views());
    Explanation {
        verdict,
        tls,
        views: views.map(|(name, view)| (name, super::seen::text(view.text()))).collect(),
        seen: Kind::all().map(|kind| (kind, seen(kind, request, (now, rules.zone())))).collect(),
        trials,
        settled,
    }
}

/// The kinds that a rule asks for, up to the first that fails.
fn steps(rule: &Rule, rules: &Ruleset, trial: &mut Trial<'_>) -> Vec<Step> {
    // Taken apart whole: what decides beside the conditions, such as a window of time, is a step as well.
    let Rule {
        id: _,
        name: _,
        file: _,
        line: _,
        action: _,
        description: _,
        category: _,
        tls: _,
        conditions: asked,
        except,
        validity,
        mode: _,
    } = rule;
    let mut steps = Vec::new();
    for kind in Kind::all() {
        let is_asked = match kind {
            Kind::Validity => *validity != Validity::ALWAYS,
            Kind::Exceptions => except.is_some(),
            Kind::Asked(kind) => asked.asks(kind),
        };
        if !is_asked {
            continue;
        }
        let outcome = kind.outcome(trial);
        let fits = match (kind, except) {
            (Kind::Validity, _) => vec![validity_fit(*validity)],
            (Kind::Exceptions, Some(except)) => excepted(except, rules, trial),
            (kind, _) => fits(kind, asked, rules, trial),
        };
        steps.push(Step { kind, outcome, fits });
        if outcome == Outcome::Fails {
            break;
        }
    }
    steps
}

/// When the rule counts, as its attributes say it.
fn validity_fit(validity: Validity) -> Fit {
    let (attribute, value) = match (validity.from, validity.until) {
        (Some(from), Some(until)) => {
            ("valid-from", format!("{}, until {}", instant(from), instant(until)))
        }
        (Some(from), None) => ("valid-from", instant(from)),
        (None, Some(until)) => ("valid-until", instant(until)),
        (None, None) => ("valid-from", String::new()),
    };
    Fit { attribute, value, whose: None, view: None, entry: None }
}

/// What of the exceptions spares the request: the values of each kind that holds.
fn excepted(except: &Conditions, rules: &Ruleset, trial: &mut Trial<'_>) -> Vec<Fit> {
    let Some(mut exception) = trial.exception() else { return Vec::new() };
    let mut found = Vec::new();
    for kind in Kind::all().filter(|kind| kind.is_asked(except)) {
        if kind.outcome(&mut exception) == Outcome::Holds {
            found.extend(fits(kind, except, rules, &mut exception));
        }
    }
    found
}
