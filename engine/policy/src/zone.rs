//! The zone of time windows: from an instant to the minute of the week that clocks there show.
//!
//! The rule for the two days a year on which clocks are changed follows from that and from nothing else:
//! an instant is judged by what the clock shows at it. What lies in the hour that is left out never
//! holds that day, and what lies in the hour that comes twice holds twice (ADR 0021).
//!
//! INVARIANT: a zone is a sorted table; a decision reads it without a lock, an allocation or a file.

use jiff::tz::TimeZone;

use crate::check::MINUTES_OF_WEEK;
use crate::digest::Digest;
use crate::moment::Moment;

/// Changes of a zone are known up to here, the year 2200; clocks show standard time or what they showed
/// last from then on. No policy is live for so long.
const UNTIL_SECONDS: i64 = 7_258_118_400;

/// Changes are known from here, 1970.
const SINCE_SECONDS: i64 = 0;

/// The most changes of a zone that are kept: two a year, and twice that for those with Ramadan.
const CHANGES_MAX: usize = 2_000;

const SECONDS_OF_MINUTE: i64 = 60;
const MICROS_OF_SECOND: i64 = 1_000_000;

/// The minutes from Monday 00:00 to the Unix epoch, which was a Thursday.
const EPOCH_MINUTES: i64 = 3 * 24 * 60;

/// What clocks of a zone show when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// Since when, in seconds of Unix time, and how many seconds clocks are ahead of UTC; sorted.
    changes: Vec<(i64, i32)>,
    /// What clocks showed before.
    first: i32,
}

/// A zone that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no zone of the IANA database; write one such as `Europe/Zurich`")]
pub struct UnknownZone {
    /// What it was called.
    pub name: String,
}

