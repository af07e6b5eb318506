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
use super::plan::{Backend, Field, LoweredCounts};
use super::scanner::{Hits, Memory, Reading, Scanned};
use super::shard::{Placed, Shard, compile_all};
use crate::build::{Loaded, build, build_unlowered};
use crate::check::{CheckedRule, Conditions};
use crate::client::{Known, Tunnel};
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
pub(super) fn policy(field: Field, patterns: &[RegexPattern]) -> CompiledPolicy {
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
            except: None,
            validity: Default::default(),
            mode: Default::default(),
        }
    });
    CompiledPolicy { rules: rules.collect(), lists: Vec::new(), default_action: Action::Permit }
}

fn ruleset(policy: &CompiledPolicy) -> Ruleset {
    let index = Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap());
    let regexes = compile_all(policy, Backend::built_in()).unwrap();
    build(policy, loaded(index, regexes)).unwrap()
}

fn loaded(index: Arc<DomainIndex>, regexes: Vec<Arc<Shard>>) -> Loaded {
    let zone = crate::zone::Zone::utc();
    Loaded { index, addresses: Vec::new(), users: Vec::new(), regexes, zone }
}

/// The same with every pattern scanned for.
fn unlowered(policy: &CompiledPolicy) -> Ruleset {
    let index = Arc::new(DomainIndex::open(write_index(&[], 1)).unwrap());
    let plans = policy.regexes_unlowered().shards;
    let compile = |plan| Arc::new(Shard::compile(plan, Backend::built_in()).unwrap());
    let regexes = plans.iter().map(compile).collect();
    build_unlowered(policy, loaded(index, regexes)).unwrap()
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
    assert_eq!(rules.shards().map(Shard::faults).sum::<u64>(), 0);
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
        assert_eq!(placed(&rules), (786, 23, 189));
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
        assert_eq!(placed(&rules), (45, 0, 23_937));
    }
    let umbrella = unpacked(&data.join("topsites/umbrella-top-100k.txt.gz"));
    let mut names = sampled(umbrella.lines().map(str::to_owned).collect(), 997);
    let name = |pattern: &RegexPattern| {
        let text = pattern.as_str().strip_prefix(r"(^|\.)")?.strip_suffix('$')?;
        Some(text.replace('\\', ""))
    };
    for name in patterns.iter().step_by(331).filter_map(name) {
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
        assert_eq!(placed(&rules), (2_222, 1, 23));
    }
    let agents = unpacked(&data.join("user-agents/user-agents.txt.gz"));
    let agents = sampled(agents.lines().map(str::to_owned).collect(), 53);
    let texts: Vec<Vec<u8>> = agents.into_iter().map(String::into_bytes).collect();
    let found = compare(&rules, Field::UserAgent, &texts);
    say(&format!("agents: {} patterns, {} texts, {found} found\n", patterns.len(), texts.len()));
    assert!(found > texts.len(), "{found}");
}

/// What a ruleset's patterns of a field find.
struct Searched<'r> {
    rules: &'r Ruleset,
    field: Field,
    memory: Memory,
    hits: Hits,
    scratch: Scratch,
}

impl<'r> Searched<'r> {
    fn new(rules: &'r Ruleset, field: Field) -> Self {
        let table = rules.matcher.tables().regexes.of(field);
        let (mut memory, mut hits) = (Memory::default(), Hits::default());
        memory.fit(table.shards().iter().map(|part| &*part.shard));
        hits.fit(table.patterns().len());
        Self { rules, field, memory, hits, scratch: Scratch::new(rules) }
    }

    /// The patterns that fit a text.
    fn find(&mut self, text: &[u8], reading: Reading) -> BTreeSet<&'r RegexPattern> {
        let table = self.rules.matcher.tables().regexes.of(self.field);
        self.hits.clear();
        let (memory, hits) = (&mut self.memory, &mut self.hits);
        let scanned = table.scan(text, reading, memory, hits, |part| part.local);
        assert_eq!(scanned, Scanned::Fully);
        hits.numbers().iter().map(|number| &table.patterns()[*number as usize]).collect()
    }

    /// The rule that decides a request.
    fn decide(&mut self, ask: &Ask) -> Option<String> {
        let now = Moment::from_unix_micros(0);
        ask.with(|request| {
            let verdict = decide(self.rules, &mut self.scratch, request, now);
            format!("{} {}", verdict.rule_name(), verdict.action)
        })
    }
}

/// Every URL of the data, in its recorded order.
fn requests(data: &Path) -> Vec<String> {
    let rows = unpacked(&data.join("urls/requests.tsv.gz"));
    let rows = rows.lines().filter(|row| !row.starts_with('#'));
    rows.filter_map(|row| row.split('\t').next()).map(str::to_owned).collect()
}

