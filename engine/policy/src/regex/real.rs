//! Real patterns: every one is taken by a scanner or refused with a reason, and the counts are known.
//!
//! Where the data is not there, the test says so and passes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::dialect::RegexPattern;
use super::plan::Field;
use crate::real_data::{folder_or_skip, say};

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
    let mut text = String::new();
    let file = std::fs::File::open(data.join("regex/pihole-host-regex-23k.txt.gz")).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| (Field::Sni, line.to_owned())).collect()
}

#[test]
fn explore() {
    let Some(data) = folder_or_skip("regex: real patterns") else { return };
    for (name, all) in [("tsv", tsv(&data)), ("pihole", pihole(&data))] {
        let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut longest = 0;
        for (field, text) in &all {
            longest = longest.max(text.len());
            let key = match RegexPattern::parse(text) {
                Ok(pattern) => match pattern.fits_every(*field) {
                    Ok(()) => "ok".to_owned(),
                    Err(fault) => format!("broad {fault}"),
                },
                Err(fault) => format!(
                    "{} {}",
                    fault.code(),
                    fault.to_string().chars().take(140).collect::<String>()
                ),
            };
            codes.entry(key).or_default().push(text.clone());
        }
        say(&format!("== {name}: {} longest {longest}\n", all.len()));
        for (key, texts) in codes {
            say(&format!("{} x {key}\n", texts.len()));
            if key != "ok" {
                for text in texts.iter().take(6) {
                    say(&format!("      {}\n", text.chars().take(160).collect::<String>()));
                }
            }
        }
    }
}

#[test]
fn explore_compile() {
    use super::plan::{Backend, ShardPlan};
    use super::shard::{Placed, Shard};
    let Some(data) = folder_or_skip("regex: real patterns") else { return };
    for (name, all) in [("tsv", tsv(&data)), ("pihole", pihole(&data))] {
        for field in Field::ALL {
            let patterns: std::collections::BTreeSet<RegexPattern> = all
                .iter()
                .filter(|(of, _)| *of == field)
                .filter_map(|(_, text)| RegexPattern::parse(text).ok())
                .collect();
            let patterns: Vec<RegexPattern> = patterns.into_iter().collect();
            for chunk in patterns.chunks(600) {
                let plan = ShardPlan::new(field, chunk.to_vec());
                for backend in [Backend::Hyperscan, Backend::Regex] {
                    let start = std::time::Instant::now();
                    let shard = Shard::compile(&plan, backend).unwrap();
                    let compiled = start.elapsed();
                    let start = std::time::Instant::now();
                    let bytes = shard.to_bytes().unwrap();
                    let wrote = start.elapsed();
                    let start = std::time::Instant::now();
                    let again = Shard::from_bytes(&plan, backend, &bytes).unwrap();
                    let read = start.elapsed();
                    assert!(again.placed().eq(shard.placed()));
                    let left: Vec<&str> = shard
                        .placed()
                        .filter(|(_, placed)| *placed == Placed::Fallback)
                        .map(|(p, _)| p.as_str())
                        .collect();
                    say(&format!(
                        "{name} {field:?} {backend:?}: {} patterns, {} expressions, {} in fallback, {} bytes; compile {compiled:?} write {wrote:?} read {read:?}\n",
                        chunk.len(),
                        shard.expressions.len(),
                        left.len(),
                        bytes.len()
                    ));
                    if backend == Backend::Hyperscan {
                        for text in left {
                            say(&format!("      {text}\n"));
                        }
                    }
                }
                if name == "pihole" {
                    break;
                }
            }
        }
    }
}

#[test]
fn explore_flags() {
    use hyperscan::{BlockDatabase, Builder as _, Pattern, PatternFlags, Patterns};
    let Some(data) = folder_or_skip("regex: real patterns") else { return };
    let all = tsv(&data);
    let patterns: std::collections::BTreeSet<RegexPattern> = all
        .iter()
        .filter(|(of, _)| *of == Field::Uri)
        .filter_map(|(_, text)| RegexPattern::parse(text).ok())
        .collect();
    let patterns: Vec<RegexPattern> = patterns.into_iter().take(600).collect();
    let build = |texts: Vec<String>, flags: PatternFlags| {
        let mut texts = texts;
        loop {
            let start = std::time::Instant::now();
            let set = Patterns(
                texts
                    .iter()
                    .map(|text| Pattern {
                        expression: text.clone(),
                        flags,
                        id: None,
                        ext: hyperscan::ExprExt::default(),
                        som: None,
                    })
                    .collect(),
            );
            let got: Result<BlockDatabase, _> = set.build();
            match got {
                Ok(db) => {
                    say(&format!(
                        "{flags:?} {} in {:?} {} bytes\n",
                        texts.len(),
                        start.elapsed(),
                        db.size().unwrap()
                    ));
                    return;
                }
                Err(hyperscan::Error::Hyperscan(hyperscan::HsError::CompileError(fault))) => {
                    texts.remove(fault.expression().unwrap());
                }
                Err(other) => panic!("{other}"),
            }
        }
    };
    build(
        patterns.iter().map(|p| p.as_str().to_owned()).collect(),
        PatternFlags::CASELESS | PatternFlags::SINGLEMATCH,
    );
    build(
        patterns.iter().map(|p| super::print::print(&p.tree().unwrap()).unwrap().text).collect(),
        PatternFlags::SINGLEMATCH | PatternFlags::CASELESS,
    );
}