impl Zone {
    /// UTC
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), changes: Vec::new(), first: 0 }
    }

    /// A zone of the database that is built in.
    ///
    /// # Errors
    ///
    /// [`UnknownZone`]
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let found = jiff::tz::TimeZoneDatabase::bundled().get(name);
        let unknown = |_| UnknownZone { name: name.to_owned() };
        found.map(|zone| Self::of(&zone, name)).map_err(unknown)
    }

    /// What `zone` says, under this name.
    #[must_use]
    pub fn of(zone: &TimeZone, name: &str) -> Self {
        let since = jiff::Timestamp::from_second(SINCE_SECONDS).unwrap_or_default();
        let first = zone.to_offset(since).seconds();
        let following = zone.following(since);
        let changes = following
            .map(|change| (change.timestamp().as_second(), change.offset().seconds()))
            .take_while(|(at, _)| *at < UNTIL_SECONDS)
            .take(CHANGES_MAX)
            .collect();
        Self { name: name.to_owned(), changes, first }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What of it decides: all its changes, whatever it is called.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let changes = self.changes.iter().map(|(at, ahead)| format!("{at} {ahead}"));
        let parts: Vec<String> = [self.first.to_string()].into_iter().chain(changes).collect();
        Digest::of_parts(parts.iter().map(String::as_bytes))
    }

    /// The instant at which clocks show `shown_us`, which counts microseconds as if they showed UTC. Of
    /// the hour that comes twice the first; in the hour that is left out what they would have shown
    /// without the change.
    #[must_use]
    pub fn instant(&self, shown_us: i64) -> Moment {
        let shown = shown_us.div_euclid(MICROS_OF_SECOND);
        // No clock is further from UTC.
        let day = 26 * 60 * 60;
        let first = self.changes.partition_point(|(at, _)| *at <= shown - day);
        let before = self.ahead(shown - day);
        let around = self.changes.iter().skip(first).take_while(|(at, _)| *at <= shown + day);
        let all = std::iter::once(before).chain(around.map(|(_, ahead)| *ahead));
        let fits = all
            .map(|ahead| (shown - i64::from(ahead), ahead))
            .filter(|(at, ahead)| self.ahead(*at) == *ahead)
            .map(|(_, ahead)| ahead);
        // The furthest ahead is the earliest.
        let ahead = fits.max().unwrap_or(before);
        Moment::from_unix_micros(shown_us - i64::from(ahead) * MICROS_OF_SECOND)
    }

    /// How many seconds clocks are ahead of UTC at this second.
    fn ahead(&self, seconds: i64) -> i32 {
        let next = self.changes.partition_point(|(at, _)| *at <= seconds);
        let change = next.checked_sub(1).and_then(|last| self.changes.get(last));
        change.map_or(self.first, |(_, ahead)| *ahead)
    }

    /// The minute of the week, from Monday 00:00, that clocks show at `now`.
    #[must_use]
    pub fn minute(&self, now: Moment) -> u16 {
        let seconds = now.unix_micros().div_euclid(MICROS_OF_SECOND);
        let shown = (seconds + i64::from(self.ahead(seconds))).div_euclid(SECONDS_OF_MINUTE)
            + EPOCH_MINUTES;
        // A remainder by the minutes of a week is below them.
        u16::try_from(shown.rem_euclid(i64::from(MINUTES_OF_WEEK))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The twin: what jiff itself says of an instant.
    fn civil(zone: &TimeZone, seconds: i64) -> u16 {
        let instant = jiff::Timestamp::from_second(seconds).unwrap();
        let civil = instant.to_zoned(zone.clone()).datetime();
        let day = i64::from(civil.weekday().to_monday_zero_offset());
        let minute = (day * 24 + i64::from(civil.hour())) * 60 + i64::from(civil.minute());
        u16::try_from(minute).unwrap()
    }

    #[test]
    fn what_clocks_show_is_an_instant() {
        let zurich = Zone::named("Europe/Zurich").unwrap();
        let shown = |text: &str| {
            let shown: jiff::civil::DateTime = text.parse().unwrap();
            let utc = shown.to_zoned(TimeZone::UTC).unwrap().timestamp();
            let at = zurich.instant(utc.as_microsecond()).unix_micros();
            jiff::Timestamp::from_microsecond(at).unwrap().to_string()
        };
        for (clocks, utc) in [
            ("2026-01-15T08:00", "2026-01-15T07:00:00Z"),
            ("2026-07-15T08:00", "2026-07-15T06:00:00Z"),
            // Left out: what it would have been without the change.
            ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
            ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
            // Twice: the first.
            ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
        ] {
            assert_eq!(shown(clocks), utc, "{clocks}");
        }
        assert_eq!(Zone::utc().instant(5), Moment::from_unix_micros(5));
    }

    #[test]
    fn the_table_says_what_the_database_says() {
        let database = jiff::tz::TimeZoneDatabase::bundled();
        for name in [
            "UTC",
            "Europe/Zurich",
            "America/New_York",
            "Australia/Lord_Howe",
            "Pacific/Auckland",
            "Africa/Casablanca",
            "Asia/Kathmandu",
            "America/Sao_Paulo",
            "Pacific/Apia",
            "Europe/Dublin",
            "Antarctica/Troll",
        ] {
            let (table, zone) = (Zone::named(name).unwrap(), database.get(name).unwrap());
            let day = 86_400;
            let around = table.changes.iter().flat_map(|(at, _)| [at - 60, at - 1, *at, at + 59]);
            let through = (0..UNTIL_SECONDS / (7 * day)).map(|week| week * 7 * day + week * 1_237);
            for seconds in around.chain(through).filter(|at| *at < UNTIL_SECONDS) {
                let now = Moment::from_unix_micros(seconds * MICROS_OF_SECOND);
                assert_eq!(table.minute(now), civil(&zone, seconds), "{name} {seconds}");
            }
        }
    }

    #[test]
    fn a_minute_begins_with_its_first_microsecond() {
        let utc = Zone::utc();
        for (micros, expected) in [
            (0, 3 * 1440),
            (59_999_999, 3 * 1440),
            (60_000_000, 3 * 1440 + 1),
            (-1, 3 * 1440 - 1),
            (-60_000_000, 3 * 1440 - 1),
            (-60_000_001, 3 * 1440 - 2),
        ] {
            assert_eq!(utc.minute(Moment::from_unix_micros(micros)), expected, "{micros}");
        }
        for far in [i64::MIN, i64::MAX] {
            assert!(utc.minute(Moment::from_unix_micros(far)) < MINUTES_OF_WEEK);
        }
    }

    #[test]
    fn zones_have_names_and_digests() {
        let unknown = UnknownZone { name: "Mars/Olympus".to_owned() };
        assert_eq!(Zone::named("Mars/Olympus"), Err(unknown));
        let zone = |name| Zone::named(name).unwrap();
        assert_eq!(zone("Europe/Zurich").name(), "Europe/Zurich");
        assert_ne!(zone("Europe/Zurich").digest(), zone("Europe/London").digest());
        assert_eq!(zone("UTC").digest(), Zone::utc().digest());
        assert_eq!(zone("Europe/Zurich").digest(), zone("Europe/Zurich").digest());
    }
}
