//! How long each step of a reload takes, for its receipt.

use std::time::{Duration, Instant};

use eg_proto::control::Step;

/// A clock with a mark for each step.
#[derive(Debug)]
pub(super) struct Steps {
    began: Instant,
    last: Instant,
    marks: Vec<Step>,
}

impl Steps {
    /// Begins; `asked` is when somebody asked, and what lies between is the first step.
    pub(super) fn since(asked: Instant) -> Self {
        let mut steps = Self { began: asked, last: asked, marks: Vec::new() };
        steps.end_of("wait");
        steps
    }

    /// The step `name` ends now, and the next one begins.
    pub(super) fn end_of(&mut self, name: &str) {
        let now = Instant::now();
        self.marks.push(Step { name: name.to_owned(), us: micros(now - self.last) });
        self.last = now;
    }

    /// What was measured, and all of it.
    pub(super) fn finish(self) -> (Vec<Step>, Duration) {
        (self.marks, self.began.elapsed())
    }
}

/// Whole microseconds.
fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
