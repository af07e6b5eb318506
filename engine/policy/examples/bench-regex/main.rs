//! `bench-regex DATA`: what real texts cost with the real patterns: all of them scanned for, those in
//! disguise looked up, and plain literals in an automaton of their own beside the scanner. One JSON text
//! on the standard output; `cargo xtask bench regex` runs it and keeps what it says.
//!
//! Every way takes its turn in each round, and the best round of each counts, in time of the processor and
//! not of the clock, so that what else the machine does hits all of them alike.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, MatchKind};
use eg_policy::build::{Loaded, build, build_unlowered};
use eg_policy::check::{CheckedRule, Conditions, Mode, Validity};
use eg_policy::compile::CompiledPolicy;
use eg_policy::matcher::{DomainIndex, write_index};
use eg_policy::regex::{Backend, Field, FieldProbe, RegexPattern, Shard, ShardPlan};
use eg_policy::ruleset::Ruleset;
use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
use eg_policy::verdict::{Action, RuleId};
use eg_policy::zone::Zone;
use serde::Serialize;

/// How often each way goes through all texts.
const ROUNDS: usize = 9;

/// Every so many texts are searched for thousands of patterns, of which each takes a hundred microseconds.
const FEWER: usize = 8;

/// How the hosts of a list of real URI patterns begin.
const HOST: &str = r"^https?:\/\/(?:[a-z0-9-]+\.)*?";

/// The time that this thread has had on a processor, as Linux keeps it.
fn cpu_time() -> Outcome<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = text.split(' ').next().ok_or("no time in schedstat")?;
    Ok(Duration::from_nanos(ns.parse()?))
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One way to search one set of patterns.
#[derive(Serialize)]
struct Row {
    /// Which patterns, and in which texts.
    what: &'static str,
    /// How.
    way: &'static str,
    patterns: usize,
    /// How many of them are not scanned for.
    looked_up: usize,
    texts: usize,
    /// How many patterns were found in all texts together; the same for every way.
    found: usize,
    ns_a_text: f64,
    /// Against the first way.
    times: f64,
    compile_s: f64,
    /// Bytes of compiled databases.
    bytes: u64,
}

/// Patterns and the texts that they are searched in.
struct Work {
    what: &'static str,
    field: Field,
    patterns: Vec<RegexPattern>,
    texts: Vec<Vec<u8>>,
}

/// Says how many patterns a text holds.
type Count<'w> = Box<dyn FnMut(&[u8]) -> usize + 'w>;

/// Something that finds patterns in a text.
struct Way<'w> {
    name: &'static str,
    looked_up: usize,
    compiled: Duration,
    bytes: u64,
    count: Count<'w>,
}

fn main() -> Outcome<()> {
    let data = std::env::args_os().nth(1).map(PathBuf::from).ok_or("bench-regex DATA")?;
    let mut rows = Vec::new();
    for work in works(&data)? {
        rows.extend(measure(&work)?);
    }
    let text = serde_json::to_string_pretty(&rows)?;
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

fn works(data: &Path) -> Outcome<Vec<Work>> {
    let tsv = std::fs::read_to_string(data.join("regex/patterns.tsv"))?;
    let of = |target: &str| -> Vec<RegexPattern> {
        let rows = tsv.lines().filter(|line| !line.starts_with('#'));
        let columns = rows.map(|row| row.split('\t').collect::<Vec<_>>());
        let own = columns.filter(|columns| columns.get(2) == Some(&target));
        taken(own.filter_map(|columns| columns.get(4).copied()))
    };
    let pihole = unpacked(&data.join("regex/pihole-host-regex-23k.txt.gz"))?;
    let rows = unpacked(&data.join("urls/requests.tsv.gz"))?;
    let (mut buffer, mut urls, mut hosts) = (UriBuffer::default(), Vec::new(), Vec::new());
    for raw in rows.lines().filter_map(|row| row.split('\t').next()) {
        if let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, raw.as_bytes()) {
            urls.push(uri.text().to_vec());
            hosts.push(uri.host_text().as_bytes().to_vec());
        }
    }
    let agents = unpacked(&data.join("user-agents/user-agents.txt.gz"))?;
    let agents: Vec<Vec<u8>> = agents.lines().map(|line| line.as_bytes().to_vec()).collect();
    let literals: Vec<RegexPattern> =
        of("ua").into_iter().filter(|pattern| literal(pattern).is_some()).collect();
    let is_name = |text: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.\\".contains(&byte);
        text.bytes().all(is_plain) && text.contains("\\.")
    };
    let is_host = |pattern: &RegexPattern| pattern.as_str().strip_prefix(HOST).is_some_and(is_name);
    let hosts_of_urls: Vec<RegexPattern> = of("url").into_iter().filter(is_host).collect();
    let some_urls = urls.iter().step_by(FEWER).cloned().collect();
    let some_agents = agents.iter().step_by(FEWER).cloned().collect();
    // Tens of thousands take a scanner minutes to compile.
    let some = pihole.lines().step_by(12);
    Ok(vec![
        Work { what: "URIs", field: Field::Uri, patterns: of("url"), texts: some_urls },
        Work { what: "URIs, hosts alone", field: Field::Uri, patterns: hosts_of_urls, texts: urls },
        Work { what: "server names", field: Field::Sni, patterns: taken(some), texts: hosts },
        Work {
            what: "user agents",
            field: Field::UserAgent,
            patterns: of("ua"),
            texts: some_agents,
        },
        Work {
            what: "user agents, literals alone",
            field: Field::UserAgent,
            patterns: literals,
            texts: agents,
        },
    ])
}

fn taken<'t, T: Iterator<Item = &'t str>>(texts: T) -> Vec<RegexPattern> {
    let taken: BTreeSet<RegexPattern> =
        texts.filter_map(|text| RegexPattern::parse(text).ok()).collect();
    taken.into_iter().collect()
}

