//! Candidates to the verdict of the lowest id that holds (SPEC 3, 4, 7).
//!
//! An attribute holds, fails, or is unknown in this phase; so does a rule. The first rule that holds
//! gives the verdict. An unknown before it defers where a later question about the same tunnel will know
//! more (`tunnel.rs` says when), and else counts as a failure. A rule that blocks holds where any view of the request fits, one that permits only where
//! every view does; so a request that can be read in two ways is blocked by either reading.
//!
//! A rule that only monitors gives no verdict and defers none; the first that would have held is noted
//! in the verdict that really comes.
//!
//! INVARIANT: `decide` is total. It does not allocate once its [`Scratch`] has seen requests like
//! these, takes no lock and does no I/O.

use crate::check::{ListIndex, Mode};
use crate::client::{Known, Request, Unknown};
use crate::matcher::{
    Agree, Candidates, Findings, Fit, Fits, Heard, Hit, Item, Listed, Matcher, NameTable, Names,
    Networks, Place, Plan, Run, Second, Sni, UrlFit, Whose, connect_host, heard, origin,
};
use crate::moment::Moment;
use crate::regex::{Field, Reading, RegexPattern};
use crate::ruleset::Ruleset;
use crate::tunnel::{self, Later};
use crate::uri::PathKnown;
use crate::verdict::{Cause, Verdict};

/// Memory that the decisions of one thread use again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) findings: Findings,
    pub(crate) candidates: Candidates,
    /// For a look at the `tls` words of rules in the middle of a decision.
    pub(crate) aside: Candidates,
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
        self.aside.fit();
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
    let matcher = &rules.matcher;
    let Scratch { findings, candidates, aside } = scratch;
    matcher.gather(request, findings, candidates);
    let mut monitored = None;
    while let Some(number) = candidates.next(matcher.runs()) {
        let rule = rules.rules.get(number as usize);
        let (Some(plan), Some(rule)) = (matcher.plan(number), rule) else { continue };
        let (of, side) = (OnTrial::Action, Side::Match);
        let mut trial = Trial { matcher, request, now, number, plan, of, side, findings };
        let outcome = trial.outcome();
        match (trial.standing(outcome, aside), plan.mode()) {
            (Standing::Not, _) => (),
            (Standing::Waits, _) => return Verdict::deferred().noting(monitored),
            (Standing::Holds, Mode::Monitor) => monitored = monitored.or(Some(rule)),
            (Standing::Holds, Mode::Enforce) => {
                let cause = Cause::Rule { rule, list: trial.list(rules) };
                return Verdict { action: plan.action, cause, monitored };
            }
        }
    }
    Verdict { action: rules.default_action, cause: Cause::Default, monitored }
}

/// What is missing where an attribute is unknown, from what the fewest questions know to what the most
/// do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The path alone: host, scheme and port fit.
    Path,
    /// Something else that only a request inside the tunnel tells.
    Inside,
    /// The server name, which the next question about any tunnel tells.
    Name,
}

/// What became of an attribute, or of a whole rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The request fits.
    Holds,
    /// This phase cannot tell.
    Unknown(Lack),
    /// The request does not fit.
    Fails,
}

impl Outcome {
    /// Both; what comes after a failure is not looked at.
    pub(crate) fn and(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Fails => Self::Fails,
            Self::Holds => next(),
            Self::Unknown(lack) => match next() {
                Self::Fails => Self::Fails,
                Self::Holds => Self::Unknown(lack),
                Self::Unknown(other) => Self::Unknown(lack.max(other)),
            },
        }
    }
}

impl Outcome {
    /// Either.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Holds, _) | (_, Self::Holds) => Self::Holds,
            (Self::Unknown(lack), Self::Unknown(other)) => Self::Unknown(lack.min(other)),
            (Self::Unknown(lack), Self::Fails) | (Self::Fails, Self::Unknown(lack)) => {
                Self::Unknown(lack)
            }
            (Self::Fails, Self::Fails) => Self::Fails,
        }
    }
}

impl Outcome {
    /// The opposite.
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
            Self::Unknown(lack) => Self::Unknown(lack),
        }
    }
}

impl From<bool> for Outcome {
    fn from(fits: bool) -> Self {
        if fits { Self::Holds } else { Self::Fails }
    }
}

/// What a rule does about a request, after its outcome and what the phase makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds: by its outcome, or for good where only an exception is not known and nobody will tell.
    Holds,
    /// The verdict waits for what a later question tells.
    Waits,
    /// It does not.
    Not,
}

