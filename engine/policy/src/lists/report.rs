//! What became of a list and of its lines.

use serde::{Deserialize, Serialize};

use super::part::ListPart;
use crate::diagnostic::Code;
use crate::uri::Malformed;

/// How a list file is written.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ListFormat {
    /// One name a line.
    #[default]
    Plain,
    /// `0.0.0.0 name`, as in `/etc/hosts`.
    Hosts,
    /// `address=/name/`, `server=/name/`, `local=/name/`.
    Dnsmasq,
    /// `||name^`, as ad blockers have it.
    Adblock,
    /// A zone of response policies: `name CNAME .`
    Rpz,
    /// The text tables of ufdbGuard: names, and URLs without a scheme.
    Ufdbguard,
    /// A folder of squidGuard: `domains`, `urls`, `expressions`.
    Squidguard,
    /// One URL a line.
    Urls,
    /// One regular expression a line.
    Expressions,
}

impl ListFormat {
    /// Every one, in the order of the manual.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::Hosts,
        Self::Dnsmasq,
        Self::Adblock,
        Self::Rpz,
        Self::Ufdbguard,
        Self::Squidguard,
        Self::Urls,
        Self::Expressions,
    ];

    /// The word behind `as` in a rule.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Hosts => "hosts",
            Self::Dnsmasq => "dnsmasq",
            Self::Adblock => "adblock",
            Self::Rpz => "rpz",
            Self::Ufdbguard => "ufdbguard",
            Self::Squidguard => "squidguard",
            Self::Urls => "urls",
            Self::Expressions => "expressions",
        }
    }

    /// The format of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }
}

/// How many refused lines and suffixes a report shows.
pub const REPORTED_MAX: usize = 1_000;

/// What became of the lines of one file of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReport {
    /// Which file of the list it was.
    pub part: ListPart,
    /// How it was read.
    pub format: ListFormat,
    /// All lines.
    pub lines: u64,
    /// The entries that the list has, each counted once.
    pub accepted: u64,
    /// Entries that repeat another.
    pub duplicates: u64,
    /// Entries whose spelling was changed: upper case, IDN, dots, addresses, scheme and port of a URL.
    pub folded: u64,
    /// Lines that would permit something, `@@||name^` or `rpz-passthru`, which no list does.
    pub exceptions: u64,
    /// The line of the first of them.
    pub first_exception: Option<u64>,
    /// Names of the machine itself in a hosts file, such as `localhost`, which are passed over.
    pub local_names: u64,
    /// The first refused lines and why, at most [`REPORTED_MAX`].
    pub refused: Vec<(u64, RefusedLine)>,
    /// How many lines were refused.
    pub refused_count: u64,
    /// How many of them for each reason, in the order in which the reasons came up.
    pub reasons: Vec<(RefusedLine, u64)>,
    /// The first entries that are whole ICANN public suffixes, and are left out; at most
    /// [`REPORTED_MAX`].
    pub public_suffixes: Vec<(u64, String)>,
    /// How many entries were left out so.
    pub public_suffix_count: u64,
}

impl ListReport {
    /// An empty one.
    pub(super) fn new(part: ListPart, format: ListFormat) -> Self {
        Self { part, format, ..Self::default() }
    }

    pub(crate) fn refuse(&mut self, line: u64, reason: RefusedLine) {
        self.refused_count = self.refused_count.saturating_add(1);
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.reasons.push((reason, 1)),
        }
        if self.refused.len() < REPORTED_MAX {
            self.refused.push((line, reason));
        }
    }

    pub(super) fn suffix(&mut self, line: u64, name: &str) {
        self.public_suffix_count = self.public_suffix_count.saturating_add(1);
        if self.public_suffixes.len() < REPORTED_MAX {
            self.public_suffixes.push((line, name.to_owned()));
        }
    }

    /// Counts an exception in the line that is read.
    pub(super) fn exception(&mut self) {
        self.exceptions = self.exceptions.saturating_add(1);
        self.first_exception = self.first_exception.or(Some(self.lines));
    }

    /// The fault of a list of which this is all that can be said.
    pub(crate) fn nothing_usable(&self) -> ListFault {
        ListFault::NothingUsable {
            lines: self.lines,
            format: self.format,
            refused: self.refused.first().copied(),
        }
    }

    /// How many lines say something that was not taken.
    pub(super) const fn unused(&self) -> u64 {
        let ignored = self.exceptions.saturating_add(self.local_names);
        self.refused_count.saturating_add(self.public_suffix_count).saturating_add(ignored)
    }
}

