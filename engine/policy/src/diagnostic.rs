//! Faults in policy files: code, place, message, help, and how they are drawn.
//!
//! [`Code`] is the one table of faults; `docs/manual/diagnostics.md` is made from it. A code keeps its
//! number for ever: a retired one is never given away again.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Serialize, Serializer};

use crate::syntax::span::{Lines, Span, is_unprintable};

/// Where in a policy file something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// The file, as it was named to the parser.
    pub file: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The bytes of the file.
    pub span: Range<usize>,
}

/// Whether a fault refuses the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The set, or the shared file, is refused.
    Error,
    /// Something to look at; the set stands.
    Warning,
}

impl Severity {
    /// The word that tools print.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Makes [`Code`] and everything that is said about each code from one table.
macro_rules! codes {
    ($($variant:ident $id:literal $severity:ident $title:literal $advice:literal)*) => {
        /// What is wrong. The number is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable number, `EGP0xx`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What to do about it, in a sentence or two.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }

            /// How bad it is in a file of the operator; in a shared file every fault is a warning.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    FileTooLarge "EGP001" Error "the policy file is too large"
        "Split the file; names belong in a list file, which may be far larger."
    UnexpectedText "EGP002" Error "unexpected text"
        "A file holds blocks, `name: { ... }`, and a block holds `key: value` lines."
    MissingColon "EGP003" Error "a colon is missing"
        "Write a colon between the name and what it stands for."
    UnclosedBlock "EGP004" Error "a block is not closed"
        "Put a `}` on a line of its own after the block's last attribute."
    UnclosedQuote "EGP005" Error "a quoted text is not closed"
        "A quoted text ends on the line where it starts; a quote inside it is written `\\\"`."
    BadEscape "EGP006" Error "an unknown escape in a quoted text"
        "The escapes are those of JSON: `\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000`. In a regular expression or path double the backslash, or leave the quotes away."
    UnclosedList "EGP007" Error "a list is not closed"
        "Put a `]` after the last entry."
    UnclosedComment "EGP008" Error "a comment is not closed"
        "End the comment with `*/`."
    EmptyValue "EGP009" Error "a value is empty"
        "Give the attribute a value, or remove its line."
    BraceAfterBareValue "EGP010" Error "a `}` follows a bare value"
        "A bare value runs to the end of its line. Put the `}` on a line of its own, or quote the value."
    ControlCharacter "EGP011" Error "a control character"
        "Remove the character; it is often left over from a copy out of another program."
    StrayBracket "EGP012" Error "a bracket that closes nothing"
        "Remove it, or look for an earlier block or list that is closed too soon."
    UnreadableFile "EGP013" Error "the policy file cannot be read"
        "A policy file is UTF-8 text that the engine's user may read."
    UnknownAttribute "EGP020" Error "unknown attribute"
        "Look for a slip of the pen; the manual lists every attribute."
    NotInThisVersion "EGP021" Error "something that is not in this version yet"
        "The language has it, but this version cannot evaluate it, and what is ignored would match too much. Remove the rule for now."
    NoMatch "EGP022" Error "a block without a match attribute"
        "Say what the rule matches, with at least one `match-...` attribute."
    BadName "EGP023" Error "a bad rule name"
        "A name has 1 to 128 characters out of letters, digits, `_`, `.` and `-`."
    ReservedName "EGP024" Error "a reserved rule name"
        "The engine uses this name for its own verdicts; choose another."
    RepeatedName "EGP025" Error "a rule name is used twice"
        "Names are unique over all files; rename one of the two."
    RepeatedAttribute "EGP026" Error "an attribute is given twice"
        "This attribute takes one value; keep one of the lines."
    UnknownAction "EGP027" Warning "an unknown action, which acts as deny"
        "The actions are `permit` (or `accept`), `deny` (or `block`), `warn` and `aup`. An unknown word acts as deny, so that a slip of the pen never opens the gate."
    BadUri "EGP028" Error "a bad URI prefix"
        "Write `https://host/path`, or without a scheme `host/path`."
    BadDomain "EGP029" Error "a bad domain name"
        "Write a name such as `example.net`, or `=example.net` for that host alone."
    BadAddress "EGP030" Error "a bad address"
        "Write an address, a CIDR such as `10.0.0.0/8`, a range such as `10.0.0.1-10.0.0.9`, or the path of a list of them."
    UnknownApplication "EGP031" Error "an unknown application"
        "The applications are `any`, `http`, `https`, `ftp` and `connect`."
    BadBoolean "EGP032" Error "neither true nor false"
        "Write `true` or `false`."
    BadCategory "EGP033" Error "a bad category"
        "A category is one word of 1 to 128 characters out of letters, digits, `_`, `.` and `-`."
    TooBroad "EGP034" Error "a pattern that covers a whole public suffix"
        "Name the domains that are meant. If the whole suffix is meant, say `allow-broad: true` in the rule."
    BadListPath "EGP035" Error "a bad list path"
        "Write the path of a list file; a relative one starts at the folder of the policy file."
    UnreadableList "EGP036" Error "a list cannot be read"
        "Check the path, the permissions and the form of the file; a relative path starts at the folder of the policy file."
    TooManyRules "EGP037" Error "too many rules"
        "Put names into lists: one rule with a list of a million names costs less than two rules."
    MoreFaults "EGP038" Error "more faults than are shown"
        "Mend the ones that are shown and check again."
    FileLeftOut "EGP039" Warning "a shared file is left out"
        "A file below the shared path has faults, so none of its rules are used. Mend the program that writes it."
    ListLines "EGP040" Warning "a list has lines that cannot be used"
        "Such lines block nothing. A list of plain names has one name a line."
    ListSuffixes "EGP041" Warning "a list names whole public suffixes"
        "Such entries are left out, since they would cover everybody's sites below them. Where one is meant, write it in a rule with `allow-broad: true`."
    TextTooLong "EGP042" Error "a text is too long"
        "Shorten it; the manual gives the bounds."
    TooManyValues "EGP043" Error "too many values in a rule"
        "Put them into a list file and name that."
    OddAddress "EGP044" Warning "an address in an unusual spelling"
        "Write the address in the usual spelling, so that whoever reads the rule sees what it names; if a name is meant, correct it."
    NeverPermits "EGP045" Warning "a URI prefix that lets nothing through"
        "A rule that permits, and an exception of one that blocks, must fit every reading of a request, the fully decoded one too. Name the folder above."
    BadRegex "EGP050" Error "a bad regular expression"
        "Mend it; a character that means something, such as `[` or `{`, is written with a backslash where it stands for itself."
    RegexLookAround "EGP051" Error "a regular expression that looks ahead or behind"
        "Look-around needs an engine that backtracks, and a client could make that run for ever. Write only what must match, and put what must not into an exception of the rule, such as `except-uri-regex`."
    RegexBackReference "EGP052" Error "a regular expression that refers back"
        "Back-references need an engine that backtracks, and a client could make that run for ever. Write the alternatives out; a backslash before a byte's number is written `\\x01`."
    RegexPossessive "EGP053" Error "a possessive quantifier or an atomic group"
        "They only tell an engine that backtracks what not to try again. Write a plain `+`, `*` or group; every engine here takes linear time anyway."
    RegexSteering "EGP054" Error "a regular expression with a condition, a recursion or a verb"
        "Such constructs need an engine that backtracks, and a client could make that run for ever. Write two patterns, and put what must not match into an exception of the rule, such as `except-uri-regex`."
    RegexAmbiguous "EGP055" Error "a regular expression that engines read differently"
        "The same text means one thing to one engine and another to the next. Write it in the plain way that the message names."
    RegexTooBroad "EGP056" Error "a regular expression that fits everything, or nothing"
        "A pattern is searched for in the text and needs no `.*` around it. Say what must be there; where every text is meant, say `allow-broad: true` in the rule."
    RegexTooLarge "EGP057" Error "a regular expression that is too large"
        "Shorten it, split it, or count less far in its repeats; the manual gives the bounds."
    UnknownTls "EGP060" Error "an unknown word for a TLS connection"
        "The words are `splice` (let it pass untouched), `bump` (decrypt it) and `terminate` (end it)."
    UnknownAnomaly "EGP061" Error "an unknown anomaly"
        "The anomalies are `no-sni`, `sni-mismatch`, `host-mismatch`, `ip-literal`, `mixed-script` and `ech`."
    NeverHolds "EGP062" Warning "a condition that never holds"
        "The rule is kept, but this condition is never met. Remove it, or leave it for a version that can."
    BadUser "EGP063" Error "a bad user name"
        "Write names as the proxy says them, or `@` and the path of a list with a name a line."
    BadMethod "EGP064" Error "a bad method"
        "A method is a token such as `GET`, `POST` or `CONNECT`."
    BadPort "EGP065" Error "a bad port"
        "Write a port such as `443`, or a range such as `8000-8080`."
    BadWindow "EGP066" Error "a bad time window"
        "Write days and times, `mon-fri 08:00-17:30`, or times alone, `12:00-13:00`. One that ends before it begins ends on the next day."
    BadInstant "EGP067" Error "a bad instant"
        "Write an instant as RFC 3339 has it, with its offset from UTC, such as `2026-01-31T08:00:00+01:00`."
    EmptyValidity "EGP068" Error "a rule that never counts"
        "A rule counts from `valid-from` on and before `valid-until`, which must be later."
    ExceptsEverything "EGP069" Error "an exception that leaves nothing"
        "The rule would never hold. Say what is excepted, or set `enabled: false` where the rule is to rest."
    MonitorsTls "EGP070" Warning "a `tls` word in a rule that only monitors"
        "A rule with `monitor: true` changes nothing, so its `tls` word is not heard. Remove the one or the other."
    ListExceptions "EGP080" Warning "a list has exceptions, which permit nothing"
        "What a list of another program permits, `@@||name^` or `rpz-passthru`, is passed over: only a rule permits. Where the exceptions are meant, put their names into a rule before this one that permits."
    TwoListFormats "EGP081" Error "two formats for one list"
        "A list has one format. Say the same in each rule that names it, or leave it to its content in all."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// One fault, with all that is needed to draw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of fault.
    pub code: Code,
    /// Whether it refuses the set.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What happened, lower case, without a full stop.
    pub message: String,
    /// What to do, where something better is known than the code's advice.
    pub help: Option<String>,
    /// The line of the file, cut where it is very long; empty where the whole file is meant.
    pub source_line: String,
    /// The bytes of `source_line` that are meant.
    #[serde(skip)]
    pub mark: Range<usize>,
}

impl Diagnostic {
    /// What to do: the help of this fault, else the advice of its code.
    #[must_use]
    pub fn advice(&self) -> &str {
        self.help.as_deref().unwrap_or_else(|| self.code.advice())
    }

    /// The fault as text, with the source line and a caret.
    #[must_use]
    pub fn render(&self) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code.id());
        let file = self.place.file.as_str();
        let body = if self.place.line > 0 {
            let line = usize::try_from(self.place.line).unwrap_or(usize::MAX);
            let mark = AnnotationKind::Primary.span(self.mark.clone());
            let source = self.source_line.as_str();
            let snippet = Snippet::source(source).line_start(line).annotation(mark);
            // The renderer counts columns in the line that it has; a cut line has others.
            let column = usize::try_from(self.place.column).unwrap_or(usize::MAX);
            let shown = self.source_line.get(..self.mark.start).unwrap_or_default().chars().count();
            if shown.saturating_add(1) == column {
                title.element(snippet.path(file))
            } else {
                title.element(Origin::path(file).line(line).char_column(column)).element(snippet)
            }
        } else if file.is_empty() {
            Group::with_title(title)
        } else {
            title.element(Origin::path(file))
        };
        let help = self.advice();
        Renderer::plain().render(&[body.element(Level::HELP.message(help))])
    }
}

