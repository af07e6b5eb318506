//! Real lists as an operator has them: UT1 as it is unpacked, with its links, through `egpolicy check`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use eg_policy::diagnostic::Severity;
use eg_policy::lists::{ListFormat, ListPart};

use super::{Checked, check};

/// A file of the real data, or nothing and a note that `test` was left out.
fn data_or_skip(test: &str, path: &str) -> Option<PathBuf> {
    let beside = || eg_settings::in_tree("../shared/data").unwrap();
    let folder = std::env::var_os("EG_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    if let Some(skipped) = std::env::var_os("EG_TESTS_SKIPPED") {
        let mut notes = File::options().create(true).append(true).open(skipped).unwrap();
        writeln!(notes, "{test}\t`{}` is not there", path.display()).unwrap();
    }
    None
}

/// A policy with one rule for each list, beside them.
fn checked(root: &Path, lists: &[String]) -> Checked {
    let rule = |(number, list): (usize, &String)| {
        format!("rule-{number}: {{\n match-domain-list: {list}\n}}\n")
    };
    let text: String = lists.iter().enumerate().map(rule).collect();
    fs::write(root.join("10.policy"), text).unwrap();
    check(&[root.to_path_buf()], &[]).unwrap()
}

#[test]
fn every_category_of_ut1_loads_with_its_links() {
    let archive = "domains/ut1/blacklists-2025-07-13.tar.gz";
    let test = "egpolicy: every_category_of_ut1_loads_with_its_links";
    let Some(archive) = data_or_skip(test, archive) else { return };
    let root = tempfile::tempdir().unwrap();
    let packed = flate2::read::GzDecoder::new(File::open(archive).unwrap());
    tar::Archive::new(packed).unpack(root.path()).unwrap();
    let folders = fs::read_dir(root.path().join("blacklists")).unwrap();
    let folders = folders.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut lists: Vec<String> =
        folders.map(|entry| format!("blacklists/{}", entry.file_name().display())).collect();
    lists.sort();
    let found = checked(root.path(), &lists);
    let errors: Vec<String> = found
        .diagnostics
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .map(|fault| fault.message.clone())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!((found.rules, found.list_count), (76, 76));
    let sum = |part: ListPart, of: fn(&eg_policy::lists::ListReport) -> u64| -> u64 {
        let reports = found.lists.iter().map(|list| &list.report);
        reports.filter(|report| report.part == part).map(of).sum()
    };
    let all = |report: &eg_policy::lists::ListReport| {
        report.accepted + report.duplicates + report.refused_count + report.public_suffix_count
    };
    let refused: Vec<String> = found
        .lists
        .iter()
        .filter(|list| list.report.refused_count > 0)
        .map(|list| format!("{}: {:?}", list.path, list.report.refused.first()))
        .collect();
    let said = format!(
        "domains {} of {}, urls {} of {}, expressions {}, refused {refused:#?}\n",
        sum(ListPart::Domains, |report| report.accepted),
        sum(ListPart::Domains, all),
        sum(ListPart::Urls, |report| report.accepted),
        sum(ListPart::Urls, all),
        sum(ListPart::Expressions, |report| report.accepted),
    );
    drop(std::io::stderr().lock().write_all(said.as_bytes()));
    // The links count the categories that they lead to again.
    assert!(sum(ListPart::Domains, all) >= 1_010_500);
    assert!(sum(ListPart::Urls, all) >= 43_881);
    assert_eq!(sum(ListPart::Expressions, |report| report.accepted), 6);
    assert_eq!(found.regexes.patterns, 5);
}

#[test]
fn the_report_says_format_and_every_count() {
    let root = tempfile::tempdir().unwrap();
    let text = "127.0.0.1 localhost\n0.0.0.0 a.test\n0.0.0.0 w.a.test\n0.0.0.0 A.test\nwhat\n\
                0.0.0.0 com\n";
    fs::write(root.path().join("x.hosts"), text).unwrap();
    fs::write(root.path().join("y.ads"), "||a.test^\n@@||b.test^\n").unwrap();
    let found = checked(root.path(), &["x.hosts".to_owned(), "y.ads".to_owned()]);
    let codes: Vec<_> = found.diagnostics.iter().map(|fault| fault.code.id()).collect();
    assert_eq!(codes, ["EGP040", "EGP041", "EGP080"]);
    assert_eq!(found.lists[0].report.format, ListFormat::Hosts);
    let mut out = Vec::new();
    crate::render::checked(&mut out, &found, crate::render::Format::Text).unwrap();
    let out = String::from_utf8(out).unwrap();
    let expected = "x.hosts: 2 entries, read as hosts, 1 refused, 1 repeated, 1 covered by another, \
                    1 respelt, 1 names of the machine passed over, 1 public suffixes left out\n";
    assert!(out.contains(expected), "{out}");
    assert!(out.contains("y.ads: 1 entries, read as adblock, 1 exceptions ignored\n"), "{out}");
    let mut out = Vec::new();
    crate::render::checked(&mut out, &found, crate::render::Format::Json).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let list = &document["lists"][0];
    assert_eq!((&list["format"], &list["covered"]), (&"hosts".into(), &1.into()));
    assert_eq!(list["refused_lines"][0]["line"], 5);
    assert_eq!(document["lists"][1]["exceptions"], 1);
}
