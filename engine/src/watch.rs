//! When the service manager is told that the engine is alive: only where every thread that serves has
//! gone round its loop since the last look.

use std::time::{Duration, Instant};

/// Looks within the time after which the service manager gives the engine up, so that one look that
/// comes at a bad moment costs nothing.
const LOOKS: u32 = 3;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is not time yet, or nobody wants to know.
    Early,
    /// Every thread moves.
    Alive,
    /// So many threads do not.
    Stuck(usize),
}

/// The looks at the threads that serve.
#[derive(Debug)]
pub(crate) struct Watch {
    every: Option<Duration>,
    next: Instant,
    before: Vec<u64>,
}

impl Watch {
    /// Looks often enough for `patience`, the service manager's; `pulses` is how often each thread has
    /// gone round so far.
    pub(crate) fn new(patience: Option<Duration>, pulses: Vec<u64>, at: Instant) -> Self {
        let every = patience.map(|patience| patience / LOOKS);
        Self { every, next: at + every.unwrap_or_default(), before: pulses }
    }

    /// How long nothing is to be looked at.
    pub(crate) fn wait(&self, at: Instant) -> Option<Duration> {
        self.every.map(|_| self.next.saturating_duration_since(at))
    }

    /// Looks, where it is time to.
    pub(crate) fn look(&mut self, at: Instant, pulses: impl FnOnce() -> Vec<u64>) -> Look {
        let Some(every) = self.every else { return Look::Early };
        if at < self.next {
            return Look::Early;
        }
        self.next = at + every;
        let pulses = pulses();
        let stuck = pulses.iter().zip(&self.before).filter(|(now, before)| now == before).count();
        self.before = pulses;
        if stuck == 0 { Look::Alive } else { Look::Stuck(stuck) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_wants_every_thread_to_have_moved() {
        let start = Instant::now();
        let after = |tenths: u64| start + Duration::from_millis(100 * tenths);
        let mut watch = Watch::new(Some(Duration::from_secs(3)), vec![1, 1, 1], start);
        assert_eq!(watch.wait(start), Some(Duration::from_secs(1)));
        for (tenths, pulses, expected) in [
            (5, vec![9, 9, 9], Look::Early),
            (10, vec![2, 2, 2], Look::Alive),
            (15, vec![2, 2, 2], Look::Early),
            (20, vec![3, 2, 3], Look::Stuck(1)),
            (30, vec![3, 2, 3], Look::Stuck(3)),
            // It was only slow.
            (40, vec![4, 7, 4], Look::Alive),
            // A look that comes late does not make the next one early.
            (95, vec![5, 8, 5], Look::Alive),
            (100, vec![6, 9, 6], Look::Early),
            (105, vec![6, 9, 6], Look::Alive),
        ] {
            assert_eq!(watch.look(after(tenths), || pulses), expected, "{tenths}");
        }
    }

    #[test]
    fn nobody_wants_to_know() {
        let at = Instant::now();
        let mut watch = Watch::new(None, vec![1], at);
        assert_eq!(watch.wait(at), None);
        let look = watch.look(at + Duration::from_secs(9), || panic!("nothing is looked at"));
        assert_eq!(look, Look::Early);
    }
}
