//! The attributes of the language: one table with what each is and whether this version evaluates it.

use crate::diagnostic::nearest;
use crate::regex::Field;

/// An attribute that this version evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// `match-uri`
    MatchUri,
    /// `match-domain-list`
    MatchDomainList,
    /// `match-domain`
    MatchDomain,
    /// `match-sni`
    MatchSni,
    /// `match-source`
    MatchSource,
    /// `match-destination`
    MatchDestination,
    /// `match-user-agent`
    MatchUserAgent,
    /// `match-uri-regex` and the like
    MatchRegex(Field),
    /// `application`
    Application,
    /// `action`
    Action,
    /// `description`
    Description,
    /// `category`
    Category,
    /// `allow-broad`
    AllowBroad,
    /// `enabled`
    Enabled,
}

/// Whether a key is known, and evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is.
    Evaluated(Attribute),
    /// The language has it; this version does not evaluate it.
    Later,
    /// The language does not have it.
    Unknown,
}

/// Every attribute of the language, in the order of the manual.
const TABLE: &[(&str, Support)] = &[
    ("match-uri", Support::Evaluated(Attribute::MatchUri)),
    ("match-uri-regex", Support::Evaluated(Attribute::MatchRegex(Field::Uri))),
    ("match-domain-list", Support::Evaluated(Attribute::MatchDomainList)),
    ("match-domain", Support::Evaluated(Attribute::MatchDomain)),
    ("match-sni", Support::Evaluated(Attribute::MatchSni)),
    ("match-sni-regex", Support::Evaluated(Attribute::MatchRegex(Field::Sni))),
    ("match-source", Support::Evaluated(Attribute::MatchSource)),
    ("match-destination", Support::Evaluated(Attribute::MatchDestination)),
    ("match-anomaly", Support::Later),
    ("match-user", Support::Later),
    ("match-user-agent", Support::Evaluated(Attribute::MatchUserAgent)),
    ("match-user-agent-regex", Support::Evaluated(Attribute::MatchRegex(Field::UserAgent))),
    ("match-referer-regex", Support::Evaluated(Attribute::MatchRegex(Field::Referer))),
    ("match-method", Support::Later),
    ("match-port", Support::Later),
    ("application", Support::Evaluated(Attribute::Application)),
    ("time-window", Support::Later),
    ("valid-from", Support::Later),
    ("valid-until", Support::Later),
    ("enabled", Support::Evaluated(Attribute::Enabled)),
    ("monitor", Support::Later),
    ("action", Support::Evaluated(Attribute::Action)),
    ("tls", Support::Later),
    ("description", Support::Evaluated(Attribute::Description)),
    ("category", Support::Evaluated(Attribute::Category)),
    ("allow-broad", Support::Evaluated(Attribute::AllowBroad)),
];

impl Support {
    /// What `key` is. `except-` stands before what follows `match-`, and before `time-window`.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let found =
            |key: &str| TABLE.iter().find(|(known, _)| *known == key).map(|(_, what)| *what);
        match (found(key), key.strip_prefix("except-")) {
            (Some(support), _) => support,
            (None, Some(what)) if found(&format!("match-{what}")).is_some() => Self::Later,
            (None, Some(_) | None) => Self::Unknown,
        }
    }
}

/// Whether a key asks something of a request; a rule needs one that does.
pub(super) fn is_match(key: &str) -> bool {
    key.starts_with("match-")
}

/// The known key that is nearest to an unknown one.
pub(super) fn nearest_key(key: &str) -> Option<String> {
    let keys = || TABLE.iter().map(|(known, _)| *known);
    match key.strip_prefix("except-") {
        Some(what) => nearest(&format!("match-{what}"), keys())
            .map(|known| known.replacen("match-", "except-", 1)),
        None => nearest(key, keys()).map(str::to_owned),
    }
}

/// Every key of the language, and whether this version evaluates it.
#[cfg(test)]
pub(super) fn table() -> &'static [(&'static str, Support)] {
    TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_is() {
        assert_eq!(Support::of("match-uri"), Support::Evaluated(Attribute::MatchUri));
        let regex = Support::Evaluated(Attribute::MatchRegex(Field::Uri));
        assert_eq!(Support::of("match-uri-regex"), regex);
        assert_eq!(Support::of("match-method"), Support::Later);
        assert_eq!(Support::of("except-uri-regex"), Support::Later);
        assert_eq!(Support::of("except-domain-list"), Support::Later);
        assert_eq!(Support::of("except-colour"), Support::Unknown);
        assert_eq!(Support::of("Match-Uri"), Support::Unknown);
        assert_eq!(nearest_key("Match-Uri").as_deref(), Some("match-uri"));
        assert_eq!(nearest_key("except-domian").as_deref(), Some("except-domain"));
    }
}
