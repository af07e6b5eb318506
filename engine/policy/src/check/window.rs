//! `time-window`: spans of the week in civil time, and how an operator writes them.
//!
//! A window is half-open and counted in minutes from Monday 00:00. One that crosses midnight belongs to
//! the day on which it begins. Which minute of the week a moment is, `zone` knows.

use serde::{Deserialize, Serialize};

use super::values::{Refusal, meant};
use crate::diagnostic::{Code, nearest, quote};

/// The minutes of a day.
const MINUTES_OF_DAY: u16 = 24 * 60;

/// The minutes of a week.
pub const MINUTES_OF_WEEK: u16 = 7 * MINUTES_OF_DAY;

/// A span of the week, in minutes from Monday 00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    /// The first minute, below [`MINUTES_OF_WEEK`].
    pub from: u16,
    /// The first minute behind it, above `from` and at most [`MINUTES_OF_WEEK`].
    pub until: u16,
}

impl TimeWindow {
    /// Whether a minute of the week lies in it.
    #[must_use]
    pub const fn covers(self, minute: u16) -> bool {
        self.from <= minute && minute < self.until
    }
}

/// The days by their words.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Sorts windows and joins those that touch.
pub(super) fn merge(windows: &mut Vec<TimeWindow>) {
    windows.sort_unstable();
    windows.dedup_by(|next, open| {
        let touches = next.from <= open.until;
        if touches {
            open.until = open.until.max(next.until);
        }
        touches
    });
}

/// Reads one window, `mon-fri 08:00-17:30`, `sat sun 22:00-02:00` or `12:00-13:00`, into spans.
pub(super) fn read(text: &str) -> Result<Vec<TimeWindow>, Refusal> {
    let (days, times) = match text.rsplit_once(char::is_whitespace) {
        Some((days, times)) => (days, times),
        None => ("", text),
    };
    if !times.contains(':') {
        let help =
            "write days and times, such as `mon-fri 08:00-17:30`; a whole day is `00:00-24:00`";
        return Err(bad(text, "it has no times", Some(help.to_owned())));
    }
    let Some((from, until)) = times.split_once('-') else {
        let help = "write where it begins and ends without white space, such as `08:00-17:30`";
        return Err(bad(text, "it has one time", Some(help.to_owned())));
    };
    let (from, until) = (minute(text, from)?, minute(text, until)?);
    if from == MINUTES_OF_DAY {
        let help = "a window that begins at midnight begins at `00:00`".to_owned();
        return Err(bad(text, "it begins behind the end of its day", Some(help)));
    }
    if from == until {
        let help = "a whole day is `00:00-24:00`".to_owned();
        return Err(bad(text, "it ends where it begins", Some(help)));
    }
    let length = if until > from { until - from } else { MINUTES_OF_DAY - from + until };
    let mut windows = Vec::new();
    for day in days_of(text, days)? {
        let from = day * MINUTES_OF_DAY + from;
        let until = from + length;
        windows.push(TimeWindow { from, until: until.min(MINUTES_OF_WEEK) });
        if until > MINUTES_OF_WEEK {
            windows.push(TimeWindow { from: 0, until: until - MINUTES_OF_WEEK });
        }
    }
    Ok(windows)
}

fn bad(text: &str, why: &str, help: Option<String>) -> Refusal {
    Refusal::new(Code::BadWindow, format!("{} is no time window: {why}", quote(text))).help(help)
}

/// The days that a window begins on; no word means every day.
fn days_of(text: &str, words: &str) -> Result<Vec<u16>, Refusal> {
    let mut days = Vec::new();
    for word in words.split_whitespace() {
        let (first, last) = match word.split_once('-') {
            Some((first, last)) => (day(text, first)?, day(text, last)?),
            None => (day(text, word)?, day(text, word)?),
        };
        let count = (last + 7 - first) % 7;
        days.extend((0..=count).map(|further| (first + further) % 7));
    }
    Ok(if words.trim().is_empty() { (0..7).collect() } else { days })
}

