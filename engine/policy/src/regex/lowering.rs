//! What is looked up against what is scanned for: what a pattern becomes, and that it makes no difference.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::dialect::RegexPattern;
use super::lower::{Form, LoweredClass, form};
use super::plan::{Backend, Field, Lowering};
use super::real::policy;
use super::scanner::{Hits, Memory, Reading, Scanned};
use super::shard::Shard;
use crate::matcher::RegexTable;

fn pattern(text: &str) -> RegexPattern {
    RegexPattern::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// What becomes of a pattern, in a word.
fn becomes(field: Field, text: &str) -> &'static str {
    match form(field, &pattern(text)) {
        Form::Lowered(LoweredClass::Domain, _) => "domain",
        Form::Lowered(LoweredClass::ExactHost, _) => "exact host",
        Form::Lowered(LoweredClass::UriHost, _) => "URI host",
        Form::Lowered(LoweredClass::Literal, _) => "literal",
        Form::Literals(_) => "scanned literals",
        Form::Scanned => "scanned",
    }
}

fn check(field: Field, cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| becomes(field, text) != *expected)
        .map(|(text, expected)| format!("{text} is {} and not {expected}", becomes(field, text)))
        .collect();
    assert!(wrong.is_empty(), "{field:?} {wrong:#?}");
}

#[test]
fn what_a_pattern_of_server_names_becomes() {
    check(
        Field::Sni,
        &[
            (r"(^|\.)example\.com$", "domain"),
            (r"(?:^|\.)example\.com$", "domain"),
            (r"(\.|^)example\.com$", "domain"),
            (r"(^|[.])Example[.]com\z", "domain"),
            (r"(?i)(^|\.)exam(p)le\.com$", "domain"),
            (r"(^|\.)(a|b)\.com$", "domain"),
            (r"(^|\.)a\.(com|net|co\.uk)$", "domain"),
            (r"(^|\.)ads?[0-9]?\.com$", "domain"),
            (r"(^|\.)tttv([1-9][0-9]?|100)\.com$", "domain"),
            (r"(^|\.)a\.com$|(^|\.)b\.net$", "domain"),
            (r"(?-i)(^|\.)123\.456$", "domain"),
            (r"^www\.example\.com$", "exact host"),
            (r"^(a|b)\.com$", "exact host"),
            (r"^hses[1-7]?\.akamaized\.net$", "exact host"),
            (r"^ads\.", "literal"),
            (r"^ads[0-9]*", "literal"),
            (r"(^|\.)1stok\.com", "literal"),
            (r"(^|\.)ads", "literal"),
            (r"\.example\.com$", "literal"),
            (r"example\.com$", "literal"),
            (r"(^|www\.)example\.com$", "literal"),
            (r"(^|\.)a\.com$|^b\.net$", "literal"),
            (r"(^|\.)a\.b$|c$", "literal"),
            ("ads", "scanned literals"),
            ("casino|poker", "scanned literals"),
            (r"(\.ads|-ads).*", "scanned literals"),
            // Near misses.
            (r"(^|.)example\.com$", "scanned"),
            (r"(^|\.)example.com$", "scanned"),
            (r"(?-i)(^|\.)example\.com$", "scanned"),
            (r"(^|\.)(?-i:e)xample\.com$", "scanned"),
            (r"(^|\.)a\.b$|c", "scanned"),
            (r"(^|-)ads", "scanned"),
            (r"^ads[0-9]*\.", "scanned"),
            (r"(^|\.)ads\d{3}\.com$", "scanned"),
            (r"\bads\.com$", "scanned"),
            (r"(^|\.)ads\.com\b", "scanned"),
            (r"^.*\.ads\.com$", "scanned"),
            (r"^([^/]+\.)?ads\.com$", "scanned"),
            (r"^https?://([^/]+\.)?ads\.com$", "scanned"),
        ],
    );
}

