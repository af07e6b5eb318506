//! The attributes of the language: one table with what each is.

use crate::diagnostic::nearest;
use crate::regex::Field;

/// An attribute.
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
    /// `match-anomaly`
    MatchAnomaly,
    /// `match-user-agent`
    MatchUserAgent,
    /// `match-uri-regex` and the like
    MatchRegex(Field),
    /// `match-user`
    MatchUser,
    /// `match-method`
    MatchMethod,
    /// `match-port`
    MatchPort,
    /// `time-window`
    TimeWindow,
    /// `valid-from`
    ValidFrom,
    /// `valid-until`
    ValidUntil,
    /// `monitor`
    Monitor,
    /// `application`
    Application,
    /// `action`
    Action,
    /// `tls`
    Tls,
    /// `description`
    Description,
    /// `category`
    Category,
    /// `allow-broad`
    AllowBroad,
    /// `enabled`
    Enabled,
}

/// Whether a key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is an attribute.
    Evaluated(Attribute),
    /// It is an exception: `except-` and what an attribute asks.
    Excepted(Attribute),
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
    ("match-anomaly", Support::Evaluated(Attribute::MatchAnomaly)),
    ("match-user", Support::Evaluated(Attribute::MatchUser)),
    ("match-user-agent", Support::Evaluated(Attribute::MatchUserAgent)),
    ("match-user-agent-regex", Support::Evaluated(Attribute::MatchRegex(Field::UserAgent))),
    ("match-referer-regex", Support::Evaluated(Attribute::MatchRegex(Field::Referer))),
    ("match-method", Support::Evaluated(Attribute::MatchMethod)),
    ("match-port", Support::Evaluated(Attribute::MatchPort)),
    ("application", Support::Evaluated(Attribute::Application)),
    ("time-window", Support::Evaluated(Attribute::TimeWindow)),
    ("valid-from", Support::Evaluated(Attribute::ValidFrom)),
    ("valid-until", Support::Evaluated(Attribute::ValidUntil)),
    ("enabled", Support::Evaluated(Attribute::Enabled)),
    ("monitor", Support::Evaluated(Attribute::Monitor)),
    ("action", Support::Evaluated(Attribute::Action)),
    ("tls", Support::Evaluated(Attribute::Tls)),
    ("description", Support::Evaluated(Attribute::Description)),
    ("category", Support::Evaluated(Attribute::Category)),
    ("allow-broad", Support::Evaluated(Attribute::AllowBroad)),
];

/// Every key that there is, in the order of the manual, and each exception behind what it excepts from.
pub fn keys() -> impl Iterator<Item = String> {
    TABLE.iter().flat_map(|(key, _)| {
        let except = key.strip_prefix("match-").or_else(|| (*key == "time-window").then_some(key));
        let except = except.map(|what| format!("except-{what}"));
        std::iter::once((*key).to_owned()).chain(except)
    })
}

impl Support {
    /// What `key` is. `except-` stands before what follows `match-`, and before `time-window`.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let found =
            |key: &str| TABLE.iter().find(|(known, _)| *known == key).map(|(_, what)| *what);
        match (found(key), key.strip_prefix("except-")) {
            (Some(support), _) => support,
            (None, Some("time-window")) => Self::Excepted(Attribute::TimeWindow),
            (None, Some(what)) => match found(&format!("match-{what}")) {
                Some(Self::Evaluated(attribute)) => Self::Excepted(attribute),
                Some(Self::Excepted(_) | Self::Unknown) | None => Self::Unknown,
            },
            (None, None) => Self::Unknown,
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
        Some(what) if nearest(what, ["time-window"]).is_some() => {
            Some("except-time-window".to_owned())
        }
        Some(what) => {
            let near = nearest(&format!("match-{what}"), keys())?;
            near.strip_prefix("match-").map(|what| format!("except-{what}"))
        }
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
        assert!(keys().all(|key| Support::of(&key) != Support::Unknown));
        assert!(keys().any(|key| key == "except-time-window"));
        assert_eq!(Support::of("match-method"), Support::Evaluated(Attribute::MatchMethod));
        let regex = Support::Excepted(Attribute::MatchRegex(Field::Uri));
        assert_eq!(Support::of("except-uri-regex"), regex);
        let list = Support::Excepted(Attribute::MatchDomainList);
        assert_eq!(Support::of("except-domain-list"), list);
        assert_eq!(Support::of("except-time-window"), Support::Excepted(Attribute::TimeWindow));
        for key in ["except-colour", "except-", "except-action", "except-match-uri", "except-tls"] {
            assert_eq!(Support::of(key), Support::Unknown, "{key}");
        }
        for key in
            ["except-application", "except-valid-from", "except-monitor", "match-time-window"]
        {
            assert_eq!(Support::of(key), Support::Unknown, "{key}");
        }
        assert_eq!(Support::of("Match-Uri"), Support::Unknown);
        assert_eq!(nearest_key("Match-Uri").as_deref(), Some("match-uri"));
        assert_eq!(nearest_key("except-domian").as_deref(), Some("except-domain"));
        assert_eq!(nearest_key("except-time-windw").as_deref(), Some("except-time-window"));
    }
}