/// All requests, whole and as the CONNECT before them; what is found is what was found before anything
/// was lowered.
#[test]
fn lowered_patterns_of_uris_change_nothing() {
    let Some(data) = folder_or_skip("regex: lowered patterns of URIs") else { return };
    let patterns = taken(&tsv(&data), Field::Uri);
    let policy = policy(Field::Uri, &patterns);
    let (lowered, scanned) = (ruleset(&policy), unlowered(&policy));
    assert_eq!(lowered.digest(), scanned.digest());
    assert_eq!(scanned.lowered(), 0);
    let (mut one, mut other) =
        (Searched::new(&lowered, Field::Uri), Searched::new(&scanned, Field::Uri));
    let (mut buffer, mut tunnel) = (UriBuffer::default(), Vec::new());
    let (mut texts, mut found, mut blocked) = (0, 0, 0);
    let requests = requests(&data);
    let every = if std::env::var_os("EG_WHOLE_DATA").is_some() { 1 } else { 17 };
    for (raw, number) in requests.iter().zip(0_usize..) {
        let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, raw.as_bytes()) else {
            continue;
        };
        for view in uri.views() {
            let fitting = one.find(view.text(), Reading::Whole);
            assert_eq!(fitting, other.find(view.text(), Reading::Whole), "{raw}");
            (texts, found) = (texts + 1, found + fitting.len());
        }
        tunnel.clear();
        tunnel.extend_from_slice(format!("https://{}/", uri.host_text()).as_bytes());
        assert_eq!(one.find(&tunnel, Reading::Open), other.find(&tunnel, Reading::Open), "{raw}");
        if !number.is_multiple_of(every) {
            continue;
        }
        let connect = format!("{}:443", uri.host_text());
        for ask in [Ask::get(raw), Ask::connect(&connect, Tunnel::Opaque)] {
            let verdict = one.decide(&ask);
            assert_eq!(verdict, other.decide(&ask), "{raw}");
            blocked += usize::from(verdict.is_some_and(|verdict| verdict.ends_with("deny")));
        }
    }
    let counts = policy.regexes().counts();
    say(&format!("URIs: {counts:?}; {texts} texts, {found} found, {blocked} blocked\n"));
    assert_eq!(requests.len(), 114_791);
    assert!(found > texts / 50 && blocked > 0, "{found} {blocked}");
}

/// The hosts of all requests as server names. Tens of thousands of names in disguise take minutes to
/// compile, so a part of them is unless all are asked for.
#[test]
fn lowered_patterns_of_server_names_change_nothing() {
    let Some(data) = folder_or_skip("regex: lowered patterns of server names") else { return };
    let listed = pihole(&data).into_iter().map(|(_, text)| text).collect();
    let listed = sampled(listed, 23).into_iter().map(|text| (Field::Sni, text));
    let all: Vec<(Field, String)> = tsv(&data).into_iter().chain(listed).collect();
    let policy = policy(Field::Sni, &taken(&all, Field::Sni));
    let (lowered, scanned) = (ruleset(&policy), unlowered(&policy));
    assert_eq!(lowered.digest(), scanned.digest());
    let (mut one, mut other) =
        (Searched::new(&lowered, Field::Sni), Searched::new(&scanned, Field::Sni));
    let mut buffer = UriBuffer::default();
    let mut hosts = BTreeSet::new();
    for raw in requests(&data) {
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, raw.as_bytes()) {
            hosts.insert(uri.host_text().to_owned());
        }
    }
    let mut found = 0;
    for host in &hosts {
        let fitting = one.find(host.as_bytes(), Reading::Whole);
        assert_eq!(fitting, other.find(host.as_bytes(), Reading::Whole), "{host}");
        found += fitting.len();
        let connect = format!("{host}:443");
        let ask = Ask::hello(&connect, Tunnel::Opaque, Known::Is(host));
        assert_eq!(one.decide(&ask), other.decide(&ask), "{host}");
    }
    let counts = policy.regexes().counts();
    say(&format!("names: {counts:?}; {} hosts, {found} found\n", hosts.len()));
    assert!(hosts.len() > 25_000 && found > 0, "{found}");
}

/// Nothing is dropped: every pattern is looked up, scanned for, or refused with a code.
#[test]
fn every_real_pattern_has_its_class() {
    let Some(data) = folder_or_skip("regex: classes") else { return };
    for (name, all) in [("patterns.tsv", tsv(&data)), ("pihole", pihole(&data))] {
        let (mut refused, mut repeated) = (0, 0);
        let mut known: BTreeSet<(Field, RegexPattern)> = BTreeSet::new();
        for (field, text) in &all {
            match RegexPattern::parse(text) {
                Ok(pattern) => repeated += usize::from(!known.insert((*field, pattern))),
                Err(_) => refused += 1,
            }
        }
        let mut placed = 0;
        for field in Field::ALL {
            let patterns = taken(&all, field);
            let plan = policy(field, &patterns).regexes();
            let scanned: usize = plan.shards.iter().map(|plan| plan.patterns().len()).sum();
            let LoweredCounts { domains, exact_hosts, uri_hosts, literals } = plan.counts();
            let found = [domains, exact_hosts, uri_hosts, literals, scanned, plan.literals];
            let expected = match (name, field) {
                ("pihole", Field::Sni) => [23_670, 0, 0, 158, 0, 0],
                ("pihole", _) => [0; 6],
                (_, Field::Uri) => [0, 0, 150, 39, 809, 29],
                (_, Field::Sni) => [102, 2, 0, 5, 45, 0],
                (_, Field::UserAgent) => [0, 0, 0, 23, 2_223, 1_434],
                (_, Field::Referer) => [0, 0, 0, 5, 5, 0],
            };
            assert_eq!(found, expected, "{name} {field:?}");
            assert_eq!(plan.counts().all(), plan.lowered.len());
            placed += plan.lowered.len() + scanned;
        }
        assert_eq!(placed + refused + repeated, all.len(), "{name}");
    }
}
