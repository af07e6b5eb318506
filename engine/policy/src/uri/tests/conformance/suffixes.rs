//! The Public Suffix List: each rule beside a plain reading of the list, and the list's own tests.
//!
//! The list that is used is built into the program (the crate `psl`) and may be of another day than the
//! file.

use std::collections::HashMap;

use super::super::super::{Domain, SuffixKind, public_suffix};
use super::table::{Class, Findings};
use super::{Extent, OWN, cases};
use crate::real_data::in_tree;

/// Why a name counts otherwise on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    OtherDay,
}

impl Class for Why {
    const ALL: &'static [Self] = &[Self::OtherDay];

    fn word(self) -> &'static str {
        match self {
            Self::OtherDay => "other-day",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::OtherDay => {
                "the list that is built in is of another day, and has the rule otherwise"
            }
        }
    }
}

/// What a rule says of the names that it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Suffix(SuffixKind),
    Exception,
}

/// The list as it is written: `*.ck`, `!www.ck` and all.
struct List(HashMap<String, Rule>);

impl List {
    fn read(text: &str) -> Self {
        let (mut rules, mut kind) = (HashMap::new(), SuffixKind::No);
        let mut name = String::new();
        for line in text.lines().map(str::trim) {
            match line {
                "// ===BEGIN ICANN DOMAINS===" => kind = SuffixKind::Icann,
                "// ===BEGIN PRIVATE DOMAINS===" => kind = SuffixKind::Private,
                _ => {}
            }
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            let (front, bare) = match line.split_at_checked(2) {
                Some(("*.", bare)) => ("*.", bare),
                _ => ("", line.trim_start_matches('!')),
            };
            let rule = if line.starts_with('!') { Rule::Exception } else { Rule::Suffix(kind) };
            let ascii = Domain::parse(&mut name, bare.as_bytes()).unwrap().as_str();
            rules.insert(format!("{front}{ascii}"), rule);
        }
        Self(rules)
    }

    /// As the list's algorithm has it: an exception beats all, else the longest rule holds.
    fn kind(&self, name: &str) -> SuffixKind {
        let mut rest = Some(name);
        while let Some(here) = rest {
            let parent = here.split_once('.').map(|(_, parent)| parent);
            let wild = parent.and_then(|parent| self.0.get(&format!("*.{parent}")));
            match (self.0.get(here), wild) {
                (Some(Rule::Exception), _) => return SuffixKind::No,
                (Some(Rule::Suffix(kind)), _) | (None, Some(Rule::Suffix(kind))) => {
                    return if here == name { *kind } else { SuffixKind::No };
                }
                (None, Some(Rule::Exception) | None) => {}
            }
            rest = parent;
        }
        SuffixKind::No
    }
}

#[test]
fn every_rule_of_the_list_is_known() {
    let (bytes, extent) =
        cases("public_suffix_list.dat", "public_suffix_list.dat", "suffixes-sample.dat");
    let list = List::read(std::str::from_utf8(&bytes).unwrap());
    let mut findings = Findings::default();
    for rule in list.0.keys() {
        let bare = rule.trim_start_matches("*.");
        let names = [bare.to_owned(), format!("a.{bare}"), format!("b.a.{bare}")];
        // In a sample the rules are missing that say what names around this one are.
        let own = usize::from(rule.starts_with("*."));
        let names = match extent {
            Extent::Whole => &names[..],
            Extent::Sample => &names[own..=own],
        };
        for name in names {
            let pair = (format!("{:?}", list.kind(name)), format!("{:?}", public_suffix(name)));
            findings.take(name, pair, || Some(Why::OtherDay));
        }
    }
    let least = match extent {
        Extent::Whole => 25_000,
        Extent::Sample => 100,
    };
    assert!(findings.count() > least, "{}", findings.count());
    // A list changes by a few rules a month; far more would be a fault of another kind.
    assert!(findings.differences() < 100, "{}", findings.differences());
    findings.assert_as_listed::<Why>("differences-suffixes.tsv", extent);
}

/// The part of a name that was registered, one label more than its public suffix; and that ours and the
/// crate's way to it agree on what is a suffix as a whole.
fn registrable(raw: &str) -> Option<String> {
    let mut buffer = String::new();
    let name = Domain::parse(&mut buffer, raw.as_bytes()).ok()?.as_str();
    let found = psl::domain(name.as_bytes()).map(|domain| domain.as_bytes().to_vec());
    let is_suffix = public_suffix(name) != SuffixKind::No || !name.contains('.');
    assert_eq!(found.is_none(), is_suffix, "{raw}");
    found.map(|domain| String::from_utf8(domain).unwrap())
}

/// Lines such as `www.example.COM example.com`, `null` for none.
fn check_lines<'t>(lines: impl Iterator<Item = (&'t str, &'t str)>, least: usize) {
    let mut count = 0;
    for (raw, expected) in lines {
        let mut buffer = String::new();
        let expected = (expected != "null")
            .then(|| Domain::parse(&mut buffer, expected.as_bytes()).unwrap().as_str());
        assert_eq!(registrable(raw).as_deref(), expected, "{raw}");
        count += 1;
    }
    assert!(count >= least, "{count} lines");
}

fn own(name: &str) -> String {
    std::fs::read_to_string(in_tree(OWN).join(name)).unwrap()
}

#[test]
fn names_are_registered_where_the_tests_of_the_list_say() {
    let text = own("psl_tests.txt");
    let lines = text.lines().filter(|line| !line.starts_with("//"));
    check_lines(lines.filter_map(|line| line.split_once(' ')), 75);

    let text = own("test_psl.txt");
    let calls = text.lines().filter_map(|line| line.trim().strip_prefix("checkPublicSuffix("));
    let calls = calls.filter_map(|call| call.trim_end_matches(");").split_once(", "));
    check_lines(calls.map(|(raw, due)| (raw.trim_matches('\''), due.trim_matches('\''))), 75);
}
