//! The slow twin of users, methods, ports and times: each value looked at alone, by jiff's own clock.

use super::{Answer, At, Eyes, NaivePolicy, answer, in_views};
use crate::check::{CheckedRule, Conditions, PortRange, UserPattern};
use crate::client::{Phase, Request};
use crate::decide::Lack;
use crate::moment::Moment;

/// Whether a rule counts by `valid-from` and `valid-until`.
pub(super) fn counts(rule: &CheckedRule, now: Moment) -> Answer {
    let now = now.unix_micros();
    let begun = rule.validity.from.is_none_or(|from| now >= from.unix_micros());
    let over = rule.validity.until.is_some_and(|until| now >= until.unix_micros());
    answer(begun && !over)
}

impl NaivePolicy {
    /// Adds what users, methods, ports and times say.
    pub(super) fn terms(
        &self,
        asked: &Conditions,
        eyes: Eyes,
        at: &At<'_>,
        answers: &mut Vec<Answer>,
    ) {
        if !asked.users.is_empty() {
            let fits = |user: &[u8]| asked.users.iter().any(|own| self.is_user(own, user));
            answers.push(answer(at.request.client.user.is_some_and(fits)));
        }
        if !asked.methods.is_empty() {
            answers.push(method_fits(&asked.methods, eyes, at.request));
        }
        if !asked.ports.is_empty() {
            let fits = |port| {
                asked.ports.iter().any(|PortRange { first, last }| (*first..=*last).contains(&port))
            };
            answers.push(answer(in_views(eyes, ports(at.request).into_iter().map(fits))));
        }
        if !asked.windows.is_empty() {
            let shown = self.shown(at.now);
            answers.push(answer(
                asked.windows.iter().any(|window| {
                    i64::from(window.from) <= shown && shown < i64::from(window.until)
                }),
            ));
        }
    }

    fn is_user(&self, own: &UserPattern, user: &[u8]) -> bool {
        match own {
            UserPattern::Name(name) => name.as_bytes() == user,
            UserPattern::List(list) => {
                let list = self.compiled.lists.get(list.0 as usize);
                let names = list.and_then(|list| self.sets.users.get(&list.set));
                names.is_some_and(|names| names.iter().any(|name| name.as_bytes() == user))
            }
        }
    }

    /// The minutes since Monday 00:00 that clocks show.
    fn shown(&self, now: Moment) -> i64 {
        let instant = jiff::Timestamp::from_microsecond(now.unix_micros()).unwrap_or_default();
        let civil = instant.to_zoned(self.zone.clone()).datetime();
        let day = i64::from(civil.weekday().to_monday_zero_offset());
        (day * 24 + i64::from(civil.hour())) * 60 + i64::from(civil.minute())
    }
}

/// In any case of letters for what stops a client, exactly for what spares it. Of a tunnel nothing but
/// the CONNECT is known.
fn method_fits(asked: &[String], eyes: Eyes, request: &Request<'_>) -> Answer {
    let tunnel = request.phase != Phase::Request;
    let method = if tunnel { b"CONNECT" } else { request.method };
    let fits = asked.iter().any(|own| match eyes {
        Eyes::AnyReading => own.as_bytes().eq_ignore_ascii_case(method),
        Eyes::EveryReading => own.as_bytes() == method,
    });
    match (fits, tunnel) {
        (false, true) => Answer::NotKnown(Lack::Inside),
        (fits, _) => answer(fits),
    }
}

/// The port that the request says, and that of its tunnel; where it says none, only that of its tunnel.
fn ports(request: &Request<'_>) -> Vec<u16> {
    let own = request.uri.port();
    let inside = request.phase == Phase::Request;
    match request.earlier.filter(|_| inside).map(|earlier| earlier.port) {
        None => vec![own],
        Some(tunnel) if own == request.uri.scheme().default_port() => vec![tunnel],
        Some(tunnel) => vec![own, tunnel],
    }
}