/// One rule before one request.
pub(crate) struct Trial<'t> {
    pub(crate) matcher: &'t Matcher,
    pub(crate) request: &'t Request<'t>,
    pub(crate) now: Moment,
    pub(crate) number: u32,
    pub(crate) plan: &'t Plan,
    pub(crate) of: OnTrial,
    pub(crate) side: Side<'t>,
    pub(crate) findings: &'t mut Findings,
}

/// What of a rule is on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTrial {
    /// Its action.
    Action,
    /// Its `tls` word, if it has one.
    Word,
}

/// Which side of a rule is on trial.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side<'t> {
    /// What it asks for.
    Match,
    /// What it excepts.
    Except {
        /// The plan of the rule itself.
        of: &'t Plan,
    },
}

impl Trial<'_> {
    /// Whether the rule holds: it matches, and nothing that it excepts does.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.matches().and(|| self.unexcepted())
    }

    /// What the phase makes of an outcome of this rule.
    pub(crate) fn standing(&mut self, outcome: Outcome, aside: &mut Candidates) -> Standing {
        let holds = match (outcome, self.request.unknown(), self.plan.mode()) {
            (Outcome::Holds, _, _) => true,
            (Outcome::Fails, _, _) | (Outcome::Unknown(_), Unknown::Defers, Mode::Monitor) => false,
            (Outcome::Unknown(_), Unknown::Fails, _) => self.holds_for_good(),
            (Outcome::Unknown(lack), Unknown::Defers, Mode::Enforce) => {
                let asked = (self.request, self.now);
                let waits = (self.plan.action, lack);
                match tunnel::later(self.matcher, asked, waits, self.findings, aside) {
                    Later::Asked => return Standing::Waits,
                    // The name is known when the `ClientHello` is asked about; then it is for good.
                    Later::Silent if lack == Lack::Name => false,
                    Later::Silent => self.holds_for_good(),
                }
            }
        };
        if holds { Standing::Holds } else { Standing::Not }
    }

    /// Whether all its kinds of attributes hold together, the cheap ones first.
    pub(crate) fn matches(&mut self) -> Outcome {
        self.application()
            .and(|| self.rest())
            .and(|| self.domains())
            .and(|| self.uri())
            .and(|| self.sni())
            .and(|| self.destinations())
            .and(|| self.sources())
            .and(|| self.agents())
            .and(|| self.anomalies())
            .and(|| self.regex(Field::Uri))
            .and(|| self.regex(Field::Sni))
            .and(|| self.regex(Field::UserAgent))
            .and(|| self.regex(Field::Referer))
    }

    /// Whether any view and any name of the request is enough. It is for what stops a client or looks
    /// closer: rules that block, and words that decrypt or end; what lets it pass holds in all. For
    /// exceptions it is the other way round.
    pub(crate) const fn holds_in_any(&self) -> bool {
        match self.side {
            Side::Match => self.stops(self.plan),
            Side::Except { of } => !self.stops(of),
        }
    }

    pub(crate) fn application(&self) -> Outcome {
        let uri = self.request.uri;
        self.plan.application.covers(uri.scheme(), uri.is_connect()).into()
    }

    /// `match-domain` and `match-domain-list`: the URI's host, an SNI and a CONNECT host that are others.
    pub(crate) fn domains(&mut self) -> Outcome {
        let Some(lists) = self.plan.domains else { return Outcome::Holds };
        let own = Matcher::own_domains(self.number);
        let matcher = self.matcher;
        let fits = |names: &Names| {
            holds(matcher.tables().index.table(), &names.listed, matcher.runs().of(lists))
                || holds(&matcher.tables().named, &names.named, &[own])
        };
        if !self.plan.listed.urls.is_empty() || !self.plan.listed.expressions.is_empty() {
            return self.listed(fits);
        }
        let mut names = self.findings.names();
        match self.holds_in_any() {
            true => names.any(fits).into(),
            false => names.all(fits).into(),
        }
    }

    /// The same for lists that have URLs or expressions: a name, a URL at that name, or an expression.
    fn listed(&mut self, by_name: impl Fn(&Names) -> bool) -> Outcome {
        let Listed { urls, expressions } = self.plan.listed;
        let table = self.matcher.tables().index.urls();
        let urls = self.matcher.runs().of(urls);
        let any = self.holds_in_any();
        let agree = if any { Agree::Any } else { Agree::Every };
        let fits = self.findings.names().map(|names| match by_name(names) {
            true => Outcome::Holds,
            false => match names.urls.fit(table, urls, agree) {
                UrlFit::Listed => Outcome::Holds,
                UrlFit::Open => Outcome::Unknown(Lack::Path),
                UrlFit::Not => Outcome::Fails,
            },
        });
        let fits = match any {
            true => fits.fold(Outcome::Fails, Outcome::or),
            false => fits.fold(Outcome::Holds, |all, fits| all.and(|| fits)),
        };
        if fits == Outcome::Holds || expressions.is_empty() {
            return fits;
        }
        let named = match self.side {
            Side::Match => {
                let Plan { uri, destinations, sni, .. } = self.plan;
                uri.is_some() || destinations.is_some() || !matches!(sni, Sni::NotAsked)
            }
            Side::Except { of } => of.names_hosts(),
        };
        let lack = if named { Lack::Path } else { Lack::Inside };
        fits.or(self.patterns(Field::Uri, expressions, lack))
    }

    /// `match-uri`, in the views of the request and at each of its hosts.
    pub(crate) fn uri(&self) -> Outcome {
        let Some(asked) = self.plan.uri else { return Outcome::Holds };
        let asked = self.matcher.runs().of(asked);
        let fits = self.findings.places.iter().map(|place| self.uri_at(place, asked));
        match self.holds_in_any() {
            true => fits.fold(Outcome::Fails, Outcome::or),
            false => fits.fold(Outcome::Holds, |all, fits| all.and(|| fits)),
        }
    }

    fn uri_at(&self, place: &Place, asked: &[u32]) -> Outcome {
        let Some(host) = place.host else { return Outcome::Fails };
        match self.request.uri.path_known() {
            PathKnown::Unknown => {
                let origin = origin(self.request, place.port);
                match self.matcher.tables().prefixes.fit(host, origin, asked) {
                    Some(Fit::Whole) => Outcome::Holds,
                    Some(Fit::Open) => Outcome::Unknown(Lack::Path),
                    None => Outcome::Fails,
                }
            }
            PathKnown::Known => {
                let views = self.request.uri.views().zip(&place.prefixes);
                let mut fits = views.map(|(_, hits)| share(hits, asked));
                if self.holds_in_any() { fits.any(|fits| fits) } else { fits.all(|fits| fits) }
                    .into()
            }
        }
    }

    /// `match-sni`.
    pub(crate) fn sni(&self) -> Outcome {
        match self.plan.sni {
            Sni::NotAsked => Outcome::Holds,
            Sni::Any => match self.request.sni() {
                Known::Unknown => Outcome::Unknown(Lack::Name),
                Known::Absent => Outcome::Fails,
                Known::Is(_) => Outcome::Holds,
            },
            Sni::Named => {
                let names = match (self.request.sni(), self.findings.second) {
                    (Known::Unknown, _) => return Outcome::Unknown(Lack::Name),
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
    pub(crate) fn destinations(&mut self) -> Outcome {
        let Some(asked) = self.plan.destinations else { return Outcome::Holds };
        let hosts = [Some((self.request.uri.host(), Whose::Own)), connect_host(self.request)];
        let any = self.holds_in_any();
        let Self { matcher, findings, .. } = self;
        let mut fits = hosts.into_iter().flatten().map(|(host, whose)| {
            let found = matcher.destinations(host, whose, findings);
            found.is_some_and(|found| in_networks(matcher, asked, &found.nodes, &found.lists))
        });
        match any {
            true => fits.any(|fits| fits).into(),
            false => fits.all(|fits| fits).into(),
        }
    }

    /// `match-source`.
    pub(crate) fn sources(&mut self) -> Outcome {
        let Some(asked) = self.plan.sources else { return Outcome::Holds };
        let found = self.matcher.sources(self.request, self.findings);
        in_networks(self.matcher, asked, &found.nodes, &found.lists).into()
    }

    /// `match-anomaly`; it has one view.
    pub(crate) fn anomalies(&self) -> Outcome {
        if self.plan.anomalies.is_empty() {
            return Outcome::Holds;
        }
        let found = self.plan.anomalies.iter().map(|anomaly| anomaly.of(self.request));
        found.fold(Outcome::Fails, Outcome::or)
    }

    /// `match-user-agent`.
    pub(crate) fn agents(&mut self) -> Outcome {
        let Some(asked) = self.plan.agents else { return Outcome::Holds };
        match self.request.user_agent() {
            Known::Unknown => Outcome::Unknown(Lack::Inside),
            Known::Absent => Outcome::Fails,
            Known::Is(header) => {
                let asked = self.matcher.runs().of(asked);
                self.matcher.agents(header, self.findings).any(asked).into()
            }
        }
    }

    /// `match-uri-regex`, in the views of the request, and those of the other fields.
    pub(crate) fn regex(&mut self, field: Field) -> Outcome {
        let Some(asked) = self.plan.regex(field) else { return Outcome::Holds };
        self.patterns(field, asked, self.lack(field))
    }

    /// Patterns of a field, of which one has to fit; `lack` is what is missing where none can tell.
    fn patterns(&mut self, field: Field, asked: Run, lack: Lack) -> Outcome {
        let reading = match heard(self.request, field) {
            Heard::Nothing => return Outcome::Fails,
            Heard::NotKnown => return Outcome::Unknown(lack),
            Heard::Texts(reading) => reading,
        };
        let blocks = self.holds_in_any();
        // What patterns say of the other origins is not told apart by origin and view, so that none can
        // be permitted by it.
        if field == Field::Uri && !blocks && self.request.elsewhere().next().is_some() {
            return Outcome::Fails;
        }
        let asked = self.matcher.runs().of(asked);
        let table = &self.matcher.tables().regexes;
        let fits = match self.findings.regexes.fits(table, self.request, field, reading, asked) {
            // Nobody could tell whether it fits: on the side of the rule that stops the client.
            Fits::Broken => return blocks.into(),
            Fits::Views { fitting, elsewhere, .. } if blocks => fitting > 0 || elsewhere,
            Fits::Views { fitting, all, .. } => fitting == all,
        };
        match (fits, reading) {
            (true, Reading::Whole | Reading::Open) => Outcome::Holds,
            (false, Reading::Whole) => Outcome::Fails,
            (false, Reading::Open) => Outcome::Unknown(lack),
        }
    }

    /// What is missing where a regex is unknown. A pattern alone does not say which hosts it means, so
    /// that only a rule which names them lacks nothing but the path. What is excepted beside a pattern says
    /// nothing of it, since either is enough.
    const fn lack(&self, field: Field) -> Lack {
        let named = match self.side {
            Side::Match => self.plan.names_hosts(),
            Side::Except { of } => of.names_hosts(),
        };
        match field {
            Field::Uri if named => Lack::Path,
            Field::Uri | Field::UserAgent | Field::Referer => Lack::Inside,
            Field::Sni => Lack::Name,
        }
    }

    /// The list that named the host or the URL there, or else at the SNI, or else at the host of the
    /// CONNECT: the first one in the rule's own order; else the first whose expression fits.
    pub(crate) fn list<'r>(&mut self, rules: &'r Ruleset) -> Option<&'r str> {
        let asked = &rules.rules.get(self.number as usize)?.conditions;
        let path = |list: ListIndex| Some(rules.lists.get(list.0 as usize)?.path.as_str());
        let tables = self.matcher.tables();
        let of = |numbers: &[Option<u32>], list: &ListIndex| {
            numbers.get(list.0 as usize).copied().flatten()
        };
        let named = |names: &Names| {
            asked.domain_lists.iter().find(|list| {
                let set = of(&tables.set_of_list, list);
                let urls = of(&tables.urls_of_list, list);
                set.is_some_and(|set| holds(tables.index.table(), &names.listed, &[set]))
                    || urls.is_some_and(|set| {
                        let fit = names.urls.fit(tables.index.urls(), &[set], Agree::Any);
                        fit == UrlFit::Listed
                    })
            })
        };
        if asked.domain_lists.is_empty() && asked.list_expressions.is_empty() {
            return None;
        }
        if let Some(list) = self.findings.names().find_map(named) {
            return path(*list);
        }
        let expression = asked.list_expressions.iter().find(|own| self.finds(&own.pattern));
        expression.and_then(|own| path(own.list))
    }

    /// Whether a pattern of a list fits the URI in any reading.
    fn finds(&mut self, pattern: &RegexPattern) -> bool {
        let table = &self.matcher.tables().regexes;
        let reading = heard(self.request, Field::Uri);
        let (Some(number), Heard::Texts(reading)) = (table.of(Field::Uri).find(pattern), reading)
        else {
            return false;
        };
        match self.findings.regexes.fits(table, self.request, Field::Uri, reading, &[number]) {
            Fits::Broken => false,
            Fits::Views { fitting, elsewhere, .. } => fitting > 0 || elsewhere,
        }
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
