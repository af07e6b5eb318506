//! What could not be carried over, and what an operator should look at: the loss report.
//!
//! INVARIANT: every kind says which way the two filters may differ because of it, so that a difference
//! that the report does not explain is a fault of the converter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Remarks of one kind about one file that are shown each with its line; the rest is counted. A list of
/// an ad blocker has tens of thousands.
pub const SHOWN_MAX: usize = 1_000;

/// Which way the two filters differ because of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Not at all; something to know.
    Nothing,
    /// The same requests are stopped, and the client sees something else.
    OtherPage,
    /// Requests that the old filter let through are stopped here.
    BlocksMore,
    /// Requests that the old filter stopped are let through here.
    BlocksLess,
    /// Some this way, some that way.
    BothWays,
}

impl Effect {
    /// As the report says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "no difference",
            Self::OtherPage => "other page",
            Self::BlocksMore => "blocks more",
            Self::BlocksLess => "blocks less",
            Self::BothWays => "both ways",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $id:literal, $effect:ident, $about:literal;)+) => {
        /// What a remark is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* #[doc = $about] $name,)+
        }

        impl Kind {
            /// Every kind, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in the report.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// Which way the two filters differ because of it.
            #[must_use]
            pub const fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)+ }
            }
        }
    };
}

kinds! {
    // -- who
    Source, "source-left-out", BothWays,
        "who this is cannot be asked here, so the rules of this source are switched off";
    SourcePart, "source-narrower", BothWays,
        "a part of who this is cannot be asked here; the rules hold for the rest of the source";
    Quota, "quota", BlocksLess,
        "time quotas are not kept; the source is let through without an end";
    UserCase, "user-spelling", BothWays,
        "the old filter reads user names in any case; here a name must be spelt as the list has it or in lower case";
    // -- when
    TimeYearly, "date-pattern", BothWays,
        "dates that come back (`*.12.25`) are written out for the coming years alone";
    DefaultTime, "default-with-time", Nothing,
        "the old filter ignores the time of the default and always takes its last part; so does this policy";
    // -- what
    Entry, "entry-unusable", BothWays,
        "an entry cannot be used here and is left out";
    Suffix, "public-suffix", BothWays,
        "an entry is a whole public suffix (`com`, `co.uk`); lists never cover one here";
    EntryNever, "entry-never-matched", BothWays,
        "the old filter could never match this entry as it is written; here it works";
    EntryRedirect, "entry-redirect", OtherPage,
        "an entry has a page of its own; here it gets the portal's";
    ListGaps, "list-gaps", BothWays,
        "the list has entries below other entries, in which the old filter loses neighbours of the lower one; here every name below an entry is covered";
    UrlCase, "url-case", BothWays,
        "the old filter compares paths in lower case; here their case counts, and an entry is listed as it is and in lower case";
    UrlHost, "url-host-prefix", BothWays,
        "the old filter drops `www`, `web` and `ftp` with digits before a host; here the entry and its `www.` form are listed";
    UrlText, "url-text", BothWays,
        "the old filter compares the text of a URL, where a host may go on behind the entry; here the host must fit whole and escapes are read as characters";
    UrlEnd, "url-end", BothWays,
        "the old filter takes the entry as a whole path, or as one that a `/`, `?`, `&` or `=` follows; here every path that begins with it is covered";
    Expression, "expression-unusable", BothWays,
        "an expression cannot be written in the dialect here and is left out";
    ExpressionText, "expression-text", BothWays,
        "the old filter searches the decoded URL in lower case with its port; here each canonical form of it is searched";
    InAddr, "in-addr", BlocksMore,
        "the old filter takes only digits and dots for an address; here every spelling of one is";
    InAddrPermit, "in-addr-permits", BothWays,
        "the old filter permits hosts of digits and dots; here every spelling of an address is one";
    Unsupported, "condition-left-out", BothWays,
        "what this asks of a request cannot be asked here; it is left out";
    Subdomains, "url-subdomains", BothWays,
        "the old filter also takes hosts below that of a URL entry; here the host is that one alone";
    Options, "option-left-out", BothWays,
        "an entry depends on something that is not known here (third party, type, page) and is left out";
    Cosmetic, "cosmetic", BlocksLess,
        "an entry hides parts of pages, which no proxy can";
    Content, "content", BlocksLess,
        "a list looks into or changes what pages hold or send, which is not done here";
    ContentNotScanned, "content-not-scanned", BlocksLess,
        "the old filter let these sites through but looked into their pages; here they are let through";
    RealAddress, "real-address", BlocksLess,
        "a line of a hosts file leads to a real address, not to a dead one; the name is not blocked";
    // -- what then
    Redirect, "redirect", OtherPage,
        "the old filter sends the client to a page of its own; here it is the portal's";
    NoRedirect, "no-redirect", BlocksMore,
        "the old filter stops nothing where no redirect is given; here the rule denies";
    Rewrite, "rewrite", BlocksLess,
        "requests are not rewritten here";
    Dnsbl, "dnsbl", BlocksLess,
        "block lists in the DNS are not asked here";
    Security, "security-option", BlocksLess,
        "an option of the old filter about connections has no counterpart in a rule";
    // -- of every conversion
    Canonical, "canonical-request", BothWays,
        "the old filter reads the text of a request, this one what Squid makes of it; what cannot be read is denied";
    // -- to know
    Ipv6, "ipv6-clients", Nothing,
        "the old filter takes every IPv6 client for 0.0.0.0; here they are in a source by address where that is";
    Setting, "setting", Nothing,
        "a setting of the old filter that has no part in a policy";
    Log, "log", Nothing,
        "a log file of the old filter; the audit trail has every denial";
    Unreachable, "unreachable", Nothing,
        "nothing behind this word is ever asked, there or here";
    Never, "never-holds", Nothing,
        "this never holds in the old filter, and so not here; perhaps it is not what was meant";
    OpenEnd, "open-end", Nothing,
        "the list of words ends without `any` or `none`; the old filter lets the rest through, and so does this policy";
}

