//! Public suffixes: names below which anybody may register, such as `com` and `co.uk`.

/// Whether a name is a public suffix, and of which part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuffixKind {
    /// A registry's: `com`, `co.uk`. A rule that covers one covers a part of the Internet.
    Icann,
    /// A company's: `blogspot.com`. An ordinary name to rules.
    Private,
    /// None: somebody's name, or a top level that the list does not know.
    No,
}

/// Whether the whole of `name`, in canonical form, is a public suffix.
#[must_use]
pub fn public_suffix(name: &str) -> SuffixKind {
    let whole = psl::suffix(name.as_bytes()).filter(|suffix| suffix.as_bytes() == name.as_bytes());
    match whole.and_then(|suffix| suffix.typ()) {
        Some(psl::Type::Icann) => SuffixKind::Icann,
        Some(psl::Type::Private) => SuffixKind::Private,
        None => SuffixKind::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        for (name, expected) in [
            ("com", SuffixKind::Icann),
            ("co.uk", SuffixKind::Icann),
            ("xn--p1ai", SuffixKind::Icann),
            ("anything.ck", SuffixKind::Icann),
            ("blogspot.com", SuffixKind::Private),
            ("www.ck", SuffixKind::No),
            ("example.com", SuffixKind::No),
            ("unknowntld", SuffixKind::No),
            ("localhost", SuffixKind::No),
            ("", SuffixKind::No),
        ] {
            assert_eq!(public_suffix(name), expected, "{name}");
        }
    }
}