fn day(text: &str, word: &str) -> Result<u16, Refusal> {
    let lower = word.to_ascii_lowercase();
    if let Some((_, place)) = DAYS.iter().zip(0..).find(|(day, _)| **day == lower) {
        return Ok(place);
    }
    let begins = DAYS.into_iter().find(|day| lower.starts_with(day));
    let help = meant(begins.or_else(|| nearest(&lower, DAYS)));
    Err(bad(text, &format!("{} is no day", quote(word)), help))
}

/// `HH:MM` as minutes; `24:00` is the end of a day.
fn minute(text: &str, time: &str) -> Result<u16, Refusal> {
    let help = || Some("write hours and minutes with two digits each, such as `08:00`".to_owned());
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let parts = time.split_once(':').map(|(hours, minutes)| (number(hours), number(minutes)));
    match parts {
        Some((Some(hours @ 0..=23), Some(minutes @ 0..=59))) => Ok(hours * 60 + minutes),
        Some((Some(24), Some(0))) => Ok(MINUTES_OF_DAY),
        Some(_) | None => Err(bad(text, &format!("{} is no time of a day", quote(time)), help())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<(u16, u16)> {
        let mut windows = read(text).unwrap();
        merge(&mut windows);
        windows.into_iter().map(|window| (window.from, window.until)).collect()
    }

    const fn at(day: u16, hours: u16, minutes: u16) -> u16 {
        day * MINUTES_OF_DAY + hours * 60 + minutes
    }

    #[test]
    fn windows_become_spans_of_the_week() {
        assert_eq!(spans("mon 08:00-17:30"), [(at(0, 8, 0), at(0, 17, 30))]);
        assert_eq!(spans("Sat 22:00-02:00"), [(at(5, 22, 0), at(6, 2, 0))]);
        assert_eq!(spans("sun 22:00-02:00"), [(0, at(0, 2, 0)), (at(6, 22, 0), MINUTES_OF_WEEK)]);
        assert_eq!(spans("sun 22:00-00:00"), [(at(6, 22, 0), MINUTES_OF_WEEK)]);
        assert_eq!(spans("00:00-24:00"), [(0, MINUTES_OF_WEEK)]);
        assert_eq!(
            spans("fri-mon 00:00-24:00"),
            [(0, at(1, 0, 0)), (at(4, 0, 0), MINUTES_OF_WEEK)]
        );
        assert_eq!(spans("tue-tue 00:00-00:01"), [(at(1, 0, 0), at(1, 0, 1))]);
        assert_eq!(spans("mon  wed 01:00-02:00"), [(60, 120), (at(2, 1, 0), at(2, 2, 0))]);
        assert_eq!(spans("12:00-13:00").len(), 7);
        assert_eq!(spans("23:00-22:59").len(), 8);
        assert_eq!(spans("mon mon 01:00-02:00"), [(60, 120)]);
    }

    #[test]
    fn what_is_no_window_says_what_is_meant() {
        for (text, why) in [
            ("mon", "no times"),
            ("08:00", "one time"),
            ("mon 8:00-17:00", "`8:00` is no time"),
            ("mon 08:00-25:00", "`25:00` is no time"),
            ("mon 08:00-24:01", "`24:01` is no time"),
            ("mon 08:60-09:00", "`08:60` is no time"),
            ("mon 08:00:00-09:00", "`08:00:00` is no time"),
            ("mon 24:00-02:00", "behind the end"),
            ("mon 08:00-08:00", "ends where it begins"),
            ("mno 08:00-09:00", "`mno` is no day"),
            ("mon-fr 08:00-09:00", "`fr` is no day"),
            ("monday 08:00-09:00", "`monday` is no day"),
            ("mon 08:00 - 09:00", "one time"),
            ("mon 08.00-09.00", "no times"),
            ("mon +8:00-09:00", "`+8:00` is no time"),
        ] {
            let refusal = read(text).unwrap_err();
            assert!(refusal.message.contains(why), "{text}: {}", refusal.message);
        }
        assert_eq!(
            read("monday 08:00-09:00").unwrap_err().help.as_deref(),
            Some("did you mean `mon`?")
        );
    }
}
