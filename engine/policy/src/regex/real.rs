//! Real patterns: every one is taken by a scanner or refused with a reason, and what is found in real
//! texts is what each pattern finds alone.
//!
//! A part of the texts is looked at; `EG_WHOLE_DATA=1 cargo test -p eg-policy --lib regex::real` looks
//! at all of them, for about a minute. Where the data is not there, the test says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::dialect::RegexPattern;
use super::plan::{Backend, Field};
use super::scanner::{Hits, Memory, Reading, Scanned};
use super::shard::{Placed, compile_all};
use crate::build::{Loaded, build};
use crate::check::{CheckedRule, Conditions};
use crate::compile::CompiledPolicy;
use crate::decide::{Scratch, decide};
use crate::matcher::naive::{NaivePolicy, NaiveSets};
use crate::matcher::testing::Ask;
use crate::matcher::{DomainIndex, write_index};
use crate::moment::Moment;
use crate::real_data::{folder_or_skip, say};
use crate::ruleset::Ruleset;
use crate::uri::{CanonicalUri, Form, UriBuffer};
use crate::verdict::{Action, RuleId};

/// The patterns of the file, by their fields.
fn tsv(data: &Path) -> Vec<(Field, String)> {
    let text = std::fs::read_to_string(data.join("regex/patterns.tsv")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let field = match columns[2] {
            "url" => Field::Uri,
            "host" => Field::Sni,
            "ua" => Field::UserAgent,
            "header" => Field::Referer,
            other => panic!("an unknown target {other}"),
        };
        (field, columns[4].to_owned())
    })
    .collect()
}

/// The list of pi-hole users.
fn pihole(data: &Path) -> Vec<(Field, String)> {
    let text = unpacked(&data.join("regex/pihole-host-regex-23k.txt.gz"));
    text.lines().map(|line| (Field::Sni, line.to_owned())).collect()
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Every so many texts, unless all are asked for.
fn sampled(texts: Vec<String>, every: usize) -> Vec<String> {
    let every = if std::env::var_os("EG_WHOLE_DATA").is_some() { 1 } else { every };
    texts.into_iter().step_by(every).collect()
}

/// A policy with one rule a pattern, all of one field.
fn policy(field: Field, patterns: &[RegexPattern]) -> CompiledPolicy {
    let rules = (1..).zip(patterns).map(|(id, pattern)| {
        let mut conditions = Conditions::default();
        match field {
            Field::Uri => conditions.uri_regexes.push(pattern.clone()),
            Field::Sni => conditions.sni_regexes.push(pattern.clone()),
            Field::UserAgent => conditions.user_agent_regexes.push(pattern.clone()),
            Field::Referer => conditions.referer_regexes.push(pattern.clone()),
        }
        CheckedRule {
            id: RuleId(id),
            name: format!("rule-{id}"),
            file: "real.policy".into(),
            line: id,
            action: Action::Deny,
            description: None,
            category: None,
            tls: None,
            conditions,
            except: Conditions::default(),
            validity: Default::default(),
            mode: Default::default(),
        }
    });
    CompiledPolicy { rules: rules.collect(), lists: Vec::new(), default_action: Action::Permit }
}

fn ruleset(policy: &CompiledPolicy) -> Ruleset {
    let index = Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap());
    let regexes = compile_all(policy, Backend::built_in()).unwrap();
    build(
        policy,
        Loaded {
            index,
            addresses: Vec::new(),
            regexes,
            users: Vec::new(),
            zone: crate::zone::Zone::utc(),
        },
    )
    .unwrap()
}

/// The patterns of one field that are taken, sorted and each once.
fn taken(all: &[(Field, String)], field: Field) -> Vec<RegexPattern> {
    let of_field = all.iter().filter(|(of, _)| *of == field);
    let taken: BTreeSet<RegexPattern> =
        of_field.filter_map(|(_, text)| RegexPattern::parse(text).ok()).collect();
    taken.into_iter().collect()
}

/// How many patterns went where.
fn placed(rules: &Ruleset) -> (usize, usize, usize) {
    let placed: Vec<Placed> =
        rules.shards().flat_map(|shard| shard.placed().map(|(_, placed)| placed)).collect();
    let of = |which| placed.iter().filter(|placed| **placed == which).count();
    (of(Placed::Hyperscan), of(Placed::Fallback), rules.lowered())
}

/// Compares what the shards find in each text with what every pattern finds alone; how many were found.
fn compare(rules: &Ruleset, field: Field, texts: &[Vec<u8>]) -> usize {
    let table = rules.matcher.tables().regexes.of(field);
    let (mut memory, mut hits) = (Memory::default(), Hits::default());
    memory.fit(table.shards().iter().map(|part| &*part.shard));
    hits.fit(table.patterns().len());
    let found: Vec<BTreeSet<u32>> = texts
        .iter()
        .map(|text| {
            hits.clear();
            let scanned =
                table.scan(text, Reading::Whole, &mut memory, &mut hits, |part| part.local);
            assert_eq!(scanned, Scanned::Fully);
            hits.numbers().iter().copied().collect()
        })
        .collect();
    let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
    for (number, pattern) in (0..).zip(table.patterns()) {
        let config = Config::new().utf8_empty(false);
        let mut builder = Regex::builder();
        let alone = builder.configure(config).syntax(syntax).build(pattern.as_str()).unwrap();
        for (text, found) in texts.iter().zip(&found) {
            let text_shown = String::from_utf8_lossy(text);
            assert_eq!(found.contains(&number), alone.is_match(text), "{pattern} in {text_shown}");
        }
    }
    assert_eq!(rules.shards().map(super::Shard::faults).sum::<u64>(), 0);
    found.iter().map(BTreeSet::len).sum()
}

