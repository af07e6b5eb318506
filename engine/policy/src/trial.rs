//! The further kinds of attributes on trial: users, methods, ports and times; and exceptions.
//!
//! An exception is looked at with the rule's own eyes turned: where a rule holds in any view or name, its
//! exceptions count only in all of them, and the other way round (SPEC 4). So a request that can be read
//! in two ways is not let off by the one reading that is excepted. Where nobody will ever tell whether an
//! exception holds, a rule that blocks takes it that it does not (ADR 0021).

use crate::check::{Application, ConditionKind};
use crate::client::InnerMethod;
use crate::decide::{Lack, OnTrial, Outcome, Side, Trial};
use crate::matcher::{Plan, Sni};
use crate::verdict::Tls;

impl ConditionKind {
    /// Whether a plan asks for it.
    fn is_asked(self, plan: &Plan) -> bool {
        let rest = plan.rest.as_deref();
        match self {
            Self::Application => plan.application != Application::Any,
            Self::Windows => rest.is_some_and(|rest| !rest.windows.is_empty()),
            Self::Users => rest.is_some_and(|rest| rest.users.is_some()),
            Self::Methods => rest.is_some_and(|rest| rest.methods.is_some()),
            Self::Ports => rest.is_some_and(|rest| rest.ports.is_some()),
            Self::Domains => plan.domains.is_some(),
            Self::Uri => plan.uri.is_some(),
            Self::Sni => plan.sni != Sni::NotAsked,
            Self::Destinations => plan.destinations.is_some(),
            Self::Sources => plan.sources.is_some(),
            Self::Agents => plan.agents.is_some(),
            Self::Anomalies => !plan.anomalies.is_empty(),
            Self::Regex(field) => plan.regex(field).is_some(),
        }
    }
}

impl Trial<'_> {
    /// Whether a rule stops a client or looks closer.
    pub(crate) const fn stops(&self, plan: &Plan) -> bool {
        let closer = match (self.of, plan.tls) {
            (OnTrial::Word, Some(Tls::Bump | Tls::Terminate)) => true,
            (OnTrial::Word, Some(Tls::Splice) | None) | (OnTrial::Action, _) => false,
        };
        closer || plan.action.blocks()
    }

    /// Whether a rule whose outcome is unknown holds where nobody will tell: it does where it stops the
    /// client, and only its exceptions are not known.
    pub(crate) fn holds_for_good(&mut self) -> bool {
        self.stops(self.plan) && self.matches() == Outcome::Holds
    }

    /// What the rule excepts, on trial.
    pub(crate) fn exception(&mut self) -> Option<Trial<'_>> {
        let number = self.plan.except()?;
        Some(Trial {
            matcher: self.matcher,
            request: self.request,
            now: self.now,
            number,
            plan: self.matcher.plan(number)?,
            of: self.of,
            side: Side::Except { of: self.plan },
            findings: &mut *self.findings,
        })
    }

    /// Whether the rule counts at this time.
    pub(crate) fn validity(&self) -> Outcome {
        let rest = self.plan.rest.as_deref();
        rest.is_none_or(|rest| rest.validity.covers(self.now)).into()
    }

    /// Whether nothing that the rule excepts holds.
    pub(crate) fn unexcepted(&mut self) -> Outcome {
        let Some(mut exception) = self.exception() else { return Outcome::Holds };
        // That none holds is that all do not: what is lacked is what the next question tells, if any.
        let mut free = Outcome::Holds;
        for kind in ConditionKind::ALL.into_iter().filter(|kind| kind.is_asked(exception.plan)) {
            free = free.and(|| exception.kind(kind).not());
            if free == Outcome::Fails {
                break;
            }
        }
        free
    }

    /// Whether what is asked of a kind holds.
    pub(crate) fn kind(&mut self, kind: ConditionKind) -> Outcome {
        match kind {
            ConditionKind::Application => self.application(),
            ConditionKind::Windows => self.windows(),
            ConditionKind::Users => self.users(),
            ConditionKind::Methods => self.methods(),
            ConditionKind::Ports => self.ports(),
            ConditionKind::Domains => self.domains(),
            ConditionKind::Uri => self.uri(),
            ConditionKind::Sni => self.sni(),
            ConditionKind::Destinations => self.destinations(),
            ConditionKind::Sources => self.sources(),
            ConditionKind::Agents => self.agents(),
            ConditionKind::Anomalies => self.anomalies(),
            ConditionKind::Regex(field) => self.regex(field),
        }
    }

    /// All that few rules ask together: when they count, times, users, methods, ports.
    pub(crate) fn rest(&mut self) -> Outcome {
        let Some(rest) = self.plan.rest.as_deref() else { return Outcome::Holds };
        Outcome::from(rest.validity.covers(self.now))
            .and(|| self.windows())
            .and(|| self.users())
            .and(|| self.ports())
            .and(|| self.methods())
    }

    /// `time-window`.
    pub(crate) fn windows(&mut self) -> Outcome {
        let Some(rest) = self.plan.rest.as_deref() else { return Outcome::Holds };
        if rest.windows.is_empty() {
            return Outcome::Holds;
        }
        let minute = self.matcher.minute(self.now, self.findings);
        rest.windows.iter().any(|window| window.covers(minute)).into()
    }

    /// `match-user`.
    pub(crate) fn users(&mut self) -> Outcome {
        let Some(asked) = self.plan.rest.as_deref().and_then(|rest| rest.users) else {
            return Outcome::Holds;
        };
        let Some(hit) = self.matcher.user(self.request, self.findings) else {
            return Outcome::Fails;
        };
        let runs = self.matcher.runs();
        let listed = runs.of(asked.lists);
        let is_named = runs.of(asked.names).binary_search(&hit.number).is_ok();
        let mut lists = runs.of(hit.lists).iter();
        (is_named || lists.any(|list| listed.binary_search(list).is_ok())).into()
    }

    /// `match-method`: in any spelling for what stops the client, exactly for what lets it pass.
    pub(crate) fn methods(&mut self) -> Outcome {
        let Some(asked) = self.plan.rest.as_deref().and_then(|rest| rest.methods) else {
            return Outcome::Holds;
        };
        let spelled = self.matcher.method(self.request, self.findings);
        let runs = self.matcher.runs();
        let asked = runs.of(asked);
        let mut named =
            runs.of(spelled).iter().filter(|number| asked.binary_search(number).is_ok());
        let exactly = self.request.method();
        let fits = match self.holds_in_any() {
            true => named.next().is_some(),
            false => named.any(|number| self.matcher.tables().methods.is_spelled(*number, exactly)),
        };
        match (fits, self.request.inner_method()) {
            (true, _) => Outcome::Holds,
            (false, InnerMethod::Known) => Outcome::Fails,
            (false, InnerMethod::Unknown) => Outcome::Unknown(Lack::Inside),
        }
    }

    /// `match-port`: the request's own, and that of the CONNECT.
    pub(crate) fn ports(&mut self) -> Outcome {
        let Some(asked) = self.plan.rest.as_deref().and_then(|rest| rest.ports) else {
            return Outcome::Holds;
        };
        let any = self.holds_in_any();
        let asked = self.matcher.runs().of(asked);
        let in_asked =
            |blocks: &Vec<u32>| blocks.iter().any(|block| asked.binary_search(block).is_ok());
        let mut ports = self.matcher.ports(self.request, self.findings);
        match any {
            true => ports.any(in_asked).into(),
            false => ports.all(in_asked).into(),
        }
    }
}
