//! The eight levels (SPEC 2).

/// The eight levels, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `emergency`
    Emergency,
    /// `alert`
    Alert,
    /// `critical`: fatal failures.
    Critical,
    /// `error`: recoverable but bad.
    Error,
    /// `warning`: suspicious.
    Warning,
    /// `notice`: the life cycle.
    Notice,
    /// `info`: more of the same.
    Info,
    /// `debug`: single requests.
    Debug,
}

impl Level {
    /// Every word that settings take, and what it stands for; `warn` and `warning` are one.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("emergency", Self::Emergency),
        ("alert", Self::Alert),
        ("critical", Self::Critical),
        ("error", Self::Error),
        ("warning", Self::Warning),
        ("warn", Self::Warning),
        ("notice", Self::Notice),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];

    /// All levels, most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// The word in settings and lines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Alert => "alert",
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_read_by_the_word_that_lines_show() {
        for level in Level::ALL {
            assert!(Level::WORDS.contains(&(level.word(), level)), "{}", level.word());
        }
    }
}
