//! The instant of a decision. Time is always a parameter here: nothing in this crate reads a clock.
//!
//! Time windows are judged by civil time; `zone` makes one of the other.

use serde::{Deserialize, Serialize};

/// An instant, in whole microseconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(i64);

impl Moment {
    /// The instant that lies `micros` microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0
    }
}
