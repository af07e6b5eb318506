//! The second question: what is to be done with a TLS connection whose `ClientHello` was read (SPEC 8,
//! ADR 0016), and which verdicts may wait for it.
//!
//! The first rule with a `tls` word that holds, or that lacks nothing but the path, gives the word; else
//! it follows from how Squid looks into TLS. Where the names of a connection differ, the words that look
//! closer or end it count for any of them, and `splice`, on a rule that permits, for all. A verdict that blocks is shown inside TLS, so its answer is
//! to decrypt, unless that very rule says otherwise.
//!
//! INVARIANT: whatever this answers, the verdict on the name is not lost: what blocks is decrypted and
//! blocked inside, or ended, or passed because the rule that blocks says so in its own words.

use crate::check::Mode;
use crate::client::{Request, Tunnel};
use crate::decide::{Lack, OnTrial, Outcome, Scratch, Side, Trial};
use crate::matcher::{Candidates, Findings, Matcher};
use crate::moment::Moment;
use crate::ruleset::Ruleset;
use crate::verdict::{Action, Cause, Tls, Verdict};

/// What the second question is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsAnswer<'r> {
    /// What is to be done.
    pub tls: Tls,
    /// The verdict that stands behind it; where the connection is ended, a denial by whoever ends it.
    pub verdict: Verdict<'r>,
}

impl<'r> TlsAnswer<'r> {
    /// The end of a connection, by this verdict.
    #[must_use]
    pub const fn terminate(verdict: Verdict<'r>) -> Self {
        Self { tls: Tls::Terminate, verdict }
    }

    /// What the guard of the portal answers: no rule has a word in it.
    #[must_use]
    pub const fn portal(request: &Request<'_>) -> Self {
        Self { tls: word_of(request.tunnel), verdict: Verdict::portal() }
    }

    /// What a word and a verdict make together. `ended` is the denial by the rule that gave the word,
    /// `own` the word of the rule that gave the verdict.
    pub(crate) const fn new(
        word: Tls,
        ended: Verdict<'r>,
        verdict: Verdict<'r>,
        own: Option<Tls>,
    ) -> Self {
        match (verdict.action.blocks(), own, word) {
            (true, Some(Tls::Terminate), _) => Self::terminate(verdict),
            (true, Some(Tls::Splice), _) => Self { tls: Tls::Splice, verdict },
            (true, Some(Tls::Bump) | None, _) => Self { tls: Tls::Bump, verdict },
            (false, _, Tls::Terminate) => Self::terminate(ended),
            (false, _, Tls::Splice | Tls::Bump) => Self { tls: word, verdict },
        }
    }
}

/// The word where no rule has one.
pub(crate) const fn word_of(tunnel: Tunnel) -> Tls {
    match tunnel {
        Tunnel::Opaque | Tunnel::Peeked => Tls::Splice,
        Tunnel::Decrypted => Tls::Bump,
    }
}

