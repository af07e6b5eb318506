//! Where `time-window` is judged, in the words of the engine's `time_window_tz`.

use eg_policy::zone::Zone;
use jiff::tz::TimeZone;

/// The zone of a word: `local`, `utc`, or one of the IANA database.
///
/// # Errors
///
/// There is no such zone; the sentence says what to write.
pub(super) fn zone(word: &str) -> Result<Zone, String> {
    match word {
        "local" => Ok(local()),
        "utc" => Ok(Zone::utc()),
        // The machine's own database is newer than the one that is built in, where it has one.
        name => match TimeZone::get(name) {
            Ok(zone) => Ok(Zone::of(&zone, name)),
            Err(_) => Zone::named(name).map_err(|fault| fault.to_string()),
        },
    }
}

/// The machine's zone; UTC where it has none, and every output says which it was.
pub(super) fn local() -> Zone {
    match TimeZone::try_system() {
        Ok(zone) => Zone::of(&zone, zone.iana_name().unwrap_or("local")),
        Err(_) => Zone::utc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_what_its_word_says() {
        assert_eq!(zone("utc"), Ok(Zone::utc()));
        assert_eq!(zone("Europe/Zurich").unwrap().name(), "Europe/Zurich");
        assert_eq!(zone("local").unwrap(), local());
        assert!(zone("Mars/Olympus").unwrap_err().contains("`Mars/Olympus`"));
    }
}