/// The catalogue of all codes as a page of the manual.
#[must_use]
pub fn catalogue() -> String {
    let mut page = String::from(
        "# Faults in policy files\n\n\
         `egpolicy check`, `enforcegate-engine --check` and every reload report these. A code keeps its\n\
         number for ever. An error in the operator's files refuses the whole set; in a file below the\n\
         shared path every fault is a warning, and an error leaves that file out.\n\n\
         This page is made by `egpolicy diagnostics`; a test fails when the two differ.\n\n\
         | code | severity | what is wrong | what to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let advice = code.advice().replace('|', "\\|");
        let (id, word, title) = (code.id(), code.severity().word(), code.title());
        page.push_str(&format!("| {id} | {word} | {title} | {advice} |\n"));
    }
    page
}

/// How many faults are kept; the rest are counted.
pub const FAULTS_MAX: usize = 1_000;

/// Collects faults, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    kept: Vec<Diagnostic>,
    errors_dropped: u64,
    warnings_dropped: u64,
}

impl Faults {
    /// Adds a fault at a place.
    pub(crate) fn report(
        &mut self,
        lines: &Lines<'_>,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if self.is_full(code.severity()) {
            return;
        }
        let line = lines.source_line(span);
        self.kept.push(Diagnostic {
            code,
            severity: code.severity(),
            place: lines.place(span),
            message: message.into(),
            help,
            source_line: line.text,
            mark: line.mark,
        });
    }

    /// Adds a fault of a whole file.
    pub(crate) fn report_file(&mut self, file: &str, code: Code, message: impl Into<String>) {
        if self.is_full(code.severity()) {
            return;
        }
        self.kept.push(Diagnostic {
            code,
            severity: code.severity(),
            place: Place { file: file.to_owned(), ..Place::default() },
            message: message.into(),
            help: None,
            source_line: String::new(),
            mark: 0..0,
        });
    }

    /// Counts a fault that is not kept.
    fn is_full(&mut self, severity: Severity) -> bool {
        if self.kept.len() < FAULTS_MAX {
            return false;
        }
        match severity {
            Severity::Error => self.errors_dropped = self.errors_dropped.saturating_add(1),
            Severity::Warning => self.warnings_dropped = self.warnings_dropped.saturating_add(1),
        }
        true
    }

    /// Whether one of them is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors_dropped > 0 || self.kept.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Adds the faults of one file.
    pub(crate) fn absorb(&mut self, other: Self) {
        for fault in other.kept {
            if !self.is_full(fault.severity) {
                self.kept.push(fault);
            }
        }
        self.errors_dropped = self.errors_dropped.saturating_add(other.errors_dropped);
        self.warnings_dropped = self.warnings_dropped.saturating_add(other.warnings_dropped);
    }

    /// Puts the faults of one file in the order of their places, whoever found them.
    pub(crate) fn sort(&mut self) {
        self.kept.sort_by_key(|fault| fault.place.span.start);
    }

    /// Makes every error a warning.
    pub(crate) fn soften(&mut self) {
        self.kept.iter_mut().for_each(|fault| fault.severity = Severity::Warning);
        self.warnings_dropped = self.warnings_dropped.saturating_add(self.errors_dropped);
        self.errors_dropped = 0;
    }

    /// All that were kept, and one more that counts the rest.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        let dropped = self.errors_dropped.saturating_add(self.warnings_dropped);
        if dropped > 0 {
            self.kept.push(Diagnostic {
                code: Code::MoreFaults,
                severity: match self.errors_dropped {
                    0 => Severity::Warning,
                    _ => Severity::Error,
                },
                place: Place::default(),
                message: format!("{dropped} more faults are not shown"),
                help: None,
                source_line: String::new(),
                mark: 0..0,
            });
        }
        self.kept
    }
}

