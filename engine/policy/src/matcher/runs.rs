//! Runs of sorted numbers in one piece of memory: candidate rules, and what rules ask for.
//!
//! [`Candidates`] merges runs of rules, lowest first, and does no more work than its caller takes: a
//! verdict that the first candidate gives costs one step, however long the runs are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The runs that there is room for from the start: a host of many labels in several lists.
const RUNS_USUAL: usize = 256;

/// Sorted numbers, one run behind the other.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    numbers: Vec<u32>,
}

/// The place of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Run {
    start: usize,
    end: usize,
}

impl Run {
    /// Whether it has no numbers.
    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl Runs {
    /// Keeps `numbers`, sorted and each once.
    pub(crate) fn add(&mut self, mut numbers: Vec<u32>) -> Run {
        numbers.sort_unstable();
        numbers.dedup();
        let start = self.numbers.len();
        self.numbers.append(&mut numbers);
        Run { start, end: self.numbers.len() }
    }

    /// The numbers of a run.
    pub(crate) fn of(&self, run: Run) -> &[u32] {
        self.numbers.get(run.start..run.end).unwrap_or_default()
    }
}

/// Runs of candidates, on their way into one order.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The next number of each run and the run after it.
    heads: BinaryHeap<Reverse<(u32, usize, usize)>>,
    last: Option<u32>,
}

impl Candidates {
    /// Forgets the request before.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.last = None;
    }

    /// Makes room for the runs of an ordinary request; one that needs more makes it once.
    pub(crate) fn fit(&mut self) {
        self.clear();
        self.heads.reserve(RUNS_USUAL);
    }

    /// Adds a run.
    pub(crate) fn push(&mut self, runs: &Runs, run: Run) {
        if let Some((first, _)) = runs.of(run).split_first() {
            self.heads.push(Reverse((*first, run.start + 1, run.end)));
        }
    }

    /// The lowest number that was not given yet.
    pub(crate) fn next(&mut self, runs: &Runs) -> Option<u32> {
        loop {
            let Reverse((number, start, end)) = self.heads.pop()?;
            self.push(runs, Run { start, end });
            if self.last != Some(number) {
                self.last = Some(number);
                return Some(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_come_in_order_and_once() {
        let mut runs = Runs::default();
        let kept = [vec![9, 3, 3], vec![], vec![4, 3, 10], vec![1]].map(|run| runs.add(run));
        let mut candidates = Candidates::default();
        for _ in 0..2 {
            candidates.clear();
            for run in kept {
                candidates.push(&runs, run);
            }
            let given: Vec<u32> = std::iter::from_fn(|| candidates.next(&runs)).collect();
            assert_eq!(given, [1, 3, 4, 9, 10]);
        }
    }

    #[test]
    fn a_run_is_sorted_and_without_repeats() {
        let mut runs = Runs::default();
        let (one, other) = (runs.add(vec![2, 1, 2]), runs.add(vec![7]));
        assert_eq!((runs.of(one), runs.of(other)), (&[1, 2][..], &[7][..]));
        assert_eq!(runs.of(Run::default()), [0; 0]);
    }
}