#[test]
fn what_a_pattern_of_uris_becomes() {
    let cases = &[
        (r"^https?://([^/]+\.)?example\.com/", "URI host"),
        (r"^https?:\/\/(?:[a-z0-9-]+\.)*?example\.com", "URI host"),
        (r"^https?://([a-z0-9.-]*\.)?(a|b)\.com(/|$)", "URI host"),
        (r"^https://([^/.]+\.)+a\.com[:/]", "URI host"),
        (r"^(https?|ftp|wss?)://([^/:?]+\.)*a\.com/x(.*)", "URI host"),
        (r"^https?://example\.com/", "literal"),
        (r"^https?://(www\.)?example\.com/(a|b)", "literal"),
        (r"\.exe$", "literal"),
        (r"\.(exe|com|scr)$", "literal"),
        (r"^http://a/$", "literal"),
        (r"/ads/", "scanned literals"),
        (r"(/banner/|/sponsor/)", "scanned literals"),
        (r"https?://example\.com/", "scanned literals"),
        // Near misses.
        (r"^https?://([^/]+\.)?example.com/", "scanned"),
        (r"^https?://(.+\.)?example\.com/", "scanned"),
        (r"^https?://([^.]+\.)?example\.com/", "scanned"),
        (r"^https?://([a-f]+\.)?example\.com/", "scanned"),
        (r"^https?://([^/]+\.){2}example\.com/", "scanned"),
        (r"^https?://([^/]+\.){0,2}example\.com/", "scanned"),
        (r"^https?://([^/]{1,9}\.)?example\.com/", "scanned"),
        (r"^https?://([^/]+-)?example\.com/", "scanned"),
        (r"^https?://([^/]+)?example\.com/", "scanned"),
        (r"https?://([^/]+\.)?example\.com/", "scanned"),
        (r"^[a-z]+://([^/]+\.)?example\.com/", "scanned"),
        (r"^https?://[^/]+\.example\.com/", "scanned"),
        (r"^https?://([^/]+\.)?example\.com(:\d+)?/", "scanned"),
        (r"^https?://([^/]+\.)?example\.com/.*x", "scanned"),
        (r"^https?://([^/]+\.)?example\.com/|x", "scanned"),
        (r"(?-i)^https?://([^/]+\.)?example\.com/", "scanned"),
        (r"(^|\.)example\.com", "scanned"),
    ];
    check(Field::Uri, cases);
    check(Field::Referer, cases);
    check(Field::UserAgent, &[("^curl/", "literal"), ("bot", "scanned literals")]);
    check(Field::UserAgent, &[(r"^https?://([^/]+\.)?example\.com/", "scanned")]);
}

/// A field's patterns, with lowering or without.
struct Searched {
    table: RegexTable,
    field: Field,
    memory: Memory,
    hits: Hits,
}

impl Searched {
    fn new(field: Field, patterns: &[RegexPattern], lowering: Lowering) -> Self {
        let plan = policy(field, patterns).regexes_with(lowering);
        let compile = |plan| Arc::new(Shard::compile(plan, Backend::Regex).unwrap());
        let table = RegexTable::new(plan.shards.iter().map(compile).collect(), &plan.lowered);
        let (mut memory, mut hits) = (Memory::default(), Hits::default());
        memory.fit(table.shards());
        hits.fit(table.of(field).patterns().len());
        Self { table, field, memory, hits }
    }

    /// The patterns that fit.
    fn find(&mut self, text: &[u8], reading: Reading) -> BTreeSet<&str> {
        let Self { table, field, memory, hits } = self;
        let table = table.of(*field);
        hits.clear();
        let scanned = table.scan(text, reading, memory, hits, |part| part.local);
        assert_eq!(scanned, Scanned::Fully);
        let pattern = |number: &u32| table.patterns()[*number as usize].as_str();
        hits.numbers().iter().map(pattern).collect()
    }
}

/// What a pattern says on its own, from its text. Of a text that goes on it says what holds in sight of a
/// slash and not of an end.
fn alone(pattern: &RegexPattern, text: &[u8], reading: Reading) -> bool {
    let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    let config = Config::new().utf8_empty(false);
    let regex = Regex::builder().configure(config).syntax(syntax).build(pattern.as_str()).unwrap();
    match reading {
        Reading::Whole => regex.is_match(text),
        // What a `\B` sees there is nobody's to say.
        Reading::Open if pattern.as_str().contains("\\B") => false,
        Reading::Open => {
            let longer = [text, b"/"].concat();
            regex.is_match(Input::new(&longer).range(..text.len()))
        }
    }
}

fn compare(field: Field, patterns: &[RegexPattern], texts: &[Vec<u8>]) {
    let mut lowered = Searched::new(field, patterns, Lowering::On);
    let mut scanned = Searched::new(field, patterns, Lowering::Off);
    assert_eq!(scanned.table.of(field).lowered(), 0);
    for text in texts {
        for reading in [Reading::Whole, Reading::Open] {
            let shown = String::from_utf8_lossy(text).into_owned();
            let found = lowered.find(text, reading);
            assert_eq!(found, scanned.find(text, reading), "{field:?} {shown:?} {reading:?}");
            // Only a URI is ever known in part.
            if field == Field::Uri || reading == Reading::Whole {
                let fits = patterns.iter().filter(|pattern| alone(pattern, text, reading));
                let fits: BTreeSet<&str> = fits.map(RegexPattern::as_str).collect();
                assert_eq!(found, fits, "{field:?} {shown:?} {reading:?}");
            }
        }
    }
}

/// How a pattern may begin: as the lowered forms do, and nearly so.
const FRONTS: &[&str] = &[
    "",
    "^",
    "(^|\\.)",
    "(?:\\.|^)",
    "(^|.)",
    "(^|-)",
    "^https?://",
    "^https?://([^/]+\\.)?",
    "^https?://([^/]*\\.)?",
    "^https?://(?:[a-z0-9-]+\\.)*?",
    "^https?://(?:[a-z0-9-]*\\.)*",
    "^http://([^/.:]+\\.)+",
    "^http://([a-z0-9.]*\\.){1}",
    "^(https?|ftp)://([a-z0-9_.-]+\\.)?",
    "^https?://([^/?#]+\\.)?",
    "^https?://(.+\\.)?",
    "^https?://([a-b]+\\.)?",
    "^[a-z]+://([^/]+\\.)?",
    "https?://([^/]+\\.)?",
    "a*",
];

