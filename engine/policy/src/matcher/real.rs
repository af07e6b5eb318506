//! Real lists and real hosts, against counts that others made (`data/README.md`).
//!
//! Where the data is not there, the test says so and passes.

use std::collections::{BTreeSet, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::{DomainIndex, write_index};
use crate::build::{Loaded, build};
use crate::check::{CheckedRule, Conditions, ListIndex, ListKind};
use crate::client::{Client, Known, Phase, Request, Tunnel};
use crate::compile::{CompiledList, CompiledPolicy};
use crate::decide::{Scratch, decide};
use crate::digest::Digest;
use crate::lists::{NameList, read_names};
use crate::moment::Moment;
use crate::real_data::{folder_or_skip, say};
use crate::ruleset::Ruleset;
use crate::uri::{CanonicalUri, Form, Host, UriBuffer};
use crate::verdict::{Action, Cause, RuleId};

/// One rule a category.
struct Tier {
    ruleset: Ruleset,
    /// Every name of the sets, and every raw line, for independent walks.
    names: HashSet<String>,
    lines: HashSet<String>,
    index_bytes: usize,
    seconds: [f64; 3],
}

fn tier(folder: &Path) -> Tier {
    let mut categories: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    categories.sort();
    let (mut lists, mut rules, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = HashSet::new();
    let mut read = 0.0;
    for (number, category) in (0..).zip(&categories) {
        let path = category.join("domains.gz");
        lines.extend(text(&path).lines().map(str::to_owned));
        let bytes = std::fs::read(&path).unwrap();
        let start = Instant::now();
        let (names, _) = read_names(&bytes).unwrap();
        read += start.elapsed().as_secs_f64();
        let set = Digest::of(category.as_os_str().as_encoded_bytes());
        let source = Digest::of(&bytes);
        let (kind, entries) = (ListKind::Domains, names.len());
        let path = path.to_string_lossy().into_owned();
        lists.push(CompiledList { path, kind, source, set, entries });
        sets.push((set, names));
        rules.push(CheckedRule {
            id: RuleId(number + 1),
            name: category.file_name().unwrap().to_string_lossy().into_owned(),
            file: "real.policy".into(),
            line: number + 1,
            action: Action::Deny,
            description: None,
            category: None,
            tls: None,
            conditions: Conditions {
                domain_lists: vec![ListIndex(number)],
                ..Conditions::default()
            },
            except: None,
            validity: Default::default(),
            mode: Default::default(),
        });
    }
    sets.sort_by_key(|(set, _)| *set);
    let borrowed: Vec<(Digest, &NameList)> =
        sets.iter().map(|(set, names)| (*set, names)).collect();
    let start = Instant::now();
    let bytes = write_index(&borrowed, 0x5eed);
    let written = start.elapsed().as_secs_f64();
    let index_bytes = bytes.len();
    let start = Instant::now();
    let index = Arc::new(DomainIndex::open(bytes).unwrap());
    let opened = start.elapsed().as_secs_f64();
    let policy = CompiledPolicy { rules, lists, default_action: Action::Permit };
    let ruleset = build(
        &policy,
        Loaded {
            index,
            addresses: Vec::new(),
            regexes: Vec::new(),
            users: Vec::new(),
            zone: crate::zone::Zone::utc(),
        },
    )
    .unwrap();
    let names = sets.iter().flat_map(|(_, names)| names.iter().map(|(name, _)| name.to_owned()));
    Tier { ruleset, names: names.collect(), lines, index_bytes, seconds: [read, written, opened] }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// What a plain walk and the verdicts say of the same rows.
#[derive(Debug, Default)]
struct Count {
    /// Rows and distinct hosts that the plain walk hits, over the raw lines.
    rows: usize,
    hosts: BTreeSet<String>,
    /// Rows that it hits and that are malformed, so that they are denied without any list.
    malformed: usize,
    /// Rows that it hits only by an entry that the reader of lists leaves out, or by a host that is
    /// another one in canonical form.
    left_out: usize,
}

/// The host as Python's `urlsplit` reads it, which made the reference counts.
fn plain_host(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default().trim_end_matches('.').to_lowercase()
}

fn walk_hits(names: &HashSet<String>, host: &str) -> bool {
    let mut rest = Some(host);
    std::iter::from_fn(|| {
        let name = rest?;
        rest = name.split_once('.').map(|(_, parent)| parent);
        Some(name)
    })
    .any(|name| names.contains(name))
}

/// Compares the verdict on every URI with a walk of the sets, and both with a walk of the raw lines.
fn count(tier: &Tier, uris: &[&str]) -> Count {
    let mut scratch = Scratch::new(&tier.ruleset);
    let mut count = Count::default();
    let mut buffer = UriBuffer::default();
    for raw in uris.iter().copied() {
        let host = plain_host(raw);
        let plain = walk_hits(&tier.lines, &host);
        if plain {
            count.rows += 1;
            count.hosts.insert(host);
        }
        let whole = if raw.contains("://") { raw.into() } else { format!("http://{raw}/") };
        let parsed = CanonicalUri::parse(&mut buffer, Form::Absolute, whole.as_bytes());
        let Ok(uri) = parsed else {
            count.malformed += usize::from(plain);
            continue;
        };
        let walk = match uri.host() {
            Host::Name(name) => walk_hits(&tier.names, name.as_str()),
            Host::Address(_) => tier.names.contains(uri.host_text()),
        };
        let client = Client {
            address: [127, 0, 0, 1].into(),
            user: None,
            sni: Known::Absent,
            user_agent: Known::Absent,
            referer: Known::Absent,
        };
        let (phase, tunnel) = (Phase::Request, Tunnel::Opaque);
        let request = Request { phase, tunnel, method: b"GET", uri: &uri, client, earlier: None };
        let verdict = decide(&tier.ruleset, &mut scratch, &request, Moment::from_unix_micros(0));
        assert_eq!(matches!(verdict.cause, Cause::Rule { .. }), walk, "{raw}");
        assert_eq!(verdict.list().is_some(), walk, "{raw}");
        assert!(plain || !walk, "{raw}");
        count.left_out += usize::from(plain && !walk);
    }
    count
}

fn check(name: &str, requests_expected: (usize, usize), umbrella_expected: usize) {
    let Some(data) = folder_or_skip("matcher: real hosts against the counts") else { return };
    let tier = tier(&data.join("domains/tiers").join(name));
    let [read, written, opened] = tier.seconds;
    let index = f64::from(u32::try_from(tier.index_bytes).unwrap());
    let entries = f64::from(u32::try_from(tier.ruleset.entries()).unwrap());
    say(&format!(
        "{name}: {entries} names, {:.1} bytes each; read {read:.2} s, index {written:.2} s, open {opened:.3} s\n",
        index / entries
    ));
    let requests = text(&data.join("urls/requests.tsv.gz"));
    let uris = requests.lines().filter_map(|row| row.split('\t').next());
    let requests = count(&tier, &uris.collect::<Vec<_>>());
    let umbrella = text(&data.join("topsites/umbrella-top-100k.txt.gz"));
    let umbrella = count(&tier, &umbrella.lines().collect::<Vec<_>>());
    for (what, count) in [("requests", &requests), ("umbrella", &umbrella)] {
        let Count { rows, malformed, left_out, .. } = count;
        say(&format!(
            "{what}: {rows} hits; {malformed} malformed, {left_out} left out of the lists\n"
        ));
        // Differences by design are few; a flood of them is a fault.
        assert!(malformed + left_out <= rows / 100, "{what}");
    }
    assert_eq!((requests.rows, requests.hosts.len()), requests_expected);
    assert_eq!(umbrella.rows, umbrella_expected);
}

#[test]
fn the_10k_tier_hits_what_it_should() {
    check("10k", (442, 50), 136);
}

#[test]
fn the_whole_tier_hits_what_it_should() {
    check("all", (47_991, 7_519), 30_688);
}
