//! When no engine can judge: what is said is the role's, from its `fail_action`; here it is counted.
//!
//! Squid lets a request pass on `ERR`, `BH`, garbage and a dead helper, so failing closed must be
//! said aloud. The sealed tokens come from the last welcome; before any, the token is `-`.
//!
//! INVARIANT: a request whose line or answer could not be read is refused even with
//! `fail_action = "permit"`: that smells of tampering, not of an engine that is down. Of a TLS connection
//! this holds for the line; after an answer that could not be read its own `fail_action` says what
//! becomes of it, since what goes on there is asked about again.

use eg_proto::{FailureCause, FailureToken};

use crate::helper::Channel;
use crate::role::{Alone, Role};

/// How many causes there are.
const CAUSES: usize = FailureCause::ALL.len();

/// A number for each cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CauseCounts([u64; CAUSES]);

impl CauseCounts {
    fn add(&mut self, cause: FailureCause) {
        if let Some(count) = self.0.get_mut(place(cause)) {
            *count = count.saturating_add(1);
        }
    }

    /// How often this cause was met.
    #[must_use]
    pub fn of(&self, cause: FailureCause) -> u64 {
        self.0.get(place(cause)).copied().unwrap_or_default()
    }

    /// Those that were met at all.
    pub fn met(&self) -> impl Iterator<Item = (FailureCause, u64)> + '_ {
        let all = FailureCause::ALL.iter().copied();
        all.map(|cause| (cause, self.of(cause))).filter(|(_, count)| *count > 0)
    }
}

const fn place(cause: FailureCause) -> usize {
    match cause {
        FailureCause::NoEngine => 0,
        FailureCause::Timeout => 1,
        FailureCause::BrokenAnswer => 2,
        FailureCause::UnreadableLine => 3,
        FailureCause::Overload => 4,
    }
}

/// Whether engines answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Alone { since_answers: u64 },
}

/// Answers without an engine, counted.
#[derive(Debug)]
pub struct Fallback {
    alone: Alone,
    tokens: [Option<String>; CAUSES],
    total: CauseCounts,
    unreported: CauseCounts,
    state: State,
}

impl Fallback {
    /// No token is known yet.
    #[must_use]
    pub fn new(alone: Alone) -> Self {
        Self {
            alone,
            tokens: Default::default(),
            total: CauseCounts::default(),
            unreported: CauseCounts::default(),
            state: State::Working,
        }
    }

    /// Keeps the tokens of a welcome; a cause that it leaves out keeps its old one.
    pub fn learn(&mut self, tokens: &[FailureToken]) {
        for token in tokens {
            if let Some(kept) = self.tokens.get_mut(place(token.cause)) {
                *kept = Some(token.token.clone());
            }
        }
    }

    /// Appends the answer for a line that no engine judged.
    pub fn answer(
        &mut self,
        out: &mut Vec<u8>,
        role: &Role,
        channel: Channel,
        cause: FailureCause,
    ) {
        self.total.add(cause);
        self.unreported.add(cause);
        match cause {
            FailureCause::BrokenAnswer | FailureCause::UnreadableLine => {}
            FailureCause::NoEngine | FailureCause::Timeout | FailureCause::Overload => {
                self.notice_alone(cause);
            }
        }
        let token = self.tokens.get(place(cause)).and_then(Option::as_deref);
        role.fall_back(out, channel, cause, token);
    }

    /// An engine answered: the end of being alone.
    pub fn engine_answered(&mut self) {
        match self.state {
            State::Working => {}
            State::Alone { since_answers } => {
                self.state = State::Working;
                match self.alone {
                    Alone::Refused => {
                        tracing::warn!(refused = since_answers, "an engine answers again");
                    }
                    Alone::Passing => tracing::warn!(
                        passed = since_answers,
                        "an engine answers again; requests had passed without a verdict"
                    ),
                }
            }
        }
    }

    /// All answers given since the start, by cause.
    #[must_use]
    pub const fn total(&self) -> CauseCounts {
        self.total
    }

    /// What the engine has not been told yet; it counts as told from now on.
    pub fn take_unreported(&mut self) -> CauseCounts {
        std::mem::take(&mut self.unreported)
    }

    fn notice_alone(&mut self, cause: FailureCause) {
        match &mut self.state {
            State::Alone { since_answers } => *since_answers = since_answers.saturating_add(1),
            State::Working => {
                self.state = State::Alone { since_answers: 1 };
                match self.alone {
                    Alone::Refused => tracing::error!(
                        cause = cause.word(),
                        "requests are refused without a verdict until an engine answers"
                    ),
                    Alone::Passing => tracing::warn!(
                        cause = cause.word(),
                        "requests pass without a verdict until an engine answers"
                    ),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Answer, FailAction};

    fn check(action: FailAction, cause: FailureCause, expected: &str) {
        let role = Role::rewrite(Answer::Note, action);
        let mut fallback = Fallback::new(role.alone());
        let token = FailureToken { cause: FailureCause::Timeout, token: "late".to_owned() };
        fallback.learn(&[token]);
        let mut out = Vec::new();
        fallback.answer(&mut out, &role, Channel::Only, cause);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{cause:?}");
        assert_eq!(fallback.total().met().collect::<Vec<_>>(), [(cause, 1)]);
        assert_eq!(fallback.take_unreported().of(cause), 1);
        assert_eq!(fallback.take_unreported().of(cause), 0);
    }

    #[test]
    fn every_cause_has_its_answer() {
        let (bare, late) =
            ("OK eg_verdict_=deny eg_token_=-\n", "OK eg_verdict_=deny eg_token_=late\n");
        for &cause in FailureCause::ALL {
            check(
                FailAction::Deny,
                cause,
                if cause == FailureCause::Timeout { late } else { bare },
            );
        }
    }

    #[test]
    fn permit_covers_an_absent_engine_and_not_what_cannot_be_read() {
        let pass = "OK eg_verdict_=permit\n";
        let deny = "OK eg_verdict_=deny eg_token_=-\n";
        for (cause, expected) in [
            (FailureCause::NoEngine, pass),
            (FailureCause::Timeout, pass),
            (FailureCause::Overload, pass),
            (FailureCause::BrokenAnswer, deny),
            (FailureCause::UnreadableLine, deny),
        ] {
            check(FailAction::Permit, cause, expected);
        }
    }

    #[test]
    fn causes_have_places_of_their_own() {
        let mut places: Vec<usize> = FailureCause::ALL.iter().map(|&cause| place(cause)).collect();
        places.sort_unstable();
        assert_eq!(places, (0..CAUSES).collect::<Vec<_>>());
    }
}