/// How much of what the operator wrote is repeated in a message.
const QUOTE_LETTERS_MAX: usize = 80;

/// What the operator wrote, in backticks, harmless and short.
pub(crate) fn quote(text: &str) -> String {
    let mut letters = text.chars();
    let clean = |letter| if is_unprintable(letter) { '?' } else { letter };
    let shown: String = letters.by_ref().take(QUOTE_LETTERS_MAX).map(clean).collect();
    match letters.next() {
        None => format!("`{shown}`"),
        Some(_) => format!("`{shown}...`"),
    }
}

/// The known word that is nearest to an unknown one, if it is near enough to be a slip of the pen.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word: String = word.to_lowercase().chars().take(QUOTE_LETTERS_MAX).collect();
    let distance_max = word.chars().count().div_ceil(3).min(3);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(&word, known), known))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_upwards_and_once() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 6 && id.starts_with("EGP")));
    }

    #[test]
    fn the_manual_has_the_catalogue() {
        let path = crate::real_data::in_tree("docs/manual/diagnostics.md");
        if std::env::var_os("EG_WRITE_MANUAL").is_some() {
            std::fs::write(&path, catalogue()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == catalogue(), "run `egpolicy diagnostics > docs/manual/diagnostics.md`");
    }

    #[test]
    fn the_nearest_word_is_a_slip_away() {
        let check = |word: &str, expected| {
            let known = ["match-uri", "match-domain", "match-source", "action", "deny", "block"];
            assert_eq!(nearest(word, known), expected, "{word}");
        };
        check("match-url", Some("match-uri"));
        check("match-domian", Some("match-domain"));
        check("Action", Some("action"));
        check("blcok", Some("block"));
        check("matchsource", Some("match-source"));
        check("colour", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn faults_are_bounded_and_counted() {
        let lines = Lines::new("f", "text\n");
        let mut faults = Faults::default();
        for _ in 0..FAULTS_MAX + 7 {
            faults.report(&lines, Code::UnexpectedText, Span::new(0, 1), "m", None);
        }
        assert!(faults.has_errors());
        let all = faults.into_diagnostics();
        assert_eq!(all.len(), FAULTS_MAX + 1);
        assert_eq!(
            all.last().map(|last| last.message.as_str()),
            Some("7 more faults are not shown")
        );
        assert_eq!(all.last().map(|last| last.severity), Some(Severity::Error));
    }

    #[test]
    fn what_is_repeated_is_harmless_and_short() {
        assert_eq!(quote("a\u{1b}b"), "`a?b`");
        assert!(quote(&"x".repeat(500)).len() < 100);
    }
}