/// Why a line of a list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefusedLine {
    /// It is too long for an entry.
    #[error("too long for an entry")]
    TooLong,
    /// A NUL or another control character.
    #[error("a control character")]
    Control,
    /// Several words, as in a hosts file.
    #[error("several words; a plain list has one name a line")]
    SeveralWords,
    /// `||name^`, `name##...`
    #[error("the line of an ad blocker, not a name")]
    Adblock,
    /// `||name^$third-party`
    #[error("a rule with `$` options, which say more than a host")]
    AdblockOptions,
    /// `name##.banner`
    #[error("a rule for parts of a page")]
    AdblockCosmetic,
    /// `/banner/`, `||name/path`
    #[error("a rule for parts of a URL, not for a whole host")]
    AdblockPattern,
    /// `http://name/`, `name/path`
    #[error("a URL, not a name")]
    Url,
    /// `name:80`
    #[error("a name with a port")]
    Port,
    /// `*`, `.`
    #[error("covers every name")]
    Everything,
    /// Not the name of any host.
    #[error("not a host name")]
    NotAName,
    /// Not an address, CIDR or range.
    #[error("not an address, a CIDR or a range")]
    NotAnAddress,
    /// No address in front of the names.
    #[error("no address and name, as a hosts file has them")]
    NotHosts,
    /// `93.184.216.34 name`, `server=/name/9.9.9.9`
    #[error("leads somewhere else, and so blocks nothing")]
    LeadsElsewhere,
    /// `conf-dir=...`
    #[error("an option other than `address`, `server` and `local`")]
    DnsmasqOption,
    /// Something else than `CNAME .`, `CNAME *.` and `CNAME rpz-drop.`
    #[error("an action other than `CNAME .`, `CNAME *.` and `CNAME rpz-drop.`")]
    RpzAction,
    /// `32.1.2.0.192.rpz-ip`
    #[error("a trigger other than the name that is asked for")]
    RpzTrigger,
    /// An absolute name that does not end with the zone.
    #[error("a name outside of the zone")]
    RpzOutside,
    /// `name CNAME (`, and no `)` before the next record.
    #[error("a bracket that is not closed before the next record")]
    RpzOpen,
    /// Not a record.
    #[error("not a record of a zone")]
    RpzRecord,
    /// Not a URL that a request can have.
    #[error("not a URL: {}", .0.sentence())]
    BadUrl(Malformed),
    /// Bytes that are no text.
    #[error("not UTF-8 text")]
    NotText,
    /// A URL that is not UTF-8.
    #[error("a URL that is not UTF-8; write other bytes with `%`")]
    NotUtf8,
    /// An expression that no rule may have either.
    #[error("{} ({})", .0.title(), .0.id())]
    Expression(Code),
    /// More expressions than a list may have.
    #[error("more expressions than a list may have")]
    TooManyExpressions,
}

/// Why a list cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// It is larger than a list may be, perhaps only once unpacked.
    #[error("larger than {max} bytes once unpacked")]
    TooLarge {
        /// The bound for this file.
        max: u64,
    },
    /// The gzip data is broken.
    #[error("broken gzip data")]
    Gzip(#[source] std::io::Error),
    /// The zstd data is broken.
    #[error("broken zstd data")]
    Zstd(#[source] std::io::Error),
    /// A page for people came instead of the list.
    #[error("a web page, not a list; the server that it was fetched from may have sent an error")]
    WebPage,
    /// Two formats fit too many lines.
    #[error(
        "{first_lines} of its lines are {} and {second_lines} are {}; say which in the rule, as \
         `... as {}`, and the other lines are left out",
        first.word(),
        second.word(),
        first.word()
    )]
    Ambiguous {
        /// The format that more lines have.
        first: ListFormat,
        /// How many of those that were looked at.
        first_lines: u64,
        /// The other format.
        second: ListFormat,
        /// How many lines have it.
        second_lines: u64,
    },
    /// It has lines, and none can be used.
    #[error(
        "none of its {lines} lines can be used, read as {}{}{}",
        format.word(),
        first_of(*refused),
        hint(*refused)
    )]
    NothingUsable {
        /// How many lines it has.
        lines: u64,
        /// How it was read.
        format: ListFormat,
        /// The first line that was refused, and why.
        refused: Option<(u64, RefusedLine)>,
    },
    /// A format of a file for a folder, or the other way round.
    #[error("`as squidguard` is for a folder, and this is a file")]
    FolderFormat,
    /// A format of a file for a folder.
    #[error("a folder is read as squidguard or ufdbguard; `as {}` is for a file", format.word())]
    FileFormat {
        /// The format.
        format: ListFormat,
    },
    /// A set file that this version did not write.
    #[error("not a set file of this version: {reason}")]
    NotASet {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What to say of the first line that was refused.
fn first_of(refused: Option<(u64, RefusedLine)>) -> String {
    refused.map(|(line, reason)| format!("; line {line}: {reason}")).unwrap_or_default()
}

/// What to do where every line may be of another kind.
const fn hint(refused: Option<(u64, RefusedLine)>) -> &'static str {
    if matches!(refused, Some((_, RefusedLine::Url))) {
        "; a list of URLs is named with `as urls`"
    } else {
        ""
    }
}