/// What comes then.
const BODIES: &[&str] = &[
    "a\\.b",
    "a.b",
    "(a|b)\\.c",
    "(a|b\\.)?c",
    "a[0-2]?\\.b",
    "a{1,2}\\.b",
    "A\\.B",
    "(?-i:a)\\.b",
    "(?-i:A)\\.b",
    "(?-i:-)a",
    "-a",
    "a\\.b/c",
    "/a",
    "\\.b",
    "b",
    "\\.",
    "a(^|b)c?",
];

/// How it may end.
const ENDS: &[&str] = &[
    "",
    "$",
    "/",
    "(/|$)",
    "(/c|$)",
    "[:/]",
    "(:[0-9]+)?/",
    ".*",
    ".*$",
    "$|c",
    "$|^c",
    "\\z",
    "(/.*)?$",
    "\\b",
    "\\B",
    "(a$)?",
    "($|c)a?",
    "x?",
];

/// What texts are put together from.
const PIECES: &[&str] = &[
    "http://", "https://", "HTTP://", "ftp://", "a", "b", "c", "A", "B", ".", ".", ".", "a.b",
    "a.b/", "b.c", "/", ":8", "8", "-", "_", "?", "\n", "\u{e9}", "\0",
];

fn a_pattern() -> impl Strategy<Value = Option<RegexPattern>> {
    let texts = (select(FRONTS), select(BODIES), select(ENDS));
    texts.prop_map(|(front, body, end)| RegexPattern::parse(&format!("{front}{body}{end}")).ok())
}

fn a_text() -> impl Strategy<Value = Vec<u8>> {
    vec(select(PIECES), 0..9).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_looked_up_is_what_is_scanned_for(
        field in select(&Field::ALL[..]),
        patterns in vec(a_pattern(), 1..7),
        texts in vec(a_text(), 1..40),
    ) {
        let patterns: BTreeSet<RegexPattern> = patterns.into_iter().flatten().collect();
        let patterns: Vec<RegexPattern> = patterns.into_iter().collect();
        compare(field, &patterns, &texts);
    }
}

/// Texts at the borders of what the forms say.
#[test]
fn at_the_borders() {
    let patterns: Vec<RegexPattern> = [
        r"^https?://([^/]+\.)?a\.b/",
        r"^https?://([^/]*\.)?a\.b/x",
        r"^https?://(?:[a-z0-9-]+\.)*?a\.b",
        r"^https?://(?:[a-z0-9-]*\.)*?a\.b(/|$)",
        r"^http://([^/.]+\.)+a\.b$",
        r"^http://([^/.]+\.)?a\.b[:/]",
        r"(^|\.)a\.b$",
        r"^a\.b$",
        r"^a\.b",
        r"a\.b$",
        r"\.a\.b$",
        r"^http://a\.b/$",
    ]
    .iter()
    .map(|text| pattern(text))
    .collect();
    let mut texts = Vec::new();
    for scheme in ["http://", "HTTPS://", "http:/", "xhttp://", ""] {
        for host in [
            "a.b",
            "x.a.b",
            "x.y.a.b",
            ".a.b",
            "..a.b",
            "x..a.b",
            "xa.b",
            "x-a.b",
            "a.b.c",
            "a.ba",
            "A.B",
            "x_y.a.b",
            "x:1.a.b",
            "u@a.b",
            "[::1].a.b",
            "\u{e9}.a.b",
            "x.a.b.a.b",
            "a.b\n",
        ] {
            for rest in ["", "/", "/x", ":8/", ":8", "/.a.b", "//a.b/", "?.a.b/"] {
                texts.push(format!("{scheme}{host}{rest}").into_bytes());
            }
        }
    }
    for field in Field::ALL {
        compare(field, &patterns, &texts);
    }
}

/// A text of nothing but dots, and words that begin each other, cost what their length says.
#[test]
fn long_texts_and_long_chains_end() {
    let chain: Vec<RegexPattern> =
        (1..200).map(|n| pattern(&format!("^{}", "a".repeat(n)))).collect();
    compare(Field::UserAgent, &chain, &[vec![b'a'; 1_000], vec![b'a'; 77]]);
    let hosts = [r"^https?://([^/]+\.)?a\.b/", r"^https?://(?:[a-z0-9-]*\.)*b", r"\.b$"];
    let hosts: Vec<RegexPattern> = hosts.iter().map(|text| pattern(text)).collect();
    let mut text = b"http://".to_vec();
    text.resize(60_000, b'.');
    let longer = [text.as_slice(), b"a.b/"].concat();
    compare(Field::Referer, &hosts, &[text, longer]);
}