fn unpacked(path: &Path) -> Outcome<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// The text that a pattern is, where it is one that may stand anywhere.
fn literal(pattern: &RegexPattern) -> Option<Vec<u8>> {
    let (mut literal, mut bytes) = (Vec::new(), pattern.as_str().bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => literal.push(bytes.next().filter(u8::is_ascii_punctuation)?),
            b'/' | b'-' | b'_' | b' ' | b'=' | b'&' | b',' | b':' | b'!' => literal.push(byte),
            _ if byte.is_ascii_alphanumeric() => literal.push(byte),
            _ => return None,
        }
    }
    Some(literal)
}

/// A policy with one rule a pattern.
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
            file: "bench.policy".into(),
            line: id,
            action: Action::Deny,
            description: None,
            category: None,
            tls: None,
            conditions,
            except: None,
            validity: Validity::ALWAYS,
            mode: Mode::Enforce,
        }
    });
    CompiledPolicy { rules: rules.collect(), lists: Vec::new(), default_action: Action::Permit }
}

/// A ruleset and what it took.
struct Built {
    rules: Ruleset,
    took: Duration,
}

/// Whether patterns in disguise are looked up.
#[derive(Clone, Copy)]
enum Lowering {
    On,
    Off,
}

fn built(policy: &CompiledPolicy, lowering: Lowering) -> Outcome<Built> {
    let begin = Instant::now();
    let plan = match lowering {
        Lowering::On => policy.regexes(),
        Lowering::Off => policy.regexes_unlowered(),
    };
    let compile = |plan: &ShardPlan| Shard::compile(plan, Backend::built_in()).map(Arc::new);
    let regexes = plan.shards.iter().map(compile).collect::<Result<_, _>>()?;
    let loaded = Loaded {
        index: Arc::new(DomainIndex::open(write_index(&[], 1))?),
        addresses: Vec::new(),
        users: Vec::new(),
        regexes,
        zone: Zone::utc(),
    };
    let rules = match lowering {
        Lowering::On => build(policy, loaded)?,
        Lowering::Off => build_unlowered(policy, loaded)?,
    };
    Ok(Built { rules, took: begin.elapsed() })
}

fn probing<'b>(name: &'static str, built: &'b Built, field: Field) -> Way<'b> {
    let mut probe = FieldProbe::new(&built.rules, field);
    Way {
        name,
        looked_up: built.rules.lowered(),
        compiled: built.took,
        bytes: built.rules.shards().map(Shard::bytes).sum(),
        count: Box::new(move |text| probe.count(text).unwrap_or(usize::MAX)),
    }
}

fn measure(work: &Work) -> Outcome<Vec<Row>> {
    let all = policy(work.field, &work.patterns);
    let (scanned, lowered) = (built(&all, Lowering::Off)?, built(&all, Lowering::On)?);
    let is_literal = |pattern: &&RegexPattern| literal(pattern).is_some();
    let (plain, rest): (Vec<_>, Vec<_>) = work.patterns.iter().partition(is_literal);
    let rest: Vec<RegexPattern> = rest.into_iter().cloned().collect();
    let rest = built(&policy(work.field, &rest), Lowering::On)?;
    let mut ways = vec![
        probing("all scanned for", &scanned, work.field),
        probing("lowered", &lowered, work.field),
    ];
    if !plain.is_empty() {
        let begin = Instant::now();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(plain.iter().filter_map(|pattern| literal(pattern)))?;
        let mut beside = probing("lowered, literals apart", &rest, work.field);
        beside.looked_up += plain.len();
        beside.compiled += begin.elapsed();
        beside.bytes += u64::try_from(automaton.memory_usage())?;
        let (mut seen, mut found) = (vec![false; plain.len()], Vec::new());
        let mut scanner = beside.count;
        beside.count = Box::new(move |text| {
            for hit in automaton.find_overlapping_iter(text) {
                let place = hit.pattern().as_usize();
                if let Some(is_seen) = seen.get_mut(place)
                    && !std::mem::replace(is_seen, true)
                {
                    found.push(place);
                }
            }
            let count = found.len();
            for place in found.drain(..) {
                if let Some(is_seen) = seen.get_mut(place) {
                    *is_seen = false;
                }
            }
            count + scanner(text)
        });
        ways.push(beside);
    }
    rows(work, ways)
}

fn rows(work: &Work, mut ways: Vec<Way<'_>>) -> Outcome<Vec<Row>> {
    let mut best = vec![(Duration::MAX, 0); ways.len()];
    for _ in 0..ROUNDS {
        for (way, (time, found)) in ways.iter_mut().zip(&mut best) {
            let begin = cpu_time()?;
            *found = work.texts.iter().map(|text| (way.count)(text)).sum();
            *time = cpu_time()?.saturating_sub(begin).min(*time);
        }
    }
    let first = best.first().copied().unwrap_or_default();
    if best.iter().any(|(_, found)| *found != first.1) {
        return Err(format!("{}: the ways find {best:?}", work.what).into());
    }
    let texts = u32::try_from(work.texts.len())?;
    let row = |(way, (time, found)): (&Way<'_>, &(Duration, usize))| Row {
        what: work.what,
        way: way.name,
        patterns: work.patterns.len(),
        looked_up: way.looked_up,
        texts: work.texts.len(),
        found: *found,
        ns_a_text: time.as_secs_f64() * 1e9 / f64::from(texts),
        times: time.as_secs_f64() / first.0.as_secs_f64(),
        compile_s: way.compiled.as_secs_f64(),
        bytes: way.bytes,
    };
    Ok(ways.iter().zip(&best).map(row).collect())
}
