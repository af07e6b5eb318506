//! When a part of a converted policy holds: a set of moments that can be joined, cut and turned around.
//!
//! Formats say it as windows of the week and as single dates, and as *within* or *outside* of both; a
//! rule of ours takes windows of the week and one stretch of dates. So the time line is cut at the dates,
//! and each piece has its own week, to the minute.
//!
//! INVARIANT: the pieces stand in order, the first begins with time and the last never ends, so that two
//! sets can be walked side by side and every moment lies in exactly one piece.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};

/// Minutes of a day.
pub(crate) const DAY_MINUTES: usize = 1_440;

/// Minutes of a week.
const WEEK_MINUTES: usize = 7 * DAY_MINUTES;

/// The days as a window writes them, Monday first.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A set of moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// What holds from each date on, until the next piece begins; the first has no date. Shared, since
    /// every rule of a source has them.
    pieces: Arc<[(Option<Date>, Week)]>,
}

/// The minutes of a week, from Monday midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Week(Arc<[bool]>);

/// One stretch of time as a rule has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The value of `time-window`; none where the whole week holds.
    pub(crate) windows: Option<String>,
    /// The first day.
    pub(crate) from: Option<Date>,
    /// The first day that it does not hold any more.
    pub(crate) until: Option<Date>,
}

impl Week {
    fn of(holds: bool) -> Self {
        Self(vec![holds; WEEK_MINUTES].into())
    }

    /// The minutes of these windows, each from its first to before its last, of each of these days,
    /// Monday first.
    fn within(days: [bool; 7], windows: &[(usize, usize)]) -> Self {
        let mut week = vec![false; WEEK_MINUTES];
        for (day, minutes) in week.chunks_exact_mut(DAY_MINUTES).enumerate() {
            if days.get(day).copied().unwrap_or(false) {
                for (from, to) in windows {
                    let wanted = minutes.iter_mut().take(*to).skip(*from);
                    wanted.for_each(|minute| *minute = true);
                }
            }
        }
        Self(week.into())
    }

    fn with(&self, other: &Self, holds: fn(bool, bool) -> bool) -> Self {
        Self(self.0.iter().zip(other.0.iter()).map(|(one, two)| holds(*one, *two)).collect())
    }

    fn is(&self, holds: bool) -> bool {
        self.0.iter().all(|minute| *minute == holds)
    }

    /// `mon-fri 08:00-16:30, sat 00:00-24:00`: days with the same hours together.
    fn windows(&self) -> String {
        let hours: Vec<Vec<(usize, usize)>> = self.0.chunks_exact(DAY_MINUTES).map(hours).collect();
        let mut written = Vec::new();
        let mut day = 0;
        while let Some(own) = hours.get(day) {
            let same = hours.iter().skip(day).take_while(|other| *other == own).count();
            let last = day + same.saturating_sub(1);
            let first = DAYS.get(day).copied().unwrap_or_default();
            let days = match DAYS.get(last) {
                Some(last) if same > 1 => format!("{first}-{last}"),
                Some(_) | None => first.to_owned(),
            };
            for (from, to) in own {
                written.push(format!("{days} {}-{}", clock(*from), clock(*to)));
            }
            day = last + 1;
        }
        written.join(", ")
    }
}

/// The stretches of a day that hold, each with the minute behind its last one.
fn hours(minutes: &[bool]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (minute, _) in minutes.iter().enumerate().filter(|(_, holds)| **holds) {
        match found.last_mut() {
            Some((_, to)) if *to == minute => *to = minute + 1,
            Some(_) | None => found.push((minute, minute + 1)),
        }
    }
    found
}

fn clock(minute: usize) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl Times {
    /// Every moment.
    pub(crate) fn always() -> Self {
        Self { pieces: [(None, Week::of(true))].into() }
    }

    /// No moment.
    pub(crate) fn never() -> Self {
        Self { pieces: [(None, Week::of(false))].into() }
    }

    /// The minutes from the first to before the last of each window, of these days of every week, Monday
    /// first. A window whose end is not behind its begin has no minute.
    pub(crate) fn weekly(days: [bool; 7], windows: &[(usize, usize)]) -> Self {
        Self { pieces: [(None, Week::within(days, windows))].into() }
    }

    /// These windows of each day from `first` to `last`, both included.
    pub(crate) fn dates(first: Date, last: Date, windows: &[(usize, usize)]) -> Self {
        if first > last {
            return Self::never();
        }
        let never = Week::of(false);
        let mut pieces =
            vec![(None, never.clone()), (Some(first), Week::within([true; 7], windows))];
        if let Ok(behind) = last.checked_add(1.day()) {
            pieces.push((Some(behind), never));
        }
        Self { pieces: pieces.into() }
    }

    /// What holds in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.with(other, |one, two| one && two)
    }

    /// What holds in one of the two.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.with(other, |one, two| one || two)
    }

    /// What holds here and not there.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.with(other, |one, two| one && !two)
    }

    /// What does not hold here.
    pub(crate) fn outside(&self) -> Self {
        Self::always().without(self)
    }

    fn with(&self, other: &Self, holds: fn(bool, bool) -> bool) -> Self {
        let cuts: BTreeSet<Option<Date>> =
            self.pieces.iter().chain(other.pieces.iter()).map(|(from, _)| *from).collect();
        let mut pieces: Vec<(Option<Date>, Week)> = Vec::new();
        for cut in cuts {
            let week = self.week_at(cut).with(&other.week_at(cut), holds);
            if pieces.last().is_none_or(|(_, before)| *before != week) {
                pieces.push((cut, week));
            }
        }
        Self { pieces: pieces.into() }
    }

    /// The week of the piece that `cut` lies in. The first piece has no date, so there always is one.
    fn week_at(&self, cut: Option<Date>) -> Week {
        let at = self.pieces.partition_point(|(from, _)| *from <= cut);
        let found = self.pieces.get(at.saturating_sub(1));
        found.map_or_else(|| Week::of(false), |(_, week)| week.clone())
    }

    /// How many rules it takes to say it.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().filter(|(_, week)| !week.is(false)).count()
    }

    /// Whether no moment is in it.
    pub(crate) fn is_never(&self) -> bool {
        self.pieces.iter().all(|(_, week)| week.is(false))
    }

    /// It as what rules can say, one rule each.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let mut found = Vec::new();
        for (index, (from, week)) in self.pieces.iter().enumerate() {
            if week.is(false) {
                continue;
            }
            let windows = (!week.is(true)).then(|| week.windows());
            let until = self.pieces.get(index + 1).and_then(|(next, _)| *next);
            found.push(Stretch { windows, from: *from, until });
        }
        found
    }
}