/// What is to be done with the TLS connection of `request`, whose phase is the hello.
#[must_use]
pub fn tls_for<'r>(
    rules: &'r Ruleset,
    scratch: &mut Scratch,
    request: &Request<'_>,
    now: Moment,
) -> TlsAnswer<'r> {
    let matcher = &rules.matcher;
    let Scratch { findings, candidates, aside: _ } = scratch;
    // As if it were decrypted, so that rules whose path is not known are looked at as well.
    let open = &Request { tunnel: Tunnel::Decrypted, ..*request };
    matcher.gather(open, findings, candidates);
    let (mut word, mut first, mut waits) = (None, None, false);
    // The first rule that holds for good, should nobody ask what is inside.
    let (mut closed, mut monitored) = (None, None);
    while word.is_none() || first.is_none() {
        let Some(number) = candidates.next(matcher.runs()) else { break };
        let rule = rules.rules.get(number as usize);
        let (Some(plan), Some(rule)) = (matcher.plan(number), rule) else { continue };
        let (of, side) = (OnTrial::Action, Side::Match);
        let mut trial = Trial { matcher, request: open, now, number, plan, of, side, findings };
        let outcome = trial.outcome();
        if plan.mode() == Mode::Monitor {
            if outcome == Outcome::Holds && closed.is_none() {
                monitored = monitored.or(Some(rule));
            }
            continue;
        }
        let holds = match outcome {
            Outcome::Holds => true,
            Outcome::Unknown(_) => closed.is_none() && trial.holds_for_good(),
            Outcome::Fails => false,
        };
        if holds && closed.is_none() {
            let cause = Cause::Rule { rule, list: trial.list(rules) };
            closed = Some((Verdict { action: plan.action, cause, monitored }, plan.tls));
        }
        trial.of = OnTrial::Word;
        let heard = match (word, plan.tls) {
            (None, Some(_)) => trial.outcome(),
            (Some(_), _) | (_, None) => Outcome::Fails,
        };
        let says = match heard {
            Outcome::Holds | Outcome::Unknown(Lack::Path) => plan.tls,
            Outcome::Unknown(Lack::Inside | Lack::Name) => {
                plan.tls.filter(|_| trial.holds_for_good())
            }
            Outcome::Fails => None,
        };
        if let (None, Some(tls)) = (word, says) {
            let cause = Cause::Rule { rule, list: trial.list(rules) };
            word = Some((tls, Verdict { action: Action::Deny, cause, monitored }));
        }
        match (outcome, first) {
            (Outcome::Holds, None) => first = Some(()),
            (Outcome::Unknown(_), None) => waits = true,
            (Outcome::Holds | Outcome::Unknown(_) | Outcome::Fails, _) => (),
        }
    }
    let default = Verdict { action: rules.default_action, cause: Cause::Default, monitored };
    let (word, ended) = word.unwrap_or_else(|| (word_of(request.tunnel), default));
    let (verdict, own) = closed.unwrap_or((default, None));
    match (word, waits) {
        (Tls::Bump, true) => {
            TlsAnswer { tls: Tls::Bump, verdict: Verdict::deferred().noting(monitored) }
        }
        (Tls::Bump, false) | (Tls::Splice | Tls::Terminate, _) => {
            TlsAnswer::new(word, ended, verdict, own)
        }
    }
}

/// Whether a verdict that lacks something may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Later {
    /// A later question about this tunnel knows more.
    Asked,
    /// None does.
    Silent,
}

/// Whether a verdict waits for what a rule of this action lacks. Only for requests whose unknown may
/// defer.
pub(crate) fn later(
    matcher: &Matcher,
    (request, now): (&Request<'_>, Moment),
    (action, lack): (Action, Lack),
    findings: &mut Findings,
    aside: &mut Candidates,
) -> Later {
    match (request.tunnel, lack) {
        (Tunnel::Decrypted, Lack::Path | Lack::Inside | Lack::Name) => Later::Asked,
        // The `ClientHello` is asked about in any case, and by then the rule is looked at again. What is
        // blocked by now need not wait for it: the server would have heard of the client.
        (Tunnel::Peeked, Lack::Name) => match action {
            Action::Deny => Later::Silent,
            Action::Permit | Action::Warn | Action::Aup => Later::Asked,
        },
        (Tunnel::Peeked, Lack::Path | Lack::Inside) => {
            may_be_decrypted(matcher, request, now, findings, aside)
        }
        (Tunnel::Opaque, Lack::Path | Lack::Inside | Lack::Name) => Later::Silent,
    }
}

/// Whether the answer to the second question about this tunnel will be to decrypt it, or may be, as far
/// as the `tls` words of rules go. A verdict that blocks would say so too, but then nothing inside is
/// permitted, and nothing needs to wait for it.
///
/// It finds again what was found of the request, which leaves `findings` as it was.
fn may_be_decrypted(
    matcher: &Matcher,
    request: &Request<'_>,
    now: Moment,
    findings: &mut Findings,
    aside: &mut Candidates,
) -> Later {
    matcher.gather(request, findings, aside);
    while let Some(number) = aside.next(matcher.runs()) {
        let Some(plan) = matcher.plan(number) else { continue };
        let Some(tls) = plan.tls else { continue };
        let (of, side) = (OnTrial::Word, Side::Match);
        let mut trial = Trial { matcher, request, now, number, plan, of, side, findings };
        match (trial.outcome(), tls) {
            (Outcome::Holds | Outcome::Unknown(_), Tls::Bump) => return Later::Asked,
            (Outcome::Holds | Outcome::Unknown(Lack::Path), Tls::Splice | Tls::Terminate) => {
                return Later::Silent;
            }
            (Outcome::Unknown(Lack::Inside | Lack::Name), Tls::Splice | Tls::Terminate)
            | (Outcome::Fails, _) => (),
        }
    }
    match word_of(request.tunnel) {
        Tls::Bump => Later::Asked,
        Tls::Splice | Tls::Terminate => Later::Silent,
    }
}
