//! Which engines a connector keeps links to, and which link is asked first. Pure: a table of standings
//! and the time come in, a choice comes out.
//!
//! The first engine of the file is preferred, and one more stands by. An engine further down is tried
//! where those above it fail or are late.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::number::{ENGINES_MAX, LinkNumber};

/// Links that a connector keeps where there are as many engines: one to ask and one that stands by.
const LINKS_WANTED: usize = 2;

/// An attempt that takes longer lets the next engine be tried beside it: long for a welcome, and four
/// silent engines still leave more than half of the two seconds of a request.
const HOPE_MAX: Duration = Duration::from_millis(250);

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    Down,
    /// An attempt is under way.
    Trying {
        /// Since when.
        since: Instant,
    },
    /// It can be asked.
    Up {
        /// From when on it is asked before those further down in the file.
        settled: Instant,
        /// Whether it answers.
        health: Health,
    },
}

/// Whether an engine answers what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It does, or was asked nothing.
    Well,
    /// It owes answers for too long.
    Late,
}

/// Whether an engine that has no link is to be tried: the links above it do not suffice.
pub(super) fn is_wanted(standings: &[Standing], at: usize, now: Instant) -> bool {
    let hopeful = |standing: &&Standing| match standing {
        Standing::Down => false,
        Standing::Trying { since } => now < *since + HOPE_MAX,
        Standing::Up { health, .. } => *health == Health::Well,
    };
    standings.iter().take(at).filter(hopeful).count() < LINKS_WANTED
}

/// When `is_wanted` may change by the clock alone.
pub(super) fn reconsider_at(standings: &[Standing], now: Instant) -> Option<Instant> {
    let given_up = |standing: &Standing| match standing {
        Standing::Trying { since } => Some(*since + HOPE_MAX).filter(|at| *at > now),
        Standing::Down | Standing::Up { .. } => None,
    };
    standings.iter().filter_map(given_up).min()
}

/// Whether a link can go: enough of those above it are well, and have been for a while.
pub(super) fn is_surplus(standings: &[Standing], at: usize, now: Instant) -> bool {
    let steady = |standing: &&Standing| match standing {
        Standing::Down | Standing::Trying { .. } => false,
        Standing::Up { settled, health } => *health == Health::Well && *settled <= now,
    };
    standings.iter().take(at).filter(steady).count() >= LINKS_WANTED
}

/// The links that can be asked, best first.
#[derive(Debug, Clone, Copy)]
pub struct Ranked([Option<(Rank, LinkNumber)>; ENGINES_MAX]);

/// Higher is better; equal ones go by the file.
type Rank = (Answering, Settled);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answering {
    Late,
    Well,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Settled {
    Not,
    Done,
}

impl Ranked {
    pub(super) fn of(standings: &[Standing], now: Instant) -> Self {
        let mut ranked = [None; ENGINES_MAX];
        for ((place, number), standing) in
            ranked.iter_mut().zip(LinkNumber::first(ENGINES_MAX)).zip(standings)
        {
            *place = match standing {
                Standing::Down | Standing::Trying { .. } => None,
                Standing::Up { settled, health } => {
                    let answering = match health {
                        Health::Well => Answering::Well,
                        Health::Late => Answering::Late,
                    };
                    let settled = if *settled <= now { Settled::Done } else { Settled::Not };
                    Some(((answering, settled), number))
                }
            };
        }
        // Stable, so that the file's order stays among equals.
        ranked.sort_by_key(|place| Reverse(place.map(|(rank, _)| rank)));
        Self(ranked)
    }

    /// The links, best first.
    pub fn iter(&self) -> impl Iterator<Item = LinkNumber> {
        self.0.iter().flatten().map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One letter an engine: `-` down, `t` trying, `T` trying for long, `w` well, `n` well and new,
    /// `l` late, `m` late and new.
    fn standings(text: &str, now: Instant) -> Vec<Standing> {
        let up = |settled, health| Standing::Up { settled, health };
        let of = |letter| match letter {
            '-' => Standing::Down,
            't' => Standing::Trying { since: now },
            'T' => Standing::Trying { since: now - HOPE_MAX },
            'w' => up(now, Health::Well),
            'n' => up(now + SECOND, Health::Well),
            'l' => up(now, Health::Late),
            'm' => up(now + SECOND, Health::Late),
            _ => panic!("{letter}"),
        };
        text.chars().map(of).collect()
    }

    #[test]
    fn keeps_one_to_ask_and_one_that_stands_by() {
        let now = Instant::now() + SECOND;
        // The standings; which are wanted if they are down; which can go if they are up.
        for (text, wanted, surplus) in [
            ("-", "+", "."),
            ("w", "+", "."),
            ("--", "++", ".."),
            ("w-", "++", ".."),
            ("-w", "++", ".."),
            ("---", "+++", "..."),
            ("tt-", "++.", "..."),
            ("tT-", "+++", "..."),
            ("TT--", "++++", "...."),
            ("TTtt-", "++++.", "....."),
            ("TTt-", "++++", "...."),
            ("w--", "+++", "..."),
            ("ww-", "++.", "..+"),
            ("-ww", "+++", "..."),
            ("-ww-", "+++.", "...+"),
            ("wnw", "++.", "..."),
            ("www", "++.", "..+"),
            ("wlw", "+++", "..."),
            ("lw-", "+++", "..."),
            ("ll-", "+++", "..."),
            ("wwww", "++..", "..++"),
            ("w-w-", "+++.", "...+"),
        ] {
            let standings = standings(text, now);
            let show = |of: fn(&[Standing], usize, Instant) -> bool| -> String {
                (0..standings.len())
                    .map(|at| if of(&standings, at, now) { '+' } else { '.' })
                    .collect()
            };
            assert_eq!(
                (show(is_wanted).as_str(), show(is_surplus).as_str()),
                (wanted, surplus),
                "{text}"
            );
        }
    }

    #[test]
    fn asks_who_answers_then_who_is_steady_then_who_is_first() {
        let now = Instant::now() + SECOND;
        for (text, expected) in [
            ("", ""),
            ("-tT", ""),
            ("ww", "01"),
            ("-w", "1"),
            ("nw", "10"),
            ("nn", "01"),
            ("lw", "10"),
            ("ln", "10"),
            ("lm", "01"),
            ("ml", "10"),
            ("llnw", "3201"),
            ("wwwwwwww", "01234567"),
        ] {
            let ranked = Ranked::of(&standings(text, now), now);
            let shown: String = ranked.iter().map(|number| number.place().to_string()).collect();
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn says_when_hope_ends() {
        let now = Instant::now() + SECOND;
        for (text, expected) in [("-w", None), ("T-", None), ("tT", Some(now + HOPE_MAX))] {
            assert_eq!(reconsider_at(&standings(text, now), now), expected, "{text}");
        }
    }
}
