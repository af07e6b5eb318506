//! Candidates to the verdict of the lowest id that holds (SPEC 3, 4, 7).
//!
//! An attribute holds, fails, or is unknown in this phase; so does a rule. The first rule that holds
//! gives the verdict. An unknown before it defers where the tunnel will be decrypted, and else counts as
//! a failure. A rule that blocks holds where any view of the request fits, one that permits only where
//! every view does; so a request that can be read in two ways is blocked by either reading.
//!
//! INVARIANT: `decide` is total. It does not allocate once its [`Scratch`] has seen requests like
//! these, takes no lock and does no I/O.

use crate::client::{Known, Request, Unknown};
use crate::matcher::{
    Candidates, Findings, Fit, Fits, Heard, Hit, Item, Matcher, NameTable, Names, Networks, Plan,
    Run, Second, Sni, heard, origin,
};
use crate::moment::Moment;
use crate::regex::{Field, Reading};
use crate::ruleset::Ruleset;
use crate::uri::PathKnown;
use crate::verdict::{Action, Cause, Verdict};

/// Memory that the decisions of one thread use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    findings: Findings,
    candidates: Candidates,
}

impl Scratch {
    /// Memory that fits `rules`.
    #[must_use]
    pub fn new(rules: &Ruleset) -> Self {
        let mut scratch = Self::default();
        scratch.fit(rules);
        scratch
    }

    /// Takes away what scanners need.
    #[cfg(test)]
    pub(crate) fn lose_memory(&mut self) {
        self.findings.regexes.lose_memory();
    }

    /// Makes it fit another ruleset. A decision must not meet a scratch that fits a different one.
    pub fn fit(&mut self, rules: &Ruleset) {
        self.findings.fit(&rules.matcher);
        self.candidates.fit();
    }
}

/// The verdict on `request` at `now`.
#[must_use]
pub fn decide<'r>(
    rules: &'r Ruleset,
    scratch: &mut Scratch,
    request: &Request<'_>,
    now: Moment,
) -> Verdict<'r> {
    let _ = now; // time windows are not in this version; the signature is the final one
    let matcher = &rules.matcher;
    let Scratch { findings, candidates } = scratch;
    matcher.gather(request, findings, candidates);
    while let Some(number) = candidates.next(matcher.runs()) {
        let rule = rules.rules.get(number as usize);
        let (Some(plan), Some(rule)) = (matcher.plan(number), rule) else { continue };
        let mut trial = Trial { matcher, request, number, plan, findings };
        match (trial.outcome(), request.unknown()) {
            (Outcome::Holds, _) => {
                let list = trial.list(rules);
                return Verdict { action: plan.action, cause: Cause::Rule { rule, list } };
            }
            (Outcome::Unknown, Unknown::Defers) => {
                return Verdict { action: Action::Permit, cause: Cause::Deferred };
            }
            (Outcome::Unknown, Unknown::Fails) | (Outcome::Fails, _) => (),
        }
    }
    Verdict { action: rules.default_action, cause: Cause::Default }
}

/// What became of an attribute, or of a whole rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The request fits.
    Holds,
    /// This phase cannot tell.
    Unknown,
    /// The request does not fit.
    Fails,
}

impl Outcome {
    /// Both; what comes after a failure is not looked at.
    fn and(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Fails => Self::Fails,
            Self::Holds => next(),
            Self::Unknown => match next() {
                Self::Fails => Self::Fails,
                Self::Holds | Self::Unknown => Self::Unknown,
            },
        }
    }
}

impl From<bool> for Outcome {
    fn from(fits: bool) -> Self {
        if fits { Self::Holds } else { Self::Fails }
    }
}

/// One rule before one request.
struct Trial<'t> {
    matcher: &'t Matcher,
    request: &'t Request<'t>,
    number: u32,
    plan: &'t Plan,
    findings: &'t mut Findings,
}

