//! All links together: tries the engines that are wanted, keeps the links alive, lets go of those
//! that are not needed any more.
//!
//! INVARIANT: a link is let go only while its engine owes nothing; a link that is lost says so by not
//! being in `up` any more, and whoever asked it asks again elsewhere.

use std::time::{Duration, Instant};

use eg_proto::limits::{ASK_AGAIN_AFTER, HANDSHAKE_TIMEOUT};

use super::backoff::Demand;
use super::choice::{Ranked, Standing, is_surplus, is_wanted, reconsider_at};
use super::number::{ENGINES_MAX, LinkNumber, LinkSet};
use super::route::{Identity, LinkFault, Route};
use super::session::Patience;
use crate::config::EngineConfig;

/// How long one engine may take to welcome us where there are others.
const ATTEMPT_MAX_WITH_OTHERS: Duration = Duration::from_secs(1);

/// A request is asked again after this share of its deadline at the latest, so that a short deadline
/// leaves time for the second engine too.
const ASK_AGAIN_SHARE: u32 = 5;

/// How much there is to do for the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests that Squid waits for.
    pub outstanding: usize,
    /// How many answers each engine owes.
    pub owed: [usize; ENGINES_MAX],
}

impl Load {
    /// How many answers an engine owes.
    #[must_use]
    pub fn owed(&self, link: LinkNumber) -> usize {
        self.owed.get(link.place()).copied().unwrap_or_default()
    }
}

/// The links to all engines of the configuration.
#[derive(Debug)]
pub struct Links {
    routes: Vec<Route>,
}

impl Links {
    /// No engine has been tried yet. `answer_timeout` says what silence means.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        engines: Vec<EngineConfig>,
        identity: &Identity,
        answer_timeout: Duration,
    ) -> Result<Self, LinkFault> {
        let alone = engines.len() < 2;
        let patience = Patience {
            // With another engine at hand there is still time to ask it before the deadline.
            stalled: if alone { answer_timeout } else { answer_timeout / 2 },
            mute: answer_timeout * 2,
            late: ask_again_after(answer_timeout),
            attempt: if alone { HANDSHAKE_TIMEOUT } else { ATTEMPT_MAX_WITH_OTHERS },
        };
        let routes = engines
            .into_iter()
            .take(ENGINES_MAX)
            .map(|config| Route::new(config, identity.clone(), patience))
            .collect::<Result<_, _>>()?;
        Ok(Self { routes })
    }

    /// How many engines there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.routes.len()
    }

    /// Every link with its number.
    pub fn iter(&self) -> impl Iterator<Item = (LinkNumber, &Route)> {
        LinkNumber::first(ENGINES_MAX).zip(&self.routes)
    }

    /// One link.
    pub fn route(&mut self, link: LinkNumber) -> Option<&mut Route> {
        self.routes.get_mut(link.place())
    }

    /// The links that can be asked.
    #[must_use]
    pub fn up(&self) -> LinkSet {
        let mut up = LinkSet::default();
        for (number, route) in self.iter() {
            if route.is_up() {
                up.insert(number);
            }
        }
        up
    }

    /// The links that can be asked, best first.
    #[must_use]
    pub fn ranked(&self, now: Instant) -> Ranked {
        Ranked::of(self.standings(now).get(..self.count()).unwrap_or_default(), now)
    }

    /// When `tick` has something to do; `None` while only the network has.
    #[must_use]
    pub fn wake_at(&self, now: Instant, load: &Load) -> Option<Instant> {
        let standings = self.standings(now);
        let standings = standings.get(..self.count()).unwrap_or_default();
        let demand = self.demand(load);
        let tries = self
            .routes
            .iter()
            .enumerate()
            .filter(|(at, _)| is_wanted(standings, *at, now))
            .filter_map(|(_, route)| route.try_at(demand, now));
        let own = self.routes.iter().filter_map(|route| route.wake_at(now));
        tries.chain(own).chain(reconsider_at(standings, now)).min()
    }

    /// Does what the time asks for.
    pub fn tick(&mut self, now: Instant, load: &Load) {
        for (number, route) in LinkNumber::first(ENGINES_MAX).zip(&mut self.routes) {
            route.tick(now, load.owed(number));
        }
        let demand = self.demand(load);
        for number in LinkNumber::first(self.count()) {
            // Anew for each: an attempt that begins makes the next one needless.
            let standings = self.standings(now);
            let standings = standings.get(..self.count()).unwrap_or_default();
            let at = number.place();
            let (wanted, surplus) = (is_wanted(standings, at, now), is_surplus(standings, at, now));
            let Some(route) = self.routes.get_mut(at) else { return };
            if wanted && route.try_at(demand, now).is_some_and(|at| at <= now) {
                route.start(now);
            } else if surplus && route.is_up() && load.owed(number) == 0 {
                tracing::info!(
                    engine = route.name(),
                    "not needed while the engines above it are well"
                );
                route.leave("the engines above are well");
            }
        }
    }

    /// Says goodbye to all.
    pub fn leave(&mut self, text: &str) {
        for route in &mut self.routes {
            route.leave(text);
        }
    }

    fn demand(&self, load: &Load) -> Demand {
        if load.outstanding > 0 && self.up().is_empty() { Demand::Busy } else { Demand::Idle }
    }

    /// The standing of every engine; the rest of the array is down.
    fn standings(&self, now: Instant) -> [Standing; ENGINES_MAX] {
        let mut standings = [Standing::Down; ENGINES_MAX];
        for (standing, route) in standings.iter_mut().zip(&self.routes) {
            *standing = route.standing(now);
        }
        standings
    }
}

/// How long a query may be without an answer before the next engine is asked as well.
#[must_use]
pub fn ask_again_after(answer_timeout: Duration) -> Duration {
    ASK_AGAIN_AFTER.min(answer_timeout / ASK_AGAIN_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_deadline_leaves_time_for_the_second_engine() {
        for (timeout, expected) in [(50, 10), (300, 60), (2_000, 400), (30_000, 400)] {
            let after = ask_again_after(Duration::from_millis(timeout));
            assert_eq!(after, Duration::from_millis(expected));
        }
    }
}
