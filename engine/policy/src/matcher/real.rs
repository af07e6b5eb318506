//! Real lists and real hosts, against counts that others made (`data/README.md`).
//!
//! The data is large and lies outside the repository: `EG_SHARED_DATA` names its folder, else
//! `../shared/data` beside the workspace is taken. Where there is none, the test says so and passes.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read as _, Write as _};
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
use crate::ruleset::Ruleset;
use crate::uri::{CanonicalUri, Form, Host, UriBuffer};
use crate::verdict::{Action, Cause, RuleId};

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("EG_SHARED_DATA").map_or(beside, PathBuf::from);
    let there = folder.join("README.md").is_file();
    if !there {
        let text = format!("skipped: no real data at {}; set EG_SHARED_DATA\n", folder.display());
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
    there.then_some(folder)
}

/// One rule a category.
struct Tier {
    ruleset: Ruleset,
    /// Every name, for an independent walk.
    names: HashSet<String>,
    index_bytes: usize,
    seconds: [f64; 3],
}

fn tier(folder: &Path) -> Tier {
    let mut categories: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    categories.sort();
    let (mut lists, mut rules, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    for (number, category) in (0..).zip(&categories) {
        let path = category.join("domains.gz");
        let bytes = std::fs::read(&path).unwrap();
        let (names, _) = read_names(&bytes).unwrap();
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
            conditions: Conditions {
                domain_lists: vec![ListIndex(number)],
                ..Conditions::default()
            },
        });
    }
    let read = start.elapsed().as_secs_f64();
    sets.sort_by_key(|(set, _)| *set);
    let borrowed: Vec<(Digest, &NameList)> = sets.iter().map(|(set, names)| (*set, names)).collect();
    let start = Instant::now();
    let bytes = write_index(&borrowed, 0x5eed);
    let written = start.elapsed().as_secs_f64();
    let index_bytes = bytes.len();
    let start = Instant::now();
    let index = Arc::new(DomainIndex::open(bytes).unwrap());
    let opened = start.elapsed().as_secs_f64();
    let policy = CompiledPolicy { rules, lists, default_action: Action::Permit };
    let ruleset = build(&policy, Loaded { index, addresses: Vec::new() }).unwrap();
    let names = sets.iter().flat_map(|(_, names)| names.iter().map(|(name, _)| name.to_owned()));
    Tier { ruleset, names: names.collect(), index_bytes, seconds: [read, written, opened] }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Rows and distinct hosts that hit; every verdict is compared with a plain walk of the names.
fn hits<'t>(tier: &Tier, uris: impl Iterator<Item = &'t str>) -> (usize, usize) {
    let mut scratch = Scratch::new(&tier.ruleset);
    let (mut rows, mut hosts) = (0, BTreeSet::new());
    let mut buffer = UriBuffer::default();
    for raw in uris {
        let whole = if raw.contains("://") { raw.into() } else { format!("http://{raw}/") };
        let parsed = CanonicalUri::parse(&mut buffer, Form::Absolute, whole.as_bytes());
        let Ok(uri) = parsed else { continue };
        let walk = match uri.host() {
            Host::Name(name) => name.parents().any(|name| tier.names.contains(name)),
            Host::Address(_) => tier.names.contains(uri.host_text()),
        };
        let client = Client {
            address: [127, 0, 0, 1].into(),
            user: None,
            sni: Known::Absent,
            user_agent: Known::Absent,
        };
        let (phase, tunnel) = (Phase::Request, Tunnel::Opaque);
        let request = Request { phase, tunnel, method: b"GET", uri: &uri, client };
        let verdict = decide(&tier.ruleset, &mut scratch, &request, Moment::from_unix_micros(0));
        assert_eq!(matches!(verdict.cause, Cause::Rule { .. }), walk, "{raw}");
        assert_eq!(verdict.category().is_some(), walk, "{raw}");
        if walk {
            rows += 1;
            hosts.insert(uri.host_text().to_owned());
        }
    }
    (rows, hosts.len())
}

fn check(name: &str, requests_expected: (usize, usize), umbrella_expected: usize) {
    let Some(data) = data() else { return };
    let tier = tier(&data.join("domains/tiers").join(name));
    let [read, written, opened] = tier.seconds;
    let index = f64::from(u32::try_from(tier.index_bytes).unwrap());
    let entries = f64::from(u32::try_from(tier.ruleset.entries()).unwrap());
    let text_of_run = format!(
        "{name}: {entries} names, {:.1} bytes each; read {read:.2} s, index {written:.2} s, open {opened:.3} s\n",
        index / entries
    );
    let _ = std::io::stdout().lock().write_all(text_of_run.as_bytes());
    let requests = text(&data.join("urls/requests.tsv.gz"));
    let uris = requests.lines().filter_map(|row| row.split('\t').next());
    assert_eq!(hits(&tier, uris), requests_expected, "requests");
    let umbrella = text(&data.join("topsites/umbrella-top-100k.txt.gz"));
    assert_eq!(hits(&tier, umbrella.lines()).0, umbrella_expected, "umbrella");
}

#[test]
fn the_10k_tier_hits_what_it_should() {
    check("10k", (442, 50), 136);
}

#[test]
fn the_whole_tier_hits_what_it_should() {
    check("all", (47_991, 7_519), 30_688);
}
