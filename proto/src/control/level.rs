//! Levels of privilege (SPEC 9): who may act on whom.
//!
//! INVARIANT: a [`Level`] is one of the six of the specification; whether somebody may do something is
//! asked of `verbs` alone, never compared by hand.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an account may do, by its number in `passwd`. The order is that of the numbers, and is no order
/// of what may be done: a service account may less than its number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 0: nothing; cannot log in.
    Disabled,
    /// 1: looks.
    Monitoring,
    /// 2: looks, and ends sessions of connectors.
    Standard,
    /// 3: reloads the policy and sees the state, nothing else: a scope, not a level.
    ServiceAccount,
    /// 10: policy and users.
    Administrator,
    /// 11: and Administrators.
    SuperAdministrator,
}

impl Level {
    /// All of them, lowest number first.
    pub const ALL: [Self; 6] = [
        Self::Disabled,
        Self::Monitoring,
        Self::Standard,
        Self::ServiceAccount,
        Self::Administrator,
        Self::SuperAdministrator,
    ];

    /// The number in `passwd`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Monitoring => 1,
            Self::Standard => 2,
            Self::ServiceAccount => 3,
            Self::Administrator => 10,
            Self::SuperAdministrator => 11,
        }
    }

    /// The level with this number, where there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// The word in requests and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Monitoring => "monitoring",
            Self::Standard => "standard",
            Self::ServiceAccount => "service-account",
            Self::Administrator => "administrator",
            Self::SuperAdministrator => "super-administrator",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Monitoring => "Monitoring",
            Self::Standard => "Standard",
            Self::ServiceAccount => "Service account",
            Self::Administrator => "Administrator",
            Self::SuperAdministrator => "Super Administrator",
        }
    }

    /// Whether an account of this level may act on one of the other: it needs the higher number, and
    /// level 11 may also act on another 11. A service account acts on nobody.
    #[must_use]
    pub const fn outranks(self, other: Self) -> bool {
        match self {
            Self::Disabled | Self::Monitoring | Self::Standard | Self::ServiceAccount => false,
            Self::SuperAdministrator => true,
            Self::Administrator => self.number() > other.number(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_those_of_the_specification() {
        let rows: Vec<(u8, &str)> =
            Level::ALL.iter().map(|level| (level.number(), level.name())).collect();
        let expected = [
            (0, "Disabled"),
            (1, "Monitoring"),
            (2, "Standard"),
            (3, "Service account"),
            (10, "Administrator"),
            (11, "Super Administrator"),
        ];
        assert_eq!(rows, expected);
        for level in Level::ALL {
            assert_eq!(Level::from_number(level.number()), Some(level));
            let text = serde_json::to_string(&level).unwrap();
            assert_eq!(text, format!("\"{}\"", level.word()));
        }
        for number in (4..10).chain(12..=u8::MAX) {
            assert_eq!(Level::from_number(number), None);
        }
    }

    #[test]
    fn who_acts_on_whom() {
        use Level::{Administrator, ServiceAccount, Standard, SuperAdministrator};
        for level in Level::ALL {
            assert!(SuperAdministrator.outranks(level));
            assert!(!Standard.outranks(level) && !ServiceAccount.outranks(level));
            let below = !matches!(level, Administrator | SuperAdministrator);
            assert_eq!(Administrator.outranks(level), below, "{level}");
        }
    }
}