impl Trial<'_> {
    /// Whether the rule holds: all its kinds of attributes together, the cheap ones first.
    fn outcome(&mut self) -> Outcome {
        self.application()
            .and(|| self.domains())
            .and(|| self.uri())
            .and(|| self.sni())
            .and(|| self.destinations())
            .and(|| self.sources())
            .and(|| self.agents())
            .and(|| self.regex(Field::Uri))
            .and(|| self.regex(Field::Sni))
            .and(|| self.regex(Field::UserAgent))
            .and(|| self.regex(Field::Referer))
    }

    fn application(&self) -> Outcome {
        let uri = self.request.uri;
        self.plan.application.covers(uri.scheme(), uri.is_connect()).into()
    }

    /// `match-domain` and `match-domain-list`: the URI's host, and an SNI that is another name.
    fn domains(&self) -> Outcome {
        let Some(lists) = self.plan.domains else { return Outcome::Holds };
        let own = Matcher::own_domains(self.number);
        let fits = |names: &Names| {
            holds(self.matcher.tables().index.table(), &names.listed, self.matcher.runs().of(lists))
                || holds(&self.matcher.tables().named, &names.named, &[own])
        };
        let (host, sni) = (&self.findings.host, &self.findings.sni);
        match (self.findings.second, self.plan.action.blocks()) {
            (Second::Nothing | Second::Same, _) => fits(host).into(),
            (Second::Other, true) => (fits(host) || fits(sni)).into(),
            (Second::Other, false) => (fits(host) && fits(sni)).into(),
        }
    }

    /// `match-uri`, in the views of the request.
    fn uri(&self) -> Outcome {
        let Some(asked) = self.plan.uri else { return Outcome::Holds };
        let Some(host) = self.findings.prefix_host else { return Outcome::Fails };
        let asked = self.matcher.runs().of(asked);
        match self.request.uri.path_known() {
            PathKnown::Unknown => {
                match self.matcher.tables().prefixes.fit(host, origin(self.request), asked) {
                    Some(Fit::Whole) => Outcome::Holds,
                    Some(Fit::Open) => Outcome::Unknown,
                    None => Outcome::Fails,
                }
            }
            PathKnown::Known => {
                let views = self.request.uri.views().zip(&self.findings.prefixes);
                let mut fits = views.map(|(_, hits)| share(hits, asked));
                if self.plan.action.blocks() {
                    fits.any(|fits| fits)
                } else {
                    fits.all(|fits| fits)
                }
                .into()
            }
        }
    }

    /// `match-sni`.
    fn sni(&self) -> Outcome {
        match self.plan.sni {
            Sni::NotAsked => Outcome::Holds,
            Sni::Any => match self.request.sni() {
                Known::Unknown => Outcome::Unknown,
                Known::Absent => Outcome::Fails,
                Known::Is(_) => Outcome::Holds,
            },
            Sni::Named => {
                let names = match (self.request.sni(), self.findings.second) {
                    (Known::Unknown, _) => return Outcome::Unknown,
                    (Known::Absent, _) | (Known::Is(_), Second::Nothing) => return Outcome::Fails,
                    (Known::Is(_), Second::Same) => &self.findings.host,
                    (Known::Is(_), Second::Other) => &self.findings.sni,
                };
                let own = self.matcher.own_sni(self.number);
                holds(&self.matcher.tables().named, &names.named, &[own]).into()
            }
        }
    }

    /// `match-destination`.
    fn destinations(&mut self) -> Outcome {
        let Some(asked) = self.plan.destinations else { return Outcome::Holds };
        let Some(found) = self.matcher.destinations(self.request, self.findings) else {
            return Outcome::Fails;
        };
        in_networks(self.matcher, asked, &found.nodes, &found.lists).into()
    }

    /// `match-source`.
    fn sources(&mut self) -> Outcome {
        let Some(asked) = self.plan.sources else { return Outcome::Holds };
        let found = self.matcher.sources(self.request, self.findings);
        in_networks(self.matcher, asked, &found.nodes, &found.lists).into()
    }

    /// `match-user-agent`.
    fn agents(&mut self) -> Outcome {
        let Some(asked) = self.plan.agents else { return Outcome::Holds };
        match self.request.user_agent() {
            Known::Unknown => Outcome::Unknown,
            Known::Absent => Outcome::Fails,
            Known::Is(header) => {
                let asked = self.matcher.runs().of(asked);
                self.matcher.agents(header, self.findings).any(asked).into()
            }
        }
    }

    /// `match-uri-regex`, in the views of the request, and those of the other fields.
    fn regex(&mut self, field: Field) -> Outcome {
        let Some(asked) = self.plan.regex(field) else { return Outcome::Holds };
        let reading = match heard(self.request, field) {
            Heard::Nothing => return Outcome::Fails,
            Heard::NotKnown => return Outcome::Unknown,
            Heard::Texts(reading) => reading,
        };
        let asked = self.matcher.runs().of(asked);
        let table = &self.matcher.tables().regexes;
        let blocks = self.plan.action.blocks();
        let fits = match self.findings.regexes.fits(table, self.request, field, reading, asked) {
            // Nobody could tell whether it fits: on the side of the rule that stops the client.
            Fits::Broken => return blocks.into(),
            Fits::Views { fitting, .. } if blocks => fitting > 0,
            Fits::Views { fitting, all } => fitting == all,
        };
        match (fits, reading) {
            (true, Reading::Whole | Reading::Open) => Outcome::Holds,
            (false, Reading::Whole) => Outcome::Fails,
            (false, Reading::Open) => Outcome::Unknown,
        }
    }

    /// The list that named the host, or else the SNI: the first one in the rule's own order.
    fn list<'r>(&self, rules: &'r Ruleset) -> Option<&'r str> {
        let asked = &rules.rules.get(self.number as usize)?.conditions.domain_lists;
        let named = |names: &Names| {
            asked.iter().find_map(|list| {
                let set = self.matcher.tables().set_of_list.get(list.0 as usize)?;
                holds(self.matcher.tables().index.table(), &names.listed, &[(*set)?])
                    .then(|| rules.lists.get(list.0 as usize).map(|list| list.path.as_str()))?
            })
        };
        if asked.is_empty() {
            return None;
        }
        named(&self.findings.host).or_else(|| match self.findings.second {
            Second::Nothing | Second::Same => None,
            Second::Other => named(&self.findings.sni),
        })
    }
}

/// Whether one of the hits is in one of these sets, which are sorted.
fn holds(table: &NameTable, hits: &[Hit], sets: &[u32]) -> bool {
    hits.iter().any(|hit| {
        let items = table.items(hit.group);
        if items.len() <= sets.len() {
            let mut items = items.iter().filter(|item| item.holds(hit.reach));
            items.any(|item| sets.binary_search(&item.set()).is_ok())
        } else {
            sets.iter().any(|set| {
                let from = items.partition_point(|item| *item < Item::first(*set));
                let mut of_set = items.iter().skip(from).take_while(|item| item.set() == *set);
                of_set.any(|item| item.holds(hit.reach))
            })
        }
    })
}

/// Whether two runs share a number; `sorted` is sorted.
fn share(some: &[u32], sorted: &[u32]) -> bool {
    some.iter().any(|number| sorted.binary_search(number).is_ok())
}

/// Whether an address that was found in these CIDRs and lists is one that is asked for.
fn in_networks(matcher: &Matcher, asked: Networks, nodes: &[u32], lists: &[Run]) -> bool {
    let runs = matcher.runs();
    share(nodes, runs.of(asked.nodes))
        || lists.iter().any(|lists| share(runs.of(*lists), runs.of(asked.lists)))
}
