//! Every rule in turn before one request, and the verdict.

use super::fits::{Fit, fits};
use super::kind::Kind;
use super::seen::seen;
use crate::client::{Phase, Request, Unknown};
use crate::decide::{OnTrial, Outcome, Scratch, Trial, decide};
use crate::moment::Moment;
use crate::ruleset::{Rule, Ruleset};
use crate::tunnel::{self, Later, TlsAnswer, tls_for};
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
        self.trials.iter().filter(|trial| trial.outcome == Outcome::Holds)
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
        let mut trial = Trial { matcher, request, number, plan, of, findings };
        let outcome = trial.outcome();
        let steps = steps(rule, rules, &mut trial);
        let settles = match (outcome, verdict.cause, request.unknown()) {
            (Outcome::Holds, Cause::Rule { rule: winner, .. }, _) => winner.id == rule.id,
            (Outcome::Unknown(lack), Cause::Deferred, Unknown::Defers) if settled.is_none() => {
                let waits = (plan.action, lack);
                tunnel::later(matcher, request, waits, findings, aside) == Later::Asked
            }
            (Outcome::Holds | Outcome::Unknown(_) | Outcome::Fails, _, _) => false,
        };
        if settles {
            settled = Some(trials.len());
        }
        trials.push(RuleTrial { rule, outcome, steps });
    }
    let views = request.uri.view_names().zip(request.uri.views());
    Explanation {
        verdict,
        tls,
        views: views.map(|(name, view)| (name, super::seen::text(view.text()))).collect(),
        seen: Kind::ALL.map(|kind| (kind, seen(kind, request))).into(),
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
    } = rule;
    let mut steps = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_asked(asked)) {
        let outcome = kind.outcome(trial);
        let fits = fits(kind, asked, rules, trial);
        steps.push(Step { kind, outcome, fits });
        if outcome == Outcome::Fails {
            break;
        }
    }
    steps
}
