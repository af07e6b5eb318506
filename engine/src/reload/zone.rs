//! `[policy] time_window_tz`: which clock the rules of a policy ask. It is looked up at each build, so
//! that a decision never has to, and a reload sees that the machine's zone was changed.

use std::path::Path;

use eg_policy::compile::CompiledPolicy;
use eg_policy::zone::{UnknownZone, Zone};
use jiff::tz::TimeZone;

use crate::config::TimeZoneChoice;

/// Where the machine's zone is written.
const LOCALTIME: &str = "/etc/localtime";

/// Why there is no clock.
#[derive(Debug, thiserror::Error)]
pub enum ZoneFault {
    /// The machine has a zone, and it cannot be read.
    #[error(
        "the machine's own zone cannot be read from `TZ` or `{LOCALTIME}`; mend it, or name a zone \
         in `[policy] time_window_tz`"
    )]
    Local(#[source] jiff::Error),
    /// Nobody knows a zone of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownZone),
}

/// The zone of a policy; UTC where none of its rules asks.
pub(super) fn of_policy(
    choice: &TimeZoneChoice,
    policy: &CompiledPolicy,
) -> Result<Zone, ZoneFault> {
    match policy.asks_the_clock() {
        true => of(choice),
        false => Ok(Zone::utc()),
    }
}

/// The zone of `[policy] time_window_tz`.
pub(crate) fn of(choice: &TimeZoneChoice) -> Result<Zone, ZoneFault> {
    match choice {
        TimeZoneChoice::Utc => Ok(Zone::utc()),
        // The machine's own database is newer than the one that is built in, where it has one.
        TimeZoneChoice::Named(name) => match TimeZone::get(name) {
            Ok(zone) => Ok(Zone::of(&zone, name)),
            Err(_) => Ok(Zone::named(name)?),
        },
        TimeZoneChoice::Local => match TimeZone::try_system() {
            Ok(zone) => Ok(Zone::of(&zone, zone.iana_name().unwrap_or("local"))),
            // As for every other program there: a machine without a zone is in UTC.
            Err(_) if says_nothing() => Ok(Zone::utc()),
            Err(fault) => Err(ZoneFault::Local(fault)),
        },
    }
}

fn says_nothing() -> bool {
    std::env::var_os("TZ").is_none_or(|zone| zone.is_empty())
        && std::fs::symlink_metadata(Path::new(LOCALTIME)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_what_its_setting_says() {
        assert_eq!(of(&TimeZoneChoice::Utc).unwrap(), Zone::utc());
        let zurich = of(&TimeZoneChoice::Named("Europe/Zurich".to_owned())).unwrap();
        assert_eq!(zurich.name(), "Europe/Zurich");
        assert_ne!(zurich.digest(), Zone::utc().digest());
        let fault = of(&TimeZoneChoice::Named("Mars/Olympus".to_owned())).unwrap_err();
        assert!(fault.to_string().contains("Mars/Olympus"));
        assert!(of(&TimeZoneChoice::Local).is_ok());
    }
}