/// Midnight of a day as RFC 3339 has it, with the offset that the zone has then.
pub(crate) fn midnight(date: Date, zone: &TimeZone) -> String {
    let zoned = date.to_datetime(time(0, 0, 0, 0)).to_zoned(zone.clone());
    let Ok(zoned) = zoned else { return format!("{date}T00:00:00Z") };
    let offset = SignedDuration::from_secs(i64::from(zoned.offset().seconds()));
    let (sign, minutes) =
        if offset.is_negative() { ('-', -offset.as_mins()) } else { ('+', offset.as_mins()) };
    let civil = zoned.datetime().strftime("%Y-%m-%dT%H:%M:%S");
    format!("{civil}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

    fn shown(times: &Times) -> Vec<String> {
        let shown = |stretch: Stretch| {
            let date =
                |day: Option<Date>| day.map_or_else(|| "*".to_owned(), |day| day.to_string());
            let windows = stretch.windows.unwrap_or_else(|| "all".to_owned());
            format!("{windows} {}..{}", date(stretch.from), date(stretch.until))
        };
        times.stretches().into_iter().map(shown).collect()
    }

    #[test]
    fn weeks_are_written_with_days_of_the_same_hours_together() {
        let work = Times::weekly(WORKDAYS, &[(480, 990)]);
        assert_eq!(shown(&work), ["mon-fri 08:00-16:30 *..*"]);
        let lunch = Times::weekly([true; 7], &[(720, 780)]);
        assert_eq!(shown(&work.without(&lunch)), ["mon-fri 08:00-12:00, mon-fri 13:00-16:30 *..*"]);
        assert_eq!(
            shown(&work.outside()),
            ["mon-fri 00:00-08:00, mon-fri 16:30-24:00, sat-sun 00:00-24:00 *..*"]
        );
        assert_eq!(work.outside().outside(), work);
        assert_eq!(shown(&Times::always()), ["all *..*"]);
        assert!(Times::weekly([true; 7], &[(1_320, 360)]).is_never());
        assert!(
            work.or(&work.outside()) == Times::always() && work.and(&work.outside()).is_never()
        );
    }

    #[test]
    fn dates_cut_the_time_line() {
        let easter = Times::dates(date(2026, 4, 3), date(2026, 4, 6), &[(0, DAY_MINUTES)]);
        assert_eq!(shown(&easter), ["all 2026-04-03..2026-04-07"]);
        assert_eq!(shown(&easter.outside()), ["all *..2026-04-03", "all 2026-04-07..*"]);
        let work = Times::weekly(WORKDAYS, &[(480, 990)]);
        assert_eq!(
            shown(&work.without(&easter)),
            ["mon-fri 08:00-16:30 *..2026-04-03", "mon-fri 08:00-16:30 2026-04-07..*"]
        );
        let eve = Times::dates(date(2026, 12, 24), date(2026, 12, 24), &[(720, DAY_MINUTES)]);
        assert_eq!(
            shown(&work.or(&eve)),
            [
                "mon-fri 08:00-16:30 *..2026-12-24",
                "mon-fri 08:00-24:00, sat-sun 12:00-24:00 2026-12-24..2026-12-25",
                "mon-fri 08:00-16:30 2026-12-25..*",
            ]
        );
        assert!(Times::dates(date(2026, 4, 6), date(2026, 4, 3), &[(0, 9)]).is_never());
    }

    #[test]
    fn midnights_have_the_offset_of_their_day() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(midnight(date(2026, 1, 2), &zone), "2026-01-02T00:00:00+01:00");
        assert_eq!(midnight(date(2026, 7, 2), &zone), "2026-07-02T00:00:00+02:00");
        let west = TimeZone::get("America/St_Johns").unwrap();
        assert_eq!(midnight(date(2026, 1, 2), &west), "2026-01-02T00:00:00-03:30");
    }
}