/// What becomes of each pattern, as `code -> how many`.
fn outcomes(all: &[(Field, String)]) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for (field, text) in all {
        let outcome = match RegexPattern::parse(text) {
            Ok(pattern) => match pattern.fits_every(*field) {
                Ok(()) => "taken".to_owned(),
                Err(fault) => fault.code().to_string(),
            },
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                fault.code().to_string()
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[test]
fn every_real_pattern_is_taken_or_refused_with_a_reason() {
    let Some(data) = folder_or_skip("regex: real patterns") else { return };
    let count =
        |all: &[(Field, String)]| -> Vec<(String, usize)> { outcomes(all).into_iter().collect() };
    let expected = [("EGP050", 8), ("EGP051", 40), ("EGP052", 1), ("EGP055", 1), ("taken", 3_412)];
    assert_eq!(count(&tsv(&data)), expected.map(|(code, count)| (code.to_owned(), count)));
    assert_eq!(count(&pihole(&data)), [("taken".to_owned(), 23_828)]);
}

#[test]
fn real_uris_find_what_each_pattern_finds_alone() {
    let Some(data) = folder_or_skip("regex: patterns of URIs") else { return };
    let patterns = taken(&tsv(&data), Field::Uri);
    let policy = policy(Field::Uri, &patterns);
    let rules = ruleset(&policy);
    if cfg!(feature = "hyperscan") {
        assert_eq!(placed(&rules), (975, 23, 0));
    }
    let rows = unpacked(&data.join("urls/requests.tsv.gz"));
    let raw = rows.lines().filter_map(|row| row.split('\t').next()).map(str::to_owned).collect();
    let raw = sampled(raw, 41);
    let mut buffer = UriBuffer::default();
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for raw in &raw {
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, raw.as_bytes()) {
            texts.extend(uri.views().map(|view| view.text().to_vec()));
        }
    }
    let found = compare(&rules, Field::Uri, &texts);
    say(&format!("URIs: {} patterns, {} texts, {found} found\n", patterns.len(), texts.len()));
    assert!(found > texts.len() / 50, "{found}");

    let naive = NaivePolicy::new(policy, NaiveSets::default());
    let mut scratch = Scratch::new(&rules);
    let now = Moment::from_unix_micros(0);
    let mut denied = 0;
    for raw in raw.iter().step_by(7) {
        Ask::get(raw).with(|request| {
            let verdict = decide(&rules, &mut scratch, request, now);
            assert_eq!(verdict, naive.decide(request, now), "{raw}");
            denied += usize::from(verdict.action.blocks());
        });
    }
    assert!(denied > 0);
}

#[test]
fn real_server_names_find_what_each_pattern_finds_alone() {
    let Some(data) = folder_or_skip("regex: patterns of server names") else { return };
    let all = [tsv(&data), pihole(&data)].concat();
    let patterns = taken(&all, Field::Sni);
    let rules = ruleset(&policy(Field::Sni, &patterns));
    if cfg!(feature = "hyperscan") {
        assert_eq!(placed(&rules), (312, 0, 23_670));
    }
    let umbrella = unpacked(&data.join("topsites/umbrella-top-100k.txt.gz"));
    let mut names = sampled(umbrella.lines().map(str::to_owned).collect(), 997);
    let listed = patterns.iter().step_by(331).filter_map(super::name);
    for name in listed {
        names.extend([format!("www.{name}"), format!("x{name}"), format!("{name}.example")]);
        names.push(name);
    }
    let texts: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
    let found = compare(&rules, Field::Sni, &texts);
    say(&format!("names: {} patterns, {} texts, {found} found\n", patterns.len(), texts.len()));
    assert!(found >= 2 * patterns.len() / 331, "{found}");
}

#[test]
fn real_user_agents_find_what_each_pattern_finds_alone() {
    let Some(data) = folder_or_skip("regex: patterns of user agents") else { return };
    let patterns = taken(&tsv(&data), Field::UserAgent);
    let rules = ruleset(&policy(Field::UserAgent, &patterns));
    if cfg!(feature = "hyperscan") {
        assert_eq!(placed(&rules), (2_245, 1, 0));
    }
    let agents = unpacked(&data.join("user-agents/user-agents.txt.gz"));
    let agents = sampled(agents.lines().map(str::to_owned).collect(), 53);
    let texts: Vec<Vec<u8>> = agents.into_iter().map(String::into_bytes).collect();
    let found = compare(&rules, Field::UserAgent, &texts);
    say(&format!("agents: {} patterns, {} texts, {found} found\n", patterns.len(), texts.len()));
    assert!(found > texts.len(), "{found}");
}
