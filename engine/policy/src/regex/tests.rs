//! The dialect and the scanners as tables: what is a pattern, what it fits, what is kept of it.

use std::time::{Duration, Instant};

use super::dialect::{PATTERN_BYTES_MAX, RegexPattern};
use super::plan::{Backend, Field, ShardPlan};
use super::print::{Case, Lasting, lasting, print};
use super::scanner::{Hits, Memory, Reading, Scanned};
#[cfg(feature = "hyperscan")]
use super::shard::Placed;
use super::shard::{Shard, ShardFault};

fn pattern(text: &str) -> RegexPattern {
    RegexPattern::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn plan(field: Field, texts: &[&str]) -> ShardPlan {
    ShardPlan::new(field, texts.iter().map(|text| pattern(text)).collect())
}

/// The patterns of a shard that fit a text.
fn found(shard: &Shard, text: &[u8], reading: Reading) -> Vec<String> {
    let (mut memory, mut hits) = (Memory::default(), Hits::default());
    memory.fit(std::iter::once(shard));
    hits.fit(shard.plan().patterns().len());
    memory.hold(text);
    assert_eq!(memory.scan(shard, 0, 0, reading, &mut hits), Scanned::Fully);
    let patterns = shard.plan().patterns().iter().zip(0..);
    let fitting = patterns.filter(|(_, number)| hits.has(*number));
    fitting.map(|(pattern, _)| pattern.as_str().to_owned()).collect()
}

fn backends() -> [Backend; 2] {
    [Backend::built_in(), Backend::Regex]
}

/// What is refused, by the code of its fault.
const REFUSED: &[(&str, &str)] = &[
    // bad syntax
    ("EGP050", "("),
    ("EGP050", ")"),
    ("EGP050", "[a"),
    ("EGP050", "*a"),
    ("EGP050", "a{"),
    ("EGP050", "a{x}"),
    ("EGP050", "a{,3}b"),
    ("EGP050", "a{3,2}"),
    ("EGP050", "[b-a]"),
    ("EGP050", "\\"),
    ("EGP050", r"\Qa\E"),
    ("EGP050", r"\Ra"),
    ("EGP050", r"\Ka"),
    ("EGP050", r"\Za"),
    ("EGP050", "(?#comment)a"),
    ("EGP050", "(?z)a"),
    ("EGP050", "[[a]"),
    ("EGP050", "[a[:alpha]"),
    // look-around
    ("EGP051", "(?=a)b"),
    ("EGP051", "(?!a)b"),
    ("EGP051", "b(?<=a)"),
    ("EGP051", "(?<!a)b"),
    ("EGP051", r"\/img\/(?!new).+\.gif"),
    // back-references
    ("EGP052", r"(a)\1"),
    ("EGP052", r"(?<n>a)\k<n>"),
    ("EGP052", r"(?P<n>a)(?P=n)"),
    ("EGP052", r"(a)\g1"),
    // possessive and atomic
    ("EGP053", "a++b"),
    ("EGP053", "a*+b"),
    ("EGP053", "a?+b"),
    ("EGP053", "a{2,3}+b"),
    ("EGP053", "a**b"),
    ("EGP053", "a{2}{3}"),
    ("EGP053", "a{1,32767}{1,32767}"),
    ("EGP053", "(?>a+)b"),
    // conditions, recursion, verbs, callouts
    ("EGP054", "(a)?(?(1)b|c)"),
    ("EGP054", "a(?R)?b"),
    ("EGP054", "(a(?1)?b)"),
    ("EGP054", "(?<n>a(?&n)?)"),
    ("EGP054", "(?P<n>a(?P>n)?)"),
    ("EGP054", "(?|a|b)"),
    ("EGP054", "a(?C1)b"),
    ("EGP054", "(*UTF8)a"),
    ("EGP054", "a(*SKIP)b"),
    // read differently
    ("EGP055", "[a&&b]"),
    ("EGP055", "[a--b]"),
    ("EGP055", "[a~~b]"),
    ("EGP055", "[[a]b]"),
    ("EGP055", "[:alpha:]"),
    ("EGP055", r"\<a"),
    ("EGP055", r"a\>"),
    ("EGP055", r"\b{start}a"),
    ("EGP055", "a{ 2 }b"),
    ("EGP055", r"\va"),
    ("EGP055", r"\pLa"),
    ("EGP055", r"\p{Greek}a"),
    ("EGP055", r"[\p{L}]a"),
    ("EGP055", r"\u0041"),
    ("EGP055", r"\x{e9}a"),
    ("EGP055", "\u{e9}a"),
    ("EGP055", "[\u{e9}]a"),
    ("EGP055", "(?u)a"),
    ("EGP055", "(?x)a b"),
    ("EGP055", "(?m)^a"),
    ("EGP055", "(?U)a+"),
    ("EGP055", "(?R:a)"),
    // everything, and nothing
    ("EGP056", ""),
    ("EGP056", "()"),
    ("EGP056", "a*"),
    ("EGP056", "a?"),
    ("EGP056", "a|"),
    ("EGP056", ".*"),
    ("EGP056", "^"),
    ("EGP056", "$"),
    ("EGP056", "^$"),
    ("EGP056", r"\b"),
    ("EGP056", "(a*)*"),
    ("EGP056", "a{0}"),
    ("EGP056", r"[^\x00-\xff]"),
    // too large
    ("EGP057", "a{1,32767}"),
    ("EGP057", "a{2001}"),
    ("EGP057", "(a{1,2000}){1,2000}"),
    ("EGP057", "((a{100}){100}){2}"),
];

#[test]
fn what_is_no_pattern_of_ours_has_its_code() {
    let code = |text: &str| match RegexPattern::parse(text) {
        Ok(_) => "taken".to_owned(),
        Err(fault) => fault.code().to_string(),
    };
    let wrong: Vec<String> = REFUSED
        .iter()
        .filter(|(expected, text)| code(text) != *expected)
        .map(|(expected, text)| format!("{text} is {} and not {expected}", code(text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_large_is_refused_at_once() {
    let start = Instant::now();
    for text in [
        "a".repeat(10 * 1024 * 1024),
        "a".repeat(PATTERN_BYTES_MAX + 1),
        "(".repeat(PATTERN_BYTES_MAX),
        "[".repeat(PATTERN_BYTES_MAX),
        format!("{}a{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("{}a{}", "(?:".repeat(200), "{9})".repeat(200)),
        "(a{1,2000}){1,2000}".to_owned(),
        format!("(?:{}){{2000}}", "abc".repeat(100)),
    ] {
        assert!(RegexPattern::parse(&text).is_err(), "{}", text.len());
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(RegexPattern::parse(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
}

/// Patterns that make a backtracking engine run for ever: taken, and linear (`evasions.md`, J06).
#[test]
fn what_runs_for_ever_elsewhere_is_linear_here() {
    let texts = ["(a+)+$", "(.*)*x", "(a|aa)+$", "(x+x+)+y", "([a-zA-Z]+)*1", "(?:a?){50}a{50}"];
    let patterns: Vec<&str> = texts.into_iter().filter(|text| !text.ends_with("*1")).collect();
    for backend in backends() {
        let shard = Shard::compile(&plan(Field::UserAgent, &patterns), backend).unwrap();
        let mut text = vec![b'a'; 60_000];
        text.push(b'!');
        let start = Instant::now();
        assert_eq!(found(&shard, &text, Reading::Whole), ["(?:a?){50}a{50}"]);
        assert!(start.elapsed() < Duration::from_secs(5), "{backend:?}");
    }
}

/// A pattern, texts that it fits, texts that it does not.
const MEANINGS: &[(&str, &[&str], &[&str])] = &[
    ("ads", &["ads", "xADSx", "AdS"], &["ad", "a ds", ""]),
    ("(?-i)ads", &["ads", "loads"], &["ADS", "Ads"]),
    ("(?-i:A)b", &["Ab", "AB"], &["ab", "aB"]),
    ("a(?-i)B", &["aB", "AB"], &["ab", "Ab"]),
    ("^https?://", &["http://x", "HTTPS://x"], &["xhttp://", "ftp://x"]),
    (r"\.exe$", &["a.exe", ".EXE"], &["a.exe\n", "a.exe?x", "a.exe\0"]),
    (r"\Aa\z", &["a", "A"], &["a\n", "ba", "ab"]),
    ("a.c", &["abc", "a\rc", "a\0c", "a\u{7f}c"], &["a\nc", "ac", "a\u{e9}c"]),
    ("(?s)a.c", &["abc", "a\nc"], &["ac"]),
    (r"a\sc", &["a c", "a\tc", "a\nc", "a\x0bc", "a\x0cc", "a\rc"], &["a\u{85}c", "ac"]),
    (r"a\dc", &["a1c"], &["a\u{661}c", "axc"]),
    (r"a\wc", &["a_c", "a1c", "aXc"], &["a-c", "a\u{e9}c"]),
    ("[[:digit:]]x", &["1x"], &["dx", ":x"]),
    ("[]a]b", &["]b", "ab"], &["b", "[b"]),
    ("[^]a]b", &["xb"], &["]b", "ab"]),
    ("[a-]x", &["-x", "Ax"], &["bx"]),
    ("[^a-y]1", &["z1", "Z1", "-1"], &["a1", "B1"]),
    (r"\bad\b", &["an ad.", "AD"], &["bad", "ads", "_ad"]),
    (r"a\B", &["ab"], &["a", "a-"]),
    ("a{2,3}b", &["aab", "aaaab"], &["ab"]),
    ("a{2}?b", &["aab"], &["ab"]),
    ("a+?b", &["ab"], &["b"]),
    (r"\x2f\x{2f}", &["//"], &["/"]),
    (r"\xff\xfe", &[], &["\u{ff}\u{fe}"]),
    ("one|two", &["xonex", "TWO"], &["on", "tw"]),
    ("^(a|b)$", &["a", "B"], &["ab", ""]),
    ("a|b$", &["axx", "xxb"], &["bxx"]),
    (r"\/ads\/", &["/ads/", "x/ADS/y"], &["ads"]),
    ("123:/foo/i", &["123:/foo/i"], &["foo", "123:/foo/"]),
    ("}]", &["}]"], &["}"]),
    (r"\*\+\?\(\)\[\]\{\}\^\$\.\|\\", &[r"*+?()[]{}^$.|\"], &["*"]),
    ("k", &["k", "K"], &["\u{212a}"]),
    ("(a)(?:b)(?<n>c)(?P<m>d)", &["abcd"], &["abc"]),
    ("(?i)x(?-i)y", &["xy", "Xy"], &["XY"]),
];

#[test]
fn every_scanner_reads_a_pattern_alike() {
    for backend in backends() {
        let all: Vec<&str> = MEANINGS.iter().map(|(text, _, _)| *text).collect();
        let together = Shard::compile(&plan(Field::Referer, &all), backend).unwrap();
        for (source, fitting, others) in MEANINGS {
            let alone = Shard::compile(&plan(Field::Referer, &[source]), backend).unwrap();
            let texts = fitting.iter().map(|text| (text, true));
            for (text, fits) in texts.chain(others.iter().map(|text| (text, false))) {
                for shard in [&alone, &together] {
                    let found = found(shard, text.as_bytes(), Reading::Whole);
                    let has = found.iter().any(|found| found == source);
                    assert_eq!(has, fits, "{backend:?}: {source} in {text:?}");
                }
            }
        }
        let bytes = Shard::compile(&plan(Field::Referer, &[r"\xff\xfe"]), backend).unwrap();
        assert_eq!(found(&bytes, b"a\xff\xfeb", Reading::Whole).len(), 1);
    }
}

/// What stays true whatever follows `https://ads.example/`.
#[test]
fn what_is_known_of_a_tunnel() {
    let known = b"https://ads.example/";
    let lasting: &[&str] = &[
        "^https://ads",
        r"^https?://([a-z0-9-]+\.)*ads\.example/",
        r"ads\.example(/|$)",
        r"example(:\d+)?(/.*)?",
        r"\bads\b",
        "e/",
        "(^https://ads|x$)",
        r"example/(x|$)?",
    ];
    let open: &[&str] = &[
        "/$",
        r"ads\.example/$",
        r"ads\.example$",
        r"/\B",
        r"example/\b",
        r"\.exe$",
        "^http://",
        "example/x",
        r"\Bds",
        "example/(x|$)",
    ];
    for backend in backends() {
        for text in lasting {
            let shard = Shard::compile(&plan(Field::Uri, &[text]), backend).unwrap();
            assert_eq!(found(&shard, known, Reading::Open), [*text], "{backend:?}");
        }
        for text in open {
            let shard = Shard::compile(&plan(Field::Uri, &[text]), backend).unwrap();
            assert_eq!(found(&shard, known, Reading::Open), [""; 0], "{backend:?} {text}");
        }
        // The whole text is read as it stands, variants or not.
        let shard = Shard::compile(&plan(Field::Uri, &[r"example(/x|$)"]), backend).unwrap();
        assert_eq!(found(&shard, b"https://ads.example", Reading::Whole).len(), 1);
        assert_eq!(found(&shard, b"https://ads.example/y", Reading::Whole).len(), 0);
        assert_eq!(found(&shard, b"https://ads.example", Reading::Open).len(), 0);
    }
}

#[test]
fn what_of_a_pattern_lasts() {
    let kind = |text: &str| match lasting(&pattern(text).tree().unwrap()) {
        Lasting::Always => "always",
        Lasting::Of(_) => "of",
        Lasting::Never => "never",
    };
    for (text, expected) in [
        ("a", "always"),
        ("^a", "always"),
        (r"\ba\b", "always"),
        ("a$", "never"),
        (r"a\B", "never"),
        ("a(b|$)", "of"),
        ("a|b$", "of"),
        ("(a$)?b", "of"),
        ("(a$)+b", "never"),
        ("(x|y$)z", "of"),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn what_hyperscan_is_told() {
    for (text, expected, case) in [
        ("ads", "ads", Case::Folded),
        (r"^/a\.b$", r"^/a\x2eb\z", Case::Folded),
        ("(?-i)Ab", "Ab", Case::Exact),
        ("a(?-i)b", r"[\x41\x61]b", Case::Exact),
        ("[0-9]+", r"[\x30-\x39]+", Case::Folded),
        ("(ab){2,3}?", "(?:ab){2,3}", Case::Folded),
        ("1|2a", "(?:1|2a)", Case::Folded),
        ("/ads/i", "/ads/i", Case::Folded),
    ] {
        let printed = print(&pattern(text).tree().unwrap()).unwrap();
        assert_eq!((printed.text.as_str(), printed.case), (expected, case), "{text}");
    }
}

#[test]
#[cfg(feature = "hyperscan")]
fn what_hyperscan_does_not_take_is_the_fallbacks() {
    let texts = ["ads", "a$b", "(?:x{1,900}y){1,9}z", "banner[0-9]+"];
    let shard = Shard::compile(&plan(Field::Uri, &texts), Backend::Hyperscan).unwrap();
    let placed: Vec<(&str, Placed)> =
        shard.placed().map(|(pattern, placed)| (pattern.as_str(), placed)).collect();
    assert!(placed.contains(&("ads", Placed::Hyperscan)), "{placed:?}");
    assert!(placed.contains(&("a$b", Placed::Fallback)), "{placed:?}");
    assert!(placed.contains(&("banner[0-9]+", Placed::Hyperscan)), "{placed:?}");
    assert_eq!(found(&shard, b"Banner77 ads", Reading::Whole), ["ads", "banner[0-9]+"]);
}

/// Patterns of every kind, so that a kept shard has a fallback and variants.
const KEPT: &[&str] = &["ads", "a$b", r"x(/|$)", r"\.exe$", r"q\B", "[0-9]{4}"];

#[test]
fn a_kept_shard_is_the_same() {
    for backend in backends() {
        for field in Field::ALL {
            let plan = plan(field, KEPT);
            let made = Shard::compile(&plan, backend).unwrap();
            let bytes = made.to_bytes().unwrap();
            let kept = Shard::from_bytes(&plan, backend, &bytes).unwrap();
            assert!(kept.placed().eq(made.placed()));
            for text in ["ads", "a.exe", "x", "x/", "q1234", "qq", ""] {
                for reading in [Reading::Whole, Reading::Open] {
                    let text = text.as_bytes();
                    assert_eq!(found(&kept, text, reading), found(&made, text, reading));
                }
            }
            assert_eq!(kept.to_bytes().unwrap(), bytes);
        }
    }
}

#[test]
fn damaged_bytes_are_refused() {
    for backend in backends() {
        let plan = plan(Field::Uri, KEPT);
        let bytes = Shard::compile(&plan, backend).unwrap().to_bytes().unwrap();
        let steps = (bytes.len() / 500).max(1);
        for at in (0..bytes.len()).step_by(steps).chain(0..60) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let fault = Shard::from_bytes(&plan, backend, &damaged).unwrap_err();
            assert!(matches!(fault, ShardFault::Corrupt { .. }), "{at}: {fault}");
            let cut = Shard::from_bytes(&plan, backend, &bytes[..at]).unwrap_err();
            assert!(matches!(cut, ShardFault::Corrupt { .. }), "{at}: {cut}");
        }
        let longer = [bytes.clone(), vec![0]].concat();
        assert!(Shard::from_bytes(&plan, backend, &longer).is_err());
    }
}

/// A checksum that fits makes nothing else right.
#[test]
fn bytes_of_another_shard_are_refused() {
    let sealed = |bytes: &[u8]| {
        let sum = crate::digest::Digest::of(bytes);
        [bytes, sum.as_bytes()].concat()
    };
    for backend in backends() {
        let own = plan(Field::Uri, KEPT);
        let bytes = Shard::compile(&own, backend).unwrap().to_bytes().unwrap();
        let others = [plan(Field::Sni, KEPT), plan(Field::Uri, &["ads"])];
        for other in others {
            let fault = Shard::from_bytes(&other, backend, &bytes).unwrap_err();
            assert!(matches!(fault, ShardFault::Foreign), "{fault}");
        }
        let body = &bytes[..bytes.len() - 32];
        for length in [0, 7, 8, 20, 40, 43, 44, 50] {
            let fault = Shard::from_bytes(&own, backend, &sealed(&body[..length])).unwrap_err();
            assert!(matches!(fault, ShardFault::Corrupt { .. } | ShardFault::Foreign), "{fault}");
        }
        for (at, value) in [(40, 0xff), (43, 1), (48, 9), (49, 9), (47, 77)] {
            let mut odd = body.to_vec();
            odd[at] = value;
            assert!(Shard::from_bytes(&own, backend, &sealed(&odd)).is_err(), "{at}");
        }
    }
    if Backend::built_in() != Backend::Regex {
        let own = plan(Field::Uri, KEPT);
        let bytes = Shard::compile(&own, Backend::Regex).unwrap().to_bytes().unwrap();
        let fault = Shard::from_bytes(&own, Backend::Hyperscan, &bytes).unwrap_err();
        assert!(matches!(fault, ShardFault::Foreign), "{fault}");
    }
}

/// Without memory that fits, the library fails on every text; its part is answered all the same.
#[test]
#[cfg(feature = "hyperscan")]
fn a_library_that_fails_is_answered_for() {
    let shard = Shard::compile(&plan(Field::Uri, &["ads", "xyz"]), Backend::Hyperscan).unwrap();
    let (mut memory, mut hits) = (Memory::default(), Hits::default());
    hits.fit(2);
    for count in 1..=3 {
        hits.clear();
        memory.hold(b"some ADS");
        assert_eq!(memory.scan(&shard, 0, 0, Reading::Whole, &mut hits), Scanned::Fully);
        assert_eq!((hits.has(0), hits.has(1)), (true, false));
        assert_eq!(shard.faults(), count);
    }
}

#[test]
fn a_shard_without_its_memory_cannot_answer() {
    let shard = Shard::compile(&plan(Field::Uri, &["ads"]), Backend::Regex).unwrap();
    let (mut memory, mut hits) = (Memory::default(), Hits::default());
    hits.fit(1);
    memory.hold(b"ads");
    assert_eq!(memory.scan(&shard, 0, 0, Reading::Whole, &mut hits), Scanned::Broken);
}

#[test]
fn a_stored_pattern_that_is_none_is_named() {
    let stored: RegexPattern = serde_json::from_str("\"(?=a)b\"").unwrap();
    let plan = ShardPlan::new(Field::Uri, vec![stored]);
    for backend in backends() {
        let fault = Shard::compile(&plan, backend).unwrap_err();
        assert!(fault.to_string().contains("(?=a)b"), "{fault}");
        assert!(matches!(fault, ShardFault::Pattern { .. }));
    }
}

#[test]
fn what_fits_every_text_of_a_field() {
    for (field, text, broad) in [
        (Field::Uri, "://", true),
        (Field::Uri, ".", true),
        (Field::Uri, "/", true),
        (Field::Uri, "^[a-z]+:", true),
        (Field::Uri, "^https?://", false),
        (Field::Uri, "ads", false),
        (Field::Uri, ":80", false),
        (Field::Sni, r"\.", true),
        (Field::Sni, "[a-z]", true),
        (Field::Sni, r"\.com$", false),
        (Field::UserAgent, ".+", true),
        (Field::UserAgent, "[^x]", true),
        (Field::UserAgent, "/", false),
        (Field::Referer, ".", true),
        (Field::Referer, "^http", false),
    ] {
        assert_eq!(pattern(text).fits_every(field).is_err(), broad, "{field:?} {text}");
    }
}

/// As large as a pattern may be: it costs a bounded time to compile, and a bounded time to scan.
#[test]
fn what_is_as_large_as_it_may_be_has_a_bounded_cost() {
    let text = "ab".repeat(4_000);
    for source in [
        ".{2000}x",
        "(?:a.{1,98}b){100}",
        "(?:[ab]{1,50}){200}",
        "x.{0,2000}y.{0,2000}z.{0,2000}w",
        "(?:(?:a|b)?c?){2000}d",
        "^(?:[^/]{0,200}/){0,40}x",
    ] {
        for backend in backends() {
            let start = Instant::now();
            let shard = Shard::compile(&plan(Field::Uri, &[source]), backend).unwrap();
            let found = found(&shard, text.as_bytes(), Reading::Whole);
            assert_eq!(found.is_empty(), !source.starts_with("(?:a.") && !source.contains("[ab]"));
            assert!(start.elapsed() < Duration::from_secs(60), "{backend:?} {source}");
        }
    }
}