/// One thing to know about a conversion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// What it is about.
    pub kind: Kind,
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where it is the whole file.
    pub line: u64,
    /// What stands there.
    pub what: String,
}

/// Every remark about a conversion.
#[derive(Debug, Clone, Default)]
pub struct Report {
    remarks: BTreeSet<Remark>,
    counts: BTreeMap<(Kind, String), u64>,
}

impl Report {
    /// Adds a remark, if it is not there yet; beyond [`SHOWN_MAX`] of a kind and file it is only counted.
    pub(crate) fn add(&mut self, kind: Kind, place: &Place, what: impl Into<String>) {
        let count = self.counts.entry((kind, place.file.clone())).or_default();
        let file = place.file.clone();
        if usize::try_from(*count).is_ok_and(|count| count < SHOWN_MAX)
            && !self.remarks.insert(Remark { kind, file, line: place.line, what: what.into() })
        {
            return;
        }
        *count = count.saturating_add(1);
    }

    /// Counts `more` remarks of which nothing is shown.
    pub(crate) fn count(&mut self, kind: Kind, file: &str, more: u64) {
        if more > 0 {
            let count = self.counts.entry((kind, file.to_owned())).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// Those that are shown, by kind, file and line.
    #[must_use]
    pub const fn remarks(&self) -> &BTreeSet<Remark> {
        &self.remarks
    }

    /// How many there are of each kind, and in each file.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<(Kind, String), u64> {
        &self.counts
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        let own = self.counts.iter().filter(|((other, _), _)| *other == kind);
        own.map(|(_, count)| *count).fold(0, u64::saturating_add)
    }

    /// How many there are after which the two filters differ.
    #[must_use]
    pub fn losses(&self) -> u64 {
        let lost = self.counts.iter().filter(|((kind, _), _)| kind.effect() != Effect::Nothing);
        lost.map(|(_, count)| *count).fold(0, u64::saturating_add)
    }
}

/// A line of a file that is converted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: u64,
}

impl Place {
    pub(crate) fn new(file: &str, line: u64) -> Self {
        Self { file: file.to_owned(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// Why an input cannot be converted; nothing is written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Faults that are told; the rest says nothing new.
pub const FAULTS_MAX: usize = 100;

/// Adds a fault, if it is not one too many.
pub(crate) fn fault(faults: &mut Vec<Fault>, place: &Place, what: impl Into<String>) {
    if faults.len() < FAULTS_MAX {
        faults.push(Fault { place: place.clone(), what: what.into() });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_manual_has_the_table_of_kinds() {
        let manual =
            std::fs::read_to_string(eg_settings::in_tree("docs/manual/convert.md").unwrap());
        let row = |kind: &Kind| {
            format!("| `{}` | {} | {} |\n", kind.id(), kind.effect().as_str(), kind.about())
        };
        let rows: String = Kind::ALL.iter().map(row).collect();
        let table = format!("| kind | effect | meaning |\n|---|---|---|\n{rows}");
        assert!(manual.unwrap().contains(&table), "the table should be\n{table}");
    }

    #[test]
    fn kinds_have_a_name_each_and_what_is_beyond_the_bound_is_counted() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.id()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        let mut report = Report::default();
        for line in 1..=1_500 {
            report.add(Kind::Entry, &Place::new("a", line), "x");
        }
        report.add(Kind::Log, &Place::new("a", 1), "x");
        assert_eq!(report.remarks().len(), SHOWN_MAX + 1);
        assert_eq!((report.of(Kind::Entry), report.losses()), (1_500, 1_500));
    }
}
